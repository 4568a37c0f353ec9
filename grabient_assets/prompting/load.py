"""Prompt sets from a folder: one folder per version, in it a file `<purpose>.md` for each purpose.

A folder that holds only folders is a family: the versions in it are those of other purposes, and it has a
`released.toml` of its own.

The head of a prompt file is YAML between two lines of `---`, checked key by key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from grabient_assets.errors import PromptError, UnknownPromptVersionError
from grabient_assets.prompting.prompt import Prompt, PromptSet, prompt_digest
from grabient_assets.prompting.released import frozen_sentence, load_released, released_digests
from grabient_assets.prompting.rules import PromptRules, check_answer_schema, fill_body, fill_schema

# A version is a partition key: '|' parts the two dimensions, ',' parts keys, '...' is a range of keys.
VERSION_PATTERN = re.compile(r"[a-z0-9][a-z0-9_.-]{0,30}")
MAX_BYTES = 256 * 1024
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


def is_version_name(name: str) -> bool:
    """Whether `name` can be a prompt version: 1-31 of a-z 0-9 _ . -, not starting with a sign, without '...'."""
    return VERSION_PATTERN.fullmatch(name) is not None and "..." not in name


def load_prompt_versions(root: Path) -> tuple[str, ...]:
    """Names of the prompt versions in the folder `root`, in natural order (v2 before v10).

    Files and folders whose name starts with '.' or '_' are passed over; any other folder with a name that
    cannot be a version raises PromptError, because leaving it out silently would look like a lost prompt.
    """
    if not root.is_dir():
        raise PromptError(f"There is no prompt folder at {root}; create it with one folder per version, such as v1.")
    names = [entry.name for entry in _folders(root) if not _is_family(entry)]
    for name in sorted(names):
        if not is_version_name(name):
            raise PromptError(
                f"The folder {root.name}/{name} cannot be a prompt version: rename it to 1-31 characters of "
                "a-z, 0-9, '_', '.' or '-', starting with a letter or digit and without '...'."
            )
    return tuple(sorted(names, key=_natural))


def load_prompt_families(root: Path) -> tuple[str, ...]:
    """Names of the families in the folder `root`, in order."""
    return tuple(sorted(entry.name for entry in _folders(root) if _is_family(entry))) if root.is_dir() else ()


def family_version(family: Path, name: str | None) -> str:
    """The name of a version of this family, written alone or behind the family's; without one the newest that is
    released, or the newest draft. Raises UnknownPromptVersionError."""
    versions = load_prompt_versions(family)
    if name is None:
        released = load_released(family)
        return next((one for one in reversed(versions) if one in released), versions[-1])
    found = name.removeprefix(f"{family.name}/")
    if found not in versions:
        raise UnknownPromptVersionError(name, [f"{family.name}/{one}" for one in versions])
    return found


def family_prompt(family: Path, version: str, rules: Sequence[PromptRules], purpose: str) -> Prompt:
    """The prompt of a purpose under a version of this family, `chorus/v1` or `v1`; it is called `chorus/v1`. Raises
    PromptError."""
    name = version.removeprefix(f"{family.name}/")
    return replace(load_prompt_set(family, name, rules)[purpose], version=f"{family.name}/{name}")


def _folders(root: Path) -> list[Path]:
    return [entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith((".", "_"))]


def _is_family(folder: Path) -> bool:
    return not any(folder.glob("*.md")) and bool(_folders(folder))


def load_prompt_set(root: Path, version: str, rules: Sequence[PromptRules]) -> PromptSet:
    """The prompts of `version`, read and checked by these rules, one file for each.

    Raises UnknownPromptVersionError when there is none of that name, PromptError for any other mistake, and when the
    text of a released version has changed.
    """
    versions = load_prompt_versions(root)
    if version not in versions:
        raise UnknownPromptVersionError(version, versions)
    purposes = [one.purpose for one in rules]
    found: dict[str, Prompt] = {}
    for one in rules:
        file = f"{root.name}/{version}/{one.purpose}.md"
        text = _read(root, root / version / f"{one.purpose}.md", file, purposes)
        found[one.purpose] = _prompt(version, one, file, text)
    digests = released_digests(root, version, purposes)
    for purpose, prompt in found.items():
        if digests is not None and digests[purpose] != prompt.digest:
            raise PromptError(frozen_sentence(f"{root.name}/{version}/{purpose}.md", version))
    released = digests is not None
    return PromptSet(version, {name: replace(one, released=released) for name, one in found.items()}, released)


@lru_cache(maxsize=64)
def _prompt(version: str, rules: PromptRules, file: str, text: str) -> Prompt:
    """Kept, because every tick of a sensor asks for prompts, and their YAML takes longer to read than the file."""
    head, template = split_front_matter(text, file)
    front = read_front_matter(head, file)
    if front.purpose != rules.purpose:
        raise PromptError(
            f"{file} says 'purpose: {front.purpose}', but a file of this name must say {rules.purpose!r}."
        )
    if not template.strip():
        raise PromptError(f"{file} has an empty body: there is nothing to tell the model.")
    body = fill_body(template.strip(), rules, file)
    schema = fill_schema(front.output_schema, rules, file)
    check_answer_schema(schema, rules, file)
    parameters = front.parameters.model_dump(exclude_none=True)
    return Prompt(
        version=version,
        purpose=rules.purpose,
        message=front.message.strip(),
        body=body,
        parameters=parameters,
        schema=schema,
        digest=prompt_digest(body, schema, parameters),
        text=text,
    )


def _read(root: Path, path: Path, file: str, purposes: Sequence[str]) -> str:
    if not path.is_file():
        files = " and ".join(f"{purpose}.md" for purpose in purposes)
        raise PromptError(f"{file} is missing: each prompt version needs {files}.")
    if not path.resolve().is_relative_to(root.resolve()):
        raise PromptError(f"{file} is a link that leads out of the folder {root.name}; put the file itself there.")
    if path.stat().st_size > MAX_BYTES:
        raise PromptError(f"{file} is larger than {MAX_BYTES // 1024} KB; no model reads a prompt of that size.")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PromptError(f"{file} is not UTF-8 (byte {error.start}); save it as UTF-8.") from error
    if "\0" in text:
        raise PromptError(f"{file} holds a NUL character; save it as plain text.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _natural(name: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    parts = re.split(r"(\d+)", name)
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts if part), name


class Parameters(BaseModel):
    """What a prompt may ask of a model. A model that cannot take a parameter is asked without it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    temperature: float | None = Field(default=None, ge=0, le=2, allow_inf_nan=False)
    max_output_tokens: int | None = Field(default=None, ge=1, le=128_000)
    thinking_budget: int | None = Field(default=None, ge=0, le=128_000)
    effort: Effort | None = None


class FrontMatter(BaseModel):
    """The keys of the head. All are required, but where the answer is an image it has no `output_schema`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    purpose: str
    message: str = Field(min_length=1, max_length=300, pattern=r"^[^\n]*\S[^\n]*$")
    parameters: Parameters
    output_schema: dict[str, Any] = Field(default_factory=dict[str, Any])


class _StrictLoader(yaml.SafeLoader):
    """YAML without aliases (a small file could unfold to gigabytes) and repeated keys (the first would vanish)."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not allowed")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key.value, str):
                raise yaml.YAMLError("a key must be a word")
            if key.value in seen:
                raise yaml.YAMLError(f"the key {key.value!r} appears twice")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def split_front_matter(text: str, file: str) -> tuple[str, str]:
    """(head, body) of a prompt file whose line ends are `\\n`."""
    if not text.startswith("---\n"):
        raise PromptError(f"{file} has no front matter: its first line must be '---'.")
    head, fence, body = text[4:].partition("\n---\n")
    if not fence:
        raise PromptError(f"{file} has no end of its front matter: a second line '---' is missing.")
    return head, body


def read_front_matter(head: str, file: str) -> FrontMatter:
    """The checked head. Raises PromptError naming the key that is wrong."""
    try:
        raw = yaml.load(head, Loader=_StrictLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        detail = " ".join(str(error).split())
        raise PromptError(f"{file} has front matter that is not valid YAML: {detail}.") from error
    if not isinstance(raw, dict):
        raise PromptError(f"{file} has front matter that is not a list of keys and values.")
    try:
        json.dumps(raw, ensure_ascii=False, default=str).encode("utf-8")
    except UnicodeEncodeError as error:
        half = error.object[error.start : error.start + 1].encode("unicode_escape").decode("ascii")
        raise PromptError(
            f"{file} has front matter with {half}, which is half a character and cannot be sent; write the whole one."
        ) from error
    try:
        return FrontMatter.model_validate(raw)
    except ValidationError as error:
        raise PromptError(f"{file}: {_sentence(error)}") from error


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return f"the front matter lacks the key {key!r}."
    if first["type"] == "extra_forbidden":
        return f"the front matter has the unknown key {key!r}."
    return f"the key {key!r} of the front matter is wrong: {first['msg']}."
