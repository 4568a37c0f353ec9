"""`grabient edits`: an editor changes an image, and nothing outside of the region that it was given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grabient_assets.cli.console import print_json, print_note, print_output
from grabient_assets.cli.edits_parts import (
    DAY,
    NONE_YET,
    Batch,
    Creativity,
    EditName,
    Editor,
    Going,
    MaxUsd,
    Plan,
    PromptVersion,
    Quality,
    Run,
    StrictSize,
    Timeout,
    document,
    follow,
    go,
    money_of,
    opened,
    show_edit,
    typed_mask,
    typed_reference,
)
from grabient_assets.cli.options import AsJson, Yes, open_warehouse
from grabient_assets.wording import counted, one_line

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.groups.edits.asking import Wish
    from grabient_assets.store.objects import ObjectStore

edits = typer.Typer(
    help="Image edits and their chains: new, list, show, run, cancel, retry, replay, export.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
Image = Annotated[
    str, typer.Argument(metavar="IMAGE", help="An image_id, a run_id, an edit_id, or a unique beginning of one.")
]


@edits.command(
    epilog="Example: grabient edits new IMAGE --kind prompt --prompt 'a red door' --mask 0.4,0.5,0.2,0.4 --run"
)
def new(
    image: Image,
    kind: Annotated[str, typer.Option(metavar="K", help="subject, text or prompt.")],
    prompt: Annotated[str | None, typer.Option(metavar="T", help="What to change, for kind prompt.")] = None,
    instructions: Annotated[str | None, typer.Option(metavar="T", help="What to repair, for subject and text.")] = None,
    mask: Annotated[
        str | None,
        typer.Option(metavar="x,y,w,h|FILE", help="Where: fractions of width and height, or a PNG, transparent there."),
    ] = None,
    reference: Annotated[
        str | None, typer.Option(metavar="FILE", help="How it should look: a picture, or a stored image.")
    ] = None,
    editor: Editor = None,
    quality: Quality = None,
    creativity: Creativity = None,
    strict_size: StrictSize = False,
    batch: Batch = False,
    prompt_version: PromptVersion = None,
    max_usd: MaxUsd = None,
    plan: Plan = False,
    run: Run = False,
    timeout: Timeout = DAY,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Ask an editor to change an image. The price comes first. With --run, exit 1 unless it is done."""
    from grabient_assets.groups.edits.asking import Wish

    wish = Wish(
        image=image,
        kind=kind,
        prompt=prompt,
        instructions=instructions,
        mask=typed_mask(mask),
        reference=typed_reference(reference),
        editor=editor,
        quality=quality,
        creativity=2 if creativity is None else creativity,
        strict_size=strict_size,
        delivery="batch" if batch else "direct",
        prompt_version=prompt_version,
    )
    go(lambda *_: wish, Going(max_usd, plan, run, timeout, yes, as_json))


@edits.command(epilog="Example: grabient edits replay latest --onto IMAGE --run")
def replay(
    edit: EditName,
    onto: Annotated[str, typer.Option(metavar="IMAGE", help="The image to edit, such as the root of the chain.")],
    editor: Editor = None,
    quality: Quality = None,
    creativity: Creativity = None,
    strict_size: StrictSize = False,
    batch: Batch = False,
    prompt_version: PromptVersion = None,
    max_usd: MaxUsd = None,
    plan: Plan = False,
    run: Run = False,
    timeout: Timeout = DAY,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Do on another image, in one edit, what the chain up to this edit did. What is not named stays as it was there."""
    opened(edit)

    def wish_of(connection: DuckDBPyConnection, store: ObjectStore) -> Wish:
        from grabient_assets.headless.edit_replay import replay_wish

        wish = replay_wish(connection, store, edit, onto)
        return replace(
            wish,
            editor=editor or wish.editor,
            quality=quality or (wish.quality if editor is None else None),
            creativity=wish.creativity if creativity is None else creativity,
            strict_size=strict_size or wish.strict_size,
            delivery="batch" if batch else wish.delivery,
            prompt_version=prompt_version,
        )

    go(wish_of, Going(max_usd, plan, run, timeout, yes, as_json))


@edits.command("run", epilog="Example: grabient edits run latest")
def run_edit(edit: EditName = "latest", timeout: Timeout = DAY, as_json: AsJson = False) -> None:
    """Carry an edit to its end here, without a daemon. One that is over is only shown."""
    warehouse, settings, found = opened(edit)
    if found.settled:
        show_edit(found.edit_id, warehouse, as_json=as_json, ended=True)
        return
    follow(found.edit_id, warehouse, settings, timeout, as_json=as_json)


@edits.command(epilog="Example: grabient edits show latest --json")
def show(edit: EditName = "latest", as_json: AsJson = False) -> None:
    """Show all of an edit: what was sent, what was measured, what it cost, why it failed. Exit 1 when it failed."""
    warehouse, _, found = opened(edit)
    show_edit(found.edit_id, warehouse, as_json=as_json)


@edits.command("list", epilog="Example: grabient edits list IMAGE")
def list_edits(
    root: Annotated[
        str | None,
        typer.Argument(metavar="[ROOT]", help="An image or edit of the chain, or `latest`; default: all roots."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a chain as a tree: every edit below its parent, with its label, status and cost."""
    from grabient_assets.errors import UsageError
    from grabient_assets.headless.edit_documents import chain_document, named_root, roots_document
    from grabient_assets.settings import load_settings

    warehouse = open_warehouse(load_settings())
    if root is not None:
        if not warehouse.exists():
            raise UsageError(NONE_YET)
        with warehouse.read() as connection:
            chain = chain_document(connection, named_root(connection, root))
        if as_json:
            print_json(chain)
        else:
            _print_chain(chain)
        return
    rows: list[dict[str, Any]] = []
    if warehouse.exists():
        with warehouse.read() as connection:
            rows = roots_document(connection)
    if as_json:
        print_json({"roots": rows})
        return
    for row in rows:
        counts = ", ".join(f"{count} {status}" for status, count in row["counts"].items())
        print_output(f"{_root(row)}: {counts}; {money_of(row)}")
    if not rows:
        print_note(NONE_YET)


@edits.command(epilog="Example: grabient edits cancel latest")
def cancel(edit: EditName, as_json: AsJson = False) -> None:
    """Cancel an edit at any stage. A call that is under way is let go, and may be billed; its picture is not kept."""
    from datetime import UTC, datetime

    from grabient_assets.groups.edits.cancelling import cancel_edit
    from grabient_assets.headless.cancelling import cancel as cancel_batch

    warehouse, settings, found = opened(edit)
    done = cancel_edit(warehouse, found.edit_id, datetime.now(UTC))
    if done.at_provider:
        cancel_batch(done.at_provider, warehouse, settings, 1800, print_note, give_up=False)
    if as_json:
        print_json({**document(found.edit_id, warehouse), "changed": done.changed, "said": done.sentence})
    else:
        print_output(done.sentence)


@edits.command(epilog="Example: grabient edits retry latest --run")
def retry(edit: EditName = "latest", run: Run = False, timeout: Timeout = DAY, as_json: AsJson = False) -> None:
    """Ask again for an edit that failed, was rejected or cancelled."""
    from datetime import UTC, datetime

    from grabient_assets.groups.edits.asking import retry_edit
    from grabient_assets.ledger.asking import begin_asking
    from grabient_assets.resources.modes import answers_from

    warehouse, settings, found = opened(edit)
    asked_from = answers_from(settings)
    with warehouse.write() as connection:
        now = begin_asking(connection, asked_from, datetime.now(UTC))
        retry_edit(connection, found, asked_from, now)
    print_note(f"{found.edit_id} ({found.label}) is asked again.")
    if run:
        follow(found.edit_id, warehouse, settings, timeout, as_json=as_json)
    elif as_json:
        print_json(document(found.edit_id, warehouse))


@edits.command(epilog="Example: grabient edits export IMAGE --out chain")
def export(
    root: Annotated[str, typer.Argument(metavar="ROOT", help="An image or edit of the chain, or `latest`.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="A folder; it is made, and files in it are replaced.")],
) -> None:
    """Write a chain as a folder: originals, refinements, refinements.json and pipeline_metadata.json."""
    from grabient_assets.errors import UsageError
    from grabient_assets.headless.edit_documents import export_chain, named_root
    from grabient_assets.resources.objects import open_store
    from grabient_assets.settings import load_settings

    settings = load_settings()
    warehouse = open_warehouse(settings)
    if not warehouse.exists():
        raise UsageError(NONE_YET)
    with warehouse.read() as connection:
        found = named_root(connection, root)
    written = export_chain(found, warehouse, open_store(settings), out)
    print_output(f"{counted(written, 'image')}, refinements.json and pipeline_metadata.json are in {out}")


def _root(row: dict[str, Any]) -> str:
    removed = "  (removed)" if row["removed"] else ""
    return f"{row['root_image'][:12]}  {row['made_by'] or '-'} {one_line(row['subject'] or '')}{removed}"


def _print_chain(chain: dict[str, Any]) -> None:
    """The root, and below each image the edits that were made of it."""
    print_output(f"v1  {_root(chain)}")

    def branch(parent: str | None, level: int) -> None:
        for one in chain["edits"]:
            if one["parent_edit"] == parent:
                removed = "  (removed)" if one["removed"] else ""
                print_output(
                    f"{'  ' * level}{one['label']}  {one['edit_id']}  {one['status']}  {money_of(one)}  "
                    f"{one_line(one['summary'])}{removed}"
                )
                branch(one["edit_id"], level + 1)

    branch(None, 1)
    print_output(f"{counted(len(chain['edits']), 'edit')}; {money_of(chain)}")
