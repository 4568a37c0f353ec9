"""What two prompt versions say of the same palettes, side by side: moods, styles, associations and the text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TOP_VOTES = 3
"""How many of the panel's values are shown of a list that was not refined."""


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one version for a palette. `embed_text` is None where the panel's values stand for the refined
    ones."""

    mood: tuple[str, ...]
    style: tuple[str, ...]
    associations: tuple[str, ...]
    embed_text: str | None


@dataclass(frozen=True, slots=True)
class SideBySide:
    """A palette under both versions. `hex` are its 11 colours; `kept` is the share of words that both name, 0-1."""

    seed: str
    name: str | None
    hex: tuple[str, ...]
    first: Words
    second: Words
    kept: float


def words_side_by_side(connection: DuckDBPyConnection, first: str, second: str, limit: int) -> list[SideBySide]:
    """The palettes whose words changed most between two versions, at most `limit`.

    The refined words count where both versions have them, the panel's strongest values otherwise.
    """
    rows = connection.execute(_SIDE_BY_SIDE, {"first": first, "second": second, "limit": limit}).fetchall()
    return [
        SideBySide(
            seed,
            name,
            tuple(colours),
            Words(tuple(words[0]), tuple(words[1]), tuple(words[2]), words[3]),
            Words(tuple(words[4]), tuple(words[5]), tuple(words[6]), words[7]),
            kept,
        )
        for seed, name, colours, kept, *words in rows
    ]


_SIDE_BY_SIDE = f"""
    WITH sides AS (
        SELECT seed, prompt_version, true AS refined, coalesce(mood, []) AS mood, coalesce(style, []) AS style,
               coalesce(associations, []) AS associations, embed_text
        FROM palette_tag_refined WHERE error IS NULL AND prompt_version IN ($first, $second)
        UNION ALL
        SELECT seed, prompt_version, false,
               json_extract_string(votes, '$.mood[*].value')[:{TOP_VOTES}],
               json_extract_string(votes, '$.style[*].value')[:{TOP_VOTES}],
               json_extract_string(votes, '$.associations[*].value')[:{TOP_VOTES}], NULL
        FROM tag_consensus WHERE prompt_version IN ($first, $second)
    ), pairs AS (
        SELECT one.seed, one.refined, one.mood AS mood_1, one.style AS style_1, one.associations AS associations_1,
               one.embed_text AS text_1, two.mood AS mood_2, two.style AS style_2,
               two.associations AS associations_2, two.embed_text AS text_2,
               list_concat(one.mood, one.style, one.associations) AS words_1,
               list_concat(two.mood, two.style, two.associations) AS words_2
        FROM sides one JOIN sides two ON one.seed = two.seed AND one.refined = two.refined
        WHERE one.prompt_version = $first AND two.prompt_version = $second
        QUALIFY row_number() OVER (PARTITION BY one.seed ORDER BY one.refined DESC) = 1
    )
    SELECT seed, name, hex,
           coalesce(len(list_intersect(words_1, words_2))
               / nullif(len(list_distinct(list_concat(words_1, words_2))), 0), 1.0) AS kept,
           mood_1, style_1, associations_1, text_1, mood_2, style_2, associations_2, text_2
    FROM pairs JOIN palettes USING (seed) ORDER BY kept, seed LIMIT $limit
"""
