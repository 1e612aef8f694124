"""Tools to test kernels with: small models, official runtimes as referees, and what to compare."""

from refinfer.testing.models import NodeSpec, SubgraphSpec, TensorSpec, build, one_op_model
from refinfer.testing.referees import Answer, Referee, installed, referee

__all__ = [
    "Answer",
    "NodeSpec",
    "Referee",
    "SubgraphSpec",
    "TensorSpec",
    "build",
    "installed",
    "one_op_model",
    "referee",
]
