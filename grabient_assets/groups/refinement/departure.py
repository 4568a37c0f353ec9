"""How far the refiner went from the consensus it was shown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grabient_assets.consensus.tag_sets import masi_distance
from grabient_assets.groups.refinement.refined import RefinedRecord
from grabient_assets.groups.refinement.refined_answer import LIMITS
from grabient_assets.groups.tagging.answers import CATEGORICAL_FIELDS, OPEN_FIELDS
from grabient_assets.groups.tagging.consensus import Consensus, Vote
from grabient_assets.groups.tagging.tag_forms import tag_form

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
