"""Putting a backup in place: what is refused, what is kept, and a crash between any two steps."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest
from click.testing import CliRunner, Result

import hotbook
from hotbook.testing import server
from hotbook_server.journal.sqlite import SqliteJournal
from hotbook_server.journal.store import STORE_NAME
from hotbook_server.restore import EXIT_PROBLEMS, EXIT_REFUSED, EXIT_USAGE, main
from hotbook_shared.record import Change
from tests.crash.power import Author
from tests.make import campaign_record, closed, leg, mark_record, position, record, save

OLD, NEW = {"old-1", "old-2"}, {"new-1", "new-2", "new-3"}


def write_store(folder: Path, uuids: set[str]) -> None:
    journal = SqliteJournal(folder)
    Author(journal).commit(*(save(closed(uuid)) for uuid in sorted(uuids)))
    journal.close()


def die_with_a_log(folder: Path, uuids: set[str]) -> None:
    """A store as `kill -9` leaves it: its newest changes are in its log alone."""
    code = (
        "import os, sys, pathlib; from tests.server.test_restore import *\n"
        "author = Author(SqliteJournal(pathlib.Path(sys.argv[1])))\n"
        "author.commit(*(save(closed(uuid)) for uuid in sorted(sys.argv[2:])))\n"
        "os._exit(9)"
    )
    died = subprocess.run([sys.executable, "-c", code, str(folder), *uuids], check=False)
    assert died.returncode == 9
    assert (folder / f"{STORE_NAME}-wal").stat().st_size > 0


def held(folder: Path) -> set[str]:
    """What a sound store holds, by a journal on it."""
    journal = SqliteJournal(folder)
    try:
        author = Author(journal)
        assert not author.problems()
        return set(author.book.positions.by_uuid)
    finally:
        journal.close()


def book_id(folder: Path) -> str:
    journal = SqliteJournal(folder)
    journal.close()
    return journal.book_id


def files(folder: Path) -> dict[str, bytes]:
    """Every file of a folder but the lock, which says nothing of the store."""
    names = [path for path in folder.glob("*") if path.name != "hotbook.lock"]
    return {path.name: path.read_bytes() for path in names}


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A backup that holds NEW."""
    write_store(tmp_path / "source", NEW)
    journal = SqliteJournal(tmp_path / "source")
    journal.backup(tmp_path / "backup.db")
    journal.close()
    return tmp_path / "backup.db"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder that holds OLD."""
    write_store(tmp_path / "data", OLD)
    return tmp_path / "data"


def run(*words: str | Path, answer: str | None = None) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], input=answer)


# -------------------------------------------------------------------- what it does


def test_a_backup_becomes_the_store_of_a_new_folder(backup: Path, tmp_path: Path) -> None:
    """Into a folder that is not there yet: all positions, the chain right, the count told."""
    done = run(backup, "--data-dir", tmp_path / "fresh")

    assert done.exit_code == 0
    assert "3 positions at revision 3" in done.stdout
    assert "restored 3 positions" in done.stdout
    assert held(tmp_path / "fresh") == NEW


def test_campaigns_and_marks_are_restored(tmp_path: Path) -> None:
    """All that the backup's book holds stands again."""
    backup, author = _backup_with_a_campaign(tmp_path)

    assert run(backup, "--data-dir", tmp_path / "fresh").exit_code == 0

    journal = SqliteJournal(tmp_path / "fresh")
    restored = Author(journal)
    journal.close()
    assert restored.book.holds_the_same(author.book)
    assert restored.book.digest == author.book.digest


@pytest.mark.parametrize("table", ["campaigns", "marks"])
def test_a_damaged_campaign_or_mark_is_no_backup(tmp_path: Path, table: str) -> None:
    """Nothing is restored from a store where a row is not as it was written."""
    backup, _ = _backup_with_a_campaign(tmp_path)
    spoil(backup, f"UPDATE {table} SET record = x'00'")

    done = run(backup, "--data-dir", tmp_path / "fresh")

    assert done.exit_code == EXIT_REFUSED
    assert f"does not match its checksum (row 1 of {table})" in done.stderr
    assert not (tmp_path / "fresh" / STORE_NAME).exists()


def _backup_with_a_campaign(tmp_path: Path) -> tuple[Path, Author]:
    journal = SqliteJournal(tmp_path / "source")
    author = Author(journal)
    author.write(
        Change.campaign_saved(campaign_record("c1", 1)),
        Change.saved(record(leg("L"), 1, 2)),
        Change.marked(mark_record("BTCUSD", 3)),
    )
    journal.backup(tmp_path / "backup.db")
    journal.close()
    return tmp_path / "backup.db", author


def test_a_restored_book_is_another_book(backup: Path, tmp_path: Path) -> None:
    """Each restore has a new book_id: its revisions may say other things from here on."""
    run(backup, "--data-dir", tmp_path / "one")
    run(backup, "--data-dir", tmp_path / "two")

    ids = {book_id(tmp_path / name) for name in ("source", "one", "two")}
    assert len(ids) == 3


def test_a_restored_book_goes_on_from_its_revision(backup: Path, tmp_path: Path) -> None:
    """After a restore, revisions go on and the answered requests are still known."""
    run(backup, "--data-dir", tmp_path / "fresh")
    journal = SqliteJournal(tmp_path / "fresh")
    author = Author(journal)
    assert len(author.requests) == 3

    author.commit(save(position("next")))

    assert author.book.revision == 4
    assert not author.problems()
    journal.close()


def test_the_backup_itself_is_not_changed(backup: Path, folder: Path) -> None:
    """A backup can be restored again, byte for byte as it was, and nothing is left beside it."""
    before, beside = backup.read_bytes(), set(backup.parent.iterdir())

    assert run(backup, "--data-dir", folder, "--overwrite", "--yes").exit_code == 0

    assert backup.read_bytes() == before
    assert set(backup.parent.iterdir()) == beside


def test_what_stood_there_is_kept(backup: Path, folder: Path, tmp_path: Path) -> None:
    """The replaced store is kept under the name that is told, and can itself be restored."""
    done = run(backup, "--data-dir", folder, "--overwrite", "--yes")
    assert held(folder) == NEW
    kept = Path(done.stdout.split("is kept as ")[1].strip())

    again = run(kept, "--data-dir", tmp_path / "back")

    assert again.exit_code == 0
    assert held(tmp_path / "back") == OLD


def test_the_log_of_the_old_store_is_kept_with_it(backup: Path, tmp_path: Path) -> None:
    """What a killed server had only in its log is neither applied to the new store nor lost."""
    die_with_a_log(tmp_path / "data", OLD)

    done = run(backup, "--data-dir", tmp_path / "data", "--overwrite", "--yes")

    assert held(tmp_path / "data") == NEW
    kept = Path(done.stdout.split("is kept as ")[1].strip())
    again = run(kept, "--data-dir", tmp_path / "back")
    assert "2 positions" in again.stdout, again.stderr
    assert held(tmp_path / "back") == OLD


def test_a_copied_folder_is_restored_with_its_log(tmp_path: Path) -> None:
    """Where the file to restore has a log beside it, what is announced is what is restored."""
    write_store(tmp_path / "copied", {"old-1"})
    die_with_a_log(tmp_path / "copied", {"old-2"})

    done = run(tmp_path / "copied" / STORE_NAME, "--data-dir", tmp_path / "fresh")

    assert "2 positions" in done.stdout
    assert held(tmp_path / "fresh") == OLD


def test_what_a_crashed_restore_left_does_not_harm_the_next(backup: Path, folder: Path) -> None:
    """Half a copy, and SQLite's own files beside it, are not taken for part of the new one."""
    for ending, content in (("", b"half"), ("-journal", b"\xd9" * 4096), ("-wal", b"\x37" * 4096)):
        (folder / f"{STORE_NAME}.restoring{ending}").write_bytes(content)

    assert run(backup, "--data-dir", folder, "--overwrite", "--yes").exit_code == 0

    assert held(folder) == NEW
    assert not [name for name in files(folder) if "restoring" in name]


# -------------------------------------------------------------------- what it refuses


def spoil(store: Path, sql: str) -> None:
    connection = apsw.Connection(str(store))
    connection.execute(sql).fetchall()
    connection.close()


def make_foreign(store: Path, sql: str) -> None:
    store.unlink()
    spoil(store, f"CREATE TABLE t (a); {sql}")


def make_folder(store: Path) -> None:
    store.unlink()
    store.mkdir()


def overwrite_at(store: Path, offset: int) -> None:
    with store.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xa5" * 512)


Spoil = Callable[[Path], object]
REFUSED: list[tuple[str, Spoil, str]] = [
    ("missing", lambda b: b.unlink(), "there is no backup"),
    ("a folder", make_folder, "there is no backup"),
    ("empty", lambda b: b.write_bytes(b""), "not a store of hotbook"),
    ("a text", lambda b: b.write_text("hello " * 500), "not a store of hotbook"),
    ("another program's SQLite", lambda b: make_foreign(b, ""), "not a store of hotbook"),
    ("the same, with our number", lambda b: make_foreign(b, "PRAGMA user_version = 1"),
     "not a store of hotbook"),
    ("of a newer version", lambda b: spoil(b, "PRAGMA user_version = 99"), "schema 99"),
    ("truncated", lambda b: os.truncate(b, b.stat().st_size // 2), "backup.db"),
    ("a torn page", lambda b: overwrite_at(b, 4096), "backup.db"),
    ("a flipped position", lambda b: spoil(b, "UPDATE positions SET record = x'00'"), "is damaged"),
    ("a flipped column", lambda b: spoil(b, "UPDATE positions SET version = 7"), "is damaged"),
    ("a text that is none", lambda b: spoil(b, "UPDATE positions SET trade_pair = "
     "CAST(x'ff' AS TEXT) WHERE position_uuid = 'new-1'"), "is damaged"),
    ("a lost position", lambda b: spoil(b, "DELETE FROM positions WHERE position_uuid = 'new-2'"),
     "is damaged"),
    ("a lost change", lambda b: spoil(b, "DELETE FROM changes WHERE revision = 2"), "is damaged"),
    ("a flipped change", lambda b: spoil(b, "UPDATE changes SET key = 'x' WHERE revision = 2"),
     "is damaged"),
    ("the newest change lost", lambda b: spoil(b, "DELETE FROM changes WHERE revision = 3"),
     "is damaged"),
]  # fmt: skip


def test_damaged_rows_are_set_aside_when_asked(backup: Path, folder: Path) -> None:
    """All but they are restored, as a start would do it: they are told, the exit code is 8, and the
    backup is as it was. A sound one is restored with the flag as without it."""
    asked = ("--data-dir", folder, "--overwrite", "--yes", "--set-damaged-aside")
    assert run(backup, *asked).exit_code == 0
    assert held(folder) == NEW
    spoil(backup, "UPDATE positions SET record = x'00' WHERE position_uuid = 'new-2'")
    before = backup.read_bytes()

    done = run(backup, *asked)

    assert done.exit_code == EXIT_PROBLEMS, done.output
    assert "damaged, set aside: position new-2: " in done.stdout
    assert "restored 2 positions" in done.stdout
    assert held(folder) == NEW - {"new-2"}
    assert backup.read_bytes() == before


OF_ROWS = ("a flipped position", "a text that is none")
NOT_OF_ROWS = [refused for refused in REFUSED if refused[0] not in OF_ROWS]


@pytest.mark.parametrize(
    ("harm", "told"), [r[1:] for r in NOT_OF_ROWS], ids=[r[0] for r in NOT_OF_ROWS]
)
def test_what_a_start_would_not_mend_is_refused_all_the_same(
    backup: Path, folder: Path, harm: Spoil, told: str
) -> None:
    """Setting damaged rows aside makes no backup of what is none: the store stays as it is."""
    harm(backup)
    before = files(folder)

    done = run(backup, "--data-dir", folder, "--overwrite", "--yes", "--set-damaged-aside")

    missing = not backup.is_file()
    assert done.exit_code == (EXIT_USAGE if missing else EXIT_REFUSED), done.output
    assert told in done.stderr
    assert files(folder) == before


@pytest.mark.parametrize(("harm", "told"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_a_bad_backup_is_refused(backup: Path, folder: Path, harm: Spoil, told: str) -> None:
    """What is missing, foreign or damaged is refused in one line; the store stays as it is."""
    harm(backup)
    before = files(folder)

    done = run(backup, "--data-dir", folder, "--overwrite", "--yes")

    missing = not backup.is_file()
    assert done.exit_code == (EXIT_USAGE if missing else EXIT_REFUSED), done.output
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert files(folder) == before


def test_a_store_is_not_overwritten_unasked(backup: Path, folder: Path) -> None:
    """Without --overwrite a folder that holds a store is left as it is."""
    before = files(folder)

    done = run(backup, "--data-dir", folder, "--yes")

    assert (done.exit_code, files(folder)) == (EXIT_REFUSED, before)
    assert "--overwrite" in done.stderr


def test_nobody_to_ask_means_no(backup: Path, folder: Path) -> None:
    """--overwrite without --yes and without a terminal changes nothing, whatever is piped in."""
    before = files(folder)

    done = run(backup, "--data-dir", folder, "--overwrite", answer="3\n")

    assert (done.exit_code, files(folder)) == (EXIT_REFUSED, before)
    assert "--yes" in done.stderr


def test_a_served_folder_is_refused(backup: Path, tmp_path: Path) -> None:
    """While a server runs on the folder nothing is touched, and its process is named."""
    data = tmp_path / "served"
    with server(durability="fsync", data_dir=data) as target, hotbook.connect(target) as book:
        book.save(position("live"))
        done = run(backup, "--data-dir", data, "--overwrite", "--yes")
        assert done.exit_code == EXIT_REFUSED
        assert (data / "hotbook.lock").read_text() in done.stderr
        assert book.get("hk", "live") is not None
    assert held(data) == {"live"}


def test_bad_settings_are_told_as_such(
    backup: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A settings file that cannot be read ends in the exit code for usage."""
    (tmp_path / "hotbook.toml").write_text("no_such_setting = 1\n")
    monkeypatch.chdir(tmp_path)

    done = run(backup)

    assert done.exit_code == EXIT_USAGE
    assert "no_such_setting" in done.stderr


def test_a_folder_that_cannot_be_made_is_told(backup: Path, tmp_path: Path) -> None:
    """A data folder under a file is an answer in one line."""
    done = run(backup, "--data-dir", backup / "below")

    assert done.exit_code == EXIT_REFUSED
    assert "cannot restore" in done.stderr


# -------------------------------------------------------------------- a crash between its steps

CRASHING = """
import os, sys
from hotbook_server.restore import main
backup, folder, left = sys.argv[1], sys.argv[2], int(sys.argv[3])

def die(event, args):
    global left
    if event in TOUCHES and any(str(arg).startswith(folder) for arg in args):
        left -= 1
        if left < 0:
            os._exit(9)

TOUCHES = ("os.rename", "os.link", "os.remove", "shutil.copyfile", "open", "os.mkdir")
sys.addaudithook(die)
main([backup, "--data-dir", folder, "--overwrite", "--yes"])
"""


def test_a_crash_leaves_the_old_store_or_the_new(backup: Path, tmp_path: Path) -> None:
    """Whenever the restore dies, the folder opens with all old positions or with all new ones."""
    write_store(tmp_path / "before", {"old-1"})
    die_with_a_log(tmp_path / "before", {"old-2"})
    outcomes = {}
    for step in itertools.count():
        folder = tmp_path / f"crash-{step}"
        shutil.copytree(tmp_path / "before", folder)
        command = [sys.executable, "-c", CRASHING, str(backup), str(folder), str(step)]
        ended = subprocess.run(command, capture_output=True, check=False)
        outcomes[step] = held(folder)
        if ended.returncode == 0:
            break
        assert ended.returncode == 9, ended.stderr

    assert len(outcomes) >= 6, "it has died at many steps"
    assert outcomes[0] == OLD
    assert outcomes[max(outcomes)] == NEW
    assert not {step: found for step, found in outcomes.items() if found not in (OLD, NEW)}


def test_a_backup_taken_after_damage_was_set_aside_is_good(backup: Path, tmp_path: Path) -> None:
    """A row in quarantine does not spoil the backups that come after it."""
    spoil(backup, "UPDATE positions SET crc = crc + 1 WHERE position_uuid = 'new-2'")
    served = tmp_path / "served"
    served.mkdir()
    shutil.copyfile(backup, served / STORE_NAME)
    later = tmp_path / "later.db"
    with server(durability="fsync", data_dir=served) as target, hotbook.connect(target) as book:
        assert book.status().quarantined == 1
        assert book.verify().ok
        book.backup(later)

    done = run(later, "--data-dir", tmp_path / "elsewhere")

    assert done.exit_code == 0, done.output
    assert "new-2" not in held(tmp_path / "elsewhere")


def test_the_settings_file_names_the_folder(backup: Path, tmp_path: Path) -> None:
    """A restore goes where the server of the same settings file would look."""
    file = tmp_path / "mine.toml"
    file.write_text(f'data_dir = "{tmp_path / "mine"}"')

    done = run(backup, "--config", file)

    assert done.exit_code == 0, done.output
    assert held(tmp_path / "mine") == held_in(backup)


def held_in(backup: Path) -> set[str]:
    store = apsw.Connection(str(backup), flags=apsw.SQLITE_OPEN_READONLY)
    uuids = {uuid for (uuid,) in store.execute("SELECT position_uuid FROM positions")}
    store.close()
    return uuids
