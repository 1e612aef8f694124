"""What a strategy of operators decides, by name: whoever tests a kernel can pin what the kernel has no choice of.

    nodes(BuiltinOperator.CONV_2D, TensorType.INT8, dilation_h=1, dilation_w=1, padding=Padding.VALID)

Needs the package `hypothesis`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from refinfer.kernels.compute import Shape
from refinfer.schema.enums import ActivationFunctionType, TensorType
from refinfer.schema.errors import UsageError
from refinfer.testing import strategies
from refinfer.testing.models import TensorSpec

T = TypeVar("T")

ACTIVATIONS = (
    *[ActivationFunctionType.NONE] * 3,
    ActivationFunctionType.RELU,
    ActivationFunctionType.RELU6,
    ActivationFunctionType.RELU_N1_TO_1,
)


class Choose:
    """Draws what has a name, unless it is pinned: to a value, or to a strategy of the user's own.

    No length of a tensor that it draws is more than `largest`.
    """

    def __init__(self, draw: DrawFn, pinned: Mapping[str, Any], largest: int | None = None) -> None:
        self.draw = draw
        self._pinned = pinned
        self._largest = largest
        self._names: dict[str, None] = {}

    def __call__(self, name: str, strategy: SearchStrategy[T]) -> T:
        """The choice of that name."""
        self._names[name] = None
        if name not in self._pinned:
            return self.draw(strategy)
        value = self._pinned[name]
        return self.draw(value) if isinstance(value, SearchStrategy) else value  # type: ignore[no-any-return]

    def integer(self, name: str, low: int, high: int) -> int:
        """A number, both ends included."""
        return self(name, st.integers(low, max(low, high)))

    def length(self, name: str, most: int) -> int:
        """A length of a tensor."""
        return self(name, self.lengths(most))

    def lengths(self, most: int) -> SearchStrategy[int]:
        """Lengths from 1."""
        return st.integers(1, max(1, self._limited(most)))

    def shapes(self, min_rank: int = 1, max_rank: int = 4, most: int = 5) -> SearchStrategy[Shape]:
        """Shapes of these ranks."""
        return strategies.shapes(min_rank, max_rank, self._limited(most))

    def _limited(self, most: int) -> int:
        return most if self._largest is None else min(most, self._largest)

    def flag(self, name: str) -> bool:
        """Yes or no."""
        return self(name, st.booleans())

    def activation(self) -> ActivationFunctionType:
        """The fused activation."""
        return self("activation", st.sampled_from(ACTIVATIONS))

    def tensor(
        self,
        name: str,
        type: TensorType,
        shape: Shape | SearchStrategy[Shape],
        like: TensorSpec | None = None,
    ) -> TensorSpec:
        """An input that comes at run time."""
        return self(name, strategies.tensors(type, shape, like))

    def result(self, type: TensorType, unit: float, most: int, least: float = 0) -> TensorSpec:
        """The output, still without its shape, for results that are up to `most` times `unit`.

        Its scale is at least `least`.
        """
        if type not in strategies.QUANTIZED:
            return TensorSpec(type, ())
        fitting = strategies.fitting_scales(unit, most).map(lambda scale: max(scale, least))
        scale = self("output_scale", fitting)
        return TensorSpec(type, (), [scale], [self("output_zero_point", strategies.zero_points(type))])

    def require_all_used(self) -> None:
        """Raise UsageError for a pinned name that the operator does not have."""
        for name in self._pinned:
            if name not in self._names:
                raise UsageError(f"there is no choice {name!r} here; there is {', '.join(self._names)}")


def scale_of(tensor: TensorSpec) -> float:
    """The largest scale; 1 of a tensor without."""
    return max(tensor.scale, default=1.0)


def same(tensor: TensorSpec) -> TensorSpec:
    """An output of the same type and quantization, still without its shape."""
    return TensorSpec(tensor.type, (), tensor.scale, tensor.zero_point)
