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
    return _compare(connection, first, second, "palette_tags", _TAGS, votes=True)


def compare_refinement(connection: DuckDBPyConnection, first: Wording, second: Wording) -> Comparison | None:
    """Refined tags under both versions; None when no palette was refined under both."""
    return _compare(connection, first, second, "palette_tag_refined", _REFINED, votes=False)


_TAGS = "t.provider || ' ' || t.model"
_REFINED = "t.model"

# `side` is 1 or 2, so that the two may even be wordings of one version. Palettes go by their row number: a seed of 45
# characters in every row made it three times as slow.
_ENDED = """
    CREATE OR REPLACE TEMP TABLE ended AS
    SELECT w.side, p.rowid AS palette, {model} AS model, t.error IS NULL AS usable,
           t.input_tokens, t.output_tokens, t.cost_usd, {columns}
    FROM {table} t JOIN batches b USING (batch_id) JOIN palettes p ON p.seed = t.seed
    JOIN (VALUES (1, $first, $first_digest), (2, $second, $second_digest)) AS w(side, version, digest)
      ON t.prompt_version = w.version AND b.prompt_digest = w.digest
"""
_CHOSEN = """
    CREATE OR REPLACE TEMP TABLE chosen AS
    SELECT * FROM ended SEMI JOIN (
        SELECT palette, model FROM ended WHERE usable GROUP BY ALL HAVING min(side) < max(side))
    USING (palette, model) WHERE usable
"""

# One vote per model, for the value that most of its answers give; ties as in groups/tagging/consensus.py.
_AGREEMENT = """
    WITH own AS (
        SELECT side, palette, model, {field} AS value, count(*) AS times FROM chosen WHERE {field} IS NOT NULL
        GROUP BY ALL
    ),
    panel AS (SELECT side, palette, model, count(*) AS answers FROM chosen GROUP BY ALL),
    support AS (
        SELECT side, palette, value, sum(times / answers) AS support
        FROM own JOIN panel USING (side, palette, model) GROUP BY ALL
    ),
    votes AS (
        SELECT side, palette, model, arg_max(value, (times, support, -list_position($order::VARCHAR[], value))) AS value
        FROM own JOIN support USING (side, palette, value) GROUP BY ALL
    ),
    winners AS (
        SELECT side, palette, max(models) AS models FROM (
            SELECT side, palette, value, count(*) AS models FROM votes GROUP BY ALL)
        GROUP BY ALL
    ),
    sizes AS (SELECT side, palette, count(*) AS models FROM panel GROUP BY ALL)
    SELECT side, avg(coalesce(winners.models, 0) / sizes.models), count(*)
    FROM sizes LEFT JOIN winners USING (side, palette) GROUP BY ALL ORDER BY ALL
"""
_RIGHT = """
    SELECT c.side, c.model, count(*) FILTER (c.{field} = p.{field}), count(*)
    FROM chosen c JOIN palettes p ON p.rowid = c.palette WHERE list_contains(p.clear_cut, '{field}')
    GROUP BY ALL ORDER BY ALL
"""
_TOTALS = """
    SELECT side, count(*), avg(input_tokens), avg(output_tokens), sum(cost_usd) FILTER (cost_usd > 0),
           count(*) FILTER (cost_usd > 0), count(DISTINCT palette), count(DISTINCT model)
    FROM chosen GROUP BY ALL ORDER BY ALL
"""
_UNUSABLE = """
    SELECT side, count(*) FILTER (NOT usable), count(*) FROM ended
    SEMI JOIN (SELECT palette, model FROM ended GROUP BY ALL HAVING min(side) < max(side)) USING (palette, model)
    GROUP BY ALL
"""


def _compare(
    connection: DuckDBPyConnection, first: Wording, second: Wording, table: str, model: str, *, votes: bool
) -> Comparison | None:
    sides = {
        "first": first.prompt_version,
        "first_digest": first.digest,
        "second": second.prompt_version,
        "second_digest": second.digest,
    }
    connection.execute(
        _ENDED.format(table=table, model=model, columns=", ".join(f"t.{field}" for field in FIELDS)), sides
    )
    connection.execute(_CHOSEN)
    totals = connection.execute(_TOTALS).fetchall()
    if not totals:
        return None
    agreement = _agreement(connection) if votes else {}
    right = _right(connection)
    unusable = {side: _share(some, of) for side, some, of in connection.execute(_UNUSABLE).fetchall()}
    measured = [
        Measured(
            answers,
            unusable[side],
            agreement.get(side, {}),
            {field: _share(*found) for (of_side, field), found in right.by_field.items() if of_side == side},
            {name: _share(*found) for (of_side, name), found in right.by_model.items() if of_side == side},
            inputs,
            outputs,
            Decimal(dollars) / paid if paid else None,
        )
        for side, answers, inputs, outputs, dollars, paid, _, _ in totals
    ]
    return Comparison(totals[0][6], totals[0][7], measured[0], measured[1])


def _agreement(connection: DuckDBPyConnection) -> dict[int, dict[str, Share]]:
    found: dict[int, dict[str, Share]] = {}
    for field, values in CATEGORICAL_VALUES.items():
        query = _AGREEMENT.format(field=field)
        for side, share, count in connection.execute(query, {"order": list(values)}).fetchall():
            found.setdefault(side, {})[field] = Share(share, count)
    return found


@dataclass(frozen=True, slots=True)
class _Right:
    """(side, name) -> right answers and all answers, where the palette is clear-cut."""

    by_field: dict[tuple[int, str], tuple[int, int]]
    by_model: dict[tuple[int, str], tuple[int, int]]


def _right(connection: DuckDBPyConnection) -> _Right:
    found = _Right({}, {})
    for field in FIELDS:
        for side, model, right, of in connection.execute(_RIGHT.format(field=field)).fetchall():
            for sums, name in ((found.by_field, field), (found.by_model, model)):
                before = sums.get((side, name), (0, 0))
                sums[side, name] = (before[0] + right, before[1] + of)
    return found


def _share(some: int, of: int) -> Share:
    return Share(some / of, of)
