"""`grabient explain`: why the tags of one palette are what they are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from datetime import UTC
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grabient_assets.cli.console import output, print_json, print_note
from grabient_assets.cli.options import PromptVersion, one_of, open_warehouse

if TYPE_CHECKING:
    from grabient_assets.groups.refinement.explaining import Explanation
    from grabient_assets.groups.tagging.explanation import FieldExplanation, Weight
    from grabient_assets.groups.tagging.model_reports import ModelReport
    from grabient_assets.settings import Settings

_RATES = ("accuracy", "sensitivity", "specificity")


def explain(
    seed: Annotated[
        str,
        typer.Argument(
            metavar="SEED|VECTOR_ID|NAME",
            help="A seed in any of the three encodings, or the vector_id of a search hit, behind '--' when it begins "
            "with '-'; or a name.",
        ),
    ],
    prompt_version: PromptVersion = None,
    fields: Annotated[
        list[str] | None, typer.Option("--field", metavar="F", help="Only this field; may be given several times.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Also who said what, in each analysis, and what it weighed.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON on stdout.")] = False,
) -> None:
    """Show one palette: its text and tags, what the panel and the colours say, the cost; with --full who said what."""
    from grabient_assets.cli.explain_tables import show_explanation
    from grabient_assets.groups.refinement.explaining import without_consensus
    from grabient_assets.settings import load_settings

    settings = load_settings()
    chosen = _chosen(fields)
    explanation = _explained(seed, prompt_version, settings)
    emulated = settings.mode == "emulator"
    if as_json:
        print_json(explanation_document(explanation, chosen, emulated=emulated))
    else:
        show_explanation(output(), explanation, chosen, emulated=emulated, full=full or bool(fields))
    if reason := without_consensus(explanation):
        print_note(reason)
        raise typer.Exit(1)


def _explained(seed: str, prompt_version: str | None, settings: Settings) -> Explanation:
    from grabient_assets.errors import UsageError
    from grabient_assets.groups.palettes.palette_line import typed_palette
    from grabient_assets.groups.refinement.explaining import explain as explained
    from grabient_assets.groups.refinement.explaining import read_about
    from grabient_assets.headless.run_goal import answered_prompt_version

    warehouse = open_warehouse(settings)
    version = answered_prompt_version(prompt_version, warehouse)
    if not warehouse.exists():
        typed_palette(seed)
        raise UsageError("No palette is loaded. Load some first: grabient load FILE")
    with warehouse.read() as connection:
        stored = read_about(connection, seed, version)
    return explained(stored)


def _chosen(fields: list[str] | None) -> tuple[str, ...]:
    from grabient_assets.groups.tagging.answers import CATEGORICAL_FIELDS, LIST_FIELDS

    every = (*CATEGORICAL_FIELDS, *LIST_FIELDS)
    wanted = {one_of(field, every, "--field") for field in fields or ()}
    return tuple(field for field in every if not wanted or field in wanted)


def explanation_document(explanation: Explanation, chosen: Collection[str], *, emulated: bool) -> dict[str, Any]:
    """The document of `grabient explain --json`, with the chosen fields.

    Dollars are text, exact in every language; probabilities are as they are stored.
    """
    from grabient_assets.groups.tagging.withheld import explained

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
