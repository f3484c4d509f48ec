"""Two charts of a data report as HTML text, in the page's own colours: bars with names, and columns of a histogram."""

from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 420, 190, 6, 34, 18


def bars(values: Mapping[str, float], shown: Mapping[str, str] | None = None) -> str:
    """A horizontal bar per value, the longest as wide as there is room. shown: what stands beside each bar."""
    top = max(values.values(), default=0) or 1
    rows = [
        f'<div class="bar"><span class="bar-name">{escape(name)}</span><span class="bar-track">'
        f'<span class="bar-fill" style="width:{100 * value / top:.1f}%"></span></span>'
        f'<span class="bar-value">{escape(shown[name] if shown else f"{value:,.0f}")}</span></div>'
        for name, value in values.items()
    ]
    return f'<div class="bars">{"".join(rows)}</div>'


def columns(counts: Sequence[int], edges: Sequence[float], label: str) -> str:
    """An `<svg>` histogram. counts: one per bin; edges: one more than counts; label: what is counted and by what."""
    top = max(counts, default=0) or 1
    step = (_WIDTH - 2 * _LEFT) / max(len(counts), 1)
    floor, room = _HEIGHT - _BOTTOM, _HEIGHT - _BOTTOM - _TOP
    parts = []
    for k, count in enumerate(counts):
        height = room * count / top
        tip = escape(f"{_short(edges[k])} to {_short(edges[k + 1])}: {count:,}")
        box = f'x="{_LEFT + k * step + 1:.1f}" y="{floor - height:.1f}" width="{step - 2:.1f}" height="{height:.1f}"'
        parts.append(f'<rect class="column" {box}><title>{tip}</title></rect>')
    if counts:
        k = max(range(len(counts)), key=lambda i: counts[i])
        parts.append(f'<text x="{_LEFT + (k + 0.5) * step:.1f}" y="{_TOP - 5}" {_anchor(k, counts)}>{top:,}</text>')
    parts.append(f'<path class="axis" d="M{_LEFT} {floor}H{_WIDTH - _LEFT}"/>')
    for k, anchor in ((0, "start"), (len(counts) // 2, "middle"), (len(counts), "end")):
        x = _LEFT + k * step
        parts.append(f'<text x="{x:.1f}" y="{floor + 15}" text-anchor="{anchor}">{_short(edges[k])}</text>')
    parts.append(f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 3}" text-anchor="middle">{escape(label)}</text>')
    head = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(label, quote=True)}" class="chart">'
    return head + "".join(parts) + "</svg>"


def _anchor(k: int, counts: Sequence[int]) -> str:
    anchor = "start" if k < 2 else "end" if k > len(counts) - 3 else "middle"
    return f'text-anchor="{anchor}"'


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"
