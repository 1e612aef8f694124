"""What a model is run on: arrays out of files, pictures and sounds, or random numbers, each with what was done to it.

A number in a file means what its type says. Integers are the tensor's own numbers; reals are real values, and
quantized for a tensor that is. What a picture or a sound means is a convention, which `how` puts into words.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from refinfer.kernels.compute import dtype_of
from refinfer.kernels.lazy import np
from refinfer.schema.enums import TensorType
from refinfer.schema.errors import UsageError
from refinfer.schema.graph import Graph, Tensor

if TYPE_CHECKING:
    from PIL.Image import Image

    from refinfer.kernels.compute import Array, Shape


class Input(NamedTuple):
    """An input of the main subgraph, what it is given, and how that came about, in words."""

    tensor: Tensor
    name: str
    array: Array
    how: str


class Pixels(NamedTuple):
    """real = (pixel - mean) / std, of pixels from 0 to 255; None where nothing was said."""

    mean: float | None = None
    std: float | None = None


AS_USUAL = Pixels()


def read_inputs(graph: Graph, files: Sequence[str], seed: int = 0, pixels: Pixels = AS_USUAL) -> list[Input]:
    """The inputs out of `files`: "FILE" in the order of the inputs, "NAME=FILE" for a certain one; random if none.

    Raises UsageError for a file that cannot be read or does not fit, and for inputs that are missing or given twice.
    """
    tensors = graph.subgraphs[0].inputs
    names = input_names(graph)
    if not files:
        return random_inputs(graph, seed)
    found: dict[int, Input] = {}
    for spec in files:
        for position, array, how in _arrays(spec, tensors, names, found, pixels):
            if position in found:
                raise UsageError(f"{spec}: input {names[position]!r} is given twice")
            found[position] = Input(tensors[position], names[position], array, how)
    missing = [name for position, name in enumerate(names) if position not in found]
    if missing:
        raise UsageError(f"nothing is given for {', '.join(map(repr, missing))}")
    return [found[position] for position in range(len(tensors))]


def read_runs(graph: Graph, file: str) -> list[list[Array]]:
    """The inputs of one run out of an .npz, or of several: then all arrays have one more dimension, of that length.

    Raises UsageError as `read_inputs` does.
    """
    tensors = graph.subgraphs[0].inputs
    return [
        [fitted(array, tensor, f"{file}, run {number}")[0] for array, tensor in zip(run, tensors, strict=True)]
        for number, run in enumerate(runs_as_they_are(graph, file))
    ]


def runs_as_they_are(graph: Graph, file: str) -> list[list[Array]]:
    """The same, in the types and shapes of the file."""
    tensors = graph.subgraphs[0].inputs
    if not file.lower().endswith(".npz"):
        raise UsageError(f"{file}: an .npz is wanted")
    arrays = numpy_file(file)
    keys = keys_of(file, arrays, graph)
    several = all(arrays[key].ndim == len(tensor.shape) + 1 for key, tensor in zip(keys, tensors, strict=True))
    batches = [arrays[key] if several else arrays[key][None] for key in keys]
    if len({len(batch) for batch in batches}) != 1:
        raise UsageError(f"{file}: {_listed(keys)} are of different lengths")
    return [list(run) for run in zip(*batches, strict=True)]


def keys_of(file: str, arrays: Mapping[str, Array], graph: Graph) -> list[str]:
    """Which of the arrays is for each input; raises UsageError, with the name of the file, where one is missing."""
    tensors, names = graph.subgraphs[0].inputs, input_names(graph)
    keys = _keys(file, arrays, range(len(tensors)), tensors, names)
    if len(keys) < len(tensors):
        raise UsageError(f"{file}: nothing for {_listed(name for i, name in enumerate(names) if i not in keys)}")
    return [keys[i] for i in range(len(tensors))]


def random_inputs(graph: Graph, seed: int) -> list[Input]:
    """Random numbers: reals from -1 to 1, all integers of 8 and 16 bits, 0 to 2 for wider ones, which are indices."""
    rng = np.random.Generator(np.random.PCG64(seed))
    return [
        Input(tensor, name, *_random(rng, tensor))
        for tensor, name in zip(graph.subgraphs[0].inputs, input_names(graph), strict=True)
    ]


def input_names(graph: Graph) -> list[str]:
    """What the inputs of the main subgraph are called: by the signature if there is one, else by their tensors."""
    return names_of(graph, graph.subgraphs[0].inputs, "inputs")


def output_names(graph: Graph) -> list[str]:
    """The same for its outputs."""
    return names_of(graph, graph.subgraphs[0].outputs, "outputs")


def names_of(graph: Graph, tensors: Sequence[Tensor], side: str) -> list[str]:
    """A name for each tensor, unlike all others: a number is added where the file has one twice."""
    signed: dict[Tensor, str] = {}
    for signature in graph.signatures:
        if signature.subgraph == 0:
            mapping: Mapping[str, Tensor] = getattr(signature, side)
            signed |= {tensor: name for name, tensor in mapping.items() if tensor not in signed}
    names: list[str] = []
    for position, tensor in enumerate(tensors):
        name = signed.get(tensor) or tensor.name or f"{side[:-1]}_{position}"
        names.append(f"{name}_{position}" if name in names else name)
    return names


def _arrays(
    spec: str, tensors: Sequence[Tensor], names: Sequence[str], taken: Mapping[int, Input], pixels: Pixels
) -> Iterator[tuple[int, Array, str]]:
    """What one --input holds: for the input of which position, which array, and how it came about."""
    name, equals, file = spec.partition("=")
    if equals and name in names:
        free = [names.index(name)]
    elif equals and not os.path.exists(spec):
        raise UsageError(f"{spec}: there is no input {name!r}; the model has {_listed(names)}")
    else:
        file = spec
        free = [position for position in range(len(tensors)) if position not in taken]
    if not free:
        raise UsageError(f"{spec}: the model has {len(tensors)} inputs, and all of them are given")
    base = os.path.basename(file)
    if not file.lower().endswith(".npz"):
        array, how = read_file(file, tensors[free[0]], pixels)
        yield free[0], array, f"{base}: {how}"
        return
    arrays = numpy_file(file)
    for position, key in _keys(file, arrays, free, tensors, names).items():
        array, how = fitted(arrays[key], tensors[position], f"{file}: {key}")
        yield position, array, f"{base}, {key}: {how}"


def _keys(
    file: str, arrays: Mapping[str, Array], free: Sequence[int], tensors: Sequence[Tensor], names: Sequence[str]
) -> dict[int, str]:
    """Which array is for which input: by its name, its tensor's, or arr_0, arr_1 …; an only array needs no name."""
    found: dict[int, str] = {}
    for position in free:
        for key in (names[position], tensors[position].name, f"arr_{position}"):
            if key in arrays:
                found.setdefault(position, key)
    if not found and len(arrays) == len(free) == 1:
        found[free[0]] = next(iter(arrays))
    if not found:
        raise UsageError(f"{file} has {_listed(arrays)}; wanted is {_listed([names[position] for position in free])}")
    return found


def read_file(file: str, tensor: Tensor, pixels: Pixels) -> tuple[Array, str]:
    """The array for a tensor out of any file but an .npz."""
    suffix = os.path.splitext(file)[1].lower()
    if suffix not in READERS:
        raise UsageError(
            f"{file}: what is {suffix or 'a file without an ending'}? {_listed([*READERS, '.npz'])} can be read"
        )
    if pixels != AS_USUAL and READERS[suffix] is not _image:
        raise UsageError(f"{file}: --mean and --std are for pictures")
    return READERS[suffix](file, tensor, pixels)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))


# numbers


def fitted(array: Array, tensor: Tensor, place: str) -> tuple[Array, str]:
    """`array` with the type and shape of `tensor`, and what was done; raises UsageError where that cannot be."""
    values, how = _of_type(array, tensor, place)
    shape = _shape_for(values.shape, tensor, place)
    return values.reshape(shape), how


def _of_type(array: Array, tensor: Tensor, place: str) -> tuple[Array, str]:
    dtype = dtype_of(tensor.type)
    kinds = array.dtype.kind, dtype.kind
    if array.dtype == dtype and dtype.kind != "O":
        return array, f"{dtype} as it is"
    if kinds[0] == "f" and is_quantized(tensor):
        return quantize(array, tensor), f"real values, quantized to {dtype}"
    if kinds[0] in INTEGERS and kinds[1] in INTEGERS:
        low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        if array.size and not low <= array.min() <= array.max() <= high:
            raise UsageError(f"{place}: {array.min()} to {array.max()}; {tensor.type.name} has {low} to {high}")
    elif kinds[0] not in NUMBERS or kinds[1] not in ("f", "c"):
        quantized = ", which is not quantized" if kinds[0] == "f" and kinds[1] in INTEGERS else ""
        raise UsageError(f"{place}: {array.dtype} cannot become {tensor.type.name}{quantized}")
    return array.astype(dtype), f"{array.dtype} as {dtype}"


def is_quantized(tensor: Tensor) -> bool:
    """Whether its integers stand for real values, all with one scale."""
    quantization = tensor.quantization
    return dtype_of(tensor.type).kind in "iu" and quantization is not None and len(quantization.scale) == 1


def quantize(real: Array, tensor: Tensor) -> Array:
    """round(real / scale) + zero_point within the type, ties away from zero, as the operator QUANTIZE does it."""
    scale, zero_point = _scale(tensor)
    limits = np.iinfo(dtype_of(tensor.type))
    steps = real.astype(np.float32) / np.float32(scale)
    rounded = np.trunc(steps + np.copysign(np.float32(0.5), steps)).astype(np.float64) + zero_point
    clipped: Array = np.clip(np.nan_to_num(rounded), limits.min, limits.max)
    return clipped.astype(limits.dtype)


def dequantize(array: Array, tensor: Tensor) -> Array:
    """scale * (q - zero_point)"""
    scale, zero_point = _scale(tensor)
    return np.float32(scale) * (array.astype(np.int64) - zero_point).astype(np.float32)


def _scale(tensor: Tensor) -> tuple[float, int]:
    assert tensor.quantization is not None
    zero_points = tensor.quantization.zero_point
    return tensor.quantization.scale[0], zero_points[0] if len(zero_points) else 0


def _shape_for(shape: Shape, tensor: Tensor, place: str) -> Shape:
    """The shape that an array of `shape` gets: the tensor's, or its own where the tensor's is open (-1)."""
    wanted = tensor.shape_signature if -1 in tensor.shape_signature else tensor.shape
    if len(shape) == len(wanted) and all(known in (-1, length) for known, length in zip(wanted, shape, strict=True)):
        return shape
    beyond_ones = [length for length in shape if length != 1] == [length for length in tensor.shape if length != 1]
    if prod(shape) == tensor.elements and (beyond_ones or len(shape) == 1):
        return tensor.shape
    raise UsageError(f"{place}: shape {shape}; the model takes {tuple(wanted)}")


def _random(rng: np.random.Generator, tensor: Tensor) -> tuple[Array, str]:
    dtype = dtype_of(tensor.type)
    if dtype.kind == "O":
        raise UsageError(f"input {tensor.name!r}: {tensor.type.name} cannot be made up")
    if dtype.kind in "fc":
        return np.asarray(rng.uniform(-1, 1, tensor.shape)).astype(dtype), "random, from -1 to 1"
    low, high = (np.iinfo(dtype).min, np.iinfo(dtype).max) if dtype.kind != "b" and dtype.itemsize <= 2 else (0, 2)
    if tensor.type == TensorType.INT4:
        low, high = -8, 7
    high = 1 if dtype.kind == "b" else high
    drawn = rng.integers(low, high, tensor.shape, endpoint=True)
    return np.asarray(drawn).astype(dtype), f"random, from {low} to {high}"


# files


def numpy_file(file: str) -> dict[str, Array]:
    """The arrays of an .npz by name; of an .npy the only one."""
    try:
        loaded = np.load(file, allow_pickle=False)
        return {key: loaded[key] for key in loaded} if file.lower().endswith(".npz") else {"": loaded}
    except OSError as error:
        if error.filename is not None:
            raise
        raise UsageError(f"{file}: cannot be read: {error}") from None
    except ModuleNotFoundError:  # without numpy
        raise
    except Exception as error:  # numpy and zipfile raise what they like for broken files
        raise UsageError(f"{file}: cannot be read: {error}") from None


def _npy(file: str, tensor: Tensor, pixels: Pixels) -> tuple[Array, str]:
    return fitted(numpy_file(file)[""], tensor, file)


def _text(file: str, tensor: Tensor, pixels: Pixels) -> tuple[Array, str]:
    """Numbers between spaces, commas, semicolons or line ends: integers if all of them look like it."""
    with open(file, encoding="utf-8", errors="replace") as lines:
        words = re.findall(r"[^\s,;]+", lines.read())
    whole = all(re.fullmatch(r"[+-]?\d+", word) for word in words)
    try:
        array = np.array([int(word) for word in words], np.int64) if whole else np.array(words, np.float64)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{file}: {error}") from None
    return fitted(array, tensor, file)


def _wave(file: str, tensor: Tensor, pixels: Pixels) -> tuple[Array, str]:
    """Samples, their channels averaged, cut off or filled up with silence where the input ends.

    Their real values are from -1 to 1; an int16 that is not quantized takes the samples of 16 bits themselves.
    """
    import wave

    try:
        with wave.open(file, "rb") as sound:
            channels, width, rate, count = sound.getparams()[:4]
            data = sound.readframes(count)
    except wave.Error as error:
        raise UsageError(f"{file}: cannot be read as a sound: {error}") from None
    except EOFError:
        raise UsageError(f"{file}: cannot be read as a sound: it is cut short") from None
    samples = _pcm(data, width).reshape(-1, channels).mean(axis=1)
    wanted = tensor.elements
    sound_of_length = np.zeros(wanted)
    sound_of_length[: min(wanted, len(samples))] = samples[:wanted]
    how = f"{len(samples):,} samples at {rate:,} Hz"
    if len(samples) != wanted:
        how += f", {'cut off' if len(samples) > wanted else 'filled up with silence'} at {wanted:,}"
    if tensor.type == TensorType.INT16 and not is_quantized(tensor):
        values = np.clip(np.rint(sound_of_length * 32768), -32768, 32767).astype(np.int16)
        return values.reshape(tensor.shape), f"{how}, in 16 bits"
    array, more = fitted(sound_of_length, tensor, file)
    return array, f"{how}, from -1 to 1; {more}"


def _pcm(data: bytes, width: int) -> Array:
    """Linear samples of 1 to 4 bytes as reals from -1 to 1; those of one byte have no sign."""
    if width == 1:
        return np.frombuffer(data, np.uint8) / 128 - 1
    padded = np.zeros((len(data) // width, 4), np.uint8)
    padded[:, 4 - width :] = np.frombuffer(data, np.uint8)[: len(data) // width * width].reshape(-1, width)
    return np.asarray(padded.view("<i4").reshape(-1) / 2**31)


def _image(file: str, tensor: Tensor, pixels: Pixels) -> tuple[Array, str]:
    """A picture, brought to the input's size and colours; the picture's own size where the model leaves it open."""
    to_first, height, width, channels = _layout(tensor, file)
    with _open_image(file) as picture:
        size = (picture.width if width == -1 else width, picture.height if height == -1 else height)
        how = f"{picture.width}x{picture.height} {picture.mode}"
        if size != picture.size:
            how += f", resized to {size[0]}x{size[1]} (bilinear, aspect not kept)"
        mode = MODES[channels]
        if mode != picture.mode:
            how += f", as {mode}"
        values = np.asarray(picture.convert(mode).resize(size, BILINEAR)).reshape(size[1], size[0], channels)
    array, scaling = _pixels_as(values, tensor, pixels)
    array = array.transpose(2, 0, 1) if to_first else array
    return array.reshape(_image_shape(array.shape, tensor, to_first)), f"{how}; {scaling}"


def _pixels_as(values: Array, tensor: Tensor, pixels: Pixels) -> tuple[Array, str]:
    """Pixels from 0 to 255 in the type of the input, and what was done.

    Without a word about it, 8 bits take the pixel as it is, in int8 less 128: that is right whenever the input's scale
    was made for all pixels, be they meant as 0 to 255, 0 to 1 or -1 to 1. Reals are from 0 to 1.
    """
    eight_bits = {TensorType.UINT8: 0, TensorType.INT8: 128}
    if pixels == AS_USUAL and tensor.type in eight_bits:
        offset = eight_bits[tensor.type]
        array = (values.astype(np.int16) - offset).astype(dtype_of(tensor.type))
        how = f"pixel - {offset}" if offset else "pixels as they are"
        if is_quantized(tensor):
            low, high = dequantize(np.array([-offset, 255 - offset]), tensor)
            how += f", which stands for {low:.4g} to {high:.4g}"
        return array, how
    mean = 0.0 if pixels.mean is None else pixels.mean
    std = (255.0 if pixels.mean is None else 1.0) if pixels.std is None else pixels.std
    if std == 0:
        raise UsageError("--std 0: nothing can be divided by it")
    real = (values.astype(np.float32) - np.float32(mean)) / np.float32(std)
    array, how = _of_type(real, tensor, "the picture")
    return array, f"(pixel - {mean:g}) / {std:g}" + (", quantized" if is_quantized(tensor) else f", {array.dtype}")


def _layout(tensor: Tensor, file: str) -> tuple[bool, int, int, int]:
    """Whether the channels come first; height, width (-1: open) and channels of the pictures that an input takes."""
    shape = tensor.shape_signature if -1 in tensor.shape_signature else tensor.shape
    inner = shape[1:] if len(shape) == 4 and shape[0] in (1, -1) else shape
    if len(inner) == 3 and inner[2] in MODES:
        return False, inner[0], inner[1], inner[2]
    if len(inner) == 3 and inner[0] in MODES:
        return True, inner[1], inner[2], inner[0]
    if len(inner) == 3 and inner[0] in (1, -1):
        return False, inner[1], inner[2], 1
    if len(inner) == 2:
        return False, inner[0], inner[1], 1
    raise UsageError(f"{file}: input {tensor.name!r} has shape {tuple(shape)}, which is that of no picture")


def _image_shape(shape: Shape, tensor: Tensor, to_first: bool) -> Shape:
    """The input's shape for a picture of `shape`: with a batch of one, and without channels, where it is so."""
    if prod(shape) == tensor.elements:
        return tensor.shape
    return (1, *shape) if len(tensor.shape) == 4 else shape


def _open_image(file: str) -> Image:
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError:
        raise UsageError(f"{file}: pictures need Pillow: pip install 'refinfer[images]'") from None
    try:
        picture = Image.open(file)
        picture.load()
        return ImageOps.exif_transpose(picture)
    except UnidentifiedImageError:
        raise UsageError(f"{file}: not a picture that Pillow knows") from None
    except OSError as error:
        if error.filename is not None:
            raise
        raise UsageError(f"{file}: cannot be read as a picture: {error}") from None


INTEGERS, NUMBERS = "biu", "biufc"
"""Kinds of arrays."""

BILINEAR = 2  # PIL.Image.Resampling.BILINEAR
MODES = {1: "L", 3: "RGB", 4: "RGBA"}

Reader = Callable[[str, Tensor, Pixels], tuple["Array", str]]
READERS: dict[str, Reader] = {
    ".npy": _npy,
    ".txt": _text,
    ".csv": _text,
    ".wav": _wave,
    ".png": _image,
    ".jpg": _image,
    ".jpeg": _image,
    ".bmp": _image,
    ".gif": _image,
    ".webp": _image,
}
