"""A small model in LiteRT's object API, for tests to spoil: two fully connected layers, int8."""

from __future__ import annotations

from typing import Any

from ai_edge_litert import schema_py_generated as litert

from refinfer.schema.enums import BuiltinOperator, TensorType
from tests.schema.referee import pack

X, WEIGHTS_1, BIAS_1, HIDDEN, WEIGHTS_2, BIAS_2, Y = range(7)


def small() -> Any:
    """The model: y = W2 (W1 x + b1) + b2, with x of 4, hidden of 3, y of 2 elements."""
    return made(
        litert.ModelT,
        version=3,
        description="two layers",
        operatorCodes=[
            made(
                litert.OperatorCodeT,
                builtinCode=BuiltinOperator.FULLY_CONNECTED,
                deprecatedBuiltinCode=BuiltinOperator.FULLY_CONNECTED,
            )
        ],
        buffers=[buffer(0), buffer(12), buffer(12), buffer(6), buffer(8)],
        subgraphs=[
            made(
                litert.SubGraphT,
                name="main",
                tensors=[
                    tensor("x", [1, 4]),
                    tensor("w1", [3, 4], 1),
                    tensor("b1", [3], 2, TensorType.INT32),
                    tensor("hidden", [1, 3]),
                    tensor("w2", [2, 3], 3),
                    tensor("b2", [2], 4, TensorType.INT32),
                    tensor("y", [1, 2]),
                ],
                inputs=[X],
                outputs=[Y],
                operators=[dense([X, WEIGHTS_1, BIAS_1], [HIDDEN]), dense([HIDDEN, WEIGHTS_2, BIAS_2], [Y])],
            )
        ],
    )


def made(kind: type, **values: Any) -> Any:
    """An object of LiteRT's API with these attributes, all of which it has."""
    thing = kind()
    for name, value in values.items():
        assert hasattr(thing, name), name
        setattr(thing, name, value)
    return thing


def buffer(nbytes: int) -> Any:
    return made(litert.BufferT, data=list(range(nbytes)) if nbytes else None)


def tensor(name: str, shape: list[int], buffer: int = 0, type: TensorType = TensorType.INT8) -> Any:
    quantization = made(litert.QuantizationParametersT, scale=[0.5], zeroPoint=[0])
    return made(litert.TensorT, name=name, shape=shape, buffer=buffer, type=type, quantization=quantization)


def dense(inputs: list[int], outputs: list[int]) -> Any:
    return made(
        litert.OperatorT,
        inputs=inputs,
        outputs=outputs,
        builtinOptionsType=litert.BuiltinOptions.FullyConnectedOptions,
        builtinOptions=litert.FullyConnectedOptionsT(),
    )


def calling(union: str, index: int = 0, **options: Any) -> Any:
    """An operator with no tensors, whose options are of the named type."""
    number = getattr(litert.BuiltinOptions, union, None)
    kind = made(getattr(litert, f"{union}T"), **options)
    operator = made(litert.OperatorT, opcodeIndex=index, inputs=[], outputs=[])
    if number is not None:
        operator.builtinOptionsType, operator.builtinOptions = number, kind
    else:
        operator.builtinOptions2Type, operator.builtinOptions2 = getattr(litert.BuiltinOptions2, union), kind
    return operator


def small_bytes() -> bytes:
    """The model as a file."""
    return pack(small())
