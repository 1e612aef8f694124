"""Where TFLM's own checks pass too early: in a tight arena it overwrites tensors that it still reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from ai_edge_litert import schema_py_generated as schema

import refinfer
from tests.referees.tflm import INSTALLED, Tflm
from tests.small_models import SmallTensor, model_of

INT8 = schema.TensorType.INT8


@pytest.mark.skipif(not INSTALLED, reason="there is no tflite-micro wheel for this platform")
@pytest.mark.parametrize("channels", [4, 16, 100, 400])
def test_what_really_works_lies_between_what_merely_passes_and_what_is_safe(channels: int, tmp_path: Path) -> None:
    """FULLY_CONNECTED with a scale for each channel makes its arrays while it looks at the scales."""
    weights = SmallTensor((channels, 4), INT8, scales=channels, data=bytes(4 * channels))
    x, y = SmallTensor((1, 4), INT8, scales=1), SmallTensor((1, channels), INT8, scales=1)
    model = model_of(schema.BuiltinOperator.FULLY_CONNECTED, (x, weights), y)
    file = tmp_path / "per_channel.tflite"
    file.write_bytes(model)
    arena = refinfer.simulate(file, "x86-64-wheel").arena
    with Tflm() as tflm:
        measured = tflm.minimum(model).nbytes
    assert arena.merely_passes <= measured <= arena.minimum
    assert arena.merely_passes < arena.minimum
