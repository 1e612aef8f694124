"""What refinfer predicts of a model, in the form in which builds of TFLM were measured."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate

import refinfer
from refinfer.kernels.libraries.cmsis_nn import SIZE, SPEED
from refinfer.simulator import Refused
from refinfer.simulator.report import Arena, Report
from refinfer.simulator.targets import I386, TARGETS, Target
from tests.corpus import CorpusModel, Trace
from tests.referees.tflm import Allocations, Category, round_up_16

WHEEL = TARGETS["x86-64-wheel"]
WASM32_RECORDED = TARGETS["wasm32-mcufit"]

M55 = TARGETS["cortex-m55+cmsis-nn"]
TARGETS_OF: dict[str, tuple[Target, ...]] = {
    "m4_ref": (TARGETS["cortex-m4"],),
    "m0_ref": (TARGETS["cortex-m0"],),
    "x86_64_ref": (TARGETS["x86-64"],),
    "m4_ref_intenum": (TARGETS["riscv32"], TARGETS["xtensa"]),
    "x86_32_ref": (replace(TARGETS["riscv32"], name="i386", abi=I386),),
    "m4_cmsis": (TARGETS["cortex-m4+cmsis-nn"],),
    "m33nodsp_cmsis": (TARGETS["cortex-m33-nodsp+cmsis-nn"], TARGETS["cortex-m0+cmsis-nn"]),
    "m55_cmsis": (M55,),
    "m55_cmsis_forsize": (replace(M55, name="m55 for size", defines=M55.defines - {SPEED} | {SIZE}),),
}
"""The targets that each recorded build speaks for."""

ALLOCATOR_AND_PLANNER = 2
"""The first allocations of the tail, which the traced programs make outside the arena."""


def predict(model: CorpusModel, target: Target) -> Report:
    """The report of the model for the target."""
    return refinfer.simulate(model.path, target)


def recording(model: CorpusModel, target: Target) -> Allocations:
    """What a RecordingMicroAllocator of the target prints."""
    report = predict(model, replace(target, recording=True))
    categories = {
        name: Category(each.used, each.requested, each.count)
        for name, each in report.categories.items()
        if each.used or each.requested
    }
    return Allocations(report.arena.used, report.arena.head, report.arena.tail, categories)


def refusal_by_the_wheel(model: CorpusModel) -> Refused | None:
    """The refusal, be it raised or, where the model loads and only Invoke fails, reported.

    None if there is none, or if we do not get as far as TFLM since the file is inconsistent.
    """
    try:
        return predict(model, WHEEL).refusal
    except Refused as refused:
        return refused
    except refinfer.GraphError:
        return None


def smallest_arena(arena: Arena, measured: int) -> tuple[int, int]:
    """The smallest arena to a byte and to 16 bytes.

    Where TFLM's checks let a smaller arena pass than the one that is safe, what really works lies between the two and
    depends on what was trampled on: there the measured size is taken, if it does lie between them.
    """
    nbytes = min(max(measured, arena.merely_passes), arena.minimum)
    return nbytes, round_up_16(nbytes)


def trace(report: Report) -> Trace:
    """Every allocation, as a program makes them that keeps the allocator and the planner outside the arena."""
    outside, inside = report.allocations[:ALLOCATOR_AND_PLANNER], report.allocations[ALLOCATOR_AND_PLANNER:]
    assert sum(each.used for each in outside) % 16 == 0, "the alignment of what follows would differ"
    in_use = accumulate(each.used for each in inside)
    return Trace(
        tail=tuple((each.nbytes, each.align, used) for each, used in zip(inside, in_use, strict=True)),
        planned=tuple((*each.buffer[:3], each.offset) for each in report.buffers),
        scratch=tuple(each.nbytes for each in report.buffers if each.node is not None),
    )
