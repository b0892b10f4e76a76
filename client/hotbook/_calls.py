"""Each rpc once: how its request is built, and what its reply means. No IO.

The faces (sync now, async later) only differ in how they wait.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

from hotbook_shared import answers, wire
from hotbook_shared.errors import HotbookError, InvalidArgument
from hotbook_shared.model import (
    HotkeyCounts,
    HotkeyDigest,
    Position,
    Rebuilt,
    Saved,
    Status,
    Verification,
    epoch_ms,
)
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.status import refusal_from_wire

Result = TypeVar("Result")

TIMEOUT_MAX_S = 1_000_000
CHUNK_POSITIONS = 500
FIRST_CHUNK_POSITIONS = 100
"""The server has nothing to do until the first chunk is made: so it is small, and each that follows
is twice as large as the last, up to the most."""
CHUNK_BYTES = 2 * 1024 * 1024


class Call(msgspec.Struct, Generic[Result]):
    """One call: the rpc's name, its request, and how to read its reply."""

    method: str
    request: Any
    read: Callable[[Any], Result]


class Ahead(msgspec.Struct):
    """A call to be begun now. What is given for it, a Begun, is asked for its answer later."""

    call: Call[Any]


class Begun(msgspec.Struct):
    """A call that is under way; `reply` is the transport's."""

    call: Call[Any]
    reply: Any


def request_id() -> str:
    return uuid.uuid4().hex


def save(position: Position, expected_version: int | None, replace_open: bool) -> Call[Saved]:
    request = save_request(position, expected_version, replace_open)
    return Call("Save", request, lambda m: answers.saved_from_wire(m, position.position_uuid))


def save_request(
    position: Position, expected_version: int | None = None, replace_open: bool = False
) -> pb.SaveRequest:
    if not isinstance(position, Position):
        raise InvalidArgument(f"position is no Position: {position!r:.80}", field="position")
    return built(
        lambda: pb.SaveRequest(
            position=wire.position_to_wire(position),
            request_id=request_id(),
            expected_version=expected_version,
            replace_open=replace_open,
        )
    )


def save_all_or_nothing(
    positions: Iterable[Position], replace_open: bool
) -> Call[list[Saved | HotbookError]]:
    items = [_save_item(position, replace_open) for position in iterate(positions, "positions")]
    return _save_many(items, all_or_nothing=True)


class Chunk(msgspec.Struct):
    """Some positions of a larger save, in order: an item to send, or why it cannot be sent."""

    parts: list[pb.SaveItem | InvalidArgument]
    is_last: bool = False

    @property
    def items(self) -> list[pb.SaveItem]:
        return [part for part in self.parts if isinstance(part, pb.SaveItem)]

    def filled(self, answers: Iterable[Saved | HotbookError]) -> list[Saved | HotbookError]:
        """The answers to the items, with the others' errors in their places."""
        answered = iter(answers)
        return [p if isinstance(p, InvalidArgument) else next(answered) for p in self.parts]


def chunks(positions: Iterable[Position], replace_open: bool) -> Iterator[Chunk]:
    """Requests that are small enough for most servers. What cannot be sent keeps its place."""
    built(lambda: pb.SaveItem(replace_open=replace_open))
    parts: list[pb.SaveItem | InvalidArgument] = []
    size, most = 0, FIRST_CHUNK_POSITIONS
    for number, position in enumerate(iterate(positions, "positions")):
        if not isinstance(position, Position):
            raise InvalidArgument(
                f"positions[{number}] is no Position: {position!r:.80}",
                field=f"positions[{number}]",
            )
        try:
            part: pb.SaveItem | InvalidArgument = _save_item(position, replace_open)
        except InvalidArgument as error:
            part = error
        part_size = part.ByteSize() if isinstance(part, pb.SaveItem) else 0
        if parts and (len(parts) >= most or size + part_size > CHUNK_BYTES):
            yield Chunk(parts)
            parts, size, most = [], 0, min(2 * most, CHUNK_POSITIONS)
        parts.append(part)
        size += part_size
    if parts:
        yield Chunk(parts, is_last=True)


def save_items(
    items: list[pb.SaveItem], *, dry_run: bool = False
) -> Call[list[Saved | HotbookError]]:
    """Items that were built before, each on its own, as one request with an id of its own."""
    return _save_many(items, all_or_nothing=False, dry_run=dry_run)


def _save_item(position: Position, replace_open: bool) -> pb.SaveItem:
    return built(
        lambda: pb.SaveItem(position=wire.position_to_wire(position), replace_open=replace_open)
    )


def _save_many(
    items: list[pb.SaveItem], *, all_or_nothing: bool, dry_run: bool = False
) -> Call[list[Saved | HotbookError]]:
    request = pb.SaveManyRequest(
        items=items, request_id=request_id(), all_or_nothing=all_or_nothing, dry_run=dry_run
    )
    uuids = [item.position.position_uuid for item in items]

    def read(reply: pb.SaveManyReply) -> list[Saved | HotbookError]:
        return [
            save_outcome(outcome, uuid) for outcome, uuid in zip(reply.outcomes, uuids, strict=True)
        ]

    return Call("SaveMany", request, read)


def save_outcome(outcome: pb.SaveOutcome, position_uuid: str) -> Saved | HotbookError:
    if outcome.WhichOneof("outcome") == "refused":
        return refusal_from_wire(outcome.refused)
    return answers.saved_from_wire(outcome.saved, position_uuid)


def get(hotkey: str, position_uuid: str) -> Call[Position | None]:
    request = asked(pb.GetRequest, hotkey=hotkey, position_uuid=position_uuid)
    return Call("Get", request, _position)


def get_open(hotkey: str, trade_pair: str) -> Call[Position | None]:
    request = asked(pb.GetOpenRequest, hotkey=hotkey, trade_pair=trade_pair)
    return Call("GetOpen", request, _position)


def list_open(hotkey: str) -> Call[list[Position]]:
    request = asked(pb.ListOpenRequest, hotkey=hotkey)
    return Call("ListOpen", request, lambda m: [wire.position_from_wire(p) for p in m.positions])


class Page(msgspec.Struct):
    """One page of a listing, and the token of the next; an empty token: it was the last."""

    found: list[tuple[str, list[Position]]]
    next_token: str


def list_page(
    hotkeys: Iterable[str], open_only: bool, opened_after: datetime | int | None, token: str
) -> Call[Page]:
    after_ms = None if opened_after is None else epoch_ms(opened_after, "opened_after")
    request = built(
        lambda: pb.ListRequest(
            hotkeys=hotkeys, open_only=open_only, opened_after_ms=after_ms, page_token=token
        )
    )

    def read(reply: pb.ListReply) -> Page:
        found = [
            (part.hotkey, [wire.position_from_wire(p) for p in part.positions])
            for part in reply.hotkeys
        ]
        return Page(found, reply.next_page_token)

    return Call("List", request, read)


def stream_book(open_only: bool) -> pb.StreamBookRequest:
    return built(lambda: pb.StreamBookRequest(open_only=open_only))


def list_hotkeys() -> Call[list[HotkeyCounts]]:
    def read(reply: pb.ListHotkeysReply) -> list[HotkeyCounts]:
        return [
            HotkeyCounts(hotkey=c.hotkey, positions=c.positions, open_positions=c.open_positions)
            for c in reply.hotkeys
        ]

    return Call("ListHotkeys", pb.ListHotkeysRequest(), read)


def delete(hotkey: str, position_uuid: str, expected_version: int | None) -> Call[bool]:
    request = asked(
        pb.DeleteRequest,
        hotkey=hotkey,
        position_uuid=position_uuid,
        request_id=request_id(),
        expected_version=expected_version,
    )
    return Call("Delete", request, lambda m: bool(m.existed))


def digests(open_only: bool) -> Call[list[HotkeyDigest]]:
    asked = digests_at((), open_only)
    return Call(asked.method, asked.request, lambda m: asked.read(m)[1])


def digests_at(hotkeys: Iterable[str], open_only: bool) -> Call[tuple[int, list[HotkeyDigest]]]:
    """The digests of some hotkeys (none named: all), and the revision that they are of."""
    request = built(lambda: pb.DigestsRequest(open_only=open_only, hotkeys=hotkeys))

    def read(m: pb.DigestsReply) -> tuple[int, list[HotkeyDigest]]:
        found = [
            HotkeyDigest(hotkey=h.hotkey, digest=h.digest, positions=h.positions) for h in m.hotkeys
        ]
        return m.revision, found

    return Call("Digests", request, read)


def clear(hotkey: str | None, expected_count: int, expected_campaigns: int) -> Call[int]:
    request = asked(
        pb.ClearRequest,
        hotkey=hotkey or "",
        every_hotkey=hotkey is None,
        expected_count=expected_count,
        expected_campaigns=expected_campaigns,
        request_id=request_id(),
    )
    return Call("Clear", request, lambda m: int(m.removed))


def status() -> Call[Status]:
    def read(m: pb.StatusReply) -> Status:
        return Status(
            revision=m.revision,
            server_version=m.server_version,
            book_id=m.book_id,
            state=m.state,
            durability=wire.DURABILITIES[m.durability],
            positions=m.positions,
            open_positions=m.open_positions,
            hotkeys=m.hotkeys,
            quarantined=m.quarantined,
            digest=m.digest,
            started_ms=m.started_ms,
            now_ms=m.now_ms,
            queue_depth=m.queue_depth,
            data_dir=m.data_dir,
            settings=dict(sorted(m.settings.items())),
            telemetry=dict(sorted(m.telemetry.items())),
            leader=m.leader,
            lag_ms=m.lag_ms,
            campaigns=m.campaigns,
            live_campaigns=m.live_campaigns,
            marks=m.marks,
        )

    return Call("Status", pb.StatusRequest(), read)


def verify() -> Call[Verification]:
    def read(m: pb.VerifyReply) -> Verification:
        return Verification(
            revision=m.revision,
            ok=m.ok,
            problems=tuple(m.problems),
            problem_count=m.problem_count,
            digest=m.digest,
            positions=m.positions,
            open_positions=m.open_positions,
            changes_checked=m.changes_checked,
        )

    return Call("Verify", pb.VerifyRequest(), read)


def rebuild() -> Call[Rebuilt]:
    return Call("Rebuild", pb.RebuildRequest(), _rebuilt)


def reload() -> Call[Rebuilt]:
    return Call("Reload", pb.ReloadRequest(), _rebuilt)


def _rebuilt(m: Any) -> Rebuilt:
    return Rebuilt(
        revision=m.revision,
        positions=m.positions,
        open_positions=m.open_positions,
        changed=m.changed,
        quarantined=getattr(m, "quarantined", 0),
    )


def _position(reply: pb.PositionReply) -> Position | None:
    return wire.position_from_wire(reply.position) if reply.HasField("position") else None


_Item = TypeVar("_Item")


def iterate(items: Iterable[_Item], name: str) -> Iterator[_Item]:
    try:
        return iter(items)
    except TypeError:
        raise InvalidArgument(
            f"{name} must be a collection, not {type(items).__name__}", field=name
        ) from None


def hotkeys_of(hotkeys: Iterable[str]) -> list[str]:
    return texts(hotkeys, "hotkeys")


def texts(items: Iterable[str], field: str) -> list[str]:
    wanted = list(iterate(items, field))
    for number, text in enumerate(wanted):
        if not isinstance(text, str):
            raise InvalidArgument(
                f"{field}[{number}] must be a str, not {type(text).__name__}",
                field=f"{field}[{number}]",
            )
    return wanted


def seconds(timeout_s: float | None, default_s: float) -> float:
    """How long a call may take. Raises InvalidArgument for what is no number of seconds."""
    if timeout_s is None:
        return default_s
    if (
        isinstance(timeout_s, bool)
        or not isinstance(timeout_s, int | float)
        or not 0 <= timeout_s <= TIMEOUT_MAX_S
    ):
        raise InvalidArgument(f"timeout_s must be seconds, not {timeout_s!r}", field="timeout_s")
    return timeout_s


def at_ms(at: datetime | int | None, field: str = "at") -> int:
    """A time on the wire; 0 stands for one that is not given."""
    return 0 if at is None else epoch_ms(at, field)


def asked(kind: Callable[..., Result], **fields: object) -> Result:
    """A request of these fields. Raises InvalidArgument for the first that has no place in it."""
    try:
        return kind(**fields)
    except (TypeError, ValueError, OverflowError):
        for name, value in fields.items():
            try:
                kind(**{name: value})
            except (TypeError, ValueError, OverflowError) as error:
                what = f"{name} cannot be {value!r:.80}: {error}"
                raise InvalidArgument(what, field=name) from None
        return built(lambda: kind(**fields))


def built(build: Callable[[], Result]) -> Result:
    """A request, or InvalidArgument where a value has no place in it: a wrong type, a bad text."""
    try:
        return build()
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidArgument(f"this cannot be asked: {error}") from None
