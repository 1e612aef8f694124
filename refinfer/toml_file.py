"""TOML files in which users describe what is theirs: a board, a target."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from refinfer.schema.errors import UsageError


class TomlFile(NamedTuple):
    """Where it lies, its name without folder and suffix, and what it holds."""

    place: str
    stem: str
    content: dict[str, Any]


def read_toml(path: str | os.PathLike[str]) -> TomlFile:
    """The file at `path`; raises UsageError if it cannot be read or is no TOML."""
    import tomllib  # only the few who have something of their own pay for it

    place = os.fspath(path)
    try:
        with open(place, "rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise UsageError(f"{place}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{place}: not a TOML file: {error}") from None
    return TomlFile(place, os.path.splitext(os.path.basename(place))[0], content)
