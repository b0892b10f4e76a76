"""REST: every path with good and bad input, over a real server that is written to by gRPC."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import msgspec

from hotbook_server.web.campaigns import YIELD_EVERY, campaigns_json
from hotbook_server.web.models import CampaignTotals
from hotbook_shared.book.legs import NO_LEGS
from hotbook_shared.model import Durability
from hotbook_shared.pb import hotbook_pb2 as pb
from tests.campaigning import campaign
from tests.make import CLOSE_MS, OPEN_MS, order
from tests.web.conftest import PAIR, Desk, StartDesk

ODD = "a/b..%2F?#&=é日"


async def pages(desk: Desk, path: str, field: str, **params: Any) -> list[dict[str, Any]]:
    """All items of a listing, read page by page."""
    found: list[dict[str, Any]] = []
    token = ""
    while True:
        page = await desk.get(path, **params, page_token=token)
        found += page[field]
        token = page["next_page_token"]
        if token is None:
            return found


async def test_legs_and_totals(desk: Desk) -> None:
    """Open legs come first, then closed ones; totals are exact, with eight decimals."""
    await desk.gbp()
    body = await desk.get("/campaigns/gbp/positions")
    assert [(p["position_uuid"], p["is_open"]) for p in body["positions"]] == [
        ("lps", True), ("sos", True), ("spring", False),
    ]  # fmt: skip
    assert body["totals"]["total_pnl"] == "105.00000000"
    assert body["totals"]["realized_pnl"] == "100.00000000"
    assert body["totals"]["open_pnl"] == "5.00000000"
    assert body["totals"]["total_shares"] == "10000.00000000"
    assert body["totals"]["weighted_avg_entry"] == "1.25700000"
    assert body["totals"]["total_risk"] == "50.00000000"
    assert (body["totals"]["open_count"], body["totals"]["closed_count"]) == (2, 1)
    assert body["totals"]["mark"] == "1.2575"


async def test_a_campaign_without_legs_has_zeros(desk: Desk) -> None:
    """Zero is told as such: never null, never empty, never with an exponent."""
    await desk.campaign("c1")
    body = await desk.get("/campaigns/c1/positions")
    assert body["positions"] == []
    assert body["page_count"] == body["position_count"] == 0
    totals = body["totals"]
    assert {totals[name] for name in ("total_shares", "total_pnl", "total_risk")} == {"0.00000000"}
    assert totals["mark"] is None
    assert totals["marked_at"] is None


async def test_pages_of_legs(desk: Desk) -> None:
    """Pages are numbered from 1; together they are all legs, and each has the totals of all."""
    await desk.gbp()
    whole = await desk.get("/campaigns/gbp/positions")
    found = []
    for page in (1, 2):
        body = await desk.get("/campaigns/gbp/positions", page=page, page_size=2)
        assert (body["page"], body["page_count"], body["position_count"]) == (page, 2, 3)
        assert body["totals"] == whole["totals"]
        found += body["positions"]
    assert found == whole["positions"]
    assert (await desk.get("/campaigns/gbp/positions", page=3, page_size=2))["positions"] == []
    open_only = await desk.get("/campaigns/gbp/positions", include_closed="false")
    assert [p["position_uuid"] for p in open_only["positions"]] == ["lps", "sos"]
    assert open_only["totals"] == whole["totals"]


async def test_an_expected_version(desk: Desk) -> None:
    """What stands is answered to who has it right; another gets 409, and is told what stands."""
    campaign = await desk.campaign("c1")
    path = "/campaigns/c1/positions"
    body = await desk.get(path, expected_version=campaign.version)
    assert body["campaign_version"] == campaign.version
    refused = await desk.get(path, 409, expected_version=campaign.version + 1)
    assert refused["code"] == "VERSION_CONFLICT"
    assert refused["details"] == {
        "current_version": "1", "expected_version": "2", "campaign_id": "c1",
    }  # fmt: skip
    whole = await desk.web.get(f"/api/v1{path}")
    assert whole.headers["ETag"] == f'"{campaign.version}"'
    again = await desk.web.get(f"/api/v1{path}", headers={"If-Match": whole.headers["ETag"]})
    assert again.status_code == 200
    other = await desk.web.get(f"/api/v1{path}", headers={"If-Match": '"9"'})
    assert (other.status_code, other.json()["code"]) == (409, "VERSION_CONFLICT")


async def test_a_campaign_with_its_patterns(desk: Desk) -> None:
    """One campaign has its patterns, in a listing it has their count; times are UTC."""
    pattern = pb.Pattern(
        signal_id="s1", type=pb.PATTERN_SPRING, at_ms=1_700_000_000_123, price="1.25",
        support="1.20", extra='{"seen by": ["a", {"b": 1}]}',
    )  # fmt: skip
    request = pb.AddPatternRequest(
        hotkey="desk-1", trade_pair=PAIR, range_id="r1", timeframe="1h", pattern=pattern
    )
    added = (await desk.campaigns.AddPattern(request)).campaign
    body = await desk.get(f"/campaigns/{added.campaign_id}")
    told = body["campaign"]
    assert told["patterns"] == [
        {
            "signal_id": "s1", "type": "SPRING", "at": "2023-11-14T22:13:20.123Z", "price": "1.25",
            "support": "1.20", "resistance": None, "volume_ratio": None,
            "extra": {"seen by": ["a", {"b": 1}]},
        }
    ]  # fmt: skip
    assert told["state"] == "FORMING"
    assert told["started_at"] == "2023-11-14T22:13:20.123Z"
    assert told["version"] == 1
    (listed,) = (await desk.get("/campaigns"))["campaigns"]
    assert listed["campaign"] == {name: told[name] for name in told if name != "patterns"}
    assert listed["totals"] == body["totals"]


async def test_lists_of_campaigns(desk: Desk) -> None:
    """Filters narrow each other, order is that of creation, and pages leave nothing out."""
    for n in range(7):
        await desk.campaign(
            f"c{n}", hotkey=f"desk-{n % 2}", trade_pair=("EURUSD", PAIR)[n % 3 == 0]
        )
    for n in (2, 3):
        await desk.campaigns.FailCampaign(pb.FailCampaignRequest(campaign_id=f"c{n}"))

    async def ids(**asked: Any) -> list[str]:
        found = await pages(desk, "/campaigns", "campaigns", page_size=2, **asked)
        return [one["campaign"]["campaign_id"] for one in found]

    assert await ids() == [f"c{n}" for n in range(7)]
    assert await ids(hotkey="desk-1") == ["c1", "c3", "c5"]
    assert await ids(trade_pair=PAIR) == ["c0", "c3", "c6"]
    assert await ids(state="FAILED") == ["c2", "c3"]
    assert await ids(state=["FAILED", "FORMING"], hotkey="desk-0") == ["c0", "c2", "c4", "c6"]
    assert await ids(live="true") == ["c0", "c1", "c4", "c5", "c6"]
    assert await ids(live="true", state=["FAILED", "FORMING"]) == ["c0", "c1", "c4", "c5", "c6"]
    assert await ids(live="true", state="FAILED") == []
    assert await ids(hotkey="nobody") == []


async def test_statistics(desk: Desk) -> None:
    """Counts and results; of nothing, zeros."""
    nothing = await desk.get("/statistics")
    assert nothing["total"] == nothing["won"] == 0
    assert nothing["win_rate"] == nothing["median_result"] == "0.00000000"
    await desk.campaign("c1")
    await desk.campaigns.TransitionCampaign(
        pb.TransitionCampaignRequest(campaign_id="c1", to=pb.CAMPAIGN_ACTIVE)
    )
    await desk.leg("c1", "l1", "10", "2", "1")
    await desk.close("c1", "l1", "3.5")
    await desk.campaigns.CompleteCampaign(
        pb.CompleteCampaignRequest(campaign_id="c1", reason=pb.EXIT_TARGET_HIT)
    )
    won = await desk.get("/statistics", hotkey="desk-1", trade_pair=PAIR)
    assert (won["total"], won["won"], won["by_state"]["COMPLETED"]) == (1, 1, 1)
    assert won["by_exit_reason"]["TARGET_HIT"] == 1
    assert won["total_result"] == "15.00000000"
    assert (await desk.get("/statistics", hotkey="nobody"))["total"] == 0


async def test_positions_of_a_hotkey(desk: Desk) -> None:
    """The closed ones by close time, then the open ones; pages are of one revision."""
    for n in range(3):
        await desk.save(f"closed-{n}", close_ms=CLOSE_MS - n)
    await desk.save("open-1")
    whole = await desk.get("/hotkeys/hk/positions")
    uuids = [one["position_uuid"] for one in whole["positions"]]
    assert uuids == ["closed-2", "closed-1", "closed-0", "open-1"]
    found = await pages(desk, "/hotkeys/hk/positions", "positions", page_size=3)
    assert found == whole["positions"]
    (open_one,) = (await desk.get("/hotkeys/hk/positions", open_only="true"))["positions"]
    assert open_one["position_uuid"] == "open-1"
    assert open_one["opened_at"] == "2024-12-12T10:40:00.000Z"
    assert open_one["closed_at"] is None
    assert open_one["orders"][0]["leverage"] == "0.1"
    assert (await desk.get("/hotkeys/nobody/positions"))["positions"] == []


async def test_one_position(desk: Desk) -> None:
    """By its uuid, under its own hotkey alone; and the open one on a pair."""
    await desk.save("p1")
    by_uuid = await desk.get("/positions/hk/p1")
    assert by_uuid["position"]["position_uuid"] == "p1"
    assert await desk.get("/hotkeys/hk/positions/open/BTCUSD") == by_uuid
    for path in (
        "/positions/hk/p2", "/positions/other/p1", "/hotkeys/hk/positions/open/ETHUSD",
        "/campaigns/c1", "/campaigns/c1/positions", "/market/BTCUSD",
    ):  # fmt: skip
        assert (await desk.get(path, 404))["code"] == "NOT_FOUND"


async def test_hotkeys(desk: Desk) -> None:
    """In alphabetical order with their counts, page by page."""
    for name in ("b", "a", "c"):
        await desk.save(f"{name}1", hotkey=name)
        await desk.save(f"{name}2", hotkey=name, close_ms=CLOSE_MS)
    found = await pages(desk, "/hotkeys", "hotkeys", page_size=2)
    assert found == [{"hotkey": n, "positions": 2, "open_positions": 1} for n in "abc"]


async def test_the_market(desk: Desk) -> None:
    """Marks, how old they are, and volume; a pair without a mark is not there."""
    assert (await desk.get("/market"))["pairs"] == []
    await desk.bar("1.25", "EURUSD", "10")
    await desk.bar("1.5", PAIR, "20")
    body = await desk.get("/market")
    assert [one["trade_pair"] for one in body["pairs"]] == ["EURUSD", PAIR]
    one = await desk.get(f"/market/{PAIR}")
    assert one["pair"]["price"] == "1.5"
    assert one["pair"]["average_volume"] == "20"
    assert one["pair"]["is_ready"] is False
    assert one["pair"]["volume_level"] == "UNKNOWN"
    assert one["generation"] == body["generation"]


async def test_the_volume_of_a_campaign(desk: Desk) -> None:
    """With a campaign its pair alone is told, by the bars since its range last changed."""
    await desk.bar("1.25", PAIR, "10")
    await desk.bar("1.1", "EURUSD", "7")
    await desk.campaign("c1")
    unmarked = await desk.campaign("c2", trade_pair="USDJPY")
    assert unmarked.campaign_id == "c2"
    await desk.bar("1.26", PAIR, "40")
    (whole,) = [o for o in (await desk.get("/market"))["pairs"] if o["trade_pair"] == PAIR]
    (own,) = (await desk.get("/market", campaign_id="c1"))["pairs"]
    assert (whole["bars"], whole["average_volume"]) == (2, "25")
    assert (own["bars"], own["average_volume"]) == (1, "40")
    assert own["price"] == whole["price"] == "1.26"
    (none,) = (await desk.get("/market", campaign_id="c2"))["pairs"]
    assert (none["trade_pair"], none["price"], none["bars"]) == ("USDJPY", None, 0)
    refused = await desk.get("/market", 404, campaign_id="c9")
    assert (refused["code"], refused["details"]) == ("NOT_FOUND", {"campaign_id": "c9"})


async def test_status(desk: Desk) -> None:
    """What the server holds."""
    await desk.gbp()
    await desk.save("p1")
    body = await desk.get("/status")
    assert (body["positions"], body["open_positions"], body["hotkeys"]) == (4, 3, 2)
    assert (body["campaigns"], body["live_campaigns"], body["marks"]) == (1, 1, 1)
    assert body["digest"] == desk.server.engine.book.digest
    assert body["state"] == "serving"
    assert body["leader"] is None


async def test_names_with_anything_in_them(desk: Desk) -> None:
    """A name is data: slashes, dots, signs and every script go through a path and come back."""
    await desk.save(ODD, hotkey=ODD, trade_pair="X/Y")
    await desk.campaign(ODD, hotkey=ODD, trade_pair="X/Y")
    await desk.bar("1", "X/Y")
    odd, pair = quote(ODD, safe=""), quote("X/Y", safe="")
    assert (await desk.get(f"/positions/{odd}/{odd}"))["position"]["hotkey"] == ODD
    assert (await desk.get(f"/hotkeys/{odd}/positions"))["positions"][0]["position_uuid"] == ODD
    assert (await desk.get(f"/hotkeys/{odd}/positions/open/{pair}"))["position"]
    assert (await desk.get(f"/campaigns/{odd}"))["campaign"]["campaign_id"] == ODD
    assert (await desk.get("/campaigns", hotkey=ODD, trade_pair="X/Y"))["campaigns"]
    assert (await desk.get(f"/market/{pair}"))["pair"]["trade_pair"] == "X/Y"


async def test_numbers_have_no_exponent(desk: Desk) -> None:
    """Whatever a sender wrote, digits are what is told, and none of them is lost."""
    told = {"1E+30": "1" + "0" * 30, "1.50": "1.50", "-2E-10": "-0.0000000002", "-0.0": "-0.0"}
    for n, (given, expected) in enumerate(told.items()):
        await desk.save(f"p{n}", trade_pair=f"P{n}", net_value=Decimal(given))
        position = (await desk.get(f"/positions/hk/p{n}"))["position"]
        assert position["net_value"] == expected


BAD: list[tuple[str, str]] = [
    ("/campaigns?state=OPEN", "state[0]"),
    ("/campaigns?live=perhaps", "live"),
    ("/campaigns?page_size=0", "page_size"),
    ("/campaigns?page_size=NaN", "page_size"),
    ("/campaigns?page_size=1e3", "page_size"),
    ("/campaigns?page_token=x", "page_token"),
    ("/campaigns?hotkey=", "hotkey"),
    ("/campaigns?hotkey=a%20b", "hotkey"),
    ("/campaigns?stranger=1", "stranger"),
    ("/campaigns/a%20b", "campaign_id"),
    ("/campaigns/%FF", "campaign_id"),
    ("/campaigns/a%00b/positions", "campaign_id"),
    (f"/campaigns/{'x' * 257}", "campaign_id"),
    ("/campaigns/c1/positions?page=0", "page"),
    ("/campaigns/c1/positions?page=-1", "page"),
    ("/campaigns/c1/positions?page=Infinity", "page"),
    ("/campaigns/c1/positions?page=99999999999999999999", "page"),
    ("/campaigns/c1/positions?include_closed=2", "include_closed"),
    ("/campaigns/c1/positions?expected_version=-1", "expected_version"),
    ("/statistics?hotkey=%0A", "hotkey"),
    ("/statistics?trade_pair=" + "x" * 33, "trade_pair"),
    ("/hotkeys?page_size=-1", "page_size"),
    ("/hotkeys/a%20b/positions", "hotkey"),
    ("/hotkeys/hk/positions?open_only=x", "open_only"),
    ("/hotkeys/hk/positions?page_token=x", "page_token"),
    ("/hotkeys/hk/positions/open/a%20b", "trade_pair"),
    ("/positions/hk/" + "x" * 257, "position_uuid"),
    ("/market/" + "x" * 33, "trade_pair"),
    ("/market?campaign_id=a%20b", "campaign_id"),
    ("/market?trade_pair=GBPUSD", "trade_pair"),
]


async def test_bad_input(desk: Desk) -> None:
    """Each is refused with 422, and the field that is wrong is named."""
    await desk.campaign("c1")
    for path, field in BAD:
        answer = await desk.web.get(f"/api/v1{path}")
        assert answer.status_code == 422, path
        body = answer.json()
        assert (body["code"], body["details"]) == ("INVALID_ARGUMENT", {"field": field}), path
        assert field in body["message"]


async def test_bad_tags(desk: Desk) -> None:
    """If-Match takes one version in quotes."""
    for tag in ("3", '"x"', '"3', '"1", "2"', 'W/"3"', '""'):
        answer = await desk.web.get("/api/v1/campaigns/c1/positions", headers={"If-Match": tag})
        assert (answer.status_code, answer.json()["details"]["field"]) == (422, "if-match"), tag


async def test_a_listing_that_is_no_longer_kept(start_desk: StartDesk) -> None:
    """410: whoever comes too late for a page begins again."""
    desk = await start_desk(listings_max=1)
    for n in range(3):
        await desk.save(f"p{n}", close_ms=CLOSE_MS)
    first = await desk.get("/hotkeys/hk/positions", page_size=1)
    await desk.get("/hotkeys/hk/positions", page_size=2)
    token = first["next_page_token"]
    gone = await desk.get("/hotkeys/hk/positions", 410, page_size=1, page_token=token)
    assert gone["code"] == "PAGE_EXPIRED"
    other = await desk.get("/hotkeys/hk/positions", page_size=2)
    wrong = {"page_token": other["next_page_token"], "open_only": "true"}
    assert (await desk.get("/hotkeys/hk/positions", 422, **wrong))["details"][
        "field"
    ] == "page_token"


async def test_closed_legs_that_are_on_disk_alone(start_desk: StartDesk) -> None:
    """They are read for the page that they are on."""
    desk = await start_desk(
        durability=Durability.FSYNC, closed_in_memory_max=0, changes_kept_max=50_000
    )
    await desk.gbp()
    body = await desk.get("/campaigns/gbp/positions")
    assert [p["position_uuid"] for p in body["positions"]] == ["lps", "sos", "spring"]
    assert body["positions"][2]["exit_price"] == "1.2625"
    assert (await desk.get("/positions/desk-1/spring"))["position"] == body["positions"][2]


async def test_a_large_page_lets_others_go_on(desk: Desk, turns_of: Callable[[Any], Any]) -> None:
    """While one is put together, the loop turns: nobody waits for the whole of it."""
    orders = tuple(order(n) for n in range(400))
    for n in range(10):
        await desk.save(f"p{n}", close_ms=OPEN_MS + n, orders=orders)
    turns, body = await turns_of(desk.get("/hotkeys/hk/positions"))
    assert sum(len(one["orders"]) for one in body["positions"]) == 4000
    few, _ = await turns_of(desk.get("/hotkeys/nobody/positions"))
    assert turns >= few + 8


async def test_a_large_page_of_campaigns_lets_others_go_on(
    turns_of: Callable[[Any], Any],
) -> None:
    """While one is put together, the loop turns; patterns, which it does not tell, are not read."""
    no_patterns = b"\xff" * 8
    records = [
        msgspec.structs.replace(one, wire=no_patterns + one.wire[one.patterns_size :],
                                patterns_size=8)
        for one in (campaign(n, f"c{n}") for n in range(1, 201))
    ]  # fmt: skip
    totals = [
        CampaignTotals.model_validate(NO_LEGS.totals(one.campaign_id, None)) for one in records
    ]
    turns, made = await turns_of(campaigns_json(records, totals))
    assert [json.loads(one)["campaign"]["campaign_id"] for one in made] == [
        one.campaign_id for one in records
    ]
    assert turns >= 200 // YIELD_EVERY
