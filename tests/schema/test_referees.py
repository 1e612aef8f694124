"""The schema as declared, and every field of every model, against both referees."""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path

import pytest
from ai_edge_litert import schema_py_generated as litert

from refinfer.schema import enums, options, parse, tables
from refinfer.schema.flatbuffer import Table
from tests import corpus
from tests.schema import referee

OUR_OWN = sorted(Path(__file__).parents[2].glob("models/*.tflite"))

UNIONS = {
    "BuiltinOptions": options.BUILTIN_OPTIONS,
    "BuiltinOptions2": options.BUILTIN_OPTIONS_2,
    "QuantizationDetails": tables.QUANTIZATION_DETAILS,
    "SparseIndexVector": tables.SPARSE_INDEX_VECTOR,
}


def check(data: bytes) -> None:
    model = parse(data)
    assert list(referee.differences(model, litert.ModelT.InitFromPackedBuf(data, 0))) == []
    assert list(referee.older_differences(model, referee.older_model(data))) == []


@pytest.mark.parametrize("model", corpus.models())
def test_every_field_of_a_real_model_reads_as_both_referees_read_it(model: corpus.CorpusModel) -> None:
    check(model.data)


@pytest.mark.parametrize("path", OUR_OWN, ids=lambda path: path.name)
def test_every_field_of_our_own_models_reads_as_both_referees_read_it(path: Path) -> None:
    check(path.read_bytes())


def test_every_table_of_the_schema_is_declared() -> None:
    theirs = {name.removesuffix("T") for name in vars(litert) if name.endswith("T") and hasattr(litert, name[:-1])}
    assert {table.__name__ for table in referee.all_tables()} == theirs


@pytest.mark.parametrize("table", referee.all_tables(), ids=lambda table: table.__name__)
def test_fields_have_the_names_and_slots_of_the_schema(table: type[Table]) -> None:
    name = table.__name__
    ours = [None if (name, each.name) in referee.HIDDEN else referee.camel(each.name) for each in table.fields]
    theirs = [each and each.name for each in referee.slots(name)]
    if name == "ResizeBilinearOptions":
        assert theirs[:2] == [None, None]
    assert ours == theirs


def test_every_enum_has_the_members_of_the_schema() -> None:
    ours = {
        name: {key: int(member) for key, member in each.__members__.items()}
        for name, each in vars(enums).items()
        if isinstance(each, type) and issubclass(each, IntEnum) and each is not IntEnum
    }
    assert ours == {name: each for name, each in referee.enums_and_unions().items() if name not in UNIONS}


@pytest.mark.parametrize("union", UNIONS)
def test_every_union_has_the_members_of_the_schema(union: str) -> None:
    theirs = referee.enums_and_unions()[union]
    assert theirs.pop("NONE") == 0
    assert {member.__name__: number for number, member in enumerate(UNIONS[union], start=1)} == theirs
