"""One position of the original: its JSON to our message and back, and what cannot be read."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from hotbook.transfer.names import escaped
from hotbook.transfer.reading import Corrupt, Foreign, read
from hotbook.transfer.writing import write
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.wire import position_from_wire, position_to_wire
from tests import legacy_tree, make
from tests.shared.test_original_layout import FILE

OPEN_MS = FILE["open_ms"]
OLD_ORDER = {
    "order_type": "SHORT",
    "leverage": -0.1,
    "price": 64900.41,
    "processed_ms": OPEN_MS,
    "order_uuid": "o1",
}
OLD = {
    "miner_hotkey": "hk",
    "position_uuid": "old",
    "open_ms": OPEN_MS,
    "trade_pair": ["BTCUSD", "BTC/USD", 0.003, 0.001, 20],
    "orders": [OLD_ORDER],
    "current_return": 1.01,
    "initial_entry_price": 64900.41,
    "is_closed_position": False,
}


def message(text: str, open_close_ms: int | None = None) -> pb.Position:
    position = pb.Position()
    read(text.encode(), position, open_close_ms)
    return position


def there_and_back(file: Any, open_close_ms: int | None = None) -> Any:
    """Through JSON, our message, our nouns, our message, and JSON."""
    wire = message(json.dumps(file), open_close_ms)
    again = position_to_wire(position_from_wire(wire))
    assert json.loads(write(again, open_close_ms)) == json.loads(write(wire, open_close_ms))
    return json.loads(write(wire, open_close_ms))


def changed(**fields: Any) -> Any:
    return {**FILE, **fields}


def with_order(**fields: Any) -> Any:
    return changed(orders=[{**FILE["orders"][0], **fields}])


def with_source(**fields: Any) -> Any:
    source = {**FILE["orders"][0]["price_sources"][0], **fields}
    return with_order(price_sources=[source])


STRANGE: dict[str, Any] = {
    "a float": 1.540822315298162e-05, "a list": [1, [2.5, None]], "an object": {"x": {"y": "ü"}},
    "nothing": None, "large": 10**30, "extra": {"extra": 1}, "": "",
}  # fmt: skip


@pytest.mark.parametrize(
    "file",
    [
        FILE,
        *(legacy_tree.position(seed, is_open=seed % 2 == 0) for seed in range(40)),
        changed(**STRANGE),
        with_order(**STRANGE),
        with_source(**STRANGE),
        changed(trade_pair="BTCUSD"),
        changed(trade_pair=["NEWUSD"]),
        changed(orders=[]),
        changed(position_type=None),
        changed(net_leverage=-0.0, net_value=0, net_quantity=-1e-300, realized_pnl=1e300),
        changed(position_uuid="../../x", miner_hotkey="ü/日本"),
        with_order(order_uuid=12345),
        with_order(src=10, order_type="FLAT", execution_type="BRACKET", limit_price=0.1),
        changed(close_ms=OPEN_MS),
        changed(close_ms=0),
        changed(close_ms=OPEN_MS + 5, is_closed_position=True, position_type="FLAT"),
        changed(close_ms=None, is_closed_position=True),
        changed(close_ms=0, is_closed_position=True),
    ],
)
@pytest.mark.parametrize("open_close_ms", [None, 0])
def test_what_goes_in_comes_out(file: Any, open_close_ms: int | None) -> None:
    """Every field on every level comes out as it went in, the odd and the unknown ones as well."""
    assert there_and_back(file, open_close_ms) == file


def test_keys_come_in_the_order_of_the_original() -> None:
    """The text is the one that the original writes, key for key."""
    kept = {k: v for k, v in FILE.items() if k != "initial_entry_price"}
    text = write(message(json.dumps(kept))).decode()

    assert json.dumps(json.loads(text)) == json.dumps(kept)


def test_an_old_file_gets_defaults() -> None:
    """What an old file has comes out as it was; what it lacks has the original's defaults."""
    out = there_and_back(OLD)

    assert {name: out[name] for name in OLD if name != "orders"} == {
        name: value for name, value in OLD.items() if name != "orders"
    }
    assert {name: out["orders"][0][name] for name in OLD_ORDER} == OLD_ORDER
    assert out["orders"][0]["execution_type"] == "MARKET"
    assert out["orders"][0]["value"] is None
    assert (out["account_size"], out["return_at_close"], out["close_ms"]) == (0.0, 1.0, None)
    assert out["orders"][0]["src"] == 0


def test_literals_are_kept() -> None:
    """A number is on the wire as it is in the JSON: more digits than a float has are not lost."""
    text = json.dumps(changed(net_value=0.5)).replace("0.5}", "0.5}")
    text = text.replace('"net_value": 0.5', '"net_value": 1234567890.123456789012345678')

    assert message(text).net_value == "1234567890.123456789012345678"
    assert '"net_value":1234567890.123456789012345678' in write(message(text)).decode()
    assert message(json.dumps(FILE)).orders[0].usd_base_rate == "1.540822315298162e-05"


def test_the_result_of_a_leg_is_kept_whole() -> None:
    """All 36 digits of it, beside a size that is written without a fraction."""
    leg = pb.Position(
        hotkey="hk", position_uuid="l", trade_pair="BTCUSD", campaign_id="c", quantity="100",
        realized_pnl="-99999999999999999500.0000000000000006",
    )  # fmt: skip
    found = message(write(leg).decode())
    assert (found.realized_pnl, found.quantity) == (leg.realized_pnl, "100")


def test_a_mended_state_is_forgotten_once_it_changes() -> None:
    """An odd close_ms comes out only while the position still is what was made of it."""
    wire = message(json.dumps(changed(close_ms=OPEN_MS + 7)))
    wire.close_ms = OPEN_MS + 9

    assert json.loads(write(wire))["close_ms"] == OPEN_MS + 9


TAKEN = {"orders": 1, "close_ms": 5, "trade_pair": "mine", "hotbook:extra": [], "x": 0}
BORN_HERE = [
    make.position(),
    make.leg(quantity=Decimal("1.5"), stop_loss=Decimal(5), exit_price=Decimal("7.25"),
             timeframe="1h", signal_id="s", pattern_type="SPRING"),
    make.closed(extra=TAKEN),
    make.position(net_value=Decimal("1E+3"), realized_pnl=Decimal("0." + "1234567" * 4)),
    make.position(orders=(make.order(extra={"price": "x", "hotbook:mended": 5}),)),
]  # fmt: skip


@pytest.mark.parametrize("born", BORN_HERE)
def test_a_position_born_here_survives_the_original_layout(born: Any) -> None:
    """Out and in again, only the pair's description is added to what it was."""
    found = position_from_wire(message(write(position_to_wire(born)).decode()))

    extra = dict(found.extra)
    if "trade_pair" not in born.extra:
        del extra["trade_pair"]
    assert msgspec.structs.replace(found, extra=extra) == born


@pytest.mark.parametrize(
    ("pair", "described"),
    [
        ("BTCUSD", ["BTCUSD", "BTC/USD", 0.003, 0.01, 0.5]),
        ("DOGEUSD", ["DOGEUSD", "DOGE/USD", 0.003, 0.01, 0.5]),
        ("EURUSD", ["EURUSD", "EUR/USD", 0.0, 0.1, 5.0]),
        ("NVDA", ["NVDA", "NVDA", 0.0, 0.1, 3.0]),
        ("NO-SUCH", ["NO-SUCH", "NO-SUCH", 0.0, 0.0, 0.0]),
    ],
)
def test_a_pair_is_described_as_the_original_does(pair: str, described: list[Any]) -> None:
    """A position that never was in the original gets the list that it reads."""
    wire = position_to_wire(make.position(trade_pair=pair))
    assert json.loads(write(wire))["trade_pair"] == described


WRONG = [
    ("NaN in a number", json.dumps(changed(net_value=float("nan"))), "JSON is malformed"),
    ("infinity", json.dumps(changed(net_value=float("inf"))), "JSON is malformed"),
    ("cut", json.dumps(FILE)[:400], "truncated"),
    ("text for a number", json.dumps(with_order(price="abc")), "orders[0].price"),
    ("list for a number", json.dumps(with_source(vwap=[1])), "orders[0].price_sources[0].vwap"),
    ("bool for a number", json.dumps(changed(net_value=True)), "net_value"),
    ("order type", json.dumps(with_order(order_type="BUY")), "$.orders[0].order_type"),
    ("no order type", json.dumps(changed(orders=[{"price": 1.0}])), "$.orders[0]"),
    ("source", json.dumps(with_order(src=11)), "$.orders[0].src"),
    ("execution", json.dumps(with_order(execution_type="X")), "$.orders[0].execution_type"),
    ("side", json.dumps(changed(position_type="UP")), "$.position_type"),
    ("time", json.dumps(changed(open_ms=-1)), "$.open_ms"),
    ("time as text", json.dumps(changed(open_ms="1")), "$.open_ms"),
    ("pair", json.dumps(changed(trade_pair=[])), "trade_pair"),
    ("pair of a number", json.dumps(changed(trade_pair=[5])), "trade_pair"),
    ("closed before it opened",
     json.dumps(changed(close_ms=5, is_closed_position=True)), "close_ms (5) lies before open_ms"),
    ("nested", json.dumps(changed(x=0)).replace('"x": 0', '"x":' + "[" * 99_999), "recursion"),
    ("our own mark", json.dumps(changed(**{"hotbook:mended": {}})), "hotbook:mended"),
    ("half a surrogate", json.dumps(changed(position_uuid="x")).replace('"x"', '"\\ud800"'), ""),
    ("too large a lag", json.dumps(with_source(lag_ms=2**63)), ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "word"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_what_is_wrong_is_named(text: str, word: str) -> None:
    """A position that cannot be read is corrupt, and the field that is wrong is named."""
    with pytest.raises(Corrupt) as caught:
        message(text)
    assert word in str(caught.value)


@pytest.mark.parametrize("text", ["{}", "[]", "5", "hello", '{"a": 1}', '"{}"', "\x00PNG"])
def test_what_never_was_a_position_is_foreign(text: str) -> None:
    """A text without hotkey and uuid is nobody's position."""
    with pytest.raises(Foreign):
        message(text)


UUIDS = ["a/b", "a%2Fb", "../../x", "..", ".", ".hidden", "x.swp", ".DS_Store", "日本" * 90,
         "u" * 256, "u" * 255 + "v", "u" * 255, "a\0b", "%"]  # fmt: skip


def test_names_are_safe_and_never_meet() -> None:
    """Every uuid has a name of its own that stays in its folder and that the original reads."""
    names = [escaped(uuid) for uuid in UUIDS]

    assert len(set(names)) == len(UUIDS)
    for name in names:
        assert len(name.encode()) <= 255
        assert not set("/\0") & set(name)
        assert not name.startswith(".")
        assert not name.endswith(".swp")
    assert escaped("6955409a-031e") == "6955409a-031e"
