"""The probabilities of all palettes of a version, made again when its error rates were fitted again.

A palette is tallied with the rates of that moment, which may rest on few palettes. With every report all of them follow
the rates that it fitted, so that what stands in the table is what is known now. One thing may not change: what a
refinement was asked with. Where votes rank the values that is safe, for the refiner reads no probability; where
probabilities rank them, palettes whose refinement has begun keep theirs.

Field by field for all palettes at once, since a field of 100,000 palettes is one multiplication of matrices; only what
is stored is put together palette by palette.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from grabient_assets.consensus.dawid_skene import posteriors, tag_probabilities
from grabient_assets.consensus.grouping import Flags, Ints
from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.refinement.refined import begun_refinements
from grabient_assets.groups.tagging.answers import CATEGORICAL_FIELDS, LIST_FIELDS
from grabient_assets.groups.tagging.coded import CodedTags, CodedValues, CodedVersion
from grabient_assets.groups.tagging.consensus import Consensus
from grabient_assets.groups.tagging.estimating import Estimates, ranked_values, shown_tags
from grabient_assets.groups.tagging.skills import Estimator, Skills
from grabient_assets.groups.tagging.tag_consensus import ConsensusRecord, consensus, record_estimates
from grabient_assets.groups.tagging.tallying import estimator_of, stored_consensus, with_estimates
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.warehouse.connection import Warehouse

PALETTES_AT_ONCE = 2_000
"""Palettes written in one transaction: ten MB of text, and the database is free again after a second."""

PARTS = 10_000
"""Probabilities are stored in ten-thousandths; as small whole numbers a tag field of 100,000 palettes is a few MB."""


@dataclass(frozen=True, eq=False)
class _Words:
    """Of a categorical field: ten-thousandths, shape (palettes, values), and which palettes have any answer."""

    parts: Ints
    answered: Flags


@dataclass(frozen=True, eq=False)
class _Tags:
    """Of a tag field: candidates and their ten-thousandths, from `starts` on for each palette; code -> form."""

    forms: Sequence[str]
    starts: Ints
    value: Ints
    parts: Ints


class Reestimating:
    """Takes the fields of a version one after the other, then stores what came out."""

    def __init__(self, version: CodedVersion, estimators: Collection[Estimator]) -> None:
        self._version, self._estimators = version, estimators
        self._words: dict[tuple[str, Estimator], _Words] = {}
        self._tags: dict[str, _Tags] = {}
        self._answers = np.bincount(version.answered.item, minlength=len(version.answered.seeds))

    def add(self, coded: CodedValues | CodedTags, rates: Mapping[str, Skills]) -> None:
        """The probabilities of this field. `rates`: by method."""
        annotations, models = coded.annotations, self._version.answered.models
        of = annotations.candidates
        if isinstance(coded, CodedTags):
            found = tag_probabilities(annotations, rates["full"].of(models), rates["full"].correlation)
            self._tags[coded.field] = _Tags(coded.words, of.starts, of.value.astype(np.int32), _parts(found))
            return
        for method in self._estimators:
            found = posteriors(annotations, rates[method].of(models), rates[method].correlation)
            self._words[coded.field, method] = _Words(_parts(found), np.diff(of.starts) > 0)

    def store(self, warehouse: Warehouse) -> int:
        """Give every consensus of the version its probabilities; returns how many are other ones now.

        Left alone are palettes with answers that their consensus does not count: they are tallied anyway.
        """
        version, seeds, changed = self._version.prompt_version, self._version.answered.seeds, 0
        for start in range(0, len(seeds), PALETTES_AT_ONCE):
            number = {seed: item for item, seed in enumerate(seeds[start : start + PALETTES_AT_ONCE], start)}
            with warehouse.write() as connection:
                begun = begun_refinements(connection, version)
                records = consensus(connection, [SubjectVersion(version, seed) for seed in number])
                fresh = [self._with_estimates(one, number[one.seed], begun) for one in records]
                other = [new for new, old in zip(fresh, records, strict=True) if new != old]
                record_estimates(connection, other)
            changed += len(other)
        return changed

    def _with_estimates(self, record: ConsensusRecord, item: int, begun: Collection[str]) -> ConsensusRecord:
        if record.method is None or record.answers != self._answers[item]:
            return record
        colours = [(red, green, blue) for red, green, blue in self._version.colours[item].tolist()]
        votes = replace(stored_consensus(record), rgb=colours)
        if record.method != "majority":
            return record if record.seed in begun else with_estimates(record, votes, self._of(item, record, votes))
        estimates = self._of(item, record, votes)
        return replace(record, estimates=json.dumps(estimates, ensure_ascii=False))

    def _of(self, item: int, record: ConsensusRecord, votes: Consensus) -> Estimates:
        found: Estimates = {}
        for field in CATEGORICAL_FIELDS:
            words = self._words[field, estimator_of(record.method)]
            values, parts = CATEGORICAL_VALUES[field], words.parts[item].tolist()
            found[field] = ranked_values(values, [one / PARTS for one in parts]) if words.answered[item] else []
        for field in LIST_FIELDS:
            found[field] = self._tags_of(field, item, votes) if field in self._tags else []
        return found

    def _tags_of(self, field: str, item: int, votes: Consensus) -> list[dict[str, object]]:
        tags = self._tags[field]
        here = slice(tags.starts[item], tags.starts[item + 1])
        words: list[str] = [tags.forms[int(code)] for code in tags.value[here]]
        found = [one / PARTS for one in tags.parts[here].tolist()]
        return shown_tags(field, list(zip(words, found, strict=True)), votes)


def _parts(probability: np.ndarray) -> Ints:
    return np.rint(probability * PARTS).astype(np.int16)
