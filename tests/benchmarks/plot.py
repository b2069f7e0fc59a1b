"""Charts of measurements as SVG files that need no script, no font and no other file.

Rows of this package have one colour and rows of everything that it is compared with have another.
Each row shows its name and its value. A row with one measurement is a bar; a row with several is
a dot for each measurement and a line at their median.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from statistics import median
from typing import cast

Rows = Mapping[str, Sequence[float]]
"""The measurements of each row, by the row's name."""
Groups = Mapping[str, Rows]
"""Rows under a common heading, such as one scenario."""

_WIDTH, _MARGIN, _GUTTER = 720, 8, 16
_GROUP_LETTER, _NAME_LETTER, _VALUE_WIDTH = 6.6, 6.2, 34
_ROW, _GROUP_GAP, _HEAD, _PANEL_HEAD, _FOOT = 14, 9, 38, 20, 38
_STEPS = [digit * 10.0**power for power in range(-2, 6) for digit in (1, 2, 5)]


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of a chart; the background stays transparent."""

    ours: str
    peer: str
    text: str
    soft: str
    grid: str


LIGHT = Theme(ours="#00796b", peer="#8a939b", text="#212529", soft="#5c636a", grid="#dee2e6")
DARK = Theme(ours="#4db6ac", peer="#8a939b", text="#e9ecef", soft="#adb5bd", grid="#454b52")


def chart(
    title: str,
    unit: str,
    panels: Mapping[str, Groups],
    *,
    theme: Theme = LIGHT,
) -> str:
    """Draw one chart.

    Args:
        title: Text above the chart.
        unit: Text below the axis.
        panels: Groups by panel title, drawn side by side with one scale. All panels have the groups
            of the first; its heading is left out when there is only one panel.
        theme: The colours.

    Returns:
        An SVG document.
    """
    groups = next(iter(panels.values()))
    scale = _Scale(
        max(v for g in panels.values() for r in g.values() for s in r.values() for v in s)
    )
    height = _HEAD + _PANEL_HEAD * (len(panels) > 1) + _FOOT
    height += sum(_ROW * len(rows) + _GROUP_GAP for rows in groups.values())
    left = 2 * _MARGIN + _GROUP_LETTER * max(map(len, groups))
    names = _NAME_LETTER * max(len(name) for rows in groups.values() for name in rows) + 6
    width = (_WIDTH - left - _MARGIN - _GUTTER * (len(panels) - 1)) / len(panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        'font-family="system-ui, sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        _text(_MARGIN, 20, title, theme.text, extra='font-size="15" font-weight="600"'),
    ]
    top = _HEAD + _PANEL_HEAD * (len(panels) > 1)
    for group, y in _places(groups, top):
        middle = y + _ROW * len(groups[group]) / 2 + 4
        parts.append(_text(_MARGIN, middle, group, theme.text))
    for index, (panel, drawn) in enumerate(panels.items()):
        at = left + index * (width + _GUTTER)
        if len(panels) > 1:
            parts.append(_text(at + names, top - 8, panel, theme.text, 'font-weight="600"'))
        across = (at + names, width - names - _VALUE_WIDTH)
        parts.append(_panel(drawn, scale, theme, across, (top, height - _FOOT)))
    middle = left + (_WIDTH - left) / 2
    parts.append(_text(middle, height - 6, unit, theme.soft, 'text-anchor="middle"'))
    return "\n".join([*parts, "</svg>", ""])


Drawing = Callable[[Theme], str]
"""Draws one chart in the colours that it is given."""


def drawing(title: str, unit: str, found: Groups | Mapping[str, Groups]) -> Drawing:
    """A chart whose theme is chosen later.

    Args:
        title: As for `chart`.
        unit: As for `chart`.
        found: The groups of a chart of one panel, or the panels.
    """
    first = next(iter(next(iter(found.values())).values()))
    panels = found if isinstance(first, Mapping) else {"": found}
    return lambda theme: chart(title, unit, cast("Mapping[str, Groups]", panels), theme=theme)


def dots(title: str, unit: str, groups: Groups) -> str:
    """A chart of one panel for a light page."""
    return chart(title, unit, {"": groups})


class _Scale:
    """A linear scale from 0 to a round number above the longest value."""

    def __init__(self, longest: float) -> None:
        longest = longest or 1.0
        self.step = next(step for step in _STEPS if longest / step <= 6)
        self.end = self.step * (int(longest / self.step - 1e-9) + 1)

    def ticks(self) -> list[float]:
        return [self.step * number for number in range(round(self.end / self.step) + 1)]


def _places(groups: Groups, top: float) -> list[tuple[str, float]]:
    places = []
    for group, rows in groups.items():
        places.append((group, top))
        top += _ROW * len(rows) + _GROUP_GAP
    return places


def _panel(
    groups: Groups,
    scale: _Scale,
    theme: Theme,
    across: tuple[float, float],
    down: tuple[float, float],
) -> str:
    """One panel: `across` is where its scale begins and how long it is, `down` top and bottom."""
    zero, room = across
    parts = []
    for tick in scale.ticks():
        x = zero + room * tick / scale.end
        parts.append(
            f'<line x1="{x:.1f}" y1="{down[0]:.1f}" x2="{x:.1f}" y2="{down[1]:.1f}" '
            f'stroke="{theme.grid}"/>'
        )
        parts.append(
            _text(x, down[1] + 14, f"{tick:g}", theme.soft, 'text-anchor="middle" font-size="11"')
        )
    for group, top in _places(groups, down[0]):
        for index, (name, values) in enumerate(groups[group].items()):
            middle = top + _ROW * (index + 0.5)
            parts.append(
                _text(zero - 6, middle + 4, name, theme.soft, 'text-anchor="end" font-size="11"')
            )
            colour = theme.ours if "ours" in name else theme.peer
            xs = [zero + room * value / scale.end for value in values]
            parts.append(_marks(xs, zero, middle, colour))
            label = show(median(values)) if values else "none"
            weight = ' font-weight="600"' if "ours" in name else ""
            at = _beside(xs) if xs else zero
            parts.append(_text(at + 6, middle + 4, label, theme.text, f'font-size="11"{weight}'))
    return "\n".join(parts)


def _marks(xs: Sequence[float], zero: float, y: float, colour: str) -> str:
    if len(xs) == 1:
        return (
            f'<rect class="bar" x="{zero:.1f}" y="{y - 5:.1f}" '
            f'width="{max(xs[0] - zero, 1.5):.1f}" height="10" rx="1.5" fill="{colour}"/>'
        )
    parts = [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}" fill-opacity="0.45"/>'
        for x in xs
    ]
    if xs:
        at = median(xs)
        parts.append(
            f'<line x1="{at:.1f}" y1="{y - 6:.1f}" x2="{at:.1f}" y2="{y + 6:.1f}" '
            f'stroke="{colour}" stroke-width="3"/>'
        )
    return "".join(parts)


def _beside(xs: Sequence[float]) -> float:
    """The place right of the median from which a label of `_VALUE_WIDTH` meets no mark."""
    place = median(xs)
    for x in sorted(xs):
        if place < x <= place + _VALUE_WIDTH:
            place = x
    return place


def show(value: float) -> str:
    """The value with two decimals; without any if it is a whole number or has three digits."""
    return f"{value:.0f}" if value == int(value) or value >= 100 else f"{value:.2f}"


def _text(x: float, y: float, text: str, colour: str, extra: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" {extra}>{escape(text)}</text>'
