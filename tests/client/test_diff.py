"""The difference between two copies of a book: servers, trees, checkpoints, backups, in any mix."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import hotbook
from hotbook import ExecutionType, InvalidArgument, Position, PriceSource, Side
from hotbook.testing import server
from hotbook.transfer import diff as diffing
from hotbook.transfer.copies import KINDS
from hotbook.transfer.diff import Difference, diff
from hotbook.transfer.exporting import export_checkpoint, export_tree
from hotbook.transfer.fields import differing_fields
from hotbook.transfer.importing import import_tree
from tests.make import CLOSE_MS, OPEN_MS, closed, leg, order, position
from tests.shared.test_original_layout import FILE

QUOTED = order(
    1,
    quantity=Decimal("-0.1540822315298162"),
    execution_type=ExecutionType.LIMIT,
    limit_price=Decimal("1E-7"),
    price_sources=(PriceSource(source="Polygon_ws", open=Decimal("1.10"), lag_ms=3),),
    extra={"note": "a", "deep": {"list": [1, None, 2.5]}},
)
STAYS = [
    position("stays", hotkey="a", orders=(order(), QUOTED), extra={"trade_pair": "mine", "x": 1}),
    closed("done", hotkey="a", return_at_close=Decimal("1.0989"), quantity=Decimal("0.10")),
    leg("leg", hotkey="b", stop_loss=Decimal("1.5")),
    position("a/../b", hotkey="日本/b", orders=()),
]
OLD = [*STAYS, position("gone", hotkey="a", trade_pair="ETHUSD"),
       position("turned", hotkey="c", trade_pair="XAUUSD")]  # fmt: skip
TURNED = closed("turned", hotkey="c", trade_pair="XAUUSD", orders=(order(leverage=Decimal("0.2")),))
NEW = [*STAYS, closed("come", hotkey="d"), TURNED]

Copies = dict[str, str]


def copies_of(target: str, folder: Path) -> Copies:
    """Every kind of copy of a server's book, by its kind."""
    tree, checkpoint, backup = (folder / name for name in ("tree", "book.json.gz", "backup.db"))
    with hotbook.connect(target) as book:
        export_tree(book, tree)
        export_checkpoint(book, checkpoint)
        book.backup(backup)
    return dict(zip(KINDS, (target, str(tree), str(checkpoint), str(backup)), strict=True))


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Copies, Copies]]:
    """Copies of two books: the second has been saved over, and holds other positions, too."""
    made = []
    with ExitStack() as stack:
        for positions, times in ((OLD, 1), (NEW, 2)):
            folder = tmp_path_factory.mktemp("copies")
            target = stack.enter_context(server(durability="relaxed", data_dir=folder / "data"))
            with hotbook.connect(target) as book:
                for _ in range(times):
                    for saved in positions:
                        book.save(saved)
            made.append(copies_of(target, folder))
        yield made[0], made[1]


def names(found: Difference) -> list[tuple[str, str]]:
    return [(one.where, one.position_uuid) for one in found.told]


EVERY_PAIR = [(a, b) for a in KINDS for b in KINDS]


@pytest.mark.parametrize("open_only", [False, True])
@pytest.mark.parametrize(("a", "b"), EVERY_PAIR)
def test_copies_of_one_book_are_the_same(
    stocked: tuple[Copies, Copies], a: str, b: str, open_only: bool
) -> None:
    """A book and its backup, tree and checkpoint hold the same, whichever two are compared."""
    old, _ = stocked
    held = [made for made in OLD if made.is_open or not open_only]

    found = diff(old[a], old[b], open_only=open_only)

    assert (found.same, found.told) == (True, ())
    assert (found.positions_in_a, found.positions_in_b) == (len(held), len(held))


@pytest.mark.parametrize(("a", "b"), EVERY_PAIR)
def test_what_differs_is_named(stocked: tuple[Copies, Copies], a: str, b: str) -> None:
    """Each position that is in one alone, and each field that differs, with both its values."""
    old, new = stocked

    found = diff(old[a], new[b])

    assert not found.same
    assert (found.only_in_a, found.only_in_b, found.differing) == (1, 1, 1)
    assert names(found) == [("only_in_a", "gone"), ("differs", "turned"), ("only_in_b", "come")]
    changed = {field.path: (field.a, field.b) for field in found.told[1].fields}
    assert changed == {
        "side": (Side.LONG, Side.FLAT),
        "close_ms": (None, CLOSE_MS),
        "orders[0].leverage": (Decimal("0.1"), Decimal("0.2")),
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({"hotkeys": ["a", "d"]}, [("only_in_a", "gone"), ("only_in_b", "come")]),
        ({"hotkeys": "b"}, []),
        ({"hotkeys": ["日本/b"]}, []),
        ({"hotkeys": ["nobody"]}, []),
        ({"open_only": True}, [("only_in_a", "gone"), ("only_in_a", "turned")]),
        ({"open_only": True, "hotkeys": ["c"]}, [("only_in_a", "turned")]),
    ],
)
def test_filters(
    stocked: tuple[Copies, Copies], kind: str, asked: dict[str, Any], wanted: list[Any]
) -> None:
    """Only the hotkeys that were named count, and with `open_only` only what is open."""
    old, new = stocked

    assert names(diff(old[kind], new[kind], **asked)) == wanted


@pytest.mark.parametrize("limit", [0, 1, 3, 4])
def test_the_limit_is_for_telling_alone(stocked: tuple[Copies, Copies], limit: int) -> None:
    """No more than `limit` positions are told; all are counted."""
    old, new = stocked

    found = diff(old["tree"], new["backup"], limit=limit)

    assert len(found.told) == min(limit, 3)
    assert found.only_in_a + found.only_in_b + found.differing == 3


@pytest.mark.parametrize("kind", KINDS)
def test_small_batches_find_the_same(
    stocked: tuple[Copies, Copies], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not matter how many hotkeys are read at once."""
    old, new = stocked
    whole = diff(old[kind], new["server"])
    monkeypatch.setattr(diffing, "BATCH_POSITIONS", 1)

    assert diff(old[kind], new["server"]) == whole


def test_progress_ends_where_it_said(
    stocked: tuple[Copies, Copies], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is done grows up to the total."""
    monkeypatch.setattr(diffing, "STEP", 1)
    seen: list[tuple[int, int]] = []

    diff(*(copies["tree"] for copies in stocked), progress=lambda *now: seen.append(now))

    assert [done for done, _ in seen] == [*range(1, len(seen) + 1)]
    assert seen[-1][0] == seen[-1][1]


# ---------------------------------------------------------------- trees that the original made


def put(root: Path, file: dict[str, Any], state: str = "open") -> Path:
    """Writes a position file where the original would."""
    below = root / "miners" / file["miner_hotkey"] / "positions" / file["trade_pair"][0] / state
    below.mkdir(parents=True, exist_ok=True)
    path: Path = below / file["position_uuid"]
    path.write_text(json.dumps(file))
    return path


def test_a_tree_and_the_server_that_imported_it(tmp_path: Path, book: hotbook.Client) -> None:
    """They are the same, with twins, old schemas, unknown fields and all that had to be mended."""
    put(tmp_path, FILE)
    put(tmp_path, FILE | {"is_closed_position": True, "close_ms": CLOSE_MS}, "closed")
    put(
        tmp_path,
        FILE | {"position_uuid": "odd", "trade_pair": ["XAUUSD"], "close_ms": 0, "new": [1]},
    )
    put(tmp_path, FILE | {"position_uuid": "cut", "is_closed_position": True}, "closed")
    report = import_tree(book, tmp_path)
    assert (report.saved, report.mended) == (3, 1)

    found = diff(tmp_path, book._transport.target)

    assert (found.same, found.told, found.unread_in_a) == (True, (), ())
    assert found.positions_in_a == 3


def test_a_position_that_an_import_leaves_out_is_a_difference(
    tmp_path: Path, book: hotbook.Client
) -> None:
    """The older of two open positions on a pair stands in the tree alone."""
    put(tmp_path, FILE)
    put(tmp_path, FILE | {"position_uuid": "older", "open_ms": FILE["open_ms"] - 1})
    import_tree(book, tmp_path, rejects=tmp_path / "rejects.jsonl")

    found = diff(tmp_path, book._transport.target)

    assert names(found) == [("only_in_a", "older")]


def test_how_a_number_is_written_does_not_matter(tmp_path: Path) -> None:
    """Other bytes that say the same are the same: 0.10 is 0.1, null is nothing, 1e2 is 100.0."""
    for name, text in (
        ("a", json.dumps(FILE)),
        ("b", json.dumps(FILE)[:-1] + ', "stop_loss": null}'),
    ):
        path = put(tmp_path / name, FILE)
        path.write_text(
            text if name == "a" else text.replace("0.1,", "0.10,").replace("0.0,", "0,")
        )

    assert (tmp_path / "a").stat() != (tmp_path / "b").stat()
    assert diff(tmp_path / "a", tmp_path / "b").same
    put(tmp_path / "b", FILE | {"net_leverage": 0.11})
    [one] = diff(tmp_path / "a", tmp_path / "b").told
    assert [(f.path, f.a, f.b) for f in one.fields] == [
        ("net_leverage", Decimal("0.1"), Decimal("0.11"))
    ]


def test_how_a_pair_is_written_does_not_matter(tmp_path: Path) -> None:
    """The original's files and checkpoints give a pair other terms; neither are the position's."""
    put(tmp_path / "a", FILE)
    put(tmp_path / "b", FILE | {"trade_pair": ["BTCUSD", "BTC/USD", 0.0, 0.1, 1.0]})

    assert diff(tmp_path / "a", tmp_path / "b").same


@pytest.mark.parametrize(
    ("text", "word"),
    [("{]", "malformed"), ("", "empty"), (json.dumps(FILE | {"miner_hotkey": "x"}), "hotkey")],
)
def test_what_cannot_be_read_is_named_and_not_the_same(
    tmp_path: Path, text: str, word: str
) -> None:
    """Where a file is damaged nobody can say that the trees are the same; it is named."""
    for name in "ab":
        put(tmp_path / name, FILE)
    put(tmp_path / "b", FILE | {"position_uuid": "bad"}).write_text(text)

    found = diff(tmp_path / "a", tmp_path / "b")

    assert (found.same, found.told, found.unread_in_a) == (False, (), ())
    [unread] = found.unread_in_b
    assert "bad" in unread.place or "bad" in unread.reason
    assert word in unread.place + unread.reason


def test_values_that_are_none_are_named(tmp_path: Path) -> None:
    """A text in the place of a number is no value: it is not compared, and not the same."""
    put(tmp_path / "a", FILE)
    put(tmp_path / "b", FILE | {"net_leverage": "-.-"})

    found = diff(tmp_path / "a", tmp_path / "b")

    assert (found.same, found.told, found.unread_in_a) == (False, (), ())
    assert FILE["position_uuid"] in found.unread_in_b[0].place


# ---------------------------------------------------------------- fields

CHANGES: list[tuple[dict[str, Any], dict[str, Any], list[tuple[str, Any, Any]]]] = [
    ({}, {}, []),
    ({}, {"version": 3, "revision": 9, "updated_ms": 5}, []),
    ({"quantity": Decimal("0.10")}, {"quantity": Decimal("0.1")}, []),
    ({"quantity": Decimal("0E-9")}, {}, []),
    ({}, {"current_return": Decimal("1.000")}, []),
    ({"stop_loss": None}, {"stop_loss": Decimal(0)}, [("stop_loss", None, Decimal(0))]),
    ({"close_ms": 0}, {}, [("close_ms", 0, None)]),
    ({"open_ms": OPEN_MS + 1}, {}, [("open_ms", OPEN_MS + 1, OPEN_MS)]),
    ({"orders": ()}, {}, [("orders[0]", None, order())]),
    ({"orders": (order(), QUOTED)}, {}, [("orders[1]", QUOTED, None)]),
    (
        {"orders": (order(price_sources=(PriceSource(open=Decimal(1)),)),)},
        {"orders": (order(price_sources=(PriceSource(open=Decimal(2)),)),)},
        [("orders[0].price_sources[0].open", Decimal(1), Decimal(2))],
    ),
    ({"extra": {"a": 1, "b": 2}}, {"extra": {"b": 2, "a": 1.0}}, []),
    ({"extra": {"a": True}}, {"extra": {"a": 1}}, [("extra.a", True, 1)]),
    ({"extra": {"a": None}}, {}, []),
    ({"extra": {"a": [1, {"b": 2}]}}, {"extra": {"a": [1, {"b": 3}]}}, [("extra.a[1].b", 2, 3)]),
    ({"extra": {"a": {"b": 1}}}, {"extra": {"a": [1]}}, [("extra.a", {"b": 1}, [1])]),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b", "wanted"), CHANGES)
def test_fields(a: dict[str, Any], b: dict[str, Any], wanted: list[tuple[str, Any, Any]]) -> None:
    """Fields are compared by value, at every depth, and named by their paths."""
    found = differing_fields(position(**a), position(**b))

    assert [(field.path, field.a, field.b) for field in found] == wanted


@pytest.mark.parametrize("name", Position.__struct_fields__)
def test_every_field_counts(name: str) -> None:
    """No field of a position is left out, but for the three that are the server's."""
    changed: dict[str, Any] = {name: {"key": 1} if name == "extra" else "changed"}

    found = list(differing_fields(position(), position(**changed)))

    path = {"version": [], "revision": [], "updated_ms": [], "extra": ["extra.key"]}.get(
        name, [name]
    )
    assert [field.path for field in found] == path


# ---------------------------------------------------------------- what a copy may be


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_may_be_forced(stocked: tuple[Copies, Copies], kind: str) -> None:
    """`tree:` and its like before a name say what it is; another kind than it is, is refused."""
    old, new = stocked
    assert diff(f"{kind}:{old[kind]}", old["backup"]).same

    for other in KINDS:
        if other != kind:
            with pytest.raises(InvalidArgument):
                diff(f"{other}:{new[kind]}", old["backup"], timeout_s=1)


def test_a_checkpoint_needs_no_gzip(stocked: tuple[Copies, Copies], tmp_path: Path) -> None:
    """A checkpoint is known by what it is, whatever its name."""
    old, _ = stocked
    file = tmp_path / "book"
    file.write_bytes(gzip.decompress(Path(old["checkpoint"]).read_bytes()))

    assert diff(file, old["checkpoint"]).same


def database(path: Path) -> None:
    with sqlite3.connect(path) as made:
        made.execute("CREATE TABLE other (x)")


def cut(path: Path) -> None:
    path.write_bytes(gzip.compress(json.dumps({"positions": {}}).encode())[:-9])


def damaged(path: Path) -> None:
    with sqlite3.connect(path) as made:
        made.execute("CREATE TABLE positions (record BLOB)")
        made.execute("INSERT INTO positions VALUES (x'ff')")


def live(path: Path) -> None:
    database(path)
    path.with_name(path.name + "-wal").write_bytes(b"x")


WRONG: list[tuple[Any, str]] = [
    (lambda path: None, "neither HOST:PORT nor a file or folder"),
    (lambda path: path.write_bytes(b""), "neither a checkpoint nor a backup"),
    (lambda path: path.write_bytes(b"hello"), "neither a checkpoint nor a backup"),
    (lambda path: path.write_bytes(b'{"a": 1'), "no checkpoint"),
    (lambda path: path.write_bytes(b"{}"), "no checkpoint"),
    (lambda path: path.mkdir(), "no tree of positions"),
    (cut, "gzip"),
    (database, "no such table"),
    (damaged, "cannot be read as a backup"),
    (live, "name the server, or a backup"),
]


@pytest.mark.parametrize(("make", "word"), WRONG)
def test_what_is_no_copy_is_refused(
    stocked: tuple[Copies, Copies], tmp_path: Path, make: Any, word: str
) -> None:
    """What is none of the four, or is damaged as a whole, is refused with its name and a reason."""
    path = tmp_path / "thing"
    make(path)

    for pair in ((path, stocked[0]["tree"]), (stocked[0]["tree"], path)):
        with pytest.raises(InvalidArgument) as refused:
            diff(*pair)
        assert word in refused.value.message
        assert str(path) in refused.value.message
