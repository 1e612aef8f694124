"""Operators that few models have: diagonals, segments, sequences, scattered values, bits by another name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hypothesis import strategies as st

from refinfer.kernels.compute import dtype_of
from refinfer.kernels.lazy import np
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.flatbuffer import Table
from refinfer.schema.options import (
    LocalResponseNormalizationOptions,
    ReverseSequenceOptions,
    SparseToDenseOptions,
)
from refinfer.testing.choices import Choose, same
from refinfer.testing.models import NodeSpec, TensorSpec
from refinfer.testing.operators.movement import indices
from refinfer.testing.strategies import float32, integers_as

Make = Callable[[Choose, TensorType], NodeSpec]

INT32 = TensorType.INT32


def plain(tensor: TensorSpec) -> TensorSpec:
    """The same without scale and zero point."""
    return replace(tensor, scale=(), zero_point=())


def range_of(choose: Choose, type: TensorType) -> NodeSpec:
    """RANGE of a few numbers, forwards or backwards."""
    start, count = choose.integer("start", -20, 20), choose.integer("count", 1, 12)
    step = choose("step", st.sampled_from([1, 2, 3, -1, -2]))
    dtype = dtype_of(type)
    settings = [TensorSpec(type, (), data=np.array(each, dtype)) for each in (start, start + count * step, step)]
    return NodeSpec(BuiltinOperator.RANGE, settings, [TensorSpec(type, ())])


def matrix_diag(choose: Choose, type: TensorType) -> NodeSpec:
    """MATRIX_DIAG: rows become diagonals."""
    x = plain(choose.tensor("input", type, choose.shapes(1, 3)))
    return NodeSpec(BuiltinOperator.MATRIX_DIAG, [x], [same(x)])


def matrix_set_diag(choose: Choose, type: TensorType) -> NodeSpec:
    """MATRIX_SET_DIAG: matrices get other diagonals."""
    x = plain(choose.tensor("input", type, choose.shapes(2, 4)))
    *batches, rows, columns = x.shape
    diagonal = replace(x, shape=(*batches, min(rows, columns)))
    return NodeSpec(BuiltinOperator.MATRIX_SET_DIAG, [x, diagonal], [same(x)])


def reverse_sequence(choose: Choose, type: TensorType) -> NodeSpec:
    """REVERSE_SEQUENCE: of each batch the first few are reversed."""
    x = plain(choose.tensor("input", type, choose.shapes(2, 4)))
    batch = choose.integer("batch_dim", 0, len(x.shape) - 1)
    sequence = choose("seq_dim", st.sampled_from([axis for axis in range(len(x.shape)) if axis != batch]))
    lengths = [choose.draw(st.integers(0, x.shape[sequence])) for _ in range(x.shape[batch])]
    options = ReverseSequenceOptions(seq_dim=sequence, batch_dim=batch)
    return NodeSpec(BuiltinOperator.REVERSE_SEQUENCE, [x, integers_as(INT32, lengths)], [same(x)], options)


def segment_sum(choose: Choose, type: TensorType) -> NodeSpec:
    """SEGMENT_SUM: rows with the same number, which rise, are added."""
    x = choose.tensor("input", type, choose.shapes(1, 3))
    steps = [0, *(choose.draw(st.integers(0, 1)) for _ in range(x.shape[0] - 1))]
    numbers = integers_as(INT32, np.cumsum(steps))
    return NodeSpec(BuiltinOperator.SEGMENT_SUM, [x, numbers], [same(x)])


def unsorted_segment(op: BuiltinOperator) -> Make:
    """UNSORTED_SEGMENT_…: rows with the same number come to one; a row of number -1 to none."""

    def make(choose: Choose, type: TensorType) -> NodeSpec:
        x = choose.tensor("input", type, choose.shapes(1, 3))
        count = choose.integer("segments", 1, 4)
        numbers = [choose.draw(st.integers(-1, count - 1)) for _ in range(x.shape[0])]
        return NodeSpec(op, [x, integers_as(INT32, numbers), integers_as(INT32, count)], [same(x)])

    return make


def scatter_nd(choose: Choose, type: TensorType) -> NodeSpec:
    """SCATTER_ND of single rows; the first input holds the indices, and `type` is that of the updates."""
    shape = choose("shape", choose.shapes(1, 3))
    where = indices(choose, (choose.length("updates", 4),), shape[0])
    assert where.data is not None
    column = TensorSpec(INT32, (where.shape[0], 1), data=where.data.reshape(-1, 1))
    updates = plain(choose.tensor("input", type, (where.shape[0], *shape[1:])))
    inputs = [column, updates, integers_as(INT32, list(shape))]
    return NodeSpec(BuiltinOperator.SCATTER_ND, inputs, [same(updates)])


def sparse_to_dense(choose: Choose, type: TensorType) -> NodeSpec:
    """SPARSE_TO_DENSE of values at rising places; `type` is that of the values."""
    length = choose.length("length", 8)
    places = choose("places", st.lists(st.integers(0, length - 1), min_size=1, unique=True).map(sorted))
    values = plain(choose.tensor("input", type, (len(places),)))
    rest = plain(choose.tensor("default", type, ()))
    inputs = [integers_as(INT32, [[place] for place in places]), integers_as(INT32, [length]), values, rest]
    return NodeSpec(BuiltinOperator.SPARSE_TO_DENSE, inputs, [same(values)], SparseToDenseOptions())


def local_response_normalization(choose: Choose, type: TensorType) -> NodeSpec:
    """LOCAL_RESPONSE_NORMALIZATION."""
    x = choose.tensor("input", type, choose.shapes(4, 4))
    options = LocalResponseNormalizationOptions(
        radius=choose.integer("radius", 0, 3),
        bias=choose("bias", st.sampled_from([1.0, 0.5, 2.0])),
        alpha=choose("alpha", st.floats(0, 2).map(float32)),
        beta=choose("beta", st.sampled_from([0.5, 1.0, 0.75])),
    )
    return NodeSpec(BuiltinOperator.LOCAL_RESPONSE_NORMALIZATION, [x], [same(x)], options)


def bitcast(choose: Choose, type: TensorType) -> NodeSpec:
    """BITCAST to a type of the same width."""
    x = plain(choose.tensor("input", type, choose.shapes(1, 4)))
    width = dtype_of(type).itemsize
    into = choose("output_type", st.sampled_from([each for each in CAST_TO if dtype_of(each).itemsize == width]))
    return NodeSpec(BuiltinOperator.BITCAST, [x], [TensorSpec(into, ())])


def stablehlo(op: BuiltinOperator, options: type[Table] | None = None) -> Make:
    """Two inputs of one shape, which are never quantized."""

    def make(choose: Choose, type: TensorType) -> NodeSpec:
        x = plain(choose.tensor("input", type, choose.shapes(1, 4)))
        return NodeSpec(op, [x, replace(x)], [same(x)], options() if options else None)

    return make


CAST_TO = (
    TensorType.INT8,
    TensorType.UINT8,
    TensorType.INT16,
    TensorType.UINT16,
    INT32,
    TensorType.UINT32,
    TensorType.FLOAT32,
    TensorType.INT64,
)
