"""Importing again, over what stands, and against limits: nothing twice, nothing lost."""

from __future__ import annotations

import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

import hotbook
from hotbook.testing import server
from hotbook.transfer import source, tree
from hotbook.transfer.importing import import_tree
from hotbook.transfer.report import Kind
from tests.client.transfer.test_import_tree import rejects, told, uuids
from tests.legacy_tree import position, write, write_tree


def test_again_changes_nothing(book: hotbook.Client, root: Path) -> None:
    """What stands in the same form is there already: no version moves."""
    write_tree(root, 40, per_hotkey=20)
    import_tree(book, root)
    revision = book.status().revision

    report = import_tree(book, root)

    assert (report.saved, report.there_already, report.named) == (0, 40, ())
    assert book.status().revision == revision


def test_a_missing_part_comes_in(book: hotbook.Client, root: Path) -> None:
    """An import that is run again saves what is not there yet."""
    made = write_tree(root, 30, per_hotkey=10)
    import_tree(book, root)
    for gone in made[::3]:
        book.delete(gone["miner_hotkey"], gone["position_uuid"])

    report = import_tree(book, root)

    assert (report.saved, report.there_already) == (10, 20)


def test_a_conflict_is_left_alone(book: hotbook.Client, root: Path) -> None:
    """What stands and differs stays; with overwrite the file's form is saved over it."""
    one = position(1)
    write(root, one)
    import_tree(book, root)
    changed = {**one, "account_size": 5.0}
    write(root, changed)

    report = import_tree(book, root)

    [(_, reason)] = told(report, Kind.CONFLICT)
    assert "version 1" in reason
    assert (report.saved, report.is_whole) == (0, False)
    assert next(book.book()).account_size == 100_000

    report = import_tree(book, root, overwrite=True)

    assert (report.saved, report.conflict, report.is_whole) == (1, 1, True)
    assert next(book.book()).account_size == 5
    assert import_tree(book, root).there_already == 1


def test_the_same_in_other_words_is_there_already(book: hotbook.Client, root: Path) -> None:
    """Zeros that are written out do not make another position."""
    one = position(1)
    write(root, one)
    import_tree(book, root)
    held = next(book.book())
    book.save(held)  # through our nouns, which write every number out

    assert import_tree(book, root).there_already == 1


def test_what_was_saved_meanwhile_is_there_already(
    book: hotbook.Client, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A position that another import saves between the look and the save is no conflict."""
    write(root, position(1))
    write(root, position(2))
    import_tree(book, root)
    book.save(msgspec.structs.replace(next(book.book()), account_size=Decimal(5)))
    monkeypatch.setattr(hotbook.Client, "hotkeys", lambda _: [])  # as if it had held nothing

    report = import_tree(book, root)

    assert (report.there_already, report.conflict, report.refused) == (1, 1, 0)


def test_a_huge_file_does_not_kill(
    book: hotbook.Client, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file beyond the limit is named, and no more of it is read than shows that."""
    for module in (source, tree):
        monkeypatch.setattr(module, "TEXT_MAX_BYTES", 100_000)
    monkeypatch.setattr("hotbook.transfer.judging.TEXT_MAX_BYTES", 100_000)
    many = position(1, orders=position(1)["orders"] * 1000)
    write(root, many)
    write(root, position(2))

    report = import_tree(book, root)

    [(_, reason)] = told(report, Kind.CORRUPT)
    assert "larger than 100,000 bytes" in reason
    assert report.saved == 1


def test_too_many_orders_are_the_servers_to_refuse(book: hotbook.Client, root: Path) -> None:
    """A position beyond the server's limits goes to the rejects, whole; its company is saved."""
    order = position(1)["orders"][0]
    write(root, position(1, orders=[order] * 6_000))
    write(root, position(3, orders=[order] * 40_000))
    write(root, position(2))

    report = import_tree(book, root)

    assert report.saved == 1
    assert sorted(len(line["position"]["orders"]) for line in rejects(report)) == [6_000, 40_000]
    assert {line["code"] for line in rejects(report)} <= {"INVALID_ARGUMENT", "MESSAGE_TOO_LARGE"}


KILLED = """
import os, signal, sys, hotbook
from hotbook.transfer.importing import import_tree
from hotbook.transfer import saving
from hotbook.transfer.saving import Saver
saving.REQUEST_POSITIONS = 100
settle, left = Saver._settle, 3
def count_down(self):
    global left
    settle(self)
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
Saver._settle = count_down
import_tree(hotbook.connect(sys.argv[1]), sys.argv[2])
"""


def test_a_killed_import_goes_on(root: Path, tmp_path: Path) -> None:
    """Killed in the middle and run again, everything is there once, also after a restart."""
    made = write_tree(root, 1_000)
    with server(durability="fsync", data_dir=tmp_path / "served") as target:
        killed = subprocess.run([sys.executable, "-c", KILLED, target, str(root)], check=False)
        assert killed.returncode == -signal.SIGKILL
        with hotbook.connect(target, timeout_s=60) as book:
            report = import_tree(book, root)

            assert report.saved > 0
            assert report.there_already > 0
            assert report.saved + report.there_already == len(made)
            assert report.named == ()
            assert all(held.version == 1 for held in book.book())
            assert book.verify().ok
    with (
        server(durability="fsync", data_dir=tmp_path / "served") as target,
        hotbook.connect(target, timeout_s=60) as book,
    ):
        assert uuids(book) == {one["position_uuid"] for one in made}
