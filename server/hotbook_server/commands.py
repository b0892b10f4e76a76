"""What may be asked of the book, and what comes of it.

A command is an intent, checked for shape but not yet against the book. An outcome is what the
caller is told; it is kept with the request id, so that a repeated request gets the same answer.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from hotbook_shared.errors import HotbookError, error_from
from hotbook_shared.model import PositionName, Split


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
    dry_run: bool = False


class Delete(Command, frozen=True):
    hotkey: str
    position_uuid: str
    expected_version: int | None = None


class Clear(Command, frozen=True):
    """Remove all positions and campaigns of a hotkey, or of every hotkey where it is empty."""

    hotkey: str
    expected_count: int
    expected_campaigns: int = 0


class PlaceOrder(Command, frozen=True):
    """Add an order to what is open on the pair, or open a position with it."""

    hotkey: str
    trade_pair: str
    order: bytes  # its wire form
    account_size: str = ""
    reverse_on_flip: bool = False
    close_on_limit: bool = False
    portfolio_leverage_max: Decimal | None = None


class ClosePosition(Command, frozen=True):
    """Close what is open on a pair, or the position of that uuid."""

    hotkey: str
    trade_pair: str
    position_uuid: str
    price: str
    at_ms: int
    source: int


class CloseAll(Command, frozen=True):
    """Close everything that is open on the pairs, each at its price."""

    prices: dict[str, str]
    at_ms: int
    source: int


class SplitPosition(Command, frozen=True):
    """Make a position of each part of one whose orders go on after its close."""

    hotkey: str
    position_uuid: str


class CampaignCommand(Command, frozen=True):
    """One on campaigns or marks; the others are on positions."""


class AddPattern(CampaignCommand, frozen=True):
    """File a pattern, in its wire form, where it belongs, or begin a campaign with it."""

    hotkey: str
    trade_pair: str
    range_id: str
    timeframe: str
    pattern: bytes
    account_size: str = ""
    expected_version: int | None = None


class AddPatterns(Command, frozen=True):
    """Many, in this order. One whose shape was wrong is refused already, in its place."""

    patterns: tuple[AddPattern | RefusedOutcome, ...]


class CreateCampaign(CampaignCommand, frozen=True):
    """Let this campaign stand, in its wire form: what the server says of it is left out."""

    campaign: bytes


class Transition(CampaignCommand, frozen=True):
    """Let a campaign go to another state; `to` and `exit_reason` are the wire's numbers."""

    campaign_id: str
    to: int
    expected_version: int | None = None
    at_ms: int = 0
    exit_price: str = ""
    exit_reason: int = 0
    failure_reason: str = ""


class DeleteCampaign(CampaignCommand, frozen=True):
    campaign_id: str
    expected_version: int | None = None


class Expire(CampaignCommand, frozen=True):
    """Let the campaigns fail whose deadline lies strictly before."""

    now_ms: int


class AddLeg(CampaignCommand, frozen=True):
    """Let this leg stand, in its wire form, without hotkey and pair: its campaign's."""

    campaign_id: str
    leg: bytes
    expected_version: int | None = None


class CloseLeg(CampaignCommand, frozen=True):
    campaign_id: str
    position_uuid: str
    exit_price: str
    closed_ms: int
    expected_version: int | None = None


class PushedBar(msgspec.Struct, frozen=True):
    trade_pair: str
    at_ms: int
    close: str
    volume: str


class PushBars(CampaignCommand, frozen=True):
    bars: tuple[PushedBar, ...]


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
    campaigns: int = 0


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


class PlaceDone(Outcome, frozen=True, tag=6, array_like=True):
    position: bytes
    closed: bytes = b""
    repeated: bool = False


class CloseAllDone(Outcome, frozen=True, tag=7, array_like=True):
    closed: tuple[PositionName, ...]


class SplitDone(Outcome, frozen=True, tag=8, array_like=True):
    split: Split


class PatternDone(Outcome, frozen=True, tag=9, array_like=True):
    campaign_id: str
    version: int
    campaign: bytes
    created: bool = False
    repeated: bool = False


class PatternsDone(Outcome, frozen=True, tag=10, array_like=True):
    outcomes: tuple[PatternDone | RefusedOutcome, ...]


class CampaignDone(Outcome, frozen=True, tag=11, array_like=True):
    campaign: bytes


class ExpireDone(Outcome, frozen=True, tag=12, array_like=True):
    expired: int


class LegDone(Outcome, frozen=True, tag=13, array_like=True):
    """`totals` is the wire form of the campaign's totals in this revision."""

    leg: bytes
    campaign_version: int
    totals: bytes


class PushDone(Outcome, frozen=True, tag=14, array_like=True):
    accepted: int
    stale: int


AnyOutcome = (
    SaveDone
    | DeleteDone
    | ClearDone
    | RefusedOutcome
    | SaveManyDone
    | PlaceDone
    | CloseAllDone
    | SplitDone
    | PatternDone
    | PatternsDone
    | CampaignDone
    | ExpireDone
    | LegDone
    | PushDone
)

encode_outcome = msgspec.msgpack.Encoder().encode
_outcome_decoder: msgspec.msgpack.Decoder[AnyOutcome] = msgspec.msgpack.Decoder(AnyOutcome)


def decode_outcome(data: bytes) -> AnyOutcome:
    return _outcome_decoder.decode(data)
