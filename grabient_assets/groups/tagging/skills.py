"""The error rates of the models under one prompt version, fitted with what the colours know as anchor.

Palettes on which a field is not clear-cut enter as unknown and not as ambiguous: they hold the values that are never
clear-cut ("varied"), and the clear ones alone are no fair sample of how often each value occurs.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from grabient_assets.consensus.dawid_skene import estimate, estimate_tags
from grabient_assets.consensus.expectation import ErrorModel, ErrorRates
from grabient_assets.consensus.gold import AMBIGUOUS, UNKNOWN, errors_on_gold
from grabient_assets.consensus.grouping import Ints
from grabient_assets.consensus.independence import error_correlation, mean_correlation
from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.tagging.coded import CodedTags, CodedValues, CodedVersion, read_version
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.rows import insert_rows, replacing

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


Estimator = Literal["one-coin", "full"]
ESTIMATORS: tuple[Estimator, ...] = ("one-coin", "full")


@dataclass(frozen=True)
class Skills:
    """The rates of one field: of which models, in which order; and how much the errors of two models correlate in the
    mean, 0 where it is not known. By that votes are discounted: models that share mistakes agree on them too."""

    models: tuple[tuple[str, str], ...]
    parameters: ErrorRates
    correlation: float = 0.0

    def of(self, panel: Collection[tuple[str, str]]) -> ErrorRates:
        """The rates of this panel, in its order. A model that was not there yet has the mean of the others."""
        known = self.parameters.confusion
        place = {model: number for number, model in enumerate(self.models)}
        rows = [known[place[one]] if one in place else known.mean(axis=0) for one in panel]
        return ErrorRates(self.parameters.prevalence, np.stack(rows))


def fresh_skills(
    warehouse: Warehouse, prompt_versions: Collection[str], now: datetime
) -> dict[tuple[str, str, str], Skills]:
    """The stored rates by (prompt version, field, method).

    Fitted and stored for a version that has none yet, and again when a model has answered that they do not know, or
    twice as many palettes are answered as they were fitted on. So it is fitted a few times on the way to any number of
    palettes."""
    with warehouse.read() as connection:
        found = skills(connection, prompt_versions)
        outgrown = {version for version in prompt_versions if _outgrown(connection, version, found)}
        kept = [one for one in found if one.prompt_version not in outgrown]
        unfitted = read_unfitted(connection, prompt_versions, kept)
    return read_skills([*kept, *_fit_and_store(warehouse, unfitted, now)])


def read_unfitted(
    connection: DuckDBPyConnection, prompt_versions: Collection[str], found: Collection[SkillRecord]
) -> list[CodedVersion]:
    """The answers of the versions that have no rates among `found`."""
    missing = set(prompt_versions) - {record.prompt_version for record in found}
    return [read_version(connection, version) for version in sorted(missing)]


def fit_skills(version: CodedVersion, now: datetime) -> list[SkillRecord]:
    """The rates of every model in every field, from all usable answers; none where nobody answered."""
    shared = shared_errors(version)
    return [record for coded in version.fields() for record in fit_field(version, coded, shared, now)]


def shared_errors(version: CodedVersion) -> float | None:
    """The mean correlation of the errors of two models where the colours know the answer, over the categorical fields;
    None where it is not known of any two."""
    if not version.answered.seeds:
        return None
    coded = map(version.categorical, CATEGORICAL_VALUES)
    errors = [errors_on_gold(one.annotations, one.gold) for one in coded]
    return mean_correlation(error_correlation(errors).matrix)


def fit_field(
    version: CodedVersion, coded: CodedValues | CodedTags, correlation: float | None, now: datetime
) -> list[SkillRecord]:
    """The rates of every model in this field of the version. `correlation`: see shared_errors."""
    palettes, version_ = int((coded.annotations.panel > 0).sum()), version.prompt_version
    return [
        SkillRecord(version_, coded.field, method, _as_json(version, parameters), palettes, now, correlation)
        for method, parameters in _fits(coded)
    ]


def read_skills(records: Collection[SkillRecord]) -> dict[tuple[str, str, str], Skills]:
    """Stored rates by (prompt version, field, method)."""
    return {(one.prompt_version, one.field, one.method): _from_json(one.parameters, one.correlation) for one in records}


def anchor(gold: Ints) -> Ints:
    """Gold for the fit: what is not certain is unknown."""
    return np.where(gold == AMBIGUOUS, UNKNOWN, gold)


def _fit_and_store(warehouse: Warehouse, unfitted: Collection[CodedVersion], now: datetime) -> list[SkillRecord]:
    fitted = [one for version in unfitted for one in fit_skills(version, now)]
    if fitted:
        with warehouse.write() as connection:
            record_skills(connection, fitted)
    return fitted


def _outgrown(connection: DuckDBPyConnection, prompt_version: str, found: Collection[SkillRecord]) -> bool:
    fitted = [one for one in found if one.prompt_version == prompt_version]
    palettes, models = answering(connection, prompt_version)
    known = {(provider, model) for one in fitted[:1] for provider, model in json.loads(one.parameters)["models"]}
    return bool(fitted) and (not models <= known or palettes >= 2 * max(one.palettes for one in fitted))


def _fits(coded: CodedValues | CodedTags) -> Iterator[tuple[Estimator, ErrorRates]]:
    if isinstance(coded, CodedValues):
        for method in ESTIMATORS:
            yield method, estimate(coded.annotations, ErrorModel(method), anchor(coded.gold)).parameters
    else:
        gold = None if coded.gold is None else anchor(coded.gold)
        yield "full", estimate_tags(coded.annotations, gold).parameters


def _as_json(version: CodedVersion, parameters: ErrorRates) -> str:
    found: dict[str, Any] = {
        "models": version.answered.models,
        "prevalence": parameters.prevalence.round(9).tolist(),
        "confusion": parameters.confusion.round(9).tolist(),
    }
    return json.dumps(found)


def _from_json(text: str, correlation: float | None) -> Skills:
    """Rates as they were stored; rounding left some of them 0, which no logarithm has."""
    found = json.loads(text)
    prevalence, confusion = (np.maximum(np.asarray(found[name]), 1e-9) for name in ("prevalence", "confusion"))
    models = tuple((one[0], one[1]) for one in found["models"])
    return Skills(models, ErrorRates(prevalence, confusion), max(correlation or 0.0, 0.0))


@dataclass(frozen=True, slots=True)
class SkillRecord:
    """One row of `model_skills`. `parameters` is JSON: {"models": [[provider, model]], "prevalence": per class,
    "confusion": [model][true class][answer]}; classes are the values of the field, for tags absent and present.
    `correlation`: the mean of the errors of two models, of the version; None where it is not known."""

    prompt_version: str
    field: str
    method: str
    parameters: str
    palettes: int
    fitted_at: datetime
    correlation: float | None = None


def skills(connection: DuckDBPyConnection, prompt_versions: Collection[str]) -> list[SkillRecord]:
    """What is stored of these versions."""
    columns = ", ".join(SkillRecord.__dataclass_fields__)
    rows = connection.execute(
        f"SELECT {columns} FROM model_skills WHERE list_contains($1::VARCHAR[], prompt_version) ORDER BY ALL",
        [sorted(prompt_versions)],
    ).fetchall()
    return [SkillRecord(*row[:5], fitted_at=row[5].astimezone(UTC), correlation=row[6]) for row in rows]


def answering(connection: DuckDBPyConnection, prompt_version: str) -> tuple[int, set[tuple[str, str]]]:
    """How many palettes have a usable answer under the version, and from which models (provider, model)."""
    rows = connection.execute(
        "SELECT DISTINCT provider, model FROM palette_tags WHERE prompt_version = $1 AND error IS NULL",
        [prompt_version],
    ).fetchall()
    palettes = connection.execute(
        "SELECT count(DISTINCT seed) FROM palette_tags WHERE prompt_version = $1 AND error IS NULL", [prompt_version]
    ).fetchone()
    return (palettes[0] if palettes else 0), {(row[0], row[1]) for row in rows}


def record_skills(connection: DuckDBPyConnection, records: Sequence[SkillRecord]) -> None:
    """Insert or replace."""
    key = ("prompt_version", "field", "method")
    insert_rows(connection, "model_skills", records, replacing(SkillRecord, key))
