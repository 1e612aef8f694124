"""What plans save, as docs/savings.md tells: made again for a sample, the record is met or beaten."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from refinfer.planning import plan
from tests import corpus
from tools import savings

RECORD = savings.record()
MOST = 40_000  # bytes of a network that is planned again
LEVERS = [
    "greedy",
    "buffers placed anew",
    "operators reordered",
    "outputs laid over inputs",
    "1×1 convolutions dilated",
]


def paths() -> list[object]:
    """The models of the record that are here, of the networks the small ones."""
    found = [(name, path) for name, path, _ in savings.models() if name in RECORD]
    return [pytest.param(name, path, id=name) for name, path in found if corpus.ALL or path.stat().st_size <= MOST]


@pytest.mark.parametrize(("model", "path"), paths())
@pytest.mark.parametrize("name", savings.PLANS)
def test_the_record_is_met_or_beaten(model: str, path: Path, name: str) -> None:
    assert RECORD[model]["sha256"] == sha256(path.read_bytes()).hexdigest()
    targets, dilate = savings.PLANS[name]
    if name not in RECORD[model]["plans"]:
        pytest.skip("TFLM does not run it there")
    gains = plan(path, targets, dilate=dilate).gains
    recorded = RECORD[model]["plans"][name]
    assert [gain.lever for gain in gains] == LEVERS[: len(recorded)]
    assert gains[0].minimum == recorded[0][0]
    for gain, (minimum, _, _) in zip(gains, recorded, strict=True):
        assert gain.minimum <= minimum
        assert gain.lower_bound <= gain.head


def test_the_models_that_save_most_come_first() -> None:
    shares = [each.share for each in savings.savings(savings.CMSIS_NN, savings.DILATED)]
    assert shares == sorted(shares, reverse=True)
    assert len(shares) > 10
    assert min(shares) == 0  # no plan is worse than what is there


def test_each_lever_adds_to_those_before_it() -> None:
    for each in RECORD.values():
        for lines in each["plans"].values():
            minima = [minimum for minimum, _, _ in lines]
            assert minima == sorted(minima, reverse=True)
