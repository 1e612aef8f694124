"""What a network would take if it were another, as an article."""

from __future__ import annotations

from collections.abc import Iterator

from refinfer.alternatives.whatif import Alternative, WhatIf
from refinfer.page.article import Article, answer, section
from refinfer.page.html import NUMBER, Column, Row, escaped, table
from refinfer.terminal.names import model_name
from refinfer.terminal.whatif import COLUMNS, headline, remarks, row


def article_of(found: WhatIf) -> Article:
    """The answer by itself."""
    return Article(f"{model_name(found.graph)}: what if?", found.target.name, _sections(found), found.to_dict())


def _sections(found: WhatIf) -> Iterator[str]:
    yield from answer(headline(found), "", [])
    yield from section("One thing changed at a time", _table(found))
    yield from section("What that means", (f"<p>{escaped(each)}</p>" for each in remarks(found, found.alternatives)))


def _table(found: WhatIf) -> Iterator[str]:
    columns = [Column(each.title, NUMBER if each.right else "") for each in COLUMNS]
    yield table([*columns, Column("why not")], (_row(each, found) for each in (found.today, *found.alternatives)))


def _row(each: Alternative, found: WhatIf) -> Row:
    return Row((*map(escaped, row(each, found.today)), escaped(each.refusal or "")))
