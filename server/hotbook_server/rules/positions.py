"""The rules of positions: from the book, a command and the time to changes, or a refusal.

Pure: nothing is changed here, no clock is read, nothing is awaited. The engine applies the
changes; a raised HotbookError means that the command changes nothing.
"""

from __future__ import annotations

from hotbook_server.commands import Clear, ClearDone, Delete, DeleteDone, Save, SaveDone
from hotbook_shared.book import Book
from hotbook_shared.errors import AlreadyOpen, CountMismatch, IdentityChanged, VersionConflict
from hotbook_shared.record import Change, Record, record_from, seal


def decide_save(book: Book, save: Save, now_ms: int) -> tuple[list[Change], SaveDone]:
    """A position is saved: new, changed, closed or open again."""
    old = book.positions.by_uuid.get(save.position_uuid)
    if old is not None:
        _check_identity(old, save)
    _check_version(old, save.position_uuid, save.expected_version)
    changes = []
    rival = _rival(book, save)
    revision = book.revision
    if rival is not None and save.replace_open:
        revision += 1
        changes.append(Change.removed(revision, rival))
    elif rival is not None and save.is_open:
        raise AlreadyOpen(
            f"{save.hotkey} already has {rival.position_uuid} open on {save.trade_pair}: close it, "
            "or save with replace_open to remove it",
            open_uuid=rival.position_uuid,
            hotkey=save.hotkey,
            trade_pair=save.trade_pair,
        )
    revision += 1
    version = 1 if old is None else old.version + 1
    record = record_from(seal(save.body, version, revision, now_ms))
    replaced = changes[0].key if changes else ""
    changes.append(Change.saved(record, old))
    return changes, SaveDone(revision, version, replaced)


def decide_delete(book: Book, delete: Delete) -> tuple[list[Change], DeleteDone]:
    """A position goes, if it is there and of that hotkey."""
    old = book.positions.by_uuid.get(delete.position_uuid)
    if old is not None and old.hotkey != delete.hotkey:
        old = None
    _check_version(old, delete.position_uuid, delete.expected_version)
    if old is None:
        return [], DeleteDone(book.revision, existed=False)
    revision = book.revision + 1
    return [Change.removed(revision, old)], DeleteDone(revision, existed=True)


def decide_clear(book: Book, clear: Clear) -> tuple[list[Change], ClearDone]:
    """All positions and campaigns of a hotkey go, or of every hotkey, if both are as many as was
    said."""
    if clear.hotkey:
        positions = len(book.positions.by_hotkey.get(clear.hotkey, ()))
        campaigns = len(book.campaigns.by_hotkey.get(clear.hotkey, ()))
    else:
        positions, campaigns = len(book.positions.by_uuid), len(book.campaigns.by_id)
    if (positions, campaigns) != (clear.expected_count, clear.expected_campaigns):
        raise CountMismatch(
            f"{clear.hotkey or 'the book'} holds {positions} positions and {campaigns} campaigns, "
            f"not {clear.expected_count} and {clear.expected_campaigns}: nothing was cleared; look "
            "at what stands there, then give both of its numbers",
            actual_count=positions,
            expected_count=clear.expected_count,
            actual_campaigns=campaigns,
            expected_campaigns=clear.expected_campaigns,
        )
    if not positions and not campaigns:
        return [], ClearDone(book.revision, 0)
    revision = book.revision + 1
    cleared = Change.cleared(revision, clear.hotkey)
    return [cleared], ClearDone(revision, positions, campaigns)


def _rival(book: Book, save: Save) -> Record | None:
    """Another position that is open on the same pair. Legs of campaigns have none."""
    if save.is_leg:
        return None
    rival = book.positions.open_on_pair(save.hotkey, save.trade_pair)
    return None if rival is None or rival.position_uuid == save.position_uuid else rival


def _check_identity(old: Record, save: Save) -> None:
    for name, stands, given in (
        ("hotkey", old.hotkey, save.hotkey),
        ("trade_pair", old.trade_pair, save.trade_pair),
    ):
        if stands != given:
            raise IdentityChanged(
                f"{name} of position {save.position_uuid} is {stands} and cannot become {given}",
                field=name,
                position_uuid=save.position_uuid,
            )


def _check_version(old: Record | None, uuid: str, expected: int | None) -> None:
    check_version(
        0 if old is None else old.version, expected, f"position {uuid}", "position_uuid", uuid
    )


def check_version(current: int, expected: int | None, what: str, field: str, name: str) -> None:
    if expected is not None and expected != current:
        stands = f"is at version {current}" if current else "does not exist"
        wanted = f"expected version {expected}" if expected else "expected it not to exist"
        raise VersionConflict(
            f"{what} {stands}, {wanted}: read it again",
            current_version=current,
            expected_version=expected,
            **{field: name},
        )
