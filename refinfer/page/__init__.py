"""A report as a picture and as a page: Report → Picture (rectangles in steps and bytes) → SVG → PNG, or HTML.

`picture.py` says what is drawn, in the units of the report; `svg.py` says where; `html.py` puts the picture into
`template.html` with the tables beside it. Standard library alone, but for PNG.
"""
