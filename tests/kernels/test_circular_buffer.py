"""What CIRCULAR_BUFFER asks for and refuses."""

from __future__ import annotations

from tests.kernels.nodes import FLOAT32, INT8, custom, initialized, refused, tensor


def test_a_window_takes_one_slot_at_a_time() -> None:
    y = tensor(INT8, 1, 5, 2, 4)
    assert refused(custom("CIRCULAR_BUFFER", [tensor(INT8, 1, 1, 2, 4)], y, {"cycles_max": 1})) is None
    assert refused(custom("CIRCULAR_BUFFER", [tensor(INT8, 1, 2, 2, 4)], y, {"cycles_max": 1})) == (
        "shape (1, 2, 2, 4); (1, 1, 2, 4) was expected"
    )


def test_it_runs_on_int8_alone() -> None:
    of = custom("CIRCULAR_BUFFER", [tensor(FLOAT32, 1, 1, 2, 4)], tensor(FLOAT32, 1, 5, 2, 4), None)
    assert refused(of) == "type FLOAT32 is not supported; it may be INT8"


def test_it_may_do_without_options() -> None:
    assert initialized(custom("CIRCULAR_BUFFER", [tensor(INT8, 1, 1, 2, 4)], tensor(INT8, 1, 5, 2, 4), None)) == [8]
