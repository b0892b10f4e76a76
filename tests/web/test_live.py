"""/api/v1/live: numbered news over a WebSocket, and going on from a number."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from hotbook_server.web.live_messages import Numbers
from hotbook_shared.campaign import CampaignNews
from hotbook_shared.pb import hotbook_pb2 as pb
from tests.web.conftest import PAIR, Desk, StartDesk

PATIENCE_S = 20


def picture(told: list[dict[str, Any]]) -> dict[object, Any]:
    """What a client has that takes in messages in their order."""
    has: dict[object, Any] = {}
    for message in told:
        match message["type"]:
            case "reload":
                has = {}
            case "campaign_updated":
                has[message["campaign_id"]] = message["totals"], message["campaign"]["state"]
            case "campaign_removed":
                has.pop(message["campaign_id"], None)
            case "mark":
                has["mark", message["mark"]["trade_pair"]] = message["mark"]["price"]
    return has


async def busy(desk: Desk) -> int:
    """Things of every kind happen to three campaigns. Returns the revision that they led to."""
    for n in range(3):
        await desk.campaign(f"c{n}", hotkey=f"desk-{n}", trade_pair=("EURUSD", PAIR)[n % 2])
    await desk.leg("c1", "l1", "100", "1.25", "1.2")
    await desk.bar("1.5")
    await desk.bar("1.1", "EURUSD")
    await desk.close("c1", "l1", "1.5")
    await desk.campaigns.DeleteCampaign(pb.DeleteCampaignRequest(campaign_id="c0"))
    await desk.leg("c2", "l2", "10", "1.25", "1.2")
    return await desk.bar("1.3", "EURUSD")


async def test_everything_comes_first(desk: Desk) -> None:
    """Without a number: a reload, what stands, and at the last message the revision that it is."""
    await desk.gbp()
    async with desk.live() as live:
        await live.until(desk.server.engine.book.revision)
    assert [one["type"] for one in live.told] == ["reload", "mark", "campaign_updated"]
    assert [one["number"] for one in live.told[:-1]] == [0, 0]
    last = live.told[-1]
    assert last["campaign_id"] == last["campaign"]["campaign_id"] == "gbp"
    assert last["totals"]["total_pnl"] == "105.00000000"
    rest = await desk.get("/campaigns/gbp")
    assert last["totals"] == rest["totals"]
    assert last["campaign"] == {n: v for n, v in rest["campaign"].items() if n != "patterns"}


async def test_a_mark_brings_full_totals(desk: Desk) -> None:
    """A bar is pushed; whoever follows is told the mark, and all totals that it moves."""
    await desk.gbp()
    async with desk.live(campaigns=["gbp"]) as live:
        await live.until(desk.server.engine.book.revision)
        del live.told[:]
        await live.until(await desk.bar("1.2595"))
    assert {one["type"] for one in live.told} == {"mark", "campaign_updated"}
    told = next(one for one in live.told if one["type"] == "campaign_updated")
    assert told["totals"]["total_pnl"] == "125.00000000"
    assert told["totals"]["closed_count"] == 1


async def test_an_empty_part(desk: Desk) -> None:
    """Nothing stands: a reload, and a heartbeat with the number to go on from."""
    await desk.gbp()
    async with desk.live(campaigns=["nobody's"]) as live:
        await live.until(desk.server.engine.book.revision)
    assert [one["type"] for one in live.told] == ["reload", "heartbeat"]


async def test_parts(desk: Desk) -> None:
    """By campaign, by hotkey and by pair: only those are told of."""
    revision = await busy(desk)
    for asked, expected in (
        ({"campaigns": ["c1", "c2"]}, {"c1", "c2"}),
        ({"hotkeys": ["desk-2"]}, {"c2"}),
        ({"trade_pairs": [PAIR]}, {"c1"}),
        ({"hotkeys": ["desk-2"], "trade_pairs": [PAIR]}, set()),
        ({}, {"c1", "c2"}),
    ):
        async with desk.live(**asked) as live:
            await live.until(revision)
        found = {one["campaign_id"] for one in live.told if one["type"] == "campaign_updated"}
        assert found == expected, asked


async def test_going_on_from_any_message(desk: Desk) -> None:
    """Cut off after any message, and back with what it said: the same picture as without a cut, and
    nothing is told anew."""
    async with desk.live() as whole:
        await whole.until(await busy(desk))
    numbers = [one["number"] for one in whole.told]
    assert numbers == sorted(numbers)
    begun = next(n for n, one in enumerate(whole.told) if one["number"])
    for cut in range(begun, len(whole.told)):
        last = whole.told[cut]
        async with desk.live(**{"from": last["number"]}, history=last["history"]) as rest:
            await rest.until(numbers[-1])
        assert not [one for one in rest.told if one["type"] == "reload"]
        assert picture(whole.told[: cut + 1] + rest.told) == picture(whole.told)


@pytest.mark.parametrize(
    "asked", [{"from": 1}, {"from": 10_000}, {"from": 12, "history": "another"}, {"from": 0}]
)
async def test_a_number_that_is_not_known(start_desk: StartDesk, asked: dict[str, Any]) -> None:
    """Too old, not yet there, or of another history: a reload, and everything as it stands."""
    desk = await start_desk(feed_changes_max=2)
    revision = await busy(desk)
    async with desk.live() as fresh, desk.live(**asked) as live:
        await fresh.until(revision)
        await live.until(revision)
    assert live.told[0]["type"] == "reload"
    assert picture(live.told) == picture(fresh.told)


BAD: list[tuple[str | bytes, str]] = [
    ("", "request"),
    ("{", "request"),
    ("[]", "request"),
    (b"{}", "request"),
    ('{"stranger": 1}', "stranger"),
    ('{"from": -1}', "from"),
    ('{"from": "x"}', "from"),
    ('{"from": 99999999999999999999}', "from"),
    ('{"hotkeys": "desk-1"}', "hotkeys"),
    ('{"hotkeys": ["a", "b c"]}', "hotkeys[1]"),
    ('{"campaigns": [""]}', "campaigns[0]"),
    (json.dumps({"trade_pairs": ["x" * 33]}), "trade_pairs[0]"),
    (json.dumps({"hotkeys": ["x"] * 1_001}), "hotkeys"),
    (json.dumps({"history": "x" * 65}), "history"),
]


async def test_bad_subscriptions(desk: Desk) -> None:
    """Each is told what is wrong, in a message and by the close."""
    for first, field in BAD:
        async with connect(f"ws://{desk.server.web_address}/api/v1/live") as socket:
            await socket.send(first)
            told = json.loads(await socket.recv())
            assert (told["type"], told["code"]) == ("error", "INVALID_ARGUMENT"), first
            assert told["details"]["field"] == field, first
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008


@pytest.mark.parametrize("second", ["{}", b"{}"])
async def test_whoever_speaks_twice(desk: Desk, second: str | bytes) -> None:
    """One subscription a connection; a text or not, it is the client's mistake and told as such."""
    async with desk.live() as live:
        await live.socket.send(second)
        while (await live.next())["type"] != "error":
            pass
    assert live.told[-1]["code"] == "INVALID_ARGUMENT"


async def test_whoever_says_nothing(start_desk: StartDesk) -> None:
    """A connection without a subscription is ended."""
    desk = await start_desk(call_timeout_s=0.05)
    async with connect(f"ws://{desk.server.web_address}/api/v1/live") as socket:
        assert json.loads(await socket.recv())["code"] == "DEADLINE_EXCEEDED"


async def test_as_many_as_may_watch(start_desk: StartDesk) -> None:
    """One more is refused, and has room when another has gone."""
    desk = await start_desk(watchers_max=1)
    async with desk.live() as live:
        await live.next()
        async with desk.live() as other:
            assert (await other.next())["code"] == "QUEUE_FULL"
            with pytest.raises(ConnectionClosed) as closed:
                await other.next()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013
    async with asyncio.timeout(PATIENCE_S):
        while desk.server.gauges()["watchers"]:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0)
    async with desk.live() as again:
        assert (await again.next())["type"] == "reload"


async def test_a_server_that_stops(start_desk: StartDesk) -> None:
    """It says so; whoever comes back goes on."""
    desk = await start_desk()
    async with desk.live() as live:
        await live.until(0)
        stopping = asyncio.create_task(desk.stop())
        while (await live.next())["type"] != "error":
            pass
        assert live.told[-1]["code"] == "UNAVAILABLE"
        with pytest.raises(ConnectionClosed) as closed:
            await live.next()
        await stopping
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012


async def test_a_client_that_does_not_read(start_desk: StartDesk) -> None:
    """It is cut off, holds nobody up, and costs no more than the socket's own buffers."""
    desk = await start_desk(call_timeout_s=0.3, watch_frame_ms=0.0)
    for n in range(60):
        await desk.campaign(f"c{n}")
        await desk.leg(f"c{n}", f"l{n}", "10", "1.25", "1.2")
    address = str(desk.server.web_address).rpartition(":")
    reader, writer = await asyncio.open_connection(address[0], int(address[2]), limit=1024)
    writer.write(
        b"GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Version: 13\r\n\r\n"
        + b"\x81\x82\0\0\0\0{}"  # a text, {}, under a mask of 0
    )
    async with asyncio.timeout(PATIENCE_S):
        assert await reader.readline() == b"HTTP/1.1 101 Switching Protocols\r\n"
        async with desk.live(campaigns=["c0"]) as other:
            while desk.server.gauges()["watchers"] == 2 or not other.told:
                await other.until(await desk.bar("1.3"))
        while desk.server.gauges()["web_requests"]:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0)
    writer.transport.abort()
    figures = desk.server.telemetry.as_figures()
    assert figures["refused.DEADLINE_EXCEEDED.count"] == 1


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), min_size=1, max_size=8), st.data())
def test_numbers(frames: list[tuple[bool, int]], data: st.DataObject) -> None:
    """However news is dealt out to frames, a number is told with the last of its messages alone;
    what a reader has at any cut is never less than its number says."""
    numbers = Numbers(5, "five")
    done, revision = 5, 10
    for is_reload, removed in frames:
        is_last = data.draw(st.booleans())
        names = tuple(f"c{n}" for n in range(removed))
        news = CampaignNews(revision=revision, is_reload=is_reload, removed=names,
                            is_last=is_last, mark=f"m{revision}")  # fmt: skip
        told = list(numbers.messages(news))
        before = 0 if is_reload else done
        done = revision if is_last else before
        assert {one.number for one in told[:-1]} <= {before}
        assert [(one.number, one.history) for one in told[-1:] if is_last] == (
            [(revision, f"m{revision}")] if is_last else []
        )
        assert all(one.number == before for one in told if not is_last)
        assert len(told) == max(is_reload + removed + (is_last and not removed), 0)
        revision += 1
