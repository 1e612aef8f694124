"""CIRCULAR_BUFFER keeps the window that TFLM keeps, and ends the runs that TFLM ends."""

from __future__ import annotations

import numpy as np
import pytest
from flatbuffers import flexbuffers

from refinfer import runtime as ours
from refinfer.kernels.compute import Aborted
from refinfer.kernels.registry import DIALECTS
from refinfer.machine import Machine
from refinfer.schema import read_model
from refinfer.schema.enums import TensorType
from refinfer.testing import TensorSpec, installed, one_op_model, referee

INT8 = TensorType.INT8


def buffering(slots: int, cycles: int | None, is_variable: bool = True) -> bytes:
    """A model of one operator; cycles of None leave the options out."""
    x, y = (
        TensorSpec(INT8, (1, height, 2, 3), [0.5], [3], is_variable=is_variable and height == slots)
        for height in (1, slots)
    )
    options = b"" if cycles is None else bytes(flexbuffers.Dumps({"cycles_max": cycles}))
    return one_op_model("CIRCULAR_BUFFER", [x], [y], custom_options=options)


@pytest.mark.skipif(not installed("tflm"), reason="the package of tflm is not installed")
@pytest.mark.parametrize("is_variable", [True, False])
@pytest.mark.parametrize(("slots", "cycles"), [(3, 1), (3, 2), (4, 3), (3, 0), (5, 0), (13, None), (7, None)])
def test_the_window_moves_as_in_tflm(slots: int, cycles: int | None, is_variable: bool) -> None:
    model = buffering(slots, cycles, is_variable)
    random = np.random.default_rng(slots)
    runs = [[random.integers(-128, 128, (1, 1, 2, 3), np.int8)] for _ in range(9)]
    answer = referee("tflm").run(model, *runs)
    assert answer.finished
    machine = Machine(read_model(model), DIALECTS["tflm"])
    for run, (expected,) in zip(runs, answer.outputs, strict=True):
        try:
            (found,) = machine.call(0, run)
        except Aborted:  # the output is the window itself, which TFLM changes all the same
            continue
        assert found.tolist() == expected.tolist()


@pytest.mark.skipif(not installed("tflm"), reason="the package of tflm is not installed")
def test_the_same_runs_end_early_as_in_tflm() -> None:
    official = pytest.importorskip("tflite_micro").runtime.Interpreter.from_bytes(buffering(3, 3))
    mine = ours.Interpreter.from_bytes(buffering(3, 3))
    for number in range(8):
        for each in (official, mine):
            each.set_input(np.full((1, 1, 2, 3), number, np.int8), 0)
        status = official.invoke()
        assert mine.invoke() == status
        if status == 0:
            assert mine.get_output(0).tolist() == official.get_output(0).tolist()
        if number == 4:
            official.reset()
            mine.reset()
