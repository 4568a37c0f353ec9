"""The two charts of docs/consensus.md, as one SVG without a library."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10

from simulation.annotators import SCENARIOS
from simulation.growth import Cost
from simulation.quality import METHODS, Quality

COLOURS: dict[str, str] = dict(zip(METHODS, ("#8a8a8a", "#c98a1b", "#2f6db5", "#1f8a5b", "#7b4fb0"), strict=True))
TEXT = 'font-family="sans-serif" font-size="12" fill="#333"'


def figure(quality: Sequence[Quality], costs: Sequence[Cost]) -> str:
    """Accuracy per scenario and method on the left, seconds by items (both axes logarithmic) on the right."""
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 880 330" width="880" height="330">',
        '<rect width="880" height="330" fill="white"/>',
        *_accuracies(quality),
        *_growth(costs),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _accuracies(quality: Sequence[Quality]) -> list[str]:
    left, right, least = 100, 470, 0.4

    def x(accuracy: float) -> float:
        return left + (right - left) * (max(accuracy, least) - least) / (1 - least)

    parts = [_text(left, 22, f"Accuracy on {quality[0].items:,} items, gold not counted")]
    for mark in (0.4, 0.6, 0.8, 1.0):
        parts += [_line(x(mark), 40, x(mark), 245, "#ddd"), _text(x(mark), 260, f"{mark:.0%}", "middle")]
    for number, scenario in enumerate(SCENARIOS):
        y = 60 + 34 * number
        parts += [_line(left, y, right, y, "#eee"), _text(left - 8, y + 4, scenario, "end")]
        rows = [row for row in quality if row.scenario == scenario]
        for place, row in enumerate(rows):
            parts.append(_dot(x(row.accuracy), y + 5 * (place - 2), COLOURS[row.method]))
    for place, method in enumerate(METHODS):
        column, row = divmod(place, 2)
        parts += [
            _dot(left + 130 * column, 285 + 18 * row, COLOURS[method]),
            _text(left + 130 * column + 8, 289 + 18 * row, method),
        ]
    return parts


def _growth(costs: Sequence[Cost]) -> list[str]:
    left, right, top, bottom = 560, 850, 45, 245
    points = [(log10(cost.items), log10(max(cost.seconds, 0.01))) for cost in costs]
    low, high = min(x for x, _ in points), max(x for x, _ in points)
    floor, roof = -2.0, 2.0

    def x(value: float) -> float:
        return left + (right - left) * (value - low) / max(high - low, 1)

    def y(value: float) -> float:
        return bottom - (bottom - top) * (value - floor) / (roof - floor)

    parts = [_text(left, 22, "Seconds for all fields and tags, 10 models x 2")]
    for power in range(-2, 3):
        parts += [
            _line(left, y(power), right, y(power), "#ddd"),
            _text(left - 8, y(power) + 4, f"{10.0**power:g}", "end"),
        ]
    last = points[-1]
    start = max(low, last[0] - (last[1] - floor))
    parts.append(_line(x(start), y(last[1] - (last[0] - start)), x(last[0]), y(last[1]), "#999", dashed=True))
    for cost, (across, up) in zip(costs, points, strict=True):
        parts += [_dot(x(across), y(up), "#2f6db5"), _text(x(across), bottom + 15, f"{cost.items:,}", "middle")]
    return [*parts, _text(left, 289, "dashed: linear, through the last point")]


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {TEXT}>{words}</text>'


def _dot(x: float, y: float, colour: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, dashed: bool = False) -> str:
    dashes = ' stroke-dasharray="4 3"' if dashed else ""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"{dashes}/>'
