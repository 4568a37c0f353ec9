"""Everything that is stored about one palette under one prompt version, as one explanation."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from grabient_assets.consensus.tag_sets import masi_distance
from grabient_assets.errors import GrabientError, SeedError, UsageError
from grabient_assets.groups.palettes.palette_line import typed_palette
from grabient_assets.groups.palettes.tables import PaletteRecord, any_palette, palettes, palettes_named, palettes_of_key
from grabient_assets.groups.refinement.refined import RefinedRecord, refined
from grabient_assets.groups.refinement.refined_answer import LIMITS
from grabient_assets.groups.tagging.answers import CATEGORICAL_FIELDS, LIST_FIELDS, OPEN_FIELDS
from grabient_assets.groups.tagging.consensus import Consensus, ModelAnswer, Vote, build_consensus
from grabient_assets.groups.tagging.estimating import Estimates, estimates_of
from grabient_assets.groups.tagging.explanation import Evidence, FieldExplanation, explain_fields
from grabient_assets.groups.tagging.inquiries import (
    Cost,
    Inquiry,
    RequestState,
    costs_of,
    nearest_palette,
    refinement_inquiry,
    standing_of,
    tagging_inquiries,
    versions_asked,
)
from grabient_assets.groups.tagging.model_reports import ModelReport, report_of
from grabient_assets.groups.tagging.skills import SkillRecord, read_skills, skills
from grabient_assets.groups.tagging.tag_consensus import ConsensusRecord, consensus
from grabient_assets.groups.tagging.tag_forms import tag_form
from grabient_assets.groups.tagging.tags import answers
from grabient_assets.groups.tagging.tallying import estimator_of, stored_consensus
from grabient_assets.groups.tagging.waves import WaveState, wave_states
from grabient_assets.groups.tagging.withheld import Withheld, withheld_palettes
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.wording import one_line

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MAJORITY = 0.5


@dataclass(frozen=True, slots=True)
class Departure:
    """One field of a refinement beside the consensus.

    `refined`: what the refiner settled on; `kept` of it is in the consensus, `added` is what no model voted for,
    `left_out` what at least half of the models voted for and the refiner did not keep. `support`: the mean share of
    the models behind the refined values. `distance`: 0 the same, 1 nothing in common; for tags MASI between the refined
    ones and as many of the strongest of the consensus.
    """

    field: str
    refined: tuple[str, ...]
    kept: tuple[str, ...]
    added: tuple[str, ...]
    left_out: tuple[str, ...]
    support: float
    distance: float


def departures(refined: RefinedRecord, consensus: Consensus) -> tuple[Departure, ...]:
    """Every field that is refined (harmony is none), the categorical ones first."""
    return tuple(_departure(field, refined, consensus) for field in (*CATEGORICAL_FIELDS, *LIMITS))


def _departure(field: str, record: RefinedRecord, consensus: Consensus) -> Departure:
    found = getattr(record, field)
    refined: tuple[str, ...] = tuple(found or ()) if field in LIMITS else ((found,) if found else ())
    votes = {_form(field, vote.value): vote for vote in consensus.votes.get(field, ())}
    standing = consensus.standing(field)
    forms = {_form(field, value) for value in refined}
    behind = [votes.get(_form(field, value)) for value in refined]
    strongest = {_form(field, vote.value) for vote in standing[: len(refined)]}
    return Departure(
        field,
        refined,
        tuple(value for value, vote in zip(refined, behind, strict=True) if vote),
        tuple(value for value, vote in zip(refined, behind, strict=True) if not vote),
        tuple(vote.value for vote in standing if _is_majority(vote) and _form(field, vote.value) not in forms),
        sum(vote.share for vote in behind if vote) / len(behind) if behind else 0.0,
        _distance(forms, strongest),
    )


def _is_majority(vote: Vote) -> bool:
    return vote.share >= MAJORITY


def _distance(one: set[str], other: set[str]) -> float:
    return float(masi_distance(np.asarray(len(one)), np.asarray(len(other)), np.asarray(len(one & other))))


def _form(field: str, tag: str) -> str:
    return tag_form(tag) if field in OPEN_FIELDS else tag


SLIPS = 3
"""So many wrong characters may a seed have for another one to be meant."""
NAMED_AT_MOST = 10


@dataclass(frozen=True, slots=True)
class Stored:
    """What the tables hold about a palette under a prompt version. `withheld`: why a check keeps it from refinement,
    None when none does. `wave`: how far it is where it is tagged adaptively."""

    palette: PaletteRecord
    prompt_version: str
    answers: tuple[ModelAnswer, ...]
    consensus: ConsensusRecord | None
    skills: tuple[SkillRecord, ...]
    measured: tuple[ModelReport, ...]
    inquiries: tuple[Inquiry, ...]
    refinement: Inquiry | None
    refined: RefinedRecord | None
    costs: tuple[Cost, ...]
    withheld: Withheld | None
    wave: WaveState | None

    @property
    def asked(self) -> bool:
        """Whether anybody asks for its answers. Nobody asks for imported ones."""
        return any(one.state is not None for one in self.inquiries)


@dataclass(frozen=True, slots=True)
class Analysis:
    """One analysis of one model, and how it stands."""

    provider: str
    model: str
    analysis_index: int
    standing: RequestState


@dataclass(frozen=True, slots=True)
class Explanation:
    """`stored` and what follows from it. `rates_from`: when the error rates behind `bits` were fitted; `rates_moved`:
    they give other probabilities than the stored ones. `refinement`: how it stands, None when nobody asked for it."""

    stored: Stored
    fields: tuple[FieldExplanation, ...]
    analyses: tuple[Analysis, ...]
    departures: tuple[Departure, ...]
    refinement: RequestState | None
    rates_from: datetime | None
    rates_moved: bool

    @property
    def adds_up(self) -> bool:
        """Whether the stored answers give exactly the stored votes; without a consensus there is nothing to give."""
        return self.stored.consensus is None or all(field.adds_up for field in self.fields)

    @property
    def mean_distance(self) -> float | None:
        """Of the refined fields from the consensus, 0 to 1."""
        return fmean(one.distance for one in self.departures) if self.departures else None


def loaded_palette(connection: DuckDBPyConnection, seed: str) -> PaletteRecord:
    """The palette of this seed or address, in any spelling, or of this palette_key, which is the vector_id of a search
    hit; or the one of this name: in full, or else a part of it.

    Raises UsageError for a seed that is not loaded, for a palette_key or name that several palettes have, naming them,
    and for what is none of them.
    """
    try:
        meant = typed_palette(seed).palette
    except SeedError as error:
        return _named_palette(connection, seed, error)
    found = palettes(connection, [meant.canonical])
    if found:
        return found[0]
    if keyed := palettes_of_key(connection, meant.canonical):
        return _only(connection, keyed, f"have the palette_key {meant.canonical}")
    if not any_palette(connection):
        raise UsageError("No palette is loaded. Load some first: grabient load FILE")
    near = nearest_palette(connection, meant.canonical, meant.palette_key, SLIPS)
    hint = f"The nearest that is: grabient explain -- {near}" if near else "Load it: grabient load FILE"
    raise UsageError(f"Palette {meant.canonical} is not loaded. {hint}")


def _named_palette(connection: DuckDBPyConnection, name: str, no_seed: SeedError) -> PaletteRecord:
    found = palettes_named(connection, name)
    if not found:
        raise UsageError(f"{no_seed} Nor does a loaded palette have it in its name.")
    return _only(connection, found, f"have {name!r} in their name")


def _only(connection: DuckDBPyConnection, found: Sequence[tuple[str, str | None]], what: str) -> PaletteRecord:
    """The palette, of which seed and name were found. Raises UsageError for several."""
    if len(found) == 1:
        return palettes(connection, [found[0][0]])[0]
    listed = "".join(f"\n  {one_line(one or 'without a name')} {seed}" for seed, one in found[:NAMED_AT_MOST])
    more = f"\n  and {len(found) - NAMED_AT_MOST:,} more" if len(found) > NAMED_AT_MOST else ""
    raise UsageError(f"{len(found):,} palettes {what}. Give the seed of one of them:{listed}{more}")


def read_about(connection: DuckDBPyConnection, seed: str, prompt_version: str) -> Stored:
    """Read what is stored. Raises UsageError for a palette that is not loaded or was asked about under another version,
    GrabientError for one that nobody was asked about."""
    palette = loaded_palette(connection, seed)
    versions = versions_asked(connection, palette.seed)
    if not versions:
        raise GrabientError(
            f"Palette {palette.seed} is loaded, but nobody has been asked about it. Ask: grabient run, or materialize "
            "its *_tag_batches."
        )
    if prompt_version not in versions:
        raise UsageError(
            f"Nobody was asked about palette {palette.seed} under {prompt_version}, but under {', '.join(versions)}: "
            f"grabient explain --prompt-version {versions[-1]} -- {palette.seed}"
        )
    partition = SubjectVersion(prompt_version, palette.seed)
    report = report_of(connection, prompt_version)
    return Stored(
        palette,
        prompt_version,
        tuple(answers(connection, [partition]).get(partition, ())),
        next(iter(consensus(connection, [partition])), None),
        tuple(skills(connection, [prompt_version])),
        report.models if report else (),
        tuple(tagging_inquiries(connection, partition)),
        refinement_inquiry(connection, partition),
        next((row for row in refined(connection, [partition]) if row.error is None), None),
        tuple(costs_of(connection, partition)),
        next(iter(withheld_palettes(connection, [partition])), None),
        wave_states(connection, [partition]).get(partition),
    )


def explain(stored: Stored) -> Explanation:
    """The explanation of what was read. Without a stored consensus the votes are those so far."""
    votes = _consensus(stored)
    method = estimator_of(stored.consensus.method if stored.consensus else None)
    rates = {
        (field, how): one for (_, field, how), one in read_skills(stored.skills).items() if how in ("full", method)
    }
    estimates: Estimates = json.loads((stored.consensus.estimates if stored.consensus else None) or "{}")
    present = estimates_of([(stored.answers, votes)], rates, method)[0] if rates and stored.answers else {}
    evidence = Evidence(
        stored.palette,
        stored.answers,
        votes,
        estimates,
        present,
        {field: one for (field, how), one in rates.items() if how == (method if field not in LIST_FIELDS else "full")},
        {(row.provider, row.model, row.field): row for row in stored.measured},
    )
    return Explanation(
        stored,
        explain_fields(evidence),
        tuple(Analysis(one.provider, one.model, one.analysis_index, standing_of(one)) for one in stored.inquiries),
        departures(stored.refined, votes) if stored.refined else (),
        standing_of(stored.refinement) if stored.refinement else None,
        max((one.fitted_at for one in stored.skills), default=None),
        bool(estimates and present) and estimates != present,
    )


def _consensus(stored: Stored) -> Consensus:
    if stored.consensus is not None:
        return replace(stored_consensus(stored.consensus), rgb=stored.palette.rgb)
    return build_consensus(stored.answers, stored.palette.rgb)


def without_consensus(explanation: Explanation) -> str | None:
    """Why there is no consensus, with the way out, as a sentence; None when there is one."""
    stored = explanation.stored
    if stored.consensus is not None or (stored.refined is not None and not explanation.analyses):
        return None
    kinds = Counter(one.standing.kind for one in explanation.analyses)
    usable, wanted = kinds["answered"], kinds.total()
    what = f"There is no consensus on palette {stored.palette.seed} under {stored.prompt_version}: "
    if coming := kinds["under way"] + kinds["waiting"]:
        return (
            f"{what}{usable} of {wanted} answers can be used, and {coming} are under way or wait to be sent. See them "
            "through: grabient run"
        )
    if not usable and not stored.asked:
        return f"{what}no answer can be used, and nobody asks for one any more. Ask under a version of prompts/."
    if not usable:
        return (
            f"{what}all {wanted} answers failed or were stopped. Ask again: grabient retry --run "
            f"--prompt-version {stored.prompt_version}"
        )
    return f"{what}its answers are in and not counted yet. Count them: grabient run"
