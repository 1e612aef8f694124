"""Other types for the same values: the bits of the official runtimes."""

from __future__ import annotations

import numpy as np
import pytest

from refinfer.kernels.registry import PORTABLE
from refinfer.machine import Machine
from refinfer.schema import read_model
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.options import FakeQuantOptions
from refinfer.testing import TensorSpec, one_op_model
from tests.kernels.bits import RUNTIMES, Array, agree, cases, known, quantized, scale, two_shapes, values, zero_point

T = TensorType
B = BuiltinOperator

REQUANTIZED = {
    T.FLOAT32: (T.INT8, T.UINT8, T.INT16),
    T.INT8: (T.INT8, T.UINT8, T.INT16),
    T.UINT8: (T.INT8, T.UINT8, T.INT16),
    T.INT16: (T.INT8, T.INT16, T.INT32),
    T.INT32: (T.INT8, T.INT16),
}
REQUANTIZED_IN_TFLM = {
    T.FLOAT32: (T.INT8, T.INT16),
    T.INT8: (T.INT8, T.UINT8, T.INT16, T.INT32),
    T.UINT8: (T.INT8,),
    T.INT16: (T.INT8, T.INT16, T.INT32),
    T.INT32: (T.INT8, T.INT16),
}
OUTPUTS = {"litert": REQUANTIZED, "tflm": REQUANTIZED_IN_TFLM}


@pytest.mark.parametrize(
    ("runtime", "op", "of"), known({B.QUANTIZE: tuple(REQUANTIZED)}, {B.QUANTIZE: tuple(REQUANTIZED_IN_TFLM)})
)
def test_quantize(runtime: str, op: BuiltinOperator, of: TensorType) -> None:
    rng = np.random.default_rng(of)
    for to in OUTPUTS[runtime][of]:
        for case in cases(3):
            shape, _ = two_shapes(rng, empty=runtime != "tflm")
            x = TensorSpec(of, shape) if of == T.FLOAT32 else quantized(rng, of, shape)
            y = quantized(rng, to, shape, x.scale[0] if x.scale else None)
            model = one_op_model(op, [x], [y])
            agree(runtime, model, *([values(rng, of, shape)] for _ in range(3)), case=(case, x, y))


FROM = (T.INT8, T.UINT8, T.INT16)


@pytest.mark.parametrize(("runtime", "op", "of"), known({B.DEQUANTIZE: (*FROM, T.FLOAT16)}, {B.DEQUANTIZE: FROM}))
def test_dequantize(runtime: str, op: BuiltinOperator, of: TensorType) -> None:
    rng = np.random.default_rng(of)
    for case in cases(4):
        shape, _ = two_shapes(rng, empty=runtime != "tflm")
        x = TensorSpec(of, shape) if of == T.FLOAT16 else quantized(rng, of, shape)
        model = one_op_model(op, [x], [TensorSpec(T.FLOAT32, shape)])
        agree(runtime, model, *([values(rng, of, shape)] for _ in range(3)), case=(case, x))


def per_channel(rng: np.random.Generator, of: TensorType, data: Array | None = None) -> TensorSpec:
    """A tensor with as many scales as it is long in one dimension."""
    shape, _ = two_shapes(rng, empty=False)
    axis = int(rng.integers(0, len(shape)))
    scales = [scale(rng) for _ in range(shape[axis])]
    zeros = [0 if of == T.INT4 else zero_point(rng, of) for _ in scales]
    return TensorSpec(of, shape, scales, zeros, axis=axis)


@pytest.mark.parametrize("of", [T.INT8, T.UINT8, T.INT16])
@pytest.mark.parametrize("runtime", RUNTIMES[:1])
def test_quantize_with_a_scale_for_each_channel(runtime: str, of: TensorType) -> None:
    rng = np.random.default_rng(of)
    for case in cases(4):
        y = per_channel(rng, of)
        model = one_op_model(B.QUANTIZE, [TensorSpec(T.FLOAT32, y.shape)], [y])
        agree(runtime, model, [values(rng, T.FLOAT32, y.shape)], case=(case, y.shape, y.axis))


@pytest.mark.parametrize("of", [T.INT8, T.UINT8, T.INT4])
@pytest.mark.parametrize("runtime", RUNTIMES[:1])
def test_dequantize_a_constant_with_a_scale_for_each_channel(runtime: str, of: TensorType) -> None:
    rng = np.random.default_rng(of)
    for case in cases(4):
        spec = per_channel(rng, of)
        low, high = (-8, 8) if of == T.INT4 else (0, 128)
        data = np.asarray(rng.integers(low, high, spec.shape)).astype(np.uint8 if of == T.UINT8 else np.int8)
        x = TensorSpec(of, spec.shape, spec.scale, spec.zero_point, axis=spec.axis, data=data)
        agree(runtime, one_op_model(B.DEQUANTIZE, [x], [TensorSpec(T.FLOAT32, x.shape)]), [], case=(case, x.shape))


CAST = (
    *(T.FLOAT32, T.FLOAT16, T.FLOAT64, T.BOOL, T.COMPLEX64),
    *(T.INT8, T.UINT8, T.INT16, T.UINT16, T.INT32, T.UINT32, T.INT64),
)
CAST_IN_TFLM = (T.FLOAT32, T.INT8, T.INT16, T.INT32, T.UINT32)


@pytest.mark.parametrize(("runtime", "op", "of"), known({B.CAST: CAST}, {B.CAST: (*CAST_IN_TFLM, T.BOOL)}))
def test_cast(runtime: str, op: BuiltinOperator, of: TensorType) -> None:
    rng = np.random.default_rng(of)
    for to in CAST if runtime == "litert" else CAST_IN_TFLM:
        for case in cases(1):
            shape, _ = two_shapes(rng, empty=runtime != "tflm")
            model = one_op_model(op, [TensorSpec(of, shape)], [TensorSpec(to, shape)])
            runs = [[values(rng, of, shape, spread)] for spread in (1.0, 100.0, 1e6)]
            agree(runtime, model, *runs, case=(case, to.name, shape))


@pytest.mark.parametrize("runtime", RUNTIMES[:1])
def test_fake_quant(runtime: str) -> None:
    rng = np.random.default_rng(3)
    x = TensorSpec(T.FLOAT32, (300,))
    for bits in (2, 4, 8, 16):
        for low, high in ((-1.0, 1.0), (0.0, 6.0), (-3.3, 0.0), (-0.7, 5.1)):
            options = FakeQuantOptions(min=low, max=high, num_bits=bits)
            model = one_op_model(B.FAKE_QUANT, [x], [TensorSpec(T.FLOAT32, (300,))], options)
            agree(runtime, model, [values(rng, T.FLOAT32, (300,))], case=(bits, low, high))


def test_what_becomes_of_a_nan_that_is_cast_depends_on_the_dialect() -> None:
    model = one_op_model(B.CAST, [TensorSpec(T.FLOAT32, (2,))], [TensorSpec(T.INT8, (2,))])
    x = np.array([np.nan, 1e9], np.float32)
    found = {name: Machine(read_model(model), dialect).call(0, [x])[0].tolist() for name, dialect in PORTABLE.items()}
    assert found == {"litert": [127, 127], "tflm": [0, 127]}
