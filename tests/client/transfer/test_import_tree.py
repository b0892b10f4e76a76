"""Importing the original's folder tree into a real server: every rule, and nothing lost."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

import hotbook
from hotbook.transfer.importing import import_tree
from hotbook.transfer.names import escaped
from hotbook.transfer.report import Kind, Report
from tests import make
from tests.legacy_tree import HOUR_MS, START_MS, position, write, write_tree


def told(report: Report, kind: Kind) -> list[tuple[str, str]]:
    return [(one.place, one.reason) for one in report.named if one.kind == kind]


def uuids(book: hotbook.Client) -> set[str]:
    return {held.position_uuid for held in book.book()}


def rejects(report: Report) -> list[Any]:
    assert report.rejects is not None
    return [json.loads(line) for line in Path(report.rejects).read_text().splitlines()]


@pytest.mark.parametrize("below", ["", "miners"])
def test_a_tree_comes_in(book: hotbook.Client, root: Path, below: str) -> None:
    """Every position of a tree is in the book, and the report says that nothing was odd."""
    made = write_tree(root, 60, per_hotkey=20)
    seen: list[tuple[int, int]] = []

    report = import_tree(book, root / below, progress=lambda *at: seen.append(at))

    assert (report.read, report.saved, report.named) == (60, 60, ())
    assert report.is_whole
    assert uuids(book) == {one["position_uuid"] for one in made}
    assert seen[-1] == (60, 60)
    assert book.verify().ok


def test_another_path_is_refused(book: hotbook.Client, tmp_path: Path) -> None:
    """A path that holds no tree is told so; nothing is guessed."""
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(hotbook.InvalidArgument, match="no tree of positions"):
            import_tree(book, path)


def test_of_twins_the_one_with_more_orders_then_the_closed(
    book: hotbook.Client, root: Path
) -> None:
    """One uuid open and closed: more orders win over closed, closed wins over open; both named."""
    more = position(1, is_open=True)
    less = {**more, "is_closed_position": True, "close_ms": START_MS + HOUR_MS}
    less["orders"] = more["orders"][:-1]
    alike = position(2, is_open=True)
    closed = {**alike, "is_closed_position": True, "close_ms": START_MS + HOUR_MS}
    for one in (more, less, alike, closed):
        write(root, one)

    report = import_tree(book, root)

    held = {p.position_uuid: p for p in book.book()}
    assert held[more["position_uuid"]].is_open
    assert not held[alike["position_uuid"]].is_open
    assert (report.twin, report.saved, report.is_whole) == (2, 2, False)
    for place, reason in told(report, Kind.TWIN):
        assert Path(place).name in reason


def test_twins_that_are_the_same_are_no_fault(book: hotbook.Client, root: Path) -> None:
    """A copy in the other folder is named, and nothing is left out."""
    one = position(1)
    path = write(root, one)
    write(root, one, path.parent.parent / "open" / path.name)

    report = import_tree(book, root, strict=True)

    assert (report.twin, report.saved, report.is_whole) == (1, 1, True)


def test_the_content_decides_the_state(book: hotbook.Client, root: Path) -> None:
    """A closed position in open/ is closed, and named."""
    one = position(1)
    path = write(root, one)
    path.parent.rename(path.parent.with_name("open"))

    report = import_tree(book, root)

    assert (report.saved, report.wrong_folder, report.is_whole) == (1, 1, True)
    assert not next(book.book()).is_open


FAULTS: list[tuple[Kind, str, bytes, str]] = [
    (Kind.EMPTY, "closed/e", b"", "it is empty"),
    (Kind.EMPTY, "closed/z", b"\0" * 5000, "it holds nothing"),
    (Kind.CORRUPT, "closed/c", json.dumps(position(9)).encode()[:-9], "truncated"),
    (Kind.CORRUPT, "closed/n", json.dumps(position(9, net_value=float("nan"))).encode(), "JSON"),
    (Kind.FOREIGN, "closed/f.txt", b"notes", "no position"),
    (Kind.FOREIGN, "closed/f.json", b'{"a": 1}', "no position"),
    (Kind.MISPLACED, "closed/other", json.dumps(position(9)).encode(), "its uuid is"),
    (Kind.MISPLACED, "stray", b"whatever", "<PAIR>/<open|closed>/<uuid>"),
    (Kind.MISPLACED, "closed/deep/er", json.dumps(position(9)).encode(), "deep/er"),
]


@pytest.mark.parametrize(("kind", "name", "text", "word"), FAULTS, ids=[f[1] for f in FAULTS])
def test_what_is_wrong_is_named_and_left(
    book: hotbook.Client, root: Path, kind: Kind, name: str, text: bytes, word: str
) -> None:
    """A file that is no position is named with its place and left where it is; the rest comes."""
    good = write(root, position(1))
    bad = good.parent.parent / name
    bad.parent.mkdir(parents=True, exist_ok=True)
    bad.write_bytes(text)

    report = import_tree(book, root)

    [(place, reason)] = told(report, kind)
    assert root / place == bad
    assert word in reason
    assert (report.saved, len(report.named), report.is_whole) == (1, 1, False)
    assert bad.read_bytes() == text


@pytest.mark.parametrize(
    ("changed", "word"),
    [({"miner_hotkey": "another"}, "hotkey"), ({"trade_pair": ["EURUSD"]}, "trade pair")],
)
def test_a_position_in_another_ones_place(
    book: hotbook.Client, root: Path, changed: Any, word: str
) -> None:
    """A file whose hotkey or pair is not that of its folder is misplaced."""
    one = position(1)
    write(root, one)
    write(root, {**position(2), **changed}, write(root, position(2)))

    report = import_tree(book, root)

    [(_, reason)] = told(report, Kind.MISPLACED)
    assert reason.startswith(f"its {word} is")
    assert uuids(book) == {one["position_uuid"]}


def test_symlinks_are_never_followed(book: hotbook.Client, root: Path) -> None:
    """Loops, links to files and links to folders are named as foreign; the import ends."""
    path = write(root, position(1))
    (path.parent / "loop").symlink_to(root)
    (path.parent / "copy").symlink_to(path)
    (root / "miners" / "linked").symlink_to(root / "miners" / "hk")
    os.mkfifo(path.parent / "pipe")

    report = import_tree(book, root)

    assert (report.read, report.saved, report.foreign) == (1, 1, 4)
    assert any(place.endswith("linked") for place, _ in told(report, Kind.FOREIGN))


def test_what_belongs_to_others_is_left_alone(book: hotbook.Client, root: Path) -> None:
    """Limit orders and files of other services are one number; noise is not even that."""
    path = write(root, position(1))
    limit = root / "miners/hk/limit_orders/BTCUSD/unfilled/x"
    limit.parent.mkdir(parents=True)
    limit.write_text("{}")
    (root / "eliminations.json").write_text("{}")
    (path.parent / ".DS_Store").write_text("x")
    (path.parent / "x.swp").write_text("x")

    report = import_tree(book, root)

    assert (report.left_alone, report.read, report.named) == (2, 1, ())


def test_of_two_open_on_a_pair_the_newer_stays(book: hotbook.Client, root: Path) -> None:
    """The older goes to the rejects, as it was, with its path and why."""
    older, newer = position(8, is_open=True), position(16, is_open=True)
    for one in (older, newer):
        write(root, one)

    report = import_tree(book, root)

    assert uuids(book) == {newer["position_uuid"]}
    assert (report.doubly_open, report.saved, report.is_whole) == (1, 1, False)
    [line] = rejects(report)
    assert line["position"] == older
    assert line["code"] == "ALREADY_OPEN"
    assert newer["position_uuid"] in line["reason"]
    assert (root / line["path"]).name == older["position_uuid"]


def test_rejects_never_overwrite(book: hotbook.Client, root: Path, tmp_path: Path) -> None:
    """Each import that has rejects makes a file of its own; one that has none makes none."""
    write(root, position(8))
    assert import_tree(book, root).rejects is None
    write(root, position(8, is_open=True, position_uuid="a"))
    write(root, position(16, is_open=True, position_uuid="b"))

    first = import_tree(book, root, rejects=tmp_path / "no.jsonl").rejects
    second = import_tree(book, root, rejects=tmp_path / "no.jsonl").rejects

    assert first == str(tmp_path / "no.jsonl")
    assert second == str(tmp_path / "no-2.jsonl")
    assert Path(first).read_text() == Path(second).read_text()


def test_what_the_server_refuses_is_rejected(book: hotbook.Client, root: Path) -> None:
    """A rule of the book or of the shape: the position goes to the rejects with the code."""
    spaced = position(3, position_uuid="a b")
    second = position(8, is_open=True)
    write(root, spaced)
    write(root, second)
    book.save(make.position("first"))

    report = import_tree(book, root)

    assert {line["code"] for line in rejects(report)} == {"INVALID_ARGUMENT", "ALREADY_OPEN"}
    assert (report.refused, report.saved) == (2, 0)
    assert uuids(book) == {"first"}


def test_a_uuid_stands_once(book: hotbook.Client, root: Path) -> None:
    """The same uuid under another hotkey or pair: the first stays, the others are rejected."""
    write(root, position(1, "hk1", position_uuid="same"))
    write(root, position(1, "hk2", position_uuid="same"))
    write(root, position(2, "hk1", position_uuid="same"))

    report = import_tree(book, root)

    assert [line["code"] for line in rejects(report)] == ["IDENTITY_CHANGED"] * 2
    [held] = book.book()
    assert (held.hotkey, report.saved, report.refused) == ("hk1", 1, 2)


@pytest.fixture
def odd(root: Path) -> Path:
    """A tree with one fault of each kind that is seen before anything is saved."""
    good = write(root, position(1))
    for number, (_, name, text, _) in enumerate(FAULTS):
        bad = good.parent.parent / f"closed/{number}-{Path(name).name}"
        bad.write_bytes(text)
    write(root, position(8, is_open=True))
    write(root, position(16, is_open=True))
    twin = position(3)
    write(root, twin)
    write(root, {**twin, "is_closed_position": False, "close_ms": None})
    return root


def test_a_dry_run_tells_all_and_writes_nothing(
    book: hotbook.Client, odd: Path, tmp_path: Path
) -> None:
    """Its report is that of the import; the book and the working folder stay as they are."""
    before, revision = sorted(tmp_path.rglob("*")), book.status().revision

    dry = import_tree(book, odd, dry_run=True)

    assert (sorted(tmp_path.rglob("*")), book.status().revision) == (before, revision)
    wet = import_tree(book, odd)
    assert (dry.read, dry.saved, sorted(dry.named, key=str)) == (
        wet.read, wet.saved, sorted(wet.named, key=str),
    )  # fmt: skip
    assert dry.dry_run


def test_strict_refuses_before_anything_is_written(book: hotbook.Client, odd: Path) -> None:
    """One fault and nothing is saved; all faults are told."""
    report = import_tree(book, odd, strict=True)

    assert report.refused_by_strict
    assert not report.is_whole
    assert book.status().positions == 0
    assert len(report.named) == len(FAULTS) + 2
    assert report.rejects is None


def test_strict_takes_what_is_right(book: hotbook.Client, root: Path) -> None:
    """Without a fault a strict import is an import."""
    write_tree(root, 20, per_hotkey=10)
    assert import_tree(book, root, strict=True).saved == 20


WEIRD = ["../../x", "a/b", "u" * 256, "日本" * 60, "..", "x.swp", "a%2Fb", ".hidden", "-x"]


def test_weird_uuids_have_a_place(book: hotbook.Client, root: Path) -> None:
    """A uuid is found under its own name or the escaped one, whatever it is made of."""
    raw = position(3, position_uuid="a/b/c")
    write(root, raw)
    for number, uuid in enumerate(WEIRD):
        one = position(number * 8 + 1, position_uuid=uuid)
        path = write(root, {**one, "position_uuid": "x"})
        path.unlink()
        write(root, one, path.with_name(escaped(uuid)))

    report = import_tree(book, root)

    assert report.named == ()
    assert uuids(book) == {*WEIRD, "a/b/c"}


def test_a_uuid_that_climbs_is_misplaced(book: hotbook.Client, root: Path) -> None:
    """A file that a uuid with dots put into another one's tree is not taken for that one's."""
    evil = position(1, "hk", position_uuid="../../../../hk2/positions/BTCUSD/open/EVIL")
    write(root, evil, root / "miners/hk2/positions/ETHUSD/closed/EVIL")

    report = import_tree(book, root)

    assert (report.misplaced, book.status().positions) == (1, 0)


def test_a_dry_run_tells_what_the_server_would_refuse(book: hotbook.Client, root: Path) -> None:
    """An open rival in the book, and a price below zero: told before, and again by the import."""
    rival = make.position("rival", hotkey="hk", trade_pair="BTCUSD")
    book.save(rival)
    write(root, position(8, "hk", is_open=True))
    broken = position(3, "other")
    broken["orders"][0]["price"] = -1.5
    write(root, broken)
    write(root, position(5, "other"))
    revision = book.status().revision

    dry = import_tree(book, root, dry_run=True)

    assert (dry.saved, dry.refused, dry.rejects) == (1, 2, None)
    assert book.status().revision == revision
    real = import_tree(book, root)
    assert (real.saved, real.refused) == (1, 2)
    assert told(real, Kind.REFUSED) == told(dry, Kind.REFUSED)
    assert all("items[" not in reason for _, reason in told(real, Kind.REFUSED))
