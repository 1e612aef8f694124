"""The tables of docs/reference: the public names of the package with their docstrings, and the options of commands.

It reads sources, not objects, so that what is written does not depend on the Python that runs it. `python -m
tools.make_pages` puts it on the pages.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import refinfer
import refinfer.testing
from refinfer.cli import COMMANDS

Function = ast.FunctionDef | ast.AsyncFunctionDef


# commands


def commands() -> Iterator[str]:
    """Each command with its options, as --help tells them."""
    for name, (_, summary, options) in COMMANDS.items():
        yield from (f"## refinfer {name}", "", summary[0].upper() + summary[1:], "")
        yield from ("| argument | meaning |", "| --- | --- |")
        for flags, keywords in options:
            metavar = keywords.get("metavar") or " or ".join(keywords.get("choices", ()))
            words = keywords.get("help", "") % {"default": keywords.get("default")}
            shown = flags[0] if flags[0].startswith("-") else metavar
            value = f" {metavar}" if shown != metavar and metavar else ""
            yield row(f"{shown}{value}", words)
        yield ""


# Python


def names() -> Iterator[str]:
    """All that `import refinfer` gives."""
    yield from entries("refinfer", refinfer.__all__)


def runtime() -> Iterator[str]:
    """What stands in for TFLM's Python package."""
    yield from entries("refinfer.runtime", ["Interpreter"])


def testing() -> Iterator[str]:
    """The kit."""
    yield from entries("refinfer.testing", refinfer.testing.__all__)


def entries(module: str, exported: list[str]) -> Iterator[str]:
    """The public names of a module: functions first, then classes."""
    found = [(name, definition(module, name)) for name in exported]
    functions = [(name, node) for name, node in found if isinstance(node, Function)]
    classes = [(name, node) for name, node in found if isinstance(node, ast.ClassDef)]
    for name, function in functions:
        yield from (f"### {module}.{name}", "", *signature(name, function), *docstring(function))
    for name, kind in classes:
        yield from (f"### {module}.{name}", "", *docstring(kind), *members(kind))


def definition(module: str, name: str) -> ast.stmt | None:
    """Where a name is defined; None of a constant."""
    value = getattr(import_module(module), name)
    home = getattr(value, "__module__", None)
    tree = parsed(home) if home and hasattr(value, "__name__") else None
    return next((node for node in tree.body if getattr(node, "name", None) == name), None) if tree else None


@cache
def parsed(module: str) -> ast.Module:
    """The source of a module."""
    file = sys.modules[module].__file__
    assert file is not None
    return ast.parse(Path(file).read_text(encoding="utf-8"))


def signature(name: str, node: Function) -> Iterator[str]:
    """How a function is called, on one line or on a line for each argument."""
    arguments = [each for each in parts(node.args) if each not in ("self", "cls")]
    answer = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    line = f"{name}({', '.join(arguments)}){answer}"
    long = [f"{name}(", *(f"    {each}," for each in arguments), f"){answer}"]
    yield from ("```text", *([line] if len(line) <= 100 else long), "```", "")


def parts(arguments: ast.arguments) -> Iterator[str]:
    """The arguments of a function, one by one."""
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(plain) - len(arguments.defaults)) + [*arguments.defaults]
    yield from (argument(each, default) for each, default in zip(plain, defaults, strict=True))
    if arguments.vararg:
        yield f"*{ast.unparse(arguments.vararg)}"
    elif arguments.kwonlyargs:
        yield "*"
    for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield argument(each, default)
    if arguments.kwarg:
        yield f"**{ast.unparse(arguments.kwarg)}"


def argument(node: ast.arg, default: ast.expr | None) -> str:
    """An argument with its type and default."""
    equals = " = " if node.annotation else "="
    return ast.unparse(node) + (f"{equals}{ast.unparse(default)}" if default else "")


def docstring(node: Function | ast.ClassDef) -> Iterator[str]:
    """What the source says of it."""
    yield from (*inspect.cleandoc(ast.get_docstring(node) or "").splitlines(), "")


def members(node: ast.ClassDef) -> Iterator[str]:
    """The fields, properties and methods that are public."""
    rows = [*fields(node), *methods(node)]
    if rows:
        yield from ("| member | what it is |", "| --- | --- |", *rows, "")


def fields(node: ast.ClassDef) -> Iterator[str]:
    """The values that an object holds."""
    for each in node.body:
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and public(each.target.id):
            yield row(each.target.id, f"`{ast.unparse(each.annotation)}`")


def methods(node: ast.ClassDef) -> Iterator[str]:
    """What it can be asked."""
    for each in node.body:
        if isinstance(each, Function) and public(each.name):
            first = (ast.get_docstring(each) or "").partition("\n\n")[0].replace("\n", " ")
            is_value = any("property" in ast.unparse(decorator) for decorator in each.decorator_list)
            arguments = ", ".join(part.partition(":")[0].partition("=")[0] for part in parts(each.args))
            yield row(each.name if is_value else f"{each.name}({arguments.removeprefix('self').lstrip(', ')})", first)


def row(name: str, words: str) -> str:
    """A line of a table."""
    return f"| `{name}` | {words.replace('|', chr(92) + '|')} |"


def public(name: str) -> bool:
    """Whether a name is for users."""
    return not name.startswith("_")
