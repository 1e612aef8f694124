"""Python on a page: its ```pycon blocks are one session, and what comes out stands under each statement."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import chdir
from doctest import DocTest, DocTestParser, DocTestRunner, Example
from pathlib import Path
from traceback import format_exception_only
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PYTHON = re.compile(r"^```pycon\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TRACEBACK = "Traceback (most recent call last):\n"
INSIDE_TRACEBACK = re.compile(r"^  .*\n", re.MULTILINE)


def with_results(text: str) -> str:
    """The page with what its Python gives now."""
    session: dict[str, Any] = {}
    with chdir(ROOT):
        return PYTHON.sub(lambda block: f"```pycon\n{''.join(answered(block[1], session))}```", text)


def examples(block: str) -> list[Example]:
    """The statements of a block."""
    return DocTestParser().get_examples(block)


def answered(block: str, session: dict[str, Any]) -> Iterator[str]:
    """Each statement of a block with what it gives."""
    for example in examples(block):
        first, *rest = example.source.splitlines()
        yield f">>> {first}\n"
        yield from (f"... {line}\n" if line else "...\n" for line in rest)
        got = outcome(example, session)
        yield re.sub(r"^$(?=\n)", "<BLANKLINE>", got, flags=re.MULTILINE)


class Listener(DocTestRunner):
    """Keeps what an example gives."""

    got = ""

    def report_success(self, out: Any, test: DocTest, example: Example, got: str) -> None:
        """As it was expected."""
        self.got = got

    def report_failure(self, out: Any, test: DocTest, example: Example, got: str) -> None:
        """Or not."""
        self.got = got

    def report_unexpected_exception(self, out: Any, test: DocTest, example: Example, exc_info: Any) -> None:
        """What fails is a mistake of the page, unless it shows a traceback there."""
        if not example.want.startswith(TRACEBACK):
            raise exc_info[1]
        self.got = "".join([TRACEBACK, *format_exception_only(exc_info[1])])


def outcome(example: Example, session: dict[str, Any]) -> str:
    """What a statement prints, or its value."""
    listener = Listener()
    test = DocTest([example], session, "page", None, example.lineno, None)
    listener.run(test, out=lambda _: None, clear_globs=False)
    session.update(test.globs)
    return INSIDE_TRACEBACK.sub("", listener.got) if listener.got.startswith(TRACEBACK) else listener.got
