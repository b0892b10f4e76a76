"""Commands on orders: order, close, close-all, exposure, span, pairs, split."""

from __future__ import annotations

import sys
import uuid
from decimal import Decimal, InvalidOperation
from typing import Any

import click

import hotbook as api
from hotbook.cli import show
from hotbook.cli.app import Asked, Number, command, confirm, moment_of
from hotbook.cli.endings import exit_code_of, tell_error
from hotbook_shared.bar import LateBar
from hotbook_shared.model import OrderSource, Side, utc

AT = click.option("--at", metavar="TIME", help="When: ISO 8601 with a zone, or epoch "
                  "milliseconds. The time of the commit, if left out.")  # fmt: skip
PRICE = click.option("--price", type=Number(), metavar="NUMBER", help="The price of the fill.")
SOURCE = click.option(
    "--source", type=click.Choice(list(OrderSource)), default=OrderSource.ORGANIC,
    show_default=True, metavar="SOURCE", help="Where the order comes from: ORGANIC, "
    "ELIMINATION_FLAT, DEPRECATION_FLAT, LIMIT_FILLED, BRACKET_FILLED, ...",
)  # fmt: skip
YES = click.option("--yes", is_flag=True, help="Do not ask.")


@command("order", "Places an order.")
@click.argument("hotkey")
@click.argument("trade_pair")
@click.argument("side", type=click.Choice(list(Side), case_sensitive=False), metavar="SIDE")
@click.option("--leverage", type=Number(), metavar="NUMBER", help="Its size, as leverage.")
@click.option("--quantity", type=Number(), metavar="NUMBER", help="Its size, in lots.")
@click.option("--value", type=Number(), metavar="NUMBER", help="Its size, in USD.")
@PRICE
@click.option("--quote-usd-rate", type=Number(), default="0", metavar="NUMBER",
              help="What 1 of the pair's quote is in USD; 1, if left out.")  # fmt: skip
@click.option("--slippage", type=Number(), default="0", metavar="NUMBER", help="Of the price.")
@AT
@click.option("--order-uuid", metavar="UUID", help="Its name; made up if left out.")
@click.option("--account-size", type=Number(), metavar="NUMBER",
              help="Account of a position that it opens, in USD.")  # fmt: skip
@click.option("--on-flip", type=click.Choice(["close", "reverse"]), default="close",
              show_default=True, help="What an order beyond zero does.")  # fmt: skip
@click.option("--on-limit", type=click.Choice(["refuse", "close"]), default="refuse",
              show_default=True, help="What one order too many does.")  # fmt: skip
@click.option("--portfolio-leverage-max", type=Number(), metavar="NUMBER",
              help="Cap over all pairs, in place of the server's.")  # fmt: skip
@SOURCE
def order(
    asked: Asked, hotkey: str, trade_pair: str, side: Side, at: str | None,
    order_uuid: str | None, price: Decimal | None, source: OrderSource, slippage: Decimal,
    quote_usd_rate: Decimal,
    leverage: Decimal | None, quantity: Decimal | None, value: Decimal | None, **given: Any,
) -> None:  # fmt: skip
    """Places an order: it is added to what HOTKEY has open on TRADE_PAIR, or opens a position.

    SIDE is LONG, SHORT or FLAT; FLAT closes. Shows the position as it then stands.
    """
    made = api.Order(
        order_uuid=str(uuid.uuid4()) if order_uuid is None else order_uuid,
        type=Side(side),
        processed_ms=moment_of(at, "at") or 0,
        leverage=leverage,
        quantity=quantity,
        value=value,
        price=price or Decimal(0),
        slippage=slippage,
        quote_usd_rate=quote_usd_rate,
        source=OrderSource(source),
    )
    with asked.connect() as book:
        _show_placed(asked, book.place_order(hotkey, trade_pair, made, **given))


@command("close", "Closes an open position.")
@click.argument("hotkey")
@click.argument("trade_pair", required=False)
@click.option("--uuid", "position_uuid", metavar="UUID", help="This position, not a pair's.")
@PRICE
@AT
@SOURCE
@YES
def close(
    asked: Asked, hotkey: str, trade_pair: str | None, position_uuid: str | None,
    price: Decimal | None, at: str | None, source: OrderSource, yes: bool,
) -> None:  # fmt: skip
    """Closes what HOTKEY has open on TRADE_PAIR, or the position --uuid, with a FLAT."""
    if (trade_pair is None) == (position_uuid is None):
        raise click.UsageError("name a TRADE_PAIR, or pass --uuid")
    what = trade_pair or position_uuid
    confirm(f"This closes 1 position of {hotkey}: {what}.", 1, yes)
    with asked.connect() as book:
        placed = book.close_position(
            hotkey,
            trade_pair,
            position_uuid=position_uuid,
            price=price,
            at=moment_of(at, "at"),
            source=OrderSource(source),
        )
    _show_placed(asked, placed)


@command("close-all", "Closes all on suspended pairs.", timeout_s=60)
@click.argument("pairs", nargs=-1, required=True, metavar="PAIR[=PRICE]...")
@AT
@YES
def close_all(asked: Asked, pairs: tuple[str, ...], at: str | None, yes: bool) -> None:
    """Closes everything that is open on each PAIR, of every hotkey, in one commit.

    Without a PRICE, the returns stay as they are.
    """
    prices = dict(_pair_and_price(text) for text in pairs)
    if len(prices) < len(pairs):
        raise click.UsageError("a PAIR is named twice: " + " ".join(pairs))
    with asked.connect() as book:
        with LateBar("reading") as bar:
            held = list(book.book(open_only=True))
            bar(len(held), len(held))
        count = sum(1 for p in held if p.trade_pair in prices and not p.campaign_id)
        if count:
            names = ", ".join(prices)
            confirm(f"This closes {show.counted(count, 'position')} on {names}.", count, yes)
        closed = book.close_all(prices, at=moment_of(at, "at")) if count else []
    if asked.as_json:
        show.as_json({"closed": closed})
        return
    click.echo(f"closed {show.counted(len(closed), 'position')}")
    if closed:
        rows = [(name.hotkey, name.trade_pair, name.position_uuid) for name in closed]
        show.table(("hotkey", "pair", "uuid"), rows)


@command("exposure", "Leverage over all pairs.")
@click.argument("hotkey")
def exposure(asked: Asked, hotkey: str) -> None:
    """What the open positions of a HOTKEY amount to: by pair, by category and in all."""
    with asked.connect() as book:
        found = book.exposure(hotkey)
    if asked.as_json:
        show.as_json(found)
        return
    rows: list[tuple[object, ...]] = [
        (p.trade_pair, p.category, f"{p.net_leverage:f}", p.multiplier, f"{p.leverage:f}")
        for p in found.pairs
    ]
    rows += [("", name, "", "", f"{leverage:f}") for name, leverage in found.categories.items()]
    rows.append(("all", "", "", "", f"{found.leverage:f}"))
    columns = ("pair", "category", "net leverage", "multiplier", "counts")
    show.table(columns, rows, right=columns[2:])


@command("span", "First and last order.", timeout_s=60)
def span(asked: Asked) -> None:
    """The first and the last time at which an order was processed, over the whole book."""
    with asked.connect() as book:
        found = book.order_span()
    if asked.as_json:
        show.as_json(found)
    elif found.first_ms is None or found.last_ms is None:
        click.echo("no orders", err=True)
    else:
        first, last = (show.moment(utc(ms)) for ms in (found.first_ms, found.last_ms))
        show.facts([("first order", first), ("last order", last)])


@command("pairs", "The registry of trade pairs.")
def pairs(asked: Asked) -> None:
    """The server's registry of trade pairs: bounds, multipliers, lot sizes, spread rates."""
    with asked.connect() as book:
        found = book.trade_pairs()
    if asked.as_json:
        show.as_json(found)
        return
    columns = ("pair", "category", "least", "most", "multiplier", "lot size", "spread")
    rows = [
        (p.trade_pair, p.category, show.blank(p.leverage_min), show.blank(p.leverage_max),
         p.multiplier, p.lot_size, p.spread_rate)
        for p in found
    ]  # fmt: skip
    show.table(columns, rows, right=columns[2:])


@command("split", "Splits positions at their closes.", timeout_s=60)
@click.argument("hotkey", required=False)
@click.argument("position_uuid", required=False)
@click.option("--all", "everything", is_flag=True, help="Every position that needs it.")
@click.option("--dry-run", is_flag=True, help="With --all: only tell what would be split.")
def split(
    asked: Asked, hotkey: str | None, position_uuid: str | None, everything: bool, dry_run: bool
) -> None:
    """Makes a position of each part of one whose orders go on after it was closed.

    Name a HOTKEY and a POSITION_UUID, or pass --all. What was split already is left as it is.
    Exits with 4 where a position could not be split.
    """
    misnamed = hotkey is not None if everything else position_uuid is None
    if misnamed or (dry_run and not everything):
        raise click.UsageError("name a HOTKEY and a POSITION_UUID, or pass --all [--dry-run]")
    with asked.connect() as book:
        if hotkey is not None and position_uuid is not None:
            made: list[api.Split | api.HotbookError] = [book.split(hotkey, position_uuid)]
        else:
            with LateBar("splitting") as bar:
                made = book.split_all(dry_run=dry_run, progress=bar)
    _show_splits(asked, made, dry_run=dry_run)
    refused = [error for error in made if isinstance(error, api.HotbookError)]
    if refused:
        sys.exit(exit_code_of(refused[0]))


def _show_splits(asked: Asked, made: list[api.Split | api.HotbookError], *, dry_run: bool) -> None:
    splits = [one for one in made if isinstance(one, api.Split) and len(one.parts) > 1]
    refused = [one for one in made if isinstance(one, api.HotbookError)]
    if asked.as_json:
        told = [{"code": e.code, "message": e.message, "details": e.details} for e in refused]
        show.as_json({"splits": splits, "refused": told})
    else:
        if not splits and not refused:
            click.echo("nothing to split")
            return
        verb = "would split" if dry_run else "split"
        parts = sum(len(one.parts) for one in splits)
        click.echo(f"{verb} {show.counted(len(splits), 'position')} into {parts:,}")
        if splits:
            rows = [
                (s.hotkey, s.position_uuid, len(s.parts), s.closed_by_flat, s.closed_by_net,
                 f"{s.return_before:.4f}", f"{s.return_after:.4f}")
                for s in splits
            ]  # fmt: skip
            columns = ("hotkey", "uuid", "parts", "by flat", "by net", "before", "after")
            show.table(columns, rows, right=columns[2:])
    for error in refused:
        tell_error(error)


def _show_placed(asked: Asked, placed: api.Placed) -> None:
    if asked.as_json:
        show.as_json(placed)
        return
    if placed.closed is not None:
        click.echo(f"closed {placed.closed.position_uuid}")
    if placed.repeated:
        click.echo("the order stood there already: nothing changed")
    show.position(placed.position)


def _pair_and_price(text: str) -> tuple[str, Decimal | None]:
    trade_pair, _, price = text.partition("=")
    try:
        number = Decimal(price) if price else None
    except InvalidOperation:
        number = Decimal("NaN")
    if not trade_pair or (number is not None and not number.is_finite()):
        raise click.UsageError(f"{text!r} is not PAIR=PRICE")
    return trade_pair, number
