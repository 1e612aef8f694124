"""TFLM's audio operators compute its bits, run after run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pytest
from flatbuffers import flexbuffers

from refinfer.kernels.arithmetic.kissfft import radices
from refinfer.kernels.compute import dtype_of
from refinfer.schema.enums import TensorType
from refinfer.testing import TensorSpec, installed, one_op_model, referee
from tests.kernels.bits import Array, Random, agree, assert_same, cases, ours

BOOL, FLOAT32, INT16, INT32 = TensorType.BOOL, TensorType.FLOAT32, TensorType.INT16, TensorType.INT32
UINT32, UINT64 = TensorType.UINT32, TensorType.UINT64

LENGTHS = [4, 6, 8, 10, 12, 16, 18, 20, 24, 30, 32, 36, 40, 48, 50, 54, 60, 64, 96, 100, 128, 160, 240, 256, 320, 512]

pytestmark = pytest.mark.skipif(not installed("tflm"), reason="the package of tflm is not installed")


class Case(NamedTuple):
    """An operator to be run, with what it is given at each run."""

    inputs: Sequence[TensorSpec]
    outputs: Sequence[TensorSpec]
    options: Mapping[str, object]
    runs: Sequence[Sequence[Array]]


def samples(random: Random, shape: tuple[int, ...]) -> Array:
    """int16 of all sizes, at the limits now and then."""
    drawn = np.clip(random.normal(0, 10.0 ** random.integers(0, 6), shape), -(2**15), 2**15 - 1).astype(np.int16)
    drawn[random.random(shape) < 0.05] = random.choice([-(2**15), 2**15 - 1, 0, -1])
    return np.asarray(drawn)


def energies(random: Random, count: int, bits: int = 32) -> Array:
    """Unsigned numbers of all sizes."""
    numbers = [int(random.integers(0, 2**62)) * 4 + 3 for _ in range(count)]
    drawn = [number >> int(random.integers(64 - bits, 65)) for number in numbers]
    return np.array(drawn, np.uint64 if bits > 32 else np.uint32)


def spec(type: TensorType, *shape: int) -> TensorSpec:
    return TensorSpec(type, shape)


def constant(type: TensorType, array: Array) -> TensorSpec:
    return TensorSpec(type, array.shape, data=array.astype(dtype_of(type)))


def size(random: Random, low: int, high: int) -> int:
    return int(random.integers(low, high, endpoint=True))


def delay(random: Random) -> Case:
    shape = tuple(size(random, 1, 5) for _ in range(size(random, 1, 3)))
    runs = [[samples(random, shape)] for _ in range(5)]
    return Case([spec(INT16, *shape)], [spec(INT16, *shape)], {"delay_length": size(random, 0, 9)}, runs)


def framer(random: Random) -> Case:
    step, frames, rows = size(random, 1, 5), size(random, 1, 4), size(random, 1, 3)
    length = step + size(random, 0, 7)
    options = {"frame_size": length, "frame_step": step, "prefill": bool(random.random() < 0.5)}
    x = (rows, frames * step)
    outputs = [spec(INT16, rows, frames, length), spec(BOOL)]
    return Case([spec(INT16, *x)], outputs, options, [[samples(random, x)] for _ in range(5)])


def overlap_add(random: Random) -> Case:
    length, frames, rows = size(random, 1, 8), size(random, 1, 4), size(random, 1, 3)
    step, type = size(random, 1, length), [INT16, FLOAT32][size(random, 0, 1)]
    x = (rows, frames, length)
    runs = [[samples(random, x).astype(dtype_of(type)) / (1 if type == INT16 else 7)] for _ in range(4)]
    runs = [[run.astype(dtype_of(type)) for run in each] for each in runs]
    options = {"T": int(type), "frame_step": step}
    return Case([spec(type, *x)], [spec(type, rows, frames * step)], options, runs)


def window(random: Random) -> Case:
    length, rows = size(random, 1, 16), size(random, 1, 3)
    x, weights = (rows, length), constant(INT16, samples(random, (length,)))
    runs = [[samples(random, x)] for _ in range(3)]
    return Case([spec(INT16, *x), weights], [spec(INT16, *x)], {"shift": size(random, 0, 16)}, runs)


def auto_scale(random: Random) -> Case:
    length = size(random, 1, 12)
    runs = [[samples(random, (length,))] for _ in range(4)] + [[np.zeros(length, np.int16)]]
    return Case([spec(INT16, length)], [spec(INT16, length), spec(INT32)], {}, runs)


def rfft(random: Random) -> Case:
    type, rows = [INT16, INT32, FLOAT32][size(random, 0, 2)], size(random, 1, 2)
    length = int(random.choice(LENGTHS))
    x = (rows, size(random, 1, length))
    outputs = [spec(type, rows, length + 2)]
    return Case([spec(type, *x)], outputs, {"T": int(type), "fft_length": length}, numbers(random, type, x))


def irfft(random: Random) -> Case:
    type, rows = [INT16, INT32, FLOAT32][size(random, 0, 2)], size(random, 1, 2)
    length = int(random.choice(LENGTHS))
    x = (rows, length + 2)
    outputs = [spec(type, rows, length)]
    return Case([spec(type, *x)], outputs, {"T": int(type), "fft_length": length}, numbers(random, type, x))


def numbers(random: Random, type: TensorType, shape: tuple[int, ...]) -> list[list[Array]]:
    """What is transformed in three runs."""
    if type == INT16:
        return [[samples(random, shape)] for _ in range(3)]
    if type == INT32:
        return [[random.integers(-(2**31), 2**31, shape).astype(np.int32) >> size(random, 0, 20)] for _ in range(3)]
    return [[random.normal(0, 3, shape).astype(np.float32)] for _ in range(3)]


def energy(random: Random) -> Case:
    count = size(random, 1, 9)
    runs = [[samples(random, (2 * count,))] for _ in range(3)]
    return Case([spec(INT16, 2 * count)], [spec(UINT32, count)], {"end_index": count, "start_index": 0}, runs)


def filter_bank(random: Random) -> Case:
    channels, bins = size(random, 1, 5), size(random, 4, 12)
    widths = random.integers(0, 4, channels + 1)
    starts = random.integers(0, bins - 3, channels + 1)
    weights = np.cumsum(widths) - widths
    tables = [constant(INT16, samples(random, (int(widths.sum()) + 1,))) for _ in range(2)]
    tables += [constant(INT16, each) for each in (starts, weights, widths)]
    runs = [[energies(random, bins)] for _ in range(3)]
    return Case([spec(UINT32, bins), *tables], [spec(UINT64, channels)], {"num_channels": channels}, runs)


def square_root(random: Random) -> Case:
    count = size(random, 1, 9)
    runs = [[energies(random, count, 64), np.array(size(random, 0, 8), np.int32)] for _ in range(4)]
    return Case([spec(UINT64, count), spec(INT32)], [spec(UINT32, count)], {}, runs)


def spectral_subtraction(random: Random) -> Case:
    count, bits = size(random, 1, 6), size(random, 8, 15)
    smoothing, alternate = (size(random, 0, 2**bits) for _ in range(2))
    options = {
        "alternate_one_minus_smoothing": 2**bits - alternate,
        "alternate_smoothing": alternate,
        "clamping": bool(random.random() < 0.5),
        "min_signal_remaining": size(random, 0, 2**bits),
        "num_channels": count,
        "one_minus_smoothing": 2**bits - smoothing,
        "smoothing": smoothing,
        "smoothing_bits": size(random, 0, 12),
        "spectral_subtraction_bits": bits,
    }
    runs = [[energies(random, count)] for _ in range(6)]
    return Case([spec(UINT32, count)], [spec(UINT32, count), spec(UINT32, count)], options, runs)


def pcan(random: Random) -> Case:
    count = size(random, 1, 9)
    runs = [[energies(random, count), energies(random, count)] for _ in range(4)]
    table = constant(INT16, samples(random, (125,)))
    inputs = [spec(UINT32, count), spec(UINT32, count), table]
    return Case(inputs, [spec(UINT32, count)], {"snr_shift": size(random, 0, 16)}, runs)


def logarithm(random: Random) -> Case:
    count = size(random, 1, 9)
    options = {"input_correction_bits": size(random, 0, 6), "output_scale": size(random, 1, 5000)}
    return Case([spec(UINT32, count)], [spec(INT16, count)], options, [[energies(random, count)] for _ in range(6)])


def stacker(random: Random) -> Case:
    channels, left, right = size(random, 1, 4), size(random, 0, 3), size(random, 0, 2)
    options = {
        "num_channels": channels,
        "stacker_left_context": left,
        "stacker_right_context": right,
        "stacker_step": size(random, 1, left + right + 1),
    }
    outputs = [spec(INT16, channels * (left + right + 1)), spec(BOOL)]
    return Case([spec(INT16, channels)], outputs, options, [[samples(random, (channels,))] for _ in range(9)])


OPERATORS: dict[str, Callable[[Random], Case]] = {
    "SignalDelay": delay,
    "SignalOverlapAdd": overlap_add,
    "SignalWindow": window,
    "SignalFftAutoScale": auto_scale,
    "SignalRfft": rfft,
    "SignalIrfft": irfft,
    "SignalEnergy": energy,
    "SignalFilterBank": filter_bank,
    "SignalFilterBankSquareRoot": square_root,
    "SignalFilterBankSpectralSubtraction": spectral_subtraction,
    "SignalPCAN": pcan,
    "SignalFilterBankLog": logarithm,
}
SOMETIMES_VALID: dict[str, Callable[[Random], Case]] = {"SignalFramer": framer, "SignalStacker": stacker}


@pytest.mark.parametrize("name", OPERATORS)
def test_signals_are_computed_as_in_tflm(name: str) -> None:
    random = np.random.default_rng(len(name))
    compared = 0
    for number in cases(12):
        case = OPERATORS[name](random)
        compared += agree("tflm", model_of(name, case), *case.runs, case=f"{number} {case.options}")
    print(f"COMPARED {compared}")
    assert compared > 0


def model_of(name: str, case: Case) -> bytes:
    written = bytes(flexbuffers.Dumps(case.options)) if case.options else b""
    return one_op_model(name, case.inputs, case.outputs, custom_options=written)


@pytest.mark.parametrize("name", SOMETIMES_VALID)
def test_what_is_valid_is_what_tflm_computes(name: str) -> None:
    random = np.random.default_rng(len(name))
    compared = 0
    for number in cases(12):
        case = SOMETIMES_VALID[name](random)
        model = model_of(name, case)
        answer, computed = referee("tflm").run(model, *case.runs), ours("tflm", model, case.runs)
        assert answer.finished
        assert not isinstance(computed, str), f"{number}: {computed}"
        for (expected, is_valid), (found, says_so) in zip(answer.outputs, computed, strict=True):
            assert bool(says_so) == bool(is_valid), number
            if is_valid:
                assert_same(expected, found, f"{number} {case.options}")
                compared += found.size
    print(f"COMPARED {compared}")
    assert compared > 0


@pytest.mark.parametrize("length", [2, 14, 22, 98])
def test_lengths_that_crash_tflm_are_refused(length: int) -> None:
    options = {"T": int(FLOAT32), "fft_length": length}
    case = Case([spec(FLOAT32, length)], [spec(FLOAT32, length + 2)], options, [[np.ones(length, np.float32)]])
    assert agree("tflm", model_of("SignalRfft", case), *case.runs) == 0


@pytest.mark.parametrize(
    ("length", "found"), [(1, [1]), (2, [2]), (8, [4, 2]), (12, [4, 3]), (30, [2, 3, 5]), (49, [7, 7]), (11, [11])]
)
def test_lengths_fall_into_radices(length: int, found: list[int]) -> None:
    assert radices(length) == found
