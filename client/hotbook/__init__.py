"""hotbook: a thin client of the position server.

    import hotbook

    with hotbook.connect("127.0.0.1:50700") as book:
        position = book.open_position(hotkey, "BTCUSD")

Everything that is public is listed here.
"""

from hotbook._client import Client, connect
from hotbook_shared import __version__
from hotbook_shared.errors import (
    AlreadyOpen,
    CountMismatch,
    DeadlineExceeded,
    DiskFull,
    HotbookError,
    IdentityChanged,
    InternalError,
    InvalidArgument,
    JournalFailed,
    LimitReached,
    MessageTooLarge,
    PageExpired,
    QueueFull,
    Refused,
    RequestReused,
    Unavailable,
    Unsupported,
    VersionConflict,
)
from hotbook_shared.model import (
    Durability,
    ExecutionType,
    HotkeyCounts,
    Order,
    OrderSource,
    PatternType,
    Position,
    PriceSource,
    Rebuilt,
    Saved,
    Side,
    Status,
    Verification,
)

__all__ = [
    "AlreadyOpen",
    "Client",
    "CountMismatch",
    "DeadlineExceeded",
    "DiskFull",
    "Durability",
    "ExecutionType",
    "HotbookError",
    "HotkeyCounts",
    "IdentityChanged",
    "InternalError",
    "InvalidArgument",
    "JournalFailed",
    "LimitReached",
    "MessageTooLarge",
    "Order",
    "OrderSource",
    "PageExpired",
    "PatternType",
    "Position",
    "PriceSource",
    "QueueFull",
    "Rebuilt",
    "Refused",
    "RequestReused",
    "Saved",
    "Side",
    "Status",
    "Unavailable",
    "Unsupported",
    "Verification",
    "VersionConflict",
    "__version__",
    "connect",
]
