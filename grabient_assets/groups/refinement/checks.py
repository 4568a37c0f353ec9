"""What must hold of refined tags. Run with every collection, and by hand in the UI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grabient_assets.asking.checks import batch_checks, none_of
from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.refinement.refined import refinement_failures

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Count = tuple[int, list[str]]
"""How many, and up to twenty examples."""


def _outside_limits(connection: DuckDBPyConnection) -> Count:
    """Refined tags that break a limit of the source document."""
    return _count(
        connection,
        """
        SELECT prompt_version || '|' || seed FROM palette_tag_refined WHERE error IS NULL AND NOT (
            len(mood) BETWEEN 2 AND 5 AND len(style) BETWEEN 2 AND 5 AND len(dominant_colors) BETWEEN 1 AND 4
            AND len(seasonal) BETWEEN 0 AND 2 AND len(associations) BETWEEN 5 AND 10
            AND len(string_split_regex(trim(embed_text), '\\s+')) BETWEEN 30 AND 50)
        """,
    )


def _outside_enumerations(connection: DuckDBPyConnection) -> Count:
    """Values of categorical columns that are not in their enumeration."""
    outside = " UNION ALL ".join(
        f"SELECT '{column}=' || {column} FROM palette_tag_refined WHERE {column} IS NOT NULL AND {column} NOT IN "
        f"(SELECT unnest(${column}::VARCHAR[]))"
        for column in CATEGORICAL_VALUES
    )
    return _count(connection, outside, {column: list(words) for column, words in CATEGORICAL_VALUES.items()})


def _failed(connection: DuckDBPyConnection) -> Count:
    """Palettes whose refinement has failed and was not asked for once more since."""
    failed = list(refinement_failures(connection))
    return len(failed), [f"{one.prompt_version}|{one.subject}" for one in failed[:20]]


def _count(connection: DuckDBPyConnection, query: str, parameters: dict[str, list[str]] | None = None) -> Count:
    rows = connection.execute(f"SELECT found FROM ({query}) AS q(found) ORDER BY 1", parameters or {}).fetchall()
    return len(rows), [row[0] for row in rows[:20]]


refinement_checks = (
    none_of(
        "every_refinement_is_within_its_limits",
        "refined_tags",
        "Mood and style 2-5, dominant colours 1-4, seasons 0-2, associations 5-10, embed_text 30-50 words.",
        _outside_limits,
    ),
    none_of(
        "every_refined_word_is_in_its_enumeration",
        "refined_tags",
        "Temperature, contrast, brightness and saturation hold only words of their enumeration.",
        _outside_enumerations,
    ),
    none_of(
        "every_refinement_has_a_usable_answer",
        "refined_tags",
        "No refinement that was asked for has failed: unusable answer, or nothing could be asked. `grabient retry` "
        "asks for it again.",
        _failed,
    ),
    *batch_checks("refinement", "refined_tags"),
)
