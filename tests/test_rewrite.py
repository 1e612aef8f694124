"""Models made of models: what is changed, and that nothing else is."""

from __future__ import annotations

from pathlib import Path

from refinfer.rewrite import changed, with_dilation, with_metadata, with_order, without_metadata
from refinfer.schema import parse, read_model, tables
from refinfer.schema.options import Conv2DOptions
from refinfer.schema.writer import write
from tests.schema import making
from tests.schema.referee import pack

MODEL = parse(making.small_bytes())


def test_a_metadata_entry_is_added_at_the_end() -> None:
    new = with_metadata(MODEL, "notes", b"some")
    assert bytes(read_model(write(new)).metadata["notes"]) == b"some"
    assert new.buffers is not None
    assert new.buffers[:-1] == MODEL.buffers
    assert changed(new, buffers=MODEL.buffers, metadata=MODEL.metadata) == MODEL


def test_a_metadata_entry_of_the_same_name_is_replaced_in_its_buffer() -> None:
    first = with_metadata(with_metadata(MODEL, "notes", b"some"), "others", b"kept")
    new = with_metadata(first, "notes", b"new")
    assert {name: bytes(data) for name, data in read_model(write(new)).metadata.items()} == {
        "notes": b"new",
        "others": b"kept",
    }
    assert len(new.buffers or ()) == len(first.buffers or ())


def test_a_buffer_that_others_use_is_not_overwritten() -> None:
    shared = changed(MODEL, metadata=(tables.Metadata(name="notes", buffer=1),))  # the weights of the first layer
    new = with_metadata(shared, "notes", b"new")
    assert new.buffers is not None
    assert shared.buffers is not None
    assert new.buffers[: len(shared.buffers)] == shared.buffers


def test_metadata_that_is_taken_out_leaves_all_indices_as_they_are() -> None:
    with_both = with_metadata(with_metadata(MODEL, "notes", b"some"), "others", b"kept")
    new = without_metadata(with_both, "notes")
    assert {name: bytes(data) for name, data in read_model(write(new)).metadata.items()} == {"others": b"kept"}
    assert without_metadata(new, "notes") == new


def test_operators_come_in_another_order_and_tensors_do_not() -> None:
    independent = making.small()
    first, second = independent.subgraphs[0].operators
    second.inputs = [making.X, making.WEIGHTS_1, making.BIAS_1]
    second.outputs = [making.Y]
    independent.subgraphs[0].tensors[making.Y].shape = [1, 3]
    model = parse(pack(independent))
    new = with_order(model, 0, [1, 0])
    assert new.subgraphs is not None
    assert model.subgraphs is not None
    assert new.subgraphs[0].operators == (model.subgraphs[0].operators or ())[::-1]
    assert new.subgraphs[0].tensors == model.subgraphs[0].tensors
    assert [node.outputs[0].name for node in read_model(write(new)).nodes] == ["y", "hidden"]
    assert first is not second


def test_a_dilation_is_all_that_changes_in_an_operator() -> None:
    path = Path(__file__).resolve().parents[1] / "models" / "digits_mobile_int8.tflite"
    model = parse(path.read_bytes())
    new = with_dilation(model, 0, [2])
    assert new != model
    assert new.subgraphs is not None
    assert model.subgraphs is not None
    before, after = model.subgraphs[0].operators or (), new.subgraphs[0].operators or ()
    options = after[2].builtin_options
    assert isinstance(options, Conv2DOptions)
    assert (options.dilation_h_factor, options.dilation_w_factor) == (1, 2)
    restored = changed(after[2], builtin_options=changed(options, dilation_w_factor=1))
    assert (*after[:2], restored, *after[3:]) == before
    assert with_dilation(model, 0, []) == model
