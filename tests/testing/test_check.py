"""A kernel against refinfer: what is right passes, what is wrong is found, made small and told of."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import reject
from hypothesis import strategies as st
from numpy.typing import NDArray

from refinfer.schema.enums import ActivationFunctionType, BuiltinOperator, TensorType
from refinfer.schema.errors import UsageError
from refinfer.testing import (
    Case,
    KernelMismatch,
    cases,
    check_kernel,
    command_kernel,
    examples_of,
    installed,
    kernel_test,
    networks,
    parameters,
    referee_kernel,
    tensors,
)
from refinfer.testing.explain import accumulated, differences
from refinfer.testing.generate import cases_of

FLOAT32, INT8, INT16 = TensorType.FLOAT32, TensorType.INT8, TensorType.INT16
OP = BuiltinOperator


def largest(case: Case) -> NDArray[Any]:
    """MAXIMUM, as it should be."""
    first, second = case.operands
    assert first is not None
    assert second is not None
    return np.maximum(first, second)


def nearly_largest(case: Case) -> NDArray[Any]:
    """It goes no further than 100."""
    return np.asarray(np.minimum(largest(case), np.int8(100)))


def ours(case: Case) -> tuple[NDArray[Any], ...]:
    """What is compared with, as if it were somebody's kernel."""
    return case.expected("tflm")


@pytest.mark.parametrize("type", [INT8, FLOAT32])
def test_what_is_right_passes(type: TensorType) -> None:
    # A kernel in numpy has its own idea of which NaN to give, so that infinities stay out.
    finite = cases(OP.MAXIMUM, type).filter(lambda case: all(np.isfinite(x).all() for x in case.inputs))
    assert check_kernel(largest, finite, examples=50, seed=1) == 50


def test_what_is_wrong_is_found_and_made_small(tmp_path: Path) -> None:
    with pytest.raises(KernelMismatch) as raised:
        check_kernel(nearly_largest, OP.MAXIMUM, INT8, examples=300, seed=1, save=tmp_path / "failing.tflite")
    case = raised.value.case
    assert [x.shape for x in case.inputs] == [(1,), (1,)]
    largest_input = max(int(x[0]) for x in case.inputs)
    assert largest_input > 100
    assert min(int(x[0]) for x in case.inputs) == 0
    assert (tmp_path / "failing.tflite").read_bytes() == case.model
    with np.load(tmp_path / "failing.npz") as values:
        assert sorted(values) == ["expected_0", "found_0", "input_0", "input_1"]
        assert (values["expected_0"], values["found_0"]) == (largest_input, 100)
        assert all((values[f"input_{number}"] == x).all() for number, x in enumerate(case.inputs))


def test_the_message_tells_operator_place_and_values(tmp_path: Path) -> None:
    with pytest.raises(KernelMismatch) as raised:
        check_kernel(nearly_largest, OP.MAXIMUM, INT8, examples=300, seed=1, save=tmp_path / "failing.tflite")
    largest_input = max(int(x[0]) for x in raised.value.case.inputs)
    assert str(raised.value).splitlines() == [
        "The kernel is not MAXIMUM of the dialect tflm.",
        f"  output 0, element [0]: 100, and should be {largest_input} (1 of 1 differ)",
        "  MAXIMUM(INT8 1, INT8 1) → INT8 1",
        "  input 0: scale 1.0, zero point 0",
        "  input 1: scale 1.0, zero point 0",
        "  output 0: scale 1.0, zero point 0",
        "  output_offset 0, limits -128 to 127",
        f"  The model is in {tmp_path}/failing.tflite, its inputs and outputs are in {tmp_path}/failing.npz.",
    ]


def test_a_wrong_layer_is_told_with_its_accumulator() -> None:
    def off_by_one(case: Case) -> NDArray[Any]:
        (y,) = ours(case)
        return np.where(y > 5, y - 1, y).astype(np.int8)

    with pytest.raises(KernelMismatch) as raised:
        check_kernel(off_by_one, OP.CONV_2D, INT8, examples=100, seed=1, save=None, weights=INT8, per_channel=False)
    message = str(raised.value)
    assert re.search(r"^  CONV_2D\(INT8 .*\) → INT8 ", message, re.MULTILINE)
    assert re.search(r"padding=\w+, stride_w=\d, stride_h=\d, fused_activation_function=", message)
    assert re.search(r"output_multiplier \d+, output_shift -?\d+: times ", message)
    assert re.search(r"accumulator of element \[0, \d, \d, \d\]: -?\d+$", message, re.MULTILINE)


def test_a_kernel_that_raises_is_a_failure_too() -> None:
    def picky(case: Case) -> NDArray[Any]:
        if case.inputs[0].size > 1:
            raise ZeroDivisionError("only scalars")
        return largest(case)

    with pytest.raises(KernelMismatch, match="The kernel raised ZeroDivisionError: only scalars") as raised:
        check_kernel(picky, OP.MAXIMUM, INT8, examples=100, seed=1, save=None)
    assert raised.value.case.inputs[0].size == 2


def test_another_type_or_shape_is_a_failure_too() -> None:
    with pytest.raises(KernelMismatch, match=r"output 0 is int64 \[1\], and should be int8 \[1\]"):
        check_kernel(lambda case: largest(case).astype(np.int64), OP.MAXIMUM, INT8, examples=20, seed=1, save=None)
    with pytest.raises(KernelMismatch, match="output 1 is 2 outputs, and should be 1 outputs"):
        check_kernel(lambda case: [largest(case)] * 2, OP.MAXIMUM, INT8, examples=20, seed=1, save=None)


def test_what_a_kernel_rejects_is_not_compared() -> None:
    def only_flat(case: Case) -> NDArray[Any]:
        if case.inputs[0].ndim > 1:
            reject()
        return largest(case)

    assert 0 < check_kernel(only_flat, OP.MAXIMUM, INT8, examples=30, seed=1) <= 30


def test_a_check_that_compares_nothing_says_so() -> None:
    with pytest.raises(UsageError, match="nothing was compared"):
        check_kernel(lambda case: reject(), OP.MAXIMUM, INT8, examples=20, seed=1)
    with pytest.raises(UsageError, match="needs the type"):
        check_kernel(largest, OP.MAXIMUM)


def test_several_operators_are_checked_as_one() -> None:
    small = cases_of(networks(INT8, most=1))
    assert check_kernel(ours, small, examples=10, seed=1) == 10
    with pytest.raises(KernelMismatch, match=r"is not \w+ and RESHAPE and FULLY_CONNECTED and SOFTMAX of the dialect"):
        check_kernel(lambda case: ours(case)[0] ^ 1, small, examples=10, seed=1, shrink=False, save=None)


@kernel_test(OP.MAXIMUM, INT8, dialect="tflm", examples=20)
def test_a_decorated_kernel_is_a_test(case: Case) -> NDArray[Any]:
    """It stays what it was called."""
    return largest(case)


def test_a_decorated_kernel_keeps_name_and_docstring_and_fails_if_it_is_wrong() -> None:
    assert test_a_decorated_kernel_is_a_test.__name__ == "test_a_decorated_kernel_is_a_test"
    assert test_a_decorated_kernel_is_a_test.__doc__ == "It stays what it was called."
    with pytest.raises(KernelMismatch):
        kernel_test(OP.MAXIMUM, INT8, save=None, examples=300, seed=1)(nearly_largest)()


# differences


def test_zeros_of_either_sign_differ_and_any_nan_is_as_good_as_another() -> None:
    one = np.array([0.0, np.nan, 1.0], np.float32)
    other = np.array([-0.0, -np.nan, 1.0], np.float32)
    (found,) = differences([one], [other])
    assert (found.index, found.count, found.size) == ((0,), 1, 3)
    assert list(differences([one], [one])) == []


# accumulators: what a kernel sums is what the output is made of, where nothing is scaled or limited


@pytest.mark.parametrize("op", [OP.CONV_2D, OP.DEPTHWISE_CONV_2D, OP.FULLY_CONNECTED])
def test_an_accumulator_is_the_output_before_it_is_scaled(op: BuiltinOperator) -> None:
    pinned = {
        "weights": INT8,
        "bias_type": TensorType.INT64,
        "per_channel": False,
        "activation": ActivationFunctionType.NONE,
        "output_scale": 1.0,
    }
    exact = 0
    for case in examples_of(cases(op, INT16, **pinned), 60, number=3):
        real = parameters(case.node, "litert")
        multiplier, shift = int(real["output_multiplier"][0]), int(real["output_shift"][0])  # type: ignore[index]
        (y,) = case.expected("litert")
        for index in np.ndindex(y.shape):
            total = accumulated(case, index)
            assert total is not None
            scaled = total * multiplier * 2.0 ** (shift - 31)
            if abs(scaled) >= 2**31:  # C wraps
                continue
            limited = min(max(scaled, -32768), 32767)
            assert abs(float(y[index]) - limited) <= 1 + abs(limited) * 2**-14
            exact += abs(limited) < 32767
    assert exact > 100


# adapters

RUNNER = """
import sys
import numpy as np
sys.path.insert(0, {root!r})
from refinfer.kernels.registry import DIALECTS
from refinfer.machine import Machine
from refinfer.schema import read_model

model, inputs, outputs, format = sys.argv[1:]
machine = Machine(read_model(model), DIALECTS["tflm"])
tensors = machine.graph.subgraphs[0].inputs
if len(tensors) > 1 and tensors[0].shape != tensors[1].shape:
    sys.exit(77)
if format == "npz":
    given = [np.load(inputs)[f"input_{{number}}"] for number in range(len(tensors))]
else:
    files = [f"{{inputs}}/input_{{number}}.bin" for number in range(len(tensors))]
    given = [np.fromfile(file, np.int8).reshape(x.shape) for file, x in zip(files, tensors)]
found = machine.call(0, given)
if format == "npz":
    np.savez(outputs, **{{f"output_{{number}}": y for number, y in enumerate(found)}})
else:
    for number, y in enumerate(found):
        y.tofile(f"{{outputs}}/output_{{number}}.bin")
"""


@pytest.mark.parametrize("format", ["npz", "raw"])
def test_a_command_is_a_kernel(format: str, tmp_path: Path) -> None:
    runner = tmp_path / "runner.py"
    runner.write_text(RUNNER.format(root=str(Path(__file__).resolve().parents[2])))
    kernel = command_kernel(
        [sys.executable, str(runner), "{model}", "{inputs}", "{outputs}", format], format=format, rejects=77
    )
    assert check_kernel(kernel, OP.MAXIMUM, INT8, examples=4, seed=2) > 0


def test_a_command_that_fails_is_a_failure() -> None:
    kernel = command_kernel([sys.executable, "-c", "import sys; sys.exit('no board here')"])
    with pytest.raises(KernelMismatch, match="ended with 1: no board here"):
        check_kernel(kernel, OP.MAXIMUM, INT8, examples=2, seed=1, save=None, shapes=((1,), (1,)))


@pytest.mark.parametrize("runtime", ["litert", "tflm"])
def test_an_official_runtime_is_a_kernel(runtime: str) -> None:
    if not installed(runtime):
        pytest.skip(f"the package of {runtime} is not installed")
    assert check_kernel(referee_kernel(runtime), OP.ADD, INT8, dialect=runtime, examples=20, seed=1) == 20


def test_one_runtime_is_not_the_other() -> None:
    """LiteRT rounds a fully connected layer once, TFLM twice."""
    if not installed("tflm"):
        pytest.skip("the package of tflm is not installed")
    with pytest.raises(KernelMismatch, match="is not FULLY_CONNECTED of the dialect litert"):
        check_kernel(
            referee_kernel("tflm"),
            OP.FULLY_CONNECTED,
            INT8,
            dialect="litert",
            examples=1000,
            seed=1,
            shrink=False,
            save=None,
            weights=INT8,
            input=tensors(INT8, st.tuples(st.just(16), st.integers(1, 4))),
        )
