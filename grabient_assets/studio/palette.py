"""One palette: what it is called now, and how the panel, the colours and the refiner came to that."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from grabient_assets.errors import UsageError
from grabient_assets.groups.palettes.tables import PaletteRecord, palettes
from grabient_assets.groups.refinement.explaining import (
    Explanation,
    explain,
    loaded_palette,
    read_about,
    without_consensus,
)
from grabient_assets.groups.refinement.explanation_document import explanation_document
from grabient_assets.groups.tagging.answers import CATEGORICAL_FIELDS, LIST_FIELDS
from grabient_assets.groups.tagging.inquiries import versions_asked
from grabient_assets.headless.failures import Failures, ask_for, find_failures, repeats, together
from grabient_assets.headless.run_goal import chosen_prompt_version
from grabient_assets.studio.dashboard import sender
from grabient_assets.studio.pages import Ask, Done, Form, MissingError, Page, Routes
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MOST_SHOWN = 12
"""So many values of a field are shown as bars; all of them stand in the table of answers."""
_COMPUTED = ("temperature", "contrast", "brightness", "saturation")
LABELS = {"dominant_colors": "Colours", "seasonal": "Season"}


def palette(ask: Ask) -> dict[str, Any]:
    """The document of `grabient explain --json`, with what the page draws from it."""
    with ask.warehouse.read() as connection:
        record = _record(connection, ask.path["seed"])
        versions = versions_asked(connection, record.seed)
        version = ask.text("version") or _usual(versions)
        if versions and version not in versions:
            raise MissingError(
                f"Nobody was asked about {record.name or record.seed} under {version}, but under {', '.join(versions)}."
            )
        stored = read_about(connection, record.seed, version) if versions else None
        image = _image(connection, record.seed)
    shown = _about(record) | {"versions": versions, "prompt_version": version, "image": image}
    if stored is None:
        return shown | {"explained": None, "missing": "Nobody has been asked about this palette yet.", "again": None}
    explanation = explain(stored)
    document = explanation_document(
        explanation, (*CATEGORICAL_FIELDS, *LIST_FIELDS), emulated=ask.settings.mode == "emulator"
    )
    return shown | {
        "explained": document,
        "refined": _refined(explanation),
        "fields": [_field(field) for field in document["fields"]],
        "answers": _answers(explanation),
        "costs": _costs(document["costs"]),
        "missing": without_consensus(explanation),
        "again": _again(ask, _failures(ask, explanation)),
    }


def _usual(versions: Sequence[str]) -> str:
    """The version of the settings where the palette was asked about under it, otherwise the newest that it has."""
    usual = chosen_prompt_version(None)
    return usual if usual in versions or not versions else versions[-1]


def _record(connection: DuckDBPyConnection, seed: str) -> PaletteRecord:
    if found := palettes(connection, [seed]):
        return found[0]
    try:
        return loaded_palette(connection, seed)
    except UsageError as error:
        raise MissingError(str(error)) from error


def _about(record: PaletteRecord) -> dict[str, Any]:
    """The palette itself, and what is computed from its colours."""
    return {
        "seed": record.seed,
        "name": record.name,
        "style": record.style,
        "steps": record.steps,
        "angle": record.angle,
        "hex": list(record.hex),
        "color_names": list(record.color_names),
        "harmonies": list(record.harmonies),
        "facts": {name: getattr(record, name) for name in _COMPUTED},
        "path": f"/palettes/{quote(record.seed, safe='')}",
    }


def _image(connection: DuckDBPyConnection, seed: str) -> str | None:
    row = connection.execute("SELECT object_key FROM palette_images WHERE seed = $1", [seed]).fetchone()
    return row[0] if row else None


def _refined(explanation: Explanation) -> dict[str, Any] | None:
    """The tags that count, by field, and the text."""
    record = explanation.stored.refined
    if record is None:
        return None
    tags = {one.field: list(one.refined) for one in explanation.departures if one.refined}
    return {"embed_text": record.embed_text, "tags": [{"label": label(name), "tags": tags[name]} for name in tags]}


def label(field: str) -> str:
    """A field's name for people."""
    return LABELS.get(field, field.replace("_", " ").capitalize())


def _field(field: dict[str, Any]) -> dict[str, Any]:
    """A field as bars: what the models voted for, with what the colours and the refiner say of each value."""
    refined = field["refined"]
    kept = {value.casefold() for value in refined["kept"]} if refined else set[str]()
    dropped = {value.casefold() for value in refined["left_out"]} if refined else set[str]()
    computed = {value.casefold() for value in field["computed"] or ()}
    voted = [value for value in field["values"] if value["models"]]
    return {
        "field": field["field"],
        "label": label(field["field"]),
        "computed": field["computed"],
        "clear_cut": field["clear_cut"],
        "added": refined["added"] if refined else [],
        "left_out": refined["left_out"] if refined else [],
        "more": max(0, len(voted) - MOST_SHOWN),
        "bars": [
            {
                "value": value["value"],
                "models": value["models"],
                "share": value["share"],
                "probability": value["probability"],
                "kept": value["value"].casefold() in kept,
                "left_out": value["value"].casefold() in dropped,
                "computed": value["value"].casefold() in computed,
                "contradicted": value["contradicted"],
            }
            for value in voted[:MOST_SHOWN]
        ],
    }


def _answers(explanation: Explanation) -> list[dict[str, Any]]:
    """Every analysis of every model: its answer as it was read, or what became of it."""
    given = {(one.provider, one.model, one.analysis_index): one.answer for one in explanation.stored.answers}
    found: list[dict[str, Any]] = []
    for one in explanation.analyses:
        answer = given.get((one.provider, one.model, one.analysis_index))
        fields = {} if answer is None else {name: getattr(answer, name) for name in (*CATEGORICAL_FIELDS, *LIST_FIELDS)}
        found.append(
            {
                "provider": one.provider,
                "model": one.model,
                "analysis": one.analysis_index + 1,
                "standing": one.standing.kind,
                "reason": one.standing.reason or "",
                "answer": [
                    {"label": label(name), "text": value if isinstance(value, str) else ", ".join(value)}
                    for name, value in fields.items()
                    if value
                ],
            }
        )
    return found


def _costs(costs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What it cost in all, and by purpose."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for one in costs:
        sums[one["purpose"]] += Decimal(one["cost_usd"])
    return {
        "total_usd": sum(sums.values(), Decimal(0)),
        "requests": sum(one["requests"] for one in costs),
        "purposes": [{"purpose": name, "usd": usd} for name, usd in sums.items()],
    }


def _failures(ask: Ask, explanation: Explanation) -> Failures:
    """What failed and nobody asks for again yet."""
    standings = [one.standing for one in explanation.analyses] + [explanation.refinement]
    if not any(one is not None and one.kind in ("failed", "stopped") for one in standings):
        return Failures({}, ())
    stored = explanation.stored
    return find_failures(ask.warehouse, ask.settings, stored.prompt_version, [stored.palette.seed])


def _again(ask: Ask, failures: Failures) -> dict[str, Any] | None:
    """What asking again comes to; None where nothing failed that can be asked again."""
    if not failures.all:
        return None
    found = repeats(ask.warehouse, failures, ask.now.date())
    usd = together(found)
    requests = sum(one.requests for one in found if not one.follows)
    return {
        "requests": requests,
        "words": counted(requests, "answer"),
        "usd": asdict(usd) if usd else None,
        "models": [f"{one.provider} {one.model}" for one in found if not one.follows],
    }


def ask_again(ask: Ask) -> Done:
    """Ask again what failed about the palette. It is written down; nothing is sent here."""
    if not ask.warehouse.exists():
        raise MissingError("No palette is loaded. Load some first: `grabient load FILE`.")
    with ask.warehouse.read() as connection:
        record = _record(connection, ask.path["seed"])
        version = ask.text("version") or _usual(versions_asked(connection, record.seed))
        explanation = explain(read_about(connection, record.seed, version))
    to, failures = f"{_about(record)['path']}?version={quote(version)}", _failures(ask, explanation)
    if not failures.all:
        return Done(to, "Nothing failed that could be asked again: nothing was asked.", {"asked": 0})
    again = _again(ask, failures)
    assert again is not None
    ask_for(ask.warehouse, ask.settings, failures, ask.now)
    notice = f"Asked again for {again['words']}. {sender(ask.settings, ask.now)['sentence']}"
    return Done(to, notice, {"asked": again["requests"]})


ROUTES: Routes = [
    Page("/palettes/{seed}", "palette.html", palette, below="/palettes"),
    Form("/palettes/{seed}/retry", ask_again),
]
