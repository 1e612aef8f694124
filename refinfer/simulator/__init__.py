"""The arena of TensorFlow Lite for Microcontrollers, to the byte: Graph → Buffers → Offsets → Report.

`allocate.py` is TFLM's sequence of allocations, `lifetimes.py` and `head.py` say what the head holds, `arena.py` finds
the sizes that work, `targets.py` lists the builds, `report.py` is what comes out. Standard library alone.
"""

from refinfer.simulator.refused import Refused
from refinfer.simulator.report import Report
from refinfer.simulator.simulate import simulate
from refinfer.simulator.targets import TARGETS, Target, find_target, target_from_toml

__all__ = ["TARGETS", "Refused", "Report", "Target", "find_target", "simulate", "target_from_toml"]
