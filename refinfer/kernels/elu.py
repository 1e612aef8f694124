"""ELU and GELU.

Sources: tensorflow/lite/micro/kernels/elu.cc; of the arithmetic also tensorflow/lite/kernels/activations.cc and
internal/reference/{elu,gelu}.h.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import pi, sqrt
from typing import TYPE_CHECKING

from refinfer.kernels.arithmetic import eigen, libm
from refinfer.kernels.arithmetic.lookup import Function, tabulated
from refinfer.kernels.common import (
    input_at,
    options_of,
    output_at,
    require_arity,
    require_same_type,
    switch_on_input,
)
from refinfer.kernels.compute import Evaluate, Fold, Host
from refinfer.kernels.kernel import Kernel, Request, op_data, temps
from refinfer.kernels.layout import INT8, Build, Repeated, struct
from refinfer.kernels.lazy import np
from refinfer.kernels.overlap import of_unary
from refinfer.kernels.unary import BITS_8, by_type, fold_one, require_quantized
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node
from refinfer.schema.options import GeluOptions

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

GELU_CUBIC = 0.044715
ELU_OP_DATA = struct("elu:OpData", table=Repeated(INT8, 256))


def prepare_elu(node: Node, build: Build) -> Iterator[Request]:
    """[elu.cc: CalculateOpData]"""
    require_arity(node, 1, 1)
    x, y = input_at(node, 0), output_at(node, 0)
    yield from temps(x, y)
    require_same_type(x, y)


def elu(x: Array) -> Array:
    """x where it is not negative, exp(x) - 1 elsewhere, without cancellation."""
    return np.where(x < 0, libm.expm1f(x), x)


def elu_by_exp(x: Array) -> Array:
    """The same, with cancellation [elu.cc: CalculateOpData]."""
    return np.where(x < 0, libm.expf(x) - np.float32(1), x)


def fold_elu_by_table(function: Function) -> Fold:
    """int8, tabulated in float."""

    def fold(node: Node, host: Host) -> Evaluate:
        require_quantized(node)
        return tabulated(function, input_at(node, 0), output_at(node, 0))

    return fold


def fold_gelu_by_table(node: Node, host: Host) -> Evaluate:
    """Quantized, tabulated in float."""
    require_quantized(node)
    approximate = options_of(node, GeluOptions).approximate
    return tabulated(gelu_by_tanh if approximate else gelu, input_at(node, 0), output_at(node, 0))


def fold_gelu_float(node: Node, host: Host) -> Evaluate:
    """float32 and float16."""
    x = input_at(node, 0)
    exact, approximate = GELUS_OF_EIGEN[x.type]
    return fold_one(approximate if options_of(node, GeluOptions).approximate else exact)(node, host)


def gelu(x: Array) -> Array:
    """x/2 * erfc(-x / sqrt(2))"""
    return np.float32(0.5) * x * libm.erfcf(x * np.float32(-sqrt(0.5)))


def gelu_by_tanh(x: Array) -> Array:
    """x/2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))"""
    cubic = x + np.float32(GELU_CUBIC) * x * x * x
    return np.float32(0.5) * x * (np.float32(1) + libm.tanhf(np.float32(sqrt(2 / pi)) * cubic))


def gelu_of_eigen(x: Array) -> Array:
    """As `gelu`, with Eigen's erfc."""
    return np.float32(0.5) * x * eigen.erfc(x * np.float32(-sqrt(0.5)))


def gelu_by_tanh_of_eigen(x: Array) -> Array:
    """As `gelu_by_tanh`, with the cube before its factor, and Eigen's tanh."""
    cubic = x + np.float32(GELU_CUBIC) * (x * x * x)
    return np.float32(0.5) * x * (np.float32(1) + eigen.tanh(np.float32(sqrt(2 / pi)) * cubic))


def gelu_of_halves(x: Array) -> Array:
    """As `gelu_of_eigen`, every step rounded to half; there are no vectors of them."""
    erfc = eigen.erfc_with(libm.expf, (x * np.float16(-sqrt(0.5))).astype(np.float32))
    return np.float16(0.5) * x * erfc.astype(np.float16)


def gelu_by_tanh_of_halves(x: Array) -> Array:
    """As `gelu_by_tanh_of_eigen`, every step rounded to half."""
    cubic = x + np.float16(GELU_CUBIC) * (x * x * x)
    tanh = libm.tanhf((np.float16(sqrt(2 / pi)) * cubic).astype(np.float32))
    return np.float16(0.5) * x * (np.float16(1) + tanh.astype(np.float16))


GELUS_OF_EIGEN: dict[TensorType, tuple[Function, Function]] = {  # exact and approximate
    TensorType.FLOAT32: (gelu_of_eigen, gelu_by_tanh_of_eigen),
    TensorType.FLOAT16: (gelu_of_halves, gelu_by_tanh_of_halves),
}
ELU = Kernel(
    init=op_data(ELU_OP_DATA, "elu.cc: EluInit"),
    prepare=prepare_elu,
    invoke=switch_on_input(
        "ELU only supports float32 and int8 currently, got {}.", TensorType.FLOAT32, TensorType.INT8
    ),
    overlap=of_unary,
)
COMPUTE_ELU = by_type({TensorType.FLOAT32: fold_one(elu), TensorType.INT8: fold_elu_by_table(elu)}, version=1)
COMPUTE_ELU_BY_EXP = by_type(
    {TensorType.FLOAT32: fold_one(elu), TensorType.INT8: fold_elu_by_table(elu_by_exp)}, version=1
)
COMPUTE_GELU = by_type(
    dict.fromkeys(GELUS_OF_EIGEN, fold_gelu_float) | dict.fromkeys((*BITS_8, TensorType.INT16), fold_gelu_by_table),
    version=2,
)
