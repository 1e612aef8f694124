"""Train digits_conv on with the roundings of its integers in it: quantization-aware training, in numpy alone.

    pip install -r models/requirements.txt
    python models/make_qat.py                # about two minutes; the tables are written again

It starts from the weights of `digits_conv_float.tflite`. Each step computes with numbers that int8 has, and corrects
the weights beneath as if there were no rounding: the straight-through estimator. The result is
`digits_conv_int8.tflite` with other numbers in it: what is trained so needs no other operators, and no larger file.

To see what of it is due to the rounding, a twin trains as long without, and is rounded afterwards; and both once more
with fewer bits for the weights, of which no file is made.
"""

from __future__ import annotations

import os

if __name__ == "__main__":  # before numpy is imported; or sums would depend on the number of cores
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from right_answers import Array, frames
from tables import table, write_tables

HERE = Path(__file__).resolve().parent
FLOAT, INT8, RESULT = (HERE / f"digits_conv_{name}.tflite" for name in ("float", "int8", "qat"))
SEED = 2026
EPOCHS, BATCH, RATE, MOMENTUM = 5, 32, 1e-3, 0.9
FORGET = 0.01  # how much of a range is what was seen last
BITS = (8, 4, 3, 2)  # of weights; activations have 8

Back = Callable[[Array], Array]
"""From the slopes of the loss by what a layer gives to those by what it takes; those by its own numbers are kept."""


# rounding


def round_weights(weights: Array, axis: int, bits: int = 8) -> tuple[Array, Array]:
    """The numbers nearest to `weights` that are integers, from -127 to 127 if of 8 bits, times a scale for each channel
    along `axis`; and these scales.
    """
    highest = 2 ** (bits - 1) - 1
    others = tuple(each for each in range(weights.ndim) if each != axis)
    scales = np.maximum(np.abs(weights).max(axis=others, keepdims=True) / highest, 1e-9).astype(np.float32)
    return np.rint(weights / scales) * scales, scales.reshape(-1)


@dataclass
class Range:
    """Where an activation lies: a moving average of the least and the greatest number of each batch; 0 is inside."""

    low: float = 0.0
    high: float = 0.0
    seen: bool = False

    def watch(self, x: Array) -> None:
        share = FORGET if self.seen else 1.0
        self.low += share * (min(float(x.min()), 0.0) - self.low)
        self.high += share * (max(float(x.max()), 0.0) - self.high)
        self.seen = True

    @property
    def scale(self) -> np.float32:
        return np.float32((self.high - self.low) / 255)

    @property
    def zero_point(self) -> int:
        return int(np.rint(-128 - self.low / self.scale))

    def round(self, x: Array) -> tuple[Array, Back]:
        """The numbers that int8 has nearest to `x`. Slopes pass as they are, but for what was cut off."""
        steps = np.rint(x / self.scale) + self.zero_point
        inside = (steps >= -128) & (steps <= 127)
        return (steps.clip(-128, 127) - self.zero_point) * self.scale, lambda slopes: slopes * inside


# layers


@dataclass
class Layer:
    """A layer with weights: they are kept unrounded, with the bias; `axis` is that of its channels."""

    weights: Array
    bias: Array
    axis: int
    out: Range = field(default_factory=Range)
    slopes: tuple[Array, Array] | None = None
    speeds: list[Array] = field(default_factory=list)

    def step(self) -> None:
        """A little downhill."""
        assert self.slopes is not None
        self.speeds = self.speeds or [np.zeros_like(each) for each in self.slopes]
        for numbers, speed, slope in zip((self.weights, self.bias), self.speeds, self.slopes, strict=True):
            speed *= MOMENTUM
            speed -= RATE * slope
            numbers += speed


def windows(x: Array, size: int) -> Array:
    """What each place sees of its surroundings, with zeros beyond the edge: [image, row, column, channel, dy, dx]."""
    edge = size // 2
    padded = np.pad(x, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
    return np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))


def convolution(layer: Layer, w: Array, x: Array) -> tuple[Array, Back]:
    """Weights are [output, dy, dx, input]."""
    seen = windows(x, w.shape[1])

    def back(slopes: Array) -> Array:
        by_weights = np.tensordot(slopes, seen, axes=((0, 1, 2), (0, 1, 2))).transpose(0, 2, 3, 1)
        layer.slopes = by_weights, slopes.sum(axis=(0, 1, 2))
        return np.tensordot(windows(slopes, w.shape[1]), w[:, ::-1, ::-1], axes=((3, 4, 5), (0, 1, 2)))

    return np.tensordot(seen, w, axes=((3, 4, 5), (3, 1, 2))) + layer.bias, back


def depthwise(layer: Layer, w: Array, x: Array) -> tuple[Array, Back]:
    """Weights are [1, dy, dx, channel]: each channel sees itself alone."""
    seen = windows(x, w.shape[1])

    def back(slopes: Array) -> Array:
        layer.slopes = np.einsum("nhwc,nhwcij->ijc", slopes, seen)[None], slopes.sum(axis=(0, 1, 2))
        return np.einsum("nhwcij,ijc->nhwc", windows(slopes, w.shape[1]), w[0, ::-1, ::-1])

    return np.einsum("nhwcij,ijc->nhwc", seen, w[0]) + layer.bias, back


def connected(layer: Layer, w: Array, x: Array) -> tuple[Array, Back]:
    """Weights are [output, input]."""
    flat = x.reshape(len(x), -1)

    def back(slopes: Array) -> Array:
        layer.slopes = slopes.T @ flat, slopes.sum(axis=0)
        return (slopes @ w).reshape(x.shape)

    return flat @ w.T + layer.bias, back


def relu(x: Array) -> tuple[Array, Back]:
    return np.maximum(x, 0), lambda slopes: slopes * (x > 0)


def unpooled(x: Array, size: int) -> Array:
    """Each number at all places of a square."""
    return x.repeat(size, axis=1).repeat(size, axis=2)


def squares(x: Array, size: int) -> Array:
    """[image, row, dy, column, dx, channel]"""
    count, rows, columns, channels = x.shape
    return x.reshape(count, rows // size, size, columns // size, size, channels)


def max_pool(x: Array) -> tuple[Array, Back]:
    """Of 2 × 2; several that are largest share the slope."""
    largest = squares(x, 2).max(axis=(2, 4))
    chosen = x == unpooled(largest, 2)
    return largest, lambda slopes: unpooled(slopes / squares(chosen, 2).sum(axis=(2, 4)), 2) * chosen


def average_pool(x: Array) -> tuple[Array, Back]:
    """Of 4 × 4."""
    return squares(x, 4).mean(axis=(2, 4)), lambda slopes: unpooled(slopes, 4) / 16


# the network


class Network:
    """digits_conv, with layers in the order of the file; `bits` are those of weights, or None for reals all over."""

    def __init__(self, layers: list[Layer], bits: int | None) -> None:
        self.conv, self.depthwise, self.pointwise, self.last = self.layers = layers
        self.pixels = Range(0.0, 1.0)
        self.bits = bits

    def scores(self, x: Array, learning: bool = False) -> tuple[Array, list[Back]]:
        """Before SOFTMAX, with the way back."""
        ways: list[Back] = []

        def then(taken: tuple[Array, Back]) -> Array:
            ways.append(taken[1])
            return taken[0]

        def rounding(x: Array, place: Range) -> Array:
            return then(place.round(x)) if self.bits else x

        def layer(multiplied: Any, layer: Layer, x: Array, activation: Any = relu) -> Array:
            w = round_weights(layer.weights, layer.axis, self.bits)[0] if self.bits else layer.weights
            y = then(multiplied(layer, w, x))
            y = then(activation(y)) if activation else y
            if learning:
                layer.out.watch(y)
            return rounding(y, layer.out)

        x = rounding(x, self.pixels)
        x = then(max_pool(layer(convolution, self.conv, x)))
        x = layer(depthwise, self.depthwise, x)
        x = layer(convolution, self.pointwise, x)
        x = rounding(then(average_pool(x)), self.pointwise.out)
        return layer(connected, self.last, x, activation=None), ways

    def learn(self, x: Array, labels: Array) -> float:
        """A step downhill on a batch; gives the loss, which is the mean of -log(probability of the right class)."""
        scores, ways = self.scores(x, learning=True)
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        probabilities = powers / powers.sum(axis=1, keepdims=True)
        right = np.arange(len(labels)), labels
        loss = -float(np.log(probabilities[right]).mean())
        probabilities[right] -= 1
        slopes = probabilities / len(labels)
        for way in reversed(ways):
            slopes = way(slopes)
        for each in self.layers:
            each.step()
        return loss


# the file


@dataclass(frozen=True)
class Place:
    """An operator of a file, with what it takes and gives, as views into the bytes."""

    inputs: list[Any]
    output: Any


def places(model: Any) -> Iterator[Place]:
    """Each operator of the main subgraph."""
    graph = model.Subgraphs(0)
    for number in range(graph.OperatorsLength()):
        operator = graph.Operators(number)
        inputs = [graph.Tensors(operator.Inputs(i)) for i in range(operator.InputsLength())]
        yield Place(inputs, graph.Tensors(operator.Outputs(0)))


def data_of(model: Any, tensor: Any, dtype: Any) -> Array:
    """A constant, where it lies in the file."""
    return np.asarray(model.Buffers(tensor.Buffer()).DataAsNumpy().view(dtype).reshape(tensor.ShapeAsNumpy()))


def layers_of(file: bytes) -> list[Layer]:
    """The layers of a file of floats."""
    model = schema.Model.GetRootAs(file)
    found = []
    for place in places(model):
        if len(place.inputs) == 3:
            weights, bias = (data_of(model, each, np.float32).astype(np.float64) for each in place.inputs[1:])
            found.append(Layer(weights, bias, axis=3 if weights.shape[0] == 1 else 0))
    return found


def with_numbers(file: bytes, network: Network) -> bytes:
    """A file of integers with the numbers of the network in place of its own; no byte is added or moved."""
    made = bytearray(file)
    model = schema.Model.GetRootAs(made)
    layers, here = iter(network.layers), network.pixels
    *body, _ = places(model)  # SOFTMAX always has one scale
    for place in body:
        if len(place.inputs) == 3:
            layer, (_, weights, bias) = next(layers), place.inputs
            rounded, scales = round_weights(layer.weights, layer.axis)
            along = [-1 if axis == layer.axis else 1 for axis in range(layer.weights.ndim)]
            data_of(model, weights, np.int8)[...] = np.rint(rounded / scales.reshape(along))
            weights.Quantization().ScaleAsNumpy()[:] = scales
            data_of(model, bias, np.int32)[...] = np.rint(layer.bias / (here.scale * scales))
            bias.Quantization().ScaleAsNumpy()[:] = here.scale * scales
            here = layer.out
        place.output.Quantization().ScaleAsNumpy()[:] = here.scale
        place.output.Quantization().ZeroPointAsNumpy()[:] = here.zero_point
    return bytes(made)


# all of it


def trained(bits: int | None, pictures: Array, labels: Array) -> Network:
    """The network of the file of floats, trained on for some epochs."""
    network = Network(layers_of(FLOAT.read_bytes()), bits)
    rng = np.random.Generator(np.random.PCG64(SEED))
    for epoch in range(EPOCHS):
        order = rng.permutation(len(labels))
        batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
        losses = [network.learn(pictures[batch], labels[batch]) for batch in batches]
        print(f"bits {bits}, epoch {epoch}: loss {np.mean(losses):.4f}", flush=True)
    return network


def pictures_of(images: Array) -> Array:
    return frames(images, (16, 16, 1))[:, 0].astype(np.float64)


def main() -> None:
    from digits import shifted, split_digits

    images, labels, held_out_images, held_out_labels = split_digits()
    pictures, held_out = pictures_of(shifted(images)), pictures_of(held_out_images)

    def right(network: Network, bits: int | None) -> str:
        network.bits = bits
        return str((network.scores(held_out)[0].argmax(axis=1) == held_out_labels).sum())

    twin = trained(None, pictures, np.tile(labels, 9))
    networks = {bits: trained(bits, pictures, np.tile(labels, 9)) for bits in BITS}
    RESULT.write_bytes(with_numbers(INT8.read_bytes(), networks[8]))
    rows = [(str(bits), right(twin, bits), right(network, bits)) for bits, network in networks.items()]
    rows.insert(0, ("real numbers", right(twin, None), ""))
    write_tables({"bits": table(("weights", "rounded afterwards", "trained with the rounding"), rows)})


if __name__ == "__main__":
    main()
