"""A picture as PNG, which one package makes of the SVG: pip install 'refinfer[png]'."""

from __future__ import annotations

from refinfer.page.picture import Picture
from refinfer.page.svg import FONTS, svg
from refinfer.schema.errors import UsageError

ZOOM = 3  # pixels of the picture to one of the SVG: about 400 to an inch, if it is 8 inches wide


def png(picture: Picture) -> bytes:
    """The picture in light colours; raises UsageError without the package, or without any font."""
    try:
        from resvg_py import svg_to_bytes
    except ModuleNotFoundError:
        raise UsageError("a PNG is made by resvg-py: pip install 'refinfer[png]'") from None
    if svg_to_bytes(svg_string=SAMPLE.format("refinfer")) == svg_to_bytes(svg_string=SAMPLE.format("")):
        raise UsageError("no font was found for the text of a PNG; install one, such as DejaVu Sans or Arial")
    return bytes(svg_to_bytes(svg_string=svg(picture, dark=False), zoom=ZOOM))


SAMPLE = f'''<svg xmlns="http://www.w3.org/2000/svg" width="99" height="20" font-family="{FONTS}">
<text y="15">{{}}</text></svg>'''
