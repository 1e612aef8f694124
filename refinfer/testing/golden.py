"""Golden vectors: cases with the outputs that refinfer computes, as .npz or as a C header for tests on a board.

    export_golden(examples_of(cases(BuiltinOperator.ADD, TensorType.INT8), 20, number=7), "golden.h")

The same cases make the same file, to the byte. A dialect that refuses a case has no outputs for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from refinfer import __version__
from refinfer.kernels.kernel import Refusal
from refinfer.kernels.lazy import np
from refinfer.kernels.registry import PORTABLE
from refinfer.schema.errors import RefinferError, UsageError
from refinfer.schema.graph import Tensor
from refinfer.testing.case import Case
from refinfer.testing.prepared import parameters

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array
    from refinfer.testing.prepared import Parameters

Outputs = dict[str, "tuple[Array, ...]"]
"""By dialect."""


def export_golden(
    cases: Sequence[Case],
    path: str | os.PathLike[str],
    *,
    dialects: Sequence[str] = tuple(PORTABLE),
    origin: str = "",
) -> None:
    """Write cases and what they come to; the ending of `path`, ``.npz`` or ``.h``, says how.

    `origin` is what else the file shall say of where it comes from, such as the seed. Raises UsageError for another
    ending.
    """
    path = Path(path)
    if path.suffix not in WRITERS:
        raise UsageError(f"{path}: golden vectors are written as {' or '.join(WRITERS)}")
    provenance = f"refinfer {__version__}, dialects {' and '.join(dialects)}{f', {origin}' if origin else ''}"
    expected = [outputs_of(case, dialects) for case in cases]
    path.write_bytes(WRITERS[path.suffix](cases, expected, provenance))


def outputs_of(case: Case, dialects: Sequence[str]) -> Outputs:
    """What each dialect computes, of those that do not refuse."""
    found = {}
    for dialect in dialects:
        try:
            found[dialect] = case.expected(dialect)
        except (RefinferError, Refusal):
            continue
    return found


# .npz


def as_npz(cases: Sequence[Case], expected: Sequence[Outputs], provenance: str) -> bytes:
    """Arrays `provenance`, `case_0_model`, `case_0_input_0`, `case_0_tflm_output_0` …"""
    arrays: dict[str, Any] = {"provenance": np.array(provenance)}
    for number, (case, outputs) in enumerate(zip(cases, expected, strict=True)):
        arrays[f"case_{number}_model"] = np.frombuffer(case.model, np.uint8)
        arrays |= {f"case_{number}_input_{place}": x for place, x in enumerate(case.inputs)}
        for dialect, results in outputs.items():
            arrays |= {f"case_{number}_{dialect}_output_{place}": y for place, y in enumerate(results)}
    file = BytesIO()
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:  # numpy's own would write the time into it
        for name, array in arrays.items():
            entry = BytesIO()
            np.save(entry, array, allow_pickle=False)
            archive.writestr(ZipInfo(f"{name}.npy"), entry.getvalue(), ZIP_DEFLATED)
    return file.getvalue()


# C


def as_header(cases: Sequence[Case], expected: Sequence[Outputs], provenance: str) -> bytes:
    """A header for C99 and C++11: every tensor of a case, what its operator is prepared with, and the outputs."""
    lines = [f"/* Golden vectors, made by {provenance}. Do not edit. */", "#pragma once", *INCLUDES, ""]
    lines += [f"#define GOLDEN_CASES {len(cases)}"]
    for number, (case, outputs) in enumerate(zip(cases, expected, strict=True)):
        lines += ["", f"/* case {number}: {ascii_of(case)} */", *header_of(f"kCase{number}", case, outputs)]
    return ("\n".join(lines) + "\n").encode("ascii")


def ascii_of(case: Case) -> str:
    """The operators, for a comment."""
    return repr(case).replace("→", "->").encode("ascii", "replace").decode().replace("*/", "* /")


def header_of(prefix: str, case: Case, outputs: Outputs) -> Iterator[str]:
    """The declarations of a case."""
    main = case.graph.subgraphs[0]
    if len(main.nodes) == 1:
        for place, (tensor, value) in enumerate(zip(case.node.inputs, case.operands, strict=True)):
            if tensor is not None and value is not None:
                yield from tensor_of(f"{prefix}Input{place}", tensor, value)
        yield from numbers_of(prefix, {dialect: parameters(case.node, dialect) for dialect in outputs})
    else:
        yield from values_of(f"{prefix}Model", np.frombuffer(case.model, np.uint8))
        for place, (tensor, value) in enumerate(zip(main.inputs, case.inputs, strict=True)):
            yield from tensor_of(f"{prefix}Input{place}", tensor, value)
    for place, tensor in enumerate(main.outputs):
        yield from facts_of(f"{prefix}Output{place}", tensor)
        for dialect, results in outputs.items():
            yield from values_of(f"{prefix}Output{place}{camel(dialect)}", results[place])


def tensor_of(name: str, tensor: Tensor, value: Array) -> Iterator[str]:
    """Values, shape and quantization."""
    yield from facts_of(name, tensor)
    yield from values_of(name, value)


def facts_of(name: str, tensor: Tensor) -> Iterator[str]:
    """Shape and quantization."""
    if tensor.shape:
        yield from values_of(f"{name}Shape", np.array(tensor.shape, np.int32))
    quantization = tensor.quantization
    if quantization is not None and len(quantization.scale):
        yield from values_of(f"{name}Scale", np.array(quantization.scale, np.float32))
        yield from values_of(f"{name}ZeroPoint", np.array(quantization.zero_point, np.int64).astype(np.int32))


def numbers_of(prefix: str, found: Mapping[str, Parameters]) -> Iterator[str]:
    """What the kernel is told beside its tensors: once, or for each dialect where they differ."""
    for name in dict.fromkeys(name for each in found.values() for name in each):
        values = {dialect: each[name] for dialect, each in found.items() if name in each}
        arrays = {
            dialect: np.asarray(value, np.float32 if isinstance(value, float) else np.int32)
            for dialect, value in values.items()
        }
        first, *others = arrays.values()
        alike = len(arrays) == len(found) and all(np.array_equal(first, other) for other in others)
        for dialect, array in [("", first)] if alike else arrays.items():
            yield from values_of(f"{prefix}Param{camel(name)}{camel(dialect)}", array)


def camel(name: str) -> str:
    """output_multiplier becomes OutputMultiplier."""
    return "".join(word.capitalize() for word in name.split("_"))


def values_of(name: str, values: Array) -> Iterator[str]:
    """An array, or a number if it has no rank; an empty array, which C does not know, is left out."""
    if values.size == 0:
        yield f"/* {name} is empty */"
        return
    ctype, literal = C_TYPES[values.dtype.name]
    literals = [literal(each) for each in np.asarray(values).reshape(-1)]
    if values.ndim == 0:
        yield f"static const {ctype} {name} = {literals[0]};"
        return
    yield f"static const {ctype} {name}[{values.size}] = {{"
    yield from wrap(", ".join(literals), 110, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False)
    yield "};"


def integer(value: Any) -> str:
    """A literal of up to 32 bits; the least one has none of its own in C."""
    return "(-2147483647 - 1)" if value == -(2**31) else str(int(value))


def real(value: Any) -> str:
    """A literal that is read as the same float."""
    if not np.isfinite(value):
        return "NAN" if np.isnan(value) else "INFINITY" if value > 0 else "-INFINITY"
    text = repr(float(value))
    return f"{text}f"


def double(value: Any) -> str:
    """A literal that is read as the same double."""
    return repr(float(value)) if np.isfinite(value) else real(value)


INCLUDES = ("#include <math.h>", "#include <stdint.h>")
C_TYPES: dict[str, tuple[str, Callable[[Any], str]]] = {
    "bool": ("uint8_t", integer),
    "int8": ("int8_t", integer),
    "int16": ("int16_t", integer),
    "int32": ("int32_t", integer),
    "int64": ("int64_t", lambda value: "INT64_MIN" if value == -(2**63) else f"INT64_C({int(value)})"),
    "uint8": ("uint8_t", integer),
    "uint16": ("uint16_t", integer),
    "uint32": ("uint32_t", lambda value: f"UINT32_C({int(value)})"),
    "uint64": ("uint64_t", lambda value: f"UINT64_C({int(value)})"),
    "float16": ("uint16_t", lambda value: f"0x{int(value.view(np.uint16)):04x}"),  # its bits
    "float32": ("float", real),
    "float64": ("double", double),
}
WRITERS: dict[str, Callable[[Sequence[Case], Sequence[Outputs], str], bytes]] = {".npz": as_npz, ".h": as_header}
