"""The Splitting service: one position, or the whole book."""

from __future__ import annotations

from collections.abc import AsyncIterator

from hotbook_server.config import Settings
from hotbook_server.keeper import Keeper
from hotbook_server.logs import log
from hotbook_server.requests import request_key
from hotbook_server.rpc import shape
from hotbook_server.rpc.guard import Call
from hotbook_server.splitter import Splitter
from hotbook_shared.answers import split_stats_to_wire, split_to_wire
from hotbook_shared.model import SplitStats
from hotbook_shared.names import check_hotkey, check_uuid
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.status import refusal_to_wire
from hotbook_shared.wire import DURABILITY_NUMBER


class SplittingService:
    def __init__(self, settings: Settings, engine: Keeper, splitter: Splitter) -> None:
        self._engine = engine
        self._splitter = splitter
        self._durability = DURABILITY_NUMBER[settings.durability]

    async def split(self, request: pb.SplitRequest, call: Call) -> bytes:
        shape.check_request_id(request.request_id)
        check_hotkey(request.hotkey)
        check_uuid(request.position_uuid)
        done = await self._splitter.split(
            request.hotkey,
            request.position_uuid,
            request_key(request.request_id, call.method, call.body),
            timeout_s=call.timeout_s,
        )
        return pb.SplitReply(
            revision=done.revision, split=split_to_wire(done.split), durability=self._durability
        ).SerializeToString()

    async def split_all(self, request: pb.SplitAllRequest, call: Call) -> AsyncIterator[bytes]:
        count = 0
        async for step in self._splitter.split_all(dry_run=request.dry_run):
            splits = [split_to_wire(split) for split in step.splits]
            count += len(splits)
            for record, error in step.refused:
                splits.append(
                    pb.SplitOutcome(
                        hotkey=record.hotkey,
                        position_uuid=record.position_uuid,
                        refused=refusal_to_wire(error),
                    )
                )
            yield pb.SplitAllFrame(
                revision=self._engine.book.revision,
                total=step.total,
                done=step.done,
                splits=splits,
            ).SerializeToString()
        log.info("split", positions=count, refused=len(step.refused), dry_run=request.dry_run,
                 correlation_id=call.correlation_id)  # fmt: skip

    async def split_stats(self, request: pb.SplitStatsRequest, call: Call) -> bytes:  # noqa: ARG002
        check_hotkey(request.hotkey)
        found = self._splitter.stats.get(request.hotkey, SplitStats())
        return split_stats_to_wire(found).SerializeToString()
