"""The short form of the benchmarks: they run, and what they compare is not absurd."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from tests.bench.__main__ import DOCUMENT, MISSING, WORKLOADS
from tests.bench.report import Report, rewritten


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    file = tmp_path_factory.mktemp("bench") / "figures.json"
    command = [sys.executable, "-m", "tests.bench", "--short", "--json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return msgspec.json.decode(file.read_bytes(), type=Report)


# Far looser than what scripts/bench holds them to: these runs are short, and machines are busy.
NOT_ABSURD = {
    "GetOpen against the echo": (0.2, 4),
    "GetOpen with 10,000 positions against 1,000": (0.2, 4),
    "durable saves of 64 callers, share of the echo": (0.1, 2),
    "SaveMany of 200 against one by one": (3, 1_000),
    "PlaceOrder against the three calls": (0.8, 20),
    "GetOpen against the raw echo": (0.2, 8),
    "SaveStream against one by one": (0.8, 100),
    "ListChanged, SaveMany: times less time": (2, 10_000),
    "ListChanged, SaveMany: times fewer bytes": (10, 10_000),
    "replica, SaveMany: times less time": (2, 10_000),
    "replica, SaveMany: times fewer bytes": (10, 10_000),
    "replica against the original's way": (20, 10_000),
    "replica's time against a plain nested dict's": (0.2, 20),
    "8 watchers, 800 changes/s: watchers that had every change, in order": (8, 8),
    "2 watchers and one that never reads: watchers that had every change, in order": (2, 2),
    "2 watchers and one that never reads: saves by 64 callers, against without it": (0.2, 5),
    "without a lock: answers that were whole": (100, 100),
    "reads without a lock against with one": (0.1, 50),
    "GetOpen, 4,000 positions against 1,000": (0.2, 5),
    "replica's lookup, 4,000 positions against 1,000": (0.1, 10),
    "snapshot to a replica, 4,000 positions": (5_000, 10_000_000),
    "start against JSON files": (1.5, 1_000),
    "import, files to disk": (300, 1_000_000),
    "import against reading with pydantic": (0.05, 20),
    "memory beyond the wire bytes, a position": (100, 4_096),
    "index against scan, in process, 1,000 positions a hotkey": (20, 100_000),
    "index against scan, over the wire, 1,000 positions a hotkey": (5, 100_000),
    "by id, index against scan, 4,000 campaigns": (20, 1_000_000),
    "a page of 500 by state, index against scan, 4,000 campaigns": (1.5, 10_000),
    "live match, index against scan, 4,000 campaigns": (10, 1_000_000),
    "add_pattern, index against scan, 4,000 campaigns": (1.5, 10_000),
    "finding 10 that are due, index against scan, 4,000 campaigns": (10, 1_000_000),
    "expiry sweep with one due, index against scan, 4,000 campaigns": (0.5, 10_000),
    "memory of the indexes, share of the campaigns": (1, 20),
    "memory of the indexes and by id, share of the campaigns": (1, 20),
    "memory of the indexes, with 3 open legs each, share of campaigns and legs": (1, 60),
    "reading totals, 2,000 legs against 10": (0.1, 10),
    "reading totals, sums against every leg anew, 2,000 legs": (10, 100_000),
    "moving a mark, 2,000 legs against 10": (0.1, 10),
    "volume, rolling against anew, a window of 2,000": (10, 100_000),
    "4 threads, a generation: answers of one step": (100, 100),
    "150 legs in one call, gRPC": (0.01, 100),
    "150 legs in one call, REST": (0.01, 1_000),
    "bars, 400 legs against none": (0.1, 10),
    "bars from one stream, 400 legs, 3 following": (50, 1_000_000),
    "replay of 9 pairs, 4 strategies on 4 threads": (5, 100_000),
}


def test_every_workload_gives_figures(report: Report) -> None:
    """All workloads run, and every figure of theirs is a number above nothing."""
    assert [section.name for section in report.sections] == list(WORKLOADS)
    for section in report.sections:
        assert section.figures
        assert all(figure.value > 0 for figure in section.figures)


def test_a_peer_is_measured_or_named_as_skipped(report: Report) -> None:
    """A peer that is missing is named with its reason; one that is there has figures."""
    for section in report.sections:
        names = " ".join(figure.name for figure in section.figures)
        for peer in WORKLOADS[section.name].peers:
            skipped = any(said.startswith(f"{peer}: ") for said in section.skipped)
            assert skipped == bool(MISSING[peer]())
            assert skipped != (peer in names)


@pytest.mark.parametrize("name", NOT_ABSURD)
def test_a_comparison_is_not_absurd(report: Report, name: str) -> None:
    """Even in a short run each comparison lies where a broken server would not."""
    found = {figure.name: figure.value for section in report.sections for figure in section.figures}
    least, most = NOT_ABSURD[name]

    assert least <= found[name] <= most


def test_the_document_is_rewritten_between_its_marks(report: Report) -> None:
    """The figures of a run replace those that stand in the document, and nothing else."""
    document = DOCUMENT.read_text()

    fresh = rewritten(document, report)

    assert rewritten(fresh, report) == fresh
    assert fresh.split("<!--")[0] == document.split("<!--")[0]
    assert all(figure.name in fresh for s in report.sections for figure in s.figures)
