"""Which prompt versions are released: `released.toml` beside them, version -> purpose -> digest.

What is released is frozen, because answers that were paid for refer to it by name. Everything else is a draft.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from grabient_assets.errors import PromptError
from grabient_assets.prompting.prompt import PromptSet

FILE = "released.toml"
HEAD = "# Written by `grabient prompts release`. What stands here is frozen: a change of wording is a new version.\n"
Released: TypeAlias = Mapping[str, Mapping[str, str]]

_DIGEST = re.compile(r"[0-9a-f]{64}")


def load_released(root: Path) -> Released:
    """The digests of the released versions; none without the file. Raises PromptError for anything odd in it."""
    path, file = root / FILE, f"{root.name}/{FILE}"
    if not path.is_file():
        return {}
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise PromptError(f"{file} cannot be read ({error}); restore it.") from error
    for version in found:
        if not (root / version).is_dir():
            raise PromptError(
                f"{file} names {version!r}, but there is no folder {root.name}/{version}: restore it. "
                "Answers that were paid for refer to it."
            )
    return {version: digests if isinstance(digests, dict) else {} for version, digests in found.items()}


def released_digests(root: Path, version: str, purposes: Sequence[str]) -> Mapping[str, str] | None:
    """The digests of these purposes under the version; None for a draft. Raises PromptError for anything odd in it."""
    digests, file = load_released(root).get(version), f"{root.name}/{FILE}"
    if digests is None:
        return None
    if set(digests) != set(purposes):
        raise PromptError(f"{file}: {version!r} must hold the digests of {' and '.join(purposes)}, and nothing else.")
    for purpose, digest in digests.items():
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise PromptError(f"{file}: the {purpose} digest of {version!r} is not 64 hexadecimal digits; restore it.")
    return digests


def release(root: Path, prompts: PromptSet) -> None:
    """Write the version's digests down. Raises PromptError when it is released already."""
    if prompts.version in load_released(root):
        raise PromptError(f"Prompt version {prompts.version} is released already.")
    path = root / FILE
    before = path.read_text(encoding="utf-8") if path.is_file() else HEAD
    digests = [f'{prompt.purpose} = "{prompt.digest}"' for prompt in prompts.prompts.values()]
    section = "\n".join([f'["{prompts.version}"]', *digests])
    made = path.with_name(f".{FILE}.{os.getpid()}")
    made.write_text(before.rstrip("\n") + f"\n\n{section}\n", encoding="utf-8")
    made.replace(path)


def frozen_sentence(file: str, version: str) -> str:
    """What to do about a released file that reads otherwise now."""
    root = file.partition("/")[0]
    return (
        f"{file} is released, and what it says to the models (text, word lists, schema or parameters) has changed "
        f"since. Restore it (git checkout {file}); for another wording copy {root}/{version} to a new version and edit "
        "that."
    )
