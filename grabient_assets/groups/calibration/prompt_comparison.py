"""What two prompt versions made of the same palettes, measured on what both have answered.

Only answers to the wording that is compared count (by the digest of their batch), and only pairs: a palette and a model
that gave a usable answer under both versions. So neither a larger panel nor easier palettes look like a better prompt.

The sign test gives the significance of a difference, with the palette as the unit: answers about one palette are no
independent cases. It counts the palettes on which a figure rises and falls. Without a difference between the versions
both are equally likely, so the chance of a split at least that uneven is that of coins (exact, two-sided, ties left
out).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, cast

import numpy as np

from grabient_assets.consensus.annotations import categorical_annotations
from grabient_assets.consensus.grouping import Floats, Ints
from grabient_assets.consensus.majority import majority
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
class Split:
    """On how many palettes a figure rises and falls from the first version to the second."""

    rises: int
    falls: int

    @property
    def chance(self) -> float:
        """How likely a split at least this uneven is when the versions do not differ, 0-1."""
        of = self.rises + self.falls
        fewer = min(self.rises, self.falls)
        logs = (math.lgamma(of + 1) - math.lgamma(k + 1) - math.lgamma(of - k + 1) for k in range(fewer + 1))
        return min(1.0, 2 * math.fsum(math.exp(one - of * math.log(2)) for one in logs))


@dataclass(frozen=True, slots=True)
class MeasuredPrompt:
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
    """Two versions on the same palettes and models.

    `shared` pairs are one answer that both versions use, because the request is the same. `splits` are by figure:
    "accuracy contrast", "agreement contrast", "unusable", "input_tokens", "output_tokens".
    """

    palettes: int
    models: int
    first: MeasuredPrompt
    second: MeasuredPrompt
    shared: int = 0
    splits: Mapping[str, Split] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pairs:
    """What was read about two versions. `sides`: their figures without agreement; `answers` for tagging only."""

    palettes: int
    models: int
    sides: tuple[MeasuredPrompt, MeasuredPrompt]
    answers: ComparedAnswers | None
    shared: int = 0
    splits: Mapping[str, Split] = dataclasses.field(default_factory=dict)


def tagging_pairs(connection: DuckDBPyConnection, first: Wording, second: Wording) -> Pairs | None:
    """Tags under both versions; None when no palette has answers of one model under both."""
    return _pairs(connection, first, second, _TAGS, votes=True)


def refinement_pairs(connection: DuckDBPyConnection, first: Wording, second: Wording) -> Pairs | None:
    """Refined tags under both versions; None when no palette was refined under both."""
    return _pairs(connection, first, second, _REFINED, votes=False)


def compare(pairs: Pairs) -> Comparison:
    """The comparison. Needs no database, and takes most of the time."""
    one, other = pairs.sides
    splits = dict(pairs.splits)
    if pairs.answers is not None:
        before, after = winning_shares(pairs.answers, 1), winning_shares(pairs.answers, 2)
        one, other = (
            replace(figures, agreement={name: Share(float(of.mean()), of.size) for name, of in shares.items()})
            for shares, figures in ((before, one), (after, other))
        )
        for name in before:
            change = after[name] - before[name]
            splits[f"agreement {name}"] = Split(int((change > SAME).sum()), int((change < -SAME).sum()))
    return Comparison(pairs.palettes, pairs.models, one, other, pairs.shared, splits)


SAME = 1e-9
"""Shares that differ by less are equal: they are quotients of small whole numbers."""


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of answers: the SQL of a model's name, and the columns that tell models apart."""

    name: str
    model: str
    key: str


_TAGS = _Table("palette_tags", "t.provider || ' ' || t.model", "provider, model")
_REFINED = _Table("palette_tag_refined", "t.model", "model")


def _code(field: str, column: str) -> str:
    """SQL of the place of a value in the enumeration of `field`, -1 for none. As text they took twice the memory."""
    return f"(coalesce(list_position({list(CATEGORICAL_VALUES[field])}::VARCHAR[], {column}), 0) - 1)::TINYINT"


# `side` is 1 or 2, so that the two may even be wordings of one version. Palettes and models go by numbers: a seed of 45
# characters in every row made it three times as slow.
_MODELS = """
    CREATE OR REPLACE TEMP TABLE compared_models AS
    SELECT *, (row_number() OVER (ORDER BY name) - 1)::INTEGER AS number
    FROM (SELECT DISTINCT {key}, {model} AS name FROM {table} t WHERE prompt_version IN ($first, $second))
"""
_ENDED = """
    CREATE OR REPLACE TEMP TABLE ended AS
    SELECT w.side::TINYINT AS side, p.place::INTEGER AS palette, m.number AS model, t.error IS NULL AS usable,
           hash(t.custom_id) AS request, t.input_tokens, t.output_tokens, t.cost_usd, {columns}
    FROM {table} t JOIN compared_models m USING ({key}) JOIN palettes p ON p.seed = t.seed
    JOIN (SELECT batch_id, prompt_digest FROM batches) b USING (batch_id)
    JOIN (VALUES (1, $first, $first_digest), (2, $second, $second_digest)) AS w(side, version, digest)
      ON t.prompt_version = w.version AND b.prompt_digest = w.digest
"""
_CHOSEN = """
    CREATE OR REPLACE TEMP TABLE chosen AS
    SELECT * FROM ended SEMI JOIN (
        SELECT palette, model FROM ended WHERE usable GROUP BY ALL HAVING min(side) < max(side))
    USING (palette, model) WHERE usable
"""
_RIGHT = """
    SELECT c.side, m.name, count(*) FILTER (c.{field} = {code}), count(*)
    FROM chosen c JOIN palettes p ON p.place = c.palette JOIN compared_models m ON m.number = c.model
    WHERE list_contains(p.clear_cut, '{field}') GROUP BY ALL ORDER BY ALL
"""
_TOTALS = """
    SELECT side, count(*), avg(input_tokens), avg(output_tokens), sum(cost_usd) FILTER (cost_usd > 0),
           count(*) FILTER (cost_usd > 0), count(DISTINCT palette), count(DISTINCT model)
    FROM chosen GROUP BY ALL ORDER BY ALL
"""
# Means per palette, because a model may have been asked more often under one version. Ties count on neither side.
_SPLIT = """
    SELECT count(*) FILTER (second > first), count(*) FILTER (second < first) FROM (
        SELECT avg({value}) FILTER (side = 1) AS first, avg({value}) FILTER (side = 2) AS second
        FROM {table} c JOIN palettes p ON p.place = c.palette WHERE {among} GROUP BY palette)
"""
_PAIRED = "(SELECT palette, model FROM ended GROUP BY ALL HAVING min(side) < max(side))"
_SHARED = """
    SELECT count(*) FROM (SELECT palette, model, request FROM chosen GROUP BY ALL HAVING min(side) < max(side))
"""
_UNUSABLE = """
    SELECT side, count(*) FILTER (NOT usable), count(*) FROM ended
    SEMI JOIN {paired} USING (palette, model) GROUP BY ALL
"""


def _pairs(
    connection: DuckDBPyConnection, first: Wording, second: Wording, table: _Table, *, votes: bool
) -> Pairs | None:
    versions = {"first": first.prompt_version, "second": second.prompt_version}
    digests = {"first_digest": first.digest, "second_digest": second.digest}
    connection.execute(_MODELS.format(table=table.name, model=table.model, key=table.key), versions)
    columns = ", ".join(f"{_code(field, f't.{field}')} AS {field}" for field in FIELDS)
    connection.execute(_ENDED.format(table=table.name, key=table.key, columns=columns), versions | digests)
    connection.execute(_CHOSEN)
    totals = connection.execute(_TOTALS).fetchall()
    if not totals:
        return None
    right = _right(connection)
    unusable = {
        side: _share(some, of) for side, some, of in connection.execute(_UNUSABLE.format(paired=_PAIRED)).fetchall()
    }
    one, other = (
        MeasuredPrompt(
            answers,
            unusable[side],
            {},
            {field: _share(*found) for (of_side, field), found in right.by_field.items() if of_side == side},
            {name: _share(*found) for (of_side, name), found in right.by_model.items() if of_side == side},
            inputs,
            outputs,
            Decimal(dollars) / paid if paid else None,
        )
        for side, answers, inputs, outputs, dollars, paid, _, _ in totals
    )
    shared = connection.execute(_SHARED).fetchone()
    return Pairs(
        totals[0][6],
        totals[0][7],
        (one, other),
        _compared_answers(connection) if votes else None,
        shared[0] if shared else 0,
        _splits(connection),
    )


def _splits(connection: DuckDBPyConnection) -> dict[str, Split]:
    wanted = {
        f"accuracy {name}": (
            f"(c.{name} = {_code(name, f'p.{name}')})::INTEGER",
            "chosen",
            f"list_contains(p.clear_cut, '{name}')",
        )
        for name in FIELDS
    }
    wanted["unusable"] = (
        "(NOT usable)::INTEGER",
        f"(SELECT * FROM ended SEMI JOIN {_PAIRED} USING (palette, model))",
        "true",
    )
    wanted |= {name: (name, "chosen", "true") for name in ("input_tokens", "output_tokens")}
    found: dict[str, Split] = {}
    for name, (value, table, among) in wanted.items():
        row = connection.execute(_SPLIT.format(value=value, table=table, among=among)).fetchone()
        assert row is not None
        found[name] = Split(*row)
    return found


def _compared_answers(connection: DuckDBPyConnection) -> ComparedAnswers:
    query = f"SELECT side, palette, model, {', '.join(FIELDS)} FROM chosen"
    found = cast("dict[str, Ints]", connection.execute(query).fetchnumpy())
    return ComparedAnswers(found["side"], found["palette"], found["model"], {field: found[field] for field in FIELDS})


@dataclass(frozen=True, slots=True)
class _Right:
    """(side, name) -> right answers and all answers, where the palette is clear-cut."""

    by_field: dict[tuple[int, str], tuple[int, int]]
    by_model: dict[tuple[int, str], tuple[int, int]]


def _right(connection: DuckDBPyConnection) -> _Right:
    found = _Right({}, {})
    for field in FIELDS:
        query = _RIGHT.format(field=field, code=_code(field, f"p.{field}"))
        for side, model, right, of in connection.execute(query).fetchall():
            for sums, name in ((found.by_field, field), (found.by_model, model)):
                before = sums.get((side, name), (0, 0))
                sums[side, name] = (before[0] + right, before[1] + of)
    return found


def _share(some: int, of: int) -> Share:
    return Share(some / of, of)


@dataclass(frozen=True, slots=True)
class Share:
    """A part of `of` cases, 0-1."""

    share: float
    of: int


@dataclass(frozen=True, slots=True, eq=False)
class ComparedAnswers:
    """What the compared answers say, one row per answer: `side` (1 or 2), palette and model as numbers, and for each
    field the place of the value in its enumeration, -1 for none."""

    side: Ints
    palette: Ints
    model: Ints
    values: Mapping[str, Ints]


def winning_shares(answers: ComparedAnswers, side: int) -> dict[str, Floats]:
    """By field the share of the models behind the value that wins, a number per palette, in the order of the palettes'
    numbers; one vote per model."""
    rows = answers.side == side
    palettes, item = np.unique(answers.palette[rows], return_inverse=True)
    found: dict[str, Floats] = {}
    for field, values in CATEGORICAL_VALUES.items():
        annotations = categorical_annotations(
            item,
            answers.model[rows],
            answers.values[field][rows],
            items=palettes.size,
            annotators=int(answers.model.max()) + 1,
            values=len(values),
        )
        winning = np.zeros(palettes.size)
        np.maximum.at(winning, annotations.candidates.item, majority(annotations).share)
        found[field] = winning
    return found
