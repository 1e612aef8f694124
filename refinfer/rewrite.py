"""Models made of models: the same tables but for what is changed, as a new file.

Nothing is changed in place, and nothing else changes: operators, tensors, signatures, metadata and constants stay as
they are, at the indices that they have, and constants at an address that is a multiple of 16.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

from refinfer.schema.flatbuffer import Table
from refinfer.schema.options import Conv2DOptions
from refinfer.schema.tables import Buffer, Metadata, Model, Operator, SignatureDef, SubGraph, TensorMap

T = TypeVar("T", bound=Table)

CONTROL_DEPENDENCIES = "model_control_dependencies"
"""Metadata that names operators by their index [control_edges.h: kModelControlDependenciesMetadataKey]."""


def changed(table: T, **values: Any) -> T:
    """The table with other values in these fields."""
    return type(table)(**{field.name: getattr(table, field.name) for field in type(table).fields} | values)


def with_metadata(model: Model, name: str, data: bytes) -> Model:
    """The model with this metadata entry, in place of any that it has of that name."""
    metadata = tuple(each for each in model.metadata or () if each.name != name)
    buffers = model.buffers or (Buffer(),)  # the first stands for none
    place = _buffer_of(model, name)
    if place is None:
        place, buffers = len(buffers), (*buffers, Buffer())
    return changed(
        model,
        buffers=(*buffers[:place], Buffer(data=memoryview(data)), *buffers[place + 1 :]),
        metadata=(*metadata, Metadata(name=name, buffer=place)),
    )


def without_metadata(model: Model, name: str) -> Model:
    """The model without the metadata of that name; its buffer is emptied, so that all others keep their index."""
    place = _buffer_of(model, name)
    metadata = tuple(each for each in model.metadata or () if each.name != name)
    if len(metadata) == len(model.metadata or ()):
        return model
    buffers = model.buffers or ()
    if place is not None:
        buffers = (*buffers[:place], Buffer(), *buffers[place + 1 :])
    return changed(model, buffers=buffers, metadata=metadata)


def _buffer_of(model: Model, name: str) -> int | None:
    """The buffer that the metadata of that name has for itself."""
    found = [each.buffer for each in model.metadata or () if each.name == name]
    others = {each.buffer for each in model.metadata or () if each.name != name} | set(model.metadata_buffer or ())
    tensors = {tensor.buffer for subgraph in model.subgraphs or () for tensor in subgraph.tensors or ()}
    return found[-1] if found and found[-1] not in others | tensors | {0} else None


def with_order(model: Model, subgraph: int, order: Sequence[int]) -> Model:
    """The model with the operators of a subgraph in another order, given by their old indices."""
    assert model.subgraphs is not None
    table = model.subgraphs[subgraph]
    operators = table.operators or ()
    assert sorted(order) == list(range(len(operators)))
    new = changed(table, operators=tuple(operators[index] for index in order))
    return changed(model, subgraphs=(*model.subgraphs[:subgraph], new, *model.subgraphs[subgraph + 1 :]))


def with_dilation(model: Model, subgraph: int, convolutions: Collection[int]) -> Model:
    """The model with a dilation of 2 along the width in these CONV_2D of a subgraph, given by their indices.

    Between the taps of a filter that has but one there is nothing to be widened.
    """
    assert model.subgraphs is not None
    table = model.subgraphs[subgraph]
    operators = list(table.operators or ())
    for index in convolutions:
        options = operators[index].builtin_options
        assert isinstance(options, Conv2DOptions)
        operators[index] = changed(operators[index], builtin_options=changed(options, dilation_w_factor=2))
    new = changed(table, operators=tuple(operators))
    return changed(model, subgraphs=(*model.subgraphs[:subgraph], new, *model.subgraphs[subgraph + 1 :]))


def names_operators(metadata: Mapping[str, object]) -> bool:
    """Whether metadata speaks of operators by their index, so that they must keep their order."""
    return CONTROL_DEPENDENCIES in metadata


def without_unused_tensors(model: Model) -> Model:
    """The model without the tensors that nothing refers to; the others move up. Buffers stay, emptied if need be."""
    kept = [_kept(index, model) for index in range(len(model.subgraphs or ()))]
    subgraphs = tuple(_renumbered(each, kept[i]) for i, each in enumerate(model.subgraphs or ()))
    used = {tensor.buffer for each in subgraphs for tensor in each.tensors or ()}
    used |= {each.buffer for each in model.metadata or ()} | set(model.metadata_buffer or ())
    before = {tensor.buffer for each in model.subgraphs or () for tensor in each.tensors or ()}
    signatures = tuple(_resigned(each, kept[each.subgraph_index]) for each in model.signature_defs or ())
    return changed(
        model,
        subgraphs=subgraphs,
        buffers=tuple(Buffer() if i in before - used else each for i, each in enumerate(model.buffers or ())),
        signature_defs=None if model.signature_defs is None else signatures,
    )


def _kept(index: int, model: Model) -> dict[int, int]:
    """The new index of each tensor of a subgraph that something refers to."""
    assert model.subgraphs is not None
    table = model.subgraphs[index]
    tensors = table.tensors or ()
    if any(each.quantization is not None and each.quantization.details is not None for each in tensors):
        return {each: each for each in range(len(tensors))}  # tensors hold scales of others
    used = {*(table.inputs or ()), *(table.outputs or ())}
    for operator in table.operators or ():
        used.update(operator.inputs or (), operator.outputs or (), operator.intermediates or ())
    for signature in model.signature_defs or ():
        if signature.subgraph_index == index:
            used.update(each.tensor_index for each in (*(signature.inputs or ()), *(signature.outputs or ())))
    return {old: new for new, old in enumerate(sorted(used - {-1}))}


def _renumbered(table: SubGraph, kept: Mapping[int, int]) -> SubGraph:
    if len(kept) == len(table.tensors or ()):
        return table

    def new(indices: Sequence[int] | None) -> tuple[int, ...] | None:
        return None if indices is None else tuple(kept.get(each, each) for each in indices)

    def operator(each: Operator) -> Operator:
        return changed(each, inputs=new(each.inputs), outputs=new(each.outputs), intermediates=new(each.intermediates))

    return changed(
        table,
        tensors=tuple(each for i, each in enumerate(table.tensors or ()) if i in kept),
        inputs=new(table.inputs),
        outputs=new(table.outputs),
        operators=tuple(operator(each) for each in table.operators or ()),
    )


def _resigned(table: SignatureDef, kept: Mapping[int, int]) -> SignatureDef:
    def names(maps: Sequence[TensorMap] | None) -> tuple[TensorMap, ...] | None:
        return None if maps is None else tuple(changed(each, tensor_index=kept[each.tensor_index]) for each in maps)

    return changed(table, inputs=names(table.inputs), outputs=names(table.outputs))
