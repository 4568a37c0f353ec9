"""`grabient reparse`: reads the archived answers again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from grabient_assets.cli.console import print_json, print_note, print_output
from grabient_assets.cli.options import open_warehouse
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from grabient_assets.ledger.reparse import Reparsed
    from grabient_assets.settings import Settings
    from grabient_assets.warehouse.connection import Warehouse


def reparse(
    batch: Annotated[
        list[str] | None, typer.Argument(metavar="[BATCH]...", help="Only these, by our id or the provider's.")
    ] = None,
    prompt_version: Annotated[
        str | None, typer.Option(metavar="V", help="Only what was asked under this version.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="What changed, as JSON on stdout.")] = False,
) -> None:
    """Rebuild tags, consensus and costs from the raw archive, after the rules for reading answers changed.

    Nothing is asked and nothing is paid; the same archive gives the same rows. Batches that carried the same requests
    are read together.
    """
    from grabient_assets.headless.run_goal import answered_prompt_version
    from grabient_assets.settings import load_settings

    settings = load_settings()
    warehouse = open_warehouse(settings)
    if prompt_version is not None:
        answered_prompt_version(prompt_version, warehouse)
    done = read_again(batch or [], prompt_version, warehouse, settings)
    _show(done, as_json)
    if done.troubles:
        raise typer.Exit(1)


def read_again(names: list[str], version: str | None, warehouse: Warehouse, settings: Settings) -> Reparsed:
    """Read these batches again, those of the prompt version, or all."""
    from grabient_assets.groups.purposes import PURPOSES, reader_of
    from grabient_assets.ledger.reparse import reparse_batches
    from grabient_assets.providers.connect import line_reader
    from grabient_assets.resources.modes import key_of, usable_providers
    from grabient_assets.resources.objects import open_store

    store = open_store(settings)
    return reparse_batches(
        names,
        version,
        warehouse,
        store,
        PURPOSES,
        reader_of(warehouse, store),
        lambda provider: line_reader(provider, key_of(settings, provider)),
        usable_providers(settings),
    )


def _show(done: Reparsed, as_json: bool) -> None:
    for _, trouble in done.troubles:
        print_note(f"{trouble} The rows of this batch stay as they are.")
    if as_json:
        print_json(
            {
                "batches": done.batches,
                "answers": done.answers,
                "fates": [{"from": was, "to": now, "requests": n} for (was, now), n in sorted(done.fates.items())],
                "removed_rows": done.gone,
                "consensus": done.followed["consensus"],
                "outdated_refinements": done.followed["outdated"],
                "troubles": [{"batch_id": batch_id, "said": trouble} for batch_id, trouble in done.troubles],
            }
        )
        return
    consensus, outdated = (done.followed[name] for name in ("consensus", "outdated"))
    print_output(
        f"{counted(done.answers, 'answer')} of {counted(done.batches, 'batch', 'batches')} read again; "
        f"{consensus:,} consensus changed"
    )
    for (was, now), count in sorted(done.fates.items()):
        print_output(f"  {was} -> {now}: {count}")
    if done.gone:
        print_output(
            f"  {counted(done.gone, 'row is', 'rows are')} gone: nothing final is known of them. "
            "The next `grabient run` asks again."
        )
    if outdated:
        print_output(
            f"{counted(outdated, 'palette')} refined from an earlier consensus; "
            "the next `grabient run` refines them again."
        )
