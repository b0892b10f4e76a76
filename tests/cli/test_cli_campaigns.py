"""The commands on campaigns, legs and the market, run as people and programs run them."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars
import pytest
from click.testing import CliRunner

import hotbook
from hotbook import PatternType, Side
from hotbook.cli import campaigns, legs, market, top
from hotbook.cli.app import hotbook as command_line
from hotbook.testing import server
from tests.cli.test_cli import HOTBOOK, TERMINAL_S, Told, at_terminal, surroundings, tell
from tests.make import CLOSE_MS, OPEN_MS

assert all((campaigns, legs, market, top)), "they register the commands"
AT = str(OPEN_MS)
LATER = str(CLOSE_MS)


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    """A server whose time is what tests say. Each test uses a hotkey and a pair of its own."""
    with server(market_clock="manual", volume_window=3) as address:
        yield address


def run(target: str, *args: str) -> Told:
    """Runs a command here: what a process of its own would tell, a second earlier."""
    done = CliRunner().invoke(command_line, args, env={"HOTBOOK_TARGET": target})
    return Told(done.exit_code, done.stdout, done.stderr)


def ask(target: str, *args: str) -> Any:
    """What a command answers with `-o json`."""
    told = run(target, *args, "-o", "json")
    assert told.code == 0, told
    return json.loads(told.out)


def stocked(target: str, hk: str) -> str:
    """A campaign on a pair that is called as its hotkey, with one leg of each kind, and a mark."""
    with hotbook.connect(target) as book:
        book.create_campaign(hk, hk, campaign_id=hk, started=OPEN_MS, account_size=Decimal(10_000))
        for uuid in ("one", "two"):
            book.add_leg(
                hk,
                pattern_type=PatternType.SPRING,
                side=Side.LONG,
                entry=Decimal(100),
                shares=Decimal(10),
                stop=Decimal(95),
                opened=OPEN_MS,
                position_uuid=f"{hk}-{uuid}",
            )
        book.close_leg(hk, f"{hk}-one", Decimal("103.5"), CLOSE_MS)
        book.update_marks({hk: Decimal("98.25")}, OPEN_MS)
    return hk


# -------------------------------------------------------------------- campaigns


def test_a_campaign_is_made_of_patterns(target: str, hk: str) -> None:
    """For programs: every option of a pattern is in the answer; the second makes it ACTIVE."""
    first = ask(
        target, "campaigns", "add-pattern", hk, "BTCUSD", "spring", "100.50", "--signal=s1",
        "--at", AT, "--range=r", "--timeframe=15m", "--support=99", "--resistance=120",
        "--volume-ratio=0.7", "--account-size=1000", "--expected-version=0",
    )  # fmt: skip
    second = run(target, "campaigns", "add-pattern", hk, "BTCUSD", "SOS", "110", "--signal=s2",
                  "--at", LATER, "--range=r")  # fmt: skip

    campaign = first["campaign"]
    assert (first["created"], campaign["state"], campaign["range_id"]) == (True, "FORMING", "r")
    assert campaign["patterns"] == [
        {"signal_id": "s1", "type": "SPRING", "at_ms": OPEN_MS, "price": "100.50",
         "support": "99", "resistance": "120", "volume_ratio": "0.7", "extra": {}}
    ]  # fmt: skip
    for word in (hk, "ACTIVE", "phase", "D", "s1", "s2", "110", "2024-12-12 11:40:00Z"):
        assert word in second.out.split() or word in second.out
    again = run(target, "campaigns", "add-pattern", hk, "BTCUSD", "SOS", "110", "--signal=s2",
                 "--at", LATER, "--range=r")  # fmt: skip
    assert again.out.startswith("the pattern stood there already: nothing changed\n")
    assert ask(target, "campaigns", "get", campaign["campaign_id"])["pattern_count"] == 2


def test_a_pattern_needs_neither_a_name_nor_a_time(target: str, hk: str) -> None:
    """Both are made up: a name of its own, and now."""
    made = ask(target, "campaigns", "add-pattern", hk, "BTCUSD", "AR", "1")["campaign"]

    [pattern] = made["patterns"]
    assert len(pattern["signal_id"]) == 36
    assert pattern["at_ms"] > CLOSE_MS


def test_a_campaign_is_led_to_its_end(target: str, hk: str) -> None:
    """Dormant, active, completed; each shown as it then stands, and listed by state."""
    made = ask(target, "campaigns", "create", hk, hk, "--started", AT)["campaign_id"]
    rests = ask(target, "campaigns", "transition", made, "dormant", "--expected-version=1")
    lives = ask(target, "campaigns", "transition", made, "ACTIVE")
    live = ask(target, "campaigns", "list", "--live", "--hotkey", hk)
    ended = run(target, "campaigns", "complete", made, "--exit-price=120.50",
                 "--reason=target_hit", "--at", LATER)  # fmt: skip

    assert (rests["state"], lives["state"], [c["campaign_id"] for c in live]) == (
        "DORMANT", "ACTIVE", [made],
    )  # fmt: skip
    for word in ("COMPLETED", "120.50", "TARGET_HIT", "ended"):
        assert word in ended.out
    listed = run(target, "campaigns", "list", "--state=completed", "--hotkey", hk)
    assert made in listed.out
    assert run(target, "campaigns", "list", "--state=FAILED", "--hotkey", hk).err == (
        "no campaigns\n"
    )
    other = ask(target, "campaigns", "create", hk, "ETHUSD", "--started", AT)["campaign_id"]
    assert ask(target, "campaigns", "fail", other, "it broke")["failure_reason"] == "it broke"
    assert ask(target, "campaigns", "delete", other, "--yes") == {"existed": True}
    assert run(target, "campaigns", "delete", other, "--yes").code == 3


def test_statistics_leave_out_what_is_nothing(target: str, hk: str) -> None:
    """For people, counts of zero are left out; for programs every figure has its eight places."""
    made = stocked(target, hk)
    ask(target, "legs", "close", made, f"{hk}-two", "100", "--at", LATER, "--yes")
    ask(target, "campaigns", "transition", made, "ACTIVE")
    ask(target, "campaigns", "complete", made, "--at", LATER)

    told = run(target, "campaigns", "stats", "--hotkey", hk).out
    found = ask(target, "campaigns", "stats", "--hotkey", hk)
    assert "COMPLETED" in told
    assert "FORMING" not in told
    assert (found["won"], found["lost"], found["total_result"]) == (1, 0, "35.00000000")
    assert "0E-8" not in run(target, "campaigns", "stats", "--pair=NONE").out
    nothing = ask(target, "campaigns", "stats", "--pair=NONE")
    assert (nothing["total"], nothing["worst_result"]) == (0, "0.00000000")


# -------------------------------------------------------------------- legs


def test_legs_and_their_totals(target: str, hk: str) -> None:
    """What is open by the mark, what is closed by its result; the same for people and programs."""
    made = stocked(target, hk)
    found = ask(target, "legs", "list", made)
    told = tell(target, "legs", "list", made)

    totals = {name: value for name, value in found["totals"].items() if name != "campaign_id"}
    assert totals == {
        "total_shares": "10.00000000", "weighted_avg_entry": "100.00000000",
        "total_risk": "50.00000000", "total_pnl": "17.50000000", "open_pnl": "-17.50000000",
        "realized_pnl": "35.00000000", "open_count": 1, "closed_count": 1, "mark": "98.25",
        "marked_ms": OPEN_MS,
    }  # fmt: skip
    for word in (f"{hk}-one", f"{hk}-two", "1 open, 1 closed", "-17.50000000", "98.25", "103.5"):
        assert word in told.out
    only = ask(target, "legs", "list", made, "--open")
    assert [leg["position_uuid"] for leg in only["positions"]] == [f"{hk}-two"]
    assert only["totals"] == found["totals"]


def test_a_leg_is_shown_as_it_was_opened_and_closed(target: str, hk: str) -> None:
    """Both commands show the leg and the campaign's totals in the same revision."""
    made = stocked(target, hk)
    opened = run(target, "legs", "add", made, "LPS", "SHORT", "--entry=50", "--shares=1",
                  "--stop=51", "--at", AT, "--signal=sig", "--timeframe=1h")  # fmt: skip
    assert [word for word in ("LPS", "SHORT", "2 open, 1 closed") if word not in opened.out] == []
    closed = run(target, "legs", "close", made, f"{hk}-two", "101", "--yes")
    assert " 10 " in closed.out
    assert "1 open, 2 closed" in closed.out


# -------------------------------------------------------------------- market


def csv_of(*rows: str) -> bytes:
    return "\n".join(("trade_pair,time,close,volume", *rows, "")).encode()


def push(target: str, file: Path, *args: str) -> Told:
    return run(target, "push-bars", str(file), *args)


def test_a_file_of_bars_moves_marks(target: str, hk: str, tmp_path: Path) -> None:
    """Several thousands of rows, times in both forms, a row without a volume; what is older than
    its pair's mark is counted."""
    file = tmp_path / "bars.csv"
    rows = [f"{hk},{OPEN_MS + n},100.5,{n}" for n in range(2_500)]
    file.write_bytes(csv_of(*rows, f"{hk},2024-12-12T11:40:00Z,101,", f"{hk},{AT},7,7"))
    told = tell(target, "push-bars", str(file))

    assert (told.code, told.err) == (0, "")
    assert told.out.startswith("pushed 2,501 bars, 1 older than their pair's mark; revision ")
    [pair] = ask(target, "market", hk)["pairs"]
    assert (pair["price"], pair["at_ms"], pair["average_volume"]) == ("101", CLOSE_MS, "2498")
    assert pair["is_ready"] is True
    shown = tell(target, "market", hk).out
    for word in (hk, "101", "2498", "3"):
        assert word in shown.split()
    piped = tell(target, "push-bars", "-", stdin=csv_of(f"{hk},{CLOSE_MS + 1},102,"))
    assert piped.out.startswith("pushed 1 bar; revision ")


def test_bars_of_a_pipe_are_sent_as_they_come(target: str, hk: str) -> None:
    """A bar stands before the next is written, however slowly they come, and none is left out."""
    with subprocess.Popen(
        [HOTBOOK, "push-bars", "-"], env=surroundings(HOTBOOK_TARGET=target),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process, hotbook.connect(target, timeout_s=TERMINAL_S) as book:  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(b"\xef\xbb\xbftrade_pair,time,close,volume\r\n")
        for number in range(1, 4):
            row = f"{hk},{OPEN_MS + number},{number},1\r\n".encode()
            process.stdin.write(row[:-3])
            process.stdin.flush()
            process.stdin.write(row[-3:])
            process.stdin.flush()
            until_s = time.monotonic() + TERMINAL_S
            while book.market([hk]).pairs[0].price != number:
                assert time.monotonic() < until_s
        process.stdin.write(f"{hk},{OPEN_MS + 4},4,1".encode())
        out, _ = process.communicate(timeout=TERMINAL_S)

    assert out.startswith(b"pushed 4 bars; ")
    assert process.returncode == 0


def test_parquet_holds_the_same_bars(target: str, hk: str, tmp_path: Path) -> None:
    """Times as datetimes or numbers, prices as floats or texts."""
    file = tmp_path / "bars.parquet"
    times = polars.Series([OPEN_MS, CLOSE_MS]).cast(polars.Datetime("ms", "UTC"))
    frame = {"trade_pair": [hk, hk], "time": times, "close": [0.1, 0.3], "volume": [None, 2.5]}
    polars.DataFrame(frame).write_parquet(file)

    assert push(target, file).code == 0
    [pair] = ask(target, "market", hk)["pairs"]
    assert (pair["price"], pair["at_ms"], pair["last_volume"]) == ("0.3", CLOSE_MS, "2.5")
    polars.DataFrame({"time": [1]}).write_parquet(file)
    push(target, file).refuses(2, "trade_pair, close, volume")
    file.write_bytes(b"nothing of the kind")
    push(target, file).refuses(2, "no Parquet")


BAD_ROWS = [
    (f"T,{AT},-1,1", "close must be a number above 0, not '-1'"),
    (f"T,{AT},NaN,1", "close"),
    (f"T,{AT},0,1", "close"),
    (f"T,{AT},,1", "close"),
    (f"T,{AT},1,-0.5", "volume must be a number of at least 0"),
    (f"T,{AT},1,inf", "volume"),
    ("T,yesterday,1,1", "time"),
    ("T,2024-12-12T11:40:00,1,1", "time"),
    ("T,,1,1", "time"),
    (f",{AT},1,1", "trade_pair"),
    (f"a b,{AT},1,1", "trade_pair"),
    (f"T,{AT},1.123456789,1", "close"),
    ("T,0,1,1", "at_ms"),
    ("T", "time"),
]


@pytest.mark.parametrize(("row", "word"), BAD_ROWS)
def test_a_bad_row_is_named_by_its_line(
    target: str, hk: str, tmp_path: Path, row: str, word: str
) -> None:
    """Whether the command or the server finds it; and nothing of its thousand is sent."""
    file = tmp_path / "bars.csv"
    file.write_bytes(csv_of(f"{hk},{AT},1,1", f"{hk},{AT},1,1", row, f"{hk},{AT},1,1"))

    push(target, file).refuses(2, "line 4: ", word)
    assert ask(target, "market", hk)["pairs"][0]["price"] is None


def test_what_came_before_a_bad_row_stands(target: str, hk: str, tmp_path: Path) -> None:
    """The thousand before it; every bad row of the next is named, up to ten."""
    file = tmp_path / "bars.csv"
    good = [f"{hk},{OPEN_MS + n},1,1" for n in range(1_500)]
    file.write_bytes(csv_of(*good, *["T,1,x,1"] * 12))
    told = push(target, file)

    lines = told.err.splitlines()
    assert (told.code, told.out, len(lines)) == (2, "", 12)
    assert lines[0].startswith("hotbook: line 1502: close")
    assert lines[10:] == ["hotbook: and 2 more", "hotbook: 1,000 bars before that stand"]
    assert ask(target, "market", hk)["pairs"][0]["at_ms"] == OPEN_MS + 999


def test_what_is_no_file_of_bars_is_refused(target: str, tmp_path: Path) -> None:
    """No file, no header, no text: one line that says which."""
    push(target, tmp_path / "none.csv").refuses(2, "there is no file")
    for content, word in ((b"", "no column"), (b"a,b\n1,2\n", "no column"), (b"\xff\xfe", "CSV")):
        file = tmp_path / "bars.csv"
        file.write_bytes(content)
        push(target, file).refuses(2, word)


# -------------------------------------------------------------------- refusals


REFUSED: list[tuple[int, str, list[str]]] = [
    (3, "nobody", ["campaigns", "get", "nobody"]),
    (3, "nobody", ["campaigns", "transition", "nobody", "ACTIVE"]),
    (3, "nobody", ["campaigns", "complete", "nobody"]),
    (3, "nobody", ["legs", "list", "nobody"]),
    (3, "nobody", ["legs", "close", "nobody", "leg", "1", "--yes"]),
    (3, "nobody", ["market", "--campaign", "nobody"]),
    (2, "hotkey", ["campaigns", "create", "a b", "T"]),
    (2, "price", ["campaigns", "add-pattern", "hk", "T", "AR", "0"]),
    (2, "at must be", ["campaigns", "add-pattern", "hk", "T", "AR", "1", "--at=noon"]),
]


@pytest.mark.parametrize(("code", "word", "command"), REFUSED, ids=lambda part: str(part)[:40])
def test_a_refusal_is_one_line(target: str, code: int, word: str, command: list[str]) -> None:
    """What is not there exits with 3, bad input with 2."""
    told = run(target, *command)
    assert told.code == code
    assert word in told.err
    assert "Traceback" not in told.err
    assert told.out == ""


USAGE = [
    ["campaigns", "list", "--state=DONE"],
    ["campaigns", "add-pattern", "hk", "T", "HEAD", "1"],
    ["campaigns", "transition", "c", "FAILED"],
    ["legs", "add", "c", "AR", "FLAT", "--entry=1", "--shares=1", "--stop=1"],
    ["legs", "add", "c", "AR", "LONG", "--entry=1", "--shares=1"],
    ["legs", "close", "c", "leg", "much"],
    ["push-bars"],
    ["top", "-o", "json"],
    ["top"],
]


@pytest.mark.parametrize("command", USAGE, ids=" ".join)
def test_wrong_usage_exits_with_2(target: str, command: list[str]) -> None:
    """It says how the command is used; `top` wants a terminal."""
    told = run(target, *command)
    assert (told.code, told.out) == (2, "")
    assert "Usage: " in told.err


def test_removing_and_closing_ask_first(target: str, hk: str) -> None:
    """Without --yes and without a terminal nothing changes; at one, the count is typed."""
    made = stocked(target, hk)
    for command in (["campaigns", "delete", made], ["legs", "close", made, f"{hk}-two", "1"]):
        told = run(target, *command)
        assert (told.code, "--yes" in told.err) == (4, True)
    code, seen, _ = at_terminal(
        target, HOTBOOK, "legs", "close", made, f"{hk}-two", "101", types=("go on", b"1\n")
    )
    assert (code, "0 open, 2 closed" in seen) == (0, True)
    assert "\x1b[32m" in seen, "a result that is won is green"
