"""A kit to test kernels with: models that Hypothesis makes up, official runtimes as referees, your kernel against ours.

    from refinfer.testing import c_kernel, check_kernel

    kernel = c_kernel("./libmine.so", "fully_connected_s8", "input, filter, bias, …, output")
    check_kernel(kernel, BuiltinOperator.FULLY_CONNECTED, TensorType.INT8, dialect="tflm")

Install `refinfer[testing]`. Each name is loaded when it is first used; docs/testing.md shows them at work.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from refinfer.testing.models import NodeSpec, SubgraphSpec, TensorSpec, build, one_op_model
from refinfer.testing.referees import Answer, Referee, installed, referee

if TYPE_CHECKING:
    from refinfer.testing.case import Case
    from refinfer.testing.check import KernelMismatch, check_kernel, kernel_test
    from refinfer.testing.generate import cases, cases_of, examples_of, networks, nodes
    from refinfer.testing.golden import export_golden
    from refinfer.testing.kernels import c_kernel, command_kernel, referee_kernel
    from refinfer.testing.operators.table import OPERATORS
    from refinfer.testing.prepared import parameters
    from refinfer.testing.strategies import arrays, scales, tensors, zero_points

__all__ = [
    "OPERATORS",
    "Answer",
    "Case",
    "KernelMismatch",
    "NodeSpec",
    "Referee",
    "SubgraphSpec",
    "TensorSpec",
    "arrays",
    "build",
    "c_kernel",
    "cases",
    "cases_of",
    "check_kernel",
    "command_kernel",
    "examples_of",
    "export_golden",
    "installed",
    "kernel_test",
    "networks",
    "nodes",
    "one_op_model",
    "parameters",
    "referee",
    "referee_kernel",
    "scales",
    "tensors",
    "zero_points",
]

_HOMES = {
    "case": ("Case",),
    "check": ("KernelMismatch", "check_kernel", "kernel_test"),
    "generate": ("cases", "cases_of", "examples_of", "networks", "nodes"),
    "golden": ("export_golden",),
    "kernels": ("c_kernel", "command_kernel", "referee_kernel"),
    "operators.table": ("OPERATORS",),
    "prepared": ("parameters",),
    "strategies": ("arrays", "scales", "tensors", "zero_points"),
}


def __getattr__(name: str) -> object:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"refinfer.testing.{module}"), name)
    raise AttributeError(f"module 'refinfer.testing' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
