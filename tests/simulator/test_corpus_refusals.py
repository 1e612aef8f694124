"""What TFLM refuses of the corpus is refused, at the same operator, for the reason that TFLM gives."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from refinfer.simulator import Refused
from tests import corpus
from tests.comparisons import refusal_by_the_wheel
from tests.corpus import CorpusModel, agree
from tests.referees.tflm import INSTALLED, Refusal, Tflm, refusal_of

RECORD: Mapping[str, Any] = json.loads(Path(__file__).parents[1].joinpath("data", "refusals.json").read_text())
RECORDED = {
    each["sha256"]: Refusal(each["when"], each["operator"], each["node"], each["message"], each["check"])
    for each in RECORD["refusals"]
}


def refused_models() -> list[Any]:
    return [pytest.param(each, id=each.file) for each in corpus.sample() if each.sha256 in RECORDED] or [
        corpus.NO_CORPUS
    ]


@pytest.mark.parametrize("model", refused_models())
def test_what_tflm_refuses_is_refused_where_tflm_stops(model: CorpusModel) -> None:
    measured = RECORDED[model.sha256]
    predicted = refusal_by_the_wheel(model)
    agree(model, "refused", predicted is not None, True)
    if predicted is not None:
        agree(model, "when refused", predicted.when, measured.when)
        agree(model, "refused operator", operator_as_tflm_prints_it(predicted, measured), measured.operator)
        if measured.node is not None:
            agree(model, "refused node", predicted.node and predicted.node.index, measured.node)


@pytest.mark.parametrize("model", refused_models())
def test_the_reason_is_the_message_that_tflm_prints(model: CorpusModel) -> None:
    """Where TFLM prints only the C expression that failed, the words are ours."""
    predicted, message = refusal_by_the_wheel(model), RECORDED[model.sha256].message
    if predicted is not None and message:
        agree(model, "reason", predicted.reason, message)
    elif predicted is not None:
        assert predicted.reason


@pytest.mark.parametrize("model", corpus.models(having="runs"))
def test_what_tflm_runs_is_not_refused(model: CorpusModel) -> None:
    refused = refusal_by_the_wheel(model)
    agree(model, "refused", refused and str(refused), None)


@pytest.mark.skipif(not INSTALLED, reason="there is no tflite-micro wheel for this platform")
@pytest.mark.parametrize("model", refused_models())
def test_the_record_is_what_the_wheel_prints(model: CorpusModel, tflm: Tflm) -> None:
    assert refusal_of(tflm.run(model.data, int_mode=model.int_mode)) == RECORDED[model.sha256]


def operator_as_tflm_prints_it(refused: Refused, measured: Refusal) -> str | None:
    """Custom operators are CUSTOM to TFLM until they are registered."""
    assert refused.node is not None
    return refused.node.op.name if measured.when == "load" else refused.node.name
