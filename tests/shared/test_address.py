"""HOST:PORT: what is one, and what is not, however long."""

from __future__ import annotations

import pytest

import hotbook
from hotbook_shared.address import is_address, split_address
from hotbook_shared.errors import InvalidArgument


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("h:0", "h", 0),
        ("10.1.2.3:65535", "10.1.2.3", 65535),
        ("localhost:00080", "localhost", 80),
        ("[::1]:80", "::1", 80),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, host: str, port: int) -> None:
    """An IPv6 host stands in brackets, which are no part of it."""
    assert is_address(text)
    assert split_address(text) == (host, port)


@pytest.mark.parametrize(
    "text",
    ["", "h", ":1", "h:", "h:65536", "h:-1", "h:1_0", "h:\N{ARABIC-INDIC DIGIT ONE}", "::1:80",
     "a b:1", "http://h:1", "h:" + "9" * 5_000, "h:" + "0" * 5_000 + "80"],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_what_is_no_address_is_refused_by_name(text: str) -> None:
    """Also a port of more digits than Python makes a number of."""
    assert not is_address(text)
    with pytest.raises(InvalidArgument, match="target must be HOST:PORT") as refused:
        hotbook.connect(text)
    assert refused.value.field == "target"
