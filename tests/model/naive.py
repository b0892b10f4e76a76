"""The rules of the book once more, in the plainest way: a list, and every answer a scan."""

from __future__ import annotations

from typing import NamedTuple

from hotbook import Position
from hotbook_server.commands import Clear, Delete, Save, SaveMany
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.wire import position_from_wire


class Refusal(Exception):
    """A rule says no. The code is the first of those that it may be told with."""

    def __init__(self, *codes: str) -> None:
        super().__init__(*codes)
        self.codes = codes


class Saved(NamedTuple):
    version: int
    replaced_uuid: str = ""


class NaiveBook:
    """What stands, as (position, version), in no particular order."""

    def __init__(self) -> None:
        self.stands: list[tuple[Position, int]] = []

    @property
    def state(self) -> tuple[object, ...]:
        """All that a command may change: of what it leaves alone, the very same objects."""
        return (self.stands,)

    # ---------------------------------------------------------------- commands

    def save(self, asked: Save) -> Saved:
        made = position_from_wire(pb.Position.FromString(asked.body))
        old = self.of_uuid(made.position_uuid)
        if old is not None and (old[0].hotkey, old[0].trade_pair) != (made.hotkey, made.trade_pair):
            raise Refusal("IDENTITY_CHANGED")
        version = 0 if old is None else old[1]
        if asked.expected_version not in (None, version):
            raise Refusal("VERSION_CONFLICT")
        rival = None if made.campaign_id else self.open_on(made.hotkey, made.trade_pair)
        replaced = ""
        if rival is not None and rival.position_uuid != made.position_uuid:
            if made.is_open and not asked.replace_open:
                raise Refusal("ALREADY_OPEN")
            if asked.replace_open:
                replaced = rival.position_uuid
                self.remove(replaced)
        return Saved(self.put(made), replaced)

    def save_many(self, asked: SaveMany) -> list[Saved | Refusal]:
        before, due = self.stands, list[Saved | Refusal]()
        for one in asked.saves:
            assert isinstance(one, Save)
            try:
                due.append(self.save(one))
            except Refusal as refusal:
                if asked.all_or_nothing:
                    self.stands = before
                    raise
                due.append(refusal)
        return due

    def delete(self, asked: Delete) -> bool:
        held = self.of_uuid(asked.position_uuid)
        if held is None or held[0].hotkey != asked.hotkey:
            return False
        self.remove(asked.position_uuid)
        return True

    def clear(self, asked: Clear) -> int:
        """Clears a hotkey, or everything where it is empty."""
        count = self.count(asked.hotkey)
        if (count, self.campaign_count(asked.hotkey)) != (
            asked.expected_count, asked.expected_campaigns
        ):  # fmt: skip
            raise Refusal("COUNT_MISMATCH")
        self.stands = [(p, v) for p, v in self.stands if asked.hotkey not in ("", p.hotkey)]
        return count

    # ---------------------------------------------------------------- questions

    def campaign_count(self, hotkey: str) -> int:
        """None: this list has positions alone."""
        return 0

    def count(self, hotkey: str) -> int:
        return sum(hotkey in ("", p.hotkey) for p, _ in self.stands)

    def of_uuid(self, uuid: str) -> tuple[Position, int] | None:
        return next(((p, v) for p, v in self.stands if p.position_uuid == uuid), None)

    def of_hotkey(self, hotkey: str) -> list[str]:
        held = [p for p, _ in self.stands if p.hotkey == hotkey]
        held.sort(key=lambda p: (p.is_open, p.close_ms or 0, p.open_ms, p.position_uuid))
        return [p.position_uuid for p in held]

    def open_on(self, hotkey: str, trade_pair: str) -> Position | None:
        for p, _ in self.stands:
            if p.is_open and not p.campaign_id and (p.hotkey, p.trade_pair) == (hotkey, trade_pair):
                return p
        return None

    # ---------------------------------------------------------------- parts

    def put(self, made: Position) -> int:
        """The list is always made anew, so that an older one can be gone back to."""
        old = self.of_uuid(made.position_uuid)
        version = 1 if old is None else old[1] + 1
        self.remove(made.position_uuid)
        self.stands = [*self.stands, (made, version)]
        return version

    def remove(self, uuid: str) -> None:
        self.stands = [(p, v) for p, v in self.stands if p.position_uuid != uuid]
