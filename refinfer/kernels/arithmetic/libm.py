"""The C library's float functions, element by element: the runtimes call these, and their last bit is not numpy's.

Where no C library is found, the function is computed in double and rounded to float, which is the nearest float but
for a rare double rounding; C libraries themselves are off by one unit in the last place now and then.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from refinfer.kernels.lazy import np

if TYPE_CHECKING:
    from ctypes import CDLL

    from refinfer.kernels.compute import Array


def elementwise(name: str, *arguments: Array) -> Array:
    """The float32 array of a C function's results for float32 arrays that broadcast against each other."""
    arrays = np.broadcast_arrays(*(np.asarray(each, np.float32) for each in arguments))
    function = function_of(name)
    if function is None:
        with np.errstate(all="ignore"):
            return np.asarray(IN_DOUBLE[name]()(*(each.astype(np.float64) for each in arrays))).astype(np.float32)
    values = map(function, *(each.ravel().tolist() for each in arrays))
    return np.fromiter(values, np.float32, arrays[0].size).reshape(arrays[0].shape)


@cache
def function_of(name: str) -> Callable[..., float] | None:
    """The C library's function of floats, or None where there is no such library."""
    from ctypes import c_float

    library = _library()
    if library is None:
        return None
    function = library[name]
    function.restype = c_float
    function.argtypes = [c_float] * (2 if name in OF_TWO else 1)
    return function


@cache
def _library() -> CDLL | None:
    from ctypes import PyDLL  # calls that keep the interpreter's lock: they are short

    try:
        return PyDLL(LIBRARIES.get(sys.platform, "libm.so"))
    except OSError:
        return None


def _vectorized(function: Callable[[float], float]) -> Callable[[Array], Any]:
    return np.vectorize(function, otypes=[np.float64])


LIBRARIES = {"linux": "libm.so.6", "darwin": "libSystem.dylib", "win32": "ucrtbase"}
OF_TWO = {"powf", "atan2f"}
IN_DOUBLE: dict[str, Callable[[], Callable[..., Any]]] = {
    "expf": lambda: np.exp,
    "expm1f": lambda: np.expm1,
    "logf": lambda: np.log,
    "log1pf": lambda: np.log1p,
    "sinf": lambda: np.sin,
    "cosf": lambda: np.cos,
    "tanhf": lambda: np.tanh,
    "erff": lambda: _vectorized(math.erf),
    "erfcf": lambda: _vectorized(math.erfc),
    "powf": lambda: np.power,
    "atan2f": lambda: np.arctan2,
}
"""The same functions of doubles; looked up when needed, for numpy is not there before."""

expf = partial(elementwise, "expf")
expm1f = partial(elementwise, "expm1f")
logf = partial(elementwise, "logf")
log1pf = partial(elementwise, "log1pf")
sinf = partial(elementwise, "sinf")
cosf = partial(elementwise, "cosf")
tanhf = partial(elementwise, "tanhf")
erff = partial(elementwise, "erff")
erfcf = partial(elementwise, "erfcf")
powf = partial(elementwise, "powf")
atan2f = partial(elementwise, "atan2f")
