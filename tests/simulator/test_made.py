"""Operators that no real model at hand has: made models, in the official TFLM and here."""

from __future__ import annotations

import numpy as np
import pytest

import refinfer
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.simulator import Refused
from tests.comparisons import WHEEL
from tests.made import MadeOperator, MadeSubgraph, MadeTensor, make, make_one, options
from tests.referees.tflm import INSTALLED, Allocations, Category, Tflm, refusal_of

pytestmark = pytest.mark.skipif(not INSTALLED, reason="there is no tflite-micro wheel for this platform")


def tensor(of: TensorType, *shape: int) -> MadeTensor:
    return MadeTensor(of, shape)


def quantized(*shape: int, of: TensorType = TensorType.INT8) -> MadeTensor:
    return MadeTensor(of, shape, scales=(0.5,))


def weights(rows: int, columns: int, scales: int = 1) -> MadeTensor:
    return MadeTensor(TensorType.INT8, (rows, columns), bytes(rows * columns), scales=(0.5,) * scales)


def ints(*values: int) -> MadeTensor:
    return MadeTensor(TensorType.INT32, (len(values),), np.array(values, "<i4").tobytes())


def floats(*shape: int) -> MadeTensor:
    return MadeTensor(TensorType.FLOAT32, shape)


def int16(*shape: int) -> MadeTensor:
    return MadeTensor(TensorType.INT16, shape)


def uint32(*shape: int) -> MadeTensor:
    return MadeTensor(TensorType.UINT32, shape)


def transform(code: str, of: TensorType, length: int) -> bytes:
    time, frequency = tensor(of, length), tensor(of, length + 2)
    x, y = (time, frequency) if code == "SignalRfft" else (frequency, time)
    return make_one(code, [x], [y], custom={"T": int(of), "fft_length": length})


def lstm(scales: int) -> bytes:
    """An int8 cell with that many scales for each of its weights."""
    batches, steps, inputs, states = 2, 3, 4, 5
    bias = MadeTensor(TensorType.INT32, (states,), bytes(4 * states), scales=(0.25,))
    tensors = [
        quantized(batches, steps, inputs),
        *[weights(states, inputs, scales)] * 4,
        *[weights(states, states, scales)] * 4,
        *[bias] * 4,
        MadeTensor(TensorType.INT8, (batches, states), scales=(0.5,), is_variable=True),
        MadeTensor(TensorType.INT16, (batches, states), scales=(2.0**-11,), is_variable=True),
        quantized(batches, steps, states),
    ]
    places = [*range(9), -1, -1, -1, *range(9, 13), -1, -1, 13, 14, -1, -1, -1, -1]
    cell = options("UnidirectionalSequenceLSTMOptions", cellClip=10.0)
    operator = MadeOperator(BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM, places, [15], cell)
    return make(MadeSubgraph(tensors, [operator], [0], [15]))


def branches(inputs_of_then: int) -> bytes:
    """An IF with one operand, whose then branch takes that many."""
    condition = options("IfOptions", thenSubgraphIndex=1, elseSubgraphIndex=2)
    main = MadeSubgraph(
        [tensor(TensorType.BOOL, 1), floats(3), floats(3)],
        [MadeOperator(BuiltinOperator.IF, [0, 1], [2], condition)],
        [0, 1],
        [2],
    )
    code = BuiltinOperator.SQUARE if inputs_of_then == 1 else BuiltinOperator.MAXIMUM
    taken = range(inputs_of_then)
    then = MadeSubgraph(
        [floats(3)] * (inputs_of_then + 1), [MadeOperator(code, taken, [len(taken)])], taken, [len(taken)]
    )
    other = MadeSubgraph([floats(3)] * 2, [MadeOperator(BuiltinOperator.ABS, [0], [1])], [0], [1])
    return make(main, then, other)


def variables() -> bytes:
    """A variable that is set up once, through a handle of another subgraph, and has two handles in this one."""
    handle, named = tensor(TensorType.RESOURCE, 1), options("VarHandleOptions", container="", sharedName="v")
    start = MadeTensor(TensorType.FLOAT32, (3,), bytes(12))
    main = MadeSubgraph(
        [floats(3), handle, floats(3), handle],
        [
            MadeOperator(BuiltinOperator.CALL_ONCE, [], [], options("CallOnceOptions", initSubgraphIndex=1)),
            MadeOperator(BuiltinOperator.VAR_HANDLE, [], [1], named),
            MadeOperator(BuiltinOperator.READ_VARIABLE, [1], [2]),
            MadeOperator(BuiltinOperator.VAR_HANDLE, [], [3], named),
            MadeOperator(BuiltinOperator.ASSIGN_VARIABLE, [3, 0], []),
        ],
        [0],
        [2],
    )
    setup = MadeSubgraph(
        [handle, start],
        [
            MadeOperator(BuiltinOperator.VAR_HANDLE, [], [0], named),
            MadeOperator(BuiltinOperator.ASSIGN_VARIABLE, [0, 1], []),
        ],
        [],
        [],
    )
    return make(main, setup)


def decoded(method: int, scales: int = 1, zero_point: int = 0) -> bytes:
    header = bytes([method, 1, 0, 0, 1, 2]).ljust(16, b"\0")
    y = MadeTensor(TensorType.INT8, (4, 4), scales=(0.5,) * scales, zero_point=zero_point)
    compressed = MadeTensor(TensorType.UINT8, (8,), bytes(8))
    return make_one("TFLM_DECODE", [compressed, MadeTensor(TensorType.UINT8, (48,), header + bytes(32))], [y])


LOADS: dict[str, bytes] = {
    "a circular buffer": make_one(
        "CIRCULAR_BUFFER", [quantized(1, 1, 2, 4)], [quantized(1, 5, 2, 4)], custom={"cycles_max": 1}
    ),
    "a delay": make_one("SignalDelay", [int16(2, 3, 7)], [int16(2, 3, 7)], custom={"delay_length": 5}),
    "an energy": make_one("SignalEnergy", [int16(64)], [uint32(32)], custom={"end_index": 20, "start_index": 2}),
    "an automatic scale": make_one("SignalFftAutoScale", [int16(64)], [int16(64), tensor(TensorType.INT32)]),
    "a filter bank": make_one(
        "SignalFilterBank",
        [uint32(40), *[int16(12)] * 2, *[int16(6)] * 3],
        [tensor(TensorType.UINT64, 5)],
        custom={"num_channels": 5},
    ),
    "a logarithm of a filter bank": make_one(
        "SignalFilterBankLog", [uint32(20)], [int16(20)], custom={"input_correction_bits": 3, "output_scale": 64}
    ),
    "a spectral subtraction": make_one(
        "SignalFilterBankSpectralSubtraction",
        [uint32(21)],
        [uint32(21), uint32(21)],
        custom={
            "alternate_one_minus_smoothing": 1,
            "alternate_smoothing": 1,
            "clamping": False,
            "min_signal_remaining": 5,
            "num_channels": 21,
            "one_minus_smoothing": 1,
            "smoothing": 1,
            "smoothing_bits": 2,
            "spectral_subtraction_bits": 2,
        },
    ),
    "a square root of a filter bank": make_one(
        "SignalFilterBankSquareRoot", [tensor(TensorType.UINT64, 20), tensor(TensorType.INT32)], [uint32(20)]
    ),
    "a framer": make_one(
        "SignalFramer",
        [int16(2, 12)],
        [int16(2, 2, 10), tensor(TensorType.BOOL)],
        custom={"frame_size": 10, "frame_step": 6, "prefill": True},
    ),
    "an overlapping addition of int16": make_one(
        "SignalOverlapAdd", [int16(3, 2, 10)], [int16(3, 8)], custom={"T": int(TensorType.INT16), "frame_step": 4}
    ),
    "an overlapping addition of float32": make_one(
        "SignalOverlapAdd", [floats(3, 2, 10)], [floats(3, 8)], custom={"T": int(TensorType.FLOAT32), "frame_step": 4}
    ),
    "a gain control": make_one("SignalPCAN", [uint32(20), uint32(20), int16(4)], [uint32(20)], custom={"snr_shift": 3}),
    "a stacker": make_one(
        "SignalStacker",
        [int16(9)],
        [int16(36), tensor(TensorType.BOOL)],
        custom={"num_channels": 9, "stacker_left_context": 2, "stacker_right_context": 1, "stacker_step": 2},
    ),
    "a window": make_one("SignalWindow", [int16(2, 16), int16(16)], [int16(2, 16)], custom={"shift": 12}),
    **{
        f"{code} of {of.name}, {length} long": transform(code, of, length)
        for code in ("SignalRfft", "SignalIrfft")
        for of in (TensorType.INT16, TensorType.INT32, TensorType.FLOAT32)
        for length in (12, 50, 64)
    },
    "a branch": branches(inputs_of_then=1),
    "a variable": variables(),
    "a table of values": decoded(0),
    "pruned values": decoded(2),
    "pruned values with zero points": decoded(2, scales=4, zero_point=1),
    "a recurrent cell": lstm(scales=1),
    "a recurrent cell, per channel": lstm(scales=5),
    "depth to space": make_one(
        BuiltinOperator.DEPTH_TO_SPACE,
        [floats(1, 2, 2, 8)],
        [floats(1, 4, 4, 2)],
        options("DepthToSpaceOptions", blockSize=2),
    ),
    "a shape that the kernel corrects": make_one(
        BuiltinOperator.SPACE_TO_DEPTH,
        [floats(1, 4, 4, 2)],
        [floats(1, 9, 9, 9)],
        options("SpaceToDepthOptions", blockSize=2),
    ),
    "a scalar written as shape [0]": make_one(BuiltinOperator.RESHAPE, [floats(1)], [floats(0)]),
    "a mirror": make_one(
        BuiltinOperator.MIRROR_PAD,
        [floats(3, 4), MadeTensor(TensorType.INT32, (2, 2), np.array([1, 1, 2, 2], "<i4").tobytes())],
        [floats(5, 8)],
        options("MirrorPadOptions"),
    ),
}

REFUSED: dict[str, bytes] = {
    "a branch with another signature": branches(inputs_of_then=2),
    "an axis that is not there": make_one(BuiltinOperator.TRANSPOSE, [floats(2, 3), ints(0, 2)], [floats(2, 3)]),
    "a stride of zero": make_one(
        BuiltinOperator.STRIDED_SLICE,
        [floats(5), ints(0), ints(5), ints(0)],
        [floats(5)],
        options("StridedSliceOptions"),
    ),
    "an update that is too large": make_one(
        BuiltinOperator.DYNAMIC_UPDATE_SLICE, [floats(5, 4), floats(6, 2), ints(0, 1)], [floats(5, 4)]
    ),
    "a gather of int16": make_one(
        BuiltinOperator.GATHER, [int16(4, 3), ints(1, 0)], [int16(2, 3)], options("GatherOptions")
    ),
    "a fused activation": make_one(
        BuiltinOperator.CONCATENATION,
        [floats(2), floats(2)],
        [floats(4)],
        options("ConcatenationOptions", fusedActivationFunction=1),
    ),
    "both ways to place pixels": make_one(
        BuiltinOperator.RESIZE_BILINEAR,
        [floats(1, 2, 2, 1), ints(4, 4)],
        [floats(1, 4, 4, 1)],
        options("ResizeBilinearOptions", alignCorners=True, halfPixelCenters=True),
    ),
    "an unknown way to decode": decoded(5),
    "pixels of int16": make_one(
        BuiltinOperator.RESIZE_BILINEAR,
        [int16(1, 2, 2, 1), ints(4, 4)],
        [int16(1, 4, 4, 1)],
        options("ResizeBilinearOptions"),
    ),
    "axes with a gap": make_one(BuiltinOperator.REVERSE_V2, [floats(3, 4, 2), ints(0, 2)], [floats(3, 4, 2)]),
    "a slice of uint8": make_one(
        BuiltinOperator.SLICE,
        [tensor(TensorType.UINT8, 3), ints(0), ints(2)],
        [tensor(TensorType.UINT8, 2)],
    ),
}


@pytest.mark.parametrize("what", LOADS)
def test_the_wheel_allocates_what_is_predicted(what: str, tflm: Tflm) -> None:
    report = refinfer.simulate(LOADS[what], WHEEL)
    categories = {
        name: Category(each.used, each.requested, each.count)
        for name, each in report.categories.items()
        if each.requested
    }
    predicted = Allocations(report.arena.used, report.arena.head, report.arena.tail, categories)
    assert tflm.load(LOADS[what]).allocations == predicted


@pytest.mark.parametrize("what", LOADS)
def test_the_wheel_loads_in_the_predicted_minimum_and_in_nothing_that_fails_its_checks(what: str, tflm: Tflm) -> None:
    arena = refinfer.simulate(LOADS[what], WHEEL).arena
    assert tflm.load(LOADS[what], arena.minimum).loads
    assert not tflm.load(LOADS[what], arena.merely_passes - 1).loads


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_wheel_refuses_is_refused_in_the_same_step(what: str, tflm: Tflm) -> None:
    measured, predicted = refusal_of(tflm.run(REFUSED[what])), refusal(REFUSED[what])
    assert measured is not None
    assert predicted is not None
    assert predicted.node is not None
    assert (predicted.when, predicted.node.name) == (measured.when, measured.operator)


def test_a_parser_that_has_no_room_says_so_before_any_operator_is_prepared(tflm: Tflm) -> None:
    dimensions = options("ReshapeOptions", newShape=[1] * 9)
    model = make_one(BuiltinOperator.RESHAPE, [floats(2, 6)], [floats(12)], dimensions)
    predicted = refusal(model)
    assert predicted is not None
    assert predicted.when == "load"
    assert tflm.load(model).text.strip() == predicted.reason


def refusal(model: bytes) -> Refused | None:
    try:
        return refinfer.simulate(model, WHEEL).refusal
    except Refused as refused:
        return refused
