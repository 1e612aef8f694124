"""Which arithmetic has kernels: the planner of each fold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refinfer.kernels import conv, fully_connected
from refinfer.kernels.compiled.draft import Planner
from refinfer.kernels.compiled.products import (
    plan_conv,
    plan_conv_as_declared,
    plan_depthwise,
    plan_depthwise_as_declared,
    plan_fully_connected,
)

PLANNERS: dict[Callable[..., Any], Planner] = {
    conv.fold_conv: plan_conv,
    conv.fold_conv_as_declared: plan_conv_as_declared,
    conv.fold_depthwise: plan_depthwise,
    conv.fold_depthwise_as_declared: plan_depthwise_as_declared,
    fully_connected.fold: plan_fully_connected,
}
