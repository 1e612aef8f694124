"""Any bytes give a graph or an error of ours, soon and in little memory."""

from __future__ import annotations

import random
import time
import tracemalloc
from pathlib import Path
from struct import pack as bytes_of

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from refinfer.schema import FormatError, RefinferError, parse, read_model
from refinfer.schema.enums import TensorType
from tests import corpus
from tests.schema.making import buffer, dense, small, small_bytes, tensor
from tests.schema.referee import pack

SECONDS = 1.0
TIMES_THE_FILE = 16
BYTES_AT_LEAST = 1 << 15  # for what any call takes, and an error with its traceback

SMALL = small_bytes()
MODELS = [SMALL, *(path.read_bytes() for path in sorted(Path(__file__).parents[2].glob("models/*lstm_int8.tflite")))]


def judge(data: bytes, *, memory: bool = False) -> str | None:
    """Read the bytes and hold us to the promise; the message if they are refused, None if they are not."""
    if memory:
        tracemalloc.start()
    start = time.process_time()
    try:
        read_model(data)
        message = None
    except RefinferError as error:
        message = str(error)
    seconds = time.process_time() - start
    if memory:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak <= max(BYTES_AT_LEAST, TIMES_THE_FILE * len(data)), f"{peak} bytes for a file of {len(data)}"
    else:
        assert seconds < SECONDS
    return message


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_read(data: bytes) -> None:
    judge(data)


@given(st.binary(max_size=200))
@example(b"")
def test_any_bytes_after_an_identifier_are_refused_or_read(data: bytes) -> None:
    judge(bytes_of("<I", 8) + b"TFL3" + data)


@settings(max_examples=300)
@given(
    st.sampled_from(MODELS),
    st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 2**32 - 1), st.sampled_from("BHI")), max_size=4),
)
def test_any_edits_are_refused_or_read(model: bytes, edits: list[tuple[int, int, str]]) -> None:
    data = bytearray(model)
    for place, value, width in edits:
        changed = bytes_of("<I", value)[: {"B": 1, "H": 2, "I": 4}[width]]
        at = place % (len(data) - 4)
        data[at : at + len(changed)] = changed
    judge(bytes(data))


def test_every_prefix_of_a_model_is_refused() -> None:
    whole = read_model(SMALL)
    assert whole.subgraphs
    for length in range(len(SMALL) - 8):  # the last bytes may be padding or constant
        with pytest.raises(FormatError):
            read_model(SMALL[:length])


def mutants(data: bytes, count: int, seed: int) -> list[bytes]:
    """Copies with one to four words set to values that offsets, lengths and vtables are sensitive to."""
    rng = random.Random(seed)
    sensitive = [0, 1, 2, 3, 4, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, len(data), len(data) // 4]
    found = []
    for _ in range(count):
        copy = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            at = 4 * rng.randrange(len(copy) // 4) + rng.choice((0, 0, 0, 1, 2, 3))
            width = rng.choice((1, 2, 4))
            value = rng.choice([*sensitive, rng.randrange(2**32), rng.randrange(len(data))])
            copy[at : at + width] = bytes_of("<I", value)[:width]
        found.append(bytes(copy[: len(data)]))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_mutants_of_a_small_model_are_refused_or_read(seed: int) -> None:
    messages = {judge(each, memory=i % 10 == 0) for i, each in enumerate(mutants(SMALL, 500, seed))}
    assert None in messages  # some survive
    assert len(messages) > 50  # and the others are told apart


@pytest.mark.parametrize("model", corpus.models())
def test_mutants_of_real_models_are_refused_or_read(model: corpus.CorpusModel) -> None:
    if model.nbytes > 400_000:
        pytest.skip("large models take long and have little structure beyond their constants")
    for i, each in enumerate(mutants(model.data, 12, seed=0)):
        judge(each, memory=i == 0)


@pytest.mark.parametrize("model", corpus.models())
def test_a_real_model_takes_little_memory(model: corpus.CorpusModel) -> None:
    judge(model.data, memory=True)


# Files that were crafted to be small and unfold


def vtable(*places: int) -> list[int]:
    """The words of a vtable; an even number of slots keeps what follows aligned."""
    assert len(places) % 2 == 0
    entries = [4 + 2 * len(places), 64, *places]
    return [low | high << 16 for low, high in zip(entries[::2], entries[1::2], strict=True)]


def model_of_shared_tables(subgraphs: int, tensors: int) -> bytes:
    """Many offsets to one and the same subgraph, which has many offsets to one and the same tensor."""
    subgraph, tensor = 12 + subgraphs, 15 + subgraphs + tensors  # places, in words
    words = [
        *(9 * 4, int.from_bytes(b"TFL3", "little")),
        *(*vtable(0, 0, 4, 0), *vtable(4, 0), *vtable(0, 0)),  # of the model at 2, the subgraph at 5, the tensor at 7
        *((9 - 2) * 4, (11 - 10) * 4),  # the model: its vtable, its subgraphs
        *(subgraphs, *((subgraph - at) * 4 for at in range(12, subgraph))),
        *((subgraph - 5) * 4, 4),  # the subgraph: its vtable, its tensors
        *(tensors, *((tensor - at) * 4 for at in range(subgraph + 3, tensor))),
        (tensor - 7) * 4,
    ]
    return bytes_of(f"<{len(words)}I", *words)


@pytest.mark.parametrize(("subgraphs", "tensors"), [(1000, 1000), (1, 20000), (20000, 1), (3, 300_000)])
def test_shared_tables_do_not_unfold(subgraphs: int, tensors: int) -> None:
    data = model_of_shared_tables(subgraphs, tensors)
    message = judge(data)
    assert message is not None
    assert judge(data, memory=True) == message
    assert message.endswith(f"together they are many times larger than the file of {len(data)} bytes")


def test_a_model_may_share_a_table() -> None:
    model = parse(model_of_shared_tables(3, 2))
    assert model.subgraphs is not None
    assert [len(each.tensors or ()) for each in model.subgraphs] == [2, 2, 2]


@pytest.mark.slow
def test_a_model_of_five_thousand_operators_is_read_within_a_second() -> None:
    model = small()
    main = model.subgraphs[0]
    main.tensors, main.operators, model.buffers = [tensor("t", [1, 4])], [], [buffer(0)]
    for _ in range(5000):
        model.buffers += [buffer(16), buffer(16)]
        last, first = len(main.tensors) - 1, len(main.tensors)
        weights, bias = len(model.buffers) - 2, len(model.buffers) - 1
        main.tensors += [tensor("w", [4, 4], weights), tensor("b", [4], bias, TensorType.INT32), tensor("t", [1, 4])]
        main.operators.append(dense([last, first, first + 1], [first + 2]))
    main.outputs = [len(main.tensors) - 1]
    data = pack(model)
    assert judge(data) is None
    assert judge(data, memory=True) is None


def test_opening_a_large_file_reads_only_what_it_needs(tmp_path: Path) -> None:
    model = small()
    model.buffers.append(buffer(0))
    model.buffers[5].data = np.zeros(50_000_000, np.uint8)  # flatc's code is quick with arrays alone
    model.subgraphs[0].tensors.append(tensor("large", [50_000_000], 5))
    path = tmp_path / "large.tflite"
    path.write_bytes(pack(model))
    start = time.process_time()
    tracemalloc.start()
    graph = read_model(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert graph.subgraphs[0].tensors[-1].elements == 50_000_000
    assert peak < 100_000
    assert time.process_time() - start < 0.1


# The cases that official tools crash on; tests/schema/test_resolve.py has those that are well-formed


def test_a_truncated_file_is_refused() -> None:
    place = len(SMALL) // 2
    assert judge(SMALL[:place]) == (
        f"Model.operator_codes: 4 bytes at offset 984 do not lie within the file of {place} bytes"
    )


def test_a_file_cut_to_64_bytes_is_refused() -> None:
    assert judge(SMALL[:64]) == "Model: 2 bytes at offset 186 do not lie within the file of 64 bytes"


def test_random_bytes_after_an_identifier_are_refused() -> None:
    data = bytearray(random.Random(3).randbytes(1000))
    data[4:8] = b"TFL3"
    message = judge(bytes(data))
    assert message is not None
    assert "do not lie within the file of 1000 bytes" in message


def test_a_shape_of_two_billion_elements_is_read() -> None:
    model = small()
    model.subgraphs[0].tensors[0].shape = [1, 2**31 - 1]
    assert read_model(pack(model)).subgraphs[0].tensors[0].elements == 2**31 - 1


def test_forty_bit_flips_in_the_tail_are_refused_or_read() -> None:
    rng = random.Random(5)
    for _ in range(200):
        data = bytearray(SMALL)
        for _ in range(40):
            data[rng.randrange(len(data) // 2, len(data))] ^= 1 << rng.randrange(8)
        judge(bytes(data))
