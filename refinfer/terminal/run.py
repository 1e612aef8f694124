"""`refinfer run`: what a model was given, and what it answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from refinfer.comparison.machines import notes_of
from refinfer.inputs import Input, dequantize, is_quantized, output_names
from refinfer.kernels.lazy import np
from refinfer.new_file import new_file
from refinfer.schema.graph import Graph, Tensor
from refinfer.simulator.report import model_to_dict
from refinfer.terminal.names import model_name
from refinfer.terminal.text import BOLD, END, RED, Column, Screen, painted, plural, printable, table, wrapped

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

SCHEMA = 1
FIRST_VALUES = 8  # of an output that is no list of classes


class Run(NamedTuple):
    """What was run on what, with which outputs; the seconds of each time."""

    graph: Graph
    dialect: str
    seed: int | None
    inputs: Sequence[Input]
    outputs: Sequence[Array]
    seconds: Sequence[float]


class Rank(NamedTuple):
    """A class of the output: its number, its label if there are labels, and its value, as stored and as meant."""

    number: int
    label: str | None
    value: Any
    real: float


def run_lines(run: Run, top: int, labels: Sequence[str], screen: Screen) -> Iterator[str]:
    """The whole answer."""
    yield from painted(f"{model_name(run.graph)} in the dialect {run.dialect}", screen, BOLD)
    if run.seed is not None:
        yield from wrapped(f"The inputs are random, of seed {run.seed}.", screen, "  ")
    yield ""
    yield screen.paint("Inputs", BOLD)
    for each in run.inputs:
        yield from wrapped(f"{printable(each.name)}, {_kind(each.tensor, each.array, screen)}", screen, "  ")
        yield from wrapped(printable(each.how), screen, "    ")
    for name, tensor, array in _outputs(run):
        yield ""
        yield from painted(f"Output {printable(name)}, {_kind(tensor, array, screen)}", screen, BOLD)
        yield from _answer(tensor, array, top, labels, screen)
    yield ""
    for words in notes_of(run.graph, run.dialect):
        yield from wrapped(words, screen)
    yield from wrapped(_time(run.seconds), screen)


def _outputs(run: Run) -> Iterator[tuple[str, Tensor, Array]]:
    tensors = run.graph.subgraphs[0].outputs
    return zip(output_names(run.graph), tensors, run.outputs, strict=True)


def _kind(tensor: Tensor, array: Array, screen: Screen) -> str:
    shape = screen.times.join(map(str, array.shape)) if array.shape else "scalar"
    return f"{shape} {tensor.type.name.lower()}"


def _answer(tensor: Tensor, array: Array, top: int, labels: Sequence[str], screen: Screen) -> Iterator[str]:
    if is_list_of_classes(array):
        ranks = best(tensor, array, top, labels)
        quantized = is_quantized(tensor)
        rows = [
            (str(each.number), f"{each.real:.6g}", str(each.value) if quantized else "", printable(each.label or ""))
            for each in ranks
        ]
        columns = [Column("class", True), Column("value", True), Column("as stored", True), Column("label", cut=END)]
        shown = [i for i in range(len(columns)) if i < 2 or any(row[i] for row in rows)]
        yield from table([columns[i] for i in shown], [[row[i] for i in shown] for row in rows], screen)
        if labels and len(labels) != array.size:
            yield from wrapped(f"There are {plural(len(labels), 'label')} for {array.size} classes.", screen, "  ")
        return
    facts = summary(tensor, array)
    if facts["least"] is not None:
        yield from wrapped(
            f"from {facts['least']:.6g} to {facts['largest']:.6g}, mean {facts['mean']:.6g}", screen, "  "
        )
    first = ", ".join(each if isinstance(each, str) else f"{each:.6g}" for each in facts["first"])
    more = f", {screen.ellipsis}" if array.size > FIRST_VALUES else ""
    yield from wrapped(f"first values: {printable(first)}{more}" if first else "no values", screen, "  ")


def is_list_of_classes(array: Array) -> bool:
    """Whether the output looks like a score for each class: one row of several numbers."""
    return array.ndim > 0 and array.size == array.shape[-1] > 1 and array.dtype.kind in "fiu"


def best(tensor: Tensor, array: Array, top: int, labels: Sequence[str]) -> list[Rank]:
    """The classes with the largest values; of equal ones the first."""
    values, real = array.reshape(-1), _real(tensor, array).reshape(-1)
    order = np.argsort(-real.astype(np.float64), kind="stable")[:top]
    return [
        Rank(int(i), labels[i] if i < len(labels) else None, values[i].item(), float(real[i])) for i in order.tolist()
    ]


def summary(tensor: Tensor, array: Array) -> dict[str, Any]:
    """The range of an output and its first values, as real values where it is quantized."""
    if array.dtype.kind not in "biuf":
        return {
            "least": None,
            "largest": None,
            "mean": None,
            "first": list(map(_words, array.reshape(-1)[:FIRST_VALUES])),
        }
    real = _real(tensor, array).reshape(-1)
    finite = real[np.isfinite(real)] if real.dtype.kind == "f" else real
    return {
        "least": finite.min().item() if finite.size else None,
        "largest": finite.max().item() if finite.size else None,
        "mean": float(finite.mean(dtype=np.float64)) if finite.size else None,
        "first": [_number(each) for each in real[:FIRST_VALUES].tolist()],
    }


def _real(tensor: Tensor, array: Array) -> Array:
    return dequantize(array, tensor) if is_quantized(tensor) else array


def _words(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _number(value: float) -> float | str:
    """JSON has no infinities and no NaN: they are written out."""
    return value if np.isfinite(value) else str(value)


def _time(seconds: Sequence[float]) -> str:
    if len(seconds) == 1:
        return f"It took {_duration(seconds[0])}."
    return (
        f"{len(seconds)} times, one after the other on one interpreter; the last answer is shown. "
        f"A time took {_duration(min(seconds))} at best, {_duration(float(np.median(seconds)))} in the median."
    )


def _duration(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def run_to_dict(run: Run, top: int, labels: Sequence[str]) -> dict[str, Any]:
    """The answer as JSON-ready values; docs/json.md documents the fields."""
    return {
        "schema": SCHEMA,
        "model": model_to_dict(run.graph),
        "dialect": run.dialect,
        "refusal": None,
        "notes": notes_of(run.graph, run.dialect),
        "seed": run.seed,
        "inputs": [
            {"name": each.name, "tensor": each.tensor.index, **_facts(each.tensor, each.array), "how": each.how}
            for each in run.inputs
        ],
        "outputs": [
            {
                "name": name,
                "tensor": tensor.index,
                **_facts(tensor, array),
                **summary(tensor, array),
                "top": [
                    {
                        "class": rank.number,
                        "label": rank.label,
                        "stored": _number(rank.value),
                        "value": _number(rank.real),
                    }
                    for rank in (best(tensor, array, top, labels) if is_list_of_classes(array) else ())
                ],
            }
            for name, tensor, array in _outputs(run)
        ],
        "seconds": list(run.seconds),
    }


def _facts(tensor: Tensor, array: Array) -> dict[str, Any]:
    return {"type": tensor.type.name, "shape": list(array.shape)}


def save(path: str, graph: Graph, outputs: Sequence[Array], force: bool) -> None:
    """Write the outputs to an .npz, by name, or the only one to an .npy; without `force`, to no file that exists."""
    from zipfile import ZipFile

    write = np.lib.format.write_array
    arrays = [array if array.dtype.kind != "O" else array.astype("S") for array in outputs]
    with new_file(path, force) as file:
        if path.endswith(".npy"):
            write(file, arrays[0], allow_pickle=False)
            return
        with ZipFile(file, "w") as archive:
            for name, array in zip(output_names(graph), arrays, strict=True):
                with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                    write(entry, array, allow_pickle=False)


def refused_lines(graph: Graph, dialect: str, reason: str, screen: Screen) -> Iterator[str]:
    """Why there is no answer."""
    text = f"{model_name(graph)} does not run in the dialect {dialect}: {printable(reason)}"
    return painted(text, screen, BOLD, RED)


def refused_to_dict(graph: Graph, dialect: str, reason: str) -> dict[str, Any]:
    """The same for programs."""
    return {"schema": SCHEMA, "model": model_to_dict(graph), "dialect": dialect, "refusal": reason}
