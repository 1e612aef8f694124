"""Functions of floats: those of the C library, which are called where they are, and those of the library Eigen.

A kernel is told a C function as its address, so that it is the one that numpy's tier calls too.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from refinfer.kernels.arithmetic import eigen, libm
from refinfer.kernels.compiled.draft import require_compiled
from refinfer.kernels.compiled.jit import INTERPRETED, Number, float32s, njit
from refinfer.kernels.compiled.records import LIMITED, OF_C, TANH_OF_EIGEN
from refinfer.kernels.sigmoid import SIGMOID_IS_ONE_ABOVE

ONE, HALF, ZERO = np.float32(1), np.float32(0.5), np.float32(0)
MINUS_NINE, IS_ONE_ABOVE = np.float32(-9), np.float32(SIGMOID_IS_ONE_ABOVE)
IS_ONE_FROM, IS_ZERO_BELOW = np.float32(eigen.SIGMOID_IS_ONE_FROM), np.float32(eigen.SIGMOID_IS_ZERO_BELOW)
LOG2_E = np.float32(eigen.LOG2_E)
LN_2_HIGH, LN_2_LOW = (np.float32(each) for each in eigen.MINUS_LN_2)
EVEN_2, EVEN_0 = (np.float32(each) for each in eigen.EXP_EVEN)
ODD_2, ODD_0 = (np.float32(each) for each in eigen.EXP_ODD)
EXPONENT_OF_ONE, EXPONENT_BIT = np.int32(127), np.int32(23)
TANH_LIMIT = np.float32(eigen.TANH_LIMIT)
NUMERATOR_6, NUMERATOR_4, NUMERATOR_2, NUMERATOR_0 = (np.float32(each) for each in eigen.TANH_NUMERATOR)
DENOMINATOR_8, DENOMINATOR_6, DENOMINATOR_4, DENOMINATOR_2, DENOMINATOR_0 = (
    np.float32(each) for each in eigen.TANH_DENOMINATOR
)


def address_of(name: str) -> int:
    """Where the C library has a function; without that library there is no kernel."""
    function = libm.function_of(name)
    require_compiled(function is not None)
    address = ctypes.cast(cast(Any, function), ctypes.c_void_p).value
    assert address is not None
    return address


if INTERPRETED:

    def of_c(address: int, x: Number) -> Number:
        """A C function of a float."""
        return np.float32(ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_float)(int(address))(x))

else:

    @intrinsic  # type: ignore[untyped-decorator]  # numba tells no types
    def of_c(typing_context: Any, address: Any, x: Any) -> Any:
        """A C function of a float."""

        def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Sequence[Any]) -> ir.Value:
            function = ir.FunctionType(ir.FloatType(), [ir.FloatType()]).as_pointer()
            return builder.call(builder.inttoptr(arguments[0], function), [arguments[1]])

        return types.float32(types.int64, types.float32), generate


@njit
def apply_c(source: int, count: int, function: int, output: int) -> None:
    """y = f(x)"""
    x, y = float32s(source, count), float32s(output, count)
    for i in range(count):
        y[i] = of_c(function, x[i])


@njit
def sigmoid(source: int, count: int, expf: int, output: int) -> None:
    """1 / (1 + exp(-x)), which is taken for 1 or for exp(x) far from 0."""
    x, y = float32s(source, count), float32s(output, count)
    for i in range(count):
        each = x[i]
        if each > IS_ONE_ABOVE:
            y[i] = ONE
        elif each < MINUS_NINE:
            y[i] = of_c(expf, each)
        else:
            y[i] = ONE / (ONE + of_c(expf, -each))


@njit
def sigmoid_of_eigen(source: int, count: int, place: int, expf: int, output: int) -> None:
    """The same as Eigen has it, for a vector `place` floats after an address that is aligned: `eigen.sigmoid`."""
    x, y = float32s(source, count), float32s(output, count)
    first = min(-place % 4, count)
    last = first + (count - first) // 4 * 4
    for i in range(count):
        if i < first or i >= last:
            e = of_c(expf, IS_ONE_FROM if x[i] > IS_ONE_FROM else x[i])
            y[i] = e / (ONE + e)
    inner, out = float32s(source + 4 * first, last - first), float32s(output + 4 * first, last - first)
    for i in range(last - first):
        out[i] = sigmoid_in_vector(inner[i])


@njit
def sigmoid_in_vector(x: Number) -> Number:
    """`eigen.sigmoid_of_vector`"""
    z = (IS_ONE_FROM if x > IS_ONE_FROM else x) * HALF
    m = np.floor(z * LOG2_E + HALF)
    r = m * LN_2_HIGH + z
    r = m * LN_2_LOW + r
    r2 = r * r
    e = r2 * (r * (ODD_2 * r2 + ODD_0) + (EVEN_2 * r2 + EVEN_0)) + (r + ONE)
    e = e * np.int32((np.int32(m) + EXPONENT_OF_ONE) << EXPONENT_BIT).view(np.float32)  # 2**m, as m is not large here
    e = e * e
    return ZERO if x < IS_ZERO_BELOW else e / (ONE + e)


@njit
def tanh_of_eigen(source: int, count: int, output: int) -> None:
    """`eigen.tanh`"""
    given, y = float32s(source, count), float32s(output, count)
    for i in range(count):
        x = given[i]
        x = TANH_LIMIT if x > TANH_LIMIT else x
        x = -TANH_LIMIT if x < -TANH_LIMIT else x
        x2 = x * x
        p = ((NUMERATOR_6 * x2 + NUMERATOR_4) * x2 + NUMERATOR_2) * x2 + NUMERATOR_0
        q = (((DENOMINATOR_8 * x2 + DENOMINATOR_6) * x2 + DENOMINATOR_4) * x2 + DENOMINATOR_2) * x2 + DENOMINATOR_0
        y[i] = ((x2 * x) * p + x) / q


@njit
def activate(place: int, count: int, activation: int, limits: int, function: int) -> None:
    """Activate floats where they are; what is not above the lower limit becomes that."""
    if activation == TANH_OF_EIGEN:
        tanh_of_eigen(place, count, place)
    elif activation == OF_C:
        apply_c(place, count, function, place)
    elif activation == LIMITED:
        x, low, high = float32s(place, count), float32s(limits, 2)[0], float32s(limits, 2)[1]
        for i in range(count):
            value = x[i]
            value = value if value > low else low
            x[i] = value if value < high else high
