"""Strips of rows: which rows it takes, by what the network computes; and what is counted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import refinfer
from refinfer.kernels.common import output_at
from refinfer.schema import read_model
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.options import Conv2DOptions
from refinfer.splitting import HEIGHT_AXIS, Rows, estimate_splitting, needed
from refinfer.testing import NodeSpec, SubgraphSpec, TensorSpec, build
from tests.planners.chains import chain

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

MODELS = Path(__file__).resolve().parents[1] / "models"
CONV, MOBILE = MODELS / "digits_conv_int8.tflite", MODELS / "digits_mobile_int8.tflite"


@pytest.mark.parametrize("path", [CONV, MOBILE], ids=lambda path: path.stem)
def test_rows_outside_of_those_that_it_takes_change_nothing_and_those_within_do(path: Path) -> None:
    graph = read_model(path)
    splitting = estimate_splitting(refinfer.simulate(path))
    assert splitting is not None
    assert splitting.first == 0
    nodes = graph.subgraphs[0].nodes[: splitting.last + 1]
    x, y = graph.subgraphs[0].inputs[0], output_at(nodes[-1], 0)
    image = np.random.default_rng(1).integers(-128, 128, x.shape, np.int8)
    before = run(path, image, y.index)
    height = y.shape[HEIGHT_AXIS]
    rows = -(-height // splitting.strips)
    for first in range(0, height, rows):
        strip = slice(first, min(first + rows, height))
        need = needed(nodes, Rows(strip.start, strip.stop))[x]
        other = np.random.default_rng(2).integers(-128, 128, x.shape, np.int8)
        other[:, need.first : need.end] = image[:, need.first : need.end]
        assert np.array_equal(run(path, other, y.index)[:, strip], before[:, strip])
        for row in (need.first, need.end - 1):
            changed = image.copy()
            changed[:, row] = -128 + (changed[:, row] < 0) * 255
            assert not np.array_equal(run(path, changed, y.index)[:, strip], before[:, strip])


def run(path: Path, image: Array, tensor: int) -> Array:
    interpreter = refinfer.Interpreter(str(path), experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    return interpreter.get_tensor(tensor)


def pyramid(height: int) -> bytes:
    """Images of 1, 8, 8 and 1 channels: 1×1 convolutions, as floats."""
    images = [TensorSpec(TensorType.FLOAT32, (1, height, 4, channels)) for channels in (4, 32, 32, 4)]
    weights = [
        TensorSpec(TensorType.FLOAT32, (y, 1, 1, x), data=np.zeros((y, 1, 1, x), np.float32))
        for x, y in ((4, 32), (32, 4))
    ]
    options = Conv2DOptions(stride_h=1, stride_w=1)
    nodes = [
        NodeSpec(BuiltinOperator.CONV_2D, [images[0], weights[0]], [images[1]], options),
        NodeSpec(BuiltinOperator.RELU, [images[1]], [images[2]]),
        NodeSpec(BuiltinOperator.CONV_2D, [images[2], weights[1]], [images[3]], options),
    ]
    return build(SubgraphSpec(nodes, images[:1], images[3:]))


def test_what_enters_and_leaves_is_there_as_a_whole_and_the_rest_by_rows() -> None:
    """64 bytes of a row enter and leave, 512 are between, twice; 16 rows in 16 strips."""
    splitting = estimate_splitting(refinfer.simulate(pyramid(16)))
    assert splitting == (0, 2, 16, 2 * 16 * 512, 2 * 16 * 64 + 2 * 512, 0.0)


def test_where_all_is_small_nothing_is_to_be_had() -> None:
    assert estimate_splitting(refinfer.simulate(chain(3))) is None


def test_no_estimate_is_below_what_enters_and_leaves() -> None:
    for path in sorted(MODELS.glob("*_int8.tflite")):
        report = refinfer.simulate(path)
        splitting = estimate_splitting(report)
        if splitting is not None:
            nodes = report.graph.subgraphs[0].nodes
            ends = nodes[splitting.first].inputs[0], nodes[splitting.last].outputs[0]
            assert sum(each.elements for each in ends if each is not None) < splitting.head < splitting.before
