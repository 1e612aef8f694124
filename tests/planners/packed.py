"""Hard problems whose answer is known: a rectangle cut into buffers, without a byte left over at any step."""

from __future__ import annotations

from random import Random

from refinfer.planners.problem import Buffer, Problem

GRAIN = 16


def packed(nbytes: int, steps: int, pieces: int, seed: int) -> Problem:
    """About so many buffers that fill `nbytes` (a multiple of 16) at each of so many steps, in any order.

    The largest rectangle is cut in two, across its bytes or its steps, time and again.
    """
    random = Random(seed)
    rectangles = [(nbytes // GRAIN, 0, steps)]  # sixteens of bytes, first step, number of steps
    while len(rectangles) < pieces:
        rectangles.sort(key=lambda each: each[0] * each[2])
        size, first, length = rectangles.pop()
        across = random.random() < 0.5
        if (size if across else length) < 2:
            across = not across
        if (size if across else length) < 2:
            break  # the largest is one cell
        if across:
            cut = random.randrange(1, size)
            rectangles += [(cut, first, length), (size - cut, first, length)]
        else:
            cut = random.randrange(1, length)
            rectangles += [(size, first, cut), (size, first + cut, length - cut)]
    random.shuffle(rectangles)
    return Problem(tuple(Buffer(GRAIN * size, first, first + length - 1) for size, first, length in rectangles))
