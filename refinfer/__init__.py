"""What a .tflite model needs on a microcontroller, to the byte, and what it computes, to the bit.

    import refinfer

    report = refinfer.simulate("person_detect.tflite", target="cortex-m4")
    report.arena.minimum      # what to write down as kTensorArenaSize
    verdict = refinfer.fit("person_detect.tflite", "nano33ble")
    verdict.fits
    interpreter = refinfer.Interpreter("person_detect.tflite", dialect="tflm")
    refinfer.diff("person_detect.tflite").layers  # the operators that TFLM computes differently from LiteRT
    refinfer.diff_models("float.tflite", "int8.tflite").stages  # and what int8 costs, tensor by tensor
    refinfer.whatif("person_detect.tflite", sizes=[(64, 64)]).alternatives[0].arena  # and if it were another?
    refinfer.evaluate("digits.tflite", images, labels).scores[0].accuracy  # how often it is right
    refinfer.explain("person_detect.tflite", op=0)  # how one number came to be, step by step

Each name is loaded when it is first used, so that importing refinfer costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from refinfer.alternatives.whatif import WhatIf, whatif
    from refinfer.comparison.dialects import Comparison, diff
    from refinfer.comparison.versions import VersionComparison, diff_models
    from refinfer.evaluation import Evaluation, evaluate
    from refinfer.explanation.explain import Explanation, explain
    from refinfer.fitting.boards import Board, find_board
    from refinfer.fitting.scan import FileVerdict, fit_many
    from refinfer.fitting.verdict import Verdict, fit
    from refinfer.interpreter import Interpreter
    from refinfer.kernels.compiled.tiers import warmup
    from refinfer.many import run_many
    from refinfer.planning import Plan, plan
    from refinfer.schema import FormatError, Graph, GraphError, RefinferError, UnsupportedNode, UsageError, read_model
    from refinfer.simulator import Refused, Report, Target, simulate
    from refinfer.simulator.regions import Placement, place_in_regions
    from refinfer.simulator.together import Together, simulate_together

__version__ = "0.1.0"

__all__ = [
    "Board",
    "Comparison",
    "Evaluation",
    "Explanation",
    "FileVerdict",
    "FormatError",
    "Graph",
    "GraphError",
    "Interpreter",
    "Placement",
    "Plan",
    "RefinferError",
    "Refused",
    "Report",
    "Target",
    "Together",
    "UnsupportedNode",
    "UsageError",
    "Verdict",
    "VersionComparison",
    "WhatIf",
    "diff",
    "diff_models",
    "evaluate",
    "explain",
    "find_board",
    "fit",
    "fit_many",
    "place_in_regions",
    "plan",
    "read_model",
    "run_many",
    "simulate",
    "simulate_together",
    "warmup",
    "whatif",
]

_HOMES = {
    "refinfer.alternatives.whatif": ("WhatIf", "whatif"),
    "refinfer.fitting.boards": ("Board", "find_board"),
    "refinfer.comparison.dialects": ("Comparison", "diff"),
    "refinfer.evaluation": ("Evaluation", "evaluate"),
    "refinfer.explanation.explain": ("Explanation", "explain"),
    "refinfer.interpreter": ("Interpreter",),
    "refinfer.kernels.compiled.tiers": ("warmup",),
    "refinfer.many": ("run_many",),
    "refinfer.fitting.scan": ("FileVerdict", "fit_many"),
    "refinfer.fitting.verdict": ("Verdict", "fit"),
    "refinfer.comparison.versions": ("VersionComparison", "diff_models"),
    "refinfer.planning": ("Plan", "plan"),
    "refinfer.schema": (
        "FormatError",
        "Graph",
        "GraphError",
        "RefinferError",
        "UnsupportedNode",
        "UsageError",
        "read_model",
    ),
    "refinfer.simulator": ("Refused", "Report", "Target", "simulate"),
    "refinfer.simulator.regions": ("Placement", "place_in_regions"),
    "refinfer.simulator.together": ("Together", "simulate_together"),
}


def __getattr__(name: str) -> object:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'refinfer' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
