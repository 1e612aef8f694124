"""From samples to a spectrum and back: SignalWindow, SignalFftAutoScale, SignalRfft, SignalIrfft and SignalEnergy.

Sources: window.cc, fft_auto_scale.cc, rfft.cc, irfft.cc and energy.cc in signal/micro/kernels of the TFLM repository;
window.cc, fft_auto_scale.cc, max_abs.cc, energy.cc and irfft_float.cc in signal/src. What TFLM refuses when it prepares
these is stated in signal.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refinfer.kernels.arithmetic import kissfft
from refinfer.kernels.common import input_at, output_at
from refinfer.kernels.compute import Compute, Evaluate, Host
from refinfer.kernels.kernel import require
from refinfer.kernels.lazy import np
from refinfer.kernels.signal import fft_length, option_at
from refinfer.kernels.signal_streams import as_declared
from refinfer.schema.enums import TensorType
from refinfer.schema.graph import Node

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

BITS = 16  # of a sample


def fold_window(node: Node, host: Host) -> Evaluate:
    """y[row, i] = (x[row, i] * weights[i]) >> shift, at most the limits of int16"""
    x, weights, shift = input_at(node, 0), input_at(node, 1), option_at(node, 0)
    require(0 <= shift < 32, f"shift {shift}")
    require(weights.elements > 0 and x.elements % weights.elements == 0, f"{weights.elements} weights for {x.shape}")

    def evaluate(x: Array, weights: Array) -> tuple[Array, ...]:
        raw = (x.reshape(-1, weights.size).astype(np.int32) * weights) >> shift
        return (np.clip(raw, -(2**15), 2**15 - 1).astype(np.int16).reshape(x.shape),)

    return evaluate


def fold_auto_scale(node: Node, host: Host) -> Evaluate:
    """As many bits to the left as the largest sample leaves room for, and how many these are."""
    x, y = input_at(node, 0), output_at(node, 0)
    require(x.elements >= y.elements, f"{x.elements} samples for {y.elements}", y)

    def evaluate(x: Array) -> tuple[Array, ...]:
        samples = x[: y.elements]
        bits = BITS - 1 - largest(samples.tolist()).bit_length()
        return samples << bits, np.array(bits, np.int32)

    return evaluate


def largest(samples: list[int]) -> int:
    """The largest absolute value, where that of -2**15 does not fit: it leaves no room, unless another follows.

    [max_abs.cc: MaxAbs16]
    """
    most = 0
    for sample in samples:
        if sample > most:
            most = sample
        elif -sample > most:
            most = -sample if sample > -(2**15) else sample
    return most if most > 0 else 2**15 - 1


def fold_rfft(node: Node, host: Host) -> Evaluate:
    """The spectrum of each row, to which zeros are added up to the length of the transform."""
    x, y, length = input_at(node, 0), output_at(node, 0), fft_length(node)
    require(x.shape[-1] <= length, f"rows of {x.shape[-1]}; the transform has {length}", x)
    kissfft.require_length(length)
    require(y.shape == (*x.shape[:-1], length + 2), f"shape {y.shape} for {length // 2 + 1} complex numbers", y)

    def evaluate(x: Array) -> tuple[Array, ...]:
        padding = np.zeros((*x.shape[:-1], length - x.shape[-1]), x.dtype)
        return (kissfft.spectrum(y.type, np.concatenate((x, padding), -1)),)

    return evaluate


def fold_irfft(node: Node, host: Host) -> Evaluate:
    """The samples of each spectrum; floats are divided by the length of the transform."""
    x, y, length = input_at(node, 0), output_at(node, 0), fft_length(node)
    require(x.shape[-1] >= length + 2, f"{x.shape[-1] // 2} complex numbers; the transform takes {length // 2 + 1}", x)
    kissfft.require_length(length)
    require(y.shape == (*x.shape[:-1], length), f"shape {y.shape} for {length} samples", y)

    def evaluate(x: Array) -> tuple[Array, ...]:
        samples = kissfft.signal(y.type, x, length)
        return (samples / np.float32(length) if y.type == TensorType.FLOAT32 else samples,)

    return evaluate


def fold_energy(node: Node, host: Host) -> Evaluate:
    """y[i] = re[i]**2 + im[i]**2 from start_index to end_index; the rest is left as it was, or 0 here."""
    x, y, end, start = input_at(node, 0), output_at(node, 0), option_at(node, 0), option_at(node, 1)
    require(start >= 0 and end <= min(x.elements // 2, y.elements), f"{start} to {end} in {x.shape} and {y.shape}", x)

    def evaluate(x: Array) -> tuple[Array, ...]:
        out = np.zeros(y.shape, np.uint32)
        parts = x[2 * start : 2 * max(start, end)].astype(np.int64).reshape(-1, 2)
        out[start : start + len(parts)] = (parts**2).sum(axis=1)
        return (out,)

    return evaluate


SAMPLES = frozenset({TensorType.INT16})
TRANSFORMED = frozenset({TensorType.INT16, TensorType.INT32, TensorType.FLOAT32})

COMPUTE_WINDOW = Compute(fold=fold_window, shape=as_declared, types=SAMPLES, version=1)
COMPUTE_FFT_AUTO_SCALE = Compute(fold=fold_auto_scale, shape=as_declared, types=SAMPLES, version=1)
COMPUTE_RFFT = Compute(fold=fold_rfft, shape=as_declared, types=TRANSFORMED, version=1)
COMPUTE_IRFFT = Compute(fold=fold_irfft, shape=as_declared, types=TRANSFORMED, version=1)
COMPUTE_ENERGY = Compute(fold=fold_energy, shape=as_declared, types=SAMPLES, version=1)
