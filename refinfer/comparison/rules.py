"""How the dialects round, operator by operator, in words; and why the reference kernels of both runtimes differ."""

from __future__ import annotations

from collections.abc import Mapping

from refinfer.kernels.registry import DIALECTS, PORTABLE
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.graph import Node

LITERT, TFLM, OPTIMIZED, XNNPACK = DIALECTS


def type_of(node: Node) -> TensorType:
    """The type that decides about a node's arithmetic: that of its first input, or of its output if it has none."""
    first = next((x for x in node.inputs if x is not None), None)
    return (first if first is not None else node.outputs[0]).type


def cause_of(node: Node) -> str | None:
    """Why the dialects compute a node differently, in words."""
    for types, words in CAUSES.get(node.op, ()):
        if type_of(node) in types:
            return words
    first, second = (dialect.compute_of(node) for dialect in PORTABLE.values())
    return None if first == second else "the runtimes have kernels of their own for it"


def rule(dialect: str, node: Node) -> str:
    """How a dialect computes a node, in words: how it rounds, of 8 bits."""
    delegate = DIALECTS[dialect].delegate
    left = delegate is not None and not delegate.takes(node)
    computed_by = OPTIMIZED if left else dialect
    rules = rules_of(node)
    words = rules.get(computed_by) or (rules.get(LITERT) if computed_by == OPTIMIZED else None)
    if words is None:
        words = _without_rule(computed_by, node)
    return f"not taken by the delegate: {words}" if left else words


def rules_of(node: Node) -> Mapping[str, str]:
    """The rules of a node, by dialect; none of one that has nothing to do with 8 bits."""
    if not any(x is not None and x.type in BYTES for x in (*node.inputs[:1], *node.outputs[:1])):
        return {}
    return GROUPED if is_grouped(node) else RULES.get(node.op, {})


def is_grouped(node: Node) -> bool:
    """Whether this is CONV_2D whose filters see a part of the channels each."""
    depths = [x.shape[-1] for x in node.inputs[:2] if x is not None and x.shape]
    return node.op == BuiltinOperator.CONV_2D and len(set(depths)) > 1


def _without_rule(dialect: str, node: Node) -> str:
    if dialect == TFLM:
        return cause_of(node) or "the reference kernel"
    own = DIALECTS[dialect].compute_of(node) != DIALECTS[LITERT].compute_of(node)
    return "a kernel of its own" if own else "the reference kernel"


TWICE = "two roundings in fixed point: ties up, then away from zero"
UP = "two roundings in fixed point, both ties up"
BLOCKS = "two roundings in fixed point; the second ties up in whole blocks of 8 channels, away from zero in the rest"
ONCE = "one rounding of a float product, ties to even; the limits of a fused activation are rounded likewise"
CONVOLUTION = {LITERT: TWICE, TFLM: TWICE, OPTIMIZED: UP, XNNPACK: ONCE}
GROUPED = CONVOLUTION | {OPTIMIZED: TWICE}
FINE = "8 bits below the point, ties up"
BY_TABLE = "a table of the C library's float function, ties away from zero"

RULES: Mapping[BuiltinOperator, Mapping[str, str]] = {
    BuiltinOperator.CONV_2D: CONVOLUTION,
    BuiltinOperator.DEPTHWISE_CONV_2D: CONVOLUTION | {OPTIMIZED: BLOCKS},
    BuiltinOperator.TRANSPOSE_CONV: CONVOLUTION | {OPTIMIZED: BLOCKS},
    BuiltinOperator.FULLY_CONNECTED: CONVOLUTION | {LITERT: "one rounding of a double product, ties away from zero"},
    BuiltinOperator.BATCH_MATMUL: CONVOLUTION | {OPTIMIZED: TWICE},
    BuiltinOperator.ADD: {
        LITERT: "inputs and sum rounded twice each, in fixed point",
        TFLM: "inputs and sum rounded twice each, in fixed point",
        OPTIMIZED: "inputs rounded once or cut off, in whole blocks of 8 or 16 numbers",
        XNNPACK: "multipliers of 20 bits, and one shift of the sum, ties up",
    },
    BuiltinOperator.SUB: {
        LITERT: "inputs and difference rounded twice each, in fixed point",
        TFLM: "inputs and difference rounded twice each, in fixed point",
        XNNPACK: "multipliers of 20 bits, and one shift of the difference, ties up",
    },
    BuiltinOperator.MUL: {LITERT: TWICE, TFLM: f"{TWICE}; the multiplier is computed in double", XNNPACK: ONCE},
    BuiltinOperator.MAX_POOL_2D: {
        LITERT: "limits of a fused activation rounded with ties away from zero",
        TFLM: "limits of a fused activation rounded with ties away from zero",
        XNNPACK: "limits of a fused activation rounded with ties to even",
    },
    BuiltinOperator.MEAN: {
        LITERT: "the sum rounded twice, by a multiplier over their number",
        TFLM: "the sum rounded twice, by a multiplier over their number",
        OPTIMIZED: "over images that keep their rank: zero points rounded apart, ties up in blocks of 16 channels",
        XNNPACK: "the sum scaled in floats, ties to even",
    },
    BuiltinOperator.SUM: {
        LITERT: "a defect of LiteRT: the input is read as uint8",
        TFLM: "the sum rounded twice, in fixed point",
        OPTIMIZED: "the sum scaled in floats, ties away from zero",
        XNNPACK: "the sum scaled in floats, ties to even",
    },
    BuiltinOperator.SOFTMAX: {
        LITERT: "exponentials, sum and reciprocal in fixed point",
        TFLM: "exponentials, sum and reciprocal in fixed point",
        OPTIMIZED: "a table of float exponentials, and a float sum",
    },
    BuiltinOperator.LOGISTIC: {
        LITERT: BY_TABLE,
        TFLM: "gemmlowp's fixed point",
        XNNPACK: "a table of exp(x) / (1 + exp(x)) in double, ties to even",
    },
    BuiltinOperator.TANH: {
        LITERT: BY_TABLE,
        TFLM: "gemmlowp's fixed point",
        XNNPACK: "a table of the C library's float function, ties to even",
    },
    BuiltinOperator.ELU: {LITERT: BY_TABLE, XNNPACK: "a table of the C library's float function, ties to even"},
    BuiltinOperator.LEAKY_RELU: {LITERT: TWICE, TFLM: TWICE, XNNPACK: f"multipliers with {FINE}"},
    BuiltinOperator.QUANTIZE: {
        LITERT: "of floats a quotient, ties away from zero; of integers two roundings",
        TFLM: "of floats a quotient, ties away from zero; of integers two roundings",
        OPTIMIZED: "of floats a product with the inverse, ties to even, in blocks of 8; of integers ties up, by 16",
        XNNPACK: f"of floats a product with the inverse, ties to even; of integers a multiplier with {FINE}",
    },
    BuiltinOperator.DEQUANTIZE: {
        LITERT: "scale times number, once the zero point is off",
        TFLM: "scale times number, once the zero point is off",
        OPTIMIZED: "number times scale, and the scaled zero point off that, in blocks of 8",
        XNNPACK: "scale times number, once the zero point is off",
    },
    BuiltinOperator.RESIZE_BILINEAR: {
        LITERT: "coordinates with 10 bits below the point, ties away from zero",
        TFLM: "coordinates with 10 bits below the point, ties away from zero",
        XNNPACK: "float coordinates, weights with 11 bits below the point, ties up",
    },
}
"""Of each operator, how the dialects round 8 bits; one that is left out does as LiteRT's reference kernel."""

FLOATS = (TensorType.FLOAT32, TensorType.FLOAT16)
BYTES = (TensorType.INT8, TensorType.UINT8)
QUANTIZED = (*BYTES, TensorType.INT16)
ANY = tuple(TensorType)

MULTIPLIER = "the real multiplier: litert computes it in float32, tflm in double, and rounding falls out differently"
DECLARED = "the shape: litert computes that of the output, tflm takes what the file declares"
NOT_A_NUMBER = "NaN: the runtimes compare with it in another order"
BY_TABLE = "the table: litert looks up the float function's values, tflm computes in gemmlowp's fixed point"

CAUSES: dict[BuiltinOperator, tuple[tuple[tuple[TensorType, ...], str], ...]] = {
    BuiltinOperator.CONV_2D: ((ANY, DECLARED),),
    BuiltinOperator.DEPTHWISE_CONV_2D: ((ANY, DECLARED),),
    BuiltinOperator.FULLY_CONNECTED: (
        (
            BYTES,
            "rounding: litert rounds the product of sum and multiplier once, in double; tflm twice, in fixed point",
        ),
        (
            (TensorType.INT16,),
            "rounding: litert rounds the product of sum and multiplier once, in double; tflm multiplies in fixed "
            "point, by a multiplier of 16 bits if the bias has 64",
        ),
    ),
    BuiltinOperator.LOGISTIC: ((BYTES, BY_TABLE), (FLOATS, "the float exponential and where it is cut off")),
    BuiltinOperator.TANH: (
        (BYTES, BY_TABLE),
        (FLOATS, "the float function: Eigen's in litert, the C library's in tflm"),
    ),
    BuiltinOperator.MUL: ((QUANTIZED, MULTIPLIER),),
    BuiltinOperator.PRELU: ((QUANTIZED, MULTIPLIER),),
    BuiltinOperator.LEAKY_RELU: ((QUANTIZED, MULTIPLIER),),
    BuiltinOperator.ABS: ((QUANTIZED, MULTIPLIER),),
    BuiltinOperator.DIV: ((QUANTIZED, MULTIPLIER),),
    BuiltinOperator.HARD_SWISH: ((QUANTIZED, MULTIPLIER),),
    BuiltinOperator.RSQRT: ((QUANTIZED, "the inverse square root: a table in litert, Newton's steps in tflm"),),
    BuiltinOperator.SOFTMAX: (((TensorType.INT16,), "the multiplier of beta, and the numbers of the table"),),
    BuiltinOperator.RELU6: ((QUANTIZED, "the scale: tflm only clips, where litert brings it to the output's scale"),),
    BuiltinOperator.SUM: ((QUANTIZED, "a defect of LiteRT: it reads the input as uint8; tflm adds rightly"),),
    BuiltinOperator.SVDF: ((ANY, "the order of the sums, when the bias is added, and which tanh"),),
    BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM: (
        (
            QUANTIZED,
            "sigmoid and tanh: fixed point in litert, a table with interpolation in tflm; tflm also rounds and "
            "saturates the products of the cell one by one",
        ),
        (FLOATS, "the order of the sums, and which sigmoid and tanh"),
    ),
    BuiltinOperator.PAD: (((TensorType.INT16,), "the border of int16: zeros in tflm, the zero point in litert"),),
    BuiltinOperator.PADV2: (((TensorType.INT16,), "the border of int16: zeros in tflm, the zero point in litert"),),
    BuiltinOperator.SPACE_TO_BATCH_ND: ((ANY, "the border: zeros in tflm whatever the zero point is"),),
    BuiltinOperator.STRIDED_SLICE: ((ANY, "masks: tflm ignores those of ellipses and new axes"),),
    BuiltinOperator.RESHAPE: ((ANY, DECLARED),),
    BuiltinOperator.SHAPE: ((ANY, DECLARED),),
    BuiltinOperator.TRANSPOSE_CONV: ((ANY, DECLARED),),
    BuiltinOperator.CAST: ((FLOATS, "what becomes of NaN and of numbers beyond the integers"),),
    BuiltinOperator.ARG_MAX: ((FLOATS, NOT_A_NUMBER),),
    BuiltinOperator.ARG_MIN: ((FLOATS, NOT_A_NUMBER),),
    BuiltinOperator.REDUCE_MAX: ((FLOATS, NOT_A_NUMBER),),
    BuiltinOperator.REDUCE_MIN: ((FLOATS, NOT_A_NUMBER),),
    BuiltinOperator.ELU: ((FLOATS, "the float function: expm1 in litert, exp less 1 in tflm"),),
}
"""Why the dialects differ, by operator and type. The rows in registry.py and the functions in `Numerics` are where."""
