"""The coverage as a picture: a row for each source, a column for each focus area, a square for each cell. SVG text.

It has a ground of its own, so that it can be read on a light and on a dark page. A state is told by its letter, and an
ok cell by its number; the colours stay different for people who see fewer of them.
"""

from __future__ import annotations

from grabient_assets.groups import charts
from grabient_assets.groups.knowledge.areas import AREAS
from grabient_assets.groups.knowledge.coverage import Cell, CellState, Coverage
from grabient_assets.wording import counted

ROW, COLUMN, LABEL, HEAD, EDGE = 18, 30, 330, 136, 12
"""Pixels of a row, a column, the titles, the names of the areas, and around all."""
LONGEST_TITLE = 52
GROUND, INK = "#ffffff", "#333333"
LOOKS: dict[CellState, tuple[str, str, str]] = {
    "ok": ("#0b5394", "#ffffff", "12"),
    "empty": ("#9fd0f5", "#10243a", "0"),
    "skipped": ("#dcdcdc", "#333333", "S"),
    "failed": ("#e06c00", "#000000", "F"),
    "waiting": ("#ffffff", "#555555", "·"),
}
"""Fill, ink, and what stands in the square; for ok it is the number of entries."""
MEANINGS: dict[CellState, str] = {
    "ok": "entries found",
    "empty": "nothing to say",
    "skipped": "no word of the area",
    "failed": "failed",
    "waiting": "waiting",
}


def coverage_picture(coverage: Coverage) -> str:
    """SVG text. Text of sources is escaped and cut. Without a cell it is a sentence."""
    rows = coverage.rows
    left, top = EDGE + LABEL, EDGE + HEAD
    bottom = top + ROW * len(rows)
    width = left + COLUMN * len(AREAS) + 96
    parts = [f'<rect width="100%" height="100%" rx="6" fill="{GROUND}"/>']
    for at, area in enumerate(AREAS):
        x = left + COLUMN * at + COLUMN // 2
        words = charts.text(0, 4, f"{area.number} {area.name}", "start", colour=INK)
        parts.append(f'<g transform="translate({x} {top - 8}) rotate(-52)">{words}</g>')
    for at, ((_, title), cells) in enumerate(rows.items()):
        y = top + ROW * at
        if at % 5 == 0 and at:
            parts.append(f'<path stroke="#ddd" d="M{EDGE} {y - 0.5}H{left + COLUMN * len(AREAS)}"/>')
        parts.append(charts.text(left - 8, y + 13, cut(title), "end", colour=INK))
        parts += [_square(left + COLUMN * (area - 1), y, cell) for area, cell in cells.items()]
    figures = coverage.figures
    x, y = EDGE, bottom + 24
    for state, meaning in MEANINGS.items():
        words = f"{meaning}: {figures['by_state'][state]}"
        parts += [_look(x, y - 13, state, LOOKS[state][2]), charts.text(x + COLUMN + 4, y, words, "start", colour=INK)]
        x += COLUMN + 24 + 6 * len(words)
    parts.append(charts.text(EDGE, y + 22, _sentence(coverage), "start", colour=INK))
    return charts.chart(max(width, x), y + 34, parts)


def cut(title: str) -> str:
    """The title in one line, as long as the picture has room for."""
    line = " ".join("".join(one if one.isprintable() else " " for one in title).split())
    return line if len(line) <= LONGEST_TITLE else f"{line[: LONGEST_TITLE - 1]}…"


def _square(x: float, y: float, cell: Cell) -> str:
    return _look(x, y, cell.state, f"{cell.entries}" if cell.state == "ok" else LOOKS[cell.state][2])


def _look(x: float, y: float, state: CellState, shown: str) -> str:
    fill, ink, _ = LOOKS[state]
    edge = ' stroke="#767676" stroke-dasharray="3 2"' if state == "waiting" else ""
    box = f'<rect x="{x + 1.5}" y="{y + 1.5}" width="{COLUMN - 3}" height="{ROW - 3}" rx="2" fill="{fill}"{edge}/>'
    return box + charts.text(x + COLUMN / 2, y + 13, shown, "middle", colour=ink)


def _sentence(coverage: Coverage) -> str:
    figures = coverage.figures
    if not figures["cells"]:
        return "There is nothing to read yet."
    of = f"{counted(figures['cells'], 'cell')} of {counted(len(coverage.rows), 'source')}"
    each = "" if figures["yield"] is None else f"; {figures['yield']:.1f} entries for each cell that has some"
    return f"{figures['coverage']:.0%} of {of} covered{each}."
