"""Make the sample models of refinfer: train on scikit-learn's digits, convert three ways, measure, write the tables.

    pip install -r models/requirements.txt
    python models/make_models.py             # all of them: some eight minutes on two cores
    python models/make_models.py digits_lstm # this one alone; the tables are written again

Keras is tf-keras, that is Keras 2: it gives an LSTM as UNIDIRECTIONAL_SEQUENCE_LSTM, where Keras 3 gives a WHILE loop.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0", "CUDA_VISIBLE_DEVICES": ""}

import numpy as np
import tensorflow as tf
import tf_keras as keras
from digits import shifted, split_digits
from right_answers import HELD_OUT, Array, frames
from tables import path_of, write_tables
from tf_keras import layers

SEED = 2026
CLASSES = 10


@dataclass(frozen=True)
class Sample:
    """A network, how long it trains, and how the trained layers are put together for deployment."""

    name: str
    build: Callable[[], keras.Model]
    epochs: int
    deploy: Callable[[keras.Model], keras.Model] = lambda trained: trained


# The networks: pixels from 0 to 1 in, ten probabilities out.


def dense() -> keras.Model:
    return keras.Sequential(
        [
            layers.Input((8, 8, 1), name="pixels"),
            layers.Flatten(name="flatten"),
            layers.Dense(32, activation="relu", name="hidden"),
            layers.Dense(CLASSES, activation="softmax", name="probabilities"),
        ]
    )


def conv() -> keras.Model:
    return keras.Sequential(
        [
            layers.Input((16, 16, 1), name="pixels"),
            layers.Conv2D(16, 3, padding="same", activation="relu", name="conv"),
            layers.MaxPooling2D(2, name="max_pool"),
            layers.DepthwiseConv2D(3, padding="same", activation="relu", name="depthwise"),
            layers.Conv2D(64, 1, activation="relu", name="pointwise"),
            layers.AveragePooling2D(4, name="average_pool"),
            layers.Flatten(name="flatten"),
            layers.Dense(CLASSES, activation="softmax", name="probabilities"),
        ]
    )


def residual() -> keras.Model:
    pixels = layers.Input((8, 8, 1), name="pixels")
    x = layers.Conv2D(16, 3, padding="same", activation="relu", name="stem")(pixels)
    for block in ("block1", "block2"):
        y = layers.Conv2D(16, 3, padding="same", activation="relu", name=f"{block}_conv1")(x)
        y = layers.Conv2D(16, 3, padding="same", name=f"{block}_conv2")(y)
        x = layers.ReLU(name=f"{block}_relu")(layers.Add(name=f"{block}_add")([x, y]))
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(pixels, layers.Dense(CLASSES, activation="softmax", name="probabilities")(x))


def lstm() -> keras.Model:
    """16 pixels a row by 64 units are 1024 weights, the fewest that a dynamic-range conversion quantizes."""
    return keras.Sequential(
        [
            layers.Input((16, 16), name="rows"),
            layers.LSTM(64, name="lstm"),
            layers.Dense(CLASSES, activation="softmax", name="probabilities"),
        ]
    )


def mobile() -> keras.Model:
    stages = ((24, 1), (32, 2), (48, 2), (64, 2))  # channels of the pointwise convolution, stride of the depthwise one
    pixels = layers.Input((96, 96, 1), name="pixels")
    stem = layers.Conv2D(12, 3, strides=2, padding="same", use_bias=False, name="stem")
    x = normalized(stem, pixels)
    for number, (channels, stride) in enumerate(stages, start=1):
        depthwise = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False, name=f"depthwise{number}")
        pointwise = layers.Conv2D(channels, 1, use_bias=False, name=f"pointwise{number}")
        x = normalized(pointwise, normalized(depthwise, x))
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(pixels, layers.Dense(CLASSES, activation="softmax", name="probabilities")(x))


def normalized(layer: Any, x: Any) -> Any:
    """The layer, then batch normalization and ReLU6, which the converter folds into it."""
    x = layers.BatchNormalization(momentum=0.9, name=f"{layer.name}_norm")(layer(x))
    return layers.ReLU(6.0, name=f"{layer.name}_relu6")(x)


def whole_picture() -> keras.Model:
    """What `row_by_row` is trained as: it sees all eight rows at once, without padding."""
    return keras.Sequential(
        [
            layers.Input((8, 8, 1), name="pixels"),
            layers.Conv2D(16, 3, activation="relu", name="conv1"),
            layers.Conv2D(24, 3, activation="relu", name="conv2"),
            layers.Flatten(name="flatten"),
            layers.Dense(CLASSES, activation="softmax", name="probabilities"),
        ]
    )


def row_by_row(trained: keras.Model) -> keras.Model:
    """The same layers fed a row per call; each keeps the rows that it will need again in a resource variable.

    The last layer sees 4 rows, each made from 3, each made from 3: that is 8 rows of the picture. So the answer after
    the eighth row depends on nothing before the first, and nobody has to reset the variables between two digits.
    """
    x = row = layers.Input((1, 8, 1), name="row")
    for name, rows in (("conv1", 3), ("conv2", 3), ("flatten", 4)):
        x = trained.get_layer(name)(LastRows(rows, name=f"rows_for_{name}")(x))
    return keras.Model(row, trained.get_layer("probabilities")(x))


class LastRows(layers.Layer):  # type: ignore[misc]  # Keras has no types
    """The last `count` rows that it was called with, the oldest first."""

    def __init__(self, count: int, name: str) -> None:
        super().__init__(name=name)
        self.count = count

    def build(self, row_shape: tuple[int | None, ...]) -> None:
        shape = (1, self.count - 1, *row_shape[2:])
        self.earlier = self.add_weight("earlier", shape, initializer="zeros", trainable=False)

    def call(self, row: Any) -> Any:
        rows = tf.concat([self.earlier, row], axis=1)
        self.earlier.assign(rows[:, 1:])
        return rows


# Training


def train(sample: Sample, images: Array, labels: Array) -> keras.Model:
    keras.backend.clear_session()  # or the names of its tensors would depend on the models made before
    keras.utils.set_random_seed(SEED)
    model = sample.build()
    model.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy")
    pictures = frames(shifted(images), model.input_shape[1:])[:, 0]
    model.fit(pictures, np.tile(labels, 9), batch_size=32, epochs=sample.epochs, verbose=0)
    return sample.deploy(model)


# Conversion


def convert_float(model: keras.Model, images: Array) -> bytes:
    return bytes(converter(model).convert())


def convert_dynamic(model: keras.Model, images: Array) -> bytes:
    """Weights in int8 where there are at least 1024 of them, all else in float32."""
    dynamic = converter(model)
    dynamic.optimizations = [tf.lite.Optimize.DEFAULT]
    return bytes(dynamic.convert())


def convert_int8(model: keras.Model, images: Array) -> bytes:
    """Integers everywhere, also in the variables of a streaming model; ranges as seen on the images."""

    def representative() -> Iterator[list[Array]]:
        for sequence in frames(images, (1, *model.input_shape[1:])):
            for frame in sequence:
                yield [frame]

    integer = converter(model)
    integer.optimizations = [tf.lite.Optimize.DEFAULT]
    integer.representative_dataset = representative
    integer.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    integer.inference_input_type = integer.inference_output_type = tf.int8
    integer._experimental_variable_quantization = True
    return bytes(integer.convert())


def converter(model: keras.Model) -> Any:
    """A converter for batches of one, so that the file leaves no dimension open."""
    (given,) = model.inputs
    one = tf.TensorSpec((1, *given.shape[1:]), tf.float32, name=given.name)
    function = tf.function(lambda x: model(x, training=False)).get_concrete_function(one)
    result = tf.lite.TFLiteConverter.from_concrete_functions([function], model)
    result.experimental_enable_resource_variables = True
    return result


# All of it


def main(*names: str) -> None:
    tf.config.experimental.enable_op_determinism()
    images, labels, held_out_images, held_out_labels = split_digits()
    np.savez_compressed(HELD_OUT, images=held_out_images, labels=held_out_labels)
    for sample in SAMPLES:
        if not names or sample.name in names:
            print(sample.name, flush=True)
            model = train(sample, images, labels)
            for variant, convert in VARIANTS.items():
                path_of(sample.name, variant).write_bytes(convert(model, images))
    write_tables()


VARIANTS = {"int8": convert_int8, "float": convert_float, "dynamic": convert_dynamic}
SAMPLES = (
    Sample("digits_dense", dense, epochs=60),
    Sample("digits_conv", conv, epochs=20),
    Sample("digits_residual", residual, epochs=20),
    Sample("digits_lstm", lstm, epochs=20),
    Sample("digits_stream", whole_picture, epochs=20, deploy=row_by_row),
    Sample("digits_mobile", mobile, epochs=10),
)

if __name__ == "__main__":
    main(*sys.argv[1:])
