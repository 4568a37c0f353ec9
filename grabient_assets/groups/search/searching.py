"""Search by meaning: a query in words, the nearest palettes, and why they are near."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from grabient_assets.errors import UsageError
from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.embedding.embeddings import DOCUMENT_VECTORS, folded
from grabient_assets.groups.embedding.queries import QueryVectors
from grabient_assets.groups.indexes.loaded import query_vector
from grabient_assets.groups.indexes.versions import IndexVersion, named_version
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.vectors.exact import Scored

MOST_CHARACTERS = 2_000
MOST_HITS = 10_000
REASONS = 3
"""So many of a palette's tags are shown beside a hit: those nearest to the query."""

_WORDS, _LISTS = tuple(CATEGORICAL_VALUES), ("mood", "style", "dominant_colors", "seasonal", "associations")
_FACT_LISTS = ("harmonies", "color_names")
FILTERS = (*_WORDS, *_LISTS, *_FACT_LISTS, *(f"computed_{name}" for name in _WORDS), "seed")
"""What `--where` takes: refined tags by their names, facts that are computed from the colours, and the seed."""
_HEX = re.compile(r"#([0-9a-fA-F]{6})(?![0-9a-zA-Z])")


@dataclass(frozen=True, slots=True)
class Hit:
    """A palette that was found. `score` is the cosine similarity, `why` its tags nearest to the query. `batch_id` is
    the batch of its refinement, `cost_usd` what the palette cost under this prompt version."""

    rank: int
    score: float
    vector_id: str
    seed: str
    name: str | None
    hex: tuple[str, ...]
    embed_text: str
    prompt_version: str
    batch_id: str | None
    cost_usd: Decimal
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to a query, with the index version that gave it."""

    query: str
    index: str
    version: int
    embedder: str
    elapsed_ms: float
    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """A query that was checked: its text as it is embedded, and conditions on tags and facts."""

    text: str
    limit: int = 10
    prompt_version: str | None = None
    where: tuple[tuple[str, str], ...] = ()


def checked_query(text: str, limit: int = 10, prompt_version: str | None = None, where: Sequence[str] = ()) -> Query:
    """The query, with every #rrggbb as the name of the colour. Raises UsageError for one that cannot be asked."""
    from grabient_assets.gradient.color import nearest_name

    if not 1 <= limit <= MOST_HITS:
        raise UsageError(f"--limit is {limit}; it must be from 1 to {MOST_HITS:,}.")
    if len(text) > MOST_CHARACTERS:
        raise UsageError(f"The query has {len(text):,} characters; {MOST_CHARACTERS:,} are the most.")

    def name(found: re.Match[str]) -> str:
        red, green, blue = bytes.fromhex(found[1])
        return f" {nearest_name((red, green, blue))} "

    words = _HEX.sub(name, text)
    if not any(character.isalnum() for character in words):
        shown = f"{text.strip()!r} holds no letter or digit" if text.strip() else "The query is empty"
        raise UsageError(f"{shown}. Describe a palette in words, such as 'misty forest at dawn', or by #rrggbb.")
    return Query(folded(words), limit, prompt_version, tuple(map(_condition, where)))


def _condition(text: str) -> tuple[str, str]:
    name, sign, value = (part.strip() for part in text.partition("="))
    if not sign or not value:
        raise UsageError(f"--where is {text!r}; write it as temperature=warm.")
    if name not in FILTERS:
        raise UsageError(f"--where {text!r} names {name!r}; it can be {', '.join(FILTERS)}.")
    known = CATEGORICAL_VALUES.get(name.removeprefix("computed_"))
    if known and value not in known:
        raise UsageError(f"--where {text!r}: {name} is one of {', '.join(known)}.")
    return name, value


Rank = Callable[["DuckDBPyConnection", Query, IndexVersion, Sequence[float]], "list[Scored]"]
"""Finds the entries of a version that are nearest to the vector of a query, best first."""


def search(
    query: Query,
    warehouse: Warehouse,
    vectors_of: QueryVectors,
    index_name: str = "palettes",
    version: int | None = None,
    rank: Rank | None = None,
) -> Found:
    """The hits in the live version of the index, or in another. They are found in SQL, or as `rank` does it.

    Raises UsageError when there is no index yet.
    """
    started = time.perf_counter()
    chosen = searched_version(warehouse, index_name, version)
    vector = query_vector(query.text, chosen, vectors_of)
    with warehouse.read() as connection:
        hits = details(connection, query, chosen, (rank or rank_in_sql)(connection, query, chosen, vector))
    return found(query, chosen, hits, started)


def searched_version(warehouse: Warehouse, index_name: str, version: int | None) -> IndexVersion:
    """That version of the index, or the live one. Raises UsageError when there is none."""
    if not warehouse.exists():
        raise UsageError("Nothing is loaded yet, so there is no index. Next: grabient load FILE, or grabient demo.")
    with warehouse.read() as connection:
        return named_version(connection, index_name, version)


def found(query: Query, version: IndexVersion, hits: tuple[Hit, ...], started: float) -> Found:
    """The answer to a query that `time.perf_counter()` saw start then."""
    elapsed = round((time.perf_counter() - started) * 1000, 1)
    return Found(query.text, version.index_name, version.version, version.embedder, elapsed, hits)


def rank_in_sql(
    connection: DuckDBPyConnection, query: Query, version: IndexVersion, vector: Sequence[float]
) -> list[Scored]:
    """For a process that searches once. All vectors are read."""
    from grabient_assets.vectors.exact import Scored, best_in_sql

    entries, values = matching(query, version)
    vectors = f"SELECT * FROM ({DOCUMENT_VECTORS}) WHERE embedder = $embedder AND dimensions = $dimensions"
    values |= {"embedder": version.embedder, "dimensions": version.dimensions, "query": vector, "limit": query.limit}
    statement = best_in_sql(f"SELECT e.vector_id, e.content_sha256 {entries}", vectors, version.dimensions)
    return [Scored(*row) for row in connection.execute(statement, values).fetchall()]


def matching(query: Query, version: IndexVersion, joined: bool = False) -> tuple[str, dict[str, Any]]:
    """FROM and WHERE of the entries `e` of a version that meet the conditions of a query, and their parameters. Where
    there are conditions, or they are `joined` anyway, the palettes are `p` and the refined tags `r`."""
    values: dict[str, Any] = {"index": version.index_name, "version": version.version}
    values |= {f"where{place}": value for place, (_, value) in enumerate(query.where)}
    conditions = [f"AND {comparison(name, f'$where{place}')}" for place, (name, _) in enumerate(query.where)]
    if query.prompt_version is not None:
        values["prompt_version"] = query.prompt_version
        conditions.append("AND r.prompt_version = $prompt_version")
    joins = """
        JOIN palettes p ON p.seed = e.subject
        JOIN palette_tag_refined r ON r.seed = e.subject AND r.prompt_version = (e.metadata ->> 'promptVersion')
    """
    found = f"""
        FROM index_entries e {joins if joined or conditions else ""}
        WHERE e.index_name = $index AND e.version = $version {" ".join(conditions)}
    """
    return found, values


def comparison(name: str, value: str) -> str:
    """The SQL of one condition, on palettes `p` and refined tags `r`; `value` is the name of its parameter."""
    if name in _LISTS or name in _FACT_LISTS:
        return f"list_contains({'p' if name in _FACT_LISTS else 'r'}.{name}, {value})"
    computed = name.removeprefix("computed_")
    return f"{'r' if computed == name else 'p'}.{computed} = {value}"


def details(
    connection: DuckDBPyConnection, query: Query, version: IndexVersion, best: Sequence[Scored]
) -> tuple[Hit, ...]:
    """The best ones with their details. One that left the index since, or meets the conditions no more, is left out."""
    entries, values = matching(query, version, joined=True)
    rows = connection.execute(
        f"""
        SELECT e.vector_id, r.seed, p.name, p.hex, r.embed_text, r.prompt_version, r.batch_id,
               coalesce((SELECT sum(c.cost_usd) FROM cost_by_palette c
                         WHERE c.seed = r.seed AND c.prompt_version = r.prompt_version), 0),
               list_concat(r.mood, r.style, r.dominant_colors, r.seasonal, r.associations)
        {entries} AND e.vector_id IN (SELECT unnest($ids::VARCHAR[]))
        """,
        {**values, "ids": [one.vector_id for one in best]},
    ).fetchall()
    known = {row[0]: row[1:] for row in rows}
    why = nearest_tags(query.text, {vector_id: row[-1] for vector_id, row in known.items()})
    hits: list[Hit] = []
    for rank, one in enumerate((one for one in best if one.vector_id in known), 1):
        seed, name, colours, text, prompt_version, batch_id, cost, _ = known[one.vector_id]
        palette = (one.vector_id, seed, name, tuple(colours), text, prompt_version, batch_id, cost)
        hits.append(Hit(rank, one.score, *palette, why[one.vector_id]))
    return tuple(hits)


def nearest_tags(query: str, tags: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """The tags of each palette that come nearest to the query in the table of the local embedder, best first."""
    from grabient_assets.vectors.local_embedder import embed_locally

    words = list(dict.fromkeys(tag for own in tags.values() for tag in own))
    vectors = embed_locally([query, *words])
    near = dict(zip(words, (vectors[1:] @ vectors[0]).tolist(), strict=True))
    return {
        one: tuple(sorted(dict.fromkeys(own), key=lambda tag: (-near[tag], tag))[:REASONS]) for one, own in tags.items()
    }
