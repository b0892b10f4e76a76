"""The original's client, each method over the call of ours that takes its place.

Owns no rule, and no state but a Client: whatever it is asked becomes a call of that.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from typing import Any

import hotbook
from hotbook._connection import DEFAULT_TARGET
from hotbook.compat import scoring
from hotbook.compat.instead import instead
from hotbook.compat.positions import Position, saved_as, shown, taken
from hotbook_shared.errors import AlreadyOpen, InvalidArgument, Unsupported
from hotbook_shared.pairs import known_pairs
from hotbook_shared.splitting import needs_split, parts_of, split

DEVELOPMENT_HOTKEY = "DEVELOPMENT"
SUSPENDED_PAIRS = ("SPX", "DJI", "NDX", "VIX")


class ValiRecordsMisalignmentException(AlreadyOpen):
    """Another position of the hotkey is open on the pair; the original's name for AlreadyOpen."""


class PositionManagerClient:
    """The original's client of its position server, over a `hotbook.Client`.

    `target` is HOST:PORT; otherwise `port` on this machine, HOTBOOK_TARGET, or the default.
    `position_class` is called with the fields of the original's JSON to make what is given out.
    `eliminated` gives the hotkeys that `filter_eliminations` leaves out.
    """

    @instead("use hotbook.connect(target)")
    def __init__(
        self,
        port: int | None = None,
        connect_immediately: bool = False,
        connection_mode: Any = None,
        running_unit_tests: bool = False,
        *,
        target: str | None = None,
        position_class: Callable[..., Any] = Position,
        eliminated: Callable[[], Iterable[str]] | None = None,
    ) -> None:
        if getattr(connection_mode, "value", connection_mode) == 0:
            raise Unsupported(
                "connection_mode LOCAL bypasses the server, which hotbook cannot; "
                "for tests hotbook.testing.server() starts one in memory"
            )
        if port is not None and target is not None:
            raise InvalidArgument("give port or target, not both", field="target")
        local = None if port is None else f"127.0.0.1:{port}"
        self._target = target or local or os.environ.get("HOTBOOK_TARGET") or DEFAULT_TARGET
        self._book = hotbook.connect(self._target)
        self._position_class = position_class
        self._eliminated = eliminated
        self.running_unit_tests = running_unit_tests
        if connect_immediately:
            self._book.status()

    # ---------------------------------------------------------------- one position

    @instead("use Client.get(hotkey, position_uuid)")
    def get_position(self, hotkey: str, position_uuid: str) -> Any:
        return self._shown(self._book.get(hotkey, position_uuid))

    @instead("use Client.get(hotkey, position_uuid)")
    def get_miner_position_by_uuid(self, hotkey: str, position_uuid: str) -> Any:
        return self._shown(self._book.get(hotkey, position_uuid))

    @instead("use Client.open_position(hotkey, trade_pair)")
    def get_open_position_for_trade_pair(self, hotkey: str, trade_pair_id: str) -> Any:
        return self._shown(self._book.open_position(hotkey, trade_pair_id))

    @instead("use Client.save(position), or Client.place_order() and Client.close_position()")
    def save_miner_position(
        self,
        position: Any,
        delete_open_position_if_exists: bool = True,  # noqa: ARG002 - it changes nothing
    ) -> None:
        ours = taken(position)
        try:
            saved = self._book.save(ours, expected_version=ours.version or None)
        except AlreadyOpen as error:
            misaligned = ValiRecordsMisalignmentException(error.message, **error.details)
            raise misaligned from None
        saved_as(position, saved.version)

    @instead("use Client.delete(hotkey, position_uuid)")
    def delete_position(self, hotkey: str, position_uuid: str) -> None:
        self._book.delete(hotkey, position_uuid)

    # ---------------------------------------------------------------- many positions

    @instead("use Client.positions(hotkey)")
    def get_positions_for_one_hotkey(
        self,
        hotkey: str,
        only_open_positions: bool = False,
        acceptable_position_end_ms: int | None = None,
        sort_positions: bool = False,  # noqa: ARG002 - they come sorted
    ) -> list[Any]:
        found = self._book.positions(
            hotkey, open_only=only_open_positions, opened_after=acceptable_position_end_ms
        )
        return self._all_shown(found)

    @instead("use Client.positions([hotkey, ...])")
    def get_positions_for_hotkeys(
        self,
        hotkeys: Iterable[str],
        only_open_positions: bool = False,
        filter_eliminations: bool = False,
        acceptable_position_end_ms: int | None = None,
        sort_positions: bool = False,  # noqa: ARG002 - they come sorted
    ) -> dict[str, list[Any]]:
        left_out = self._left_out(filter_eliminations)
        found = self._book.positions(
            [hotkey for hotkey in hotkeys if hotkey not in left_out],
            open_only=only_open_positions,
            opened_after=acceptable_position_end_ms,
        )
        return {hotkey: self._all_shown(positions) for hotkey, positions in found.items()}

    @instead("use Client.book()")
    def get_positions_for_all_miners(
        self,
        include_development_positions: bool = False,
        sort_positions: bool = False,  # noqa: ARG002 - they come sorted
        filter_eliminations: bool = False,
    ) -> dict[str, list[Any]]:
        left_out = self._left_out(filter_eliminations, include_development_positions)
        return {
            hotkey: self._all_shown(positions)
            for hotkey, positions in self._whole_book().items()
            if hotkey not in left_out
        }

    @instead("use Client.positions() and your own filter")
    def filtered_positions_for_scoring(
        self, hotkeys: Iterable[str] | None = None, include_development_positions: bool = False
    ) -> tuple[dict[str, list[Any]], dict[str, int]]:
        """What counts for a score by hotkey, and the time of each one's first order."""
        found = self._whole_book() if hotkeys is None else self._book.positions(list(hotkeys))
        left_out = self._left_out(include_development=include_development_positions)
        positions, first_order_ms = {}, {}
        for hotkey, every in found.items():
            if every and hotkey not in left_out:
                told = self._all_shown(every)
                positions[hotkey] = [position for position in told if scoring.counts(position)]
                first_order_ms[hotkey] = min(map(_first_ms, every))
        return positions, first_order_ms

    # ---------------------------------------------------------------- hotkeys and figures

    @instead("use Client.hotkeys()")
    def get_all_hotkeys(self) -> list[str]:
        return self._hotkeys()

    @instead("use Client.hotkeys()")
    def get_miner_hotkeys_with_at_least_one_position(
        self, include_development_positions: bool = False
    ) -> set[str]:
        return set(self._hotkeys()) - self._left_out(
            include_development=include_development_positions
        )

    @instead("use len(Client.hotkeys())")
    def get_number_of_miners_with_any_positions(self) -> int:
        return len(self._hotkeys())

    @instead("use Client.order_span()")
    def get_extreme_position_order_processed_on_disk_ms(self) -> tuple[float, float]:
        span = self._book.order_span()
        if span.first_ms is None or span.last_ms is None:
            return math.inf, 0
        return span.first_ms, span.last_ms

    @instead("use Client.exposure(hotkey).leverage")
    def calculate_net_portfolio_leverage(self, hotkey: str) -> float:
        return float(self._book.exposure(hotkey).leverage)

    @instead("compute it from the positions' returns: drawdown is not a store's to know")
    def compute_realtime_drawdown(self, hotkey: str) -> float:
        raise Unsupported(
            f"the drawdown of {hotkey} needs performance ledgers and live prices, and hotbook has "
            "neither: compute it from the positions' returns"
        )

    # ---------------------------------------------------------------- splitting

    @instead("use Client.split(hotkey, position_uuid), which also saves the parts")
    def split_position_on_flat(
        self, position: Any, track_stats: bool = False
    ) -> tuple[list[Any], dict[str, Any]]:
        """The parts of a position, and how many of its closes were by FLAT or by net."""
        whole = taken(position)
        made = split(whole, known_pairs().of(whole.trade_pair))
        closed = parts_of(whole.orders)[:-1] if len(made) > 1 else []
        by_flat = sum(part.closed_by_flat for part in closed)
        info: dict[str, Any] = {
            "implicit_flat_splits": len(closed) - by_flat,
            "explicit_flat_splits": by_flat,
        }
        if len(made) > 1:
            info["pre_split_return"] = float(whole.return_at_close) if track_stats else None
        return self._all_shown(made), info

    @instead("use Client.split_stats(hotkey)")
    def get_split_stats(self, hotkey: str) -> dict[str, Any]:
        stats = self._book.split_stats(hotkey)
        return {
            "n_positions_split": stats.positions,
            "product_return_pre_split": float(stats.return_before),
            "product_return_post_split": float(stats.return_after),
        }

    @instead("use hotbook.needs_split(position)")
    def _position_needs_splitting(self, position: Any) -> bool:
        return needs_split(taken(position))

    @instead("rewrite the orders and save: stock splits are not a store's to know")
    def apply_stock_split(
        self, trade_pair_id: str, stock_split_ratio: float, execution_date: str
    ) -> None:
        raise Unsupported(
            f"hotbook does not rewrite orders for a stock split ({trade_pair_id}, "
            f"{stock_split_ratio} on {execution_date}): do it, and save the positions"
        )

    # ---------------------------------------------------------------- of positions alone

    get_percent_profitable_positions = staticmethod(
        instead("keep your own: it asks no server")(scoring.get_percent_profitable_positions)
    )
    get_return_per_closed_position = staticmethod(
        instead("keep your own: it asks no server")(scoring.get_return_per_closed_position)
    )
    positions_to_dashboard_dict = staticmethod(
        instead("keep your own: it asks no server")(scoring.positions_to_dashboard_dict)
    )
    positions_are_the_same = staticmethod(
        instead("compare two hotbook.Position with ==")(scoring.positions_are_the_same)
    )

    # ---------------------------------------------------------------- operating

    @instead("use Client.close_all(trade_pairs)")
    def close_open_orders_for_suspended_trade_pairs(self, live_price_fetcher: Any = None) -> int:
        if live_price_fetcher is not None:
            raise Unsupported(
                "hotbook asks nobody for prices: fetch them, and give them to "
                "Client.close_all({trade_pair: price})"
            )
        return len(self._book.close_all(SUSPENDED_PAIRS))

    @instead("use Client.clear(expected_count=...)")
    def clear_all_miner_positions(self) -> None:
        self._clear(None)

    @instead("use Client.clear(hotkey, expected_count=...)")
    def clear_all_miner_positions_and_disk(self, hotkey: str | None = None) -> None:
        self._clear(hotkey)

    @instead("drop it: there is nothing to set up")
    def pre_run_setup(self, perform_order_corrections: bool = True) -> None:
        """Does nothing."""

    @instead("use Client.status()")
    def health_check(self) -> dict[str, Any]:
        status = self._book.status()
        return {
            "status": "ok",
            "service": "PositionManagerServer",
            "timestamp_ms": status.now_ms,
            "daemon_running": False,
            "last_heartbeat_ms": status.now_ms,
            "current_operation": status.state,
            "total_positions": status.positions,
            "total_open_positions": status.open_positions,
            "num_hotkeys": status.hotkeys,
        }

    @instead("drop it: the server has no daemon to start")
    def start_daemon(self) -> bool:
        return False

    @instead("drop it: the server has no daemon to stop")
    def stop_daemon(self) -> bool:
        return False

    @instead("drop it: a Client connects at its first call, and again whenever it must")
    def connect(
        self,
        max_retries: int | None = None,  # noqa: ARG002 - the deadline of a call bounds them
        retry_delay: float | None = None,  # noqa: ARG002
    ) -> bool:
        self._book.status()
        return True

    @instead("use Client.close()")
    def disconnect(self) -> None:
        """Closes the connection; the next call makes another, as the original's does."""
        self._book.close()
        self._book = hotbook.connect(self._target)

    # ---------------------------------------------------------------- parts

    def _shown(self, position: hotbook.Position | None) -> Any:
        return None if position is None else shown(position, self._position_class)

    def _all_shown(self, positions: Iterable[hotbook.Position]) -> list[Any]:
        return [shown(position, self._position_class) for position in positions]

    def _hotkeys(self) -> list[str]:
        return [counts.hotkey for counts in self._book.hotkeys()]

    def _whole_book(self) -> dict[str, list[hotbook.Position]]:
        """Every position by hotkey: closed ones by close time, then the open by open time."""
        found: dict[str, list[hotbook.Position]] = {}
        for position in sorted(self._book.book(), key=_place_in_listing):
            found.setdefault(position.hotkey, []).append(position)
        return found

    def _left_out(
        self, filter_eliminations: bool = False, include_development: bool = True
    ) -> set[str]:
        left_out = set() if include_development else {DEVELOPMENT_HOTKEY}
        if filter_eliminations and self._eliminated is None:
            raise Unsupported(
                "hotbook knows no eliminations: filter_eliminations needs "
                "PositionManagerClient(eliminated=...), a function that gives the hotkeys"
            )
        if filter_eliminations and self._eliminated is not None:
            left_out |= set(self._eliminated())
        return left_out

    def _clear(self, hotkey: str | None) -> None:
        if not self.running_unit_tests:
            raise Unsupported(
                "clearing is for tests: PositionManagerClient(running_unit_tests=True) may; "
                "an operator has `hotbook clear`"
            )
        hotkeys = self._book.hotkeys()
        count = sum(held.positions for held in hotkeys if hotkey in (None, held.hotkey))
        campaigns = self._book.campaign_statistics(hotkey=hotkey).total
        self._book.clear(hotkey, expected_count=count, expected_campaigns=campaigns)


def _place_in_listing(position: hotbook.Position) -> tuple[Any, ...]:
    return position.is_open, position.close_ms or 0, position.open_ms, position.position_uuid


def _first_ms(position: hotbook.Position) -> int:
    """When a position's first order came; when it was opened, where it has none."""
    return position.orders[0].processed_ms if position.orders else position.open_ms
