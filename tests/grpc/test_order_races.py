"""Orders at once, with real clients against a real server on disk, and no lock anywhere.

What each race is checked for: an order that was acknowledged stands in exactly one position, one
that was refused in none, and every position's figures are those that its orders amount to.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import hotbook
from hotbook import (
    Client,
    Order,
    OrderSource,
    Placed,
    PortfolioLeverageExceeded,
    Position,
    Refused,
    Side,
)
from hotbook_shared.fills import filled
from hotbook_shared.pairs import known_pairs
from tests.client.test_retry import served
from tests.grpc.test_races import together
from tests.make import NOW_MS, closed

THREADS = 100
CAP = Decimal(10)
PAIRS = [pair.trade_pair for pair in known_pairs()]
ACCOUNT = Decimal(100_000)


def market(uuid: str, leverage: str, **changed: object) -> Order:
    """A market order: LONG for a leverage above 0, SHORT below, FLAT for none."""
    size = Decimal(leverage)
    side = Side.FLAT if not size else Side.LONG if size > 0 else Side.SHORT
    fields = {
        "order_uuid": uuid,
        "type": side,
        "processed_ms": 0,
        "leverage": size or None,
        "price": Decimal(100 + len(uuid)),
    }
    return Order(**fields | changed)  # type: ignore[arg-type]


class Told:
    """What the clients of a race were told, over all threads."""

    def __init__(self) -> None:
        self.placed: dict[str, Placed] = {}
        self.refused: dict[str, Refused] = {}

    def place(self, book: Client, hotkey: str, trade_pair: str, order: Order, **how: str) -> None:
        try:
            done = book.place_order(hotkey, trade_pair, order, account_size=ACCOUNT, **how)  # type: ignore[arg-type]
        except Refused as refused:
            self.refused[order.order_uuid] = refused
        else:
            assert order.order_uuid in {o.order_uuid for o in done.position.orders}
            self.placed[order.order_uuid] = done

    def check(self, book: Client) -> None:
        """Every order where it belongs, every figure true, every index right."""
        stands = list(book.book())
        held = Counter(
            o.order_uuid for p in stands for o in p.orders if not is_made_by_server(o, p)
        )
        assert held == Counter(dict.fromkeys(self.placed, 1))
        assert not self.placed.keys() & self.refused.keys()
        for p in stands:
            check_figures(p)
        found = book.verify(timeout_s=60)
        assert found.ok, found.problems


def is_made_by_server(order: Order, holder: Position) -> bool:
    return order.type is Side.FLAT and order.order_uuid == holder.position_uuid[::-1]


def check_figures(made: Position) -> None:
    assert filled(made, known_pairs().of(made.trade_pair)) == made


@contextlib.contextmanager
def looking_on(target: str, look: Callable[[Client], None], count: int = 3) -> Iterator[None]:
    """Runs `look` over and over on threads of its own; what it raises is raised at the end."""
    stop = threading.Event()
    errors: list[BaseException] = []

    def run() -> None:
        with hotbook.connect(target, timeout_s=60) as book:
            try:
                while not stop.is_set():
                    look(book)
            except BaseException as error:
                errors.append(error)

    lookers = [threading.Thread(target=run) for _ in range(count)]
    for looker in lookers:
        looker.start()
    try:
        yield
    finally:
        stop.set()
        for looker in lookers:
            looker.join()
    if errors:
        raise errors[0]


def test_orders_on_one_pair_of_one_hotkey(target: str) -> None:
    """A hundred clients trade one pair to and fro: each order in one position, one open at most,
    and who reads meanwhile never sees a position whose figures are not its orders'."""
    told = Told()

    def trade(number: int) -> None:
        with hotbook.connect(target, timeout_s=60) as book:
            for turn in range(4):
                order = market(
                    f"order-{number}-{turn}", ("0.1", "-0.2", "0.2", "-0.3")[(number + turn) % 4]
                )
                told.place(
                    book,
                    "hk",
                    "BTCUSD",
                    order,
                    on_flip=("close", "reverse")[number % 2],
                    on_limit="close",
                )

    def look(book: Client) -> None:
        opened = book.open_positions("hk")
        assert len(opened) <= 1
        for p in opened:
            check_figures(p)

    with looking_on(target, look):
        together(THREADS, trade)

    assert len(told.placed) + len(told.refused) == 4 * THREADS
    assert {refused.code for refused in told.refused.values()} <= {"LEVERAGE_OUT_OF_BOUNDS"}
    with hotbook.connect(target) as book:
        told.check(book)


def test_no_order_is_lost_where_none_is_refused(target: str) -> None:
    """Two hundred orders on one pair without bounds: the net is their sum, to the last digit."""
    told = Told()

    def add(number: int) -> None:
        with hotbook.connect(target, timeout_s=60) as book:
            for turn in range(2):
                told.place(
                    book, "hk", "ANY", market(f"order-{number}-{turn}", "0.01"), on_limit="close"
                )

    together(THREADS, add)

    assert not told.refused
    with hotbook.connect(target) as book:
        told.check(book)
        closed, opened = book.positions("hk")
        assert len(closed.orders) == 101  # a hundred, and the FLAT that closed it for their number
        assert closed.orders[-1].source is OrderSource.MAX_ORDERS_CLOSE
        assert (len(opened.orders), opened.net_leverage) == (100, Decimal(1))


def test_the_portfolio_cap_over_many_pairs(target: str) -> None:
    """A hundred clients on as many pairs as there are: at no revision is the cap exceeded."""
    told = Told()
    pairs = known_pairs()

    def trade(number: int) -> None:
        trade_pair = PAIRS[number % len(PAIRS)]
        with hotbook.connect(target, timeout_s=60) as book:
            for turn, leverage in enumerate(("0.3", "0.1", "-0.2", "0")):
                told.place(book, "hk", trade_pair, market(f"order-{number}-{turn}", leverage))

    def look(book: Client) -> None:
        found = book.exposure("hk")
        assert found.leverage <= CAP
        assert found.leverage == sum(pair.leverage for pair in found.pairs)

    with looking_on(target, look):
        together(THREADS, trade)

    over = [r for r in told.refused.values() if isinstance(r, PortfolioLeverageExceeded)]
    assert over
    assert all(Decimal(r.details["portfolio_leverage"]) > CAP for r in over)
    stands: dict[str, Decimal] = {}
    for done in sorted(told.placed.values(), key=lambda done: done.revision):
        made = done.position
        multiplier = pairs.of(made.trade_pair).multiplier
        stands[made.position_uuid] = (
            abs(made.net_leverage) * multiplier if made.is_open else Decimal(0)
        )
        assert sum(stands.values()) <= CAP, f"at revision {done.revision}"
    with hotbook.connect(target) as book:
        assert book.exposure("hk").leverage == sum(stands.values())
        told.check(book)


def test_one_order_placed_by_everybody_at_once(target: str) -> None:
    """The same order of a hundred clients, who know nothing of each other: it stands once."""
    done: list[Placed] = []
    order = market("o1", "0.1")

    def place(_: int) -> None:
        with hotbook.connect(target, timeout_s=60) as book:
            done.append(book.place_order("hk", "BTCUSD", order))

    together(THREADS, place)

    assert Counter(one.repeated for one in done) == {False: 1, True: THREADS - 1}
    with hotbook.connect(target) as book:
        assert [[o.order_uuid for o in p.orders] for p in book.positions("hk")] == [["o1"]]


def test_the_same_order_again_where_another_has_its_uuid_too(target: str) -> None:
    """Two positions that were saved with other orders of one uuid: each order is known again."""
    both = [market("x", "0.1", processed_ms=NOW_MS, price=Decimal(price)) for price in (1, 2)]
    with hotbook.connect(target) as book:
        for number, order in enumerate(both):
            book.save(closed(f"p{number}", orders=(order,)))
        for number, order in enumerate(both):
            done = book.place_order("hk", "BTCUSD", order)
            assert (done.repeated, done.position.position_uuid) == (True, f"p{number}")


def needy(hotkey: str, uuid: str) -> Position:
    """Saved as closed, though its orders go on after that: three parts, the last one closed too."""
    sizes = ("0.1", "0", "-0.2", "0.2", "0.1", "0")
    orders = tuple(
        market(f"{uuid}-{n}", size, processed_ms=NOW_MS - 1000 + n) for n, size in enumerate(sizes)
    )
    return Position(
        hotkey=hotkey,
        position_uuid=uuid,
        trade_pair="ETHUSD",
        open_ms=NOW_MS - 1000,
        close_ms=NOW_MS,
        orders=orders,
        account_size=ACCOUNT,
    )


def test_many_hotkeys_with_closes_saves_and_splits(target: str) -> None:
    """Orders, closes, saves of what needs splitting and splits of the whole book, side by side."""
    told, shut = Told(), list[str]()

    def trade(number: int) -> None:
        hotkey = f"hk{number % 20}"
        with hotbook.connect(target, timeout_s=60) as book:
            for turn in range(3):
                told.place(book, hotkey, "BTCUSD", market(f"order-{number}-{turn}", "0.1"))
            saved = needy(hotkey, f"old-{number}")
            book.save(saved)
            told.placed |= dict.fromkeys(o.order_uuid for o in saved.orders)  # type: ignore[arg-type]
            with contextlib.suppress(Refused):
                done = book.close_position(hotkey, "BTCUSD", price=Decimal(105))
                shut.append(done.position.position_uuid)
            told.place(
                book, hotkey, "BTCUSD", market(f"order-{number}-9", "-0.2"), on_flip="reverse"
            )

    def split(book: Client) -> None:
        for outcome in book.split_all():
            assert isinstance(outcome, hotbook.Split), outcome

    with looking_on(target, split, count=2):
        together(THREADS, trade)

    assert shut
    assert len(set(shut)) == len(shut)  # nobody closed what another had closed
    with hotbook.connect(target, timeout_s=60) as book:
        split(book)
        assert book.split_all() == []
        told.check(book)
        for number in range(20):
            assert book.split_stats(f"hk{number}").parts == 15


def test_every_order_once_through_restarts(tmp_path: Path) -> None:
    """The server is killed while a hundred threads place orders: their clients ask again, and each
    order has one effect."""
    told = Told()
    moments = {100: threading.Event(), 300: threading.Event()}

    def trade(number: int) -> None:
        with hotbook.connect(server.target, timeout_s=120) as book:
            for turn in range(6):
                hotkey = f"hk{number % 25}"
                order = market(f"order-{number}-{turn}", ("0.2", "-0.1", "0", "-0.3")[turn % 4])
                told.place(book, hotkey, PAIRS[number % 4], order, on_flip="reverse")
                for count, moment in moments.items():
                    if len(told.placed) + len(told.refused) >= count:
                        moment.set()

    with served(tmp_path) as server:
        racing = threading.Thread(target=together, args=(THREADS, trade))
        racing.start()
        for moment in moments.values():
            assert moment.wait(60)
            server.kill()
            server.start()
        racing.join()
        assert len(told.placed) + len(told.refused) == 6 * THREADS
        with hotbook.connect(server.target) as book:
            told.check(book)
