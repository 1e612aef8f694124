"""The referee is right about models of one operator, whose arena can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests import small_models
from tests.referees.tflm import INSTALLED, Category, Refusal, Tflm, refusal_of, smallest
from tests.small_models import SmallTensor

pytestmark = pytest.mark.skipif(not INSTALLED, reason="there is no tflite-micro wheel for this platform")

LP64_EVAL_TENSOR, LP64_TENSOR, LP64_NODE = 24, 64, 64  # sizes of structs on a 64-bit host, in bytes
FLOAT, INT8 = schema.TensorType.FLOAT32, schema.TensorType.INT8
MINIMUM = schema.BuiltinOperator.MINIMUM  # runs
ATAN2 = schema.BuiltinOperator.ATAN2  # not registered
FULLY_CONNECTED, BATCH_MATMUL = schema.BuiltinOperator.FULLY_CONNECTED, schema.BuiltinOperator.BATCH_MATMUL


def model_of(operator: int, second: int = FLOAT, indices: tuple[int, int] = (0, 1)) -> bytes:
    """Four floats, and four values of the type `second`, give four floats."""
    inputs = (SmallTensor((1, 4)), SmallTensor((1, 4), second))
    return small_models.model_of(operator, inputs, SmallTensor((1, 4)), indices=indices)


def test_a_model_runs_on_inputs_that_the_seed_determines(tflm: Tflm) -> None:
    generator = np.random.Generator(np.random.PCG64(7))
    x, y = (generator.standard_normal((1, 4)).astype(np.float32) for _ in range(2))
    assert tflm.run(model_of(MINIMUM), seed=7).outputs == (np.minimum(x, y).tobytes(),)


def test_the_recording_is_read_whole(tflm: Tflm) -> None:
    allocations = tflm.load(model_of(MINIMUM)).allocations
    assert allocations is not None
    assert allocations.categories == {
        "TfLiteEvalTensor data": Category(3 * LP64_EVAL_TENSOR, 3 * LP64_EVAL_TENSOR, 3),
        "Persistent TfLiteTensor data": Category(3 * LP64_TENSOR, 3 * LP64_TENSOR, 3),
        "Persistent buffer data": Category(32, 2 * 8 + 1 * 8, 2),  # pointers to two inputs and an output, aligned
        "NodeAndRegistration struct": Category(LP64_NODE, LP64_NODE, 1),
    }
    assert allocations.head == 3 * 16
    assert allocations.total == allocations.head + allocations.tail


def test_the_minimum_is_the_edge_between_what_fails_and_what_works(tflm: Tflm) -> None:
    model = model_of(MINIMUM)
    minimum = tflm.minimum(model)
    assert not any(tflm.run(model, size).runs for size in range(minimum.nbytes - 64, minimum.nbytes))
    assert all(tflm.run(model, size).runs for size in range(minimum.nbytes, minimum.nbytes + 64))
    assert minimum.multiple_of_16 == -(-minimum.nbytes // 16) * 16


def test_an_operator_that_is_not_registered_is_named(tflm: Tflm) -> None:
    message = "Didn't find op for builtin opcode 'ATAN2'"
    assert refusal_of(tflm.run(model_of(ATAN2))) == Refusal("load", "ATAN2", None, message, "")


def test_a_message_of_the_kernel_is_told_from_a_bare_check(tflm: Tflm) -> None:
    hybrid = refusal_of(tflm.run(model_of(FULLY_CONNECTED, INT8)))
    message = "Input type: FLOAT32 with filter type: INT8 not supported."
    assert hybrid == Refusal("prepare", "FULLY_CONNECTED", 0, message, "")
    mixed = refusal_of(tflm.run(model_of(BATCH_MATMUL, INT8)))
    assert mixed == Refusal("prepare", "BATCH_MATMUL", 0, "", "lhs_data->type == rhs_data->type was not true.")


def test_a_model_that_only_invoke_refuses_has_loaded(tflm: Tflm) -> None:
    byte = SmallTensor((1, 4), schema.TensorType.UINT8, scales=1)
    verdict = tflm.run(small_models.model_of(schema.BuiltinOperator.LOGISTIC, (byte,), byte))
    assert verdict.loads
    assert verdict.allocations is not None
    assert refusal_of(verdict) == Refusal("invoke", "LOGISTIC", 0, "Input UINT8, output UINT8 not supported.", "")


def test_a_model_that_runs_is_not_refused(tflm: Tflm) -> None:
    assert refusal_of(tflm.run(model_of(MINIMUM))) is None


def test_a_crash_is_an_answer_and_the_worker_lives_on(tflm: Tflm) -> None:
    verdict = tflm.run(model_of(MINIMUM, indices=(0, 99_999_999)))  # an index far out of range, which TFLM trusts
    assert (verdict.loads, verdict.crash) == (False, "SIGSEGV")
    assert tflm.run(model_of(MINIMUM)).runs


@pytest.mark.parametrize("edge", [1, 15, 16, 17, 1000])
@pytest.mark.parametrize("guess", [1, 16, 999, 1000, 5000])
def test_the_search_finds_the_edge_from_any_guess(edge: int, guess: int) -> None:
    assert smallest(lambda size: size >= edge, guess) == edge
