"""What changed between two prompts."""

from __future__ import annotations

import difflib

from grabient_assets.prompting.prompt import Prompt


def text_difference(first: Prompt, second: Prompt) -> list[str]:
    """The lines of a unified diff of the two files; empty when they are the same."""
    before, after = (f"{prompt.version}/{prompt.purpose}.md" for prompt in (first, second))
    lines = difflib.unified_diff(first.text.splitlines(), second.text.splitlines(), before, after, lineterm="")
    return list(lines)
