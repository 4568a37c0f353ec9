"""The document of `grabient explain --json`, which the studio's page of a palette shows too."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from datetime import UTC
from decimal import Decimal
from typing import Any

from grabient_assets.groups.refinement.explaining import Explanation
from grabient_assets.groups.tagging.explanation import FieldExplanation, Weight
from grabient_assets.groups.tagging.model_reports import ModelReport
from grabient_assets.groups.tagging.withheld import explained

_RATES = ("accuracy", "sensitivity", "specificity")


def explanation_document(explanation: Explanation, chosen: Collection[str], *, emulated: bool) -> dict[str, Any]:
    """The document of `grabient explain --json`, with the chosen fields.

    Dollars are text, exact in every language; probabilities are as they are stored.
    """
    stored = explanation.stored
    departed = {one.field: one for one in explanation.departures}
    fields = [field for field in explanation.fields if field.field in chosen]
    return {
        "seed": stored.palette.seed,
        "prompt_version": stored.prompt_version,
        "name": stored.palette.name,
        "hex": stored.palette.hex,
        "wave": asdict(stored.wave) if stored.wave else None,
        "consensus": _consensus(explanation),
        "analyses": [
            {
                "provider": one.provider,
                "model": one.model,
                "analysis_index": one.analysis_index,
                "standing": one.standing.kind,
                "reason": one.standing.reason,
            }
            for one in explanation.analyses
        ],
        "fields": [
            _field(field) | {"refined": asdict(departed[field.field]) if field.field in departed else None}
            for field in fields
        ],
        "refinement": _refinement(explanation),
        "kept_from_refinement": explained(stored.withheld) if stored.withheld else None,
        "costs": [{**asdict(one), "cost_usd": f"{one.cost_usd:f}"} for one in stored.costs],
        "cost_usd": f"{sum((one.cost_usd for one in stored.costs), Decimal(0)):f}",
        "emulated": emulated,
    }


def _consensus(explanation: Explanation) -> dict[str, Any] | None:
    record = explanation.stored.consensus
    if record is None:
        return None
    rates = explanation.rates_from
    return {
        "models": record.models,
        "answers": record.answers,
        "method": record.method,
        "entropy": record.entropy,
        "created_at": record.created_at.astimezone(UTC).isoformat(),
        "adds_up": explanation.adds_up,
        "rates_fitted_at": rates.isoformat() if rates else None,
        "rates_moved": explanation.rates_moved,
    }


def _field(field: FieldExplanation) -> dict[str, Any]:
    return {**asdict(field), "weights": [_weight(weight) for weight in field.weights]}


def _weight(weight: Weight) -> dict[str, Any]:
    return {**asdict(weight), "measured": _measured(weight.measured) if weight.measured else None}


def _measured(row: ModelReport) -> dict[str, Any]:
    rates = {name: getattr(row, name) for rate in _RATES for name in (rate, f"{rate}_low", f"{rate}_high")}
    return {"gold": row.gold, "reported_at": row.reported_at.isoformat(), **rates}


def _refinement(explanation: Explanation) -> dict[str, Any] | None:
    stored, standing = explanation.stored, explanation.refinement
    if standing is None:
        return None
    found: dict[str, Any] = {"standing": standing.kind, "reason": standing.reason}
    refined = stored.refined
    if refined is None:
        return found
    return found | {
        "model": refined.model,
        "embed_text": refined.embed_text,
        "notes": list(refined.notes or ()),
        "from_this_consensus": bool(stored.consensus and refined.consensus_digest == stored.consensus.digest),
        "mean_distance": explanation.mean_distance,
    }
