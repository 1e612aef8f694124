from __future__ import annotations

import io

import pytest

from refinfer.terminal.text import (
    END,
    MIDDLE,
    Column,
    Screen,
    bar,
    cells,
    percent,
    printable,
    screen_of,
    shorten,
    size,
    table,
    wrapped,
)

PLAIN = Screen(width=80)
PRETTY = Screen(width=80, unicode=True, colour=True)


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal, and knows no width."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding)

    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_colours_and_a_file_does_not() -> None:
    assert screen_of(Terminal(), {}).colour
    assert not screen_of(io.TextIOWrapper(io.BytesIO()), {}).colour


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colours_can_be_declined(environment: dict[str, str]) -> None:
    screen = screen_of(Terminal(), environment)
    assert not screen.colour
    assert screen.paint("word", "1") == "word"


def test_an_empty_no_color_declines_nothing() -> None:
    assert screen_of(Terminal(), {"NO_COLOR": ""}).colour


@pytest.mark.parametrize(("encoding", "has_blocks"), [("utf-8", True), ("ascii", False), ("latin-1", False)])
def test_blocks_are_drawn_where_the_encoding_has_them(encoding: str, has_blocks: bool) -> None:
    assert screen_of(Terminal(encoding), {}).unicode == has_blocks


@pytest.mark.parametrize(
    ("columns", "width"), [("72", 72), ("10", 64), ("1000", 120), ("", 100), ("-3", 100), ("many", 100)]
)
def test_the_width_is_what_columns_says_within_reason(columns: str, width: int) -> None:
    assert screen_of(Terminal(), {"COLUMNS": columns}).width == width


@pytest.mark.parametrize(
    ("nbytes", "words"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1,023 bytes"),
        (1024, "1 KB"),
        (82_304, "80.4 KB"),
        (262_144, "256 KB"),
        (1_048_576, "1 MB"),
        (1_572_864, "1.5 MB"),
    ],
)
def test_sizes_are_said_as_data_sheets_say_them(nbytes: int, words: str) -> None:
    assert size(nbytes) == words


def test_what_lacks_one_byte_is_never_a_hundred_percent() -> None:
    assert percent(262_145, 262_144) == "101 %"
    assert percent(262_144, 262_144) == "100 %"
    assert percent(1, 262_144) == "1 %"


@pytest.mark.parametrize("screen", [PLAIN, PRETTY])
@pytest.mark.parametrize("value", [0, 1, 37, 499, 500, 999, 1000, 5000])
def test_a_bar_is_as_long_as_it_should_be(screen: Screen, value: int) -> None:
    assert len(bar(value, 1000, 20, screen)) == 20


def test_a_bar_grows_with_its_value_and_shows_whatever_is_there() -> None:
    assert [bar(value, 8, 2, PRETTY) for value in (0, 1, 4, 6, 8)] == ["░░", "▎░", "█░", "█▌", "██"]
    assert bar(1, 1_000_000, 10, PRETTY) == "▏" + "░" * 9
    assert bar(1, 1_000_000, 10, PLAIN) == "#" + "." * 9
    assert bar(5, 0, 4, PLAIN) == "#..."


def test_what_could_steer_a_terminal_is_written_out() -> None:
    assert printable("a\x1b[31mb\nc\x9bd\u202ee") == r"a\x1b[31mb\nc\x9bd\u202ee"
    assert printable("größe/重み") == "größe/重み"


def test_a_wide_character_takes_two_columns_and_an_accent_none() -> None:
    assert cells("重み") == 4
    assert cells("e\u0301") == 1


@pytest.mark.parametrize("text", ["a/long/name/of/a/tensor", "重み" * 9, "e\u0301" * 30])
@pytest.mark.parametrize("cut", [MIDDLE, END])
@pytest.mark.parametrize("screen", [PLAIN, PRETTY])
def test_shortened_text_fits(text: str, cut: str, screen: Screen) -> None:
    for width in range(4, 20):
        assert cells(shorten(text, width, screen, cut)) <= width


def test_of_a_name_the_middle_goes_and_of_other_text_the_end() -> None:
    assert shorten("model/conv_1/weights", 10, PRETTY, MIDDLE) == "mod…eights"
    assert shorten("model/conv_1/weights", 10, PRETTY, END) == "model/con…"
    assert shorten("short", 10, PRETTY) == "short"


def test_a_number_and_its_unit_stay_on_one_line() -> None:
    text = "it takes " + "x" * 45 + " 80.4 KB of RAM"
    assert [line for line in wrapped(text, Screen(width=64)) if line.endswith("80.4")] == []


def test_a_table_lines_up_and_stays_within_the_screen() -> None:
    columns = [Column("bytes", right=True), Column("name", cut=MIDDLE), Column("note", cut=END)]
    rows = [("1", "a" * 70, "b" * 50), ("1,234", "short", "")]
    lines = list(table(columns, rows, PLAIN))
    assert max(map(len, lines)) == PLAIN.width
    assert lines[0].startswith("  bytes  name")
    assert lines[1].startswith("      1  aaa")
    assert lines[2] == "  1,234  short"
