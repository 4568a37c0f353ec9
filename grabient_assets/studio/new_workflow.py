"""The form for a new workflow: what it asks for, its price, and the documents that come with it."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from starlette.datastructures import UploadFile

from grabient_assets.errors import GrabientError, UsageError, WarehouseLockedError
from grabient_assets.groups.knowledge.areas import AREAS, read_areas
from grabient_assets.groups.knowledge.workflows import CHUNK_SIZE, OVERLAP, Planned, Wish, make_workflow, plan_workflow
from grabient_assets.registry.load import load_registry
from grabient_assets.settings import Settings, parse_cap
from grabient_assets.sources.reference import WorkflowType, read_reference
from grabient_assets.studio.pages import Ask, Done
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MOST_BYTES = 100_000_000
"""Of all documents of a form together."""
ENDINGS = (".pdf", ".txt", ".md", ".html", ".vtt", ".srt", ".json")
TYPES: tuple[WorkflowType, ...] = get_args(WorkflowType)
_STRANGE = re.compile(r"[^\w.,()+ -]")
CHANGED = "Nothing was made: the form was changed after its price was shown. This is the price of what it says now."


def form_document(ask: Ask, given: Sequence[str] | None = None, *, notice: str = "") -> dict[str, Any]:
    """The form as it was filled in, with the price where it was asked for. `given` are its sources, with documents that
    were stored since."""
    named = list(given) if given is not None else _lines(ask.text("sources"))
    plan, why_not = None, None
    if ask.text("plan") or given is not None:
        try:
            with ask.warehouse.read() as connection:
                planned, cap = _planned(connection, ask, named)
            plan = _plan_document(planned, cap)
        except GrabientError as error:
            if isinstance(error, WarehouseLockedError):
                raise
            why_not = ask.settings.without_secrets(str(error))
    areas, extractors = ask.texts("areas"), ask.texts("extractors")
    registry = load_registry()
    models = registry.in_role("extractor")
    usual = [model.id for model in registry.panel("extractor")[:1]]
    gone = registry.refusals(models, ask.now.date())
    marked = set(",".join(areas).split(",")) if areas else {str(area.number) for area in AREAS}
    return {
        "form": {
            "name": ask.text("name"),
            "type": ask.text("type") or "mixed",
            "types": list(TYPES),
            "sources": "\n".join(named),
            "chunk_size": ask.text("chunk_size") or str(CHUNK_SIZE),
            "overlap": ask.text("overlap") or str(OVERLAP),
            "areas": [
                {"number": area.number, "name": area.name, "chosen": str(area.number) in marked} for area in AREAS
            ],
            "extractors": [
                {"model": model.id, "provider": model.provider, "chosen": model.id in (extractors or usual)}
                for model in models
                if model not in gone
            ],
            "skip_hopeless": bool(ask.text("skip_hopeless")),
            "max_usd": ask.text("max_usd"),
            "endings": list(ENDINGS),
        },
        "plan": plan,
        "why_not": why_not,
        "warning": notice,
    }


def new_workflow(ask: Ask) -> Done | tuple[dict[str, Any], int]:
    """Make the workflow; or its form again, with a status, to show the price or why it cannot be made."""
    from grabient_assets.resources.modes import answers_from

    named = _lines(ask.text("sources"))
    try:
        named += keep_documents(ask.settings, [one for one in ask.form.getlist("documents") if _is_file(one)])
        if ask.text("plan"):
            return form_document(ask, list(dict.fromkeys(named))), 200
        with ask.warehouse.read() as connection:
            planned, cap = _planned(connection, ask, named)
        if (priced := ask.text("priced")) and priced != _priced(planned):
            return form_document(ask, named, notice=CHANGED), 409
        workflow = make_workflow(ask.warehouse, planned, cap, answers_from(ask.settings), ask.now)
    except GrabientError as error:
        if isinstance(error, WarehouseLockedError):
            raise
        sentence = ask.settings.without_secrets(str(error))
        return {**form_document(ask, named), "plan": None, "why_not": sentence, "error": sentence}, 400
    carrying = who_carries_on(ask.settings, ask.now, workflow.workflow_id)["sentence"]
    notice = f"{counted(len(planned.references), 'source')} queued. {carrying}"
    if planned.refused:
        notice += f" Refused: {' '.join(planned.refused)}"
    document = {"workflow": workflow.workflow_id, "refused": list(planned.refused)}
    return Done(f"/knowledge/{workflow.workflow_id}", notice, document, 201)


def who_carries_on(settings: Settings, now: datetime, workflow_id: str) -> dict[str, Any]:
    """Whether a workflow goes on by itself, and the sentence about it. A page fetches and sends nothing."""
    from grabient_assets.resources.daemon import daemon_runs
    from grabient_assets.resources.modes import sensors_run_by_default

    runs = daemon_runs(settings.dagster_home, now)
    if not runs:
        sentence = (
            f"No daemon runs. It goes on with `grabient knowledge run {workflow_id}` in a terminal, or while "
            "`grabient dev` is open."
        )
    elif sensors_run_by_default(settings):
        sentence = "Dagster's daemon runs: its sensors fetch, ask, collect and index."
    else:
        sentence = "Dagster's daemon runs. In live mode its sensors do their work only where a person turned them on."
    return {"daemon": runs, "sentence": sentence}


def _is_file(value: object) -> bool:
    return isinstance(value, UploadFile) and bool(value.filename)


def _lines(text: str) -> list[str]:
    """The sources of the field, one a line; lines that begin with # are comments."""
    lines = [line.strip() for line in text.splitlines()]
    return list(dict.fromkeys(line for line in lines if line and not line.startswith("#")))


def _planned(connection: DuckDBPyConnection, ask: Ask, named: Sequence[str]) -> tuple[Planned, Decimal | None]:
    """What the form asks for. Raises GrabientError with the sentence for whoever filled it in."""
    from grabient_assets.resources.modes import usable_providers

    kind = ask.text("type") or "mixed"
    if kind not in TYPES:
        raise UsageError(f"The type is {kind[:40]!r}; it can be {', '.join(TYPES)}.")
    type = cast(WorkflowType, kind)
    if not ask.studio.at_home:
        refuse_paths(ask.settings, named, type)
    areas = ask.texts("areas")
    wish = Wish(
        name=ask.text("name"),
        sources=tuple(named),
        type=type,
        areas=read_areas(",".join(areas) if areas else None),
        chunk_size=_whole(ask, "chunk_size", CHUNK_SIZE, "chunk size"),
        overlap=_whole(ask, "overlap", OVERLAP, "overlap"),
        extractors=tuple(ask.texts("extractors")),
        skip_hopeless=bool(ask.text("skip_hopeless")),
    )
    cap = parse_cap(ask.text("max_usd") or None)
    return plan_workflow(connection, wish, usable_providers(ask.settings), ask.settings, ask.now), cap


def _whole(ask: Ask, name: str, usual: int, noun: str) -> int:
    text = ask.text(name)
    if not re.fullmatch(r"-?[0-9]{1,9}", text or str(usual), re.ASCII):
        raise UsageError(f"The {noun} is {text[:40]!r}; it must be a whole number of characters.")
    return int(text or usual)


def _plan_document(planned: Planned, cap: Decimal | None) -> dict[str, Any]:
    usd = planned.usd
    return {
        "sources": [{"source_id": one.source_id, "locator": one.locator} for one in planned.references],
        "refused": list(planned.refused),
        "cells": len(planned.references) * len(planned.workflow.areas),
        "usd": {"low": usd.low, "expected": usd.expected, "high": usd.high},
        "max_usd": cap,
        "priced": _priced(planned),
        "over": cap is not None and usd.high > cap,
    }


def _priced(planned: Planned) -> str:
    """What the price was shown for, in short: a form that was changed since makes nothing."""
    of = planned.workflow
    parts = [one.source_id for one in planned.references]
    parts += [of.name, of.type, of.prompt_version, f"{of.areas} {of.extractors} {of.skip_hopeless}"]
    parts += [f"{of.chunk_size} {of.overlap} {planned.usd.high:.4f}"]
    return hashlib.sha256("\n".join(parts).encode(errors="replace")).hexdigest()[:20]


def refuse_paths(settings: Settings, named: Sequence[str], type: WorkflowType) -> None:
    """Raise UsageError for a file that was not given to the studio: who reaches it from elsewhere must not have this
    machine's files read."""
    folder = _folder(settings)
    for text in named:
        try:
            found = read_reference(text, type)
        except UsageError:
            continue  # refused by itself, with the others
        if found.kind == "document" and not Path(found.locator).is_relative_to(folder):
            raise UsageError(
                f"{text[:80]!r} is a file of the machine that the studio runs on, and the studio can be reached from "
                "others. Give the document as a file below, or use `grabient knowledge new` there."
            )


def keep_documents(settings: Settings, files: Sequence[Any]) -> list[str]:
    """Store the documents below the data folder, under their content; returns their paths. The same document given
    twice is one. Raises UsageError for one that is empty or of another kind, before any is stored."""
    read: list[tuple[str, bytes]] = []
    for file in files:
        name, content = harmless_name(file.filename), file.file.read()
        if not name.lower().endswith(ENDINGS):
            raise UsageError(f"The document {name!r} is of no known kind; its name must end in {', '.join(ENDINGS)}.")
        if not content:
            raise UsageError(f"The document {name!r} is empty. Choose another one.")
        read.append((name, content))
    paths: list[str] = []
    for name, content in read:
        path = _folder(settings) / hashlib.sha256(content).hexdigest() / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{secrets.token_hex(6)}.part")
            part.write_bytes(content)
            part.replace(path)
        paths.append(str(path))
    return paths


def harmless_name(name: str) -> str:
    """The last part of the name, with nothing in it that a folder or a shell would take for something else."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return _STRANGE.sub("_", last)[-80:].strip(" .-") or "document"


def _folder(settings: Settings) -> Path:
    return settings.data_dir.resolve() / "uploads"
