"""What the checks on tags and consensus count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES, CLOSED_LISTS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Count = tuple[int, list[str]]
"""How many, and up to twenty examples."""


@dataclass(frozen=True, slots=True)
class ModelAnswers:
    """What a model answered under a prompt version: how often, how often with something unusable, and that by fate."""

    prompt_version: str
    provider: str
    model: str
    answers: int
    unusable: int
    fates: Mapping[str, int]

    @property
    def share(self) -> float:
        """The part of the answers that cannot be used, 0 to 1."""
        return self.unusable / self.answers if self.answers else 0.0


def answers_by_model(connection: DuckDBPyConnection) -> list[ModelAnswers]:
    """By prompt version, provider and model. What never came back (expired, cancelled, missing) is no answer; what was
    imported is none of ours."""
    rows = connection.execute(
        """
        WITH counted AS (
            SELECT prompt_version, provider, model, fate, count(*) AS answers,
                   count(*) FILTER (error IS NOT NULL) AS unusable
            FROM palette_tags ANTI JOIN imports ON import_id = batch_id
            WHERE fate NOT IN ('expired', 'cancelled', 'missing') GROUP BY ALL
        )
        SELECT prompt_version, provider, model, sum(answers)::BIGINT, sum(unusable)::BIGINT,
               coalesce(map_from_entries(list((fate, unusable) ORDER BY fate) FILTER (unusable > 0)), MAP {})
        FROM counted GROUP BY ALL ORDER BY ALL
        """
    ).fetchall()
    return [ModelAnswers(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class ModelWords:
    """The words of a model under a prompt version in the fields with a closed list: in how many usable answers, how
    many words, how many of them in no list, and up to five of these, as `field=word`, the most frequent first."""

    prompt_version: str
    provider: str
    model: str
    answers: int
    words: int
    outside: int
    examples: Sequence[str]

    @property
    def share(self) -> float:
        """The part of the words that stands in no list, 0 to 1."""
        return self.outside / self.words if self.words else 0.0


_LISTED = " + ".join(
    [
        *(f"({field} IS NOT NULL)::INTEGER" for field in CATEGORICAL_VALUES),
        *(f"coalesce(len({field}), 0)" for field in CLOSED_LISTS),
    ]
)


def words_by_model(connection: DuckDBPyConnection) -> list[ModelWords]:
    """By prompt version, provider and model. Answers that were read before words outside were counted are left out."""
    rows = connection.execute(
        f"""
        WITH counted AS (
            SELECT prompt_version, provider, model, count(*) AS answers, sum({_LISTED} + len(outside)) AS words,
                   sum(len(outside)) AS outside
            FROM palette_tags WHERE error IS NULL AND outside IS NOT NULL GROUP BY ALL
        ),
        named AS (
            SELECT prompt_version, provider, model, unnest(outside) AS word FROM palette_tags
            WHERE error IS NULL AND len(outside) > 0
        ),
        times AS (SELECT *, count(*) AS times FROM named GROUP BY ALL),
        examples AS (
            SELECT prompt_version, provider, model, list(word ORDER BY times DESC, word)[:5] AS examples
            FROM times GROUP BY ALL
        )
        SELECT prompt_version, provider, model, answers, words::BIGINT, outside::BIGINT, coalesce(examples, [])
        FROM counted LEFT JOIN examples USING (prompt_version, provider, model) ORDER BY ALL
        """
    ).fetchall()
    return [ModelWords(*row) for row in rows]


def palettes_without_usable_answer(connection: DuckDBPyConnection) -> Count:
    """Palettes that were answered here, and not once with something usable."""
    return _count(
        connection,
        """
        SELECT prompt_version || '|' || seed FROM palette_tags ANTI JOIN imports ON import_id = batch_id GROUP BY ALL
        HAVING count(*) FILTER (error IS NULL) = 0
        """,
    )


def overcounted_consensus(connection: DuckDBPyConnection) -> Count:
    """Palettes whose consensus counts more votes for a value than models that answered."""
    return _count(
        connection,
        """
        SELECT c.prompt_version || '|' || c.seed FROM tag_consensus c JOIN palette_tags t USING (seed, prompt_version)
        WHERE t.error IS NULL GROUP BY ALL
        HAVING any_value(c.models) > count(DISTINCT (t.provider, t.model))
        """,
    )


def _count(connection: DuckDBPyConnection, query: str) -> Count:
    rows = connection.execute(f"SELECT found FROM ({query}) AS q(found) ORDER BY 1").fetchall()
    return len(rows), [row[0] for row in rows[:20]]
