"""What may be asked of the book, and what comes of it.

A command is an intent, checked for shape but not yet against the book. An outcome is what the
caller is told; it is kept with the request id, so that a repeated request gets the same answer.
"""

from __future__ import annotations

import msgspec

from hotbook_shared.errors import HotbookError, error_from


class Command(msgspec.Struct, frozen=True):
    pass


class Save(Command, frozen=True):
    """Let this position stand. `body` is its wire form without the server's own fields."""

    hotkey: str
    position_uuid: str
    trade_pair: str
    is_open: bool
    is_leg: bool
    body: bytes
    expected_version: int | None = None
    replace_open: bool = False


class SaveMany(Command, frozen=True):
    """Many saves in one commit. One whose shape was wrong is refused already, in its place."""

    saves: tuple[Save | RefusedOutcome, ...]
    all_or_nothing: bool = False


class Delete(Command, frozen=True):
    hotkey: str
    position_uuid: str
    expected_version: int | None = None


class Clear(Command, frozen=True):
    """Remove all positions of a hotkey, or of every hotkey where it is empty."""

    hotkey: str
    expected_count: int


class Outcome(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Kept on disk as msgpack: fields may be added at the end, never moved."""

    revision: int


class SaveDone(Outcome, frozen=True, tag=1, array_like=True):
    version: int
    replaced_uuid: str = ""


class DeleteDone(Outcome, frozen=True, tag=2, array_like=True):
    existed: bool


class ClearDone(Outcome, frozen=True, tag=3, array_like=True):
    removed: int


class RefusedOutcome(Outcome, frozen=True, tag=4, array_like=True):
    code: str
    message: str
    details: dict[str, str]

    @classmethod
    def of(cls, error: HotbookError, revision: int) -> RefusedOutcome:
        return cls(revision, error.code, error.message, dict(error.details))

    def as_error(self) -> HotbookError:
        return error_from(self.code, self.message, self.details)


class SaveManyDone(Outcome, frozen=True, tag=5, array_like=True):
    outcomes: tuple[SaveDone | RefusedOutcome, ...]


AnyOutcome = SaveDone | DeleteDone | ClearDone | RefusedOutcome | SaveManyDone

encode_outcome = msgspec.msgpack.Encoder().encode
_outcome_decoder: msgspec.msgpack.Decoder[AnyOutcome] = msgspec.msgpack.Decoder(AnyOutcome)


def decode_outcome(data: bytes) -> AnyOutcome:
    return _outcome_decoder.decode(data)
