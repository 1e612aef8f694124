"""Plans: smaller arenas, as TFLM takes them, with the outputs of the original."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from struct import unpack
from typing import TYPE_CHECKING

import numpy as np
import pytest

import refinfer
from refinfer.kernels.common import input_at
from refinfer.kernels.compute import dtype_of
from refinfer.kernels.libraries.esp_nn_sizes import ESP32S3
from refinfer.kernels.registry import DIALECTS
from refinfer.page.html import page
from refinfer.planning import PORTABLE, RECORD, Plan, check_plan, holds, plan
from refinfer.rewrite import changed, with_metadata
from refinfer.schema import Graph, parse, read_model
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.graph import Tensor
from refinfer.schema.options import ConcatenationOptions, Conv2DOptions, ReducerOptions, SplitOptions
from refinfer.schema.writer import write
from refinfer.simulator.head import OFFLINE_PLAN
from refinfer.simulator.overlap import unsafe
from refinfer.simulator.targets import TARGETS
from refinfer.terminal.fit import fit_lines
from refinfer.terminal.memory import memory_lines
from refinfer.terminal.scan import scan_lines
from refinfer.terminal.text import Screen
from refinfer.testing import NodeSpec, SubgraphSpec, TensorSpec, build, installed, referee
from tests import corpus
from tests.comparisons import WHEEL, smallest_arena
from tests.corpus import CorpusModel
from tests.planners.chains import chain, floats, with_plan
from tests.referees.tflm import INSTALLED, Tflm
from tests.referees.tflm_worker import draw

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

needs_tflm = pytest.mark.skipif(not INSTALLED, reason="there is no tflite-micro wheel for this platform")

RELU, ADD, CONCATENATION, MINIMUM = (
    BuiltinOperator.RELU,
    BuiltinOperator.ADD,
    BuiltinOperator.CONCATENATION,
    BuiltinOperator.MINIMUM,
)


MODELS = Path(__file__).resolve().parents[1] / "models"
CONV, MOBILE = str(MODELS / "digits_conv_int8.tflite"), str(MODELS / "digits_mobile_int8.tflite")


def planned(made: Plan) -> Graph:
    assert made.model is not None
    return read_model(write(made.model))


def offsets(graph: Graph) -> tuple[int, ...]:
    return unpack(f"<{len(graph.metadata[OFFLINE_PLAN]) // 4}i", graph.metadata[OFFLINE_PLAN])


def test_a_chain_is_computed_in_place() -> None:
    made = plan(chain(3), ["cortex-m4"])
    assert made.after["cortex-m4"].head == made.lower_bound == 256
    assert made.before["cortex-m4"].head == made.without_overlap == 512
    assert made.overlapping == ((0, 1), (1, 2), (2, 3))
    assert made.proven


def test_a_plan_has_an_offset_for_each_tensor_of_all_subgraphs() -> None:
    assert offsets(planned(plan(chain(3), ["cortex-m4"]))) == (1, 1, 4, 0, 0, 0, 0)


def test_tensors_lie_as_low_as_without_the_scratch_of_the_target_that_has_most() -> None:
    """CMSIS-NN with MVE has 4,464 bytes of scratch at one step, others have little."""
    made = plan("models/digits_conv_int8.tflite")
    heads = {name: arena.head for name, arena in made.after.items()}
    assert heads["cortex-m4"] == made.lower_bound == 5120
    assert heads["cortex-m55+cmsis-nn"] == 5632


def test_nothing_else_changes_in_the_file() -> None:
    data = chain(3)
    made = plan(data)
    assert made.model is not None
    original = parse(data)
    assert changed(made.model, buffers=original.buffers, metadata=original.metadata) == original


def test_without_overlap_nothing_lies_over_anything() -> None:
    made = plan(chain(3), overlap=False)
    assert made.model is None
    assert made.overlapping == ()


def test_an_input_that_is_needed_later_is_not_overwritten() -> None:
    x, y, z = floats(1, 64), floats(1, 64), floats(1, 64)
    made = plan(build(SubgraphSpec([NodeSpec(RELU, [x], [y]), NodeSpec(ADD, [x, y], [z])], [x], [z])))
    assert (0, 1) not in made.overlapping


def parted() -> bytes:
    """A split into three that are joined in another order, each made anew before."""
    x, made, y = floats(4, 96), floats(4, 96), floats(4, 96)
    parts, negatives = [floats(4, 32) for _ in range(3)], [floats(4, 32) for _ in range(3)]
    axis = TensorSpec(TensorType.INT32, (), data=np.array(1, np.int32))
    nodes = [
        NodeSpec(RELU, [x], [made]),
        NodeSpec(BuiltinOperator.SPLIT, [axis, made], parts, SplitOptions(num_splits=3)),
        *(NodeSpec(BuiltinOperator.NEG, [a], [b]) for a, b in zip(parts, negatives, strict=True)),
        NodeSpec(CONCATENATION, negatives[::-1], [y], ConcatenationOptions(axis=1)),
    ]
    return build(SubgraphSpec(nodes, [x], [y]))


def test_parts_are_laid_over_what_they_are_parts_of() -> None:
    made = plan(parted())
    graph = planned(made)
    split = graph.subgraphs[0].nodes[1]
    pairs = {(x.index, y.index) for x in split.inputs if x is not None for y in split.outputs}
    assert pairs & set(made.overlapping)
    assert made.after["cortex-m4"].head < made.before["cortex-m4"].head


@needs_tflm
def test_tflm_splits_over_what_it_splits() -> None:
    made = plan(parted())
    assert made.model is not None
    runs = runs_of(planned(made), "full", count=3)
    before, after = (referee("tflm").run(each, *runs) for each in (parted(), write(made.model)))
    assert after.finished
    assert [y.tobytes() for run in after.outputs for y in run] == [y.tobytes() for run in before.outputs for y in run]


def test_an_output_of_the_model_is_not_overwritten() -> None:
    made = plan(chain(4, 2))
    assert {x for x, _ in made.overlapping} == {0, 1, 3}


def branches(barrier: bool) -> bytes:
    """Two branches that each make something large, then something small of it; what is large is made first.

    The barrier is a custom operator that has nothing to do with them.
    """
    x, y = floats(1, 16), floats(1, 32)
    large, small = [floats(32, 16), floats(32, 16)], [floats(1, 16), floats(1, 16)]
    shape = TensorSpec(TensorType.INT32, (2,), data=np.array([32, 16], np.int32))
    axis = TensorSpec(TensorType.INT32, (1,), data=np.array([0], np.int32))
    spread = [NodeSpec(BuiltinOperator.BROADCAST_TO, [x, shape], [each]) for each in large]
    reduced = [
        NodeSpec(BuiltinOperator.SUM, [one, axis], [other], ReducerOptions(keep_dims=True))
        for one, other in zip(large, small, strict=True)
    ]
    joined = NodeSpec(CONCATENATION, small, [y], ConcatenationOptions(axis=1))
    if not barrier:
        return build(SubgraphSpec([*spread, *reduced, joined], [x], [y]))
    samples, late = TensorSpec(TensorType.INT16, (1, 8)), TensorSpec(TensorType.INT16, (1, 8))
    delay = NodeSpec("SignalDelay", [samples], [late], custom_options=DELAY)
    return build(SubgraphSpec([*spread, delay, *reduced, joined], [x, samples], [y, late]))


DELAY = b"delay_length\x00\x01\x0e\x01\x01\x01\x05\x04\x02\x24\x01"
"""A flexbuffer: {"delay_length": 5}."""


def test_branches_are_run_one_after_the_other() -> None:
    made = plan(branches(barrier=False), ["cortex-m4"])
    assert made.is_reordered
    assert [node.op for node in planned(made).nodes].index(BuiltinOperator.SUM) == 1
    assert made.after["cortex-m4"].head < made.before["cortex-m4"].head - 1900


def test_operators_keep_their_order_if_told() -> None:
    assert not plan(branches(barrier=False), ["cortex-m4"], reorder=False).is_reordered


def test_metadata_that_names_operators_by_their_place_keeps_them_there() -> None:
    named = write(with_metadata(parse(branches(barrier=False)), "model_control_dependencies", bytes(4)))
    assert not plan(named, ["cortex-m4"]).is_reordered


def test_nothing_passes_an_operator_that_remembers() -> None:
    assert not plan(branches(barrier=True), ["cortex-m4"]).is_reordered


def test_the_file_says_for_which_targets_the_plan_holds() -> None:
    made = plan(chain(3))
    record = json.loads(bytes(planned(made).metadata[RECORD]))
    assert record == {"version": 1, "holds_for": list(made.holds_for)}
    assert set(PORTABLE) <= set(made.holds_for)
    assert "nano33ble-arduino" not in made.holds_for  # nobody has read the kernels of that age


def test_a_plan_is_found_unsafe_for_kernels_that_nobody_has_read() -> None:
    graph = planned(plan(chain(3)))
    for name in ("cortex-m4", "nano33ble-arduino"):
        report = refinfer.simulate(graph, name)
        assert bool(unsafe(graph, report.buffers, TARGETS[name].build)) == (name not in set(holds(graph)))


def test_a_check_tells_what_may_be_overwritten() -> None:
    graph = planned(plan(chain(2)))
    assert check_plan(graph, "cortex-m4").holds
    check = check_plan(graph, "nano33ble-arduino")
    assert not check.holds
    assert check.clashes == (("tensor_0", "tensor_1"), ("tensor_1", "tensor_2"))


def test_a_plan_by_another_hand_is_not_believed() -> None:
    """The second RELU writes 16 bytes above what it reads."""
    wrong = with_plan(chain(2), [0, 256, 272])
    assert [check_plan(wrong, name).holds for name in ("cortex-m4", "x86-64")] == [False, False]
    assert plan(wrong, ["cortex-m4"]).before["cortex-m4"].head == 512  # without it


EVERY_NAME = [
    *TARGETS,
    *(f"{name}@{release}" for name, target in TARGETS.items() for release in target.releases),
]


@pytest.mark.parametrize("name", EVERY_NAME)
def test_the_record_of_a_plan_agrees_with_a_check_of_every_target_and_release(name: str) -> None:
    made = plan(chain(3))
    assert check_plan(planned(made), name).holds == (name.partition("@")[0] in made.holds_for)
    assert check_plan(chain(3), name).holds  # without a plan


def test_a_target_is_in_the_record_only_if_all_of_its_releases_are(monkeypatch: pytest.MonkeyPatch) -> None:
    name, graph = "esp32+esp-nn", planned(plan(MOBILE, ["cortex-m4"]))
    assert name in holds(graph)
    with_another = {**TARGETS[name].releases, "in assembly": frozenset({ESP32S3})}
    monkeypatch.setitem(TARGETS, name, replace(TARGETS[name], releases=with_another))
    assert name not in holds(graph)
    assert check_plan(graph, name).holds
    assert not check_plan(graph, f"{name}@in assembly").holds


def test_whoever_looks_at_an_unsafe_plan_is_warned(tmp_path: Path) -> None:
    path = tmp_path / "planned.tflite"
    path.write_bytes(write(planned(plan(chain(2), ["cortex-m4"])).model))
    safe, unsafe_there = (refinfer.simulate(path, name) for name in ("cortex-m4", "nano33ble-arduino"))
    assert safe.clashes == ()
    assert unsafe_there.to_dict()["clashes"] == [[0, 1], [1, 2]]
    verdict = refinfer.fit(path, "nano33ble")
    assert verdict.fits
    assert "nano33ble-arduino" in verdict.to_dict()["unsafe_on"]
    assert "cortex-m4" not in verdict.unsafe_on
    warning = "The plan in the file is not safe on nano33ble-arduino"
    screen = Screen(width=200, unicode=False, colour=False)
    assert any(line.startswith(warning) for line in memory_lines(unsafe_there, everything=False, screen=screen))
    assert not any("not safe" in line for line in memory_lines(safe, everything=False, screen=screen))
    assert any(line.startswith(warning) for line in fit_lines(verdict, (), screen))
    (found,) = refinfer.fit_many([path], "nano33ble")
    assert f"  {path.name}: {', '.join(verdict.unsafe_on)}" in list(scan_lines([found], verdict.board, screen))
    assert f'<p class="warning">{warning}' in page(unsafe_there)
    assert 'class="warning"' not in page(safe)


def test_a_check_tells_that_tflm_does_not_take_the_plan() -> None:
    check = check_plan(with_plan(chain(2), [0]), "cortex-m4")
    assert "Nbr of offline buffer offsets (1)" in str(check.refusal)
    assert not check.holds


def test_a_plan_that_the_file_has_is_replaced_by_a_better_one() -> None:
    poor = with_plan(chain(3), [0, 256, 512, 768])
    made = plan(poor, ["cortex-m4"])
    assert made.before["cortex-m4"].head == 1024
    assert made.after["cortex-m4"].head == 256
    assert list(planned(made).metadata).count(OFFLINE_PLAN) == 1


def test_a_plan_is_not_planned_again() -> None:
    assert plan(planned(plan(chain(3)))).model is None


def test_variables_of_other_subgraphs_keep_their_memory() -> None:
    """TFLM looks them up in the plan by an index that is that of a tensor of the main subgraph."""
    first, second, both = floats(1, 4), floats(1, 4), floats(1, 4)
    tensors = [floats(1, 1024) for _ in range(4)]
    nodes = [NodeSpec(MINIMUM, [first, second], [both]), *(NodeSpec(RELU, [x], [y]) for x, y in pairwise(tensors))]
    main = SubgraphSpec(nodes, [first, second, tensors[0]], [both, tensors[-1]])
    other, made_there = floats(1, 4), floats(1, 4)
    variable = TensorSpec(TensorType.FLOAT32, (1, 4), is_variable=True)
    branch = SubgraphSpec([NodeSpec(MINIMUM, [other, variable], [made_there])], [other], [made_there])
    graph = planned(plan(build(main, branch), ["cortex-m4"]))
    (index,) = (tensor.index for tensor in graph.tensors if tensor.is_variable)
    assert offsets(graph)[3 + index] == -1  # the place of `second` in the plan
    account = refinfer.simulate(graph, "cortex-m4").allocations
    kept = [each.what for each in account if each.category == "TfLiteTensor variable buffer data"]
    assert kept == [graph.subgraphs[1].tensors[index].name]


DILATED_IN = {CONV: (3,), MOBILE: (2,)}
"""The 1×1 convolutions that CMSIS-NN on a Cortex-M4 must be told to compute another way, for all else to fit."""


@pytest.mark.parametrize("model", DILATED_IN, ids=lambda model: Path(model).stem)
def test_a_dilation_that_changes_nothing_lets_more_lie_over_inputs(model: str) -> None:
    target = "cortex-m4+cmsis-nn"
    plain, dilated = plan(model, [target]), plan(model, [target], dilate=True)
    assert dilated.dilated == DILATED_IN[model]
    assert dilated.after[target].minimum < plain.after[target].minimum
    assert dilated.gains[:-1] == plain.gains
    graph = planned(dilated)
    assert refinfer.simulate(graph, target).arena == dilated.after[target]
    assert target in set(holds(graph))
    options = [node.options for node in graph.nodes if isinstance(node.options, Conv2DOptions)]
    assert [each.dilation_w_factor for each in options].count(2) == len(dilated.dilated)


def test_a_dilated_convolution_asks_for_two_columns_of_scratch_with_cmsis_nn() -> None:
    """4·⌈Ci/4⌉·4 bytes, and none without [arm_convolve_s8_get_buffer_size, …_1x1_s8_fast_get_buffer_size]."""
    (op,) = DILATED_IN[MOBILE]
    target = "cortex-m4+cmsis-nn"
    channels = input_at(list(read_model(MOBILE).nodes)[op], 0).shape[3]
    reports = [refinfer.simulate(each, target) for each in (MOBILE, planned(plan(MOBILE, [target], dilate=True)))]
    scratch = [[each.nbytes for each in report.buffers if each.node and each.node.index == op] for report in reports]
    assert scratch == [[], [4 * -(-channels // 4) * 4]]


@pytest.mark.parametrize("target", ["cortex-m4", "cortex-m55+cmsis-nn", "esp32+esp-nn"])
def test_kernels_that_gain_nothing_by_a_dilation_get_none(target: str) -> None:
    assert plan(MOBILE, [target], dilate=True).dilated == ()


def test_no_more_is_dilated_than_it_takes() -> None:
    """Each dilation taken back makes the plan unsafe, or another one larger."""
    made = plan(CONV, ["cortex-m4+cmsis-nn"], dilate=True)
    assert made.model is not None
    undone = changed(made.model, subgraphs=parse(Path(CONV).read_bytes()).subgraphs)
    assert not check_plan(read_model(write(undone)), "cortex-m4+cmsis-nn").holds


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("model", DILATED_IN, ids=lambda model: Path(model).stem)
def test_dilated_models_answer_as_before_in_each_dialect(model: str, dialect: str) -> None:
    data = write(plan(model, ["cortex-m4+cmsis-nn"], dilate=True).model)  # type: ignore[arg-type]
    for engine in ("numpy", "compiled"):
        runs = [answers(each, dialect, engine) for each in (Path(model).read_bytes(), data)]
        assert runs[0] == runs[1]


def answers(data: bytes, dialect: str, engine: str) -> list[bytes]:
    graph = read_model(data)
    interpreter = refinfer.Interpreter(model_content=data, dialect=dialect, engine=engine)
    interpreter.allocate_tensors()
    found = []
    for (x,) in runs_of(graph, "full", count=3):
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
        interpreter.invoke()
        found.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).tobytes())
    return found


@pytest.mark.parametrize("runtime", ["tflm", "litert-REF", "litert-OPT", "litert-AUTO"])
@pytest.mark.parametrize("model", DILATED_IN, ids=lambda model: Path(model).stem)
def test_dilated_models_answer_as_before_in_each_runtime(model: str, runtime: str) -> None:
    name, _, kernels = runtime.partition("-")
    if not installed(name):
        pytest.skip(f"there is no {name} for this platform")
    data = Path(model).read_bytes()
    new = write(plan(model, PORTABLE, dilate=True).model)  # type: ignore[arg-type]
    runs = runs_of(read_model(data), "full", count=5)
    options = {"kernels": kernels} if kernels else {}
    before, after = (referee(name).run(each, *runs, **options) for each in (data, new))
    assert before.finished
    assert after.finished
    assert [y.tobytes() for run in after.outputs for y in run] == [y.tobytes() for run in before.outputs for y in run]


def runs_of(graph: Graph, int_mode: str, count: int) -> list[list[Array]]:
    """Random inputs, then all minima and all maxima."""
    inputs = graph.subgraphs[0].inputs
    generators = [np.random.Generator(np.random.PCG64(1000 + seed)) for seed in range(count)]
    random = [[draw(each, dtype_of(x.type), x.shape, int_mode) for x in inputs] for each in generators]
    return [*random, *([np.full(x.shape, extreme(x, int_mode, pick)) for x in inputs] for pick in (min, max))]


def extreme(x: Tensor, int_mode: str, pick: Callable[[Sequence[float]], float]) -> Array:
    dtype = np.dtype(dtype_of(x.type))
    if dtype.kind not in "iu":
        return np.array(pick((-1, 1)) if dtype.kind == "f" else pick((0, 1)), dtype)
    info = np.iinfo(dtype)
    return np.array(pick((info.min, info.max)) if int_mode == "full" else pick((0, 1)), dtype)


@needs_tflm
@pytest.mark.parametrize(
    ("targets", "dilate"),
    [(("x86-64-wheel",), False), (PORTABLE, False), (("cortex-m4+cmsis-nn", "x86-64-wheel"), True)],
    ids=["for the wheel", "portable", "dilated"],
)
@pytest.mark.parametrize("model", corpus.models(having="runs"))
def test_tflm_takes_the_plan_and_computes_what_it_did(
    model: CorpusModel, targets: tuple[str, ...], dilate: bool, tflm: Tflm
) -> None:
    made = plan(model.path, targets, dilate=dilate)
    if made.model is None:
        assert made.after == made.before
        return
    data = write(made.model)
    graph = read_model(data)
    arena = refinfer.simulate(graph, WHEEL).arena
    loaded = tflm.load(data).allocations
    assert loaded is not None
    assert (loaded.total, loaded.head) == (arena.used, arena.head)
    measured = tflm.minimum(data, int_mode=model.int_mode).nbytes
    assert smallest_arena(arena, measured)[0] == measured <= refinfer.simulate(model.path, WHEEL).arena.minimum
    assert all(made.after[name].minimum <= before.minimum for name, before in made.before.items())
    runs = runs_of(graph, model.int_mode, count=20 if corpus.ALL else 3)
    before, after = (referee("tflm").run(each, *runs) for each in (model.data, data))
    assert after.finished
    assert [y.tobytes() for run in after.outputs for y in run] == [y.tobytes() for run in before.outputs for y in run]
