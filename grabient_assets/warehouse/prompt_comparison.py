"""What two prompt versions made of the same palettes, measured on what both have answered.

Only answers to the wording that is compared count (by the digest of their batch), and only pairs: a palette and a model
that gave a usable answer under both versions. So neither a larger panel nor easier palettes look like a better prompt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FIELDS = tuple(CATEGORICAL_VALUES)


@dataclass(frozen=True, slots=True)
class Wording:
    """A prompt version of one purpose, as it reads now."""

    prompt_version: str
    digest: str


@dataclass(frozen=True, slots=True)
class Share:
    """A part of `of` cases, 0-1."""

    share: float
    of: int


@dataclass(frozen=True, slots=True)
class Measured:
    """One version on the compared palettes.

    `agreement`: field -> mean share of models behind the winning value, over palettes (tagging only). `accuracy`: field
    -> share of answers that name the computed fact, where the palette is clear-cut; `model_accuracy` the same per model
    over all fields. Tokens are means per usable answer, dollars too, over answers that were paid for (shared ones are
    free); None when none was. `unusable` counts failures among the requests that both versions have an end for.
    """

    answers: int
    unusable: Share
    agreement: Mapping[str, Share]
    accuracy: Mapping[str, Share]
    model_accuracy: Mapping[str, Share]
    input_tokens: float | None
    output_tokens: float | None
    usd_per_answer: Decimal | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two versions on the same palettes and models."""

    palettes: int
    models: int
    first: Measured
    second: Measured


def compare_tagging(connection: DuckDBPyConnection, first: Wording, second: Wording) -> Comparison | None:
    """Tags under both versions; None when no palette has answers of one model under both."""
    return _compare(connection, first, second, "palette_tags", _TAGS, _VOTES)


def compare_refinement(connection: DuckDBPyConnection, first: Wording, second: Wording) -> Comparison | None:
    """Refined tags under both versions; None when no palette was refined under both."""
    return _compare(connection, first, second, "palette_tag_refined", _REFINED, None)


_TAGS = "t.provider || ' ' || t.model"
_REFINED = "t.model"
_LIST = ", ".join(FIELDS)

# `side` is 1 or 2, so that the two may even be wordings of one version.
_CHOSEN = """
    ended AS (
        SELECT w.side, t.seed, {model} AS model, t.error IS NULL AS usable, t.input_tokens, t.output_tokens, t.cost_usd,
               {columns}
        FROM {table} t JOIN batches b USING (batch_id)
        JOIN (VALUES (1, $first, $first_digest), (2, $second, $second_digest)) AS w(side, version, digest)
          ON t.prompt_version = w.version AND b.prompt_digest = w.digest
    ),
    pairs AS (SELECT seed, model FROM ended WHERE usable GROUP BY ALL HAVING count(DISTINCT side) = 2),
    chosen AS (SELECT * FROM ended SEMI JOIN pairs USING (seed, model) WHERE usable),
    said AS (
        SELECT * FROM (SELECT side, seed, model, {columns} FROM chosen)
        UNPIVOT INCLUDE NULLS (value FOR field IN ({columns}))
    ),
    facts AS (
        SELECT seed, field, fact FROM (SELECT seed, clear_cut, {columns} FROM palettes)
        UNPIVOT (fact FOR field IN ({columns})) WHERE list_contains(clear_cut, field)
    )
"""

# One vote per model, for the value that most of its answers give; ties as in groups/tagging/consensus.py.
_VOTES = """
    , own AS (
        SELECT side, seed, field, model, value, count(*) AS times,
               count(*) / sum(count(*)) OVER (PARTITION BY side, seed, field, model) AS part
        FROM said GROUP BY side, seed, field, model, value
    ),
    supported AS (
        SELECT *, sum(part) OVER (PARTITION BY side, seed, field, value) AS support FROM own WHERE value IS NOT NULL
    ),
    votes AS (
        SELECT * FROM supported
        QUALIFY row_number() OVER (PARTITION BY side, seed, field, model
            ORDER BY times DESC, support DESC, list_position($order::VARCHAR[], field || ' ' || value)) = 1
    ),
    winners AS (
        SELECT side, seed, field, max(models) AS models FROM (
            SELECT side, seed, field, value, count(*) AS models FROM votes GROUP BY ALL)
        GROUP BY ALL
    ),
    panel AS (SELECT side, seed, field, count(DISTINCT model) AS models FROM said GROUP BY ALL)
    SELECT side, field, avg(coalesce(winners.models, 0) / panel.models), count(*)
    FROM panel LEFT JOIN winners USING (side, seed, field) GROUP BY ALL
"""
_ACCURACY = """
    SELECT side, {by}, avg((value IS NOT DISTINCT FROM fact)::INTEGER), count(*)
    FROM said JOIN facts USING (seed, field) GROUP BY ALL ORDER BY ALL
"""
_TOTALS = """
    SELECT side, count(*), avg(input_tokens), avg(output_tokens), sum(cost_usd) FILTER (cost_usd > 0),
           count(*) FILTER (cost_usd > 0), count(DISTINCT seed), count(DISTINCT model)
    FROM chosen GROUP BY ALL ORDER BY ALL
"""
_UNUSABLE = """
    SELECT side, avg((NOT usable)::INTEGER), count(*) FROM ended
    SEMI JOIN (SELECT seed, model FROM ended GROUP BY ALL HAVING count(DISTINCT side) = 2) USING (seed, model)
    GROUP BY ALL
"""


def _compare(
    connection: DuckDBPyConnection, first: Wording, second: Wording, table: str, model: str, votes: str | None
) -> Comparison | None:
    head = "WITH " + _CHOSEN.format(table=table, model=model, columns=_LIST)
    sides = {
        "first": first.prompt_version,
        "first_digest": first.digest,
        "second": second.prompt_version,
        "second_digest": second.digest,
    }

    def ask(query: str, **more: object) -> list[tuple]:
        return connection.execute(head + query, sides | more).fetchall()

    totals = ask(_TOTALS)
    if not totals:
        return None
    order = [f"{field} {value}" for field, values in CATEGORICAL_VALUES.items() for value in values]
    agreement = _by_side(ask(votes, order=order)) if votes else {}
    fields, models = (_by_side(ask(_ACCURACY.format(by=by))) for by in ("field", "model"))
    unusable = {side: Share(share, count) for side, share, count in ask(_UNUSABLE)}
    measured = [
        Measured(
            answers,
            unusable[side],
            agreement.get(side, {}),
            fields.get(side, {}),
            models.get(side, {}),
            inputs,
            outputs,
            Decimal(dollars) / paid if paid else None,
        )
        for side, answers, inputs, outputs, dollars, paid, _, _ in totals
    ]
    return Comparison(totals[0][6], totals[0][7], measured[0], measured[1])


def _by_side(rows: list[tuple]) -> dict[int, dict[str, Share]]:
    found: dict[int, dict[str, Share]] = {}
    for side, name, share, count in rows:
        found.setdefault(side, {})[name] = Share(share, count)
    return found
