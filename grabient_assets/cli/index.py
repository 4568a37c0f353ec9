"""`grabient index`: the versions of the index, and keeping it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from grabient_assets.cli.console import output, print_json, print_note
from grabient_assets.cli.options import AsJson, one_of, open_warehouse
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from grabient_assets.groups.indexes.keeping import KeptIndex
    from grabient_assets.groups.indexes.versions import IndexVersion
    from grabient_assets.warehouse.connection import Warehouse

index = typer.Typer(help="The versions of the search index: status, sync, verify, rollback.", no_args_is_help=True)
INDEXES = ("palettes", "knowledge")
Named = Annotated[str, typer.Option("--index", metavar="INDEX", help="palettes or knowledge.")]
NAMED_AT_MOST = 20


def _opened(name: str) -> Warehouse:
    from grabient_assets.settings import load_settings

    one_of(name, INDEXES, "--index")
    return open_warehouse(load_settings())


def _kept(name: str) -> KeptIndex[Any]:
    if name == "knowledge":
        from grabient_assets.groups.retrieval.entry_index import KEPT_KNOWLEDGE

        return KEPT_KNOWLEDGE
    from grabient_assets.groups.search.palette_index import KEPT_PALETTES

    return KEPT_PALETTES


@index.command(epilog="Example: grabient index status")
def status(name: Named = "palettes", as_json: AsJson = False) -> None:
    """List the versions of the index, the newest first."""
    from grabient_assets.groups.indexes.versions import index_versions

    warehouse = _opened(name)
    found: list[IndexVersion] = []
    if warehouse.exists():
        with warehouse.read() as connection:
            found = index_versions(connection, name)
    if as_json:
        print_json({"index": name, "versions": [_document(one) for one in found]})
        return
    console = output()
    for one in found:
        console.print(_line(one), highlight=False, soft_wrap=not console.is_terminal)
    if not found:
        console.print(f"There is no version yet. `grabient index sync --index {name}` builds one of what is there.")


@index.command(epilog="Example: grabient index sync")
def sync(name: Named = "palettes", as_json: AsJson = False) -> None:
    """Give the texts their vectors, and make the index hold exactly what it should."""
    from datetime import UTC, datetime

    from grabient_assets.groups.indexes.keeping import keep
    from grabient_assets.settings import load_settings

    warehouse = _opened(name)
    kept = keep(_kept(name), load_settings(), warehouse, lambda: datetime.now(UTC))
    done = kept.synced
    for sentence in (*kept.failed[:NAMED_AT_MOST], *kept.notes, *filter(None, [done and done.held])):
        print_note(sentence)
    if as_json:
        version = _document(done.version) if done else None
        counts = {k: getattr(done, k) if done else 0 for k in ("added", "replaced", "removed", "on_the_way")}
        print_json({"index": name, "embedded": kept.embedded, "failed": len(kept.failed), **counts, "version": version})
    elif done is None:
        output().print(_kept(name).empty)
    else:
        output().print(
            f"{counted(kept.embedded, 'text')} embedded; {done.added} added, {done.replaced} replaced, "
            f"{done.removed} removed, {done.on_the_way} on the way.\n{_line(done.version)}",
            highlight=False,
        )
    if done and done.held:
        raise typer.Exit(1)


@index.command(epilog="Example: grabient index verify")
def verify(name: Named = "palettes", as_json: AsJson = False) -> None:
    """List the ids by which the live version differs from what it should hold; exit 1 when there is one.

    A version that is kept at Cloudflare is compared with what Cloudflare lists, too.
    """
    from grabient_assets.groups.indexes.keeping import index_differences
    from grabient_assets.settings import load_settings

    warehouse = _opened(name)
    version, found = index_differences(_kept(name), load_settings(), warehouse)
    kinds = {"missing": found.missing, "stale": found.stale, "orphaned": found.orphaned}
    if as_json:
        print_json({"index": name, "version": version.version, **{kind: list(ids) for kind, ids in kinds.items()}})
    else:
        for kind, ids in kinds.items():
            named = "; ".join(ids[:NAMED_AT_MOST]) + ("; ..." if len(ids) > NAMED_AT_MOST else "")
            output().print(f"{len(ids)} {kind}" + (f": {named}" if ids else ""), highlight=False, soft_wrap=True)
        if found:
            output().print(f"`grabient index sync --index {name}` heals them.")
    if found:
        raise typer.Exit(1)


@index.command(epilog="Example: grabient index rollback --to 1")
def rollback(
    to: Annotated[int | None, typer.Option(metavar="VERSION", help="Default: the one that was live before.")] = None,
    name: Named = "palettes",
    as_json: AsJson = False,
) -> None:
    """Search an earlier version again. The version it replaces is not built again by itself."""
    from datetime import UTC, datetime

    from grabient_assets.groups.indexes.versions import roll_back

    now_live, left = roll_back(_opened(name), name, to, datetime.now(UTC))
    if as_json:
        print_json({"index": name, "live": _document(now_live), "left": left.version})
    else:
        output().print(f"Version {left.version} was left.\n{_line(now_live)}", highlight=False)


def _document(version: IndexVersion) -> dict[str, Any]:
    from dataclasses import asdict
    from datetime import datetime

    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in asdict(version).items()}


def _line(one: IndexVersion) -> str:
    where = f"vectorize {one.remote_name}" if one.remote_name else one.backend
    text = f"{one.index_name} version {one.version}: {one.state}, {one.present} of {counted(one.wanted, 'vector')}, "
    return f"{text}{one.embedder}, {one.dimensions} dimensions, {where}." + (f" {one.error}" if one.error else "")
