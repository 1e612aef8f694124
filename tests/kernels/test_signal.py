"""What the audio operators ask for and refuse. Whole models with them are in tests/simulator/test_made.py."""

from __future__ import annotations

import pytest

from refinfer.kernels.kernel import Refusal
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node
from tests.kernels.nodes import (
    CORTEX_M4,
    FLOAT32,
    INT16,
    INT32,
    X86_64,
    custom,
    initialized,
    persistent,
    refused,
    scratch,
    tensor,
)

POINTERS, CIRCULAR_BUFFER = 4, 24  # bytes on a Cortex-M4


def test_a_delay_keeps_a_buffer_of_frame_and_delay_for_each_row() -> None:
    x = tensor(INT16, 2, 3, 7)
    buffers = [CIRCULAR_BUFFER + 2 * 2 * (7 + 5)] * 6
    assert persistent(custom("SignalDelay", [x], x, {"delay_length": 5})) == [6 * POINTERS] * 2 + buffers


def test_a_framer_keeps_whole_steps() -> None:
    options = {"frame_size": 10, "frame_step": 6, "prefill": True}
    outputs = [tensor(INT16, 2, 10), tensor(TensorType.BOOL)]
    of = custom("SignalFramer", [tensor(INT16, 12)], outputs, options)
    assert persistent(of) == [POINTERS, POINTERS, CIRCULAR_BUFFER + 2 * 2 * 12]
    assert refused(custom("SignalFramer", [tensor(INT16, 13)], outputs, options)) == "13 samples, in steps of 6"


def test_a_stacker_keeps_its_context_from_the_start() -> None:
    options = {"num_channels": 9, "stacker_left_context": 2, "stacker_right_context": 1, "stacker_step": 2}
    of = custom("SignalStacker", [tensor(INT16, 9)], [tensor(INT16, 36), tensor(TensorType.BOOL)], options)
    assert initialized(of) == [36, CIRCULAR_BUFFER + 2 * 2 * 9 * 4]
    assert persistent(of) == []


def transform(code: str, of: TensorType, length: int) -> Node:
    time, frequency = tensor(of, length), tensor(of, length + 2)
    inputs, outputs = (time, frequency) if code == "SignalRfft" else (frequency, time)
    return custom(code, [inputs], outputs, {"T": int(of), "fft_length": length})


@pytest.mark.parametrize(("of", "nbytes"), [(INT16, 2), (INT32, 4), (FLOAT32, 4)])
def test_a_transform_is_fed_from_a_buffer_of_its_length(of: TensorType, nbytes: int) -> None:
    assert scratch(transform("SignalRfft", of, 64)) == [64 * nbytes]
    assert scratch(transform("SignalIrfft", of, 64)) == []


def test_the_way_back_in_float_keeps_its_length_beside_the_plan() -> None:
    for build, extra in ((CORTEX_M4, 8), (X86_64, 16)):
        (_, there), (_, back) = (
            initialized(transform(code, FLOAT32, 64), build) for code in ("SignalRfft", "SignalIrfft")
        )
        assert back == there + extra
        (_, there), (_, back) = (
            initialized(transform(code, INT32, 64), build) for code in ("SignalRfft", "SignalIrfft")
        )
        assert back == there


@pytest.mark.parametrize("code", ["SignalRfft", "SignalIrfft"])
def test_there_is_no_plan_of_odd_length(code: str) -> None:
    with pytest.raises(Refusal, match=r"Real FFT optimization must be even\."):
        initialized(transform(code, INT16, 15))


def test_a_type_without_a_transform_is_refused() -> None:
    with pytest.raises(Refusal, match="T is 9; it may be 7"):
        initialized(transform("SignalRfft", TensorType.INT8, 16))


def test_overlap_add_keeps_a_frame_for_each_row() -> None:
    of = custom("SignalOverlapAdd", [tensor(FLOAT32, 3, 2, 10)], tensor(FLOAT32, 3, 8), {"T": 0, "frame_step": 4})
    assert persistent(of) == [3 * POINTERS, 40, 40, 40]


def test_operators_without_state_still_name_what_they_take() -> None:
    of = custom("SignalFilterBankSquareRoot", [tensor(INT32, 4), tensor(INT32)], tensor(INT32, 4), None)
    assert refused(of) == "type INT32 is not supported; it may be UINT64"
