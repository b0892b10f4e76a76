"""A watcher of the raw feed: one call, and its frames as they come."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import grpc

from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb import records_pb2 as raw

PATIENCE_S = 20.0
UNBOUNDED = [("grpc.max_receive_message_length", -1)]


class Watch:
    def __init__(self, channel: grpc.Channel, **asked: Any) -> None:
        rpc: Any = channel.unary_stream(
            "/hotbook.v1.Feed/Watch", pb.WatchRequest.SerializeToString, raw.WatchFrame.FromString
        )
        self.call = rpc(pb.WatchRequest(**asked), timeout=PATIENCE_S)
        self.revision = -1
        self.mark = ""

    def next(self) -> raw.WatchFrame:
        frame: raw.WatchFrame = next(self.call)
        self.revision, self.mark = frame.revision, frame.mark
        return frame

    def until(self, revision: int) -> list[raw.WatchFrame]:
        """The frames up to the first that is the newest at a revision, or later."""
        frames = [self.next()]
        while frames[-1].revision < revision or not frames[-1].is_newest:
            frames.append(self.next())
        return frames

    def ended(self) -> grpc.RpcError:
        """Reads until the server ends the call, and gives what it says."""
        try:
            while True:
                self.next()
        except grpc.RpcError as error:
            return error


@contextlib.contextmanager
def watching(target: str, **asked: Any) -> Iterator[Watch]:
    """A watcher on a connection of its own."""
    with grpc.insecure_channel(target, options=UNBOUNDED) as channel:
        watch = Watch(channel, **asked)
        yield watch
        watch.call.cancel()


def revisions(frames: list[raw.WatchFrame]) -> list[int]:
    return [change.revision for frame in frames for change in frame.changes]


def has_snapshot(frames: list[raw.WatchFrame]) -> bool:
    return any(frame.HasField("snapshot") for frame in frames)


def snapshot_of(frames: list[raw.WatchFrame]) -> list[bytes]:
    """The positions of a snapshot, checked to be whole and of one revision."""
    parts = [frame for frame in frames if frame.HasField("snapshot")]
    held = [wire for frame in parts for wire in frame.snapshot.positions]
    first = 0
    for frame in parts:
        assert frame.snapshot.first == first
        assert frame.snapshot.is_last is (frame is parts[-1])
        first += len(frame.snapshot.positions)
    assert {(f.revision, f.mark, f.snapshot.total) for f in parts} == {
        (parts[0].revision, parts[0].mark, len(held))
    }
    return held
