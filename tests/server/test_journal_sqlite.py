"""The journal on disk: its queries, its schema, its owner, its order of writes, and its pruning."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from hotbook_server.commands import Clear, Command, Delete
from hotbook_server.journal import rows, store, tables
from hotbook_server.journal.base import Batch, JournalBroken, KeptRequest
from hotbook_server.journal.sqlite import SqliteJournal
from hotbook_server.journal.store import STORE_NAME, FolderInUse, StoreTooNew, migrations
from hotbook_shared.errors import HotbookError
from hotbook_shared.model import Durability
from hotbook_shared.record import Change, Record, encode_record
from tests.crash.power import Author, decide
from tests.make import (
    NOW_MS,
    campaign_record,
    closed,
    leg,
    mark_record,
    position,
    record,
    save,
)

OpenJournal = Callable[..., SqliteJournal]


@pytest.fixture
def open_journal(tmp_path: Path) -> Iterator[OpenJournal]:
    """Opens journals on one folder, one after the other; closes what is open at the end."""
    opened: list[SqliteJournal] = []

    def reopen(**asked: object) -> SqliteJournal:
        while opened:
            opened.pop().close()
        opened.append(SqliteJournal(tmp_path / "data", **asked))  # type: ignore[arg-type]
        return opened[-1]

    yield reopen
    while opened:
        opened.pop().close()


# -------------------------------------------------------------------- queries

FULL_READS = {
    "the load reads all that is held": "SELECT rowid, ",
    "for the progress bar": "SELECT count(*) FROM positions",
    "of campaigns, too": "SELECT count(*) FROM campaigns",
    "and of marks": "SELECT count(*) FROM marks",
    "the load reads every request": "SELECT sequence, CAST(request_id AS BLOB)",
    "a few damaged rows": "SELECT count(*) FROM quarantine",
    "what a few of those were": "SELECT CAST(key AS BLOB) FROM quarantine",
    "clearing the book": "DELETE FROM positions",
    "and its campaigns": "DELETE FROM campaigns",
    "the check reads every position": "SELECT typeof(position_uuid) IN",
    "every campaign": "SELECT typeof(campaign_id) IN",
    "and every mark": "SELECT typeof(trade_pair) IN",
    "the snapshot begins; a few facts": "SELECT count(*) FROM meta",
    "one step from the end": "SELECT chain FROM changes ORDER BY revision DESC LIMIT 1",
}

SEARCHES = [
    ("DELETE FROM positions WHERE position_uuid = ?", "INDEX positions_by_uuid (position_uuid=?)"),
    ("DELETE FROM positions WHERE hotkey = ?", "INDEX positions_by_hotkey (hotkey=?)"),
    ("DELETE FROM positions WHERE rowid = ?", "INTEGER PRIMARY KEY (rowid=?)"),
    ("DELETE FROM changes WHERE revision <= ?", "INTEGER PRIMARY KEY (rowid<?)"),
    ("DELETE FROM requests WHERE sequence <= ?", "INTEGER PRIMARY KEY (rowid<?)"),
    (rows.READ_CHANGES, "INTEGER PRIMARY KEY (rowid>?)"),
    (rows.LINK_AT, "INTEGER PRIMARY KEY (rowid=?)"),
    (tables.POSITIONS.read_one, "INDEX positions_by_uuid (position_uuid=?)"),
    (rows.WIRE_AT, "INTEGER PRIMARY KEY (rowid=?)"),
    (rows.OUTCOME, "INTEGER PRIMARY KEY (rowid=?)"),
    ("SELECT max(revision) FROM changes", "SEARCH changes"),
    ("SELECT value FROM meta WHERE name = 'book_id'", "PRIMARY KEY (name=?)"),
    ("SELECT ?, 'position', position_uuid, hotkey, ?, record FROM positions WHERE rowid = ?",
     "INTEGER PRIMARY KEY (rowid=?)"),
    (tables.POSITIONS.key_as_found, "INTEGER PRIMARY KEY (rowid=?)"),
    ("DELETE FROM campaigns WHERE campaign_id = ?", "INDEX campaigns_by_id (campaign_id=?)"),
    ("DELETE FROM campaigns WHERE hotkey = ?", "INDEX campaigns_by_hotkey (hotkey=?)"),
    ("DELETE FROM campaigns WHERE rowid = ?", "INTEGER PRIMARY KEY (rowid=?)"),
    (tables.CAMPAIGNS.key_as_found, "INTEGER PRIMARY KEY (rowid=?)"),
    (tables.CAMPAIGNS.quarantine, "INTEGER PRIMARY KEY (rowid=?)"),
    ("DELETE FROM marks WHERE rowid = ?", "INTEGER PRIMARY KEY (rowid=?)"),
    (tables.MARKS.key_as_found, "INTEGER PRIMARY KEY (rowid=?)"),
    (tables.MARKS.quarantine, "INTEGER PRIMARY KEY (rowid=?)"),
]  # fmt: skip


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Every statement that a journal ran over its whole life, with SQLite's plan for it."""
    seen: set[str] = set()
    folder = tmp_path_factory.mktemp("plans")

    def watch(connection: apsw.Connection) -> None:
        connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, lambda event: seen.add(event["sql"]))

    apsw.connection_hooks.append(watch)
    try:
        _whole_life(folder)
    finally:
        apsw.connection_hooks.remove(watch)
    store = apsw.Connection(str(folder / STORE_NAME))
    words = ("SELECT", "INSERT", "DELETE", "UPDATE")
    found = {sql: _plan(store, sql) for sql in seen if sql.startswith(words)}
    store.close()
    return found


def _whole_life(folder: Path) -> None:
    """Each thing that a journal does, at least once."""
    journal = SqliteJournal(folder, changes_kept_max=10)
    author = Author(journal)
    author.commit(*(save(closed(f"p{n}", hotkey=f"hk{n % 7}")) for n in range(999)))
    author.commit(Delete("hk1", "p1"), save(position("open")), Clear("hk2", 143), forget=3)
    kept, gone = campaign_record("kept", 1003), campaign_record("gone", 1004)
    author.write(
        Change.campaign_saved(kept), Change.campaign_saved(gone),
        Change.campaign_removed(1005, gone), Change.marked(mark_record("BTCUSD", 1006)),
    )  # fmt: skip
    journal.backup(folder / "copy.db")
    author.problems()
    author.book.positions.by_uuid.update(
        dict.fromkeys(["gone"], author.book.positions.by_uuid["p3"])
    )
    author.problems()
    assert journal.outcome(900) == b"outcome 900"
    assert journal.link_at(1001) is not None
    assert journal.commits(1001, 0)
    assert journal.wire_of(record(closed("p3"))) is None
    journal.close()
    spoil(folder, "UPDATE positions SET record = x'00' WHERE position_uuid = 'p3'")
    spoil(folder, "UPDATE campaigns SET record = x'00' WHERE campaign_id = 'kept'")
    spoil(folder, "UPDATE marks SET record = x'00' WHERE trade_pair = 'BTCUSD'")
    journal = SqliteJournal(folder)
    author = Author(journal)
    author.commit(Clear("", len(author.book.positions.by_uuid)))
    journal.close()


def _plan(store: apsw.Connection, sql: str) -> str:
    bindings = (None,) * sql.count("?")
    return "; ".join(row[3] for row in store.execute(f"EXPLAIN QUERY PLAN {sql}", bindings))


def spoil(folder: Path, sql: str) -> None:
    """Changes a closed store behind the journal's back."""
    store = apsw.Connection(str(folder / STORE_NAME))
    store.execute(sql).fetchall()
    assert store.changes() > 0 or not sql.startswith(("UPDATE", "DELETE")), sql
    store.close()


LEGS = "SELECT position_uuid FROM positions WHERE campaign_id = ?"


@pytest.mark.parametrize(
    ("query", "search"),
    [
        (LEGS, "positions_legs (campaign_id=?)"),
        (f"{LEGS} AND close_ms IS NULL", "positions_legs (campaign_id=? AND close_ms=?)"),
        (f"{LEGS} AND close_ms IS NOT NULL", "positions_legs (campaign_id=? AND close_ms>?)"),
    ],
)
def test_legs_are_found_by_campaign_and_status(
    open_journal: OpenJournal, tmp_path: Path, query: str, search: str
) -> None:
    """Whoever reads the store with SQL finds a campaign's legs by the index that is made for it."""
    Author(open_journal()).commit(save(leg("L")), save(closed("A")))
    store = apsw.Connection(str(tmp_path / "data" / STORE_NAME))

    plan = _plan(store, query)
    store.close()

    assert search in plan
    assert "SCAN" not in plan


@pytest.mark.parametrize(("query", "search"), SEARCHES)
def test_a_query_uses_its_index(plans: dict[str, str], query: str, search: str) -> None:
    """Each query that asks for a part of a table finds it by an index."""
    found = [plan for sql, plan in plans.items() if sql.endswith(query)]

    assert len(found) == 1, "the journal runs this query"
    assert search in found[0]
    assert "SCAN" not in found[0]


def test_nothing_else_reads_a_whole_table(plans: dict[str, str]) -> None:
    """Whole tables are read only where all of them is wanted, and nothing is sorted on the way."""
    searched = tuple(query for query, _ in SEARCHES)
    for sql, plan in plans.items():
        assert "TEMP B-TREE" not in plan, sql
        assert "SCAN" not in plan or sql.startswith(tuple(FULL_READS.values())), sql
        if sql.startswith(("SELECT", "DELETE")):
            assert sql.endswith(searched) or "SCAN" in plan or not plan, sql


def test_every_full_read_that_is_excused_is_run(plans: dict[str, str]) -> None:
    """The list of excuses holds nothing that the journal does not do."""
    for reason, query in FULL_READS.items():
        assert any(sql.startswith(query) for sql in plans), reason


# -------------------------------------------------------------------- schema


def test_an_empty_folder_gets_the_newest_schema(open_journal: OpenJournal, tmp_path: Path) -> None:
    """A new store stands at the newest migration; the migrations are numbered without gaps."""
    open_journal().close()
    numbers = [number for number, _ in migrations()]

    store = apsw.Connection(str(tmp_path / "data" / STORE_NAME))
    version = store.execute("PRAGMA user_version").get
    store.close()

    assert numbers == list(range(1, len(numbers) + 1))
    assert version == numbers[-1]


def test_a_store_keeps_its_book_id(open_journal: OpenJournal) -> None:
    """The id of a book is given once and survives reopening."""
    assert open_journal().book_id == open_journal().book_id


def test_a_newer_schema_is_refused(open_journal: OpenJournal, tmp_path: Path) -> None:
    """A store of a newer version is refused by name, untouched, and its folder is let go."""
    open_journal().close()
    spoil(tmp_path / "data", "PRAGMA user_version = 99")
    before = (tmp_path / "data" / STORE_NAME).read_bytes()

    for _ in range(2):
        with pytest.raises(StoreTooNew, match=rf"schema 99.*up to {migrations()[-1][0]}"):
            SqliteJournal(tmp_path / "data")

    assert (tmp_path / "data" / STORE_NAME).read_bytes() == before


def test_a_migration_that_fails_leaves_the_schema_before_it(
    open_journal: OpenJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each migration is one commit: a later one that fails leaves the store as it was."""
    Author(open_journal()).commit(save(position("kept")))
    open_journal().close()
    steps = [
        *migrations(),
        (len(migrations()) + 1, "CREATE TABLE half (a); CREATE TABLE half (a);"),
    ]
    with monkeypatch.context() as patch:
        patch.setattr(store, "migrations", lambda: steps)
        with pytest.raises(JournalBroken, match="half"):
            SqliteJournal(tmp_path / "data")

    author = Author(open_journal())

    assert set(author.book.positions.by_uuid) == {"kept"}
    spoil(tmp_path / "data", "CREATE TABLE half (a)")


# -------------------------------------------------------------------- owner


def test_a_second_journal_in_the_same_process_is_refused(
    open_journal: OpenJournal, tmp_path: Path
) -> None:
    """Two journals never share a folder; the refusal names the process that owns it."""
    open_journal()
    for _ in range(2):
        with pytest.raises(FolderInUse, match=rf"process {os.getpid()}\)"):
            SqliteJournal(tmp_path / "data")


def test_a_second_process_is_refused(open_journal: OpenJournal, tmp_path: Path) -> None:
    """Another process' folder is refused, naming that process; when it dies, the folder is free."""
    owner = (
        "import sys, pathlib; from hotbook_server.journal.sqlite import SqliteJournal\n"
        "journal = SqliteJournal(pathlib.Path(sys.argv[1])); print('open', flush=True)\n"
        "sys.stdin.read()"
    )
    command = [sys.executable, "-c", owner, str(tmp_path / "data")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        with pytest.raises(FolderInUse, match=rf"process {process.pid}\)"):
            open_journal()
        process.kill()

    assert open_journal().quarantined() == 0


# -------------------------------------------------------------------- order of writes

A, B, C = position("A"), position("B"), position("C")
A_CLOSED, B_CLOSED = closed("A"), closed("B")
A_LEG = leg("A")

BATCHES: list[tuple[str, list[Command], list[Command]]] = [
    ("closed, then another opened", [save(A)], [save(A_CLOSED), save(B)]),
    ("there and back", [save(A)], [save(A_CLOSED), save(B), save(B_CLOSED), save(A)]),
    ("deleted, then another opened", [save(A)], [Delete("hk", "A"), save(B)]),
    ("replaced", [save(A)], [save(B, replace_open=True)]),
    ("replaced twice", [save(A)], [save(B, replace_open=True), save(A, replace_open=True)]),
    ("closed one replaces", [save(A), save(B_CLOSED)],
     [save(B_CLOSED, replace_open=True), save(C)]),
    ("opened, deleted, opened", [], [save(A), Delete("hk", "A"), save(A), save(A_CLOSED), save(B)]),
    ("becomes a leg", [save(A)], [save(A_LEG), save(B)]),
    ("becomes a leg after the other was touched", [save(A)],
     [save(B_CLOSED), save(A_LEG), save(B)]),
    ("leg and ordinary change places", [save(A), save(leg("B"))],
     [save(B_CLOSED), save(A_LEG), save(B)]),
    ("a leg becomes ordinary", [save(A_LEG), save(B)], [save(B_CLOSED), save(A)]),
    ("cleared, then opened", [save(A)], [Clear("hk", 1), save(B)]),
    ("opened, cleared, opened", [], [save(A), Clear("hk", 1), save(B), Clear("", 1), save(C)]),
    ("another hotkey is cleared", [save(position("X", hotkey="other")), save(A)],
     [save(A_CLOSED), Clear("other", 1), save(B), save(position("X", hotkey="other"))]),
    ("cleared and saved under its old uuid", [save(A)], [Clear("hk", 1), save(A), save(A_CLOSED)]),
    ("deleted, then of another hotkey", [save(A)],
     [Delete("hk", "A"), save(position("A", hotkey="other")), save(B)]),
]  # fmt: skip


@pytest.mark.parametrize(("before", "batch"), [b[1:] for b in BATCHES], ids=[b[0] for b in BATCHES])
def test_a_batch_is_written_in_an_order_that_the_index_allows(
    open_journal: OpenJournal, before: list[Command], batch: list[Command]
) -> None:
    """No batch that the rules accept ever trips the index that allows one open position a pair."""
    author = Author(open_journal())
    if before:
        author.commit(*before)

    author.commit(*batch)

    assert not author.problems()
    assert Author(open_journal()).book.digest == author.book.digest


@pytest.mark.parametrize("seed", range(10))
def test_batches_at_random_leave_what_the_book_holds(open_journal: OpenJournal, seed: int) -> None:
    """Whatever the rules accept, in whatever batches, the store equals the book, also reopened."""
    chance = random.Random(seed)
    author = Author(open_journal())
    for _ in range(15):
        author.commit(*_accepted(chance, author, chance.randrange(1, 12)))

    assert not author.problems()
    assert Author(open_journal()).book.digest == author.book.digest


def _accepted(chance: random.Random, author: Author, count: int) -> list[Command]:
    """Commands over few uuids and few pairs; those that the rules refuse are left out."""
    ahead, made = author.book.copy(), list[Command]()
    while len(made) < count:
        uuid = chance.choice("ABCDEF")
        pair = {"trade_pair": "P" if uuid < "D" else "Q"}
        opened, shut = position(uuid, **pair), closed(uuid, **pair)
        asked: Command = chance.choice([
            save(opened), save(opened, replace_open=True), save(shut), save(leg(uuid, **pair)),
            Delete("hk", uuid), Clear("hk", chance.randrange(6)),
        ])  # fmt: skip
        try:
            changes = decide(ahead, asked)
        except HotbookError:
            continue
        for change in changes:
            ahead.apply(change)
        made.append(asked)
    return made


# -------------------------------------------------------------------- pruning and flushing


def test_the_newest_changes_are_kept(open_journal: OpenJournal, tmp_path: Path) -> None:
    """Old changes are forgotten, never one of the newest; the chain holds, also when reopened."""
    author = Author(open_journal(changes_kept_max=50))
    for start in range(0, 2100, 70):
        author.commit(*(save(closed(f"p{start + n}")) for n in range(70)))
        assert not author.problems()

    author = Author(open_journal())
    author.commit(save(closed("last")))
    assert not author.problems()
    open_journal().close()
    store = apsw.Connection(str(tmp_path / "data" / STORE_NAME))
    oldest, newest, count = next(
        iter(store.execute("SELECT min(revision), max(revision), count(*) FROM changes"))
    )
    store.close()
    assert (newest, count) == (2101, newest - oldest + 1)
    assert 51 <= count <= 50 + 1000 + 70


def test_forgotten_requests_go_and_others_stay(open_journal: OpenJournal) -> None:
    """Requests are forgotten up to the sequence that is named, and no further."""
    author = Author(open_journal())
    author.commit(*(save(closed(f"p{n}")) for n in range(10)))
    author.commit(save(closed("p10")), forget=4)

    kept = open_journal().load().requests

    assert [request.sequence for request in kept] == list(range(5, 12))
    assert open_journal().outcome(4) is None
    assert open_journal().outcome(5) == b"outcome 5"


def test_a_request_without_a_change_is_kept(open_journal: OpenJournal) -> None:
    """A refusal is an answer too: it is kept although it changes nothing."""
    refused = KeptRequest("r", 2**64 - 1, 1, NOW_MS)
    open_journal().append(Batch([], [(refused, b"no")], NOW_MS))

    assert open_journal().load().requests == [refused]


@pytest.mark.parametrize("stands", [False, True], ids=["new store", "store that stands"])
def test_relaxed_mode_flushes_the_log(
    open_journal: OpenJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stands: bool
) -> None:
    """A flush syncs the very file that holds the appended changes, also after it was folded."""
    synced: list[int] = []
    really = os.fdatasync
    if stands:
        Author(open_journal()).commit(save(closed("before")))
    author = Author(open_journal(durability=Durability.RELAXED))

    def watched(file: int) -> None:
        synced.append(os.fstat(file).st_ino)
        really(file)

    monkeypatch.setattr(os, "fdatasync", watched)

    for number in range(3):
        author.commit(save(closed(f"p{number}")))
        author.journal.flush()
        store = apsw.Connection(str(tmp_path / "data" / STORE_NAME))
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        store.close()

    assert synced == [(tmp_path / "data" / f"{STORE_NAME}-wal").stat().st_ino] * 3


def test_fsync_mode_leaves_nothing_to_flush(
    open_journal: OpenJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In fsync mode a flush has nothing to do: append has done it."""
    author = Author(open_journal())
    author.commit(save(A))
    monkeypatch.setattr("os.fdatasync", lambda _file: pytest.fail("nothing is left to sync"))

    author.journal.flush()


# -------------------------------------------------------------------- damage: set aside at loading

AS_TEXT = "CAST(x'ff' || CAST(substr(record, 2) AS BLOB) AS TEXT)"

DAMAGED_ROWS = [
    ("one bit of the position", "record = {flipped record}", "checksum"),
    ("its checksum", "crc = crc + 1", "checksum"),
    ("half a position", "record = substr(record, 1, length(record) / 2)", ""),
    ("no position", "record = x''", "checksum"),
    ("garbage", "record = randomblob(300)", ""),
    ("a text for a position", "record = 'no position'", ""),
    ("one bit of a type: the position reads as text", f"record = {AS_TEXT}", ""),
    ("the hotkey that a clear goes by", "hotkey = 'other'", "checksum"),
    ("the pair that the rule of one goes by", "trade_pair = 'OTHER'", "checksum"),
    ("whether it is open", "close_ms = 7", "checksum"),
    ("whether it is a leg", "campaign_id = 'c'", "checksum"),
    ("the position of another row", "record = (SELECT record FROM positions LIMIT 1)", "checksum"),
]


@pytest.fixture
def three(open_journal: OpenJournal, tmp_path: Path) -> Path:
    """The folder of a closed store that holds A, B and D."""
    journal = open_journal()
    Author(journal).commit(
        save(closed("A")), save(B), save(position("D", trade_pair="ETHUSD", extra={"n": "x" * 50}))
    )
    journal.close()
    return tmp_path / "data"


def flip(folder: Path, table: str, column: str, where: str, bit: int) -> None:
    """Flips one bit of a blob in a closed store."""
    store = apsw.Connection(str(folder / STORE_NAME))
    rowid = store.execute(f"SELECT rowid FROM {table} WHERE {where}").get
    with store.blob_open("main", table, column, rowid, True) as blob:
        blob.seek(bit // 8)
        byte = blob.read(1)[0] ^ (1 << bit % 8)
        blob.seek(bit // 8)
        blob.write(bytes([byte]))
    store.close()


def spoil_row(folder: Path, damage: str) -> None:
    """Does a damage of the tables above to the position B."""
    if damage == "record = {flipped record}":
        flip(folder, "positions", "record", "position_uuid = 'B'", 77)
        return
    spoil(folder, f"UPDATE positions SET {damage} WHERE position_uuid = 'B'")


@pytest.mark.parametrize(
    ("damage", "reason"), [row[1:] for row in DAMAGED_ROWS], ids=[row[0] for row in DAMAGED_ROWS]
)
def test_a_damaged_row_is_set_aside(
    open_journal: OpenJournal, three: Path, damage: str, reason: str
) -> None:
    """Damage is found, counted, named and kept; the others load; the uuid can be saved again."""
    spoil_row(three, damage)

    journal = open_journal()
    loaded = journal.load()

    assert {record.position_uuid for record in loaded.records} == {"A", "D"}
    assert loaded.quarantined == journal.quarantined() == 1
    found = _quarantine(three)
    assert [row[0] for row in found] == ["B"]
    assert reason in found[0][2]
    author = Author(journal)
    author.commit(save(B))
    assert not author.problems()
    again = open_journal().load()
    assert (len(again.records), again.quarantined) == (3, 1)


@pytest.mark.parametrize(
    ("table", "key", "damage"),
    [
        ("campaigns", "c1", "record = x''"),
        ("campaigns", "c1", "crc = crc + 1"),
        ("campaigns", "c1", "record = 'no campaign'"),
        ("campaigns", "c1", "hotkey = 'other'"),
        ("marks", "BTCUSD", "record = randomblob(50)"),
        ("marks", "BTCUSD", "crc = 'none'"),
    ],
)
def test_a_damaged_campaign_or_mark_is_set_aside(
    open_journal: OpenJournal, tmp_path: Path, table: str, key: str, damage: str
) -> None:
    """It is told by name, kept and counted; the others load, and it can be written again."""
    campaigns, marks = _campaigns_and_marks()
    author = Author(open_journal())
    author.write(*campaigns, *marks)
    open_journal().close()
    spoil(tmp_path / "data", f"UPDATE {table} SET {damage} WHERE {_key_of(table)} = '{key}'")

    author = Author(open_journal())

    loaded = author.journal.load()
    assert {campaign.campaign_id for campaign in loaded.campaigns} == {"c1", "c2"} - {key}
    assert {mark.trade_pair for mark in loaded.marks} == {"BTCUSD", "ETHUSD"} - {key}
    assert (loaded.revision, loaded.quarantined) == (4, 1)
    assert [row[0] for row in _quarantine(tmp_path / "data")] == [key]
    assert not author.problems(), "what was set aside is excused"
    again = campaigns[0] if table == "campaigns" else marks[0]
    author.write(_at(5, again))
    assert not author.problems()
    assert Author(open_journal()).book.digest == author.book.digest


def test_damage_is_told_by_kind_and_name(open_journal: OpenJournal, tmp_path: Path) -> None:
    """A load says which campaign and which mark it has set aside, and why."""
    campaigns, marks = _campaigns_and_marks()
    Author(open_journal()).write(*campaigns, *marks)
    open_journal().close()
    for table in ("campaigns", "marks"):
        spoil(tmp_path / "data", f"UPDATE {table} SET crc = 0")

    told = open_journal().load().damaged

    wrong = "does not match its checksum"
    assert sorted(told) == [
        f"campaign c1: the campaign {wrong}", f"campaign c2: the campaign {wrong}",
        f"mark BTCUSD: the mark {wrong}", f"mark ETHUSD: the mark {wrong}",
    ]  # fmt: skip


def _campaigns_and_marks() -> tuple[list[Change], list[Change]]:
    """Two of each, in four changes."""
    campaigns = [Change.campaign_saved(campaign_record(f"c{n}", n)) for n in (1, 2)]
    marks = [Change.marked(mark_record("BTCUSD", 3)), Change.marked(mark_record("ETHUSD", 4))]
    return campaigns, marks


def _at(revision: int, change: Change) -> Change:
    """What a change saved, saved once more."""
    if change.campaign is not None:
        return Change.campaign_saved(campaign_record(change.key, revision, version=2))
    return Change.marked(mark_record(change.key, revision, "101"))


def _key_of(table: str) -> str:
    return "campaign_id" if table == "campaigns" else "trade_pair"


def _quarantine(folder: Path) -> list[tuple[str, ...]]:
    store = apsw.Connection(str(folder / STORE_NAME), flags=apsw.SQLITE_OPEN_READONLY)
    rows = store.execute("SELECT key, hotkey, reason FROM quarantine").fetchall()
    store.close()
    return [tuple(map(str, row)) for row in rows]


def test_every_bit_of_a_row_is_guarded(open_journal: OpenJournal, three: Path) -> None:
    """Whichever bit of a position flips, the load finds it."""
    bits = {"record": len(encode_record(open_journal().load().records[0])) * 8}
    open_journal().close()
    for column, count in bits.items():
        for bit in range(0, count, 29):
            flip(three, "positions", column, "position_uuid = 'A'", bit)
            store = apsw.Connection(str(three / STORE_NAME))
            damaged = tables.read_held(store).damaged
            store.close()
            assert [rowid for _, rowid, _ in damaged] == [1], (column, bit)
            flip(three, "positions", column, "position_uuid = 'A'", bit)


def test_a_row_under_a_wrong_uuid_does_not_break_the_server(
    open_journal: OpenJournal, three: Path
) -> None:
    """A flipped column is found at loading, before the next save of that position trips over it."""
    spoil(three, "UPDATE positions SET position_uuid = 'b' WHERE position_uuid = 'B'")

    author = Author(open_journal())
    author.commit(save(closed("B")), save(C))

    assert not author.problems()


@pytest.mark.parametrize(
    "damage",
    ["request_id = CAST(x'ff616263' AS TEXT)", "fingerprint = 'no number'", "at_ms = 'soon'"],
)
def test_a_damaged_request_does_not_end_in_a_traceback(
    open_journal: OpenJournal, three: Path, damage: str
) -> None:
    """A damaged request is set aside, or the journal says that it is broken and what to do."""
    spoil(three, f"UPDATE requests SET {damage} WHERE sequence = 2")
    journal = open_journal()
    try:
        told = str([request.sequence for request in journal.load().requests])
    except JournalBroken as broken:
        told = str(broken)

    assert told == "[1, 3]" or "hotbook restore" in told


@pytest.mark.parametrize(
    ("table", "column", "where"),
    [
        ("positions", "position_uuid", "position_uuid = 'B'"),
        ("positions", "record", "position_uuid = 'B'"),
        ("requests", "request_id", "sequence = 2"),
        ("requests", "fingerprint", "sequence = 2"),
        ("requests", "outcome", "sequence = 2"),
    ],
)
def test_nothing_where_something_must_be_is_set_aside(
    open_journal: OpenJournal, three: Path, table: str, column: str, where: str
) -> None:
    """A row whose header has lost a column is damaged as any other: the rest loads."""
    _lose(three, table, column, where)

    journal = open_journal()
    loaded = journal.load()

    assert loaded.quarantined == journal.quarantined() == 1
    stands = [request.sequence for request in loaded.requests]
    assert stands == ([1, 3] if table == "requests" else [1, 2, 3])
    assert len(loaded.records) == (2 if table == "positions" else 3)
    assert open_journal().load().damaged == []


def test_a_bug_of_ours_is_not_told_as_damage(open_journal: OpenJournal, three: Path) -> None:
    """Nobody is sent to restore a backup because our own code called something wrongly."""

    def wrongly(record: Record) -> None:
        raise TypeError(f"a bug with {record.position_uuid}")

    assert three.exists()
    with pytest.raises(TypeError, match="a bug with A"):
        open_journal().load(each=wrongly)


def _lose(folder: Path, table: str, column: str, where: str) -> None:
    """Empties a column that the schema does not let be empty."""
    schema = "UPDATE sqlite_schema SET sql = ? WHERE name = ?"
    for is_damage in (True, False):
        store = apsw.Connection(str(folder / STORE_NAME))
        store.execute("PRAGMA writable_schema = 1")
        if is_damage:
            made: str = store.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (table,)).get
            store.execute(schema, (made.replace(" NOT NULL", ""), table))
        else:
            store.execute(f"UPDATE {table} SET {column} = NULL WHERE {where}")
            store.execute(schema, (made, table))
        store.close()


# -------------------------------------------------------------------- damage: found by the check

CHECKED = [
    ("position: its bytes", "UPDATE positions SET record = x'00' WHERE position_uuid = 'B'",
     "row of position B"),
    ("position: gone", "DELETE FROM positions WHERE position_uuid = 'B'", "the store does not"),
    ("position: one too many", "INSERT INTO positions SELECT 'Z', 'z', trade_pair, campaign_id, "
     "open_ms, close_ms, version, revision, record, crc FROM positions LIMIT 1",
     "holds position Z"),
    *(
        (f"position: its {column}", f"UPDATE positions SET {column} = {value} "
         "WHERE position_uuid = 'B'", "B")
        for column, value in [
            ("position_uuid", "'b'"), ("hotkey", "'other'"), ("trade_pair", "'BTCEUR'"),
            ("campaign_id", "'c'"), ("open_ms", "open_ms + 1"), ("close_ms", "7"),
            ("version", "9"), ("revision", "9"), ("crc", "7"),
        ]
    ),
    ("position: its hotkey is not UTF-8", "UPDATE positions SET hotkey = CAST(x'ff6b' AS TEXT) "
     "WHERE position_uuid = 'B'", ""),
    ("position: its bytes are a text", f"UPDATE positions SET record = {AS_TEXT} "
     "WHERE position_uuid = 'B'", ""),
    ("change: its bytes", "UPDATE changes SET wire = x'00' WHERE revision = 2", "change 2"),
    ("change: no bytes", "UPDATE changes SET wire = NULL WHERE revision = 2", "change 2"),
    ("change: its kind", "UPDATE changes SET kind = 2 WHERE revision = 2", "change 2"),
    ("change: its key", "UPDATE changes SET key = 'b' WHERE revision = 2", "change 2"),
    ("change: its key is no text", "UPDATE changes SET key = x'42' WHERE revision = 2", "change 2"),
    ("change: its key is not UTF-8", "UPDATE changes SET key = CAST(x'ff' AS TEXT) "
     "WHERE revision = 2", "2"),
    ("change: its kind is no number", "UPDATE changes SET kind = 'x' WHERE revision = 2",
     "change 2"),
    ("change: its flags", "UPDATE changes SET flags = 0 WHERE revision = 2", "change 2"),
    ("change: its hotkey", "UPDATE changes SET hotkey = 'x' WHERE revision = 2", "change 2"),
    ("change: its hotkey is no text", "UPDATE changes SET hotkey = x'42' WHERE revision = 2",
     "change 2"),
    ("change: its checksum", "UPDATE changes SET crc = crc + 1 WHERE revision = 2", "change 2"),
    ("change: its link", "UPDATE changes SET chain = x'00' WHERE revision = 2", "change 2"),
    ("change: the newest link", "UPDATE changes SET chain = x'00' WHERE revision = 4", "change 4"),
    ("change: the first link", "UPDATE changes SET chain = x'00' WHERE revision = 1", "change 2"),
    ("changes: a gap", "DELETE FROM changes WHERE revision IN (2, 3)",
     "changes 2 to 3 are missing"),
    ("changes: no tail", "DELETE FROM changes WHERE revision > 2", "newest change is 2"),
    ("changes: none", "DELETE FROM changes", "newest change is 0"),
    ("changes: one too many", "INSERT INTO changes VALUES (5, 2, 2, 'A', 'hk', NULL, 0, 0, x'00')",
     "change 5"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("damage", "named"), [row[1:] for row in CHECKED], ids=[row[0] for row in CHECKED]
)
def test_the_check_finds_damage(
    open_journal: OpenJournal, tmp_path: Path, damage: str, named: str
) -> None:
    """Every damage to positions or changes is found by a check of the running book, and named."""
    author = Author(open_journal())
    author.commit(save(closed("A")), save(B))
    author.commit(save(B), save(closed("D")))
    assert not author.problems()
    spoil(tmp_path / "data", damage)

    assert any(named in problem for problem in author.problems())


CHECKED_BESIDE = [
    *(
        (f"UPDATE campaigns SET {column} = {value} WHERE campaign_id = 'c1'", "c1")
        for column, value in [
            ("campaign_id", "'x'"), ("hotkey", "'other'"), ("trade_pair", "'BTCEUR'"),
            ("state", "9"), ("version", "9"), ("revision", "9"), ("record", "x'00'"), ("crc", "7"),
            ("record", "CAST(record AS TEXT)"),
        ]
    ),
    *(
        (f"UPDATE marks SET {column} = {value} WHERE trade_pair = 'BTCUSD'", "BTCUSD")
        for column, value in [
            ("trade_pair", "'x'"), ("price", "'1'"), ("at_ms", "9"), ("revision", "9"),
            ("record", "x'00'"), ("crc", "7"),
        ]
    ),
    ("DELETE FROM campaigns WHERE campaign_id = 'c1'",
     "the book holds campaign c1, the store does not"),
    ("DELETE FROM marks WHERE trade_pair = 'BTCUSD'",
     "the book holds mark BTCUSD, the store does not"),
    ("INSERT INTO campaigns SELECT 'Z', hotkey, trade_pair, state, version, "
     "revision, record, crc FROM campaigns LIMIT 1",
     "the store holds campaign Z, the book does not"),
    ("INSERT INTO marks SELECT 'Z', price, at_ms, revision, record, crc "
     "FROM marks LIMIT 1", "the store holds mark Z, the book does not"),
    ("UPDATE changes SET wire = x'00' WHERE revision = 1", "change 1"),
    ("UPDATE changes SET key = 'x' WHERE revision = 3", "change 3"),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "named"), CHECKED_BESIDE)
def test_the_check_finds_damage_to_campaigns_and_marks(
    open_journal: OpenJournal, tmp_path: Path, damage: str, named: str
) -> None:
    """Every damage to the tables beside positions is found by a check, and named."""
    campaigns, marks = _campaigns_and_marks()
    author = Author(open_journal())
    author.write(*campaigns, *marks)
    assert not author.problems()
    spoil(tmp_path / "data", damage)

    assert any(named in problem for problem in author.problems())


def test_the_check_holds_campaigns_and_marks_to_what_their_changes_say(
    open_journal: OpenJournal, tmp_path: Path
) -> None:
    """Rows and a book that agree on something else than the changes are found out."""
    campaigns, marks = _campaigns_and_marks()
    author = Author(open_journal())
    author.write(*campaigns, *marks)
    for table in ("campaigns", "marks"):
        key = "c1" if table == "campaigns" else "BTCUSD"
        spoil(tmp_path / "data", f"DELETE FROM {table} WHERE {_key_of(table)} = '{key}'")
    author.book.campaigns.put("c1", None)
    author.book.marks.put("BTCUSD", None)

    assert author.problems() == [
        "campaign c1 is not what the changes say last of it",
        "mark BTCUSD is not what the changes say last of it",
    ]


def test_the_link_of_the_very_first_change_is_checked(
    open_journal: OpenJournal, tmp_path: Path
) -> None:
    """The first change of a book follows from the start of the chain, also while it is the only."""
    author = Author(open_journal())
    author.commit(save(A))
    spoil(tmp_path / "data", "UPDATE changes SET chain = x'00'")

    assert author.problems() == ["change 1 does not follow from the one before"]


def test_a_snapshot_does_not_see_what_comes_after_it(open_journal: OpenJournal) -> None:
    """A check runs against one revision, however much is written meanwhile."""
    author = Author(open_journal())
    author.commit(save(A))
    then, snapshot = author.book.copy(), author.journal.snapshot()
    author.commit(save(A_CLOSED), save(B))

    checked = snapshot.check(then)
    snapshot.close()

    assert (checked.problems, checked.changes) == ([], 1)


# -------------------------------------------------------------------- damage: SQLite's own pages


def _fill_page(folder: Path, of: str) -> None:
    """Overwrites a page of a closed store: the first one, or the root of a table."""
    store = apsw.Connection(str(folder / STORE_NAME))
    root = store.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (of,)).get or 1
    store.close()
    with (folder / STORE_NAME).open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xa5" * 4096)


@pytest.mark.parametrize(
    "page",
    ["first page", "positions", "campaigns", "marks", "changes", "requests", "quarantine"],
)
def test_a_corrupt_page_is_told_with_a_hint(
    open_journal: OpenJournal, three: Path, page: str
) -> None:
    """What SQLite cannot read is a broken journal, with the file and what to do."""
    _fill_page(three, page)

    with pytest.raises(JournalBroken, match=rf"{STORE_NAME} cannot be read.*hotbook restore"):
        open_journal().load()


def test_a_server_on_a_corrupt_store_says_so_in_a_line(three: Path) -> None:
    """The server process ends with 1 and one line, and leaves the store as it is."""
    _fill_page(three, "positions")
    before = (three / STORE_NAME).read_bytes()
    command = [sys.executable, "-m", "hotbook_server", f"--data-dir={three}"]
    flags = ["--listen=127.0.0.1:0", "--metrics-listen=off"]

    ended = subprocess.run([*command, *flags], capture_output=True, text=True, timeout=30)

    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "hotbook restore" in ended.stderr
    assert (three / STORE_NAME).read_bytes() == before


def test_a_page_that_breaks_while_serving_is_a_broken_journal(
    open_journal: OpenJournal, three: Path
) -> None:
    """Corruption that a repeated request meets is told as a broken journal."""
    journal = open_journal()
    _fill_page(three, "requests")

    with pytest.raises(JournalBroken):
        journal.outcome(2)


def test_a_page_that_breaks_while_serving_is_found_by_the_check(
    open_journal: OpenJournal, three: Path
) -> None:
    """Corruption that a check meets is one of its problems."""
    author = Author(open_journal())
    _fill_page(three, "positions")

    assert any("cannot be read" in problem for problem in author.problems())
