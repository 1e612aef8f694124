"""numpy, loaded when a kernel first computes: kernels write ``from refinfer.kernels.lazy import np``.

The memory facts of an operator stand in the same file as its arithmetic and must not cost an import of numpy; see
docs/decisions/0002.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING


class LazyModule(ModuleType):
    """Stands for the module of its name, and imports it at the first look at a name in it."""

    def __getattr__(self, name: str) -> object:
        module = import_module(self.__name__)
        self.__dict__.update({key: value for key, value in vars(module).items() if not key.startswith("__")})
        return getattr(module, name)


if TYPE_CHECKING:
    import numpy as np
else:
    np = LazyModule("numpy")

__all__ = ["np"]
