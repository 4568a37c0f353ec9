"""What models write while they think is not what they answer."""

from __future__ import annotations

import re

_THINK_TAG = re.compile(r"<(/?)(?:think|thinking|thought|reasoning)>", re.IGNORECASE)


def without_thoughts(text: str) -> str:
    """`text` without what stands between <think> and </think> (also <thinking>, <thought>, <reasoning>, any case).

    A closing tag without an opening one ends thoughts that began at the start. An opening tag that is never closed is
    only itself removed: the model forgot to close it, and what follows may be all it said.
    """
    kept: list[str] = []
    position, opened = 0, -1
    for tag in _THINK_TAG.finditer(text):
        closing = bool(tag.group(1))
        if closing and opened < 0:
            kept.clear()
            position = tag.end()
        elif closing:
            kept.append(text[position:opened])
            position, opened = tag.end(), -1
        elif opened < 0:
            opened = tag.start()
    rest = text[position:]
    return "".join(kept) + (_THINK_TAG.sub(" ", rest) if opened >= 0 else rest)
