"""For MkDocs: pages link to files outside docs/, as on any view of the repository; on the site each gets a page too.

mkdocs.yml names this file as a hook. A Markdown page outside docs/ is taken as it is; of a source the text is shown.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
OUTSIDE = "source/"

LINK = re.compile(r"(!?\[([^\[\]]+)\])\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")
LANGUAGES = {".py": "python", ".c": "c", ".cc": "c++", ".json": "json", ".toml": "toml"}


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add a page for each file outside docs/ that can be reached by links."""
    from mkdocs.structure.files import File

    for path in reachable(sorted(DOCS.rglob("*.md"))):
        files.append(File.generated(config, uri_of(path), content=shown(path)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links lead to those pages; a link to what the site does not have becomes its words."""
    uri = page.file.src_uri
    place = path_of(uri)
    if place.suffix != ".md":
        return markdown

    def link(found: re.Match[str]) -> str:
        shown, words, target, anchor = found.groups("")
        path = resolved(place, target)
        if path is None or files.get_file_from_path(uri_of(path)) is None:
            return words
        return f"{shown}({posixpath.relpath(uri_of(path), posixpath.dirname(uri))}{anchor})"

    return LINK.sub(link, markdown)


def reachable(pages: list[Path]) -> list[Path]:
    """The files outside docs/ that these pages link to, directly or by way of one another."""
    found: dict[Path, None] = {}
    waiting = list(pages)
    while waiting:
        for path in links(waiting.pop()):
            if not path.is_relative_to(DOCS) and path not in found:
                found[path] = None
                waiting += [path] * (path.suffix == ".md")
    return list(found)


def links(page: Path) -> Iterator[Path]:
    """What a page links to in this repository."""
    for _, _, target, _ in LINK.findall(page.read_text(encoding="utf-8")):
        path = resolved(page, target)
        if path is not None:
            yield path


def resolved(page: Path, target: str) -> Path | None:
    """The file that a link means; of a folder its README; None if it is not text of this repository."""
    path = (page.parent / target).resolve()
    if path.is_dir():
        path = path / "README.md"
    shows = path.is_relative_to(DOCS) or path.suffix in LANGUAGES or path.suffix == ".md"
    return path if shows and path.is_file() and path.is_relative_to(ROOT) else None


def uri_of(path: Path) -> str:
    """The place of a file's page, from docs/."""
    if path.is_relative_to(DOCS):
        return path.relative_to(DOCS).as_posix()
    name = path.relative_to(ROOT).as_posix()
    return f"{OUTSIDE}{name}" if path.suffix == ".md" else f"{OUTSIDE}{name}.md"


def path_of(uri: str) -> Path:
    """The file that a page is about."""
    if not uri.startswith(OUTSIDE):
        return DOCS / uri
    name = uri.removeprefix(OUTSIDE)
    return next(path for path in (ROOT / name, ROOT / name.removesuffix(".md")) if path.exists())


def shown(path: Path) -> str:
    """A file as a page."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return text
    name = path.relative_to(ROOT).as_posix()
    return f"# {name}\n\n````{LANGUAGES[path.suffix]}\n{text}````\n"
