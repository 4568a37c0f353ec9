"""How `grabient knowledge` shows workflows, coverage and dead letters to a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grabient_assets.cli.console import output, print_figures, print_indented
from grabient_assets.sources.problem import TRANSIENT
from grabient_assets.wording import counted, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grabient_assets.groups.knowledge.coverage import Coverage

_COLOURS = {"completed": "green", "completed_with_dead": "yellow", "failed": "red"}
_MARKS = {"empty": "0", "skipped": "S", "failed": "F", "waiting": "."}
LONGEST_TITLE = 60


def show_workflows(rows: Sequence[dict[str, Any]]) -> None:
    """A table: one workflow a line."""
    print_figures(
        output(),
        ("workflow", "status"),
        ("progress", "sources", "entries", "dead", "usd", "name"),
        [
            (
                row["workflow_id"],
                row["status"],
                f"{row['progress']} %",
                f"{row['content_processed']}/{row['total_content']}",
                str(row["entries"]),
                str(row["dead"]),
                f"{row['cost_usd']:.4f}",
                one_line(row["name"])[:LONGEST_TITLE],
            )
            for row in rows
        ],
        optional=("usd", "dead"),
    )


def show_workflow(row: dict[str, Any]) -> None:
    """One workflow: its status, what is counted of it, and its last five entries."""
    from rich.text import Text

    console = output()
    heading = Text(f"{one_line(row['name'])}  ", style="bold").append(
        f"{row['status']}, {row['progress']} %", style=f"not bold {_COLOURS.get(row['status'], '')}".strip()
    )
    console.print(heading, soft_wrap=not console.is_terminal)
    seconds = row["processing_time"]
    for line in (
        f"{row['workflow_id']}, {row['type']}",
        f"{row['content_processed']} of {counted(row['total_content'], 'source')} read, {row['dead']} dead; "
        f"{counted(row['failed_cells'], 'cell')} failed",
        f"{counted(row['entries'], 'entry', 'entries')}, {counted(row['embeddings'], 'embedding')}, "
        f"{counted(row['index_size'], 'vector')} in the index",
        f"{row['cost_usd']:.4f} USD, {seconds // 60} min {seconds % 60:02d} s",
    ):
        console.print(f"  {line}", highlight=False, soft_wrap=not console.is_terminal)
    for entry in row["latest_entries"]:
        place = "" if entry["t_start"] is None else f" at {clock(entry['t_start'])}"
        print_indented(
            console,
            f"{entry['focus_area']} {entry['type']}: {one_line(entry['content'])} ({entry['source_id']}{place})",
        )


def show_coverage(covered: Coverage) -> None:
    """A row for each source, a column for each area: how many entries, or why there is none; then the figures."""
    from grabient_assets.groups.knowledge.areas import AREAS

    console = output()
    rows = [
        (
            one_line(title)[:LONGEST_TITLE] or source_id,
            *(
                "" if (cell := cells.get(area.number)) is None else _MARKS.get(cell.state, str(cell.entries))
                for area in AREAS
            ),
        )
        for (source_id, title), cells in covered.rows.items()
    ]
    print_figures(console, ("source",), [str(area.number) for area in AREAS], rows)
    figures = covered.figures
    states = ", ".join(f"{count} {state}" for state, count in figures["by_state"].items() if count)
    share = "" if figures["coverage"] is None else f": {figures['coverage']:.0%} covered"
    grounded = (
        "" if figures["grounded"] is None else f"; {figures['grounded']:.0%} of what models gave stands in the text"
    )
    for line in (
        f"{counted(figures['cells'], 'cell')}{share} ({states or 'none'}). 0: the source says nothing of the area; "
        "S: skipped; F: failed; .: waiting.",
        f"{counted(sum(figures['entries_by_area'].values()), 'entry', 'entries')}{grounded}; "
        f"{figures['quarantined']} quarantined, {counted(figures['duplicates'], 'duplicate')}.",
    ):
        console.print(line, highlight=False, soft_wrap=not console.is_terminal)


def show_dead(rows: Sequence[dict[str, Any]]) -> None:
    """Each dead letter with its reason, and what a re-drive would read where that is known."""
    console = output()
    for row in rows:
        tries = counted(row["attempts"], "try", "tries")
        console.print(
            f"{row['item_id']}  {row['error_class']}, {tries}, {row['completed_at'][:16]}",
            style="bold",
            highlight=False,
            soft_wrap=not console.is_terminal,
        )
        for line in (row["locator"], row["last_error"], row.get("redrive_would")):
            if line:
                print_indented(console, one_line(line))
    classes = sorted({row["error_class"] for row in rows}, key=lambda one: (one not in TRANSIENT, one))
    console.print(
        f"{counted(len(rows), 'dead letter')}. One class again: grabient knowledge redrive {classes[0]} --run",
        style="dim",
        highlight=False,
        soft_wrap=not console.is_terminal,
    )


def clock(seconds: float) -> str:
    """`1:02:03` or `2:03`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
