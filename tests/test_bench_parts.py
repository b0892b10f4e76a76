"""The parts that figures pass through on their way from a round to the document."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from xml.etree import ElementTree

import grpc.aio
import pytest
from click.testing import CliRunner

from hotbook_shared.pb import records_pb2 as raw
from tests.bench.__main__ import main
from tests.bench.figures import OURS, Figure, Rounds, alternate, counted, measured, ratios
from tests.bench.machine import machine, versions
from tests.bench.pictures import pictures
from tests.bench.processes import child
from tests.bench.report import END, START, Report, Section, draw, rewritten
from tests.bench.watching import Seen, Watchers
from tests.bench.wire_bytes import wire_bytes


def report(*figures: Figure, skipped: list[str] | None = None) -> Report:
    section = Section("work", "Some work", list(figures), skipped or [])
    return Report("1.2.3", "today", machine(), versions(), False, [section])


def test_the_first_round_counts_for_nothing() -> None:
    """What the warm-up found is in no figure."""
    values = iter([1_000.0, 3.0, 1.0, 2.0])

    found = alternate(3, {"side": lambda: next(values)})

    assert found["side"] == [3, 1, 2]


def test_the_sides_take_turns_and_change_their_order() -> None:
    """No side always comes right after the same other one."""
    turns = list(Rounds(2, ("a", "b", "c")))

    assert turns == ["c", "b", "a", "a", "b", "c", "c", "b", "a"]


def test_a_figure_is_the_median_with_its_extremes() -> None:
    """The median, the lowest and the highest round, each in the figure's unit."""
    figure = measured("f", [0.3, 0.1, 0.2], "ms", factor=1_000, at_most=250)

    assert (figure.value, figure.low, figure.high) == (200, 100, 300)
    assert figure.holds


def test_a_ratio_is_worked_out_in_each_round() -> None:
    """A round in which everything was slow says as much as any other."""
    assert ratios([2, 200], [1, 100]) == [2, 2]


@pytest.mark.parametrize(
    ("value", "at_least", "at_most", "holds"),
    [
        (1, None, None, None),
        (1, 1, None, True),
        (0.9, 1, None, False),
        (1, None, 1, True),
        (1.1, None, 1, False),
    ],
)
def test_a_bound_is_held_or_missed(
    value: float, at_least: float | None, at_most: float | None, holds: bool | None
) -> None:
    """What is exactly at its bound holds; what has none neither holds nor misses."""
    figure = Figure(name="f", value=value, unit="x", at_least=at_least, at_most=at_most)

    assert figure.holds is holds
    assert (figure in report(figure).missed) == (holds is False)


def test_the_document_says_what_a_run_ran_on_found_and_left_out() -> None:
    """Machine, versions, spread, missed bounds and skipped peers are in the document."""
    ran = report(
        measured("slow", [4, 5, 6], "s", at_most=1),
        counted("positions", 12_345),
        skipped=["Redis: it is not installed"],
    )

    text = rewritten(f"before {START} old {END} after", ran)

    assert text.startswith("before ")
    assert text.endswith(" after")
    assert " old " not in text
    assert ran.machine.cpu in text
    assert f"grpcio {ran.versions['grpcio']}" in text
    assert "| slow | 5 s | 4 to 6 | at most 1 | MISSED |" in text
    assert "| positions | 12,345  |  |  |  |" in text
    assert "**Skipped: Redis: it is not installed**" in text


def test_the_document_counts_and_names_what_a_run_has_missed() -> None:
    """How many bounds are missed is said by the run that missed them, and each with its figure."""
    ran = report(
        measured("slow", [4, 5, 6], "s", at_most=1),
        measured("few", [3], "x", at_least=4),
        measured("quick", [1], "s", at_most=2),
        counted("positions", 12_345),
    )

    text = rewritten(f"{START}{END}", ran)

    assert "Of 3 bounds 2 are missed:" in text
    assert (
        "- Some work: slow: 5 s, held to at most 1\n- Some work: few: 3 x, held to at least 4"
        in text
    )
    assert "quick:" not in text
    assert "All 1 bounds hold." in rewritten(
        f"{START}{END}", report(measured("quick", [1], "s", at_most=2))
    )


def test_the_pictures_are_those_that_the_document_shows(tmp_path: Path) -> None:
    """Each picture in the document is a file; what an earlier run drew is gone."""
    (tmp_path / "old.svg").write_text("")
    ran = report(measured("a <fast> save", [1, 2], "us", picture="Saves & more", line=OURS))

    draw(ran, tmp_path)

    (drawn,) = tmp_path.iterdir()
    assert f"![Saves & more](pictures/{drawn.name})" in rewritten(f"{START}{END}", ran)
    assert "a <fast> save" in "".join(ElementTree.parse(drawn).getroot().itertext())


def test_the_bar_of_more_is_longer() -> None:
    """Bars have the order and the lengths of their figures; none is empty."""
    figures = [measured(f"f{n}", [value], "s", picture="P") for n, value in enumerate((2, 90, 10))]

    bars = ElementTree.fromstring(pictures(figures)["P"]).findall("{*}rect")[1:]
    lengths = [float(bar.attrib["width"]) for bar in bars]

    assert 0 < lengths[0] < lengths[2] < lengths[1]


def test_a_curve_has_a_point_for_each_size() -> None:
    """Figures with an x are one curve for each line, from the smallest x to the largest."""
    figures = [
        measured(f"{line} {x}", [1, 2, 3], "us", picture="P", line=line, x=x)
        for line in ("lookup", "save")
        for x in (1e6, 1e4, 1e5)
    ]

    curves = ElementTree.fromstring(pictures(figures)["P"]).findall("{*}polyline")

    assert len(curves) == 2
    for curve in curves:
        across = [float(point.split(",")[0]) for point in curve.attrib["points"].split()]
        assert across == sorted(across)
        assert len(set(across)) == 3


def test_bytes_on_the_wire_are_counted_both_ways() -> None:
    """What was sent and what was received, on connections to that port and on no others."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                assert len(connection.recv(5_000, socket.MSG_WAITALL)) == 5_000
                connection.sendall(b"y" * 70_000)
                connection.recv(1)  # the end: closing before it would end the counting

        thread = threading.Thread(target=answer)
        thread.start()
        with socket.create_connection(("127.0.0.1", port)) as caller:
            before = wire_bytes(port)
            caller.sendall(b"x" * 5_000)
            assert len(caller.recv(70_000, socket.MSG_WAITALL)) == 70_000
            counted_bytes = wire_bytes(port) - before
            elsewhere = wire_bytes(port + 1)
        thread.join()

    assert counted_bytes in (75_000, 75_001)  # TCP counts the byte that opened the connection
    assert elsewhere == 0


@pytest.mark.parametrize(
    ("frames", "is_complete"),
    [
        ([[6, 7], [8]], True),
        ([[7], [8]], False),  # the first is missing
        ([[6], [8]], False),
        ([[6, 8]], False),
        ([[6, 7], [7, 8]], False),
    ],
)
async def test_a_watcher_that_missed_a_change_is_not_complete(
    frames: list[list[int]], is_complete: bool
) -> None:
    """A gap before, in or between frames is seen, and so is a change that came twice."""

    class Frames:
        async def read(self) -> object:
            if not frames:
                return grpc.aio.EOF
            changes = [raw.Change(revision=revision) for revision in frames.pop(0)]
            return raw.WatchFrame(
                revision=changes[-1].revision, changes=changes
            ).SerializeToString()

    watchers = Watchers("")
    watchers.at, watchers.seen = [5], [Seen(True, 1, [])]

    await watchers.follow(0, Frames())

    assert watchers.seen[0].is_complete is is_complete
    assert watchers.at == [8]


def test_a_process_that_ends_is_not_waited_for() -> None:
    """A child that cannot go on ends the run, and is named."""
    with pytest.raises(RuntimeError, match="replica_process"), child("replica_process") as process:
        process.ask("anything")


@pytest.mark.parametrize("also", ["--short", "--only=scans"])
def test_a_part_of_a_run_does_not_replace_the_whole(also: str) -> None:
    """--write keeps whole runs only: what it replaces is whole."""
    result = CliRunner().invoke(main, ["--write", also])

    assert result.exit_code == 2
    assert "whole runs" in result.output
