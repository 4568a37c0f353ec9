"""Lists of colours, which people take for palettes: Lospec, coolors, paint programs, style sheets."""

from __future__ import annotations

import re
from pathlib import Path

from grabient_assets.errors import PaletteFileError

COLOUR_LIST = re.compile(
    r"(?<![\w-])#?(?:[0-9a-f]{6}|[0-9a-f]{8})(?![\w-])|(?<![\w#&])#[0-9a-f]{3,4}(?![\w-])"
    r"|coolors\.co|lospec\.com|^GIMP Palette|^JASC-PAL|^;\s*[a-z]"
    r"|\b(?:rgba?|hsla?|hwb|(?:ok)?lch|(?:ok)?lab)\("
    r"|^\s*\d{1,3}(?:\s+|\s*[,;]\s*)\d{1,3}(?:\s+|\s*[,;]\s*)\d{1,3}(?![.,\w])(?!\s*[,;\s]\s*[+-]?\d)",
    re.IGNORECASE,
)
"""What such lists say on a line: colours, one by one."""
HEX_COLOURS_ONLY = re.compile(r"#[0-9a-f]{3,8}(?:[\s,;]+#[0-9a-f]{3,8})*\s*", re.IGNORECASE)
_SWATCH_FILES = re.compile(rb"ASEF\x00|RIFF....PAL |8BCB|\x00\x01\x00[\x01-\xff]\x00[\x00-\x08]", re.DOTALL)


def is_swatch_file(begin: bytes) -> bool:
    """Whether a file begins as those of Adobe (.ase, .aco) and Windows (.pal) do."""
    return _SWATCH_FILES.match(begin) is not None


def no_colours(path: Path) -> PaletteFileError:
    """What a palette is instead."""
    return PaletteFileError(
        f"The palette file {path} is a list of colours, as Lospec, coolors and paint programs write them. A palette "
        "here is a whole gradient. Its seed is the last part of its address at grabient.com, such as "
        "_gIMgGAgFZgGvgEFgB4gH0gH0gH0gHMgG5gJf, or the 12 numbers of its cosine curves. Colours cannot be turned into "
        "one."
    )
