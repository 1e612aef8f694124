"""Kernels in C, and golden vectors for them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from refinfer import __version__
from refinfer.schema import read_model
from refinfer.schema.enums import BuiltinOperator, Padding, TensorType
from refinfer.schema.errors import UsageError
from refinfer.testing import Case, KernelMismatch, c_kernel, cases, check_kernel, examples_of, export_golden, parameters

ROOT = Path(__file__).resolve().parents[2]
INT8 = TensorType.INT8
OP = BuiltinOperator
COMPILER = shutil.which("cc")

needs_a_compiler = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler (cc)")


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Some kernels, right and wrong."""
    source, made = tmp_path / "kernels.c", tmp_path / "kernels.so"
    source.write_text(SOURCE)
    assert COMPILER is not None
    subprocess.run([COMPILER, "-shared", "-fPIC", "-O1", str(source), "-o", str(made)], check=True)
    return made


SOURCE = """
#include <stddef.h>
#include <stdint.h>

int largest(const int8_t *a, const int8_t *b, int32_t count, int32_t other, int32_t both, int8_t *y) {
    if (count != both || other != both) return 7;
    for (int32_t i = 0; i < count; ++i) y[i] = a[i] > b[i] ? a[i] : b[i];
    return 0;
}
void too_far(const int8_t *a, int32_t count, int8_t *y) {
    for (int32_t i = 0; i <= count; ++i) y[i] = a[i % count];
}
void nothing(void) {}
int fails(void) { return 3; }
void largest_of_windows(const int8_t *x, const int32_t *shape, int32_t rows, int32_t columns, int32_t channels,
                        int32_t filter_h, int32_t filter_w, int32_t stride_h, int32_t stride_w,
                        int32_t padding_h, int32_t padding_w, int32_t low, int32_t high, int8_t *y) {
    for (int32_t b = 0; b < shape[0]; ++b)
    for (int32_t r = 0; r < rows; ++r)
    for (int32_t c = 0; c < columns; ++c)
    for (int32_t k = 0; k < channels; ++k) {
        int32_t best = -128;
        for (int32_t i = 0; i < filter_h; ++i)
        for (int32_t j = 0; j < filter_w; ++j) {
            int32_t h = r * stride_h + i - padding_h, w = c * stride_w + j - padding_w;
            if (h < 0 || w < 0 || h >= shape[1] || w >= shape[2]) continue;
            int32_t v = x[((b * shape[1] + h) * shape[2] + w) * channels + k];
            best = v > best ? v : best;
        }
        best = best < low ? low : best;
        y[((b * rows + r) * columns + c) * channels + k] = (int8_t)(best > high ? high : best);
    }
}
int knows_the_bias(const int32_t *bias) { return bias == NULL; }
"""


@needs_a_compiler
def test_a_function_of_c_is_a_kernel_and_may_reject(library: Path) -> None:
    arguments = "input1, input2, input1_elements, input2_elements, output_elements, output"
    kernel = c_kernel(library, "largest", arguments, ok=0, rejects=7)
    assert 0 < check_kernel(kernel, OP.MAXIMUM, INT8, examples=50, seed=1) <= 50


@needs_a_compiler
def test_shapes_options_and_padding_are_arguments(library: Path) -> None:
    arguments = (
        "input, input_shape, output_h, output_w, output_c, filter_height, filter_width, "
        "stride_h, stride_w, padding_h, padding_w, activation_min, activation_max, output"
    )
    kernel = c_kernel(library, "largest_of_windows", arguments)
    assert check_kernel(kernel, OP.MAX_POOL_2D, INT8, examples=60, seed=1) == 60


@needs_a_compiler
def test_writing_behind_the_output_is_noticed(library: Path) -> None:
    kernel = c_kernel(library, "too_far", "input, input_elements, output")
    with pytest.raises(KernelMismatch, match=r"too_far wrote outside of its output of 1 bytes"):
        check_kernel(kernel, OP.RESHAPE, INT8, examples=20, seed=1, save=None)


@needs_a_compiler
def test_writing_nothing_is_noticed(library: Path) -> None:
    with pytest.raises(KernelMismatch, match=r"element .*: -91, and should be 0"):
        check_kernel(c_kernel(library, "nothing", []), OP.RESHAPE, INT8, examples=20, seed=1, save=None)


@needs_a_compiler
def test_a_status_that_is_not_the_right_one_is_a_failure(library: Path) -> None:
    with pytest.raises(KernelMismatch, match="fails returned 3, and not 0"):
        check_kernel(c_kernel(library, "fails", [], ok=0), OP.RESHAPE, INT8, examples=20, seed=1, save=None)


@needs_a_compiler
def test_a_bias_that_is_left_out_is_null(library: Path) -> None:
    kernel = c_kernel(library, "knows_the_bias", "bias", ok=1)
    (case,) = examples_of(cases(OP.FULLY_CONNECTED, INT8, bias=False), 1)
    assert kernel(case).shape == case.node.outputs[0].shape  # type: ignore[union-attr]


@needs_a_compiler
def test_an_argument_may_be_a_function_and_an_unknown_name_is_refused(library: Path) -> None:
    def elements(case: Case) -> int:
        return case.inputs[0].size

    kernel = c_kernel(library, "largest", ["input1", "input2", elements, elements, elements, "output"], ok=0)
    shapes = ((3,), (3,))
    assert check_kernel(kernel, OP.MAXIMUM, INT8, examples=10, seed=1, shapes=shapes) == 10
    with pytest.raises(UsageError, match=r"no argument 'stride' for MAXIMUM.*; there is input, .*activation_min"):
        check_kernel(c_kernel(library, "largest", "stride"), OP.MAXIMUM, INT8, examples=2, seed=1)


@needs_a_compiler
def test_the_example_passes_what_is_right_and_finds_what_is_planted(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "c_kernel" / "check.py")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("The right one: 500 cases, all equal.\nThe other one:\n")
    (found, expected), *_ = re.findall(r"element .*: (-?\d+), and should be (-?\d+) ", done.stdout)
    assert int(found) == int(expected) + 1
    small = read_model(tmp_path / "failing.tflite").subgraphs[0].nodes[0].outputs[0]
    assert small.elements <= 4
    page = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    if f"with Hypothesis {version('hypothesis')};" in page:
        assert done.stdout in page


# what kernels are told


def test_multipliers_stand_for_the_ratio_of_the_scales() -> None:
    for case in examples_of(cases(OP.CONV_2D, INT8, weights=INT8, per_channel=True), 20):
        found = parameters(case.node, "tflm")
        x, w, y = case.node.inputs[0], case.node.inputs[1], case.node.outputs[0]
        assert x is not None
        assert x.quantization is not None
        assert w is not None
        assert w.quantization is not None
        assert y.quantization is not None
        real = x.quantization.scale[0] * np.array(w.quantization.scale, np.float64) / y.quantization.scale[0]
        told = np.array(found["output_multiplier"]) * 2.0 ** (np.array(found["output_shift"]) - 31.0)
        assert np.allclose(told, np.where(real < 2**-33, 0, real), rtol=2**-30, atol=2**-32)


def test_padding_is_what_lies_ahead_of_the_image() -> None:
    pinned = {"padding": Padding.SAME, "filter_h": 3, "stride_h": 1, "dilation_h": 1, "filter_w": 1}
    for case in examples_of(cases(OP.CONV_2D, INT8, **pinned), 5):
        found = parameters(case.node, "tflm")
        assert (found["padding_h"], found["padding_w"]) == (1, 0)


# golden vectors

GOLDEN = [
    *((OP.FULLY_CONNECTED, type) for type in (INT8, TensorType.INT16, TensorType.FLOAT32)),
    *((OP.CAST, type) for type in (TensorType.FLOAT16, TensorType.BOOL, TensorType.INT64, TensorType.FLOAT64)),
    (OP.ADD, INT8),
    (OP.CONV_2D, TensorType.UINT8),
    (OP.RESHAPE, TensorType.INT32),
    (OP.FLOOR, TensorType.FLOAT32),
]


@pytest.fixture(scope="module")
def golden() -> list[Case]:
    return [case for op, type in GOLDEN for case in examples_of(cases(op, type), 5, number=7)]


def test_golden_arrays_hold_the_model_the_inputs_and_what_each_dialect_computes(
    golden: list[Case], tmp_path: Path
) -> None:
    export_golden(golden, tmp_path / "golden.npz", origin="seed 7")
    with np.load(tmp_path / "golden.npz") as found:
        assert str(found["provenance"]) == f"refinfer {__version__}, dialects litert and tflm, seed 7"
        for number, case in enumerate(golden):
            assert found[f"case_{number}_model"].tobytes() == case.model
            assert all((found[f"case_{number}_input_{place}"] == x).all() for place, x in enumerate(case.inputs))
            assert found[f"case_{number}_litert_output_0"].tobytes() == case.expected("litert")[0].tobytes()
        assert "case_0_tflm_output_0" in found
        uint8 = next(number for number, case in enumerate(golden) if case.node.inputs[0].type == TensorType.UINT8)  # type: ignore[union-attr]
        assert f"case_{uint8}_tflm_output_0" not in found


@pytest.mark.parametrize("name", ["golden.npz", "golden.h"])
def test_golden_files_are_the_same_each_time(name: str, golden: list[Case], tmp_path: Path) -> None:
    export_golden(golden, tmp_path / name)
    first = (tmp_path / name).read_bytes()
    export_golden(golden, tmp_path / name)
    assert (tmp_path / name).read_bytes() == first


def test_golden_vectors_have_two_formats(golden: list[Case], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"written as \.npz or \.h"):
        export_golden(golden, tmp_path / "golden.txt")


@needs_a_compiler
@pytest.mark.parametrize("flags", [("-std=c99",), ("-x", "c++", "-std=c++11")], ids=["c99", "c++11"])
def test_a_golden_header_compiles_without_a_warning(flags: tuple[str, ...], golden: list[Case], tmp_path: Path) -> None:
    assert COMPILER is not None
    export_golden(golden, tmp_path / "golden.h")
    program = tmp_path / "program.c"
    program.write_text('#include "golden.h"\nint main(void) { return 0; }\n')
    warnings = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-Wno-unused-variable", "-Wno-unused-const-variable"]
    done = subprocess.run(
        [COMPILER, *flags, *warnings, "-c", str(program), "-o", str(tmp_path / "program.o")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[:2000]


@needs_a_compiler
def test_a_golden_header_holds_the_numbers(tmp_path: Path) -> None:
    (case,) = examples_of(cases(OP.FULLY_CONNECTED, INT8, weights=INT8, units=3, bias=True), 1, number=9)
    export_golden([case], tmp_path / "golden.h", origin="seed 9")
    program, made = tmp_path / "program.c", tmp_path / "program"
    program.write_text(
        '#include "golden.h"\n#include <stdio.h>\nint main(void) {\n'
        'for (unsigned i = 0; i < sizeof kCase0Output0Tflm; ++i) printf("%d ", kCase0Output0Tflm[i]);\n'
        'for (int i = 0; i < 3; ++i) printf("%d ", (int)kCase0Input2[i]);\n'
        'printf("%a %d", kCase0Input0Scale[0], kCase0ParamOutputShift[0]); return 0; }\n'
    )
    assert COMPILER is not None
    subprocess.run([COMPILER, str(program), "-o", str(made)], check=True)
    printed = subprocess.run([str(made)], capture_output=True, text=True, check=True).stdout.split()
    x, bias = case.node.inputs[0], case.operands[2]
    assert x is not None
    assert x.quantization is not None
    assert bias is not None
    shifts = parameters(case.node, "tflm")["output_shift"]
    *numbers, scale, shift = printed
    assert [int(each) for each in numbers] == [*case.expected("tflm")[0].reshape(-1).tolist(), *bias.tolist()]
    assert float.fromhex(scale) == x.quantization.scale[0]
    assert int(shift) == np.array(shifts)[0]
