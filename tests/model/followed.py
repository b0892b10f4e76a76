"""Replicas beside the model test's engine: each follows its feed, and is read through a View.

What stands for the network is a generator that is read as far as there is something, and thrown
away where the connection breaks. All else is what servers and replicas are made of.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

from hotbook import View
from hotbook._view import Scope
from hotbook_server.config import Settings
from hotbook_server.engine import Engine
from hotbook_server.rpc.feed import FeedService
from hotbook_shared.errors import FellBehind
from hotbook_shared.following import Follower
from hotbook_shared.pb import records_pb2 as raw
from tests.make import content
from tests.model.compared import are_alike
from tests.model.naive_orders import NaiveOrders
from tests.model.strategies import HOTKEYS, PAIRS


class Followed:
    """A replica of a part of the book."""

    def __init__(self, hotkeys: tuple[str, ...] = (), *, open_only: bool = False) -> None:
        self._scope = Scope(hotkeys or None, open_only=open_only)
        self._follower = Follower(hotkeys, open_only=open_only)
        self._frames: AsyncGenerator[bytes, None] | None = None

    async def break_off(self) -> None:
        if self._frames is not None:
            await self._frames.aclose()
            self._frames = None

    async def catch_up(self, engine: Engine, settings: Settings) -> None:
        """Takes in all that the engine's feed has; comes back where it is cut off."""
        cut_off = 0
        while (at := self._follower.picture) is None or at.revision != engine.book.revision:
            if self._frames is None:
                service, call = FeedService(settings, engine), SimpleNamespace()
                request = self._follower.cursor.request()
                self._frames = service.watch(request, call)  # type: ignore[arg-type,assignment]
                assert self._frames is not None
            try:
                data = await anext(self._frames)
            except FellBehind:
                cut_off += 1
                assert cut_off < 3, "it comes back, and is cut off again and again"
                self._frames = None
                continue
            self._follower.take_in(raw.WatchFrame.FromString(data))

    def check(self, engine: Engine, naive: NaiveOrders) -> None:
        """Its answers are the list's, and its digest is the engine's."""
        picture = self._follower.picture
        assert picture is not None
        assert list(picture.problems()) == []
        view = View(picture, engine.terms.pairs, self._scope)
        is_whole = not self._scope.hotkeys and not self._scope.open_only
        assert view.revision == engine.book.revision
        assert view.digest == engine.book.digest or not is_whole
        for hotkey in self._scope.hotkeys or HOTKEYS:
            self._check_hotkey(view, hotkey, naive)

    def _check_hotkey(self, view: View, hotkey: str, naive: NaiveOrders) -> None:
        due: dict[str, Any] = {p.position_uuid: (p, version) for p, version in naive.stands}
        open_only = self._scope.open_only
        wanted = [u for u in naive.of_hotkey(hotkey) if due[u][0].is_open or not open_only]
        found = view.positions(hotkey, open_only=open_only)
        assert [p.position_uuid for p in found] == wanted
        for one in found:
            made, version = due[one.position_uuid]
            assert one.version == version
            assert are_alike(content(one), made)
        for pair in PAIRS:
            opened, rival = view.open_position(hotkey, pair), naive.open_on(hotkey, pair)
            assert (opened and opened.position_uuid) == (rival and rival.position_uuid)
        assert Fraction(view.exposure(hotkey).leverage) == naive.portfolio(hotkey)
