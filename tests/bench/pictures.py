"""Pictures of figures, as SVG: bars on a logarithmic scale, or curves over the book's size.

Owns nothing but the drawing: the same figures give the same text, so that a picture's changes can
be read in a diff. A bar or point is a median; the thin line on it reaches from the lowest round to
the highest.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from html import escape

from tests.bench.figures import OURS, Figure

WIDTH, LABELS, RIGHT = 860, 330, 110
ROW, TOP, PLOT_HEIGHT = 30, 64, 280
INK, FAINT, GREEN, GREY = "#1f2328", "#d1d9e0", "#1a7f64", "#8c96a0"
COLOURS = (GREEN, "#8250df", "#bc4c00", "#0969da", "#9a6700", GREY)


def pictures(figures: Sequence[Figure]) -> dict[str, str]:
    """Each picture that the figures ask for, by its title."""
    titles = dict.fromkeys(figure.picture for figure in figures if figure.picture)
    return {title: _picture(title, [f for f in figures if f.picture == title]) for title in titles}


def file_name(section: str, title: str) -> str:
    return f"{section}-{re.sub('[^a-z0-9]+', '-', title.lower()).strip('-')}.svg"


def _picture(title: str, figures: Sequence[Figure]) -> str:
    return _bars(title, figures) if figures[0].x is None else _curves(title, figures)


# ------------------------------------------------------------------ bars


def _bars(title: str, figures: Sequence[Figure]) -> str:
    scale = _Axis(_extremes(figures), LABELS, WIDTH - RIGHT, from_below=True)
    bottom = TOP + ROW * len(figures)
    parts = [_line(scale(tick), TOP, scale(tick), bottom, FAINT) for tick in scale.ticks]
    parts += [_text(scale(t), bottom + 18, _short(t), "middle", 12) for t in scale.ticks]
    for row, figure in enumerate(figures):
        parts += _bar(figure, TOP + ROW * row + ROW // 2, scale)
    return _svg(f"{title}, {figures[0].unit}, logarithmic", bottom + 34, parts)


def _bar(figure: Figure, y: float, scale: _Axis) -> list[str]:
    colour = GREEN if figure.line == OURS else GREY
    start, end = scale.low_end, scale(figure.value)
    right = max(end, scale(figure.high or figure.value))
    return [
        _text(LABELS - 8, y + 4, figure.name, "end", 13),
        _box(start, y - 9, end - start, 18, colour),
        *_spread(figure, lambda value: (scale(value), y)),
        _text(right + 8, y + 4, _short(figure.value), "start", 13),
    ]


# ------------------------------------------------------------------ curves


def _curves(title: str, figures: Sequence[Figure]) -> str:
    across = _Axis([f.x for f in figures if f.x], 80, WIDTH - 220)
    up = _Axis(_extremes(figures), TOP + PLOT_HEIGHT, TOP, from_below=True)
    bottom = TOP + PLOT_HEIGHT
    parts = [_line(80, up(tick), WIDTH - 220, up(tick), FAINT) for tick in up.ticks]
    parts += [_text(72, up(tick) + 4, _short(tick), "end", 12) for tick in up.ticks]
    parts += [
        _text(across(x), bottom + 20, _short(x), "middle", 12)
        for x in sorted({f.x for f in figures if f.x})
    ]
    lines = dict.fromkeys(figure.line for figure in figures)
    for place, line in enumerate(lines):
        points = sorted((f for f in figures if f.line == line), key=lambda f: f.x or 0)
        parts += _curve(line, points, across, up, COLOURS[place % len(COLOURS)], place)
    return _svg(f"{title}, {figures[0].unit}, logarithmic", bottom + 36, parts)


def _curve(
    line: str, points: Sequence[Figure], across: _Axis, up: _Axis, colour: str, place: int
) -> list[str]:
    places = [(across(f.x or 0), up(f.value)) for f in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>']
    for figure, (x, y) in zip(points, places, strict=True):
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>')
        parts += _spread(figure, _upwards(x, up))
    y = TOP + 12 + place * 22
    parts.append(_box(WIDTH - 200, y - 10, 12, 12, colour))
    return [*parts, _text(WIDTH - 182, y + 1, line, "start", 13)]


def _upwards(x: float, up: _Axis) -> Callable[[float], tuple[float, float]]:
    return lambda value: (x, up(value))


# ------------------------------------------------------------------ parts


class _Axis:
    """A logarithmic scale from values to places; its ticks are powers of ten."""

    def __init__(
        self, values: Sequence[float], low_end: float, high_end: float, *, from_below: bool = False
    ) -> None:
        """`from_below`: begin at the power of ten below the lowest, so that no bar is empty."""
        lowest, highest = math.log10(min(values)), math.log10(max(values))
        self._low = math.ceil(lowest - 1) if from_below else lowest
        self._width = max(highest - self._low, 0.1)
        self.low_end, self._high_end = low_end, high_end
        powers = range(math.ceil(self._low), math.floor(highest) + 1)
        self.ticks = [10.0**power for power in powers]

    def __call__(self, value: float) -> float:
        share = (math.log10(value) - self._low) / self._width
        return self.low_end + share * (self._high_end - self.low_end)


def _extremes(figures: Sequence[Figure]) -> list[float]:
    return [v for f in figures for v in (f.value, f.low or f.value, f.high or f.value)]


def _spread(figure: Figure, place: Callable[[float], tuple[float, float]]) -> list[str]:
    if figure.low is None or figure.high is None:
        return []
    return [_line(*place(figure.low), *place(figure.high), INK)]


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{colour}"/>'


def _box(x: float, y: float, width: float, height: float, colour: str) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect {place} fill="{colour}"/>'


def _text(x: float, y: float, text: str, anchor: str, size: int) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"'
    return f'<text {place} fill="{INK}">{escape(text)}</text>'


def _short(value: float) -> str:
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {letter}"
    return f"{value:.3g}"


def _svg(title: str, height: int, parts: Sequence[str]) -> str:
    """The whole picture, on white: it is legible on a dark page as well."""
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" font-family="sans-serif">\n'
        f"<title>{escape(title)}</title>\n"
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>\n'
        f"{_text(20, 32, title, 'start', 17)}\n{body}\n</svg>\n"
    )
