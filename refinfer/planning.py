"""A smaller arena for a model, written into its file: `OfflineMemoryAllocation`, which TFLM obeys.

Four things can be had without touching what is computed: buffers placed better than TFLM's greedy planner does,
operators in another order, outputs written over the inputs that die there, and, for those who ask for it, 1×1
convolutions that libraries compute in an order that allows that. Plans are made with more and more of them, and each is
judged by simulating the file that holds it, scratch buffers and all, on every target that it is for:
what counts is the smallest arena that works. None is taken that is worse than greedy's on any of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from struct import pack
from typing import Any, NamedTuple

from refinfer.kernels.common import input_at, output_at
from refinfer.kernels.conv import FILTER
from refinfer.kernels.kernel import Overlap as Rule
from refinfer.kernels.layout import Build, round_up
from refinfer.planners.order import Task, Things, best_order, peak_of
from refinfer.planners.problem import ALIGNMENT, Buffer, Offsets, Problem
from refinfer.planners.solve import Effort, Solution, lowered, solve
from refinfer.rewrite import names_operators, with_dilation, with_metadata, with_order, without_metadata
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.file import Source, read_model
from refinfer.schema.graph import Graph, Node, Tensor
from refinfer.schema.options import Conv2DOptions
from refinfer.schema.resolve import resolve
from refinfer.schema.tables import Model
from refinfer.simulator import Refused, simulate
from refinfer.simulator.head import OFFLINE_PLAN, ONLINE, PlannedBuffer
from refinfer.simulator.lifetimes import UNUSED
from refinfer.simulator.overlap import Rules, common_rules, overlaps, sharing
from refinfer.simulator.report import SCHEMA, Arena, Report, model_to_dict
from refinfer.simulator.targets import TARGETS, Target, find_target

RECORD = "refinfer.plan"
"""The metadata that says for which targets a plan holds: JSON."""
RECORD_VERSION = 1

PORTABLE = (
    "cortex-m4",
    "cortex-m4+cmsis-nn",
    "cortex-m33-nodsp+cmsis-nn",
    "cortex-m55+cmsis-nn",
    "esp32+esp-nn",
    "x86-64-wheel",
)
"""Each kernel library whose order of accesses is known, in each form that it has."""

EFFORT = Effort(orders=4_000, choices=200_000)
QUICK = Effort(orders=400, choices=10_000)

GREEDY, PLACED, REORDERED = "greedy", "buffers placed anew", "operators reordered"
OVERLAID, DILATED = "outputs laid over inputs", "1×1 convolutions dilated"

STATEFUL = frozenset(
    {
        BuiltinOperator.CUSTOM,
        BuiltinOperator.DELEGATE,
        BuiltinOperator.CALL,
        BuiltinOperator.CALL_ONCE,
        BuiltinOperator.IF,
        BuiltinOperator.WHILE,
        BuiltinOperator.VAR_HANDLE,
        BuiltinOperator.READ_VARIABLE,
        BuiltinOperator.ASSIGN_VARIABLE,
        BuiltinOperator.HASHTABLE,
        BuiltinOperator.HASHTABLE_FIND,
        BuiltinOperator.HASHTABLE_IMPORT,
        BuiltinOperator.HASHTABLE_SIZE,
        BuiltinOperator.MULTINOMIAL,
        BuiltinOperator.RANDOM_STANDARD_NORMAL,
        BuiltinOperator.RANDOM_UNIFORM,
        BuiltinOperator.STABLEHLO_RNG_BIT_GENERATOR,
    }
)
"""Operators that remember, or run others: all others stay on the side of them on which they are."""


HANDLES = frozenset({TensorType.RESOURCE, TensorType.VARIANT})


Order = tuple[int, ...]


class Gain(NamedTuple):
    """The smallest arena and the head, on the first target, with a lever added to those in the lines before.

    `lower_bound` is what no placement can undercut, in the orders and with the dilations that were tried.
    """

    lever: str
    minimum: int
    head: int
    lower_bound: int


class Scene(NamedTuple):
    """What is to be planned: the model without a plan, what each target makes of it, and what may overlap.

    `dilated` are the 1×1 convolutions of the main subgraph that were told that they have a dilation.
    """

    dilated: tuple[int, ...]
    model: Model
    graph: Graph
    reports: tuple[Report, ...]
    rules: Rules


class Draft(NamedTuple):
    """A plan to be judged, in its model, and what no head on the first target can undercut in its scene and order."""

    stage: int
    order: Order
    dilated: tuple[int, ...]
    model: Model
    lower_bound: int


class Judged(NamedTuple):
    """A draft, and what simulating it gave for each target."""

    draft: Draft
    reports: tuple[Report, ...]

    @property
    def cost(self) -> tuple[int, int, int, int]:
        """The arenas of all targets together count most; then the fewer levers, and the lower heads, the better."""
        arenas, draft = [report.arena for report in self.reports], self.draft
        return sum(each.minimum for each in arenas), draft.stage, len(draft.dilated), sum(each.head for each in arenas)


@dataclass(frozen=True)
class Plan:
    """A model with a plan in it, or the finding that there is nothing to be gained.

    `model` are its tables, None if nothing was gained. `before` and `after` are the arenas by target: as the file is,
    and with the plan. `order` tells the operators of the main subgraph by their old indices, and so does `dilated` the
    1×1 convolutions that have a dilation now. Of the head on the first target, `lower_bound` is what no placement can
    undercut with the levers that were allowed, `without_overlap` that of the model as it was. `overlapping` are the
    pairs of tensors that share bytes, input and output of an operator. `target` is the first one.
    """

    graph: Graph
    model: Model | None
    before: Mapping[str, Arena]
    after: Mapping[str, Arena]
    gains: tuple[Gain, ...]
    order: Order
    dilated: tuple[int, ...]
    overlapping: tuple[tuple[int, int], ...]
    lower_bound: int
    without_overlap: int
    holds_for: tuple[str, ...]
    target: Target

    @property
    def proven(self) -> bool:
        """Whether no placement is lower, on the first target, with the levers that were allowed."""
        return next(iter(self.after.values())).head <= self.lower_bound

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready dicts and lists; the fields are documented in docs/json.md."""
        return {
            "schema": SCHEMA,
            "model": model_to_dict(self.graph),
            "gained": self.model is not None,
            "targets": [
                {"name": name, "before": arena._asdict(), "after": self.after[name]._asdict()}
                for name, arena in self.before.items()
            ],
            "levers": [gain._asdict() for gain in self.gains],
            "lower_bound": self.lower_bound,
            "without_overlap": self.without_overlap,
            "proven": self.proven,
            "order": list(self.order),
            "dilated": list(self.dilated),
            "overlapping": [list(pair) for pair in self.overlapping],
            "holds_for": list(self.holds_for),
        }

    def planned(self) -> Graph | None:
        """The model with the plan in it, None if nothing was gained."""
        if self.model is None:
            return None
        return replace(resolve(self.model, self.graph.file), name=self.graph.name, file=self.graph.file)

    def _repr_html_(self) -> str:
        """What Jupyter shows: what each lever brings, and the map of the arena with the plan."""
        from refinfer.page.plans import article_of

        return article_of(self).fragment()

    @property
    def is_reordered(self) -> bool:
        """Whether operators come in another order."""
        return list(self.order) != sorted(self.order)


def plan(
    model: Source | Graph,
    targets: Sequence[str | Target] = PORTABLE,
    *,
    reorder: bool = True,
    overlap: bool = True,
    dilate: bool = False,
    effort: Effort = EFFORT,
) -> Plan:
    """The smallest arena that is found for `model`, for all `targets` at once. Those that do not run it are left out.

    With `dilate`, and `overlap`, 1×1 convolutions may be given a dilation, which changes nothing but the way that
    kernels go: CMSIS-NN's on cores without MVE can then lay the output over the input, and take more instructions.
    Raises Refused if none of the targets runs it.
    """
    graph = model if isinstance(model, Graph) else read_model(model)
    return Planning(graph, [_target(each) for each in targets], effort).plan(reorder, overlap, dilate)


def _target(target: str | Target) -> Target:
    return target if isinstance(target, Target) else find_target(target)


class Planning:
    """One model and the targets that run it, as they are without a plan."""

    def __init__(self, graph: Graph, targets: Sequence[Target], effort: Effort) -> None:
        self.graph, self.effort = graph, effort
        self.model = without_metadata(without_metadata(graph.model, OFFLINE_PLAN), RECORD)
        self.plain = self._resolved(self.model)
        self.reports = tuple(_reports(self.plain, targets))
        self.targets = tuple(report.target for report in self.reports)
        self.before = self.reports if self.model is graph.model else tuple(self._as_given())

    def _as_given(self) -> Iterator[Report]:
        """What the model takes with the plan that it has already; without, where that is not safe."""
        for target, plain in zip(self.targets, self.reports, strict=True):
            try:
                report = simulate(self.graph, target)
            except Refused:
                report = plain
            yield plain if report.refusal or report.clashes else report

    def plan(self, reorder: bool, overlap: bool, dilate: bool) -> Plan:
        """Pull the levers one after the other."""
        best: Judged | None = None
        gains = [self._gain(GREEDY, best, self.reports[0].lower_bound)]
        for stage, (lever, scene, orders) in enumerate(self._levers(reorder, overlap, dilate)):
            drafts = [draft for order in orders for draft in self._drafts(stage, scene, order)]
            best = self._best(best, drafts)
            if best and best.draft.dilated:
                best = self._with_fewest_dilations(best)
            bounds = [each.lower_bound for each in (*gains, *drafts, *([best.draft] if best else ()))]
            gains.append(self._gain(lever, best, min(bounds)))
        return self._chosen(best, tuple(gains))

    def _levers(self, reorder: bool, overlap: bool, dilate: bool) -> Iterator[tuple[str, Scene, list[Order]]]:
        """Each lever with the orders to be tried, on top of those before."""
        as_it_is, apart = self._as_it_is(), self._scene(overlap=False)
        yield PLACED, apart, [as_it_is]
        if reorder:
            yield REORDERED, apart, list(self._orders(apart))
        if overlap:
            free = self._scene()
            yield OVERLAID, free, [as_it_is, *(self._orders(free) if reorder else ())]
        if overlap and dilate:
            dilated = self._scene(self._dilatable(free.rules))
            tried = [as_it_is, *(self._orders(dilated) if reorder else ())] if dilated.dilated else []
            yield DILATED, dilated, tried

    def _gain(self, lever: str, best: Judged | None, lower_bound: int) -> Gain:
        arena = (best.reports if best else self.reports)[0].arena
        return Gain(lever, arena.minimum, arena.head, lower_bound)

    def _resolved(self, model: Model) -> Graph:
        graph = resolve(model, self.graph.file)
        return replace(graph, name=self.graph.name, file=self.graph.file)

    def _as_it_is(self) -> Order:
        return tuple(range(len(self.plain.subgraphs[0].nodes)))

    def _scene(self, dilated: Sequence[int] = (), overlap: bool = True) -> Scene:
        model = with_dilation(self.model, 0, dilated) if dilated else self.model
        graph = self._resolved(model) if dilated else self.plain
        reports = tuple(_reports(graph, self.targets)) if dilated else self.reports
        rules = common_rules(graph, self._builds()) if overlap else {}
        return Scene(tuple(dilated), model, graph, reports, rules)

    def _builds(self) -> list[Build]:
        return [target.build for target in self.targets]

    def _dilatable(self, rules: Rules) -> tuple[int, ...]:
        """The 1×1 convolutions whose output could lie further over the input if they had a dilation."""
        nodes = [node for node in self.plain.subgraphs[0].nodes if is_plain_1x1(node)]
        model = with_dilation(self.model, 0, [node.index for node in nodes])
        dilated = common_rules(self._resolved(model), self._builds())
        ends = {node.index: (input_at(node, 0).index, output_at(node, 0).index) for node in nodes}
        return tuple(op for op, pair in ends.items() if is_better(dilated.get(pair), rules.get(pair)))

    def _orders(self, scene: Scene) -> Iterator[Order]:
        """A better order of the operators, if there is one."""
        if names_operators(self.plain.metadata):
            return
        tasks, things = tasks_of(scene.graph, scene.reports[0].buffers, scene.rules)
        found = best_order(tasks, things, peak_of(tasks, things, range(len(tasks))))
        if found is not None:
            yield found.order

    def _drafts(self, stage: int, scene: Scene, order: Order) -> Iterator[Draft]:
        """Plans with the scratch buffers of each of the targets in mind, of none, and of all."""
        model, graph, reports = scene.model, scene.graph, scene.reports
        if list(order) != sorted(order):
            model = with_order(model, 0, order)
            graph = self._resolved(model)
            reports = tuple(_reports(graph, self.targets))
        solved: dict[Problem, Solution] = {}

        def draft(buffers: Sequence[PlannedBuffer], offsets: Offsets) -> Draft:
            data = offline_plan(graph, buffers, offsets)
            bound = next(iter(solved.values())).lower_bound  # the first target's
            return Draft(stage, order, scene.dilated, with_metadata(model, OFFLINE_PLAN, data), bound)

        for report in reports:
            for buffers in (report.buffers, tensors_of(report)):
                problem = problem_of(buffers, scene.rules)
                if problem not in solved:
                    solved[problem] = solve(problem, self.effort)
                    yield draft(buffers, solved[problem].offsets)
        tensors, scratch = tensors_of(reports[0]), largest_scratch(reports)
        if len(reports) > 1 and scratch and all(tensors_of(report) == tensors for report in reports):
            alone, together = problem_of(tensors, scene.rules), problem_of(tensors, scene.rules, scratch)
            lowest, highest = solved[alone].height, solve(together, self.effort).height
            offsets = lowered(together, highest, len(tensors), lowest, self.effort)
            if offsets is not None:
                yield draft(tensors, offsets[: len(tensors)])

    def _best(self, best: Judged | None, drafts: Iterable[Draft]) -> Judged | None:
        """The best of those drafts that are taken and the best before."""
        judged = [each for draft in drafts if (each := self._judge(draft)) is not None]
        return min([*judged, *([best] if best else [])], key=lambda each: each.cost, default=None)

    def _with_fewest_dilations(self, best: Judged) -> Judged:
        """Without those that no overlap needs; then each goes that is not missed, from where least is alive on."""
        nodes = self.plain.subgraphs[0].nodes
        alive = {step.op: step.nbytes for step in self.reports[0].steps if step.subgraph == 0}
        overlaid = {y for _, y in overlapping(best.reports[0])}
        used = [op for op in best.draft.dilated if nodes[op].outputs[0].index in overlaid]
        best = self._with_dilations(best, used)
        for op in sorted(used, key=lambda op: alive[op]):
            best = self._with_dilations(best, [each for each in best.draft.dilated if each != op])
        return best

    def _with_dilations(self, best: Judged, dilated: Sequence[int]) -> Judged:
        """The best plan with these in its order, or `best` if that is better."""
        return self._best(best, self._drafts(best.draft.stage, self._scene(dilated), best.draft.order)) or best

    def _judge(self, draft: Draft) -> Judged | None:
        """What becomes of it on every target; None if it is worse than what is there on one, or not safe."""
        graph = self._resolved(draft.model)
        reports = []
        for target, plain, before in zip(self.targets, self.reports, self.before, strict=True):
            report = simulate(graph, target)
            most = min(plain.arena.minimum, before.arena.minimum)
            if report.arena.minimum > most or report.clashes:
                return None
            reports.append(report)
        return Judged(draft, tuple(reports))

    def _chosen(self, best: Judged | None, gains: tuple[Gain, ...]) -> Plan:
        before = {report.target.name: report.arena for report in self.before}
        bound, apart = gains[-1].lower_bound, self.reports[0].lower_bound
        if best is None or best.cost[0] >= sum(arena.minimum for arena in before.values()):
            as_it_is = self._as_it_is()
            return Plan(self.graph, None, before, before, gains, as_it_is, (), (), bound, apart, (), self.targets[0])
        draft, reports = best
        holds_for = tuple(holds(self._resolved(draft.model)))
        record = {"version": RECORD_VERSION, "holds_for": holds_for}
        return Plan(
            graph=self.graph,
            model=with_metadata(draft.model, RECORD, json.dumps(record, separators=(",", ":")).encode()),
            before=before,
            after={report.target.name: report.arena for report in reports},
            gains=gains,
            order=draft.order,
            dilated=draft.dilated,
            overlapping=overlapping(reports[0]),
            lower_bound=bound,
            without_overlap=apart,
            holds_for=holds_for,
            target=self.targets[0],
        )


def tensors_of(report: Report) -> tuple[PlannedBuffer, ...]:
    """The buffers without scratch."""
    return tuple(each for each in report.buffers if each.tensor is not None)


def problem_of(buffers: Sequence[PlannedBuffer], rules: Rules, others: Sequence[Buffer] = ()) -> Problem:
    """What a planner is asked, with other buffers behind those of the report."""
    return Problem((*(each.buffer for each in buffers), *others), overlaps(buffers, rules))


def largest_scratch(reports: Iterable[Report]) -> tuple[Buffer, ...]:
    """Scratch buffers in which those of each target find room: for each step its largest, its second, and so on."""
    sizes: dict[tuple[int, int], list[int]] = {}
    for report in reports:
        own: dict[tuple[int, int], list[int]] = {}
        for each in report.buffers:
            if each.tensor is None:
                own.setdefault((each.buffer.first, each.buffer.last), []).append(each.buffer.nbytes)
        for life, found in own.items():
            pairs = zip_longest(sorted(found, reverse=True), sizes.get(life, ()), fillvalue=0)
            sizes[life] = [max(pair) for pair in pairs]
    return tuple(Buffer(nbytes, *life) for life, found in sizes.items() for nbytes in found)


def _reports(graph: Graph, targets: Iterable[Target]) -> Iterator[Report]:
    """Of each target that runs the model; raises what the first says of it if none does."""
    refusals: list[Refused] = []
    ran = False
    for target in targets:
        try:
            report = simulate(graph, target)
        except Refused as refused:
            refusals.append(refused)
            continue
        if report.refusal is None:
            ran = True
            yield report
        else:
            refusals.append(report.refusal)
    if not ran and refusals:
        raise refusals[0]


def offline_plan(graph: Graph, buffers: Sequence[PlannedBuffer], offsets: Offsets) -> bytes:
    """The metadata that puts tensors at these offsets: int32, a version, a number of subgraphs, a count, the offsets.

    What is never used stays with TFLM's own planner, as scratch buffers do. So does, in the main subgraph, what has
    the index of a variable of another one: TFLM would take its place for that of the variable, and give it no memory.
    """
    planned = {
        (each.tensor.subgraph, each.tensor.index): offset
        for each, offset in zip(buffers, offsets, strict=True)
        if each.tensor is not None and each.buffer[1:3] != UNUSED
    }
    taken = {tensor.index for tensor in graph.tensors if tensor.is_variable and tensor.subgraph > 0}
    places = [
        planned.get((tensor.subgraph, tensor.index), ONLINE)
        if tensor.subgraph > 0 or tensor.index not in taken
        else ONLINE
        for tensor in graph.tensors
    ]
    return pack(f"<{3 + len(places)}i", 1, len(graph.subgraphs), len(places), *places)


def tasks_of(graph: Graph, buffers: Sequence[PlannedBuffer], rules: Rules) -> tuple[list[Task], Things]:
    """The operators of the main subgraph as tasks, its planned tensors as things."""
    main = graph.subgraphs[0]
    places: dict[Tensor | None, int] = {
        each.tensor: place
        for place, each in enumerate(buffers)
        if each.tensor is not None and each.tensor.subgraph == 0
    }
    extra: dict[Node, int] = {}
    for each in buffers:
        if each.node is not None:
            extra[each.node] = extra.get(each.node, 0) + each.buffer.nbytes
    tasks = []
    since: list[int] = []  # the last operator that nothing may pass, and all after it
    for node in main.nodes:
        fixed = is_stateful(node)
        tasks.append(
            Task(
                needs=tuple(places[x] for x in dict.fromkeys(node.inputs) if x in places),
                makes=tuple(places[y] for y in node.outputs if y in places),
                after=tuple(since if fixed else since[:1]),
                extra=extra.get(node, 0),
                shared=tuple(_shared(node, places, buffers, rules)),
            )
        )
        since = [node.index] if fixed else [*since, node.index]
    things = Things(
        tuple(each.buffer.nbytes if each.tensor in places else 0 for each in buffers),
        frozenset(places[x] for x in main.inputs if x in places),
        frozenset(places[y] for y in main.outputs if y in places),
    )
    return tasks, things


def _shared(
    node: Node, places: Mapping[Tensor | None, int], buffers: Sequence[PlannedBuffer], rules: Rules
) -> Iterator[tuple[int, int]]:
    """The inputs that the output may be laid over, and for how many bytes at most."""
    if len(node.outputs) != 1 or node.outputs[0] not in places:
        return
    y = node.outputs[0]
    for x in dict.fromkeys(node.inputs):
        rule = None if x is None else rules.get((x.index, y.index))
        if rule is not None and x in places:
            most = buffers[places[y]].buffer.nbytes - round_up(max(rule.distance, 0), ALIGNMENT)
            yield places[x], max(0, min(most, buffers[places[x]].buffer.nbytes))


def is_plain_1x1(node: Node) -> bool:
    """Whether it is a convolution with filters of one tap, and says nothing of a dilation."""
    options = node.options
    plain = isinstance(options, Conv2DOptions) and (options.dilation_h_factor, options.dilation_w_factor) == (1, 1)
    return plain and input_at(node, FILTER).shape[1:3] == (1, 1)


def is_better(rule: Rule | None, other: Rule | None) -> bool:
    """Whether an output may lie over more of its input."""
    return rule is not None and (other is None or rule.distance < other.distance)


def is_stateful(node: Node) -> bool:
    """Whether the operator may be one to which the order of others matters."""
    tensors = (*node.inputs, *node.outputs, *node.intermediates)
    return (
        node.custom_code is not None
        or node.op in STATEFUL
        or any(each is not None and (each.is_variable or each.type in HANDLES) for each in tensors)
    )


def overlapping(report: Report) -> tuple[tuple[int, int], ...]:
    """The tensors that share bytes while both are needed, by their indices: input and output of an operator."""
    found = []
    for pair in sharing(report.buffers):
        x, y = sorted((report.buffers[each] for each in pair), key=lambda each: each.buffer.first)
        if x.tensor is not None and y.tensor is not None:
            found.append((x.tensor.index, y.tensor.index))
    return tuple(found)


class Check(NamedTuple):
    """Whether a model computes on a target what it should: `clashes` are pairs of what overwrites one another there.

    `refusal` is set where TFLM does not run it, be it because of the plan.
    """

    target: str
    refusal: Refused | None
    clashes: tuple[tuple[str, str], ...]

    @property
    def holds(self) -> bool:
        """Whether it does."""
        return self.refusal is None and not self.clashes


def check_plan(model: Source | Graph, target: str | Target) -> Check:
    """Look at where the buffers of `model` lie on `target`, by its plan or by TFLM's own, and at its kernels.

    What the file says of itself is not relied on.
    """
    graph = model if isinstance(model, Graph) else read_model(model)
    target = _target(target)
    try:
        report = simulate(graph, target)
    except Refused as refused:
        return Check(target.name, refused, ())
    names = tuple((report.buffers[one].what, report.buffers[two].what) for one, two in report.clashes)
    return Check(target.name, report.refusal, names)


def holds(graph: Graph) -> Iterator[str]:
    """The known targets on which a model with a plan in it computes what it should, with each of their releases."""
    for name, target in TARGETS.items():
        if all(check_plan(graph, each).holds for each in target.each_release()):
            yield name
