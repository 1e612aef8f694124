"""What a model is judged on: inputs whose class is known, out of an .npz or out of a folder for each class.

A number or a picture means what it means to `refinfer run`. Beyond that, small pictures fill a larger input if it is
larger by a whole factor, and a model that takes a part at a time gets a sample as a sequence. A sample for a model with
several inputs is an array for each, by name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, overload

from refinfer.inputs import (
    AS_USUAL,
    INTEGERS,
    READERS,
    Pixels,
    fitted,
    input_names,
    keys_of,
    numpy_file,
    read_file,
    read_runs,
)
from refinfer.kernels.lazy import np
from refinfer.schema.errors import UsageError
from refinfer.schema.graph import Graph, Tensor

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

    Item = Array | str | Mapping[str, Array]

INPUT_NAMES = ("x", "images", "x_test", "inputs", "data")
LABEL_NAMES = ("y", "labels", "y_test", "targets", "target")
"""What arrays of an .npz are called; the first that is there is taken."""


@dataclass(frozen=True, eq=False)
class Columns(Sequence["Mapping[str, Array]"]):
    """Samples of several arrays each: an array of all samples by the name of each input."""

    arrays: Mapping[str, Array]

    def __len__(self) -> int:
        return min(map(len, self.arrays.values()), default=0)

    @overload
    def __getitem__(self, at: int) -> dict[str, Array]: ...

    @overload
    def __getitem__(self, at: slice) -> Columns: ...

    def __getitem__(self, at: int | slice) -> dict[str, Array] | Columns:
        found = {name: array[at] for name, array in self.arrays.items()}
        return Columns(found) if isinstance(at, slice) else found


if TYPE_CHECKING:
    Items = Array | Sequence[Array | str] | Columns


class Samples(NamedTuple):
    """Inputs, as arrays or as paths of files, with the class of each; names of classes, if any; whence, in words."""

    items: Items
    labels: Array
    names: Sequence[str]
    source: str


def read_samples(
    path: str,
    names: Sequence[str] = (),
    inputs_name: str | None = None,
    labels_name: str | None = None,
    graphs: Sequence[Graph] = (),
) -> Samples:
    """The samples of an .npz, or of a folder that has a folder of files for each class.

    If one of the `graphs` has several inputs, the .npz has an array for each; so has each file of the folder then.
    Raises UsageError where inputs or labels are missing, or do not go together.
    """
    several = any(len(graph.subgraphs[0].inputs) != 1 for graph in graphs)
    if not os.path.isdir(path):
        return _from_npz(path, names, inputs_name, labels_name, graphs if several else ())
    if inputs_name is not None or labels_name is not None:
        raise UsageError(f"{path}: names of arrays are for an .npz, and this is a folder")
    return _from_folder(path, names, (".npz",) if several else tuple(READERS))


def _from_npz(
    path: str, names: Sequence[str], inputs_name: str | None, labels_name: str | None, graphs: Sequence[Graph]
) -> Samples:
    if not path.lower().endswith(".npz"):
        raise UsageError(f"{path}: an .npz is wanted, or a folder that has one for each class")
    arrays = numpy_file(path)
    if graphs:
        if inputs_name is not None:
            raise UsageError("--inputs-name is for models with one input; arrays are called as the several are")
        y_name = _chosen(path, arrays, labels_name, LABEL_NAMES, "--labels-name")
        keys = dict.fromkeys(key for graph in graphs for key in keys_of(path, arrays, graph))
        source = f"{', '.join(keys)} and {y_name} of {os.path.basename(path)}"
        return samples_of({key: arrays[key] for key in keys}, arrays[y_name], names, source)
    x_name = _chosen(path, arrays, inputs_name, INPUT_NAMES, "--inputs-name")
    y_name = _chosen(path, arrays, labels_name, LABEL_NAMES, "--labels-name")
    source = f"{x_name} and {y_name} of {os.path.basename(path)}"
    return samples_of(arrays[x_name], arrays[y_name], names, source)


def _chosen(path: str, arrays: Mapping[str, Array], name: str | None, usual: Sequence[str], option: str) -> str:
    found = [each for each in (usual if name is None else (name,)) if each in arrays]
    if not found:
        there = ", ".join(map(repr, arrays)) or "nothing"
        wanted = " or ".join(usual) if name is None else repr(name)
        raise UsageError(f"{path} has {there}; wanted is {wanted}; {option} names another")
    return found[0]


def samples_of(x: Items | Mapping[str, Array], y: object, names: Sequence[str] = (), source: str = "") -> Samples:
    """Arrays of inputs and labels as samples; raises UsageError where they do not go together."""
    labels = classes_of(np.asarray(y))
    if isinstance(x, Mapping):
        lengths = {name: len(array) for name, array in x.items()}
        wrong = [name for name, length in lengths.items() if length != len(labels)]
        if wrong:
            raise UsageError(f"{lengths[wrong[0]]:,} of {wrong[0]!r} and {len(labels):,} labels do not go together")
        x = Columns(x)
    single = isinstance(x, np.ndarray) and x.ndim == 0
    if single or len(x) != len(labels):
        count = "a single number" if single else f"{len(x):,} inputs"
        raise UsageError(f"{count} and {len(labels):,} labels do not go together")
    if len(labels) == 0:
        raise UsageError("there are no samples")
    return Samples(x, labels, names, source)


def classes_of(y: Array) -> Array:
    """The number of each sample's class: as it stands there, or where its row has a single 1 among zeros."""
    one_hot = y.ndim == 2 and y.shape[1] > 1
    if one_hot and not (((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all()):
        raise UsageError(f"labels of shape {y.shape}: a class each is wanted, or rows with a single 1 among zeros")
    flat = y.argmax(axis=1) if one_hot else y.reshape(-1) if y.ndim and y.size == len(y) else None
    if flat is None or y.dtype.kind not in "biuf" or (flat != np.floor(flat)).any() or (flat < 0).any():
        raise UsageError(f"labels of type {y.dtype} and shape {y.shape}: a class each is wanted, counted from 0")
    return flat.astype(np.int64)


def _from_folder(path: str, names: Sequence[str], endings: Sequence[str]) -> Samples:
    folders = sorted(entry.name for entry in os.scandir(path) if entry.is_dir() and not entry.name.startswith("."))
    if not folders:
        raise UsageError(f"{path}: no folder in it; one is wanted for each class")
    numbers = class_numbers(folders, names, path)
    items: list[Array | str] = []
    labels: list[int] = []
    for folder in folders:
        files = [os.path.join(path, folder, file) for file in sorted(os.listdir(os.path.join(path, folder)))]
        found = [file for file in files if os.path.splitext(file)[1].lower() in endings]
        items += found
        labels += [numbers[folder]] * len(found)
    if not items:
        raise UsageError(f"{path}: the folders in it have no file that can be read ({', '.join(endings)})")
    known = names or _by_number(numbers)
    return Samples(items, np.array(labels, np.int64), known, f"the {len(folders)} folders of {os.path.basename(path)}")


def class_numbers(folders: Sequence[str], names: Sequence[str], path: str) -> dict[str, int]:
    """The class that each folder is for.

    Its line in the file of labels; else its name, if all are whole numbers; else its place in the alphabet, as Keras
    has it.
    """
    if names:
        unknown = [folder for folder in folders if folder not in names]
        if unknown:
            raise UsageError(f"{path}: the folder {unknown[0]!r} is none of the {len(names)} labels")
        return {folder: names.index(folder) for folder in folders}
    if all(folder.isdecimal() for folder in folders):
        return {folder: int(folder) for folder in folders}
    return {folder: number for number, folder in enumerate(folders)}


def _by_number(numbers: Mapping[str, int]) -> list[str]:
    """The names by class, unless they only repeat its number."""
    if all(folder.isdecimal() for folder in numbers):
        return []
    return list(numbers)


# inputs whose class need not be known


class Given(NamedTuple):
    """What a model is given in a run, and where that is from: a file, and which part of it if it has several.

    Before one that is `anew`, a model forgets what it remembers: it is a sample, or the begin of one.
    """

    name: str
    arrays: list[Array]
    anew: bool


ReadNpz = Callable[[Graph, str], "list[list[Array]]"]


def read_given(graph: Graph, path: str, pixels: Pixels = AS_USUAL, read_npz: ReadNpz = read_runs) -> list[Given]:
    """The runs out of a file, or out of all that can be read in a folder and the folders in it, in their order.

    An .npz has an array for each input (`read_npz` reads it), or samples as `read_samples` takes them, of a model with
    one input. Any other file is a sample. Runs of an .npz go on where the one before ended; all else begins anew.
    Raises UsageError for what cannot be read or does not fit, and if there is nothing.
    """
    files = _files_in(path) if os.path.isdir(path) else [path]
    if not files:
        raise UsageError(f"{path}: no file in it that can be read ({', '.join(RUN_FILES)})")
    start = path if os.path.isdir(path) else os.path.dirname(path)
    given = []
    for file in files:
        runs = list(_runs_in(graph, file, pixels, read_npz))
        name = os.path.relpath(file, start or ".")
        given += [Given(name if len(runs) == 1 else f"{name}, {i}", *run) for i, run in enumerate(runs)]
    return given


def _files_in(folder: str) -> list[str]:
    """What can be read in a folder and below it, but for what is hidden."""
    found = []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_dir() and not entry.name.startswith("."):
            found += _files_in(entry.path)
        elif os.path.splitext(entry.name)[1].lower() in RUN_FILES:
            found.append(entry.path)
    return found


def _runs_in(graph: Graph, file: str, pixels: Pixels, read_npz: ReadNpz) -> Iterator[tuple[list[Array], bool]]:
    """The inputs of each run that a file has, and whether it begins anew."""
    tensors = graph.subgraphs[0].inputs
    items: Items = [file]
    if file.lower().endswith(".npz"):
        arrays = numpy_file(file)
        name = next((name for name in INPUT_NAMES if name in arrays and name not in input_names(graph)), None)
        if name is None or len(tensors) != 1:
            if pixels != AS_USUAL:
                raise UsageError(
                    f"{file}: --mean and --std are for pictures and samples, not for inputs by their names"
                )
            yield from ((run, i == 0) for i, run in enumerate(read_npz(graph, file)))
            return
        items = arrays[name]
    if len(tensors) != 1:
        raise UsageError(f"{file}: the model has {len(tensors)} inputs; an .npz can hold them all")
    for item in items:
        yield from ((call, i == 0) for i, call in enumerate(calls_of(item, graph, pixels)[0]))


RUN_FILES = (*READERS, ".npz")


# a sample as a model takes it


def calls_of(item: Item, graph: Graph, pixels: Pixels = AS_USUAL) -> tuple[list[list[Array]], str]:
    """The inputs of one call after the other that a sample comes to, and what was done, in words.

    Raises UsageError where an input is missing, or inputs come to different numbers of calls.
    """
    tensors = graph.subgraphs[0].inputs
    place = item if isinstance(item, str) else "a sample"
    if isinstance(item, str) and item.lower().endswith(".npz"):
        item = numpy_file(item)
    if not isinstance(item, Mapping):
        if len(tensors) != 1:
            raise UsageError(f"{place} is one array, and the model has {len(tensors)} inputs: {_names_of(graph)}")
        frames, how = frames_of(item, tensors[0], pixels)
        return [[frame] for frame in frames], how
    if pixels != AS_USUAL:
        raise UsageError("--mean and --std are for samples of one array, not for inputs by their names")
    keys = keys_of(place, item, graph)
    given = [frames_of(item[key], tensor) for key, tensor in zip(keys, tensors, strict=True)]
    counts = {len(frames) for frames, _ in given} - {1}
    if len(counts) > 1:
        raise UsageError(f"{place}: the inputs are for different numbers of calls: {sorted(counts)}")
    calls = max(counts, default=1)
    inputs = [frames if len(frames) == calls else frames * calls for frames, _ in given]
    how = "; ".join(f"{key}: {how}" for key, (_, how) in zip(keys, given, strict=True))
    return [list(call) for call in zip(*inputs, strict=True)], how


def _names_of(graph: Graph) -> str:
    return ", ".join(map(repr, input_names(graph)))


def frames_of(item: Array | str, tensor: Tensor, pixels: Pixels = AS_USUAL) -> tuple[list[Array], str]:
    """What a model with this input is given for a sample, one call after the other, and what was done, in words."""
    if isinstance(item, str) and not item.lower().endswith(".npy"):
        array, how = read_file(item, tensor, pixels)
        return [array], how
    values = numpy_file(item)[""] if isinstance(item, str) else np.asarray(item)
    words = []
    if pixels != AS_USUAL:
        values, said = _scaled(values, pixels)
        words.append(said)
    shape = [length for length in values.shape if length != 1]
    wanted = [length for length in tensor.shape if length != 1]
    factor = enlargement(shape, wanted)
    if factor > 1:
        values = values.reshape(shape).repeat(factor, axis=0).repeat(factor, axis=1)
        words.append(f"each pixel {factor}x{factor} times")
    frames = [values]
    if shape[1:] == wanted and len(shape) > len(wanted):
        frames = list(values.reshape(shape))
        words.append(f"{len(frames)} calls a sample, of which the last has the answer")
    given = [_fitted(frame, tensor) for frame in frames]
    return [array for array, _ in given], "; ".join([*words, *(how for _, how in given[:1])])


def _scaled(values: Array, pixels: Pixels) -> tuple[Array, str]:
    """(value - mean) / std, of numbers that stand for pixels."""
    mean, std = pixels.mean or 0.0, 1.0 if pixels.std is None else pixels.std
    if std == 0:
        raise UsageError("--std 0: nothing can be divided by it")
    words = f"(value - {mean:g}) / {std:g}" if mean else f"value / {std:g}"
    return (values.astype(np.float32) - np.float32(mean)) / np.float32(std), words


def enlargement(shape: Sequence[int], wanted: Sequence[int]) -> int:
    """The whole factor by which height and width are to grow, where all else is as it should be; 1 if there is none."""
    if len(shape) != len(wanted) or len(shape) < 2 or shape[2:] != wanted[2:] or 0 in shape:
        return 1
    factors = {divmod(large, small) for small, large in zip(shape[:2], wanted[:2], strict=True)}
    factor, rest = next(iter(factors))
    return factor if len(factors) == 1 and rest == 0 else 1


def _fitted(values: Array, tensor: Tensor) -> tuple[Array, str]:
    try:
        return fitted(values, tensor, "a sample")
    except UsageError as error:
        whole = values.dtype.kind in INTEGERS and values.size and values.max() > 127
        hint = "; if these are pixels, --mean and --std tell what they stand for" if whole else ""
        raise UsageError(f"{error}{hint}") from None
