"""The rules of the market: what bars do to the marks of their trade pairs.

Pure, like all rules. Bars count in their order; one change a pair and command says where its mark
stands after the last of them.

    bar before the mark       stale: counted, and ignored
    bar at the mark's time    the same bar again, corrected: the price moves, its volume counts once
    bar after it              the price moves, its volume joins the newest

A bar without a volume moves the mark alone.
"""

from __future__ import annotations

from decimal import Decimal

from hotbook_server.commands import PushBars, PushDone, PushedBar
from hotbook_server.rules.terms import Terms
from hotbook_shared.book import Book
from hotbook_shared.money import from_text
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import Change, MarkRecord, mark_record_from
from hotbook_shared.volume import RollingVolume


def decide_push(
    book: Book,
    push: PushBars,
    now_ms: int,  # noqa: ARG001 - bars have times of their own
    terms: Terms,
) -> tuple[list[Change], PushDone]:
    """Each pair's mark moves with its bars; what is older than the mark is counted as stale."""
    pairs: dict[str, _Moving] = {}
    accepted = 0
    for bar in push.bars:
        pair = pairs.get(bar.trade_pair)
        if pair is None:
            stands = book.marks.by_pair.get(bar.trade_pair)
            pair = pairs[bar.trade_pair] = _Moving(bar.trade_pair, stands, terms.volume_window)
        accepted += pair.take(bar)
    changes: list[Change] = []
    for pair in pairs.values():
        if pair.has_moved:
            revision = book.revision + len(changes) + 1
            changes.append(Change.marked(pair.record(revision)))
    revision = book.revision + len(changes)
    return changes, PushDone(revision, accepted, len(push.bars) - accepted)


class _Moving:
    """The mark of one pair, while bars move it."""

    __slots__ = (
        "_at_ms", "_bars", "_last_volume", "_price", "_trade_pair", "_volume", "has_moved",
    )  # fmt: skip

    def __init__(self, trade_pair: str, stands: MarkRecord | None, window: int) -> None:
        mark = pb.Mark() if stands is None else pb.Mark.FromString(stands.wire)
        self.has_moved = False
        self._trade_pair = trade_pair
        self._price, self._at_ms, self._bars = mark.price, mark.at_ms, mark.bars
        self._last_volume = mark.last_volume
        self._volume = RollingVolume.resumed(window, mark.volumes, from_text(mark.volume_sum))

    def take(self, bar: PushedBar) -> bool:
        """Moves the mark. Returns whether it did: a stale bar leaves it where it is."""
        if bar.at_ms < self._at_ms:
            return False
        is_corrected = bar.at_ms == self._at_ms
        if bar.volume:
            self._count(bar.volume, is_corrected=is_corrected)
        elif not is_corrected:  # corrected: what the bar said of its volume stands
            self._last_volume = ""
        self._at_ms, self._price, self.has_moved = bar.at_ms, bar.close, True
        return True

    def _count(self, text: str, *, is_corrected: bool) -> None:
        volume = Decimal(text)
        if is_corrected and self._last_volume:
            self._volume.replace_newest(volume)
        else:
            self._volume.add(volume)
            self._bars += 1
        self._last_volume = f"{volume:f}"

    def record(self, revision: int) -> MarkRecord:
        mark = pb.Mark(
            trade_pair=self._trade_pair,
            price=f"{Decimal(self._price):f}",
            at_ms=self._at_ms,
            bars=self._bars,
            volumes=self._volume.texts,
            volume_sum=f"{self._volume.total:f}" if self._volume else "",
            last_volume=self._last_volume,
            revision=revision,
        )
        return mark_record_from(mark.SerializeToString())
