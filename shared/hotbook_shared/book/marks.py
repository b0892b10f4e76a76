"""Marks: the latest price of each trade pair."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hotbook_shared.record import DIGEST_MASK, MarkRecord, mark_record_from


class Marks:
    __slots__ = ("by_pair", "digest")

    def __init__(self, records: Iterable[MarkRecord] = ()) -> None:
        self.by_pair: dict[str, MarkRecord] = {record.trade_pair: record for record in records}
        self.digest = sum(_number(record) for record in self.by_pair.values()) & DIGEST_MASK

    def put(self, trade_pair: str, new: MarkRecord | None) -> MarkRecord | None:
        """Lets `new` (None: nothing) be the mark of the pair. Returns the old."""
        old = self.by_pair.get(trade_pair)
        self.digest += (_number(new) if new else 0) - (_number(old) if old else 0)
        self.digest &= DIGEST_MASK
        if new is None:
            self.by_pair.pop(trade_pair, None)
        else:
            self.by_pair[trade_pair] = new
        return old

    def copy(self) -> Marks:
        twin = Marks.__new__(Marks)
        twin.by_pair, twin.digest = self.by_pair.copy(), self.digest
        return twin

    def problems(self) -> Iterator[str]:
        for trade_pair, record in self.by_pair.items():
            if record.trade_pair != trade_pair or record != mark_record_from(record.wire):
                yield f"the mark of {trade_pair} is not that of its wire bytes"
        if self.digest != Marks(self.by_pair.values()).digest:
            yield "the digest of the marks is not that of a fresh scan"


def _number(record: MarkRecord) -> int:
    return int.from_bytes(record.digest, "big")
