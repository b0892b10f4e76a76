"""The rules of positions once more, in the plainest way: a list, and every answer a scan."""

from __future__ import annotations

from hotbook import Position
from hotbook_server.commands import Save


class NaiveBook:
    """What stands, as (position, version), in no particular order."""

    def __init__(self) -> None:
        self.stands: list[tuple[Position, int]] = []

    def save(self, made: Position, asked: Save) -> str | int:
        """Saves, and returns the version; or changes nothing, and returns the refusal's code."""
        old = self.of_uuid(made.position_uuid)
        if old is not None and (old[0].hotkey, old[0].trade_pair) != (made.hotkey, made.trade_pair):
            return "IDENTITY_CHANGED"
        version = 0 if old is None else old[1]
        if asked.expected_version not in (None, version):
            return "VERSION_CONFLICT"
        rivals = [
            p
            for p, _ in self.stands
            if p.is_open
            and not p.campaign_id
            and (p.hotkey, p.trade_pair) == (made.hotkey, made.trade_pair)
            and p.position_uuid != made.position_uuid
        ]
        if rivals and not made.campaign_id:
            if made.is_open and not asked.replace_open:
                return "ALREADY_OPEN"
            if asked.replace_open:
                self.remove(rivals[0].position_uuid)
        self.remove(made.position_uuid)
        self.stands.append((made, version + 1))
        return version + 1

    def remove(self, uuid: str) -> bool:
        before = len(self.stands)
        self.stands = [(p, v) for p, v in self.stands if p.position_uuid != uuid]
        return len(self.stands) < before

    def clear(self, hotkey: str) -> int:
        """Clears a hotkey, or everything where it is empty."""
        before = len(self.stands)
        self.stands = [(p, v) for p, v in self.stands if hotkey not in ("", p.hotkey)]
        return before - len(self.stands)

    def of_uuid(self, uuid: str) -> tuple[Position, int] | None:
        return next(((p, v) for p, v in self.stands if p.position_uuid == uuid), None)

    def of_hotkey(self, hotkey: str) -> list[str]:
        held = [p for p, _ in self.stands if p.hotkey == hotkey]
        held.sort(key=lambda p: (p.is_open, p.close_ms or 0, p.open_ms, p.position_uuid))
        return [p.position_uuid for p in held]

    def open_on(self, hotkey: str, trade_pair: str) -> str | None:
        return next(
            (
                p.position_uuid
                for p, _ in self.stands
                if p.is_open
                and not p.campaign_id
                and (p.hotkey, p.trade_pair) == (hotkey, trade_pair)
            ),
            None,
        )

    def copy(self) -> NaiveBook:
        twin = NaiveBook()
        twin.stands = list(self.stands)
        return twin
