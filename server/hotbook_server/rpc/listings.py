"""Paged listings: what was found at one revision, kept until its last page has been read.

A listing holds references to records, not copies. At most `listings_max` are kept, each for
`listing_ttl_s` after it was last read; a page of one that is gone is refused by name.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict

import msgspec

from hotbook_server.clock import Clock
from hotbook_server.config import Settings
from hotbook_shared.errors import InvalidArgument, PageExpired
from hotbook_shared.record import Record

Found = list[tuple[str, list[Record]]]
"""Each hotkey that was asked for, with its records in order."""


class Listing(msgspec.Struct):
    """What was asked, and what was found; `used_s` is when it was last read."""

    asked: bytes
    revision: int
    found: Found
    used_s: float = 0.0


class Listings:
    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._most = settings.listings_max
        self._ttl_s = settings.listing_ttl_s
        self._clock = clock
        self._kept: OrderedDict[str, Listing] = OrderedDict()

    def resume(self, token: str, asked: bytes) -> tuple[str, Listing, int, int]:
        """The listing behind a token, and where its next page begins: hotkey and offset."""
        self._forget_stale()
        name, _, place = token.partition(".")
        at, _, offset = place.partition(".")
        if not (len(name) == 32 and _is_count(at) and _is_count(offset)):
            raise InvalidArgument("page_token is not one of this server's", field="page_token")
        listing = self._kept.get(name)
        if listing is None:
            raise PageExpired("this listing is no longer kept: list again from the first page")
        if listing.asked != asked:
            raise InvalidArgument("page_token belongs to another listing", field="page_token")
        if int(at) >= len(listing.found) or int(offset) > len(listing.found[int(at)][1]):
            raise InvalidArgument("page_token is not one of this server's", field="page_token")
        listing.used_s = self._clock.monotonic_s()
        self._kept.move_to_end(name)
        return name, listing, int(at), int(offset)

    def keep(self, listing: Listing) -> str:
        self._forget_stale()
        if len(self._kept) >= self._most:
            self._kept.popitem(last=False)
        name = secrets.token_hex(16)
        listing.used_s = self._clock.monotonic_s()
        self._kept[name] = listing
        return name

    def drop(self, name: str) -> None:
        self._kept.pop(name, None)

    def _forget_stale(self) -> None:
        horizon = self._clock.monotonic_s() - self._ttl_s
        while self._kept and next(iter(self._kept.values())).used_s < horizon:
            self._kept.popitem(last=False)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 12
