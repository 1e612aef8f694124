"""Random numbers: RANDOM_UNIFORM, RANDOM_STANDARD_NORMAL, MULTINOMIAL and STABLEHLO_RNG_BIT_GENERATOR.

They are refused: there is no answer to agree on. LiteRT seeds its generators anew in every interpreter when the model
says so, and those that have a seed follow TensorFlow's generator, which is not here.
"""

from __future__ import annotations

from collections.abc import Sequence

from refinfer.kernels.compute import Compute, Evaluate, Host, Shape
from refinfer.kernels.kernel import Refusal
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node


def fold(node: Node, host: Host) -> Evaluate:
    """Refuse the node."""
    raise Refusal("random numbers are not computed: no two runtimes agree on them")


def shape(node: Node, shapes: Sequence[Shape]) -> None:
    """It is not computed."""


COMPUTE_RANDOM = Compute(fold=fold, shape=shape, types=frozenset(TensorType), version=1)
