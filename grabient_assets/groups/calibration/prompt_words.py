"""What two prompt versions say of the same palettes, side by side: moods, styles, associations and the text; and all
that was refined, for the palettes that both have refined."""

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


REFINED_VALUES = ("temperature", "contrast", "brightness", "saturation")
REFINED_LISTS = ("mood", "style", "dominant_colors", "seasonal", "associations")


@dataclass(frozen=True, slots=True)
class RefinedWords:
    """All that was refined of a palette under one version: the values by field, and the text for search."""

    fields: dict[str, tuple[str, ...]]
    embed_text: str


@dataclass(frozen=True, slots=True)
class RefinedPair:
    """A palette that was refined under both versions. `hex`, `style` and `angle` say how it is drawn; `kept` is the
    share of tags that both name, 0-1."""

    seed: str
    name: str | None
    hex: tuple[str, ...]
    style: str
    angle: float
    first: RefinedWords
    second: RefinedWords
    kept: float


def refined_pairs(
    connection: DuckDBPyConnection, first: str, second: str, limit: int, offset: int = 0, seeds: list[str] | None = None
) -> list[RefinedPair]:
    """The palettes that were refined under both versions, those whose tags changed most first; of these `seeds`, or of
    all."""
    rows = connection.execute(
        _REFINED_PAIRS, {"first": first, "second": second, "limit": limit, "offset": offset, "seeds": seeds}
    ).fetchall()
    names, width = (*REFINED_VALUES, *REFINED_LISTS), len(REFINED_VALUES) + len(REFINED_LISTS) + 1

    def words(columns: list[object]) -> RefinedWords:
        *values, text = columns
        fields = dict(zip(names, values, strict=True))
        lists = {name: tuple(one) if isinstance(one, list) else (str(one),) for name, one in fields.items() if one}
        return RefinedWords({name: lists.get(name, ()) for name in names}, str(text or ""))

    return [
        RefinedPair(seed, name, tuple(hex_), style, angle, words(rest[:width]), words(rest[width:]), kept)
        for seed, name, hex_, style, angle, kept, *rest in rows
    ]


def refined_under_both(connection: DuckDBPyConnection) -> dict[tuple[str, str], int]:
    """How many palettes were refined under both of two versions, for every two that share one."""
    rows = connection.execute(
        """
        SELECT a.prompt_version, b.prompt_version, count(*) FROM palette_tag_refined a
        JOIN palette_tag_refined b ON a.seed = b.seed AND a.prompt_version < b.prompt_version
        WHERE a.error IS NULL AND b.error IS NULL GROUP BY ALL ORDER BY ALL
        """
    ).fetchall()
    return {(first, second): count for first, second, count in rows}


_COLUMNS = ", ".join((*REFINED_VALUES, *REFINED_LISTS, "embed_text"))
_TAGS = "flatten([coalesce({0}.mood, []), coalesce({0}.style, []), coalesce({0}.associations, [])])"
_REFINED_PAIRS = f"""
    SELECT p.seed, p.name, p.hex, p.style, p.angle,
           coalesce(len(list_intersect({_TAGS.format("a")}, {_TAGS.format("b")}))
               / nullif(len(list_distinct(list_concat({_TAGS.format("a")}, {_TAGS.format("b")}))), 0), 1.0) AS kept,
           a.{_COLUMNS.replace(", ", ", a.")}, b.{_COLUMNS.replace(", ", ", b.")}
    FROM palette_tag_refined a JOIN palette_tag_refined b USING (seed) JOIN palettes p USING (seed)
    WHERE a.prompt_version = $first AND b.prompt_version = $second AND a.error IS NULL AND b.error IS NULL
      AND ($seeds::VARCHAR[] IS NULL OR p.seed IN (SELECT unnest($seeds::VARCHAR[])))
    ORDER BY kept, p.seed LIMIT $limit OFFSET $offset
"""
