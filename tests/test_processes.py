"""Other processes do the work in order, and one that dies ends in a line."""

from __future__ import annotations

import os
from multiprocessing import get_context

import pytest

from refinfer import RefinferError
from refinfer.processes import in_processes

_told: list[int] = []


def tell(number: int) -> None:
    _told.append(number)


def add_to_told(number: int) -> int:
    return _told[-1] + number


def die(number: int) -> int:
    os._exit(number)


def test_answers_come_in_order_from_processes_that_were_told_how_to_start() -> None:
    spawn = get_context("spawn")
    assert list(in_processes(add_to_told, range(5), 2, spawn, tell, 10)) == [10, 11, 12, 13, 14]


def test_a_process_that_dies_is_told_of_in_a_line() -> None:
    with pytest.raises(RefinferError, match=r"^a process that helped ended before its work was done[^\n]*$"):
        list(in_processes(die, [1, 2], 1))
