"""The client's methods for the market. Each is one call, and says what it gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from hotbook import _market_calls
from hotbook._face import Face
from hotbook_shared.market import Bar, Generation, MarketView, Pushed


class MarketMethods(Face):
    def push_bars(self, bars: Iterable[Bar], *, timeout_s: float | None = None) -> Pushed:
        """Moves marks and feeds the rolling volumes, in the order of the bars. Any number.

        They go in requests of a thousand, one commit each. A bar that is older than its pair's mark
        is counted as stale, and ignored.
        """
        return self._run_all(_market_calls.push_bars(bars), timeout_s)

    def update_marks(
        self,
        prices: Mapping[str, Decimal],
        at: datetime | int | None = None,
        *,
        timeout_s: float | None = None,
    ) -> Pushed:
        """Moves the marks of trade pairs: bars without a volume. `at` is now by this machine's
        clock where it is not given."""
        return self._run_all(_market_calls.update_marks(prices, at), timeout_s)

    def market(
        self,
        trade_pairs: Iterable[str] | None = None,
        *,
        campaign_id: str | None = None,
        timeout_s: float | None = None,
    ) -> MarketView:
        """Marks with their age, freshness and volume, of one revision and one generation.

        Of the named pairs, or of all that have a mark. With `campaign_id` the average volume is
        that since the campaign's range last changed.
        """
        return self._run(_market_calls.market(trade_pairs, campaign_id), timeout_s)

    def advance(self, to: datetime | int, *, timeout_s: float | None = None) -> Generation:
        """Makes the next step the current one, for replays; campaigns whose deadline has passed
        fail. Only where the server's `market_clock` is manual."""
        return self._run(_market_calls.advance(to), timeout_s)

    def wait_for_generation(self, generation: int, *, timeout_s: float | None = None) -> Generation:
        """Waits until that generation, or a later one, is published: which pairs are fresh."""
        return self._run(_market_calls.wait_for_generation(generation), timeout_s)
