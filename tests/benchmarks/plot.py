"""A dot for every measurement, as an SVG that needs nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from statistics import median

_COLOURS = ("#0b7285", "#c92a2a", "#868e96", "#5f3dc4", "#e8590c", "#2b8a3e", "#a61e4d")
_STEPS = [digit * 10.0**power for power in range(-2, 6) for digit in (1, 2, 5)]
_WIDTH, _LABEL, _ROW, _HEAD, _FOOT = 860, 300, 22, 58, 40


def dots(
    title: str,
    unit: str,
    groups: Mapping[str, Mapping[str, Sequence[float]]],
) -> str:
    """A row of dots for each series of each group, with a bar at the median.

    Args:
        title: Above the plot.
        unit: Below the axis.
        groups: Group, series, measurements; each group has the series of the first.
    """
    series = list(next(iter(groups.values())))
    longest = max((max(v) for g in groups.values() for v in g.values() if v), default=1.0)
    step = next(s for s in _STEPS if longest / s <= 8)
    end = step * (int(longest / step) + 1)
    block = _ROW * len(series) + 14
    height = _HEAD + block * len(groups) + _FOOT
    right = _WIDTH - 20

    def x(value: float) -> float:
        return _LABEL + (right - _LABEL) * value / end

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        'font-family="system-ui, sans-serif" font-size="13">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        '<text x="16" y="24" font-size="16" font-weight="600" fill="#212529">'
        f"{escape(title)}</text>",
    ]
    apart = min(180, (_WIDTH - 20) // len(series))
    for index, name in enumerate(series):
        parts.append(
            f'<circle cx="{22 + apart * index}" cy="42" r="5" fill="{_COLOURS[index]}"/>'
            f'<text x="{32 + apart * index}" y="46" fill="#212529">{escape(name)}</text>'
        )
    bottom = height - _FOOT
    for number in range(round(end / step) + 1):
        at = x(number * step)
        parts.append(
            f'<line x1="{at:.1f}" y1="{_HEAD}" x2="{at:.1f}" y2="{bottom}" stroke="#dee2e6"/>'
            f'<text x="{at:.1f}" y="{bottom + 16}" text-anchor="middle" fill="#495057">'
            f"{number * step:g}</text>"
        )
    parts.append(
        f'<text x="{(_LABEL + right) / 2:.1f}" y="{bottom + 34}" text-anchor="middle" '
        f'fill="#495057">{escape(unit)}</text>'
    )
    top = float(_HEAD)
    for group, rows in groups.items():
        middle = top + block / 2 + 4
        parts.append(f'<text x="16" y="{middle:.1f}" fill="#212529">{escape(group)}</text>')
        for index, name in enumerate(series):
            parts.append(_row(rows[name], x, top + 7 + _ROW * (index + 0.5), _COLOURS[index]))
        top += block
    return "\n".join([*parts, "</svg>", ""])


def _row(values: Sequence[float], x: Callable[[float], float], y: float, colour: str) -> str:
    marks = [
        f'<circle cx="{x(value):.1f}" cy="{y:.1f}" r="4" fill="{colour}" fill-opacity="0.45"/>'
        for value in values
    ]
    if values:
        at = x(median(values))
        marks.append(
            f'<line x1="{at:.1f}" y1="{y - 8:.1f}" x2="{at:.1f}" y2="{y + 8:.1f}" '
            f'stroke="{colour}" stroke-width="3"/>'
        )
    return "".join(marks)
