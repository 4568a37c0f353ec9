"""`grabient import-tags`: tags that an earlier system paid for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grabient_assets.cli.console import print_json, print_note, print_output
from grabient_assets.cli.load import SHOWN, STDIN
from grabient_assets.cli.options import open_warehouse
from grabient_assets.wording import counted, harmless

if TYPE_CHECKING:
    from grabient_assets.groups.imports.importing import ImportReport


def import_tags(
    file: Annotated[Path, typer.Argument(help="Convex ZIP or JSONL, D1 SQL dump or CSV; see below.")],
    name: Annotated[
        str, typer.Option(metavar="NAME", help="Rows that name no prompt version stand under legacy-NAME.")
    ] = "unnamed",
    strict: Annotated[bool, typer.Option("--strict", help="Store nothing when any row is rejected.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON on stdout.")] = False,
) -> None:
    """Import tags and refinements that an earlier system paid for. They are never asked again.

    FILE is what `npx convex export` or `wrangler d1 export` wrote, or one table of it as JSONL or CSV:
    palette_tags, palette_tag_refined (palette_tag_refinements in D1), and with them palettes.

    Answers stand under the prompt version legacy-VERSION and count in its consensus. Their palettes are loaded.
    Rejected rows are shown with the reason and kept in the table rejected_palettes.
    """
    from datetime import UTC, datetime

    from grabient_assets.groups.imports.importing import import_answers
    from grabient_assets.partitions import add_partitions
    from grabient_assets.resources.home import dagster_instance
    from grabient_assets.settings import load_settings

    settings = load_settings()
    file = STDIN if str(file) == "-" else file
    source = "standard input" if file == STDIN else str(file.resolve() if file.is_file() else file.absolute())
    report = import_answers(open_warehouse(settings), file, source, datetime.now(UTC), name, strict)
    if report.seeds:
        add_partitions(dagster_instance(settings), report.seeds)
    _show(report, source, as_json)
    if not report.stored:
        print_note(
            f"Nothing was stored: {counted(report.rejected, 'row')} of {file} cannot be read, and --strict was given."
        )
        raise typer.Exit(1)
    if not report.answers + report.failures + report.known:
        print_note(f"No row of {file} is an answer.")
        raise typer.Exit(1)


def _show(report: ImportReport, source: str, as_json: bool) -> None:
    figures: dict[str, Any] = {
        name: getattr(report, name) for name in ("answers", "failures", "known", "rejected", "consensus")
    }
    if as_json:
        rejected = [
            {"source": one.source, "line": one.line, "entry": one.entry, "text": one.text, "reason": one.reason}
            for one in report.shown
        ]
        print_json({**figures, "palettes": len(report.seeds), "prompt_versions": report.versions, "rows": rejected})
        return
    print_output(
        f"{counted(report.answers, 'answer')} and {counted(report.failures, 'failure')} imported, "
        f"{report.known:,} known already, {report.rejected:,} rejected; {counted(len(report.seeds), 'new palette')}, "
        f"{counted(report.consensus, 'consensus', 'consensus')} built"
    )
    for version, count in sorted(report.versions.items()):
        print_output(f"  {version}: {counted(count, 'row')}")
    for one in report.shown[:SHOWN]:
        member = one.source.removeprefix(source).lstrip("/")
        entry = f", entry {one.entry}" if one.entry > 1 else ""
        place = f"{member}, " if member else ""
        print_output(f"  {place}line {one.line}{entry}: {harmless(one.reason)} ({harmless(one.text[:60])})")
    if report.rejected > SHOWN:
        print_output(f"  ... and {report.rejected - SHOWN:,} more")
    if report.stored and report.rejected:
        print_output("Rejected rows are kept in the table rejected_palettes (source, line, entry, text, reason).")
