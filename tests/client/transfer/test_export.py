"""Exporting: trees that the original reads, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import hotbook
from hotbook.transfer import exporting
from hotbook.transfer.exporting import export_checkpoint, export_tree
from hotbook.transfer.importing import import_tree
from tests import make
from tests.client.transfer.test_import_tree import WEIRD
from tests.client.transfer.test_legacy import OLD, STRANGE
from tests.legacy_tree import hotkey, path_of, position, write, write_tree


def files(root: Path) -> dict[str, Any]:
    return {
        str(path.relative_to(root)): json.loads(path.read_text())
        for path in root.rglob("*")
        if path.is_file()
    }


def test_a_round_trip_loses_nothing(book: hotbook.Client, tmp_path: Path) -> None:
    """In and out: the same files in the same places, with the same JSON, unknown fields as well."""
    old, new = tmp_path / "old", tmp_path / "new"
    write_tree(old, 100, per_hotkey=25)
    write(old, position(1001, **STRANGE))
    write(old, position(1002, is_open=True, close_ms=0))
    write(old, position(1003, orders=[{**o, **STRANGE} for o in position(1003)["orders"]]))
    before = files(old)

    report = import_tree(book, old)
    count = export_tree(book, new)

    assert (report.saved, report.named, count) == (103, (), 103)
    assert files(new) == before


def test_old_schemas_come_out_with_defaults(book: hotbook.Client, tmp_path: Path) -> None:
    """What an old file had is the same; the original reads what it lacked as we write it."""
    write(tmp_path / "old", OLD)
    import_tree(book, tmp_path / "old")

    export_tree(book, tmp_path / "new")

    [out] = files(tmp_path / "new").values()
    assert {name: out[name] for name in OLD if name != "orders"} == {
        name: value for name, value in OLD.items() if name != "orders"
    }


def test_weird_names_stay_in_their_folder(book: hotbook.Client, tmp_path: Path) -> None:
    """Uuids, hotkeys and pairs of any text have a file, and come in again from there."""
    for number, uuid in enumerate(WEIRD):
        hotkey = uuid[:128]
        book.save(make.position(uuid, hotkey=hotkey, trade_pair=f"../{number}"))
    before = {make.content(p).position_uuid for p in book.book()}

    export_tree(book, tmp_path / "new")

    assert {path.name for path in tmp_path.iterdir()} == {"new"}
    assert len(files(tmp_path / "new")) == len(WEIRD)
    report = import_tree(book, tmp_path / "new")
    assert (report.there_already, report.named) == (len(WEIRD), ())
    book.clear(expected_count=len(WEIRD))
    assert import_tree(book, tmp_path / "new").saved == len(WEIRD)
    assert {p.position_uuid for p in book.book()} == before


@pytest.mark.parametrize(
    ("chosen", "count"),
    [
        ({}, 40),
        ({"open_only": True}, 16),
        ({"hotkeys": [hotkey(1)]}, 20),
        ({"hotkeys": ["nobody"]}, 0),
    ],
)
def test_a_part_of_the_book(
    book: hotbook.Client, tmp_path: Path, chosen: dict[str, Any], count: int
) -> None:
    """Named hotkeys, and open positions only; for trees and checkpoints alike."""
    write_tree(tmp_path / "old", 40, per_hotkey=20)
    import_tree(book, tmp_path / "old")
    seen: list[tuple[int, int]] = []

    assert (
        export_tree(book, tmp_path / "new", progress=lambda *at: seen.append(at), **chosen) == count
    )
    assert export_checkpoint(book, tmp_path / "c.json", **chosen) == count

    assert len(files(tmp_path / "new")) == count
    entries = json.loads((tmp_path / "c.json").read_text())["positions"].values()
    assert sum(entry["n_positions"] for entry in entries) == count
    assert seen[-1][0] == seen[-1][1]


def test_nothing_is_overwritten(book: hotbook.Client, tmp_path: Path) -> None:
    """A folder that holds something is refused, and so is a file, but for overwrite."""
    book.save(make.position())
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").write_text("mine")
    (tmp_path / "empty").mkdir()

    for folder in (tmp_path / "full", Path("/")):
        with pytest.raises(hotbook.InvalidArgument, match="is a folder"):
            export_checkpoint(book, folder, overwrite=True)
    for path in (tmp_path / "full", tmp_path / "full/mine", Path("/")):
        with pytest.raises(hotbook.InvalidArgument, match="name a new one"):
            export_tree(book, path)
    with pytest.raises(hotbook.InvalidArgument, match="--overwrite"):
        export_checkpoint(book, tmp_path / "full/mine")
    assert export_tree(book, tmp_path / "empty") == 1
    assert export_checkpoint(book, tmp_path / "full/mine", overwrite=True) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "full"]
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["mine"]


@pytest.mark.parametrize("name", ["new", "no/such/folder/new"])
def test_a_failed_export_leaves_nothing(
    book: hotbook.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Where writing fails, there is no half of a tree or checkpoint, and the path is named."""
    book.save(make.position("a"))
    book.save(make.position("b", trade_pair="ETHUSD"))
    left = iter([b"{}"])

    def full(*_: Any, **__: Any) -> bytes:
        try:
            return next(left)
        except StopIteration:
            raise OSError(28, "No space left on device") from None

    monkeypatch.setattr(exporting, "write", full)
    monkeypatch.setattr("hotbook.transfer.checkpoint_file.write", full)
    with pytest.raises(hotbook.InvalidArgument, match=f"cannot write .*{name}"):
        export_tree(book, tmp_path / name)
    with pytest.raises(hotbook.InvalidArgument, match=f"cannot write .*{name}"):
        export_checkpoint(book, tmp_path / name)

    assert not (tmp_path / name).exists()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_the_originals_places(book: hotbook.Client, tmp_path: Path) -> None:
    """miners/<hotkey>/positions/<PAIR>/<open|closed>/<uuid>, each one line of JSON."""
    for one in (position(1), position(2, is_open=True)):
        write(tmp_path / "old", one)
    import_tree(book, tmp_path / "old")
    export_tree(book, tmp_path / "new")

    for one in (position(1), position(2, is_open=True)):
        text = path_of(tmp_path / "new", one).read_text()
        assert "\n" not in text
        assert list(json.loads(text)) == list(one)
