"""Each rpc of the feed once: its request, and what its frames mean. No IO."""

from __future__ import annotations

from collections.abc import Iterable

from hotbook._calls import built, texts
from hotbook_shared.errors import InvalidArgument
from hotbook_shared.following import Cursor, heartbeat_ms
from hotbook_shared.pb import hotbook_pb2 as pb


def watching(
    from_revision: int | None,
    mark: str,
    hotkeys: Iterable[str] | None,
    *,
    open_only: bool,
    with_snapshot: bool,
    stall_s: float,
) -> Cursor:
    """Where a watcher begins. It hears from the server before it would take it for lost."""
    cursor = Cursor(
        named(hotkeys),
        open_only=open_only,
        from_revision=from_revision,
        mark=mark,
        with_snapshot=with_snapshot,
        heartbeat_ms=heartbeat_ms(stall_s * 1000),
    )
    built(cursor.request)
    return cursor


def list_changed(
    since_revision: int, mark: str, open_too: bool, hotkeys: Iterable[str] | None
) -> pb.ListChangedRequest:
    names = named(hotkeys)
    return built(
        lambda: pb.ListChangedRequest(
            since_revision=since_revision, mark=mark, open_too=open_too, hotkeys=names
        )
    )


def named(hotkeys: Iterable[str] | None, field: str = "hotkeys") -> list[str]:
    """The hotkeys that a part of the book consists of; none at all is no part."""
    if hotkeys is None:
        return []
    names = texts([hotkeys] if isinstance(hotkeys, str) else hotkeys, field)
    if not names:
        raise InvalidArgument(f"{field} is empty: name at least one, or none", field=field)
    return names
