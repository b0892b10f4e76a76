# Made from _campaign_methods.py by scripts/faces: edit that file, then run the script.
"""The client's methods for campaigns and legs. Each is one call, and says what it gives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from datetime import datetime
from decimal import Decimal
from typing import Any

from hotbook import _calls, _campaign_calls
from hotbook._aio_face import Face
from hotbook_shared.campaign import (
    AddedPattern,
    Campaign,
    CampaignNews,
    CampaignPositions,
    CampaignState,
    CampaignStatistics,
    ExitReason,
    LegChanged,
    Pattern,
    PatternFiling,
)
from hotbook_shared.errors import HotbookError, Unavailable
from hotbook_shared.model import PatternType, Side


class CampaignMethods(Face):
    # ---------------------------------------------------------------- patterns

    async def add_pattern(
        self,
        hotkey: str,
        trade_pair: str,
        pattern: Pattern,
        *,
        range_id: str | None = None,
        timeframe: str | None = None,
        account_size: Decimal | None = None,
        expected_version: int | None = None,
        timeout_s: float | None = None,
    ) -> AddedPattern:
        """Files a pattern into the live campaign that it belongs to, or begins one with it.

        `account_size` is that of a campaign that it begins. `expected_version` is that of the
        campaign it is filed into; 0: it must begin one. The same pattern again changes nothing and
        says so; other content under its signal_id is SignalReused.
        """
        filing = PatternFiling(
            hotkey=hotkey,
            trade_pair=trade_pair,
            pattern=pattern,
            range_id=range_id,
            timeframe=timeframe,
            account_size=account_size,
            expected_version=expected_version,
        )
        return await self._run(_campaign_calls.add_pattern(filing), timeout_s)

    async def add_patterns(
        self, filings: Iterable[PatternFiling], *, timeout_s: float | None = None
    ) -> list[AddedPattern | HotbookError]:
        """Files many in few commits, with the result of one by one; a refusal is an answer.

        One answer a pattern, in order.
        """
        return await self._run_all(_campaign_calls.add_patterns(filings), timeout_s)

    # ---------------------------------------------------------------- campaigns

    async def create_campaign(
        self,
        hotkey: str,
        trade_pair: str,
        *,
        campaign_id: str | None = None,
        range_id: str | None = None,
        timeframe: str | None = None,
        started: datetime | int | None = None,
        support: Decimal | None = None,
        resistance: Decimal | None = None,
        account_size: Decimal | None = None,
        risk_limit: Decimal | None = None,
        allocation: Decimal | None = None,
        timeout_s: float | None = None,
    ) -> Campaign:
        """Begins a campaign without a pattern. The server names it where no campaign_id is given.

        `risk_limit` is the server's share of `account_size` where it is not given; without both
        none is held. `started=None`: the time of the commit.
        """
        call = _campaign_calls.create_campaign(
            hotkey,
            trade_pair,
            campaign_id=campaign_id,
            range_id=range_id,
            timeframe=timeframe,
            started=started,
            support=support,
            resistance=resistance,
            account_size=account_size,
            risk_limit=risk_limit,
            allocation=allocation,
        )
        return await self._run(call, timeout_s)

    async def campaign(
        self, campaign_id: str, *, timeout_s: float | None = None
    ) -> Campaign | None:
        """The campaign of that name, with its patterns; None where there is none."""
        return await self._run(_campaign_calls.get_campaign(campaign_id), timeout_s)

    async def campaigns(
        self,
        *,
        states: CampaignState | Iterable[CampaignState] = (),
        live: bool = False,
        hotkey: str | None = None,
        trade_pair: str | None = None,
        timeout_s: float | None = None,
    ) -> list[Campaign]:
        """Campaigns in order of creation: all, or those in some states, of a hotkey, on a pair.

        With `live` those that are FORMING or ACTIVE; of one hotkey, the last touched first.
        """
        listing = _campaign_calls.campaigns(states, live, hotkey, trade_pair)
        return await self._run_all(listing, timeout_s)

    async def transition_campaign(
        self,
        campaign_id: str,
        to: CampaignState,
        *,
        expected_version: int | None = None,
        timeout_s: float | None = None,
    ) -> Campaign:
        """Makes a campaign ACTIVE or DORMANT, where its state may be followed by that one."""
        call = _campaign_calls.transition_campaign(campaign_id, to, expected_version)
        return await self._run(call, timeout_s)

    async def complete_campaign(
        self,
        campaign_id: str,
        exit_price: Decimal | None = None,
        reason: ExitReason = ExitReason.UNKNOWN,
        *,
        at: datetime | int | None = None,
        expected_version: int | None = None,
        timeout_s: float | None = None,
    ) -> Campaign:
        """Ends a campaign that has no open legs. `at=None`: the time of the commit."""
        call = _campaign_calls.complete_campaign(
            campaign_id, exit_price, reason, at, expected_version
        )
        return await self._run(call, timeout_s)

    async def fail_campaign(
        self,
        campaign_id: str,
        reason: str,
        *,
        at: datetime | int | None = None,
        expected_version: int | None = None,
        timeout_s: float | None = None,
    ) -> Campaign:
        """Ends a campaign as FAILED. Its open legs live on, and can be closed."""
        call = _campaign_calls.fail_campaign(campaign_id, reason, at, expected_version)
        return await self._run(call, timeout_s)

    async def delete_campaign(
        self,
        campaign_id: str,
        *,
        expected_version: int | None = None,
        timeout_s: float | None = None,
    ) -> bool:
        """Removes a campaign; refused with HasLegs while it has any. Returns whether it was
        there."""
        return await self._run(
            _campaign_calls.delete_campaign(campaign_id, expected_version), timeout_s
        )

    async def campaign_statistics(
        self,
        *,
        hotkey: str | None = None,
        trade_pair: str | None = None,
        timeout_s: float | None = None,
    ) -> CampaignStatistics:
        """Counts and results of all campaigns, or of a hotkey's, or of those on a pair."""
        return await self._run(_campaign_calls.statistics(hotkey, trade_pair), timeout_s)

    # ---------------------------------------------------------------- legs

    async def add_leg(
        self,
        campaign_id: str,
        *,
        pattern_type: PatternType,
        side: Side,
        entry: Decimal,
        shares: Decimal,
        stop: Decimal,
        opened: datetime | int | None = None,
        position_uuid: str | None = None,
        signal_id: str | None = None,
        timeframe: str | None = None,
        extra: Mapping[str, Any] | None = None,
        expected_version: int | None = None,
        timeout_s: float | None = None,
    ) -> LegChanged:
        """Opens a leg of a campaign, in one commit with it; `expected_version` is the campaign's.

        The stop lies on the losing side of the entry: below it for LONG, above it for SHORT.
        """
        call = _campaign_calls.add_leg(
            campaign_id,
            pattern_type=pattern_type,
            side=side,
            figures={"entry": entry, "shares": shares, "stop": stop},
            opened=opened,
            names={
                "position_uuid": position_uuid,
                "signal_id": signal_id,
                "timeframe": timeframe,
            },
            extra=extra,
            expected_version=expected_version,
        )
        return await self._run(call, timeout_s)

    async def close_leg(
        self,
        campaign_id: str,
        position_uuid: str,
        exit_price: Decimal,
        closed: datetime | int | None = None,
        *,
        expected_version: int | None = None,
        timeout_s: float | None = None,
    ) -> LegChanged:
        """Closes a leg, in one commit with its campaign. Once: a second time is LegClosed."""
        call = _campaign_calls.close_leg(
            campaign_id, position_uuid, exit_price, closed, expected_version
        )
        return await self._run(call, timeout_s)

    async def get_campaign_positions(
        self, campaign_id: str, include_closed: bool = True, *, timeout_s: float | None = None
    ) -> CampaignPositions:
        """A campaign's legs, the open ones first, and the totals of all of them; of one version.

        Without `include_closed` the closed legs are left out, but their results still count.
        """
        pages = _campaign_calls.campaign_positions(campaign_id, include_closed)
        return await self._run_all(pages, timeout_s)

    # ---------------------------------------------------------------- following

    def follow_campaigns(
        self,
        campaign_ids: Iterable[str] | None = None,
        *,
        hotkeys: Iterable[str] | None = None,
        trade_pairs: Iterable[str] | None = None,
        from_revision: int | None = None,
        mark: str = "",
        timeout_s: float | None = None,
    ) -> AsyncGenerator[CampaignNews, None]:
        """Follows campaigns with their totals, marks and alerts; of the three none: all of them.

        First everything as it stands, or what has changed since `from_revision` (with `mark`, that
        of the news whose revision it is, of this very book); then what happens. Without end, and
        through restarts of the server. News with `is_reload` say: forget what you had. News of
        nothing say that nothing has happened. `timeout_s` is how long nothing may come.
        """
        stall_s = _calls.seconds(timeout_s, self._timeout_s)
        following = _campaign_calls.Following(
            campaign_ids, hotkeys, trade_pairs, from_revision, mark
        )
        following.request()
        return self._campaign_news(following, stall_s)

    async def _campaign_news(
        self, following: _campaign_calls.Following, stall_s: float
    ) -> AsyncGenerator[CampaignNews, None]:
        """What is followed, begun again from where the follower is whenever it ends."""
        request = following.request()
        attempts = self._transport.attempts(stall_s, request)
        while True:
            error: HotbookError = Unavailable("the campaigns' feed ended")
            try:
                async with aclosing(self._transport.stream("Follow", request, stall_s)) as frames:
                    async for frame in frames:
                        yield following.take_in(frame)
                        attempts = self._transport.attempts(stall_s, request)
            except HotbookError as failure:
                error = failure
            await asyncio.sleep(attempts.pause_s(error))
            request = following.request()
