"""A picture as SVG: where each rectangle lies in pixels, what can be written into it, and in which colours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from refinfer.page.picture import BUFFER, HEAD, SCRATCH, TAIL, TEMPORARY, Block, Picture
from refinfer.terminal.text import printable
from refinfer.terminal.text import size as in_units

FONTS = "system-ui, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', 'Liberation Sans', 'Noto Sans', sans-serif"
WIDTH = 1120
LEFT, RIGHT, BETWEEN = 64, 150, 26
TITLE_ROOM, PANEL_ROOM = 52, 44
PLOT_HEIGHT = 440
LOADING_WIDTH = 170
BELOW, LEGEND_ROW = 44, 20
LINE, PAD = 13, 4  # pixels of a line, and around text
NARROWEST_LETTER = 6.3
SMALL, LARGE = 1.0, 17 / 11  # of the text, and of the title
SEAM = 0.6  # pixels by which neighbours overlap that are to look like one
NARROWEST_NAME = 13  # pixels of a step under which its name is written


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a panel lies, and what it shows: columns from `start` on, `count` of them, and addresses up to `size`."""

    x: float
    y: float
    width: float
    height: float
    start: int
    count: int
    size: int

    @property
    def step(self) -> float:
        """The width of a column."""
        return self.width / self.count

    def across(self, step: float) -> float:
        """Where a column begins."""
        return self.x + (step - self.start) * self.step

    def up(self, address: float) -> float:
        """How high an address lies."""
        return self.y + self.height * (1 - address / self.size)

    @property
    def floor(self) -> float:
        """The lower edge."""
        return self.y + self.height

    def box(self, block: Block, seam: float = 0) -> tuple[float, float, float, float]:
        """x, y, width and height of a block; nothing is so small that it cannot be seen."""
        width = max((block.last - block.first + 1) * self.step, 1) + (seam if block.last + 1 < self.count else 0)
        height = max(self.up(block.bottom) - self.up(block.top), 1)
        return self.across(block.first), self.up(block.bottom) - height, width, height


def svg(picture: Picture, dark: bool = True) -> str:
    """A picture that stands for itself: with title, colours and, unless told otherwise, other colours where it is dark.

    It holds no variables and asks for no network, so that it can be put into a paper. Where there is less room than it
    would take, as in a notebook, it gets smaller.
    """
    style = with_colours(LIGHT)
    if dark:
        style += f"@media (prefers-color-scheme: dark) {{\n{with_colours(DARK)}}}\n"
    drawn = drawing(picture, TITLE_ROOM, f"<style>\n{style}</style>", heading(picture))
    return drawn.replace("<svg ", '<svg style="max-width: 100%; height: auto" ', 1)


def drawing(picture: Picture, top: float = 8, style: str = "", above: Iterable[str] = ()) -> str:
    """The panels and what is written around them, from `top` on; colours are up to whoever gives a `style`."""
    loading, running = frames(picture, top)
    names = axis_names(picture, running)
    below = max(max(map(width_of, names), default=0) * TURNED + 16, BELOW)
    legend, bottom = legend_of(picture, LEFT, running.floor + below + 20)
    height = bottom + 14
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="refinfer" viewBox="0 0 {WIDTH} {height:.0f}" '
        f'width="{WIDTH}" height="{height:.0f}" font-family="{FONTS}">',
        style,
        HATCH,
        f'<rect class="paper" width="{WIDTH}" height="{height:.0f}" rx="8"/>',
        *above,
        *panel(loading, "While it is loaded", f"{len(picture.moments)} moments of AllocateTensors"),
        *panel(running, "While it runs", "operator by operator, in Invoke"),
        *addresses(loading, running),
        *peak_band(picture, running),
        '<g class="loading">',
        *(line for block in picture.loading for line in drawn(block, loading, False, picture)),
        "</g>",
        '<g class="running">',
        *(line for block in picture.running for line in drawn(block, running, True, picture)),
        "</g>",
        *lines_across(picture, loading, running),
        *braces(picture, running),
        *steps_below(picture, running, names),
        *tightest(picture, loading),
        *peak_mark(picture, running),
        *legend,
        "</svg>",
    ]
    return "\n".join(part for part in parts if part)


def frames(picture: Picture, top: float) -> tuple[Frame, Frame]:
    """The two panels, side by side."""
    y, x = top + PANEL_ROOM, LEFT + LOADING_WIDTH + BETWEEN
    count = len(picture.steps) - picture.start
    return (
        Frame(LEFT, y, LOADING_WIDTH, PLOT_HEIGHT, 0, len(picture.moments), picture.size),
        Frame(x, y, WIDTH - RIGHT - x, PLOT_HEIGHT, picture.start, count, picture.size),
    )


# text and shapes


def text(x: float, y: float, words: str, name: str = "", anchor: str = "start", turn: float = 0) -> str:
    """Words at a place; from right to left if they are, but in the place of words that are not."""
    turned = f' transform="rotate({turn:g} {x:.1f} {y:.1f})"' if turn else ""
    styled = f' class="{name}"' if name else ""
    anchored = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{styled}{anchored}{turned}>{escaped(words)}</text>'


def escaped(words: str) -> str:
    """Text as XML; what no reader could see is written out."""
    return escape(printable(words))


def line(x1: float, y1: float, x2: float, y2: float, name: str) -> str:
    """A straight line."""
    return f'<path class="{name}" d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"/>'


def rectangle(box: tuple[float, float, float, float], attributes: str, inside: str = "") -> str:
    """A rectangle; `inside` is a title, if any."""
    x, y, width, height = box
    shape = f'<rect x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}" {attributes}'
    return f"{shape}>{inside}</rect>" if inside else f"{shape}/>"


def width_of(words: str, scale: float = SMALL) -> float:
    """About how many pixels the words take; fonts differ, so rather more than less."""
    return scale * sum(7.6 if c.isupper() or c in "_…" or not c.isascii() else NARROWEST_LETTER for c in words)


def cut(words: str, room: float, scale: float = SMALL) -> str:
    """As much of the words as there is room for: of their middle something may be missing."""
    if width_of(words, scale) <= room:
        return words
    for kept in range(min(int(room / (NARROWEST_LETTER * scale)), len(words) - 1), 3, -1):
        shown = f"{words[: kept - kept // 2]}…{words[len(words) - kept // 2 :]}"
        if width_of(shown, scale) <= room:
            return shown
    return ""


# parts of the picture


def heading(picture: Picture) -> Iterator[str]:
    """Which model, which build, which number to write down."""
    yield text(LEFT, 26, cut(picture.model, WIDTH - 2 * LEFT, LARGE), "title")
    words = f"{picture.target}: takes {picture.takes}, and arena_used_bytes() returns {picture.used:,}"
    yield text(LEFT, 45, words, "subtitle")


def panel(frame: Frame, title: str, remark: str) -> Iterator[str]:
    """The empty arena, and what the panel shows."""
    yield text(frame.x, frame.y - 28, title, "panel")
    taken = width_of(title) * 1.15 + 8
    if taken + width_of(remark) < frame.width:
        yield text(frame.x + taken, frame.y - 28, remark, "note")
    yield rectangle((frame.x, frame.y, frame.width, frame.height), 'class="room"')


def addresses(loading: Frame, running: Frame) -> Iterator[str]:
    """Addresses on the left, and lines at them."""
    marks = ticks(running.size)
    kilobytes = marks.step % 1024 == 0
    for address in marks:
        y = running.up(address)
        yield text(LEFT - 8, y + 4, in_units(address) if address and kilobytes else f"{address:,}", "tick", "end")
        if address:
            for frame in (loading, running):
                yield line(frame.x, y, frame.x + frame.width, y, "grid")


def ticks(size: int, most: int = 6) -> range:
    """Round addresses, at most so many above 0."""
    return range(0, size + 1, next(1 << power for power in range(64) if size >> power <= most))


def drawn(block: Block, frame: Frame, running: bool, picture: Picture) -> Iterator[str]:
    """A block with its title, hatched if it is not there for long, and with its name where there is room for it."""
    box = frame.box(block, 0 if running else SEAM)
    alive = picture.peak is not None and block.number in picture.peak.buffers and block.kind in (BUFFER, SCRATCH)
    kind = {TAIL: f"tail owner{block.hue}"}.get(block.kind, block.kind)
    styled = f"hue{block.hue}" if block.kind in (BUFFER, SCRATCH) else ""
    names = " ".join(name for name in ("block", kind, styled, "alive" if alive and running else "") if name)
    listed = "moment" if not running else "tail" if block.kind == TAIL else "buffer"
    title = f"<title>{escaped(block.words)}</title>"
    yield rectangle(box, f'class="{names}" data-kind="{listed}" data-{listed}="{block.number}"', title)
    if block.kind in (SCRATCH, TEMPORARY):
        yield rectangle(box, 'class="hatch"')
    if running:
        yield from names_in(block, box)


def names_in(block: Block, box: tuple[float, float, float, float]) -> Iterator[str]:
    """What is written into a rectangle: its label and its bytes, in as many lines as it takes, or turned."""
    x, y, width, height = box
    cx, cy = x + width / 2, y + height / 2
    name = "on-tail" if block.kind == TAIL else "name"
    for lines in ways_to_write(block):
        wide, high = max(map(width_of, lines)) + 2 * PAD, len(lines) * LINE
        if wide <= width and high <= height:
            for place, words in enumerate(lines):
                yield text(cx, cy + 4 + LINE * (place - (len(lines) - 1) / 2), words, name, "middle")
            return
        if len(lines) == 1 and wide <= height and width >= LINE:
            yield text(cx + 4, cy, lines[0], name, "middle", -90)
            return


def ways_to_write(block: Block) -> Iterator[tuple[str, ...]]:
    """Lines for a rectangle; those that are read best come first."""
    nbytes = f"{block.nbytes:,}"
    if block.kind != TAIL:
        yield block.label, nbytes
        yield *halves(block.label), nbytes
    yield (f"{block.label} · {nbytes}",)
    yield (block.label,)
    yield (nbytes,)


def halves(label: str) -> tuple[str, ...]:
    """A label in two lines, cut at a space or underscore near its middle, if it has one: 1 DEPTHWISE_, CONV_2D."""
    places = [place for place, c in enumerate(label, 1) if c in " _"]
    if not places:
        return (label,)
    middle = min(places, key=lambda place: abs(2 * place - len(label)))
    return label[:middle].rstrip(), label[middle:]


def peak_band(picture: Picture, frame: Frame) -> Iterator[str]:
    """The column in which the most is alive."""
    if picture.peak is not None:
        box = (frame.across(picture.peak.step), frame.y, max(frame.step, 2), frame.height)
        yield rectangle(box, 'class="peak-band"')


def peak_mark(picture: Picture, frame: Frame) -> Iterator[str]:
    """An arrow at that column, and what it is."""
    if picture.peak is None:
        return
    x, y = frame.across(picture.peak.step + 0.5), frame.y
    yield f'<path class="peak-mark" d="M{x - 5:.1f} {y - 9:.1f}h10l-5 7z"/>'
    words = f"peak: {picture.peak.nbytes:,} bytes alive at {picture.steps[picture.peak.step]}"
    half = width_of(words) / 2
    centre = min(max(x, frame.x + half), frame.x + frame.width - half)
    yield text(centre, y - 13, words, "limit", "middle")


def lines_across(picture: Picture, loading: Frame, running: Frame) -> Iterator[str]:
    """The minimum, the least that any plan of the head can do with, and where the second arena begins."""
    for frame in (loading, running):
        yield line(
            frame.x - 4, frame.up(picture.minimum), frame.x + frame.width + 4, frame.up(picture.minimum), "minimum"
        )
        if picture.persistent is not None:
            y = frame.up(picture.persistent)
            yield line(frame.x, y, frame.x + frame.width, y, "divide")
    if 0 < picture.lower_bound < picture.head:
        y = running.up(picture.lower_bound)
        yield line(running.x, y, running.x + running.width, y, "bound")


def braces(picture: Picture, frame: Frame) -> Iterator[str]:
    """On the right: how large head, gap and tail are, and the lines."""
    x = frame.x + frame.width + 10
    free = picture.size - picture.head - picture.tail
    spans = [(picture.size - picture.tail, picture.size, "tail"), (0, picture.head, "head")]
    if free >= 16:
        spans.insert(1, (picture.head, picture.size - picture.tail, "free"))
    notes = [(frame.up(picture.minimum), f"minimum {picture.minimum:,}", "limit")]
    for bottom, top, what in spans:
        low, high = frame.up(bottom) - 1, frame.up(top) + 1
        if low - high >= 3:
            yield f'<path class="brace" d="M{x:.1f} {high:.1f}h4V{low:.1f}h-4"/>'
        notes.append(((low + high) / 2, f"{what} {top - bottom:,}", "strong"))
    if 0 < picture.lower_bound < picture.head:
        notes.append((frame.up(picture.lower_bound), f"lower bound {picture.lower_bound:,}", "note"))
    notes.sort(key=lambda note: note[0])
    for (_, words, name), y in zip(notes, spread([y for y, _, _ in notes], LINE + 1), strict=True):
        yield text(x + 10, y + 4, words, name)


def spread(places: Sequence[float], apart: float) -> list[float]:
    """Places in ascending order, moved as far down as it takes to be `apart`."""
    moved: list[float] = []
    for place in places:
        moved.append(max(place, moved[-1] + apart) if moved else place)
    return moved


LONGEST_NAME, TURNED = 160, 0.77  # pixels of a name below the axis; how high a pixel of it goes at 50 degrees


def axis_names(picture: Picture, frame: Frame) -> list[str]:
    """What is written below the steps: names if there is room for them."""
    if frame.step < NARROWEST_NAME:
        return []
    return [cut(name, LONGEST_NAME) for name in picture.steps]


def steps_below(picture: Picture, frame: Frame, names: Sequence[str]) -> Iterator[str]:
    """The steps by name, or some by number."""
    for step, name in enumerate(names):
        x, y = frame.across(step + 0.5) + 3, frame.floor + 12
        here = picture.peak is not None and step == picture.peak.step
        yield text(x, y, name, "tick limit" if here else "tick", "end", -50)
    if not names:
        every = next(each for power in range(9) for each in (10**power, 5 * 10**power) if each * frame.step >= 28)
        for step in range(0, len(picture.steps), every):
            yield text(frame.across(step + 0.5), frame.floor + 14, str(step), "tick", "middle")
        yield text(frame.x + frame.width, frame.floor + 30, "step", "tick", "end")


def tightest(picture: Picture, frame: Frame) -> Iterator[str]:
    """The moment of loading that takes the most."""
    x = frame.across(picture.tightest + 0.5)
    yield f'<path class="peak-mark" d="M{x - 5:.1f} {frame.floor + 10:.1f}h10l-5 -7z"/>'
    yield text(frame.x, frame.floor + 24, "tightest while", "limit")
    words = cut(picture.moments[picture.tightest], LOADING_WIDTH)
    yield text(frame.x, frame.floor + 24 + LINE, words, "limit")


def legend_of(picture: Picture, x: float, y: float) -> tuple[list[str], float]:
    """What the colours mean, and the lowest line of it."""
    kinds = {block.kind for block in (*picture.running, *picture.loading)}
    entries = [(f"hue{hue}", name, False) for hue, name in picture.hues]
    entries += [(name, words, hatched) for kind, name, words, hatched in LEGEND if kind in kinds]
    made, left = [], x
    for name, words, hatched in entries:
        width = 16 + width_of(words) + 18
        if left + width > WIDTH and left > x:
            left, y = x, y + LEGEND_ROW
        box = (left, y - 9, 11.0, 11.0)
        made.append(rectangle(box, f'class="block {name}"'))
        if hatched:
            made.append(rectangle(box, 'class="hatch"'))
        made.append(text(left + 16, y, words, "legend"))
        left += width
    return made, y


LEGEND = (
    (SCRATCH, "hue7", "scratch", True),
    (TAIL, "tail", "tail: kept for good", False),
    (HEAD, "notepad", "head while it is loaded", False),
    (TEMPORARY, "temporary", "temporary memory", True),
)
"""Kind of blocks, their colour, what they are, and whether they are hatched."""


HATCH = (
    '<defs><pattern id="refinfer-hatch" width="6" height="6" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><path class="hatch-line" d="M3 0V6"/></pattern></defs>'
)


# colours


def with_colours(colours: Mapping[str, str]) -> str:
    """The style sheet of the picture with colours in place of its variables, which not every reader of SVG knows."""
    return VARIABLE.sub(lambda found: colours[found[1]], style_sheet())


def style_sheet() -> str:
    """The style sheet with its variables."""
    return Path(__file__).with_name("picture.css").read_text(encoding="utf-8")


VARIABLE = re.compile(r"var\(--([\w-]+)\)")

LIGHT = {
    "paper": "#ffffff",
    "room": "#f6f7f9",
    "line": "#c8cdd4",
    "grid": "#e3e6ea",
    "ink": "#1c2128",
    "soft": "#5b6470",
    "label": "#14181d",
    "limit": "#b3261e",
    "tail": "#3f4957",
    "tail1": "#525f71",
    "tail2": "#667487",
    "on-tail": "#ffffff",
    "notepad": "#b9c4d4",
    "temporary": "#f0cf7a",
    **{f"hue{place}": colour for place, colour in enumerate(
        ("#9cc3ee", "#f7c08a", "#a3d9c2", "#d0bdf0", "#f2b3c6", "#c6dc94", "#9fd6e4", "#d5d9df", "#e9edf2"))},
    **{f"edge{place}": colour for place, colour in enumerate(
        ("#2a66ac", "#a85a12", "#1c7d5c", "#6a48ad", "#a8355f", "#587a1a", "#1b7488", "#6a727d", "#7d8794"))},
}  # fmt: skip
DARK = {
    "paper": "#14181d",
    "room": "#1b2027",
    "line": "#3a424d",
    "grid": "#272e37",
    "ink": "#e8ebef",
    "soft": "#a3adb9",
    "label": "#f4f6f8",
    "limit": "#ff8a7d",
    "tail": "#a9b4c3",
    "tail1": "#929eaf",
    "tail2": "#7d8a9d",
    "on-tail": "#0f1317",
    "notepad": "#465263",
    "temporary": "#8d7020",
    **{f"hue{place}": colour for place, colour in enumerate(
        ("#2c5a91", "#8a5220", "#256a53", "#5b4594", "#8c3c5a", "#566f22", "#22667a", "#4b535e", "#353d48"))},
    **{f"edge{place}": colour for place, colour in enumerate(
        ("#8cbcf2", "#f0b179", "#84d2b3", "#c3adf2", "#f09fbb", "#bcd880", "#84cfe2", "#a9b2bd", "#9aa4b1"))},
}  # fmt: skip
