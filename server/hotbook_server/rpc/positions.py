"""The Positions service: check the shape, ask the book or the engine, answer with ready bytes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from hotbook_server.archive import Look
from hotbook_server.clock import Clock
from hotbook_server.commands import (
    AnyOutcome,
    Delete,
    DeleteDone,
    RefusedOutcome,
    Save,
    SaveDone,
    SaveMany,
    SaveManyDone,
)
from hotbook_server.config import Settings
from hotbook_server.frames import FRAME_BYTES, pieces
from hotbook_server.keeper import Keeper
from hotbook_server.requests import request_key
from hotbook_server.rpc import shape
from hotbook_server.rpc.guard import Call
from hotbook_server.rpc.listings import Found, Listing, Listings
from hotbook_server.rpc.pipelined import Begun, begin, decided, in_order
from hotbook_shared.errors import (
    FellBehind,
    InvalidArgument,
    PageExpired,
    RequestReused,
)
from hotbook_shared.names import check_hotkey, check_trade_pair, check_uuid
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb import records_pb2 as raw
from hotbook_shared.status import refusal_to_wire
from hotbook_shared.wire import DURABILITY_NUMBER

Page = tuple[list[raw.HotkeyPositions], int, int]
"""A page of a listing; and where the next one begins: hotkey, and offset in its records."""

YIELD_AFTER_ORDERS = 500
"""How many orders of one request are looked at between two turns of the loop."""


class PositionsService:
    def __init__(self, settings: Settings, engine: Keeper, clock: Clock) -> None:
        self._settings = settings
        self._engine = engine
        self._listings = Listings(settings, clock)
        self._durability = DURABILITY_NUMBER[settings.durability]

    # ---------------------------------------------------------------- writing

    async def save(self, request: pb.SaveRequest, call: Call) -> bytes:
        save, key = self._save_of(request), request_key(request.request_id, call.method, call.body)
        outcome = await self._engine.submit(
            save, key, timeout_s=call.timeout_s, size=len(call.body)
        )
        assert isinstance(outcome, SaveDone)
        reply = pb.SaveReply()
        self._write_saved(reply, outcome)
        return reply.SerializeToString()

    async def save_many(self, request: pb.SaveManyRequest, call: Call) -> bytes:
        shape.check_request_id(request.request_id)
        most = self._settings.items_max
        if len(request.items) > most:
            raise InvalidArgument(
                f"items has {len(request.items)} positions; at most {most} are taken", field="items"
            )
        saves: list[Save | RefusedOutcome] = []
        weight = 0
        for number, item in enumerate(request.items):
            weight += 1 + len(item.position.orders)
            if weight > YIELD_AFTER_ORDERS:
                await asyncio.sleep(0)  # a large request does not keep readers waiting
                weight = 0
            try:
                saves.append(self._checked(item, f"items[{number}].position"))
            except InvalidArgument as error:
                if request.all_or_nothing:
                    raise
                saves.append(RefusedOutcome.of(error, self._engine.book.revision))
        outcome = await self._engine.submit(
            SaveMany(tuple(saves), request.all_or_nothing, request.dry_run),
            # What changes nothing is not remembered: asked again, the answer may be another.
            None if request.dry_run else request_key(request.request_id, call.method, call.body),
            timeout_s=call.timeout_s,
            size=len(call.body),
        )
        assert isinstance(outcome, SaveManyDone)
        reply = pb.SaveManyReply(revision=outcome.revision, durability=self._durability)
        for one in outcome.outcomes:
            self._write_outcome(reply.outcomes.add(), one)
        return reply.SerializeToString()

    async def save_stream(
        self, requests: AsyncIterator[tuple[pb.SaveStreamRequest, bytes]], call: Call
    ) -> AsyncIterator[bytes]:
        """Reads ahead of the answers, up to the window; answers in the order of the saves.

        The saves of a message are handed over without a turn of the loop in between, so that they
        share a commit; and the answers of a commit share a message.
        """

        async def read(begun: Begun) -> None:
            async for request, _ in requests:
                for save in request.saves:
                    await begun.put(await self._begin(save, call))

        window, stopping = self._settings.stream_window, self._engine.stopping
        async with contextlib.aclosing(in_order(read, stopping, window)) as answered:
            async for outcomes in answered:
                reply = pb.SaveStreamReply()
                for outcome in outcomes:
                    assert isinstance(outcome, SaveDone | RefusedOutcome)
                    self._write_outcome(reply.outcomes.add(), outcome)
                    reply.revision = max(reply.revision, outcome.revision)
                yield reply.SerializeToString()

    async def _begin(self, request: pb.SaveRequest, call: Call) -> asyncio.Future[AnyOutcome]:
        """Hands one save of a stream to the engine; waits where the engine's queue is full."""
        body = request.SerializeToString()
        try:
            save, key = self._save_of(request), request_key(request.request_id, call.method, body)
            return await begin(self._engine, save, key, self._settings.call_timeout_s, len(body))
        except (InvalidArgument, RequestReused) as error:
            return decided(RefusedOutcome.of(error, self._engine.book.revision))

    # ---------------------------------------------------------------- reading

    async def get(self, request: pb.GetRequest, call: Call) -> bytes:  # noqa: ARG002
        check_hotkey(request.hotkey)
        check_uuid(request.position_uuid)
        book = self._engine.book
        revision, wire = book.revision, None
        record = book.positions.by_uuid.get(request.position_uuid)
        if record is not None and record.hotkey == request.hotkey:
            wire = await self._engine.archive.use(record)
        return raw.PositionReply(revision=revision, position=wire).SerializeToString()

    async def get_open(self, request: pb.GetOpenRequest, call: Call) -> bytes:  # noqa: ARG002
        check_hotkey(request.hotkey)
        check_trade_pair(request.trade_pair)
        book = self._engine.book
        record = book.positions.open_on_pair(request.hotkey, request.trade_pair)
        wire = None if record is None else record.wire
        return raw.PositionReply(revision=book.revision, position=wire).SerializeToString()

    async def list_open(self, request: pb.ListOpenRequest, call: Call) -> bytes:  # noqa: ARG002
        check_hotkey(request.hotkey)
        book = self._engine.book
        records = book.positions.open_of_hotkey(request.hotkey)
        return raw.ListOpenReply(
            revision=book.revision, positions=[record.wire for record in records]
        ).SerializeToString()

    async def list(self, request: pb.ListRequest, call: Call) -> bytes:  # noqa: ARG002
        return (await self.page_of(request)).SerializeToString()

    async def page_of(self, request: pb.ListRequest) -> raw.ListReply:
        size = self._page_size(request.page_size)
        asked = _without_page(request)
        if request.page_token:
            name, listing, at, offset = self._listings.resume(request.page_token, asked)
        else:
            name, at, offset = "", 0, 0
            listing = Listing(asked, self._engine.book.revision, self._find(request))
        page, at, offset = await self._read_page(listing, at, offset, size)
        reply = raw.ListReply(revision=listing.revision, hotkeys=page)
        if at < len(listing.found):
            name = name or self._listings.keep(listing)
            reply.next_page_token = f"{name}.{at}.{offset}"
        elif name:
            self._listings.drop(name)
        return reply

    async def list_hotkeys(self, request: pb.ListHotkeysRequest, call: Call) -> bytes:  # noqa: ARG002
        book = self._engine.book
        held, opened = book.positions.by_hotkey, book.positions.open
        counts = [
            pb.HotkeyCounts(
                hotkey=hotkey,
                positions=len(held[hotkey]),
                open_positions=len(opened.get(hotkey, ())),
            )
            for hotkey in sorted(held)
        ]
        return pb.ListHotkeysReply(revision=book.revision, hotkeys=counts).SerializeToString()

    async def stream_book(
        self,
        request: pb.StreamBookRequest,
        call: Call,  # noqa: ARG002
    ) -> AsyncIterator[bytes]:
        book = self._engine.book
        revision = book.revision
        if request.open_only:
            records = [r for held in book.positions.open.values() for r in held.values()]
        else:
            records = list(book.positions.by_uuid.values())
        async for _, positions in self._engine.archive.draw(pieces(records)):
            yield raw.BookFrame(
                revision=revision, total=len(records), positions=positions
            ).SerializeToString()

    async def delete(self, request: pb.DeleteRequest, call: Call) -> bytes:
        check_hotkey(request.hotkey)
        check_uuid(request.position_uuid)
        shape.check_request_id(request.request_id)
        outcome = await self._engine.submit(
            Delete(request.hotkey, request.position_uuid, shape.expected_version(request)),
            request_key(request.request_id, call.method, call.body),
            timeout_s=call.timeout_s,
            size=len(call.body),
        )
        assert isinstance(outcome, DeleteDone)
        return pb.DeleteReply(
            revision=outcome.revision, existed=outcome.existed, durability=self._durability
        ).SerializeToString()

    # ---------------------------------------------------------------- parts

    def _save_of(self, request: pb.SaveRequest) -> Save:
        shape.check_request_id(request.request_id)
        return self._checked(request, "position")

    def _checked(self, item: pb.SaveRequest | pb.SaveItem, at: str) -> Save:
        """The command behind a save, once its shape is right."""
        if not item.HasField("position"):
            raise InvalidArgument(f"{at} is missing", field=at)
        position, beside = item.position, at.removesuffix("position")
        for own in ("version", "revision", "updated_ms"):
            position.ClearField(own)
        body = shape.check_position(position, self._settings.orders_max, at)
        if item.replace_open and position.campaign_id:
            raise InvalidArgument(
                f"{beside}replace_open is for ordinary positions; a leg stands beside others",
                field=f"{beside}replace_open",
            )
        if isinstance(item, pb.SaveRequest):  # in a SaveMany it was nested as deep as in a listing
            shape.check_listable(body, at)
        return Save(
            position.hotkey,
            position.position_uuid,
            position.trade_pair,
            not position.HasField("close_ms"),
            bool(position.campaign_id),
            body,
            shape.expected_version(item, beside),
            item.replace_open,
        )

    def _page_size(self, asked: int) -> int:
        if asked < 0:
            raise InvalidArgument(f"page_size must not be negative: {asked}", field="page_size")
        return min(asked or self._settings.page_size_default, self._settings.page_size_max)

    def _find(self, request: pb.ListRequest) -> Found:
        """What was asked for, each hotkey once, in the order of asking."""
        if not request.hotkeys:
            raise InvalidArgument("hotkeys is empty: name at least one", field="hotkeys")
        shape.check_hotkeys(request.hotkeys, self._settings.hotkeys_max)
        after = None
        if request.HasField("opened_after_ms"):
            shape.check_time(request.opened_after_ms, "opened_after_ms")
            after = request.opened_after_ms
        found: Found = []
        for hotkey in dict.fromkeys(request.hotkeys):
            records = self._engine.book.positions.of_hotkey(hotkey, open_only=request.open_only)
            if after is not None:
                records = [record for record in records if record.open_ms > after]
            found.append((hotkey, records))
        return found

    async def _read_page(self, listing: Listing, at: int, offset: int, size: int) -> Page:
        try:
            return await self._engine.archive.use_all(
                lambda look: _page(listing, at, offset, size, look)
            )
        except FellBehind as error:
            raise PageExpired(f"{error.message} from the first page") from error

    def _write_outcome(self, reply: pb.SaveOutcome, outcome: SaveDone | RefusedOutcome) -> None:
        reply.revision = outcome.revision
        if isinstance(outcome, RefusedOutcome):
            reply.refused.CopyFrom(refusal_to_wire(outcome.as_error()))
        else:
            self._write_saved(reply.saved, outcome)

    def _write_saved(self, reply: pb.SaveReply, done: SaveDone) -> None:
        reply.revision = done.revision
        reply.version = done.version
        reply.replaced_uuid = done.replaced_uuid
        reply.durability = self._durability


def _without_page(request: pb.ListRequest) -> bytes:
    """What a listing asks for, apart from which page of it."""
    asked = pb.ListRequest()
    asked.CopyFrom(request)
    asked.ClearField("page_token")
    asked.ClearField("page_size")
    return asked.SerializeToString()


def _page(listing: Listing, at: int, offset: int, size: int, look: Look) -> Page:
    """One page, from a hotkey and an offset in its records; and where the next one begins."""
    page: list[raw.HotkeyPositions] = []
    room, room_bytes = size, FRAME_BYTES
    while at < len(listing.found) and room > 0 and room_bytes > 0:
        hotkey, records = listing.found[at]
        taken: list[bytes] = []
        while offset < len(records) and room > 0 and room_bytes > 0:
            wire = look(records[offset])
            taken.append(wire)
            offset, room, room_bytes = offset + 1, room - 1, room_bytes - len(wire)
        page.append(raw.HotkeyPositions(hotkey=hotkey, positions=taken))
        room_bytes -= len(hotkey)
        if offset < len(records):
            return page, at, offset
        at, offset = at + 1, 0
    return page, at, offset
