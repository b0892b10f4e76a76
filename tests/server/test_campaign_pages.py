"""Pages of campaigns and of their legs: bounded in what they hold and in what they look at."""

from __future__ import annotations

from typing import Any

from hotbook_server.engine import Engine
from hotbook_server.frames import FRAME_BYTES
from hotbook_server.rpc.campaigns import LOOKED_AT_MOST, CampaignsService, campaigns_page
from hotbook_server.rpc.guard import Call
from hotbook_shared.book.campaigns import Campaigns
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import Change
from tests.campaigning import campaign, happen, leg_of

LARGE = FRAME_BYTES // 3
CALL: Any = Call.__new__(Call)


def test_a_page_of_campaigns_holds_only_so_many_bytes() -> None:
    """However many were asked for. Each comes once, and the last page says that it is the last."""
    held = [campaign(n, f"c{n}", failure_reason="x" * LARGE) for n in range(1, 9)]
    pages, after = [], 0
    while True:
        page, token = campaigns_page(Campaigns(held), pb.ListCampaignsRequest(), 1_000, after)
        pages.append([record.campaign_id for record in page])
        if not token:
            break
        after = int(token)
    assert [one for page in pages for one in page] == [f"c{n}" for n in range(1, 9)]
    assert [len(page) for page in pages] == [3, 3, 2]


def test_a_page_looks_at_only_so_many_campaigns() -> None:
    """A hotkey's campaigns of one state have no index: where few are of that state, a page has
    fewer than were asked for, perhaps none, and the token of where it stopped."""
    ended = [campaign(n, f"c{n}", state=pb.CAMPAIGN_FAILED) for n in range(1, LOOKED_AT_MOST + 1)]
    campaigns = Campaigns([*ended, campaign(LOOKED_AT_MOST + 1, "live")])
    asked = pb.ListCampaignsRequest(hotkey="hk", states=[pb.CAMPAIGN_ACTIVE])
    page, token = campaigns_page(campaigns, asked, 10, 0)
    assert (page, token) == ([], str(LOOKED_AT_MOST))
    page, token = campaigns_page(campaigns, asked, 10, int(token))
    assert ([record.campaign_id for record in page], token) == (["live"], "")


async def test_a_page_of_legs_holds_only_so_many_bytes(engine: Engine) -> None:
    """However many were asked for: each leg comes once, the open ones first."""
    owner = campaign(1)
    legs = [leg_of(owner, n, f"leg{n}", extra={"seen": "x" * LARGE}) for n in range(2, 10)]
    happen(engine, Change.campaign_saved(owner), *map(Change.saved, legs))
    service = CampaignsService(engine._settings, engine)
    pages, token = [], ""
    while True:
        request = pb.CampaignPositionsRequest(campaign_id="c1", page_size=1_000, page_token=token)
        reply = pb.CampaignPositionsReply.FromString(
            await service.campaign_positions(request, CALL)
        )
        assert reply.totals.open_count == 8
        pages.append([one.position_uuid for one in reply.positions])
        token = reply.next_page_token
        if not token:
            break
    assert sorted(one for page in pages for one in page) == [f"leg{n}" for n in range(2, 10)]
    assert [len(page) for page in pages] == [3, 3, 2]
