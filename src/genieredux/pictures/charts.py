"""Line charts, bars and histograms as SVG and HTML text. They know numbers and labels only, and escape every label.

Colours are CSS classes (`tone-0`, `tone-1`, ... of base.css) so that one picture serves a light and a dark page.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

_WIDTH, _HEIGHT = 420, 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 12, 38
_LOW_HEIGHT, _MARGIN, _LOW_TOP, _LOW_BOTTOM = 190, 6, 18, 34
_MOST_POINTS, _MOST_DOTS = 240, 40


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
    return _svg(_HEIGHT, f"{y_label} by {x_label}: {names}", parts)


def legend(lines: Sequence[Line]) -> str:
    """The names of the curves with a stroke of each, as HTML."""
    items = [
        f'<li><svg viewBox="0 0 26 8" class="key" aria-hidden="true"><path class="stroke tone-{line.tone:d}" '
        f'stroke-dasharray="{escape(line.dash)}" d="M1 4H25"/></svg>{escape(line.name)}</li>'
        for line in lines
    ]
    return f'<ul class="legend">{"".join(items)}</ul>'


def bars(values: Mapping[str, float], words: Callable[[float], str] = "{:,.0f}".format) -> str:
    """Horizontal bars with names and values, as HTML, the longest as wide as there is room. words: a value as text."""
    top = max(values.values(), default=0) or 1
    rows = [
        f'<div class="bar"><span class="bar-name">{escape(name)}</span><span class="bar-track">'
        f'<span class="bar-fill" style="width:{100 * value / top:.1f}%"></span></span>'
        f'<span class="bar-value">{escape(words(value))}</span></div>'
        for name, value in values.items()
    ]
    return f'<div class="bars">{"".join(rows)}</div>'


def histogram(counts: Sequence[int], edges: Sequence[float], label: str) -> str:
    """An `<svg>` of columns. counts: one per bin; edges: one more than counts; label: what is counted and by what."""
    top = max(counts, default=0) or 1
    step = (_WIDTH - 2 * _MARGIN) / max(len(counts), 1)
    wide = len(edges) > 1 and edges[1] - edges[0] >= 1
    names = [short(round(edge) if wide else edge) for edge in edges]
    floor, room = _LOW_HEIGHT - _LOW_BOTTOM, _LOW_HEIGHT - _LOW_BOTTOM - _LOW_TOP
    parts = []
    for k, count in enumerate(counts):
        height = room * count / top
        tip = escape(f"{names[k]} to {names[k + 1]}: {count:,}")
        box = f'x="{_MARGIN + k * step + 1:.1f}" y="{floor - height:.1f}" width="{step - 2:.1f}" height="{height:.1f}"'
        parts.append(f'<rect class="column" {box}><title>{tip}</title></rect>')
    if counts:
        k = max(range(len(counts)), key=lambda i: counts[i])
        anchor = "start" if k < 2 else "end" if k > len(counts) - 3 else "middle"
        parts.append(_text(f"{top:,}", f'x="{_MARGIN + (k + 0.5) * step:.1f}" y="{_LOW_TOP - 5}"', anchor))
    parts.append(f'<path class="axis" d="M{_MARGIN} {floor}H{_WIDTH - _MARGIN}"/>')
    for k, anchor in {len(counts) // 2: "middle", 0: "start", len(counts): "end"}.items():  # of one column, two
        parts.append(_text(names[k], f'x="{_MARGIN + k * step:.1f}" y="{floor + 15}"', anchor))
    parts.append(_text(label, f'x="{_WIDTH / 2}" y="{_LOW_HEIGHT - 3}"'))
    return _svg(_LOW_HEIGHT, label, parts)


def short(value: float) -> str:
    """A number for an axis."""
    return f"{value / 1000:g}k" if abs(value) >= 10_000 else f"{value:g}"


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


def _svg(height: int, label: str, parts: Sequence[str]) -> str:
    head = f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(label, quote=True)}" class="chart">'
    return head + "".join(parts) + "</svg>"


def _axes(
    frame: _Frame, x_ticks: list[float], y_ticks: list[float], x_label: str, y_label: str, zero: bool
) -> list[str]:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    parts = []
    for tick in y_ticks:
        y = frame.y(tick)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{right}"/>')
        parts.append(_text(short(tick), f'class="tick" x="{_LEFT - 6}" y="{y + 3.5:.1f}"', "end"))
    for tick in x_ticks:
        x = frame.x(tick)
        parts.append(f'<path class="axis" d="M{x:.1f} {bottom}v4"/>')
        parts.append(_text(short(tick), f'class="tick" x="{x:.1f}" y="{bottom + 16}"'))
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
    return f'<path class="area tone-{line.tone:d}" d="M{"L".join(above + below[::-1])}Z"/>'


def _curve(frame: _Frame, line: Line) -> str:
    places = [(frame.x(x), frame.y(y)) for x, y in zip(line.x, line.y, strict=True)]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    parts = [f'<path class="stroke tone-{line.tone:d}" stroke-dasharray="{escape(line.dash)}" d="M{path}"/>']
    if len(line.x) <= _MOST_DOTS:
        for (x, y), at, value in zip(places, line.x, line.y, strict=True):
            tip = escape(f"{line.name} at {short(at)}: {value:.3f}")
            dot = f'<circle class="dot tone-{line.tone:d}" cx="{x:.1f}" cy="{y:.1f}" r="2.6">'
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
    return Line(line.name, x, y, at(line.low), at(line.high), line.tone, line.dash)


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
