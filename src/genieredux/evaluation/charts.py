"""Line charts and bars as SVG text, drawn with the page's own colours. They know numbers and labels only.

Colours are CSS classes (`tone-0`, `tone-1`, ...) so that one picture serves a light and a dark page.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

_WIDTH, _HEIGHT = 420, 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 12, 38
_MOST_POINTS = 240


@dataclass(frozen=True)
class Line:
    """One curve. x, y: equally long; low, high: its interval or None. tone: which colour; dash: an SVG
    pattern.

    Points that are not finite are left out.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    tone: int = 0
    dash: str = ""
    dots: bool = True


def line_chart(lines: Sequence[Line], x_label: str, y_label: str, zero: bool = False) -> str:
    """An `<svg>` of the curves with axes; intervals are shaded, and every dot tells its value when pointed
    at.

    zero: mark the level 0 and keep it in view.
    """
    lines = [_thinned(line) for line in lines]
    lines = [line for line in lines if len(line.x)]
    if not lines:
        return ""
    heights = [*_all(lines, "y"), *_all(lines, "low"), *_all(lines, "high"), *([0.0] if zero else [])]
    xs, y_ticks = _all(lines, "x"), _ticks(min(heights), max(heights))
    x_ticks = _ticks(min(xs), max(xs), whole=True)
    frame = _Frame(min(xs), max(xs), min(*heights, y_ticks[0]), max(*heights, y_ticks[-1]))
    parts = [*_axes(frame, x_ticks, y_ticks, x_label, y_label, zero)]
    parts += [_band(frame, line) for line in lines]
    parts += [_curve(frame, line) for line in lines]
    names = ", ".join(line.name for line in lines)
    label = escape(f"{y_label} by {x_label}: {names}", quote=True)
    head = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}" class="chart">'
    return head + "".join(parts) + "</svg>"


def legend(lines: Sequence[Line]) -> str:
    """The names of the curves with a stroke of each, as HTML."""
    items = [
        f'<li><svg viewBox="0 0 26 8" class="key" aria-hidden="true"><path class="stroke tone-{line.tone}" '
        f'stroke-dasharray="{line.dash}" d="M1 4H25"/></svg>{escape(line.name)}</li>'
        for line in lines
    ]
    return f'<ul class="legend">{"".join(items)}</ul>'


def bars(values: dict[str, float], unit: str) -> str:
    """Horizontal bars with names and values, as HTML."""
    top = max(values.values(), default=0) or 1
    rows = [
        f'<div class="bar"><span class="bar-name">{escape(name)}</span><span class="bar-track">'
        f'<span class="bar-fill" style="width:{100 * value / top:.1f}%"></span></span>'
        f'<span class="bar-value">{value:,.1f} {escape(unit)}</span></div>'
        for name, value in values.items()
    ]
    return f'<div class="bars">{"".join(rows)}</div>'


@dataclass(frozen=True)
class _Frame:
    """The mapping from values to places on the picture."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def x(self, value: float) -> float:
        share = (value - self.x_low) / ((self.x_high - self.x_low) or 1)
        return _LEFT + 6 + share * (_WIDTH - _LEFT - _RIGHT - 12)

    def y(self, value: float) -> float:
        share = (value - self.y_low) / ((self.y_high - self.y_low) or 1)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def _axes(
    frame: _Frame, x_ticks: list[float], y_ticks: list[float], x_label: str, y_label: str, zero: bool
) -> list[str]:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    parts = []
    for tick in y_ticks:
        y = frame.y(tick)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{right}"/>')
        parts.append(_text(_short(tick), f'class="tick" x="{_LEFT - 6}" y="{y + 3.5:.1f}"', "end"))
    for tick in x_ticks:
        x = frame.x(tick)
        parts.append(f'<path class="axis" d="M{x:.1f} {bottom}v4"/>')
        parts.append(_text(_short(tick), f'class="tick" x="{x:.1f}" y="{bottom + 16}"'))
    parts.append(f'<path class="axis" d="M{_LEFT} {bottom}H{right}"/>')
    if zero:
        parts.append(f'<path class="zero" d="M{_LEFT} {frame.y(0):.1f}H{right}"/>')
    across, down = (_LEFT + right) / 2, (_TOP + bottom) / 2
    parts.append(_text(x_label, f'class="label" x="{across:.0f}" y="{_HEIGHT - 5}"'))
    parts.append(_text(y_label, f'class="label" transform="translate(12 {down:.0f}) rotate(-90)"'))
    return parts


def _text(words: str, attributes: str, anchor: str = "middle") -> str:
    return f'<text {attributes} text-anchor="{anchor}">{escape(words)}</text>'


def _band(frame: _Frame, line: Line) -> str:
    if line.low is None or line.high is None or len(line.x) < 2:
        return ""
    if not all(math.isfinite(value) for value in [*line.low, *line.high]):
        return ""
    above = [f"{frame.x(x):.1f} {frame.y(y):.1f}" for x, y in zip(line.x, line.high, strict=True)]
    below = [f"{frame.x(x):.1f} {frame.y(y):.1f}" for x, y in zip(line.x, line.low, strict=True)]
    return f'<path class="area tone-{line.tone}" d="M{"L".join(above + below[::-1])}Z"/>'


def _curve(frame: _Frame, line: Line) -> str:
    places = [(frame.x(x), frame.y(y)) for x, y in zip(line.x, line.y, strict=True)]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    parts = [f'<path class="stroke tone-{line.tone}" stroke-dasharray="{line.dash}" d="M{path}"/>']
    if line.dots:
        for (x, y), at, value in zip(places, line.x, line.y, strict=True):
            tip = escape(f"{line.name} at {_short(at)}: {value:.3f}")
            dot = f'<circle class="dot tone-{line.tone}" cx="{x:.1f}" cy="{y:.1f}" r="2.6">'
            parts.append(f"{dot}<title>{tip}</title></circle>")
    return "".join(parts)


def _thinned(line: Line) -> Line:
    """Without points that are not finite, and with no more points than the picture can show."""
    keep = [i for i, (x, y) in enumerate(zip(line.x, line.y, strict=True)) if math.isfinite(x) and math.isfinite(y)]
    if len(keep) > _MOST_POINTS:
        keep = [keep[i] for i in np.linspace(0, len(keep) - 1, _MOST_POINTS).round().astype(int)]

    def at(values: Sequence[float] | None) -> list[float] | None:
        return None if values is None else [float(values[i]) for i in keep]

    x, y = at(line.x) or [], at(line.y) or []
    return Line(line.name, x, y, at(line.low), at(line.high), line.tone, line.dash, line.dots and len(x) <= 40)


def _all(lines: Sequence[Line], name: str) -> list[float]:
    return [value for line in lines for value in (getattr(line, name) or []) if math.isfinite(value)]


def _ticks(low: float, high: float, whole: bool = False) -> list[float]:
    """About five round numbers that cover low .. high."""
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    raw = (high - low) / 5
    power = 10 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    if whole:
        step = 1.0 if high - low <= 12 else max(1.0, round(step))
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    else:
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 10) for i in range(first, last + 1)]


def _short(value: float) -> str:
    if abs(value) >= 10_000:
        return f"{value / 1000:g}k"
    return f"{value:g}"
