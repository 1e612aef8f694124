"""What the kit makes up: values, tensors, operators, networks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from refinfer.kernels.compute import DTYPES, dtype_of
from refinfer.schema.enums import BuiltinOperator, Padding, TensorType
from refinfer.schema.errors import UsageError
from refinfer.testing import OPERATORS, arrays, cases, examples_of, installed, networks, nodes, referee, scales
from refinfer.testing.generate import cases_of
from refinfer.testing.strategies import fitting_scales, shapes, tensors, zero_points

FLOAT32, INT8, INT16 = TensorType.FLOAT32, TensorType.INT8, TensorType.INT16
UNSAVED = settings(database=None)  # what was found in an earlier run is no start for this one
NUMBERS = [type for type, dtype in DTYPES.items() if dtype != "object" and type != TensorType.RESOURCE]


@given(st.data(), st.sampled_from(NUMBERS), shapes(0, 3))
def test_an_array_has_the_type_and_shape_that_were_asked_for(
    data: st.DataObject, type: TensorType, shape: tuple[int, ...]
) -> None:
    drawn = data.draw(arrays(type, shape))
    assert (drawn.dtype, drawn.shape) == (dtype_of(type), shape)
    if drawn.dtype.kind in "fc":
        assert np.isfinite(drawn.astype(np.complex128)).all() or type == TensorType.FLOAT16
    if type == TensorType.INT4:
        assert ((drawn >= -8) & (drawn <= 7)).all()


@pytest.mark.parametrize("type", [INT8, INT16, TensorType.UINT8, TensorType.INT32, TensorType.INT64])
def test_both_ends_of_a_type_are_met(type: TensorType) -> None:
    drawn = np.concatenate(examples_of(arrays(type, (8,)), 200))
    limits = np.iinfo(dtype_of(type))
    assert {limits.min, limits.max, 0, 1} <= set(drawn.tolist())


def test_infinities_are_met_where_they_are_asked_for() -> None:
    drawn = np.concatenate(examples_of(arrays(FLOAT32, (8,), finite=False), 200))
    assert np.isinf(drawn).any()
    assert np.isnan(drawn).any()


def test_a_large_array_is_made_as_well() -> None:
    (drawn,) = examples_of(arrays(FLOAT32, (300, 20)), 1, number=3)
    assert drawn.shape == (300, 20)


@given(scales())
def test_a_scale_is_a_float32_above_zero(scale: float) -> None:
    assert 0 < scale < np.inf
    assert scale == np.float32(scale)


def test_scales_make_ties_and_are_tiny_and_huge() -> None:
    drawn = examples_of(scales(like=0.75), 400)
    assert 0.75 in drawn
    assert sum(np.frexp(scale)[0] == 0.5 for scale in drawn) > 40
    assert min(drawn) < 1e-5
    assert max(drawn) > 100


@pytest.mark.parametrize(("unit", "most"), [(1.0, 100), (float(np.float32(0.01)), 1000), (1e-6, 10**5)])
def test_a_third_of_fitting_scales_and_more_are_between_the_unit_and_the_most(unit: float, most: int) -> None:
    drawn = examples_of(fitting_scales(unit, most), 300)  # Hypothesis draws some kinds more often than others
    assert sum(0.99 * unit <= scale <= 2.1 * unit * most for scale in drawn) > 100


@given(st.data(), st.sampled_from([INT8, TensorType.UINT8, INT16]))
def test_a_zero_point_is_a_number_of_the_type(data: st.DataObject, type: TensorType) -> None:
    zero_point = data.draw(zero_points(type))
    limits = np.iinfo(dtype_of(type))
    assert limits.min <= zero_point <= limits.max
    assert type != INT16 or zero_point == 0


def test_zero_points_are_met_at_the_edges() -> None:
    drawn = examples_of(zero_points(INT8), 100)
    assert {-128, 0, 127} <= set(drawn)


def test_a_tensor_shrinks_to_one_zero_of_scale_1() -> None:
    spec = find(tensors(INT8, shapes()), lambda spec: True)
    assert (spec.shape, list(spec.scale), list(spec.zero_point)) == ((1,), [1.0], [0])


def test_an_array_shrinks_to_the_smallest_number_that_will_do() -> None:
    drawn = find(arrays(INT16, (3,)), lambda x: bool((x < -4).any()), settings=UNSAVED, random=Random(0))
    assert sorted(drawn.tolist()) == [-5, 0, 0]


# operators


@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.name)
def test_a_made_up_model_can_be_read_and_says_what_was_asked_for(op: BuiltinOperator) -> None:
    for type, weights in OPERATORS[op].variants():
        pinned: dict[str, Any] = {} if weights is None else {"weights": weights}
        for case in examples_of(cases(op, type, **pinned), 2, number=1):
            node = case.node
            assert node.op == op
            assert type in {tensor.type for tensor in (*node.inputs, *node.outputs) if tensor is not None}
            assert [x.shape for x in case.graph.subgraphs[0].inputs] == [x.shape for x in case.inputs]


OFFICIAL = [
    pytest.param(name, marks=pytest.mark.skipif(not installed(name), reason=f"the package of {name} is not installed"))
    for name in ("litert", "tflm")
]
IN_BOTH = [
    (BuiltinOperator.ADD, INT8),
    (BuiltinOperator.AVERAGE_POOL_2D, INT8),
    (BuiltinOperator.CONCATENATION, FLOAT32),
    (BuiltinOperator.DEPTHWISE_CONV_2D, INT8),
    (BuiltinOperator.MUL, INT8),
    (BuiltinOperator.PAD, INT8),
    (BuiltinOperator.RESHAPE, FLOAT32),
    (BuiltinOperator.SOFTMAX, INT8),
    (BuiltinOperator.STRIDED_SLICE, FLOAT32),
]


@pytest.mark.parametrize("runtime", OFFICIAL)
def test_official_runtimes_run_nearly_all_models_that_are_made_up(runtime: str) -> None:
    made = [case for op, type in IN_BOTH for case in examples_of(cases(op, type), 12, number=2)]
    for op in (BuiltinOperator.CONV_2D, BuiltinOperator.FULLY_CONNECTED):
        for type in (INT8, INT16):
            made += examples_of(cases(op, type, weights=INT8, bias=True), 12, number=2)
    ran = [referee(runtime).run(case.model, case.inputs).finished for case in made]
    assert sum(ran) >= 0.95 * len(made)


@pytest.mark.parametrize("runtime", OFFICIAL)
@pytest.mark.parametrize("type", [FLOAT32, INT8, INT16])
def test_official_runtimes_run_nearly_all_networks_that_are_made_up(runtime: str, type: TensorType) -> None:
    made = examples_of(cases_of(networks(type)), 20, number=4)
    ran = [referee(runtime).run(case.model, case.inputs).finished for case in made]
    assert sum(ran) >= 0.95 * len(made)


def test_networks_are_sequences_and_branches() -> None:
    made = [[node.op for node in case.graph.nodes] for case in examples_of(cases_of(networks(INT8)), 30)]
    assert {len(ops) > 4 for ops in made} == {False, True}
    assert any(BuiltinOperator.ADD in ops for ops in made)
    assert all(ops[-1] == BuiltinOperator.SOFTMAX for ops in made)


def test_a_choice_can_be_pinned_to_a_value_or_a_strategy() -> None:
    pinned: dict[str, Any] = {"padding": Padding.VALID, "stride_h": st.sampled_from([2, 3])}
    found = [node.options for node in examples_of(nodes(BuiltinOperator.CONV_2D, INT8, **pinned), 30)]
    assert {(options.padding, options.stride_h) for options in found} == {(Padding.VALID, 2), (Padding.VALID, 3)}  # type: ignore[union-attr]


def test_what_cannot_be_made_up_is_said_so() -> None:
    with pytest.raises(UsageError, match=r"no strategies for CALL$"):
        nodes(BuiltinOperator.CALL, INT8)
    with pytest.raises(UsageError, match="no strategies for FLOOR of INT8; there is FLOAT32"):
        nodes(BuiltinOperator.FLOOR, INT8)
    with pytest.raises(UsageError, match="no choice 'strid' here; there is input, padding, "):
        find(nodes(BuiltinOperator.MAX_POOL_2D, INT8, strid=1), lambda node: True)


def test_the_same_number_makes_the_same_examples() -> None:
    first, second = (examples_of(cases(BuiltinOperator.ADD, INT8), 10, number=5) for _ in range(2))
    assert [case.key for case in first] == [case.key for case in second]
    assert [case.key for case in first] != [case.key for case in examples_of(cases(BuiltinOperator.ADD, INT8), 10, 6)]


ASK = """
import sys
sys.path[:0] = [{root!r}, {folder!r}]
import around
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.testing import cases, examples_of
print([case.key for case in examples_of(cases(BuiltinOperator.FULLY_CONNECTED, TensorType.INT8), 60, number=5)])
"""


def test_the_same_number_makes_the_same_examples_whatever_source_is_around(tmp_path: Path) -> None:
    said = []
    for source in ("numbers = [3]", "numbers = [-77, 5, 1.375, 2.75, 0.1875, 41]"):
        (tmp_path / "around.py").write_text(source)
        ask = ASK.format(root=str(Path(__file__).resolve().parents[2]), folder=str(tmp_path))
        asked = [sys.executable, "-B", "-c", ask]
        said.append(subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=True).stdout)
    assert said[0] == said[1]
