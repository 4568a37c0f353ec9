"""The annotations of one prompt version, as whole numbers: the input of the room `consensus`.

Items are palettes by seed, annotators models by provider and name, both in the order of the alphabet. Everything is
numbered by DuckDB and arrives as arrays of the smallest numbers that fit, so 100,000 palettes with twenty answers each
need two MB per categorical field and up to a hundred per tag field.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from numpy.typing import NDArray

    Ints = NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Answered:
    """The palettes and models with a usable answer, in the order of their codes; `item` and `annotator` per answer."""

    seeds: tuple[str, ...]
    models: tuple[tuple[str, str], ...]
    item: Ints
    annotator: Ints


def number_answers(connection: DuckDBPyConnection, prompt_version: str, among: Sequence[str] | None = None) -> Answered:
    """Number the usable answers of the version, for the functions below on the same connection.

    `among`: only those about these palettes, by seed.
    """
    connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE numbered_palettes AS
        SELECT seed, $1 AS prompt_version, (row_number() OVER (ORDER BY seed) - 1)::INTEGER AS item
        FROM (SELECT DISTINCT seed FROM palette_tags
              WHERE prompt_version = $1 AND error IS NULL
                AND ($2 OR seed IN (SELECT unnest($3::VARCHAR[]))))
        """,
        [prompt_version, among is None, list(among or ())],
    )
    connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE numbered_models AS
        SELECT provider, model, (row_number() OVER (ORDER BY provider, model) - 1)::INTEGER AS annotator
        FROM (SELECT DISTINCT provider, model FROM palette_tags SEMI JOIN numbered_palettes USING (seed)
              WHERE prompt_version = $1 AND error IS NULL)
        """,
        [prompt_version],
    )
    connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE numbered_answers AS
        SELECT (row_number() OVER (ORDER BY item, annotator, analysis_index) - 1)::INTEGER AS answer,
               item, annotator, analysis_index
        FROM palette_tags JOIN numbered_palettes USING (seed, prompt_version)
        JOIN numbered_models USING (provider, model) WHERE error IS NULL
        """
    )
    seeds = connection.execute("SELECT seed FROM numbered_palettes ORDER BY item").fetchall()
    models = connection.execute("SELECT provider, model FROM numbered_models ORDER BY annotator").fetchall()
    found = _arrays(connection, "SELECT item, annotator FROM numbered_answers ORDER BY answer")
    return Answered(tuple(row[0] for row in seeds), tuple(models), found["item"], found["annotator"])


_ANSWERS = """
    palette_tags t JOIN numbered_palettes USING (seed, prompt_version) JOIN numbered_models USING (provider, model)
    JOIN numbered_answers n USING (item, annotator, analysis_index)
"""
"""The numbered answers with their rows."""


def value_codes(connection: DuckDBPyConnection, field: str, values: Sequence[str]) -> Ints:
    """The code of each answer's value of a categorical field, -1 for none."""
    found = _arrays(
        connection,
        f"""
        SELECT coalesce(list_position($values::VARCHAR[], t.{field}), 0)::INTEGER - 1 AS value
        FROM {_ANSWERS} ORDER BY n.answer
        """,
        {"values": list(values)},
    )
    return found["value"].astype(np.int8)


def distinct_tags(connection: DuckDBPyConnection, field: str) -> list[str]:
    """The distinct tags of a field."""
    rows = connection.execute(
        f"""
        SELECT DISTINCT unnest(t.{field}) AS word FROM {_ANSWERS} ORDER BY 1
        """
    ).fetchall()
    return [row[0] for row in rows]


def tag_codes(connection: DuckDBPyConnection, field: str, codes: Mapping[str, int]) -> tuple[Ints, Ints]:
    """(answer, tag): one row per tag of each answer. `codes`: the number of each word, several may share one."""
    found = _arrays(
        connection,
        f"""
        WITH words AS (SELECT unnest($words::VARCHAR[]) AS word, unnest($codes::INTEGER[]) AS tag)
        SELECT s.answer, w.tag FROM (
            SELECT n.answer, unnest(t.{field}) AS word FROM {_ANSWERS}) s JOIN words w USING (word)
        """,
        {"words": list(codes), "codes": list(codes.values())},
    )
    return found["answer"], found["tag"].astype(np.min_scalar_type(max(codes.values(), default=0)))


def clear_values(connection: DuckDBPyConnection, field: str, values: Sequence[str]) -> Ints:
    """The code of the computed value per palette where the field is clear-cut, else -1."""
    found = _arrays(
        connection,
        f"""
        SELECT CASE WHEN list_contains(p.clear_cut, $field)
                    THEN coalesce(list_position($values::VARCHAR[], p.{field}), 0)::INTEGER - 1 ELSE -1 END AS value
        FROM numbered_palettes n JOIN palettes p USING (seed) ORDER BY n.item
        """,
        {"field": field, "values": list(values)},
    )
    return found["value"]


def computed_words(connection: DuckDBPyConnection, column: str, words: Sequence[str]) -> tuple[Ints, Ints]:
    """(item, word): one row per word of a computed list of the palettes that is among `words`, as its place there."""
    found = _arrays(
        connection,
        f"""
        WITH words AS (SELECT unnest($words::VARCHAR[]) AS word, unnest(range(len($words)))::INTEGER AS place)
        SELECT s.item, w.place FROM (
            SELECT n.item, unnest(p.{column}) AS word FROM numbered_palettes n JOIN palettes p USING (seed)) s
        JOIN words w USING (word)
        """,
        {"words": list(words)},
    )
    return found["item"], found["place"]


def computed_colours(connection: DuckDBPyConnection) -> Ints:
    """The colours of the palettes, shape (palettes, 11, 3), 0 to 255."""
    columns = ", ".join(f"p.rgb[{colour}][{channel}]" for colour in range(1, 12) for channel in range(1, 4))
    found = _arrays(
        connection, f"SELECT {columns} FROM numbered_palettes n JOIN palettes p USING (seed) ORDER BY n.item"
    )
    return np.stack([column.astype(np.uint8) for column in found.values()], axis=1).reshape(-1, 11, 3)


def _arrays(
    connection: DuckDBPyConnection, query: str, parameters: Mapping[str, object] | None = None
) -> dict[str, Ints]:
    return cast("dict[str, Ints]", connection.execute(query, dict(parameters or {})).fetchnumpy())
