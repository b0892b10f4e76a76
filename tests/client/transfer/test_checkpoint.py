"""Checkpoints of the original: into a real server and out again, and what is no checkpoint."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

import hotbook
from hotbook.transfer.exporting import export_checkpoint
from hotbook.transfer.importing import import_checkpoint, import_tree
from hotbook.transfer.report import Kind
from tests.legacy_tree import book as legacy_book
from tests.legacy_tree import position, write

KEYS = ["version", "created_timestamp_ms", "created_date", "challengeperiod",
        "miner_account_sizes", "eliminations", "youngest_order_processed_ms",
        "oldest_order_processed_ms", "positions", "perf_ledgers", "asset_selections",
        "limit_orders"]  # fmt: skip


def checkpoint(count: int = 40, per_hotkey: int = 20) -> Any:
    """A checkpoint as the original writes it, with what belongs to other services."""
    entries: dict[str, Any] = {}
    for made in legacy_book(count, per_hotkey):
        if not made["is_closed_position"]:
            made["close_ms"] = 0
        entry = entries.setdefault(made["miner_hotkey"], {"positions": [], "tier": 1.5})
        entry["positions"].insert(0, made)
    for entry in entries.values():
        entry["n_positions"] = len(entry["positions"])
        entry["thirty_day_returns"] = 1.0000000000000002
    times = [o["processed_ms"] for e in entries.values() for p in e["positions"]
             for o in p["orders"]]  # fmt: skip
    made = {
        "version": "6.6.0",
        "created_timestamp_ms": 1734000000000,
        "created_date": "2024-12-12 10:40:00",
        "challengeperiod": {"hk": {"bucket": "MAINCOMP", "bucket_start_time": 1e300}},
        "miner_account_sizes": {"hk": [{"account_size": 0.1}]},
        "eliminations": [{"hotkey": "x", "dd": 0.1, "reason": "ü"}],
        "youngest_order_processed_ms": min(times, default=0),
        "oldest_order_processed_ms": max(times, default=0),
        "positions": entries,
        "perf_ledgers": {"hk": {"cps": [1.5, None]}},
        "asset_selections": {},
        "limit_orders": {},
    }
    assert list(made) == KEYS
    return made


def written(path: Path, made: Any) -> Path:
    text = json.dumps(made).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def opened(path: Path) -> Any:
    text = path.read_bytes()
    return json.loads(gzip.decompress(text) if path.suffix == ".gz" else text)


@pytest.mark.parametrize("name", ["old.json", "old.json.gz"])
@pytest.mark.parametrize("odd", [False, True])
def test_a_round_trip_loses_nothing(
    book: hotbook.Client, tmp_path: Path, name: str, odd: bool
) -> None:
    """In, out like the old one, and every key, value, float and order is the same."""
    made = checkpoint()
    if odd:
        first, second = next(iter(made["positions"].values()))["positions"][:2]
        first |= {"unknown": [0.1, {"x": None}], "close_ms": None}
        second["orders"][0] |= {"order_uuid": 5, "what": 1e-7}
        made["positions"]["gone"] = {"positions": [], "n_positions": 0, "tier": None}
        made["a new section"] = {"of": ["another", "service"]}
    old = written(tmp_path / name, made)

    report = import_checkpoint(book, old)
    count = export_checkpoint(book, tmp_path / ("new" + old.suffix), like=old)

    assert (report.saved, report.named, count) == (40, (), 40)
    new = opened(tmp_path / ("new" + old.suffix))
    assert json.dumps(new) == json.dumps(made)


def test_gzip_is_told_by_its_bytes(book: hotbook.Client, tmp_path: Path) -> None:
    """A gzipped checkpoint under any name, and JSON inside a JSON string, are taken."""
    text = json.dumps(checkpoint())
    (tmp_path / "a.json").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "b.gz").write_text(json.dumps(text))

    assert import_checkpoint(book, tmp_path / "a.json").saved == 40
    assert import_checkpoint(book, tmp_path / "b.gz").there_already == 40


def test_a_checkpoint_of_this_book(book: hotbook.Client, tmp_path: Path) -> None:
    """Without an old one: the keys of the original, open positions with close_ms 0, counts."""
    made = checkpoint()
    import_checkpoint(book, written(tmp_path / "old.json", made))

    export_checkpoint(book, tmp_path / "new.json")

    new = opened(tmp_path / "new.json")
    assert list(new) == KEYS
    assert new["youngest_order_processed_ms"] == made["youngest_order_processed_ms"]
    assert new["oldest_order_processed_ms"] == made["oldest_order_processed_ms"]
    assert new["youngest_order_processed_ms"] < new["oldest_order_processed_ms"]
    for hotkey, entry in new["positions"].items():
        theirs = {p["position_uuid"]: p for p in made["positions"][hotkey]["positions"]}
        assert {p["position_uuid"]: p for p in entry["positions"]} == theirs
        assert entry["n_positions"] == len(theirs)
        states = [p["is_closed_position"] for p in entry["positions"]]
        assert states == sorted(states, reverse=True)


def test_an_empty_book(book: hotbook.Client, tmp_path: Path) -> None:
    """An empty book is a checkpoint without positions, and comes in again."""
    assert export_checkpoint(book, tmp_path / "new.json.gz") == 0
    assert opened(tmp_path / "new.json.gz")["positions"] == {}
    assert import_checkpoint(book, tmp_path / "new.json.gz").read == 0


def test_tree_and_checkpoint_mean_the_same(book: hotbook.Client, tmp_path: Path) -> None:
    """What a tree brought in is there already when its checkpoint comes."""
    for one in legacy_book(40, 20):
        write(tmp_path / "validation", one)
    import_tree(book, tmp_path / "validation")

    report = import_checkpoint(book, written(tmp_path / "c.json", checkpoint()))

    assert (report.there_already, report.named) == (40, ())


def test_its_positions_are_judged_like_files(book: hotbook.Client, tmp_path: Path) -> None:
    """What is wrong with a position is named with its key path, and the others come in."""
    hk = [position(1), position(2, "other"), {"a": 1}, position(3, net_value="x"),
          {**position(1), "orders": []}, position(8, is_open=True),
          position(16, is_open=True)]  # fmt: skip
    made = {"positions": {"hk": {"positions": hk}}}

    report = import_checkpoint(book, written(tmp_path / "c.json", made))

    assert {(one.kind, one.place[-3:]) for one in report.named} == {
        (Kind.MISPLACED, "[1]"), (Kind.FOREIGN, "[2]"), (Kind.CORRUPT, "[3]"),
        (Kind.TWIN, "[4]"), (Kind.DOUBLY_OPEN, "[5]"),
    }  # fmt: skip
    assert all(one.place.startswith("positions.hk.positions[") for one in report.named)
    assert (report.saved, report.read) == (2, 7)


def test_strict_and_dry_run(book: hotbook.Client, tmp_path: Path) -> None:
    """Neither writes anything."""
    made = checkpoint()
    made["positions"]["hk"] = {"positions": [{"a": 1}]}
    path = written(tmp_path / "c.json", made)

    dry = import_checkpoint(book, path, dry_run=True)
    strict = import_checkpoint(book, path, strict=True)

    assert (dry.saved, strict.refused_by_strict) == (40, True)
    assert book.status().positions == 0


WHOLE = json.dumps(checkpoint(4, 4)).encode()
BROKEN: list[tuple[str, bytes, str]] = [
    ("cut in half", WHOLE[: len(WHOLE) // 2], f"byte {len(WHOLE) // 2:,}"),
    ("cut gzip", gzip.compress(WHOLE)[:-100], "gzip"),
    ("broken gzip", gzip.compress(WHOLE)[:-8] + b"12345678", "gzip"),
    ("a wrong byte", WHOLE.replace(b'"eliminations": [', b'"eliminations": ?'), "(byte "),
    ("a byte deep inside", WHOLE.replace(b'"processed_ms": 1', b'"processed_ms": +1'), "(byte "),
    ("nothing", b"", "byte 0"),
    ("a list", b"[]", "Expected `object`"),
    ("no positions", b"{}", "no `positions`"),
    ("positions of a list", b'{"positions": []}', "at positions"),
    ("an entry of a list", b'{"positions": {"hk": []}}', "at positions.hk"),
    ("an entry without", b'{"positions": {"hk": {}}}', "at positions.hk.positions"),
    ("a number in between", b'{"positions": {"hk": {"positions": 5}}}', "positions.hk.positions"),
    ("nested", b'{"positions": ' + b"[" * 99_999, "nested"),
    ("text", b"not at all", "(byte "),
]


@pytest.mark.parametrize(("text", "word"), [b[1:] for b in BROKEN], ids=[b[0] for b in BROKEN])
def test_what_is_no_checkpoint(
    book: hotbook.Client, tmp_path: Path, text: bytes, word: str
) -> None:
    """A broken file is refused before anything is written; the error names it and the place."""
    path = tmp_path / "broken.json"
    path.write_bytes(text)

    with pytest.raises(hotbook.InvalidArgument) as caught:
        import_checkpoint(book, path)

    assert str(path) in caught.value.message
    assert word in caught.value.message
    assert book.status().positions == 0


def test_a_file_that_is_not_there(book: hotbook.Client, tmp_path: Path) -> None:
    """It is named."""
    with pytest.raises(hotbook.InvalidArgument, match=r"nothing\.json: No such file"):
        import_checkpoint(book, tmp_path / "nothing.json")
