"""How a command tells argparse of its arguments, and those that many have."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


class Command(NamedTuple):
    """A command: what runs, what --help says of it, and its options, each as add_argument takes it."""

    run: Callable[[Namespace], int]
    summary: str
    options: Sequence[tuple[tuple[str, ...], dict[str, Any]]]


def option(*flags: str, **keywords: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
    """An argument, as add_argument takes it."""
    return flags, keywords


def switch(flag: str, words: str) -> tuple[tuple[str, ...], dict[str, Any]]:
    """An option that is given or not."""
    return option(flag, action="store_true", help=words)


def count(text: str) -> int:
    """A number, or 0."""
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r} is no number")
    return int(text)


def element(text: str) -> list[int]:
    """The place of an element: 0,3,5,7."""
    try:
        return [int(at) for at in text.strip("[]() ").split(",")] if text.strip("[]() ") else []
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no element; one is 0,3,5,7") from None


def positive(text: str) -> int:
    """A number from 1."""
    if count(text) == 0:
        raise ArgumentTypeError("0 times is not at all")
    return int(text)


JSON = switch("--json", "print JSON")
ALL = switch("--all", "print long lists in full")
DIALECTS = "litert, tflm, litert-optimized or xnnpack"
DIALECT = option(
    "--dialect",
    metavar="NAME",
    default="litert",
    help="whose bits: litert (LiteRT's reference kernels), tflm (a board's), litert-optimized (LiteRT without "
    "delegates) or xnnpack (what LiteRT computes by default, on x86-64); default: %(default)s",
)
MODEL = option("model", metavar="MODEL", help="a .tflite file")
