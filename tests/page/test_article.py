"""Pages of evaluations and comparisons: whole, by themselves, with the numbers of the JSON, safe from hostile names."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import refinfer
from refinfer.cli import main
from refinfer.comparison.dialects import Comparison, diff
from refinfer.comparison.versions import VersionComparison, diff_models
from refinfer.evaluation import Evaluation, evaluate
from tests.comparison.ties import compared
from tests.page.pictures import HOSTILE, MODELS
from tests.page.test_html import Elements, embedded

Captured = pytest.CaptureFixture[str]

DENSE, FLOAT, LSTM = (MODELS / f"digits_{name}.tflite" for name in ("dense_int8", "dense_float", "lstm_int8"))
HELD_OUT = MODELS / "digits_held_out.npz"

Found = Comparison | Evaluation | VersionComparison


def evaluation() -> Evaluation:
    held_out = np.load(HELD_OUT)
    return evaluate(FLOAT, held_out["images"], held_out["labels"], std=16, against=DENSE)


@pytest.fixture(scope="module")
def found() -> dict[str, Found]:
    return {
        "evaluation": evaluation(),
        "dialects": diff(LSTM, seeds=2, official=False),
        "models": diff_models(FLOAT, DENSE, seeds=2),
    }


each_kind = pytest.mark.parametrize("kind", ["evaluation", "dialects", "models"])


@each_kind
def test_a_page_holds_what_the_json_says_and_asks_for_nothing(kind: str, found: dict[str, Found]) -> None:
    text = found[kind].to_html()
    assert text.startswith("<!DOCTYPE html>")
    assert embedded(text) == json.loads(json.dumps(found[kind].to_dict()))
    links = [v for _, attributes in Elements(text).tags for k, v in attributes.items() if k in ("src", "href")]
    assert links == ["data:,"]
    assert not re.search(r"@import|url\(|http", text.replace("http-equiv", ""))


@each_kind
def test_jupyter_shows_the_same_sections_and_leaves_its_own_page_alone(kind: str, found: dict[str, Found]) -> None:
    page, fragment = found[kind].to_html(), found[kind]._repr_html_()
    sections = re.findall(r"(?s)<section.*</section>", page)
    assert re.findall(r"(?s)<section.*</section>", fragment) == sections
    tags = [name for name, _ in Elements(fragment).tags]
    assert tags.count("style") == 1
    assert not {"html", "body", "script", "link", "meta"} & set(tags)


def test_a_verdict_and_a_plan_show_their_answer_and_the_map_of_the_arena() -> None:
    verdict, plan = refinfer.fit(DENSE, "nano33ble"), refinfer.plan(DENSE, ["cortex-m4"])
    refused = refinfer.fit(MODELS / "digits_conv_dynamic.tflite", "nano33ble", target="cortex-m4")
    shown = verdict._repr_html_()
    assert "fits Arduino Nano 33 BLE (Sense)" in shown
    assert f"kTensorArenaSize = {verdict.arena_size};" in shown
    assert all(f"{each.arena_size:,}" in shown for each in verdict.others)
    assert [each.count("data:image/svg+xml") for each in (shown, refused._repr_html_())] == [1, 0]
    assert "Hybrid models are not supported" in refused._repr_html_()
    assert all(gain.lever in plan._repr_html_() for gain in plan.gains)


@each_kind
def test_every_tag_is_closed(kind: str, found: dict[str, Found]) -> None:
    text = re.sub(r"<(?:meta|link)[^>]*>|<!DOCTYPE html>", "", found[kind].to_html())
    opened: list[str] = []
    for end, name, alone in re.findall(
        r"<(/?)([a-z0-9]+)[^>]*?(/?)>", re.sub(r"(?s)<(style|script).*?</\1>", "", text)
    ):
        if alone:
            continue
        if end:
            assert opened.pop() == name
        else:
            opened.append(name)
    assert opened == []


def test_the_matrix_shows_each_count_of_the_confusion() -> None:
    result = evaluation()
    text = result.to_html()
    drawn = [
        tuple(map(int, numbers)) for numbers in re.findall(r"<title>(\d+), taken for (\d+): (\d+)</title></rect>", text)
    ]
    expected = [
        (i, j, count)
        for score in result.scores
        for i, row in enumerate(score.confusion.tolist())
        for j, count in enumerate(row)
        if count
    ]
    assert drawn == expected


def test_columns_are_as_high_as_the_ratio_of_signal_and_noise(found: dict[str, Found]) -> None:
    compared = found["models"]
    assert isinstance(compared, VersionComparison)
    text = compared.to_html()
    heights = [float(h) for h in re.findall(r'<rect class="column(?: equal)?"[^>]* height="([\d.]+)"', text)]
    decibels = [stage.distance.sqnr or 0 for stage in compared.stages]
    assert len(heights) == len(decibels)
    per_decibel = {round(height / sqnr, 1) for height, sqnr in zip(heights, decibels, strict=True)}
    assert len(per_decibel) == 1


def test_a_histogram_shows_the_counts_of_its_bins(found: dict[str, Found]) -> None:
    compared = found["dialects"]
    assert isinstance(compared, Comparison)
    drawn = re.findall(r'<svg class="histogram".*?</svg>', compared.to_html())
    expected = [each.distance.histogram for each in compared.stages if each.distance.histogram.width]
    for svg, histogram in zip(drawn, expected, strict=True):
        counts = [int(count.replace(",", "")) for count in re.findall(r"<title>([\d,]+)</title>", svg)]
        assert counts == [count for count in (*histogram.below[::-1], *histogram.above) if count]


def test_a_page_tells_who_answers_alike_and_what_is_decided() -> None:
    cells = re.sub(r"<[^>]+>", " ", compared().to_html())
    words = " ".join(cells.split())
    assert "0 CONV_2D A A B B" in words
    assert "tflm, xnnpack 0 CONV_2D 1 of 4 (1) 1 of 2" in words
    assert "one.npy 1 1 0 0" in words


def hostile(path: Path, graph: refinfer.Graph) -> bytes:
    """The model with names of tensors that are as bad as they can be."""
    data = path.read_bytes()
    names = sorted({y.name for node in graph.nodes for y in node.outputs}, key=len, reverse=True)
    for name, bad in zip(names, sorted(HOSTILE, key=lambda bad: -len(bad.encode())), strict=False):
        if len(bad.encode()) <= len(name.encode()):
            data = data.replace(name.encode(), bad.encode().ljust(len(name), b"."))
    return data


def test_no_name_of_a_tensor_gets_out_of_its_place() -> None:
    plain = DENSE.read_bytes()
    bad = hostile(DENSE, refinfer.read_model(DENSE))
    assert bad != plain
    pages = [diff_models(data, data, seeds=1).to_html() for data in (bad, plain)]
    assert [tag for tag, _ in Elements(pages[0]).tags] == [tag for tag, _ in Elements(pages[1]).tags]
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", pages[0])


def test_no_name_of_a_class_does_either() -> None:
    names = [f"<script>alert({i})</script>" for i in range(10)]
    held_out = np.load(HELD_OUT)
    found = evaluate(DENSE, held_out["images"][:20], held_out["labels"][:20], std=16, names=names)
    assert [tag for tag, _ in Elements(found.to_html()).tags].count("script") == 1


# files


@pytest.mark.parametrize(
    "command",
    [
        ["evaluate", DENSE, HELD_OUT, "--std", "16"],
        ["diff", DENSE, "--ours-only", "--seeds", "1"],
        ["diff", DENSE, FLOAT, "--seeds", "1"],
    ],
    ids=["evaluate", "diff", "diff of two"],
)
def test_a_page_is_written_and_overwritten_only_if_that_is_said(
    command: list[object], tmp_path: Path, capsys: Captured
) -> None:
    page = tmp_path / "page.html"
    arguments = [*map(str, command), "--html", str(page)]
    assert main(arguments) in (0, 1)
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    page.write_text("mine")
    capsys.readouterr()
    assert main(arguments) == 2
    assert capsys.readouterr().err == f"refinfer: {page}: exists; --force overwrites it\n"
    assert page.read_text() == "mine"
    assert main([*arguments, "--force"]) in (0, 1)
    assert page.read_text(encoding="utf-8") != "mine"
