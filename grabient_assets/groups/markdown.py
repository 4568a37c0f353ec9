"""Markdown on the pages of the UI: palettes, and text of others.

Tags are kept as models wrote them, HTML included: pages show them, never obey.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import dagster as dg

from grabient_assets.gradient.svg import thumbnail

_MEANS_SOMETHING = re.compile(r"([\\`*_{}\[\]()<>#|&~!@:^$])")


def escaped(text: str) -> str:
    """`text` as one line that Markdown shows as it is, in a table cell too."""
    return _MEANS_SOMETHING.sub(r"\\\1", " ".join(text.split()))


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; the cells are shown as they are."""
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    lines += [f"| {' | '.join(escaped(cell) for cell in row)} |" for row in rows]
    return "\n".join(lines)


def picture(seed: str, hex_colors: Sequence[str]) -> dg.MetadataValue:
    """The palette itself, inline: small, because every event is stored for ever."""
    return dg.MetadataValue.md(f"![{seed}]({thumbnail(hex_colors)})")


def inline_image(png: bytes, alt: str, longest: int | None = None) -> str:
    """The picture inside the Markdown, as a JPEG of at most this many pixels on its `longest` side: every event is
    stored for ever."""
    import base64
    from io import BytesIO

    from PIL import Image

    file = BytesIO()
    image = Image.open(BytesIO(png)).convert("RGB")
    if longest is not None:
        image.thumbnail((longest, longest))
    image.save(file, "JPEG", quality=80)
    return f"![{escaped(alt)}](data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()})"
