"""Every error that hotbook raises, on both sides of the wire.

    HotbookError
    ├── InvalidArgument       what was sent cannot be right, whatever the book holds
    ├── Refused               a rule of the book says no; repeating it as it is will not help
    │   ├── AlreadyOpen       another position of this hotkey and pair is open
    │   ├── VersionConflict   the position is not at the version that the caller expects
    │   ├── IdentityChanged   a uuid never changes its hotkey or trade pair
    │   ├── CountMismatch     a clear would remove another number than the caller says
    │   ├── RequestReused     this request id came before with another body
    │   ├── NotFound          there is no position of that name
    │   ├── NothingOpen       there is nothing to close
    │   ├── OrderReused       this order_uuid stands already, with other content
    │   ├── LeverageOutOfBounds  the position's leverage would leave the bounds of its pair
    │   ├── PortfolioLeverageExceeded  the hotkey's leverage over all pairs would pass its cap
    │   ├── TooManyOrders     the position has as many orders as it may have
    │   ├── CoolingDown       the last order on this pair is too recent
    │   ├── NeedsSplit        the position's orders go on after its close
    │   ├── SplitConflict     a position stands where a part would go, and they disagree
    │   ├── AlreadyExists     something of that name stands already
    │   ├── IllegalTransition a campaign in this state cannot go to that one
    │   ├── CampaignEnded     a campaign that was completed or has failed takes nothing more
    │   ├── HasLegs           a campaign with (open) legs cannot be deleted (or completed)
    │   ├── LegClosed         the leg was closed before
    │   ├── LegKept           a leg of a campaign is kept for ever: its campaign says how it ends
    │   ├── OutOfOrder        a pattern is older than its campaign takes, a step than the last one
    │   ├── SignalReused      this signal_id stands already, with other content
    │   ├── TooManyPatterns   the campaign has as many patterns as it may have
    │   ├── TooManyCampaigns  the hotkey has as many live campaigns as it may have
    │   ├── RiskLimitExceeded the leg would risk more than its campaign, or its hotkey, may
    │   ├── ReadOnly          this server follows another, which takes the writes
    │   └── Unsupported       this server, as it is set up, cannot do that
    ├── LimitReached          a limit of the server; see its settings
    │   ├── QueueFull         too much is waiting to be written: come back in a moment
    │   ├── MessageTooLarge   the message is over the server's size limit
    │   ├── DiskFull          writes are refused until there is room; reads go on
    │   ├── PageExpired       the listing was forgotten before its last page was read
    │   └── FellBehind        a watcher took in less than what happened, and was cut off
    ├── Unavailable           no server answers, or it is stopping
    │   └── JournalFailed     the disk failed: the outcome of what was in flight is unknown
    ├── Stale                 the replica is older than the caller accepts
    ├── NotFollowed           the replica follows a part of the book that has no answer to this
    ├── Unreadable            the server's disk cannot give a position back; others are well
    ├── DeadlineExceeded      no answer in time: the outcome is unknown, repeat with the same id
    └── InternalError         a bug of ours; the server's log has the rest

Codes are stable and travel as data; messages may be worded better at any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class HotbookError(Exception):
    """The root: a stable code, a message for people, details for programs."""

    code: ClassVar[str] = "HOTBOOK_ERROR"
    retryable: ClassVar[bool] = False
    """Whether the same request, sent again a little later, may well succeed."""

    def __init__(self, message: str, /, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details: Mapping[str, str] = {name: str(value) for name, value in details.items()}


class InvalidArgument(HotbookError):
    code = "INVALID_ARGUMENT"

    @property
    def field(self) -> str:
        """The path of the field that is wrong, for example `position.orders[2].price`."""
        return self.details.get("field", "")


class Refused(HotbookError):
    code = "REFUSED"


class AlreadyOpen(Refused):
    code = "ALREADY_OPEN"

    @property
    def open_uuid(self) -> str:
        """The position that is open on the pair."""
        return self.details["open_uuid"]


class VersionConflict(Refused):
    code = "VERSION_CONFLICT"

    @property
    def current_version(self) -> int:
        """The version that stands; 0 where there is none."""
        return int(self.details["current_version"])


class IdentityChanged(Refused):
    code = "IDENTITY_CHANGED"


class CountMismatch(Refused):
    code = "COUNT_MISMATCH"

    @property
    def actual_count(self) -> int:
        """How many positions would go."""
        return int(self.details["actual_count"])

    @property
    def actual_campaigns(self) -> int:
        """How many campaigns would go."""
        return int(self.details["actual_campaigns"])


class RequestReused(Refused):
    code = "REQUEST_REUSED"


class NotFound(Refused):
    code = "NOT_FOUND"


class NothingOpen(Refused):
    code = "NOTHING_OPEN"


class OrderReused(Refused):
    code = "ORDER_REUSED"

    @property
    def position_uuid(self) -> str:
        """The position that holds the order of that name."""
        return self.details["position_uuid"]


class LeverageOutOfBounds(Refused):
    code = "LEVERAGE_OUT_OF_BOUNDS"


class PortfolioLeverageExceeded(Refused):
    code = "PORTFOLIO_LEVERAGE_EXCEEDED"


class TooManyOrders(Refused):
    code = "TOO_MANY_ORDERS"


class CoolingDown(Refused):
    code = "COOLING_DOWN"

    @property
    def remaining_ms(self) -> int:
        """How long until an order may follow."""
        return int(self.details["remaining_ms"])


class NeedsSplit(Refused):
    code = "NEEDS_SPLIT"


class SplitConflict(Refused):
    code = "SPLIT_CONFLICT"


class AlreadyExists(Refused):
    code = "ALREADY_EXISTS"


class IllegalTransition(Refused):
    code = "ILLEGAL_TRANSITION"

    @property
    def states(self) -> tuple[str, str]:
        """The state that stands, and the one that was asked for."""
        return self.details["current_state"], self.details["asked_state"]


class CampaignEnded(Refused):
    code = "CAMPAIGN_ENDED"


class HasLegs(Refused):
    code = "HAS_LEGS"

    @property
    def legs(self) -> int:
        """How many stand in the way."""
        return int(self.details["legs"])


class LegClosed(Refused):
    code = "LEG_CLOSED"


class LegKept(Refused):
    code = "LEG_KEPT"


class OutOfOrder(Refused):
    code = "OUT_OF_ORDER"


class SignalReused(Refused):
    code = "SIGNAL_REUSED"


class TooManyPatterns(Refused):
    code = "TOO_MANY_PATTERNS"


class TooManyCampaigns(Refused):
    code = "TOO_MANY_CAMPAIGNS"


class RiskLimitExceeded(Refused):
    code = "RISK_LIMIT_EXCEEDED"


class ReadOnly(Refused):
    code = "READ_ONLY"

    @property
    def leader(self) -> str:
        """Where writes go: the target that this server follows."""
        return self.details["leader"]


class Unsupported(Refused):
    code = "UNSUPPORTED"


class LimitReached(HotbookError):
    code = "LIMIT_REACHED"


class QueueFull(LimitReached):
    code = "QUEUE_FULL"
    retryable = True


class MessageTooLarge(LimitReached):
    code = "MESSAGE_TOO_LARGE"


class DiskFull(LimitReached):
    code = "DISK_FULL"


class PageExpired(LimitReached):
    code = "PAGE_EXPIRED"


class FellBehind(LimitReached):
    code = "FELL_BEHIND"
    retryable = True


class Unavailable(HotbookError):
    code = "UNAVAILABLE"
    retryable = True


class JournalFailed(Unavailable):
    code = "JOURNAL_FAILED"


class Stale(HotbookError):
    code = "STALE"
    retryable = True

    @property
    def lag_ms(self) -> float:
        """How old the replica may be."""
        return float(self.details["lag_ms"])


class NotFollowed(HotbookError):
    code = "NOT_FOLLOWED"


class Unreadable(HotbookError):
    code = "UNREADABLE"

    @property
    def position_uuid(self) -> str:
        """The position that could not be read."""
        return self.details["position_uuid"]


class DeadlineExceeded(HotbookError):
    code = "DEADLINE_EXCEEDED"


class InternalError(HotbookError):
    code = "INTERNAL"


def _tree(root: type[HotbookError]) -> list[type[HotbookError]]:
    return [root, *(leaf for child in root.__subclasses__() for leaf in _tree(child))]


ERRORS: Mapping[str, type[HotbookError]] = {error.code: error for error in _tree(HotbookError)}


def error_from(code: str, message: str, details: Mapping[str, str]) -> HotbookError:
    """The error that a code names; one that this version does not know becomes the root class."""
    return ERRORS.get(code, HotbookError)(message, **details)
