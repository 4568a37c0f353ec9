"""Prompt sets from the folder `prompts/`: one folder per version, in it `tagging.md` and `refinement.md`."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from grabient_assets.errors import PromptError, UnknownPromptVersionError
from grabient_assets.prompting.answer_schema import check_answer_schema
from grabient_assets.prompting.front_matter import read_front_matter, split_front_matter
from grabient_assets.prompting.prompt import PURPOSES, Prompt, PromptSet, Purpose, prompt_digest
from grabient_assets.prompting.released import frozen_sentence, load_released
from grabient_assets.prompting.variables import fill_body, fill_schema

# A version is a partition key: '|' parts the two dimensions, ',' parts keys, '...' is a range of keys.
VERSION_PATTERN = re.compile(r"[a-z0-9][a-z0-9_.-]{0,30}")
MAX_BYTES = 256 * 1024


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
    names = [entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith((".", "_"))]
    for name in sorted(names):
        if not is_version_name(name):
            raise PromptError(
                f"The folder {root.name}/{name} cannot be a prompt version: rename it to 1-31 characters of "
                "a-z, 0-9, '_', '.' or '-', starting with a letter or digit and without '...'."
            )
    return tuple(sorted(names, key=_natural))


def load_prompt_set(root: Path, version: str) -> PromptSet:
    """Both prompts of `version`, read and checked.

    Raises UnknownPromptVersionError when there is none of that name, PromptError for anything else that is not right,
    and when a released version no longer says what it said.
    """
    versions = load_prompt_versions(root)
    if version not in versions:
        raise UnknownPromptVersionError(version, versions)
    tagging, refinement = (_load_prompt(root, version, purpose) for purpose in PURPOSES)
    released = load_released(root).get(version)
    for prompt in (tagging, refinement):
        if released is not None and released[prompt.purpose] != prompt.digest:
            raise PromptError(frozen_sentence(f"{root.name}/{version}/{prompt.purpose}.md", version))
    return PromptSet(version=version, tagging=tagging, refinement=refinement, released=released is not None)


def _load_prompt(root: Path, version: str, purpose: Purpose) -> Prompt:
    file = f"{root.name}/{version}/{purpose}.md"
    return _prompt(version, purpose, file, _read(root, root / version / f"{purpose}.md", file))


@lru_cache(maxsize=64)
def _prompt(version: str, purpose: Purpose, file: str, text: str) -> Prompt:
    """Kept, because every tick of a sensor asks for prompts, and their YAML takes longer to read than the file."""
    head, template = split_front_matter(text, file)
    front = read_front_matter(head, file)
    if front.purpose != purpose:
        raise PromptError(f"{file} says 'purpose: {front.purpose}', but a file of this name must say {purpose!r}.")
    if not template.strip():
        raise PromptError(f"{file} has an empty body: there is nothing to tell the model.")
    body = fill_body(template.strip(), purpose, file)
    schema = fill_schema(front.output_schema, file)
    check_answer_schema(schema, purpose, file)
    parameters = front.parameters.model_dump(exclude_none=True)
    return Prompt(
        version=version,
        purpose=purpose,
        message=front.message.strip(),
        body=body,
        parameters=parameters,
        schema=schema,
        digest=prompt_digest(body, schema, parameters),
        text=text,
    )


def _read(root: Path, path: Path, file: str) -> str:
    if not path.is_file():
        raise PromptError(f"{file} is missing: each prompt version needs tagging.md and refinement.md.")
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
