"""numba's compiler as the kernels use it: the one door to it.

With NUMBA_DISABLE_JIT=1 nothing is compiled: kernels run as the plain Python that they are, on the same addresses.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numba
import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from refinfer.kernels.compiled.cache import directory

if TYPE_CHECKING:
    from numpy.typing import NDArray

INTERPRETED = bool(numba.config.DISABLE_JIT)
OPTIONS = {"nogil": True, "error_model": "numpy"}
CALLED_BY_KERNELS_ALONE = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""Python cannot call such a function, and what would let it is a fifth of all that is compiled."""

Number = Any
"""A number of numpy's, which has a width where Python's int has none."""

Function = TypeVar("Function", bound=Callable[..., Any])


def njit(function: Function) -> Function:
    """Compile a kernel, once something that is compiled calls it; nothing is kept of it by itself."""
    compiled: Any = numba.njit(**OPTIONS, **CALLED_BY_KERNELS_ALONE)(function)
    if not INTERPRETED:
        compiled.get_call_template = partial(call_template, compiled.get_call_template)
    return cast(Function, compiled)


def call_template(of_types: Callable[..., Any], arguments: Any, named: Any) -> Any:
    """How numba asks a function for the code for arguments of some types: a number written in the source is one of any.

    By itself, numba compiles a function anew for each such number.
    """
    return of_types(tuple(types.unliteral(each) for each in arguments), named)


def entry(signature: str) -> Callable[[Function], Function]:
    """Compile a function that Python calls, and all that it calls; or load it, if it was compiled before.

    What Python gets is the compiled function itself, without numba's search for the signature that fits: that takes
    twice as long as the call. numba's setting is ours only while it is looked at: the user's own functions are kept
    where they were.
    """

    def decorate(function: Function) -> Function:
        if INTERPRETED:
            return np.errstate(all="ignore")(function)  # machine code does not warn either
        compiled, kept = numba.njit(**OPTIONS)(function), str(directory())
        users, numba.config.CACHE_DIR = numba.config.CACHE_DIR, kept
        try:
            compiled.enable_caching()
        finally:
            numba.config.CACHE_DIR = users
        compiled.compile(signature)
        DISPATCHERS.append(compiled)
        (only,) = compiled.overloads.values()
        only_function: Function = only.entry_point
        return only_function

    return decorate


def vector_lanes() -> int:
    """How many int32 the machine's registers hold: what a vector is in the kernels."""
    features = binding.get_host_cpu_features()
    if features.get("avx512bw"):
        return 16
    return 8 if features.get("avx2") else 4


DISPATCHERS: list[Any] = []
"""Kept, as machine code goes with them."""

LANES = 4 if INTERPRETED else vector_lanes()
ROWS = 8 if LANES == 16 else 4
"""How many rows of vectors the registers hold as sums, beside what is multiplied."""


def as_array(address: int, count: int, dtype: type) -> NDArray[Any]:
    """The numbers at an address, in plain Python."""
    nbytes = count * np.dtype(dtype).itemsize
    memory: Any = (ctypes.c_char * nbytes).from_address(int(address))
    return np.frombuffer(memory, dtype)


if INTERPRETED:

    def int8s(address: int, count: int) -> NDArray[np.int8]:
        """The int8 at an address."""
        return as_array(address, count, np.int8)

    def uint8s(address: int, count: int) -> NDArray[np.uint8]:
        """The uint8 at an address."""
        return as_array(address, count, np.uint8)

    def int16s(address: int, count: int) -> NDArray[np.int16]:
        """The int16 at an address."""
        return as_array(address, count, np.int16)

    def int32s(address: int, count: int) -> NDArray[np.int32]:
        """The int32 at an address."""
        return as_array(address, count, np.int32)

    def int64s(address: int, count: int) -> NDArray[np.int64]:
        """The int64 at an address."""
        return as_array(address, count, np.int64)

    def float32s(address: int, count: int) -> NDArray[np.float32]:
        """The float32 at an address."""
        return as_array(address, count, np.float32)

    def float64s(address: int, count: int) -> NDArray[np.float64]:
        """The float64 at an address."""
        return as_array(address, count, np.float64)

else:

    @intrinsic  # type: ignore[untyped-decorator]  # numba tells no types
    def pointer(typing_context: Any, address: Any) -> Any:
        """An integer taken for an address."""

        def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
            return builder.inttoptr(arguments[0], cgutils.voidptr_t)

        return types.voidptr(types.intp), generate

    @njit
    def int8s(address: int, count: int) -> NDArray[np.int8]:
        """The int8 at an address."""
        return numba.carray(pointer(address), (count,), np.int8)

    @njit
    def uint8s(address: int, count: int) -> NDArray[np.uint8]:
        """The uint8 at an address."""
        return numba.carray(pointer(address), (count,), np.uint8)

    @njit
    def int16s(address: int, count: int) -> NDArray[np.int16]:
        """The int16 at an address."""
        return numba.carray(pointer(address), (count,), np.int16)

    @njit
    def int32s(address: int, count: int) -> NDArray[np.int32]:
        """The int32 at an address."""
        return numba.carray(pointer(address), (count,), np.int32)

    @njit
    def int64s(address: int, count: int) -> NDArray[np.int64]:
        """The int64 at an address."""
        return numba.carray(pointer(address), (count,), np.int64)

    @njit
    def float32s(address: int, count: int) -> NDArray[np.float32]:
        """The float32 at an address."""
        return numba.carray(pointer(address), (count,), np.float32)

    @njit
    def float64s(address: int, count: int) -> NDArray[np.float64]:
        """The float64 at an address."""
        return numba.carray(pointer(address), (count,), np.float64)
