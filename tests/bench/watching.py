"""Some of a workload's watchers, in a process of their own: raw frames, each on its own connection.

A frame that many are sent is looked into once: what is measured is the server, not the watchers. A
watcher notes when each frame arrived and the last revision in it, and whether every change came,
and came in its order. One that never reads opens its watch, takes the first frame, and no more.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import grpc.aio
import msgspec
import uvloop

from hotbook._connection import OPTIONS
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb import records_pb2 as raw
from tests.bench.processes import answer, asked
from tests.bench.wire_bytes import wire_bytes

WATCH = "/hotbook.v1.Feed/Watch"
OWN_CONNECTION = [*OPTIONS, ("grpc.use_local_subchannel_pool", 1)]
SMALL_WINDOW = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65_536)]
"""Without them gRPC takes megabytes into memory for a caller that reads nothing."""

ARRIVE_S = 60
ALIKE_KEPT = 4


class Watch(msgspec.Struct, tag=True):
    """Begin to watch, so many; answered when each has its first frame."""

    watchers: int
    reading: bool = True


class Until(msgspec.Struct, tag=True):
    """Watch until everyone has this revision, and say what each has seen."""

    revision: int


class Seen(msgspec.Struct):
    """What one watcher saw. `arrivals`: the last revision of a frame, and when it came."""

    is_complete: bool
    frames: int
    arrivals: list[tuple[int, float]]


class Watchers:
    """Everybody who watches from this process."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._news = asyncio.Condition()
        self._alike: list[tuple[bytes, int, list[int]]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._channels: list[grpc.aio.Channel] = []
        self.seen: list[Seen] = []
        self.at: list[int] = []

    async def begin(self, wanted: Watch) -> None:
        options = OWN_CONNECTION + ([] if wanted.reading else SMALL_WINDOW)
        calls = [self._call(options) for _ in range(wanted.watchers)]
        self.at = [self._look(await call.read())[0] for call in calls]
        self.seen = [Seen(True, 1, []) for _ in calls]
        if wanted.reading:
            self._tasks = [
                asyncio.create_task(self.follow(number, call)) for number, call in enumerate(calls)
            ]

    async def until(self, revision: int) -> list[Seen]:
        """What everybody saw, when all have that revision. Those that do not read saw nothing."""
        if self._tasks:
            arrived = asyncio.create_task(self._arrived(revision))
            async with asyncio.timeout(ARRIVE_S):
                either = asyncio.FIRST_COMPLETED
                done, _ = await asyncio.wait([arrived, *self._tasks], return_when=either)
            for task in done:
                task.result()  # a watcher ends only with an error
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for channel in self._channels:
            await channel.close()
        self._tasks, self._channels = [], []
        return self.seen

    async def _arrived(self, revision: int) -> None:
        async with self._news:
            await self._news.wait_for(lambda: min(self.at) >= revision)

    def _call(self, options: list[tuple[str, int]]) -> Any:
        channel = grpc.aio.insecure_channel(self._target, options=options)
        self._channels.append(channel)
        call: Any = channel.unary_stream(WATCH)
        return call(pb.WatchRequest().SerializeToString())

    async def follow(self, number: int, call: Any) -> None:
        seen, at = self.seen[number], self.at[number]
        while (data := await call.read()) is not grpc.aio.EOF:
            now = time.monotonic()
            revision, changes = self._look(data)
            seen.frames += 1
            if not changes:
                continue
            seen.arrivals.append((revision, now))
            is_next = changes[0] == at + 1 and len(changes) == changes[-1] - at
            seen.is_complete = seen.is_complete and is_next
            at = self.at[number] = revision
            async with self._news:
                self._news.notify()

    def _look(self, data: bytes) -> tuple[int, list[int]]:
        """A frame's revision, and those of its changes, which must be in order."""
        for known, revision, changes in self._alike:
            if known == data:
                return revision, changes
        frame = raw.WatchFrame.FromString(data)
        changes = [change.revision for change in frame.changes]
        assert changes == sorted(set(changes))
        self._alike = [(data, frame.revision, changes), *self._alike[: ALIKE_KEPT - 1]]
        return frame.revision, changes


async def _run(target: str) -> None:
    watchers, port = Watchers(target), int(target.rpartition(":")[2])
    questions = asked()
    while (said := await asyncio.to_thread(next, questions, None)) is not None:
        wanted: Watch | Until = msgspec.convert(said, Watch | Until)
        if isinstance(wanted, Watch):
            await watchers.begin(wanted)
            answer("watching")
        else:
            taken = wire_bytes(port)
            answer((await watchers.until(wanted.revision), taken))


if __name__ == "__main__":
    uvloop.run(_run(sys.argv[1]))
