"""Commands on campaigns and their patterns: `hotbook campaigns ...`."""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

import click

import hotbook as api
from hotbook.cli import show
from hotbook.cli.app import Asked, Number, command, confirm, hotbook, moment_of
from hotbook.cli.endings import EXIT_NOT_FOUND

Act = TypeVar("Act", bound=Callable[..., Any])

AT = click.option("--at", metavar="TIME", help="When: ISO 8601 with a zone, or epoch "
                  "milliseconds. The time of the commit, if left out.")  # fmt: skip
VERSION = click.option("--expected-version", type=click.IntRange(min=0), metavar="N",
                       help="Refuse unless the campaign is at version N.")  # fmt: skip
HOTKEY = click.option("--hotkey", help="Only those of this hotkey.")
PAIR = click.option("--pair", "trade_pair", help="Only those on this trade pair.")
TIMEFRAME = click.option("--timeframe", help="Such as 15m or 4h; decides which terms hold.")
RANGE = click.option("--range", "range_id", metavar="RANGE", help="The price range it belongs to.")


def number(name: str, text: str) -> Callable[[Act], Act]:
    return click.option(name, type=Number(), metavar="NUMBER", help=text)


SUPPORT = number("--support", "The bottom of the range.")
RESISTANCE = number("--resistance", "The top of the range.")
ACCOUNT = number("--account-size", "What limits of risk are counted from, in USD.")


@hotbook.group("campaigns", short_help="Campaigns, and their patterns.")
def campaigns() -> None:
    """Campaigns: what groups a hotkey's positions on one trade pair, inside one price range."""


@command("list", "Campaigns in order of creation.", group=campaigns)
@click.option("--state", "states", multiple=True, metavar="STATE",
              type=click.Choice(list(api.CampaignState), case_sensitive=False),
              help="Only in this state; may be repeated.")  # fmt: skip
@click.option("--live", is_flag=True,
              help="FORMING and ACTIVE of one hotkey, the last touched first.")  # fmt: skip
@HOTKEY
@PAIR
def list_(asked: Asked, states: tuple[str, ...], **given: Any) -> None:
    """Campaigns in order of creation: all, or those in a STATE, of a hotkey, on a pair."""
    with asked.connect() as book:
        found = book.campaigns(states=[api.CampaignState(state) for state in states], **given)
    if asked.as_json:
        show.as_json(found)
    elif not found:
        click.echo("no campaigns", err=True)
    else:
        _show_many(found)


@command("get", "One campaign, with its patterns.", group=campaigns)
@click.argument("campaign_id")
def get(asked: Asked, campaign_id: str) -> None:
    """One campaign, with its patterns. Exits with 3 where there is none."""
    with asked.connect() as book:
        found = book.campaign(campaign_id)
    if found is None:
        if asked.as_json:
            show.as_json(None)
        raise api.NotFound(f"there is no campaign {campaign_id}", campaign_id=campaign_id)
    _show_one(asked, found)


@command("create", "Begins a campaign.", group=campaigns)
@click.argument("hotkey")
@click.argument("trade_pair")
@click.option("--id", "campaign_id", metavar="ID", help="Its name; made up if left out.")
@RANGE
@TIMEFRAME
@click.option("--started", metavar="TIME", help="When it began: ISO 8601 with a zone, or epoch "
              "milliseconds. The time of the commit, if left out.")  # fmt: skip
@SUPPORT
@RESISTANCE
@ACCOUNT
@number("--risk-limit", "Most that open legs may risk; else the server's share of the account.")
@number("--allocation", "A figure of your own.")
def create(asked: Asked, hotkey: str, trade_pair: str, started: str | None, **given: Any) -> None:
    """Begins a campaign of HOTKEY on TRADE_PAIR without a pattern. Shows it as it then stands."""
    with asked.connect() as book:
        made = book.create_campaign(
            hotkey, trade_pair, started=moment_of(started, "started"), **given
        )
    _show_one(asked, made)


@command("add-pattern", "Files a pattern.", group=campaigns)
@click.argument("hotkey")
@click.argument("trade_pair")
@click.argument("kind", metavar="TYPE",
                type=click.Choice(list(api.PatternType), case_sensitive=False))  # fmt: skip
@click.argument("price", type=Number())
@click.option("--signal", "signal_id", metavar="ID", help="Its name; made up if left out.")
@click.option("--at", metavar="TIME", help="When it was seen: ISO 8601 with a zone, or epoch "
              "milliseconds. Now by this machine's clock, if left out.")  # fmt: skip
@RANGE
@TIMEFRAME
@SUPPORT
@RESISTANCE
@number("--volume-ratio", "Of its bar's volume to the average.")
@ACCOUNT
@VERSION
def add_pattern(
    asked: Asked, hotkey: str, trade_pair: str, kind: str, price: Decimal, signal_id: str | None,
    at: str | None, support: Decimal | None, resistance: Decimal | None,
    volume_ratio: Decimal | None, **given: Any,
) -> None:  # fmt: skip
    """Files a pattern into the live campaign of HOTKEY on TRADE_PAIR that it belongs to, or begins
    one with it. TYPE is SPRING, AR, SOS or LPS. Shows the campaign as it then stands.
    """
    seen_ms = moment_of(at, "at")
    pattern = api.Pattern(
        signal_id=signal_id or str(uuid.uuid4()),
        type=api.PatternType(kind),
        at_ms=time.time_ns() // 1_000_000 if seen_ms is None else seen_ms,
        price=price,
        support=support,
        resistance=resistance,
        volume_ratio=volume_ratio,
    )
    with asked.connect() as book:
        added = book.add_pattern(hotkey, trade_pair, pattern, **given)
    if asked.as_json:
        show.as_json(added)
        return
    if added.repeated:
        click.echo("the pattern stood there already: nothing changed")
    assert added.campaign is not None, "of one pattern the campaign comes back"
    _show_one(asked, added.campaign)


@command("transition", "Makes a campaign ACTIVE or DORMANT.", group=campaigns)
@click.argument("campaign_id")
@click.argument("to", type=click.Choice(["ACTIVE", "DORMANT"], case_sensitive=False))
@VERSION
def transition(asked: Asked, campaign_id: str, to: str, expected_version: int | None) -> None:
    """Makes a campaign ACTIVE or DORMANT, where its state may be followed by that one."""
    with asked.connect() as book:
        changed = book.transition_campaign(
            campaign_id, api.CampaignState(to), expected_version=expected_version
        )
    _show_one(asked, changed)


@command("complete", "Ends a campaign.", group=campaigns)
@click.argument("campaign_id")
@number("--exit-price", "The price at which it ended.")
@click.option("--reason", type=click.Choice(list(api.ExitReason), case_sensitive=False),
              default=api.ExitReason.UNKNOWN, show_default=True, metavar="REASON",
              help=", ".join(reason for reason in api.ExitReason) + ".")  # fmt: skip
@AT
@VERSION
def complete(
    asked: Asked, campaign_id: str, exit_price: Decimal | None, reason: str, at: str | None,
    expected_version: int | None,
) -> None:  # fmt: skip
    """Ends a campaign that has no open legs as COMPLETED."""
    with asked.connect() as book:
        ended = book.complete_campaign(
            campaign_id,
            exit_price,
            api.ExitReason(reason),
            at=moment_of(at, "at"),
            expected_version=expected_version,
        )
    _show_one(asked, ended)


@command("fail", "Ends a campaign as FAILED.", group=campaigns)
@click.argument("campaign_id")
@click.argument("reason")
@AT
@VERSION
def fail(
    asked: Asked, campaign_id: str, reason: str, at: str | None, expected_version: int | None
) -> None:
    """Ends a campaign as FAILED, for a REASON. Its open legs live on, and can be closed."""
    with asked.connect() as book:
        ended = book.fail_campaign(
            campaign_id, reason, at=moment_of(at, "at"), expected_version=expected_version
        )
    _show_one(asked, ended)


@command("delete", "Removes a campaign without legs.", group=campaigns)
@click.argument("campaign_id")
@VERSION
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(asked: Asked, campaign_id: str, expected_version: int | None, yes: bool) -> None:
    """Removes a campaign; refused while it has legs. Exits with 3 where there is none."""
    confirm(f"This removes campaign {campaign_id}.", 1, yes)
    with asked.connect() as book:
        existed = book.delete_campaign(campaign_id, expected_version=expected_version)
    if asked.as_json:
        show.as_json({"existed": existed})
    else:
        click.echo("removed" if existed else "there was none")
    if not existed:
        sys.exit(EXIT_NOT_FOUND)


@command("stats", "Counts and results.", group=campaigns, timeout_s=30)
@HOTKEY
@PAIR
def stats(asked: Asked, hotkey: str | None, trade_pair: str | None) -> None:
    """Counts and results of campaigns. A result of exactly 0 is even: neither won nor lost."""
    with asked.connect() as book:
        found = book.campaign_statistics(hotkey=hotkey, trade_pair=trade_pair)
    if asked.as_json:
        show.as_json(found)
        return
    counts = {**found.by_state, **{f"exit {r}": n for r, n in found.by_exit_reason.items()}}
    names = ("won", "lost", "even", "success_rate", "win_rate", "total_result", "mean_result",
             "median_result", "best_result", "worst_result")  # fmt: skip
    show.facts(
        [
            ("campaigns", f"{found.total:,}"),
            *((name, f"{count:,}") for name, count in counts.items() if count),
            *((name, getattr(found, name)) for name in names),
        ]
    )


def _show_many(found: list[api.Campaign]) -> None:
    columns = ("pair", "hotkey", "state", "phase", "started", "patterns", "version", "campaign")
    rows = [
        (
            c.trade_pair, c.hotkey, show.campaign_state(c.state), show.blank(c.phase),
            show.day(c.started_at), c.pattern_count, c.version, c.campaign_id,
        )
        for c in found
    ]  # fmt: skip
    show.table(columns, rows, right=("patterns", "version"))


def _show_one(asked: Asked, c: api.Campaign) -> None:
    if asked.as_json:
        show.as_json(c)
        return
    told = ("range_id", "phase", "timeframe", "support", "resistance", "account_size",
            "risk_limit", "allocation", "exit_price", "failure_reason")  # fmt: skip
    show.facts(
        [
            ("campaign_id", c.campaign_id),
            ("hotkey", c.hotkey),
            ("trade_pair", c.trade_pair),
            ("state", show.campaign_state(c.state)),
            ("started", show.moment(c.started_at)),
            *([] if c.state.has_ended else [("deadline", show.moment(c.deadline))]),
            *([("ended", show.moment(c.ended_at))] if c.ended_at else []),
            *([("exit_reason", c.exit_reason)] if c.state is api.CampaignState.COMPLETED else []),
            *((name, getattr(c, name)) for name in told if getattr(c, name) is not None),
            ("version", c.version),
        ]
    )
    if c.patterns:
        click.echo()
        columns = ("time", "type", "price", "support", "resistance", "signal")
        rows = [
            (show.moment(p.at), p.type, p.price, show.blank(p.support), show.blank(p.resistance),
             p.signal_id)
            for p in c.patterns
        ]  # fmt: skip
        show.table(columns, rows, right=("price", "support", "resistance"))
