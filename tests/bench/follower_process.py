"""Followers of all campaigns, in a process of their own: what they are told, and how late.

Each has a connection of its own and decodes what it is told, as any client must.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import grpc.aio
import msgspec
import uvloop

from hotbook_shared.pb import hotbook_pb2 as pb
from tests.bench.processes import answer, asked

FOLLOW = "/hotbook.v1.Campaigns/Follow"
ARRIVE_S = 60


class Follow(msgspec.Struct, tag=True):
    followers: int


class Until(msgspec.Struct, tag=True):
    revision: int


class Told(msgspec.Struct):
    """Of all followers together, since they began."""

    frames: int = 0
    campaigns: int = 0


class Followers:
    def __init__(self, target: str) -> None:
        self._target = target
        self._news = asyncio.Condition()
        self._channels: list[grpc.aio.Channel] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._at: list[int] = []
        self._told = Told()

    async def begin(self, followers: int) -> None:
        """Ends when each of them has everything as it stands."""
        self._told, self._at = Told(), [0] * followers
        self._tasks = [asyncio.create_task(self._follow(number)) for number in range(followers)]
        await self._wait(1)

    async def until(self, revision: int) -> Told:
        await self._wait(revision)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for channel in self._channels:
            await channel.close()
        self._tasks, self._channels = [], []
        return self._told

    async def _wait(self, revision: int) -> None:
        async with asyncio.timeout(ARRIVE_S), self._news:
            await self._news.wait_for(lambda: min(self._at, default=revision) >= revision)

    async def _follow(self, number: int) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        channel = grpc.aio.insecure_channel(self._target, options=options)
        self._channels.append(channel)
        method: Any = channel.unary_stream(FOLLOW)
        call = method(pb.FollowRequest().SerializeToString())
        while (data := await call.read()) is not grpc.aio.EOF:
            frame = pb.FollowFrame.FromString(data)
            self._told.frames += 1
            self._told.campaigns += len(frame.campaigns)
            if frame.is_last:
                self._at[number] = frame.revision
                async with self._news:
                    self._news.notify()


async def _run(target: str) -> None:
    followers, questions = Followers(target), asked()
    while (said := await asyncio.to_thread(next, questions, None)) is not None:
        wanted: Follow | Until = msgspec.convert(said, Follow | Until)
        if isinstance(wanted, Follow):
            await followers.begin(wanted.followers)
            answer("following")
        else:
            answer(await followers.until(wanted.revision))


if __name__ == "__main__":
    uvloop.run(_run(sys.argv[1]))
