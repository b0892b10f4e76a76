"""HOST:PORT, as both sides take it."""

from __future__ import annotations


def is_address(text: str) -> bool:
    """Whether a text names a host and a port from 0 to 65535. An IPv6 host stands in brackets."""
    host, _, port = text.rpartition(":")
    if not host or (":" in host and not (host.startswith("[") and host.endswith("]"))):
        return False
    if any(character.isspace() or character == "/" for character in host):
        return False
    # The length first: a number of thousands of digits is more than `int` takes.
    return port.isascii() and port.isdecimal() and len(port) <= 5 and int(port) < 65536


def split_address(address: str) -> tuple[str, int]:
    """Host and port of an address; the brackets of an IPv6 host are taken off."""
    host, _, port = address.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)
