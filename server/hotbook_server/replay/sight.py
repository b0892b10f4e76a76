"""What a strategy sees of a step, and what it asks there.

Owns the two sides of `on_step`: the market and the book as they stood when the step began, and the
list of what the strategy asks for. Nothing asked here has happened yet: the replay applies it once
every strategy has returned, in the order of their names. So no strategy sees what another one asks
for in the same step, on whatever thread it runs.

Invariant: a Market never changes, nor do the positions of a ReplayBook; both may be kept. Campaigns
are looked up in the book itself, which goes on after the step: asked later, it says so.

docs/replay.md says all of this to those who write strategies.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol

import msgspec
from google.protobuf.message import Message

from hotbook_server.config import Settings
from hotbook_server.lru import Lru
from hotbook_server.market import pair_market
from hotbook_server.rules.allowed import KEEPS_RETURNS
from hotbook_shared.book import Book
from hotbook_shared.book.book import Picture
from hotbook_shared.campaign import Campaign, CampaignTotals, ExitReason, Pattern
from hotbook_shared.campaign_wire import (
    EXIT_REASON_NUMBER,
    campaign_from_wire,
    mark_from_wire,
    pattern_to_wire,
)
from hotbook_shared.errors import HotbookError, InvalidArgument, Stale
from hotbook_shared.market import Generation, Mark, PairMarket
from hotbook_shared.model import Order, PatternType, Position, Side, utc
from hotbook_shared.money import to_text
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import MarkRecord, Record
from hotbook_shared.sendable import choice
from hotbook_shared.wire import (
    ON_FLIP,
    ON_LIMIT,
    PATTERN_NUMBER,
    SIDE_NUMBER,
    order_to_wire,
    position_from_wire,
)

DECODED_MAX = 1_000
"""Positions that a participant has looked at lately, and need not be decoded again."""


class Step(msgspec.Struct, frozen=True):
    """One simulated step. `at_ms` is the time of the newest row of the file in it."""

    number: int
    at_ms: int

    @property
    def at(self) -> datetime:
        return utc(self.at_ms)


class Strategy(Protocol):
    """What takes part in a replay."""

    def on_step(self, step: Step, market: Market, book: ReplayBook) -> bool | None:
        """Looks, and asks. False: it leaves, once what it has asked is done."""


class Ask(msgspec.Struct, frozen=True):
    """A call of the server's that a participant wants made: the rpc, and its request."""

    rpc: str
    request: Message


class Market:
    """The market at one step: one generation, and the marks of that moment. Any thread may read."""

    __slots__ = ("_known", "_marks", "_now_ms", "_settings", "generation")

    def __init__(
        self,
        generation: Generation,
        marks: Mapping[str, MarkRecord],
        now_ms: int,
        settings: Settings,
    ) -> None:
        self.generation = generation
        self._marks = marks
        self._now_ms = now_ms
        self._settings = settings
        self._known: dict[tuple[str, int], PairMarket] = {}

    @property
    def fresh(self) -> frozenset[str]:
        """The trade pairs that have data at this step."""
        return self.generation.fresh

    @property
    def trade_pairs(self) -> list[str]:
        """Those that have a mark."""
        return sorted(self._marks)

    def price(self, trade_pair: str) -> Decimal | None:
        mark = self._marks.get(trade_pair)
        return None if mark is None else Decimal(mark.price)

    def mark(self, trade_pair: str) -> Mark | None:
        mark = self._marks.get(trade_pair)
        return None if mark is None else mark_from_wire(pb.Mark.FromString(mark.wire))

    def pair(self, trade_pair: str, campaign: Campaign | None = None) -> PairMarket:
        """Its mark, and its volume; with a campaign of that pair, the volume of the bars since the
        campaign's range last changed. Worked out when the first participant asks."""
        is_of_pair = campaign is not None and campaign.trade_pair == trade_pair
        since = campaign.range_bar if campaign is not None and is_of_pair else 0
        known = self._known.get((trade_pair, since))
        if known is None:  # two threads may both do it: what they make is the same
            known = self._known[trade_pair, since] = self._look_at(trade_pair, since)
        return known

    def _look_at(self, trade_pair: str, since_bar: int) -> PairMarket:
        mark = self.mark(trade_pair)
        if mark is None:
            return PairMarket(trade_pair=trade_pair)
        is_fresh = trade_pair in self.fresh
        return pair_market(mark, is_fresh, self._now_ms, self._settings, since_bar)


class ReplayBook:
    """The book for one participant at one step: reads of what stood, and asks for what shall.

    A time that is not given is the step's, a price the pair's mark. An ask that the book refuses
    changes nothing; it is among `refusals` at the participant's next step.
    """

    def __init__(
        self,
        picture: Picture,
        book: Book,
        step: Step,
        market: Market,
        *,
        name: str = "",
        decoded: Lru[bytes, Position] | None = None,
        refusals: tuple[HotbookError, ...] = (),
    ) -> None:
        self.revision = picture.revision
        self.refusals = refusals
        """What came of the asks of the step before, as far as it was no."""
        self.asks: list[Ask] = []
        self._positions = picture.positions
        self._book: Book | None = book
        self._step = step
        self._market = market
        self._name = name
        # NB: an empty one is false, and it is the participant's all the same.
        self._decoded: Lru[bytes, Position] = Lru(DECODED_MAX) if decoded is None else decoded

    # ---------------------------------------------------------------- reading

    def has_open(self, hotkey: str, trade_pair: str) -> bool:
        return self._positions.open_on_pair(hotkey, trade_pair) is not None

    def open_position(self, hotkey: str, trade_pair: str) -> Position | None:
        """The ordinary position that is open on the pair."""
        record = self._positions.open_on_pair(hotkey, trade_pair)
        return None if record is None else self._position(record)

    def open_positions(self, hotkey: str) -> list[Position]:
        """All that a hotkey has open, legs included, by open time."""
        return [self._position(record) for record in self._positions.open_of_hotkey(hotkey)]

    def positions(self, hotkey: str) -> list[Position]:
        """All of a hotkey's: the closed ones by close time, then the open ones by open time."""
        return [self._position(record) for record in self._positions.of_hotkey(hotkey)]

    def live_campaigns(self, hotkey: str, trade_pair: str) -> list[Campaign]:
        """The hotkey's live campaigns on the pair, the last touched first."""
        found = self._now().campaigns.live_on_pair(hotkey, trade_pair)
        return [campaign_from_wire(pb.Campaign.FromString(record.wire)) for record in found]

    def campaign(self, campaign_id: str) -> Campaign | None:
        record = self._now().campaigns.by_id.get(campaign_id)
        if record is None:
            return None
        return campaign_from_wire(pb.Campaign.FromString(record.wire))

    def campaign_totals(self, campaign_id: str) -> CampaignTotals | None:
        """What its legs amount to; None where there is no such campaign."""
        book = self._now()
        record = book.campaigns.by_id.get(campaign_id)
        if record is None:
            return None
        mark = book.marks.by_pair.get(record.trade_pair)
        return book.campaigns.legs_of(campaign_id).totals(campaign_id, mark)

    def _now(self) -> Book:
        if self._book is None:
            raise Stale(f"step {self._step.number} is over: ask of campaigns while it lasts")
        return self._book

    def _position(self, record: Record) -> Position:
        known = self._decoded.get(record.digest)
        if known is None:
            known = position_from_wire(pb.Position.FromString(record.wire))
            self._decoded.put(record.digest, known)
        return known

    def end(self) -> None:
        """The step is over."""
        self._book = None

    # ---------------------------------------------------------------- asking

    def place_order(
        self,
        hotkey: str,
        trade_pair: str,
        order: Order | Side,
        *,
        leverage: Decimal | None = None,
        quantity: Decimal | None = None,
        price: Decimal | None = None,
        order_uuid: str = "",
        account_size: Decimal | None = None,
        on_flip: Literal["close", "reverse"] = "close",
        on_limit: Literal["refuse", "close"] = "refuse",
        portfolio_leverage_max: Decimal | None = None,
    ) -> None:
        """Asks for an order: added to what is open on the pair, or opening a position.

        `order` is an Order, as the client takes it, or a side: then the size is `leverage` or
        `quantity`. An Order has a size, price and uuid of its own; of these a price of 0, an empty
        uuid and a time of 0 count as not given.
        """
        if isinstance(order, Order):
            if order_uuid or any(one is not None for one in (leverage, quantity, price)):
                raise InvalidArgument(
                    "an Order has its own leverage, quantity, price and order_uuid: give them "
                    "there, or a side in its place"
                )
            message = self._filled(trade_pair, order)
        else:
            message = pb.Order(
                order_uuid=order_uuid or self._made_uuid(),
                type=choice(SIDE_NUMBER, order, "order"),
                leverage=to_text(leverage, "leverage"),
                quantity=to_text(quantity, "quantity"),
                price=self._price(trade_pair, price),
                processed_ms=self._step.at_ms,
            )
        self._ask("PlaceOrder", pb.PlaceOrderRequest(
            hotkey=hotkey, trade_pair=trade_pair, order=message,
            account_size=to_text(account_size, "account_size"),
            on_flip=choice(ON_FLIP, on_flip, "on_flip"),
            on_limit=choice(ON_LIMIT, on_limit, "on_limit"),
            portfolio_leverage_max=to_text(portfolio_leverage_max, "portfolio_leverage_max"),
        ))  # fmt: skip

    def _filled(self, trade_pair: str, order: Order) -> pb.Order:
        """An order as the strategy gives it; one without a time has the step's, for it is now."""
        message = order_to_wire(order)
        message.order_uuid = message.order_uuid or self._made_uuid()
        if not order.price and message.source not in KEEPS_RETURNS:
            message.price = self._price(trade_pair, None)
        return message

    def close_position(self, hotkey: str, trade_pair: str, *, price: Decimal | None = None) -> None:
        """Asks for what is open on the pair to be closed."""
        self.place_order(hotkey, trade_pair, Side.FLAT, price=price)

    def add_pattern(
        self,
        hotkey: str,
        trade_pair: str,
        pattern: Pattern,
        *,
        range_id: str = "",
        timeframe: str = "",
        account_size: Decimal | None = None,
    ) -> None:
        """Asks for a pattern to be filed where it belongs, or to begin a campaign."""
        self._ask("AddPattern", pb.AddPatternRequest(
            hotkey=hotkey, trade_pair=trade_pair, pattern=pattern_to_wire(pattern),
            range_id=range_id, timeframe=timeframe,
            account_size=to_text(account_size, "account_size"),
        ))  # fmt: skip

    def add_leg(
        self,
        campaign_id: str,
        trade_pair: str,
        side: Side,
        *,
        shares: Decimal,
        stop: Decimal,
        pattern_type: PatternType,
        entry: Decimal | None = None,
        position_uuid: str = "",
    ) -> None:
        """Asks for a leg of a campaign on that pair."""
        self._ask("AddLeg", pb.AddLegRequest(
            campaign_id=campaign_id, position_uuid=position_uuid or self._made_uuid(),
            side=choice(SIDE_NUMBER, side, "side"),
            pattern_type=choice(PATTERN_NUMBER, pattern_type, "pattern_type"),
            shares=to_text(shares, "shares"), stop=to_text(stop, "stop"),
            entry=self._price(trade_pair, entry), opened_ms=self._step.at_ms,
        ))  # fmt: skip

    def close_leg(
        self, campaign_id: str, leg: Position, *, exit_price: Decimal | None = None
    ) -> None:
        """Asks for a leg to be closed."""
        self._ask("CloseLeg", pb.CloseLegRequest(
            campaign_id=campaign_id, position_uuid=leg.position_uuid,
            exit_price=self._price(leg.trade_pair, exit_price), closed_ms=self._step.at_ms,
        ))  # fmt: skip

    def complete_campaign(
        self,
        campaign_id: str,
        reason: ExitReason = ExitReason.UNKNOWN,
        *,
        exit_price: Decimal | None = None,
    ) -> None:
        """Asks for a campaign without open legs to be completed."""
        self._ask("CompleteCampaign", pb.CompleteCampaignRequest(
            campaign_id=campaign_id, exit_price=to_text(exit_price, "exit_price"),
            reason=choice(EXIT_REASON_NUMBER, reason, "reason"), at_ms=self._step.at_ms,
        ))  # fmt: skip

    def _price(self, trade_pair: str, price: Decimal | None) -> str:
        return to_text(self._market.price(trade_pair) if price is None else price, "price")

    def _made_uuid(self) -> str:
        """The same in every run."""
        return f"{self._name}-{self._step.number}-{len(self.asks)}"

    def _ask(self, rpc: str, request: Message) -> None:
        self.asks.append(Ask(rpc, request))
