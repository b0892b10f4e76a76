"""The server is killed while legs are added and closed, and while patterns are filed.

A leg and its campaign's next version are two changes of one commit: whatever the step, both stand
or neither does; and what was acknowledged stands.
"""

from __future__ import annotations

import threading
from decimal import Decimal
from pathlib import Path

import pytest

import hotbook
from hotbook import HotbookError, PatternType, Side
from hotbook.testing import server
from tests.crash.test_crash import STEPS
from tests.crash.test_crash_split import dying_server
from tests.make import OPEN_MS

WRITERS = 3
LEGS = 40


def write(target: str, campaign_id: str, acked: list[tuple[str, str]]) -> None:
    """Adds legs to a campaign, and closes every second one, until the server is gone."""
    with hotbook.connect(target, timeout_s=2) as book:
        for number in range(LEGS):
            uuid = f"{campaign_id}-{number}"
            try:
                book.add_leg(
                    campaign_id,
                    position_uuid=uuid,
                    pattern_type=PatternType.SPRING,
                    side=Side.LONG,
                    entry=Decimal(100),
                    shares=Decimal(1),
                    stop=Decimal(99),
                    opened=OPEN_MS,
                )
                acked.append(("added", uuid))
                if number % 2:
                    book.close_leg(campaign_id, uuid, Decimal(101))
                    acked.append(("closed", uuid))
            except HotbookError:
                return


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("at", [1, 7])
def test_never_a_leg_without_its_campaign(tmp_path: Path, step: str, at: int) -> None:
    """After kill -9 at a step of a commit, a campaign's version says how many legs changed."""
    folder = tmp_path / "data"
    names = [f"c{n}" for n in range(WRITERS)]
    with server(durability="fsync", data_dir=folder) as target, hotbook.connect(target) as book:
        for name in names:
            book.create_campaign(f"hk-{name}", "BTCUSD", campaign_id=name)
    acked: list[tuple[str, str]] = []
    with dying_server(step, at, folder) as (target, process):
        writers = [threading.Thread(target=write, args=(target, n, acked)) for n in names]
        for writer in writers:
            writer.start()
        process.wait(timeout=60)
        for writer in writers:
            writer.join(timeout=60)
    with server(durability="fsync", data_dir=folder) as target, hotbook.connect(target) as book:
        assert book.verify().ok
        standing = set()
        for name in names:
            found = book.get_campaign_positions(name)
            closed = [leg for leg in found.positions if not leg.is_open]
            standing |= {("added", leg.position_uuid) for leg in found.positions}
            standing |= {("closed", leg.position_uuid) for leg in closed}
            assert found.campaign_version == 1 + len(found.positions) + len(closed)
            assert found.totals.realized_pnl == len(closed)
            assert found.totals.open_count == len(found.positions) - len(closed)
        assert set(acked) <= standing
