"""What a command writes: whole or not at all, and nothing of the user's is lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from refinfer.new_file import check_new, new_file
from refinfer.schema.errors import UsageError


def write(path: Path, content: bytes, force: bool = False) -> None:
    with new_file(str(path), force) as file:
        file.write(content)


def half(path: Path, force: bool = False) -> None:
    with new_file(str(path), force) as file:
        file.write(b"half")
        raise ZeroDivisionError


def test_a_file_that_is_there_stays_unless_it_was_said(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write(path, b"first")
    with pytest.raises(UsageError, match="x: exists; --force overwrites it"):
        check_new(str(path), force=False)
    with pytest.raises(FileExistsError):
        write(path, b"second")
    assert path.read_bytes() == b"first"
    write(path, b"second", force=True)
    assert path.read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [path]


def test_half_a_file_is_none_and_the_old_one_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with pytest.raises(ZeroDivisionError):
        half(path)
    assert os.listdir(tmp_path) == []
    write(path, b"whole")
    with pytest.raises(ZeroDivisionError):
        half(path, force=True)
    assert path.read_bytes() == b"whole"
    assert os.listdir(tmp_path) == ["x"]


def test_what_lies_beside_it_under_another_name_is_not_touched(tmp_path: Path) -> None:
    path, beside = tmp_path / "x", tmp_path / "x.part"
    write(path, b"old")
    write(beside, b"mine")
    with pytest.raises(FileExistsError):
        write(path, b"new", force=True)
    assert (path.read_bytes(), beside.read_bytes()) == (b"old", b"mine")


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    path, link = tmp_path / "x", tmp_path / "link"
    write(path, b"old")
    link.symlink_to(path)
    write(link, b"new", force=True)
    assert link.is_symlink()
    assert path.read_bytes() == b"new"


def test_a_device_is_written_to_and_stays_one() -> None:
    write(Path(os.devnull), b"gone", force=True)
    assert not os.path.isfile(os.devnull)
