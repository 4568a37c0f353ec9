"""`grabient search`: palettes by meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from grabient_assets.cli.console import output, print_json, shown_colours
from grabient_assets.cli.options import AsJson, open_warehouse
from grabient_assets.wording import one_line

if TYPE_CHECKING:
    from grabient_assets.groups.search.searching import Found


def search(
    query: Annotated[str, typer.Argument(help="Words, such as 'misty forest at dawn'. #rrggbb is read as a colour.")],
    limit: Annotated[int, typer.Option(metavar="N", help="So many palettes, 1 to 10,000.")] = 10,
    prompt_version: Annotated[
        str | None, typer.Option("--prompt-version", metavar="V", help="Only palettes refined under this version.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Only palettes with this tag or fact, such as temperature=warm."),
    ] = None,
    at: Annotated[
        int | None, typer.Option(metavar="INDEX_VERSION", help="Another index version than the live.")
    ] = None,
    remote: Annotated[
        bool, typer.Option("--remote", help="Ask the index at Cloudflare Vectorize; in emulator mode the emulator's.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Find palettes by meaning: colours, name, score, the tags nearest to the query, and the text."""
    from datetime import UTC, datetime

    from grabient_assets.groups.embedding.queries import query_embedder
    from grabient_assets.groups.search.searching import checked_query
    from grabient_assets.settings import load_settings

    checked = checked_query(query, limit, prompt_version, where or ())
    settings = load_settings()
    warehouse = open_warehouse(settings)
    vectors_of = query_embedder(settings, warehouse, lambda: datetime.now(UTC))
    if remote:
        from functools import partial

        from grabient_assets.groups.search.remote_search import search_remotely
        from grabient_assets.resources.modes import open_vectorize

        found = search_remotely(checked, warehouse, vectors_of, partial(open_vectorize, settings), version=at)
    else:
        from grabient_assets.groups.search.loaded_index import LoadedIndex

        found = LoadedIndex(warehouse, vectors_of).find(checked, at)
    if as_json:
        print_json(search_document(found))
    else:
        _show(found)


def search_document(found: Found) -> dict[str, Any]:
    """The document of `grabient search --json`."""
    return {
        "query": found.query,
        "index": found.index,
        "version": found.version,
        "embedder": found.embedder,
        "elapsed_ms": found.elapsed_ms,
        "hits": [
            {
                "rank": hit.rank,
                "score": hit.score,
                "vector_id": hit.vector_id,
                "seed": hit.seed,
                "name": hit.name,
                "hex": list(hit.hex),
                "embed_text": hit.embed_text,
                "prompt_version": hit.prompt_version,
                "batch_id": hit.batch_id,
                "cost_usd": float(hit.cost_usd),
                "why": list(hit.why),
            }
            for hit in found.hits
        ],
    }


def _show(found: Found) -> None:
    console = output()
    for hit in found.hits:
        heading = shown_colours(console, hit.hex, 2)
        heading.append(f"  {hit.score:.3f}  ")
        heading.append(one_line(hit.name or hit.seed), style="bold")
        console.print(heading, soft_wrap=not console.is_terminal)
        console.print(f"  {', '.join(map(one_line, hit.why))}", style="dim", highlight=False)
        console.print(f"  {one_line(hit.embed_text)}", highlight=False, soft_wrap=not console.is_terminal)
    if not found.hits:
        console.print("No palette meets these conditions.")
    console.print(
        f"{len(found.hits)} of index {found.index} version {found.version} ({found.embedder}), "
        f"{found.elapsed_ms:.0f} ms. grabient explain SEED shows every vote and cent.",
        style="dim",
        highlight=False,
        soft_wrap=not console.is_terminal,
    )
