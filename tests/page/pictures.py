"""Models to draw, and what a drawing says: numbers out of its rectangles, read by an XML parser."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

from tests import corpus

MODELS = Path(__file__).resolve().parents[2] / "models"
CONV, DENSE, MOBILE, STREAM = (MODELS / f"digits_{name}_int8.tflite" for name in ("conv", "dense", "mobile", "stream"))
SAMPLES = sorted(MODELS.glob("*_int8.tflite"))
SVG = "{http://www.w3.org/2000/svg}"


class Box(NamedTuple):
    """A rectangle in pixels."""

    x: float
    y: float
    width: float
    height: float


def boxes(svg: str, kind: str) -> dict[int, Box]:
    """The rectangles of a kind, by number."""
    found = [rect for rect in ElementTree.fromstring(svg).iter(f"{SVG}rect") if rect.get("data-kind") == kind]
    numbers = [int(rect.attrib[f"data-{kind}"]) for rect in found]
    assert kind == "moment" or len(set(numbers)) == len(numbers)
    return {number: box_of(rect.attrib) for number, rect in zip(numbers, found, strict=True)}


def rooms(svg: str) -> list[Box]:
    """The two panels."""
    return [box_of(r.attrib) for r in ElementTree.fromstring(svg).iter(f"{SVG}rect") if r.get("class") == "room"]


def box_of(attributes: Mapping[str, Any]) -> Box:
    return Box(*(float(attributes[name]) for name in ("x", "y", "width", "height")))


PIXEL, ROUNDING = 1.0, 0.02  # nothing is drawn smaller than a pixel; coordinates have two places


def misplaced(drawn: Mapping[int, Box], room: Box, report: Mapping[str, Any]) -> Iterator[str]:
    """Buffers of a report's JSON form that are not drawn where its numbers say."""
    start = min([0, *(buffer["first"] for buffer in report["buffers"])])  # -1 is for what never runs
    steps, size = len(report["steps"]) - start, -(-report["arena"]["minimum"] // 16) * 16
    if drawn.keys() != set(range(len(report["buffers"]))):
        yield f"{len(drawn)} rectangles of {len(report['buffers'])}"
    for number, buffer in enumerate(report["buffers"]):
        x, y, width, height = drawn[number]
        right = [
            (x - room.x, (buffer["first"] - start) * room.width / steps),
            (width, max((buffer["last"] - buffer["first"] + 1) * room.width / steps, PIXEL)),
            (height, max(buffer["planned_bytes"] * room.height / size, PIXEL)),
            (room.y + room.height - (y + height), buffer["offset"] * room.height / size),
        ]
        if any(abs(found - expected) > ROUNDING for found, expected in right):
            yield f"buffer {number}: {right}"


def largest_real_model() -> Path | None:
    """Of the models with the most operators one that TFLM runs; None without a corpus."""
    name = "networks/firmware-st-st__ei-conference-dataset-person-logo-only-object-detection-tens__88bd16.tflite"
    path = Path(corpus.FOLDER or "", name)
    return path if corpus.FOLDER and path.exists() else None


HOSTILE: Sequence[str] = (
    "</script><script>document.title='owned'</script>",
    '"><img src=x onerror="document.title=1">',
    "\u202eright to left\u202c \u05d0\u05d1\u05d2",
    "\x1b[2J\x00\x07 control\u2028 & <b>bold</b>",
    "{{script}} ]]> --> ' &amp;",
)
