"""The original's client over ours, for programs that were written for it.

    from hotbook.compat import PositionManagerClient    # the one import that changes

Its methods, arguments and answers are the original's. Each call warns, and names the one that
takes its place; docs/compat.md has the whole table, and where hotbook does otherwise.
"""

from hotbook.compat.client import PositionManagerClient, ValiRecordsMisalignmentException
from hotbook.compat.positions import (
    ExecutionType,
    Order,
    OrderType,
    Position,
    PriceSource,
    TradePair,
)

__all__ = [
    "ExecutionType",
    "Order",
    "OrderType",
    "Position",
    "PositionManagerClient",
    "PriceSource",
    "TradePair",
    "ValiRecordsMisalignmentException",
]
