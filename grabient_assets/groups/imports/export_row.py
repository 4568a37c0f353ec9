"""What a row of an export says: the answer of a model, or a failure, of an earlier system."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal

from pydantic import AliasChoices, BaseModel, Field, ValidationError, field_validator

from grabient_assets.errors import SeedError
from grabient_assets.gradient.seed import decode_seed
from grabient_assets.groups.imports.export_file import TAGS, ExportedRow
from grabient_assets.ledger.identity import MOST_ANALYSES
from grabient_assets.prompting.load import is_version_name
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model
from grabient_assets.settings import PROVIDERS

Purpose = Literal["tagging", "refinement"]
LEGACY = "legacy-"
MOST_TOKENS = 10_000_000
_ADDITION = re.compile(r"\d{8}|\d+[be]|claude|instruct|versatile")
"""What an id of a provider has and a short name may lack: the day, the size, the vendor, the kind."""


class BadRowError(Exception):
    """A row that cannot be read; the message is half a sentence."""


class _Usage(BaseModel):
    input_tokens: int | None = Field(
        None, ge=0, le=MOST_TOKENS, validation_alias=AliasChoices("inputTokens", "input_tokens")
    )
    output_tokens: int | None = Field(
        None, ge=0, le=MOST_TOKENS, validation_alias=AliasChoices("outputTokens", "output_tokens")
    )


class _Row(BaseModel):
    """The columns of both systems that are read. Numbers may come as floats; null is as good as absent."""

    seed: str
    model: str
    provider: str | None = None
    analysis_index: int | None = Field(None, validation_alias="analysisIndex")
    run_from_zero: int | None = Field(None, validation_alias="runNumber")
    run_from_one: int | None = Field(None, validation_alias="run_number")
    version: str | None = Field(None, validation_alias=AliasChoices("promptVersion", "prompt_version"))
    made_from: list[str] = Field(
        [], validation_alias=AliasChoices("sourcePromptVersions", "sourcePromptVersion", "source_prompt_version")
    )
    cycle: int = 0
    tags: Any = Field(None, validation_alias=AliasChoices("tags", "refined_tags"))
    embed_text: str | None = Field(None, validation_alias=AliasChoices("embedText", "embed_text"))
    error: str | None = None
    usage: _Usage | None = None
    created_at: datetime | None = Field(None, validation_alias=AliasChoices("_creationTime", "created_at", "createdAt"))

    @field_validator("made_from", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return [] if value is None else [value] if isinstance(value, str) else value

    @field_validator("cycle", mode="before")
    @classmethod
    def _numbered(cls, value: Any) -> Any:
        return 0 if value is None else value


@dataclass(frozen=True, slots=True)
class LegacyAnswer:
    """An answer, or with `error` the reason why there is none.

    `text` is the answer as JSON, written the same from either system. `named` is the prompt version as the export has
    it. `made_from` are the versions, by their names here, whose consensus a refinement was made from; of several
    refinements the one of the latest `cycle` stands.
    """

    purpose: Purpose
    seed: str
    palette_key: str
    model: Model
    prompt_version: str
    named: str | None
    analysis_index: int
    text: str | None
    error: str | None
    input_tokens: int | None
    output_tokens: int | None
    created_at: datetime | None
    made_from: tuple[str, ...] = ()
    cycle: int = 0

    @property
    def failed(self) -> bool:
        """Whether the earlier system got no answer that it could use."""
        return self.error is not None

    @property
    def key(self) -> tuple[str, ...]:
        """One row stands for each key: of tags for each analysis, of refinements for each palette and version."""
        of_palette = (self.purpose, self.seed, self.prompt_version)
        if self.purpose == "refinement":
            return of_palette
        return (*of_palette, self.model.provider, self.model.id, str(self.analysis_index))


def legacy_version(named: str | None, otherwise: str) -> str:
    """The name of an old prompt version here: its own behind `legacy-`, or a digest where it cannot be one."""
    version = f"{LEGACY}{named or otherwise}"
    return version if is_version_name(version) else f"{LEGACY}{hashlib.sha256(version.encode()).hexdigest()[:12]}"


def read_answer_row(row: ExportedRow, unnamed: str) -> LegacyAnswer:
    """The answer in a row of tags or of refinements; `unnamed` is the prompt version of one that names none. Raises
    BadRowError."""
    try:
        found = _Row.model_validate(row.values)
    except ValidationError as error:
        raise BadRowError(_sentence(error)) from None
    purpose: Purpose = "tagging" if row.table == TAGS else "refinement"
    if purpose == "tagging" and not found.provider:
        raise BadRowError("it has no provider")
    names = _names(found.seed.strip())
    if isinstance(names, str):
        raise BadRowError(f"its seed cannot be read: {names}")
    model = _model(found.provider or "", found.model)
    if isinstance(model, str):
        raise BadRowError(model)
    at = found.created_at
    return LegacyAnswer(
        purpose=purpose,
        seed=names[0],
        palette_key=names[1],
        model=model,
        prompt_version=legacy_version(found.version, unnamed),
        named=found.version,
        analysis_index=0 if purpose == "refinement" else _analysis(found),
        text=_text(found, purpose),
        error=found.error or None,
        input_tokens=found.usage.input_tokens if found.usage else None,
        output_tokens=found.usage.output_tokens if found.usage else None,
        created_at=at if at is None or at.tzinfo else at.replace(tzinfo=UTC),
        made_from=tuple(legacy_version(one, unnamed) for one in found.made_from),
        cycle=found.cycle,
    )


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    name = ".".join(map(str, first["loc"]))
    if first["type"] == "missing" or first["input"] is None:
        return f"it has no {name}"
    return f"its {name} is {str(first['input'])[:60]!r}: {first['msg'].lower()}"


def _analysis(found: _Row) -> int:
    """The analysis from 0. `runNumber` began with 0 or with 1, so that it stands as it is: both are runs."""
    if found.analysis_index is not None:
        index = found.analysis_index
    elif found.run_from_zero is not None:
        index = found.run_from_zero
    else:
        index = (1 if found.run_from_one is None else found.run_from_one) - 1
    if not 0 <= index < MOST_ANALYSES:
        raise BadRowError(f"it is analysis {index}, and one model has analyses 0 to {MOST_ANALYSES - 1}")
    return index


def _text(found: _Row, purpose: Purpose) -> str | None:
    """The tags as JSON; None for a failure. D1 keeps them as text, and some rows are such text in text."""
    tags = found.tags
    for _ in range(2):
        if isinstance(tags, str) and tags.strip():
            try:
                tags = json.loads(tags)
            except (ValueError, RecursionError) as error:
                raise BadRowError(f"its tags are not JSON ({error})") from None
    if tags is None or tags == "":
        if found.error:
            return None
        lone = purpose == "refinement" and found.embed_text
        raise BadRowError("it has an embed_text and no tags" if lone else "it has neither tags nor an error")
    if not isinstance(tags, dict):
        raise BadRowError(f"its tags are JSON, but {type(tags).__name__} instead of an object")
    if purpose == "refinement":
        if found.embed_text and not tags.get("embed_text"):
            tags = {**tags, "embed_text": found.embed_text}
        if not any(value for name, value in tags.items() if name != "embed_text"):
            raise BadRowError("it has an embed_text and no tags")
    return json.dumps(tags, ensure_ascii=False, sort_keys=True)


@lru_cache(maxsize=10_000)
def _names(seed: str) -> tuple[str, str] | str:
    """The canonical seed and the key of its colours, or why there are none."""
    try:
        palette = decode_seed(seed)
    except SeedError as error:
        return error.reason
    return palette.canonical, palette.palette_key


@lru_cache(maxsize=1_000)
def _model(provider: str, name: str) -> Model | str:
    """The model of this id or short name, or why there is none. Refinements name no provider."""
    if provider and provider not in PROVIDERS:
        return f"its provider is {provider[:60]!r}; known are {', '.join(PROVIDERS)}"
    asked = [one for one in load_registry().models if one.kind == "text" and provider in ("", one.provider)]
    fitting = [one for one in asked if one.id == name] or [one for one in asked if _is_short_for(name, one.id)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        return f"its model {name[:60]!r} may be {' or '.join(one.id for one in fitting)}; write which"
    return f"the registry knows no model {name[:60]!r}; add it (docs/how-to/add-a-model.md) and import again"


def _is_short_for(name: str, id: str) -> bool:
    """Whether a short name such as `opus-4.5` or `gpt-oss-120b` means this id."""
    ours, theirs = (Counter(re.split(r"[-._ ]", one.lower().rpartition("/")[2])) for one in (name, id))
    return not ours - theirs and all(_ADDITION.fullmatch(part) for part in theirs - ours)
