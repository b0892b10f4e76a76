"""Trade pairs: the original's 51 with their numbers, and files of an operator, good and bad."""

from __future__ import annotations

from decimal import Context, Decimal, Inexact, localcontext
from importlib import resources
from pathlib import Path

import pytest

from hotbook_shared.errors import InvalidArgument
from hotbook_shared.model import TradePair
from hotbook_shared.pairs import UNKNOWN, known_pairs, load_pairs

# ------------------------------------------------------------------ what is known

ORIGINAL = {
    # category: least, most, multiplier, lot, spread; its pairs
    "crypto 0.01 0.5 10 1 0.001": "BTCUSD ETHUSD SOLUSD XRPUSD DOGEUSD ADAUSD TAOUSD",
    "forex 0.1 5 1 100000 0": (
        "AUDCAD AUDCHF AUDUSD AUDJPY AUDNZD CADCHF CADJPY CHFJPY EURAUD EURCAD EURUSD EURCHF "
        "EURGBP EURJPY EURNZD NZDCAD NZDCHF NZDJPY NZDUSD GBPAUD GBPCAD GBPCHF GBPJPY GBPNZD "
        "GBPUSD USDCAD USDCHF USDJPY USDMXN XAUUSD XAGUSD"
    ),
    "equities 0.1 3 2 1 0": "NVDA AAPL TSLA AMZN MSFT GOOG META",
    "indices 0.1 5 1 1 0": "SPX DJI NDX VIX FTSE GDAXI",
}
IDS = [(trade_pair, terms) for terms, pairs in ORIGINAL.items() for trade_pair in pairs.split()]


@pytest.mark.parametrize(("trade_pair", "terms"), IDS)
def test_a_pair_of_the_original_has_its_numbers(trade_pair: str, terms: str) -> None:
    """Category, bounds, multiplier, lot and spread rate, each to the last digit."""
    category, *numbers = terms.split()
    least, most, multiplier, lot_size, spread_rate = map(Decimal, numbers)

    assert known_pairs().of(trade_pair) == TradePair(
        trade_pair=trade_pair,
        category=category,
        leverage_min=least,
        leverage_max=most,
        multiplier=multiplier,
        lot_size=lot_size,
        spread_rate=spread_rate,
    )


def test_the_pairs_of_the_original_are_all_that_is_known() -> None:
    """51, no more and no fewer; a walk over the registry meets each once."""
    assert len(known_pairs()) == len(IDS) == 51
    assert sorted(pair.trade_pair for pair in known_pairs()) == sorted(name for name, _ in IDS)


@pytest.mark.parametrize("trade_pair", ["NEWUSD", "btcusd", "", "🪙", "x" * 500])
def test_a_pair_that_is_not_known_has_no_bounds(trade_pair: str) -> None:
    """It is accepted: multiplier and lot of 1, no bounds, no spread."""
    assert known_pairs().of(trade_pair) == TradePair(trade_pair=trade_pair, category=UNKNOWN)


# ------------------------------------------------------------------ a file of the operator


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "own.toml"


def test_a_file_takes_the_place_of_what_was_known(file: Path) -> None:
    """A category's terms hold for its pairs; what they leave out is as for an unknown pair."""
    file.write_text('[category.crypto]\nleverage_max = 0.25\npairs = ["BTCUSD"]\n')

    pairs = load_pairs(file)

    assert list(pairs) == [
        TradePair(trade_pair="BTCUSD", category="crypto", leverage_max=Decimal("0.25"))
    ]
    assert pairs.of("ETHUSD").category == UNKNOWN


def test_a_pair_may_differ_from_its_category(file: Path) -> None:
    """A table of its own changes what it names, and nothing else."""
    file.write_text(
        '[category.crypto]\nleverage_max = 0.25\nspread_rate = 0.001\npairs = ["A", "B"]\n'
        '[pair.B]\nleverage_max = 1\nmultiplier = "2.5"\n'
    )

    pairs = load_pairs(file)

    assert pairs.of("A").leverage_max == Decimal("0.25")
    assert pairs.of("A").multiplier == 1
    assert pairs.of("B") == TradePair(
        trade_pair="B",
        category="crypto",
        leverage_max=Decimal(1),
        multiplier=Decimal("2.5"),
        spread_rate=Decimal("0.001"),
    )


def test_a_pair_may_stand_in_no_category(file: Path) -> None:
    """A pair of the operator's own needs no category, and may name one."""
    file.write_text('[pair."MY/OWN"]\nlot_size = 10\n[pair.OTHER]\ncategory = "metals"\n')

    pairs = load_pairs(file)

    assert pairs.of("MY/OWN") == TradePair(
        trade_pair="MY/OWN", category=UNKNOWN, lot_size=Decimal(10)
    )
    assert pairs.of("OTHER").category == "metals"
    assert len(pairs) == 2


def test_an_empty_file_knows_nothing(file: Path) -> None:
    """That is a registry too: every pair is then accepted without bounds."""
    file.write_text("# nothing here\n")

    assert list(load_pairs(file)) == []


def test_digits_are_kept_whatever_the_callers_context(file: Path) -> None:
    """A number is the one that is written, not a float's, and not one that was rounded."""
    file.write_text("[pair.A]\nspread_rate = 0.1234567890123456789\nmultiplier = 0.10\n")
    with localcontext(Context(prec=5, traps=[Inexact])):
        found = load_pairs(file).of("A")

    assert (str(found.spread_rate), str(found.multiplier)) == ("0.1234567890123456789", "0.10")


def test_a_file_of_another_system_is_read(file: Path) -> None:
    """Line ends of Windows are line ends."""
    file.write_bytes(b'[category.c]\r\npairs = [\r\n"A",\r\n]\r\n')

    assert load_pairs(file).of("A").category == "c"


def test_the_packages_own_file_may_be_copied_and_changed(file: Path) -> None:
    """The operator's way: a copy of ours, and a table at its end."""
    ours = resources.files("hotbook_shared") / "pairs.toml"
    file.write_text(f"{ours.read_text()}\n[pair.BTCUSD]\nleverage_max = 2\n")

    pairs = load_pairs(file)

    assert len(pairs) == 51
    assert pairs.of("BTCUSD").leverage_max == 2
    assert pairs.of("ETHUSD") == known_pairs().of("ETHUSD")


BAD = [
    ("not TOML", "what is this?", "line 1"),
    ("not TOML further down", '[category.c]\npairs = ["A"\n', "array"),
    ("a table twice", "[pair.A]\n[pair.A]\n", "line 2"),
    ("a strange table", "[pairs.A]\nlot_size = 1\n", "pairs"),
    ("a strange term of a category", "[category.c]\nlots = 1\n", "lots"),
    ("a strange term of a pair", "[pair.EURUSD]\nlots = 1\n", "EURUSD lots"),
    ("a pair renamed", '[pair.EURUSD]\ntrade_pair = "BTCUSD"\n', "EURUSD trade_pair"),
    ("no list of pairs", '[category.c]\npairs = "A"\n', "pairs array"),
    ("a pair that is no text", "[category.c]\npairs = [1]\n", "pairs str"),
    ("a pair that is no table", "[pair]\nEURUSD = 1\n", "pair object"),
    ("a category that is no table", "category = 1\n", "category object"),
    ("a pair in two categories", '[category.c]\npairs=["A"]\n[category.d]\npairs=["A"]', "A"),
    ("a pair twice in a category", '[category.c]\npairs=["A", "A"]\n', "A twice"),
    ("a pair without a name", '[category.c]\npairs=[""]\n', "''"),
    ("a name that no position can have", '[pair."A B"]\n', "A B"),
    ("a name that is too long", f"[pair.{'X' * 33}]\n", "X" * 33),
    ("a text for a number", '[pair.EURUSD]\nlot_size = "many"\n', "EURUSD lot_size"),
    ("a truth for a number", "[pair.EURUSD]\nmultiplier = true\n", "EURUSD multiplier"),
    ("a date for a number", "[pair.EURUSD]\nmultiplier = 2026-11-21\n", "EURUSD multiplier"),
    ("a list for a number", "[category.c]\nmultiplier = [1]\n", "multiplier"),
    ("no number", '[category.c]\nspread_rate = nan\npairs=["A"]\n', "A.spread_rate finite"),
    ("no end", '[category.c]\nmultiplier = inf\npairs=["A"]\n', "A.multiplier finite"),
    ("negative", "[pair.EURUSD]\nleverage_min = -0.1\n", "EURUSD.leverage_min negative"),
    ("negative spread", "[pair.EURUSD]\nspread_rate = -1\n", "EURUSD.spread_rate negative"),
    ("too large", "[pair.EURUSD]\nmultiplier = 1e401\n", "EURUSD.multiplier range"),
    ("far too large", f"[pair.EURUSD]\nmultiplier = 1e{'9' * 20}\n", f"1e{'9' * 20}"),
    ("too many digits", f"[pair.EURUSD]\nlot_size = 1{'0' * 28}\n", "EURUSD.lot_size digits"),
    ("digits without end", f"[pair.EURUSD]\nlot_size = {'9' * 5000}\n", "digits"),
    ("a lot of nothing", "[pair.EURUSD]\nlot_size = 0.0\n", "EURUSD lot_size above"),
    ("bounds that cross", "[pair.A]\nleverage_min = 2\nleverage_max = 1\n", "A leverage_min"),
    ("bounds that cross in a pair", '[category.c]\nleverage_min=2\npairs=["A"]\n[pair.A]\n'
     "leverage_max=1\n", "A leverage_min leverage_max"),
    ("lists in lists", f"a = {'[' * 5000}\n", "own.toml"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), [pytest.param(*bad, id=name) for name, *bad in BAD])
def test_a_bad_file_is_refused_in_one_line(file: Path, text: str, words: str) -> None:
    """The message names the file and what is wrong: the pair where there is one, and the term."""
    file.write_text(text)

    _refuses(file, *words.split(" "))


def _refuses(file: Path, *words: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        load_pairs(file)

    message = refused.value.message
    assert len(message.splitlines()) == 1
    for word in (str(file), *words):
        assert word in message


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A file that is missing, a folder, bytes that are no text: each is told by its name."""
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe[pair]")

    _refuses(tmp_path / "missing.toml", "No such file")
    _refuses(tmp_path, "directory")
    _refuses(tmp_path / "bytes.toml", "utf-8")
