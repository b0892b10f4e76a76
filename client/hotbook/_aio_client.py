# Made from _client.py by scripts/faces: edit that file, then run the script.
"""The asyncio client: a face over the calls. Each method is one call, and says what it gives."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from contextlib import aclosing
from datetime import datetime
from typing import Any, overload

from hotbook import _calls, _procedures
from hotbook._aio_campaign_methods import CampaignMethods
from hotbook._aio_feed_methods import FeedMethods
from hotbook._aio_market_methods import MarketMethods
from hotbook._aio_order_methods import OrderMethods
from hotbook._aio_pipeline import save_stream
from hotbook._backup import new_backup
from hotbook._connection import DEFAULT_TARGET, DEFAULT_TIMEOUT_S
from hotbook_shared import wire
from hotbook_shared.errors import HotbookError
from hotbook_shared.model import (
    HotkeyCounts,
    HotkeyDigest,
    Position,
    Rebuilt,
    Saved,
    Status,
    Verification,
)
from hotbook_shared.pb import hotbook_pb2 as pb


def connect(target: str = DEFAULT_TARGET, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> Client:
    """A client of the server at `target` (HOST:PORT). Connects at the first call.

    `timeout_s` is the deadline of every call that is given none of its own; retries included.
    """
    return Client(target, timeout_s=timeout_s)


class Client(OrderMethods, FeedMethods, CampaignMethods, MarketMethods):
    """One server's book, from any number of tasks on one loop. Survives restarts of the server.

    Raises errors of `hotbook` only. A write that ends in Unavailable or DeadlineExceeded may have
    happened; every other error means that it did not.
    """

    # ---------------------------------------------------------------- writing

    async def save(
        self,
        position: Position,
        *,
        expected_version: int | None = None,
        replace_open: bool = False,
        timeout_s: float | None = None,
    ) -> Saved:
        """Saves a position: new, changed, closed or open again.

        `expected_version`: refuse with VersionConflict unless this version stands (0: none).
        `replace_open`: remove another open position of the hotkey and pair in the same commit;
        without it, a second open one is refused with AlreadyOpen.
        """
        return await self._run(_calls.save(position, expected_version, replace_open), timeout_s)

    async def save_many(
        self,
        positions: Iterable[Position],
        *,
        all_or_nothing: bool = False,
        replace_open: bool = False,
        timeout_s: float | None = None,
    ) -> list[Saved | HotbookError]:
        """Saves many in few commits. One answer a position, in order; a refusal is an answer.

        With `all_or_nothing` it is one commit, and the first refusal is raised: nothing changed.
        Otherwise any number is sent in requests of a few hundred.
        """
        if all_or_nothing:
            whole = _calls.save_all_or_nothing(positions, replace_open)
            return await self._run(whole, timeout_s)
        return await self._run_all(_procedures.save_many(positions, replace_open), timeout_s)

    def save_stream(
        self,
        positions: Iterable[Position] | AsyncIterable[Position],
        *,
        timeout_s: float | None = None,
    ) -> AsyncGenerator[Saved | HotbookError, None]:
        """Saves as a pipeline: answers come in order while later positions are on their way.

        Goes on after a restart of the server, from the first position without an answer.
        `timeout_s` is how long it may stand still.
        """
        return save_stream(self._transport, positions, _calls.seconds(timeout_s, self._timeout_s))

    async def delete(
        self,
        hotkey: str,
        position_uuid: str,
        *,
        expected_version: int | None = None,
        timeout_s: float | None = None,
    ) -> bool:
        """Removes a position. Returns whether it was there."""
        return await self._run(_calls.delete(hotkey, position_uuid, expected_version), timeout_s)

    # ---------------------------------------------------------------- reading

    async def get(
        self, hotkey: str, position_uuid: str, *, timeout_s: float | None = None
    ) -> Position | None:
        """The position of a hotkey under a uuid; None where there is none."""
        return await self._run(_calls.get(hotkey, position_uuid), timeout_s)

    async def open_position(
        self, hotkey: str, trade_pair: str, *, timeout_s: float | None = None
    ) -> Position | None:
        """What a hotkey has open on a pair, legs of campaigns aside; None where it is nothing."""
        return await self._run(_calls.get_open(hotkey, trade_pair), timeout_s)

    async def open_positions(
        self, hotkey: str, *, timeout_s: float | None = None
    ) -> list[Position]:
        """All that a hotkey has open, legs included, by open time."""
        return await self._run(_calls.list_open(hotkey), timeout_s)

    @overload
    async def positions(  # type: ignore[overload-overlap] # a str is meant as one hotkey
        self,
        hotkeys: str,
        *,
        open_only: bool = False,
        opened_after: datetime | int | None = None,
        timeout_s: float | None = None,
    ) -> list[Position]: ...

    @overload
    async def positions(
        self,
        hotkeys: Iterable[str],
        *,
        open_only: bool = False,
        opened_after: datetime | int | None = None,
        timeout_s: float | None = None,
    ) -> dict[str, list[Position]]: ...

    async def positions(
        self,
        hotkeys: str | Iterable[str],
        *,
        open_only: bool = False,
        opened_after: datetime | int | None = None,
        timeout_s: float | None = None,
    ) -> list[Position] | dict[str, list[Position]]:
        """Positions of one hotkey as a list, or of many as a dict with every one of them.

        Closed ones by close time, then the open ones by open time; all of one revision.
        `opened_after` (an aware datetime or epoch milliseconds) is strict.
        """
        wanted = [hotkeys] if isinstance(hotkeys, str) else _calls.hotkeys_of(hotkeys)
        if not wanted:
            return {}
        listing = _procedures.listing(wanted, open_only, opened_after)
        found = await self._run_all(listing, timeout_s)
        return found[wanted[0]] if isinstance(hotkeys, str) else found

    def book(
        self, *, open_only: bool = False, timeout_s: float | None = None
    ) -> AsyncGenerator[Position, None]:
        """Every position of the book, all of one revision, as they arrive.

        `timeout_s` is how long it may stand still.
        """
        frames = self._frames("StreamBook", _calls.stream_book(open_only), timeout_s)
        return _positions_in(frames)

    async def hotkeys(self, *, timeout_s: float | None = None) -> list[HotkeyCounts]:
        """Every hotkey that has positions, in alphabetical order, with its counts."""
        return await self._run(_calls.list_hotkeys(), timeout_s)

    # ---------------------------------------------------------------- operating

    async def clear(
        self,
        hotkey: str | None = None,
        *,
        expected_count: int,
        expected_campaigns: int = 0,
        timeout_s: float | None = None,
    ) -> int:
        """Removes all positions and campaigns of a hotkey, or of all (None). Returns how many
        positions.

        `expected_count` positions and `expected_campaigns` campaigns must be exactly what will go;
        otherwise nothing does, and CountMismatch says both numbers.
        """
        return await self._run(_calls.clear(hotkey, expected_count, expected_campaigns), timeout_s)

    async def status(self, *, timeout_s: float | None = None) -> Status:
        """What the server is, holds and does."""
        return await self._run(_calls.status(), timeout_s)

    async def verify(self, *, timeout_s: float | None = None) -> Verification:
        """Checks every index against the positions and back, the digest, and the store on disk."""
        return await self._run(_calls.verify(), timeout_s)

    async def rebuild(self, *, timeout_s: float | None = None) -> Rebuilt:
        """Makes the indexes anew from the positions in memory."""
        return await self._run(_calls.rebuild(), timeout_s)

    async def reload(self, *, timeout_s: float | None = None) -> Rebuilt:
        """Makes the whole book anew from disk; reads go on meanwhile."""
        return await self._run(_calls.reload(), timeout_s)

    async def digests(
        self, *, open_only: bool = False, timeout_s: float | None = None
    ) -> list[HotkeyDigest]:
        """A digest of the content of each hotkey's positions: two books that hold the same have
        the same, whatever their revisions are."""
        return await self._run(_calls.digests(open_only), timeout_s)

    async def backup(
        self,
        to: str | os.PathLike[str],
        *,
        progress: Callable[[int, int], None] | None = None,
        timeout_s: float | None = None,
    ) -> int:
        """Writes a consistent copy of the server's store to a new file. Returns its revision.

        The copy is checked against the server's checksum, and only then takes its name. The
        event loop writes the file, and stands still while the disk takes 8 MiB of it.
        `timeout_s` is how long it may stand still; making the copy takes its time before that.
        """
        stall_s = _calls.seconds(timeout_s, self._timeout_s)
        with new_backup(to, progress) as file:
            frames = self._follow("Backup", pb.BackupRequest(), stall_s)
            async with aclosing(frames):
                async for frame in frames:
                    file.write(frame)
        return file.revision


async def _positions_in(frames: AsyncGenerator[Any, None]) -> AsyncGenerator[Position, None]:
    async with aclosing(frames):
        async for frame in frames:
            for message in frame.positions:
                yield wire.position_from_wire(message)
