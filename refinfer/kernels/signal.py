"""TFLM's own operators of an audio front end: the custom operators whose names begin with Signal.

Sources: signal/micro/kernels and signal/src in the TFLM repository; kissfft v130, kiss_fft.c and tools/kiss_fftr.c.

Their options are a FlexBuffers map. TFLM reads most of them by position and not by name; a map is stored in the order
of its keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from refinfer.kernels.common import input_at, output_at, require_arity, require_rank, require_type, type_size
from refinfer.kernels.custom import option_map
from refinfer.kernels.kernel import Kernel, Persistent, Refusal, Request, Scratch, Step, op_data, require, temps
from refinfer.kernels.layout import (
    BOOL,
    ENUM,
    FLOAT,
    INT16,
    INT32,
    POINTER,
    SIZE_T,
    Build,
    Repeated,
    Struct,
    round_up,
    struct,
)
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node, Tensor

CIRCULAR_BUFFER = struct(
    "delay:tflm_signal::CircularBuffer",
    capacity=SIZE_T,
    read=SIZE_T,
    write=SIZE_T,
    empty=INT32,
    buffer_size=INT32,
    buffer=POINTER,
)
DELAY_PARAMS = struct(
    "delay:TFLMSignalFrontendDelayParams",
    frame_size=INT32,
    delay_length=INT32,
    outer_dims=INT32,
    state_buffers=POINTER,
    circular_buffers=POINTER,
)
ENERGY_PARAMS = struct("energy:TFLMSignalEnergyParams", end_index=INT32, start_index=INT32)
FILTER_BANK_PARAMS = struct(
    "filter_bank:TFLMSignalFilterBankParams",
    config=struct(
        "FilterbankConfig",
        num_channels=INT32,
        channel_frequency_starts=POINTER,
        channel_weight_starts=POINTER,
        channel_widths=POINTER,
        weights=POINTER,
        unweights=POINTER,
        output_scale=INT32,
        input_correction_bits=INT32,
    ),
    work_area=POINTER,
)
FILTER_BANK_LOG_PARAMS = struct("filter_bank_log:TFLMSignalLogParams", input_correction_bits=INT32, output_scale=INT32)
SPECTRAL_SUBTRACTION_PARAMS = struct(
    "filter_bank_spectral_subtraction:TFLMSignalSpectralSubtractionParams",
    config=struct(
        "SpectralSubtractionConfig",
        num_channels=INT32,
        smoothing=INT32,
        one_minus_smoothing=INT32,
        min_signal_remaining=INT32,
        alternate_smoothing=INT32,
        alternate_one_minus_smoothing=INT32,
        smoothing_bits=INT32,
        spectral_subtraction_bits=INT32,
        clamping=BOOL,
    ),
    noise_estimate=POINTER,
    noise_estimate_size=SIZE_T,
)
FRAMER_PARAMS = struct(
    "framer:TFLMSignalFramerParams",
    frame_size=INT32,
    frame_step=INT32,
    outer_dims=INT32,
    n_frames=INT32,
    prefill=BOOL,
    state_buffers=POINTER,
    circular_buffers=POINTER,
)
OVERLAP_ADD_PARAMS = struct(
    "overlap_add:TFLMSignalOverlapAddParams",
    frame_size=INT32,
    frame_step=INT32,
    outer_dims=INT32,
    n_frames=INT32,
    type=ENUM,
    state_buffers=POINTER,
)
PCAN_PARAMS = struct("pcan:TfLitePcanParams", snr_shift=INT32)
RFFT_PARAMS = struct(
    "rfft:TfLiteAudioFrontendRfftParams",
    fft_length=INT32,
    input_size=INT32,
    input_length=INT32,
    output_length=INT32,
    fft_type=ENUM,
    work_area=POINTER,
    scratch_buffer_index=INT32,
    state=POINTER,
)
IRFFT_PARAMS = struct(
    "irfft:TfLiteAudioFrontendIrfftParams",
    fft_length=INT32,
    input_size=INT32,
    input_length=INT32,
    output_length=INT32,
    fft_type=ENUM,
    state=POINTER,
)
IRFFT_FLOAT_STATE = struct("IrfftFloatState", fft_length=INT32, cfg=POINTER)
STACKER_PARAMS = struct(
    "stacker:TFLMSignalStackerParams",
    num_channels=INT32,
    stacker_left_context=INT32,
    stacker_right_context=INT32,
    stacker_step=INT32,
    buffer_size=SIZE_T,
    step_size=SIZE_T,
    stacker_has_first_frame=BOOL,
    state=POINTER,
    circular_buffer=POINTER,
)
WINDOW_PARAMS = struct("window:TFLMSignalWindowParams", shift=INT32, input_size=INT32)


class Port(NamedTuple):
    """What an operator takes or gives at one place; a rank of None leaves the number of dimensions open."""

    rank: int | None
    type: TensorType


def ports(inputs: tuple[Port, ...], outputs: tuple[Port, ...]) -> Step:
    """A Prepare that looks at its tensors and keeps nothing."""

    def prepare(node: Node, build: Build) -> Iterator[Request]:
        yield from looked_at(node, inputs, outputs)

    return prepare


def looked_at(node: Node, inputs: tuple[Port, ...], outputs: tuple[Port, ...]) -> Iterator[Request]:
    """All inputs, then all outputs, and then what they are."""
    require_arity(node, len(inputs), len(outputs))
    tensors = [input_at(node, position) for position in range(len(inputs))]
    tensors += [output_at(node, position) for position in range(len(outputs))]
    yield from temps(*tensors)
    for tensor, port in zip(tensors, (*inputs, *outputs), strict=True):
        if port.rank is not None:
            require_rank(tensor, port.rank)
        require_type(tensor, port.type)


def option_at(node: Node, position: int) -> int:
    """The option at `position` in the order of the keys [flatbuffer_utils.cc: FlexbufferWrapper]."""
    values = list(option_map(node).values())
    value = values[position] if position < len(values) else None
    if not isinstance(value, int):
        raise Refusal(f"custom option {position} is {value!r}, not an integer")
    return value


def tensor_type(node: Node, *types: TensorType) -> TensorType:
    """The option T: what is computed in."""
    value = option_map(node).get("T", 0)
    for each in types:
        if value == each:
            return each
    raise Refusal(f"T is {value!r}; it may be {', '.join(f'{each.value} ({each.name})' for each in types)}")


def circular_buffer_bytes(capacity: int, build: Build) -> int:
    """Everything twice, so that a window never wraps [circular_buffer.cc: CircularBufferGetNeededMemory]."""
    return build.sizeof(CIRCULAR_BUFFER) + 2 * 2 * capacity


def circular_buffers(count: int, capacity: int, build: Build, source: str) -> Iterator[Request]:
    """Two arrays of pointers, then the buffers."""
    yield Persistent("state_buffers", count * build.sizeof(POINTER), source)
    yield Persistent("circular_buffers", count * build.sizeof(POINTER), source)
    for index in range(count):
        yield Persistent(f"state_buffers[{index}]", circular_buffer_bytes(capacity, build), source)


def rows(x: Tensor) -> tuple[int, int]:
    """How many rows there are along the last dimension, and their length."""
    require(x.elements > 0 and len(x.shape) > 0, f"shape {x.shape} has no rows", x)
    return x.elements // x.shape[-1], x.shape[-1]


def prepare_delay(node: Node, build: Build) -> Iterator[Request]:
    """[delay.cc: DelayPrepare]"""
    yield from looked_at(node, (SAMPLES,), (SAMPLES,))
    count, frame_size = rows(input_at(node, 0))
    delay_length = option_at(node, 0)
    require(delay_length >= 0, f"delay_length {delay_length} is negative")
    yield from circular_buffers(count, frame_size + delay_length, build, "delay.cc: DelayPrepare")


def prepare_framer(node: Node, build: Build) -> Iterator[Request]:
    """[framer.cc: FramerPrepare] A buffer holds whole steps."""
    yield from looked_at(node, (SAMPLES,), (SAMPLES, VALID))
    x, y = input_at(node, 0), output_at(node, 0)
    require_rank(y, len(x.shape) + 1)
    count, length = rows(x)
    frame_size, frame_step = option_at(node, 0), option_at(node, 1)
    require(frame_size > 0 and frame_step > 0, f"frames of {frame_size} every {frame_step}")
    require(length >= frame_step and length % frame_step == 0, f"{length} samples, in steps of {frame_step}", x)
    yield from circular_buffers(count, round_up(frame_size, frame_step), build, "framer.cc: FramerPrepare")


def prepare_overlap_add(node: Node, build: Build) -> Iterator[Request]:
    """[overlap_add.cc: OverlapAddPrepare]"""
    port = Port(None, tensor_type(node, *OVERLAP_ADD_TYPES))
    yield from looked_at(node, (port,), (port,))
    x, y = input_at(node, 0), output_at(node, 0)
    require_rank(x, len(y.shape) + 1)
    require(len(x.shape) >= 2, f"{len(x.shape)} dimensions; it takes 2 or more", x)
    frames, frame_size = rows(x)
    source = "overlap_add.cc: OverlapAddPrepare"
    count = frames // x.shape[-2]
    yield Persistent("state_buffers", count * build.sizeof(POINTER), source)
    for index in range(count):
        yield Persistent(f"state_buffers[{index}]", frame_size * type_size(x), source)


def init_overlap_add(node: Node, build: Build) -> Iterator[Request]:
    """[overlap_add.cc: OverlapAddInitAll]"""
    tensor_type(node, *OVERLAP_ADD_TYPES)
    yield from op_data(OVERLAP_ADD_PARAMS, "overlap_add.cc: OverlapAddInit")(node, build)


def prepare_window(node: Node, build: Build) -> Iterator[Request]:
    """[window.cc: WindowPrepare]"""
    yield from looked_at(node, (SAMPLES, Port(1, TensorType.INT16)), (SAMPLES,))
    x = input_at(node, 0)
    require(len(x.shape) >= 1, "0 dimensions; it takes 1 or more", x)
    require_rank(output_at(node, 0), len(x.shape))


def init_filter_bank(node: Node, build: Build) -> Iterator[Request]:
    """[filter_bank.cc: FilterBankInit] One uint64 for each channel, and one to collect what is in none."""
    yield from op_data(FILTER_BANK_PARAMS, "filter_bank.cc: FilterBankInit")(node, build)
    yield Persistent("work_area", 8 * (channels(node, 0) + 1), "filter_bank.cc: FilterBankInit")


def init_spectral_subtraction(node: Node, build: Build) -> Iterator[Request]:
    """[filter_bank_spectral_subtraction.cc: FilterBankSpectralSubtractionInit]"""
    source = "filter_bank_spectral_subtraction.cc: FilterBankSpectralSubtractionInit"
    yield from op_data(SPECTRAL_SUBTRACTION_PARAMS, source)(node, build)
    yield Persistent("noise_estimate", 4 * channels(node, 4), source)


def init_stacker(node: Node, build: Build) -> Iterator[Request]:
    """[stacker.cc: StackerInit]"""
    yield from op_data(STACKER_PARAMS, "stacker.cc: StackerInit")(node, build)
    left, right = option_at(node, 1), option_at(node, 2)
    require(left >= 0 and right >= 0, f"a context of {left} to the left and {right} to the right")
    nbytes = circular_buffer_bytes(channels(node, 0) * (left + right + 1), build)
    yield Persistent("state", nbytes, "stacker.cc: StackerInit")


def channels(node: Node, position: int) -> int:
    """The option num_channels."""
    value = option_at(node, position)
    require(value >= 0, f"num_channels {value} is negative")
    return value


def init_rfft(node: Node, build: Build) -> Iterator[Request]:
    """[rfft.cc: RfftInit]"""
    yield from op_data(RFFT_PARAMS, "rfft.cc: RfftInit")(node, build)
    yield Persistent("state", plan_bytes(node, build), "rfft.cc: RfftInit")


def prepare_rfft(node: Node, build: Build) -> Iterator[Request]:
    """[rfft.cc: RfftPrepare]"""
    yield from prepare_fft(node, build)
    yield Scratch("scratch_buffer_index", fft_length(node) * type_size(input_at(node, 0)), "rfft.cc: RfftPrepare")


def init_irfft(node: Node, build: Build) -> Iterator[Request]:
    """[irfft.cc: IrfftInit; irfft_float.cc: IrfftFloatGetNeededMemory]"""
    yield from op_data(IRFFT_PARAMS, "irfft.cc: IrfftInit")(node, build)
    nbytes = plan_bytes(node, build)
    if fft_type(node) == TensorType.FLOAT32:  # keeps its length beside the plan, to divide by it
        nbytes += build.sizeof(IRFFT_FLOAT_STATE)
    yield Persistent("state", nbytes, "irfft.cc: IrfftInit")


def prepare_fft(node: Node, build: Build) -> Iterator[Request]:
    """[rfft.cc: RfftPrepare; irfft.cc: IrfftPrepare]"""
    port = Port(None, fft_type(node))
    yield from looked_at(node, (port,), (port,))
    require_rank(output_at(node, 0), len(input_at(node, 0).shape))


def fft_type(node: Node) -> TensorType:
    """What the transform computes in."""
    return tensor_type(node, *FFT_NUMBERS)


def fft_length(node: Node) -> int:
    """The option fft_length; kissfft makes no plan for an odd one."""
    length = option_at(node, 1)
    require(length % 2 == 0, "Real FFT optimization must be even.")
    require(length > 0, f"fft_length {length} is not positive")
    return length


def plan_bytes(node: Node, build: Build) -> int:
    """The plan of kissfft for this node, either direction."""
    return kiss_fftr_bytes(fft_length(node), FFT_NUMBERS[fft_type(node)], build)


def kiss_fftr_bytes(length: int, number: Struct, build: Build) -> int:
    """The plan of a real transform: its head, a complex plan of half the length, and room for 3/2 of that.

    [kiss_fft.c: kiss_fft_alloc; kiss_fftr.c: kiss_fftr_alloc]
    """
    half = length // 2
    plan = build.sizeof(kiss_fft_state(number)) + build.sizeof(number) * (half - 1)
    return build.sizeof(KISS_FFTR_STATE) + plan + build.sizeof(number) * (half * 3 // 2)


def kiss_fft_state(number: Struct) -> Struct:
    """A complex plan with room for 32 pairs of factors, and the first twiddle factor [_kiss_fft_guts.h]."""
    name = f"kiss_fft_state of {number.name}"
    return struct(name, nfft=INT32, inverse=INT32, factors=Repeated(INT32, 2 * 32), twiddles=number)


KISS_FFTR_STATE = struct("kiss_fftr_state", substate=POINTER, tmpbuf=POINTER, super_twiddles=POINTER)
FFT_NUMBERS = {
    TensorType.INT16: struct("kiss_fft_fixed16::kiss_fft_cpx", r=INT16, i=INT16),
    TensorType.INT32: struct("kiss_fft_fixed32::kiss_fft_cpx", r=INT32, i=INT32),
    TensorType.FLOAT32: struct("kiss_fft_float::kiss_fft_cpx", r=FLOAT, i=FLOAT),
}
OVERLAP_ADD_TYPES = (TensorType.INT16, TensorType.FLOAT32)

SAMPLES = Port(None, TensorType.INT16)
ROW_INT16, ROW_UINT32, ROW_UINT64 = (Port(1, type) for type in (TensorType.INT16, TensorType.UINT32, TensorType.UINT64))
BITS = Port(0, TensorType.INT32)
VALID = Port(0, TensorType.BOOL)

DELAY = Kernel(init=op_data(DELAY_PARAMS, "delay.cc: DelayInit"), prepare=prepare_delay)
ENERGY = Kernel(
    init=op_data(ENERGY_PARAMS, "energy.cc: EnergyInit"),
    prepare=ports((ROW_INT16,), (ROW_UINT32,)),
)
FFT_AUTO_SCALE = Kernel(prepare=ports((ROW_INT16,), (ROW_INT16, BITS)))
FILTER_BANK = Kernel(init=init_filter_bank, prepare=ports((ROW_UINT32, *[ROW_INT16] * 5), (ROW_UINT64,)))
FILTER_BANK_LOG = Kernel(
    init=op_data(FILTER_BANK_LOG_PARAMS, "filter_bank_log.cc: FilterBankLogInit"),
    prepare=ports((ROW_UINT32,), (ROW_INT16,)),
)
FILTER_BANK_SPECTRAL_SUBTRACTION = Kernel(
    init=init_spectral_subtraction,
    prepare=ports((ROW_UINT32,), (ROW_UINT32, ROW_UINT32)),
)
FILTER_BANK_SQUARE_ROOT = Kernel(prepare=ports((ROW_UINT64, BITS), (ROW_UINT32,)))
FRAMER = Kernel(init=op_data(FRAMER_PARAMS, "framer.cc: FramerInit"), prepare=prepare_framer)
IRFFT = Kernel(init=init_irfft, prepare=prepare_fft)
OVERLAP_ADD = Kernel(init=init_overlap_add, prepare=prepare_overlap_add)
PCAN = Kernel(
    init=op_data(PCAN_PARAMS, "pcan.cc: PcanInit"),
    prepare=ports((ROW_UINT32, ROW_UINT32, ROW_INT16), (ROW_UINT32,)),
)
RFFT = Kernel(init=init_rfft, prepare=prepare_rfft)
STACKER = Kernel(init=init_stacker, prepare=ports((ROW_INT16,), (ROW_INT16, VALID)))
WINDOW = Kernel(init=op_data(WINDOW_PARAMS, "window.cc: WindowInit"), prepare=prepare_window)
