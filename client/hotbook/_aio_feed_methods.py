# Made from _feed_methods.py by scripts/faces: edit that file, then run the script.
"""The client's methods for what happens to the book: as it happens, or since a revision."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing

from hotbook import _calls, _feed_calls
from hotbook._aio_face import Face
from hotbook_shared import answers
from hotbook_shared.errors import HotbookError, Unavailable
from hotbook_shared.feed import Changed, Update
from hotbook_shared.following import Cursor


class FeedMethods(Face):
    def watch(
        self,
        from_revision: int | None = None,
        *,
        mark: str = "",
        hotkeys: Iterable[str] | None = None,
        open_only: bool = False,
        with_snapshot: bool = False,
        timeout_s: float | None = None,
    ) -> AsyncGenerator[Update, None]:
        """Follows the book: every change after a revision, in order, or else from now on.

        Without end, and through restarts of the server: no change is left out, none comes twice.
        Where changes are no longer kept, or `mark` (that of the Update whose revision it is) shows
        that the book is another now, or with `with_snapshot`, the whole book comes first. An Update
        without changes says that nothing has happened. `timeout_s` is how long nothing may come.
        """
        stall_s = _calls.seconds(timeout_s, self._timeout_s)
        cursor = _feed_calls.watching(
            from_revision,
            mark,
            hotkeys,
            open_only=open_only,
            with_snapshot=with_snapshot,
            stall_s=stall_s,
        )
        return self._updates(cursor, stall_s)

    async def changed_since(
        self,
        revision: int,
        *,
        mark: str = "",
        open_too: bool = False,
        hotkeys: Iterable[str] | None = None,
        timeout_s: float | None = None,
    ) -> Changed:
        """What has changed since a revision, and with `open_too` all that is open, in one call.

        With `mark`, that of the answer whose revision it is, another book is not taken for the
        same. `timeout_s` is how long it may stand still.
        """
        request = _feed_calls.list_changed(revision, mark, open_too, hotkeys)
        changed = answers.Changing()
        async with aclosing(self._frames("ListChanged", request, timeout_s)) as frames:
            async for frame in frames:
                changed.add(frame)
        return changed.done()

    async def _updates(self, cursor: Cursor, stall_s: float) -> AsyncGenerator[Update, None]:
        """The feed, begun again from where the watcher is whenever it ends."""
        request = cursor.request()
        attempts = self._transport.attempts(stall_s, request)
        while True:
            error: HotbookError = Unavailable("the feed ended")
            try:
                async with aclosing(self._transport.stream("Watch", request, stall_s)) as frames:
                    async for frame in frames:
                        cursor.take_in(frame)
                        yield answers.update_from_wire(frame)
                        attempts = self._transport.attempts(stall_s, request)
            except HotbookError as failure:
                error = failure
            await asyncio.sleep(attempts.pause_s(error))
            request = cursor.request()
