"""The Operations service: what operators do to the book as a whole."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path

from hotbook_server.clock import Clock
from hotbook_server.commands import Clear, ClearDone
from hotbook_server.config import Settings
from hotbook_server.journal.store import BACKUP_PREFIX
from hotbook_server.keeper import Keeper
from hotbook_server.logs import log
from hotbook_server.requests import request_key
from hotbook_server.rpc import shape
from hotbook_server.rpc.guard import Call
from hotbook_server.telemetry import Telemetry
from hotbook_shared import __version__
from hotbook_shared.digest import ContentDigest
from hotbook_shared.errors import InvalidArgument, Unsupported
from hotbook_shared.names import check_hotkey
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import Record
from hotbook_shared.wire import DURABILITY_NUMBER

PROBLEMS_TOLD = 100
CHUNK_BYTES = 1024 * 1024
LOOKED_AT_ONCE = 250


class OperationsService:
    def __init__(
        self, settings: Settings, engine: Keeper, clock: Clock, telemetry: Telemetry
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._clock = clock
        self._telemetry = telemetry
        self._started_ms = clock.now_ms()
        self._durability = DURABILITY_NUMBER[settings.durability]

    async def clear(self, request: pb.ClearRequest, call: Call) -> bytes:
        shape.check_request_id(request.request_id)
        if request.every_hotkey == bool(request.hotkey):
            raise InvalidArgument("name one hotkey, or set every_hotkey", field="hotkey")
        if request.hotkey:
            check_hotkey(request.hotkey)
        outcome = await self._engine.submit(
            Clear(request.hotkey, request.expected_count, request.expected_campaigns),
            request_key(request.request_id, call.method, call.body),
            timeout_s=call.timeout_s,
            size=len(call.body),
        )
        assert isinstance(outcome, ClearDone)
        log.info("cleared", hotkey=request.hotkey or "all", removed=outcome.removed,
                 campaigns=outcome.campaigns, correlation_id=call.correlation_id)  # fmt: skip
        return pb.ClearReply(
            revision=outcome.revision,
            removed=outcome.removed,
            removed_campaigns=outcome.campaigns,
            durability=self._durability,
        ).SerializeToString()

    async def status(self, request: pb.StatusRequest, call: Call) -> bytes:  # noqa: ARG002
        engine = self._engine
        positions, campaigns = engine.book.positions, engine.book.campaigns
        return pb.StatusReply(
            revision=engine.book.revision,
            server_version=__version__,
            book_id=engine.book_id,
            state=engine.state,
            durability=self._durability,
            positions=len(positions.by_uuid),
            open_positions=positions.open_count,
            hotkeys=len(positions.by_hotkey),
            quarantined=engine.quarantined,
            digest=engine.book.digest,
            started_ms=self._started_ms,
            now_ms=self._clock.now_ms(),
            queue_depth=len(engine.intake),
            data_dir=str(self._settings.data_dir.absolute()) if self._settings.on_disk else "",
            settings=self._settings.as_mapping,
            telemetry=self._telemetry.as_figures() | engine.archive.figures,
            leader=self._settings.follow or "",
            lag_ms=engine.lag_ms if self._settings.follow else 0.0,
            campaigns=len(campaigns.by_id),
            live_campaigns=len(campaigns.deadlines),
            marks=len(engine.book.marks.by_pair),
        ).SerializeToString()

    async def verify(self, request: pb.VerifyRequest, call: Call) -> bytes:  # noqa: ARG002
        book, problems, changes = await self._engine.verify()
        tell = log.error if problems else log.info
        tell("verified", problems=len(problems), first=problems[:1],
             correlation_id=call.correlation_id)  # fmt: skip
        return pb.VerifyReply(
            revision=book.revision,
            ok=not problems,
            problems=problems[:PROBLEMS_TOLD],
            problem_count=len(problems),
            digest=book.digest,
            positions=len(book.positions.by_uuid),
            open_positions=book.positions.open_count,
            changes_checked=changes,
        ).SerializeToString()

    async def rebuild(self, request: pb.RebuildRequest, call: Call) -> bytes:  # noqa: ARG002
        changed = await self._engine.rebuild()
        book = self._engine.book
        log.info("rebuilt", changed=changed, correlation_id=call.correlation_id)
        return pb.RebuildReply(
            revision=book.revision,
            positions=len(book.positions.by_uuid),
            open_positions=book.positions.open_count,
            changed=changed,
        ).SerializeToString()

    async def reload(self, request: pb.ReloadRequest, call: Call) -> bytes:  # noqa: ARG002
        before = self._engine.quarantined
        changed = await self._engine.reload()
        book, found = self._engine.book, self._engine.quarantined - before
        log.info("reloaded", changed=changed, damaged=found, correlation_id=call.correlation_id)
        return pb.ReloadReply(
            revision=book.revision,
            positions=len(book.positions.by_uuid),
            open_positions=book.positions.open_count,
            quarantined=found,
            changed=changed,
        ).SerializeToString()

    async def digests(self, request: pb.DigestsRequest, call: Call) -> bytes:  # noqa: ARG002
        """Of every position as it stood when the call came, some at a time."""
        book = self._engine.book
        index = book.positions.open if request.open_only else book.positions.by_hotkey
        wanted = sorted({*request.hotkeys} & index.keys() if request.hotkeys else index)
        found = {hotkey: list(index[hotkey].values()) for hotkey in wanted}
        reply = pb.DigestsReply(revision=book.revision)
        digests = {hotkey: ContentDigest() for hotkey in found}
        records = [record for held in found.values() for record in held]
        for start in range(0, len(records), LOOKED_AT_ONCE):
            await asyncio.sleep(0)  # readers and writers go on
            part = records[start : start + LOOKED_AT_ONCE]
            await self._engine.archive.run(_add_all, digests, part)
        for hotkey, digest in digests.items():
            reply.hotkeys.add(hotkey=hotkey, digest=str(digest), positions=digest.positions)
        return reply.SerializeToString()

    async def backup(self, request: pb.BackupRequest, call: Call) -> AsyncIterator[bytes]:  # noqa: ARG002
        if self._settings.follow is not None:
            raise Unsupported(f"this server follows {self._settings.follow}: back that one up")
        if not self._settings.on_disk:
            raise Unsupported("a book in memory has no store to back up")
        with tempfile.TemporaryDirectory(
            prefix=BACKUP_PREFIX, dir=self._settings.data_dir
        ) as folder:
            copy = Path(folder) / "copy.db"
            revision = await self._engine.operate(self._engine.journal.backup, copy)
            total, seen = copy.stat().st_size, hashlib.sha256()
            with copy.open("rb") as file:
                while data := await asyncio.to_thread(file.read, CHUNK_BYTES):
                    seen.update(data)
                    last = file.tell() == total
                    yield pb.BackupFrame(
                        revision=revision,
                        total_bytes=total,
                        data=data,
                        sha256=seen.hexdigest() if last else "",
                    ).SerializeToString()
        log.info("backed up", revision=revision, bytes=total, correlation_id=call.correlation_id)


def _add_all(digests: Mapping[str, ContentDigest], records: Iterable[Record]) -> None:
    for record in records:
        digests[record.hotkey].add(record.wire)
