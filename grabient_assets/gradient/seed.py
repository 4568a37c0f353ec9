"""Seeds: the strings in which Grabient packs a palette, in the three encodings it has used.

aligned     "_" and 36 characters (44 with modifiers); what the site writes today, and our canonical spelling
decimal     12 or 16 numbers with commas
lz-string   the same numbers, compressed; the site's older links

The limits are those of the site. Where its validator and its decoder disagree we take the stricter of the two:
a seed that only one of them accepts cannot be opened there, or is shown as something it does not say.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from grabient_assets.errors import SeedError
from grabient_assets.gradient.palette import (
    ALPHABET,
    COEFF_DIGITS,
    COEFF_OFFSET,
    DEFAULT_GLOBALS,
    GLOBAL_DIGITS,
    GLOBAL_OFFSET,
    SCALE,
    Globals,
    Palette,
    Vector,
    are_default,
    clamp,
    round3,
)

# 16 numbers of 17 significant digits fill about 300 characters; real seeds stay under 160.
MAX_SEED_CHARS = 300
BLANKS = " \t\r\n\f\v\u00a0\ufeff"

GLOBAL_RANGES = (
    ("exposure", -1.0, 1.0),
    ("contrast", 0.0, 2.0),
    ("frequency", 0.0, 2.0),
    ("phase", -1.001, 1.001),
)
# Phases of old seeds run from -pi to pi; the site reads everything beyond this as one of those.
MAX_PHASE = 1.001

CANONICAL = re.compile(r"_[A-Za-z0-9_-]{36}(?:[A-Za-z0-9_-]{8})?", re.ASCII)
PLAIN_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
# What JavaScript's parseFloat reads: a number at the front, whatever follows it.
LEADING_NUMBER = re.compile(rf"[{BLANKS}]*([+-]?(?:Infinity|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?))", re.ASCII)
NOT_LZ_STRING = re.compile(r"[^A-Za-z0-9+$ -]")
ALIGNED_VALUE = {character: value for value, character in enumerate(ALPHABET)}


def decode_seed(text: str) -> Palette:
    """The palette that `text` packs, in whichever of the three encodings. Blanks around it are ignored.

    Coefficients beyond -131.072..131.071 are clamped, everything is rounded to three decimals, and modifiers
    that change nothing are set to their defaults, so `decode_seed(palette.canonical) == palette` always holds.
    Raises SeedError with the reason.
    """
    seed = text.strip(BLANKS)
    reason = _foreign(seed)
    if reason:
        raise SeedError(text, reason)
    if seed.startswith("_"):
        values = _aligned_values(seed)
    elif "," in seed:
        values = _decimal_values(seed)
    else:
        values = _lz_string_values(seed)
    if isinstance(values, str):
        raise SeedError(text, values)
    modifiers = _modifiers(values[12:])
    if isinstance(modifiers, str):
        raise SeedError(text, modifiers)
    rows = [round3(clamp(value)) for value in values[:12]]
    return Palette(coeffs=(_row(rows, 0), _row(rows, 3), _row(rows, 6), _row(rows, 9)), globals=modifiers)


def is_canonical(text: str) -> bool:
    """Whether `text` is the spelling used as key: aligned, and as short as its palette allows."""
    if not CANONICAL.fullmatch(text):
        return False
    try:
        return decode_seed(text).canonical == text
    except SeedError:
        return False


def _row(values: Sequence[float], start: int) -> Vector:
    return values[start], values[start + 1], values[start + 2]


def _foreign(seed: str) -> str | None:
    """Why `seed` can be no seed in any encoding, or None."""
    if not seed:
        return "it is empty"
    if len(seed) > MAX_SEED_CHARS:
        return f"it has {len(seed)} characters, and seeds have at most {MAX_SEED_CHARS}"
    for position, character in enumerate(seed, start=1):
        if not " " <= character <= "~" and character != "\t":
            kind = "control character" if character < " " or character == "\x7f" else "character outside ASCII"
            return f"character {position} is the {kind} U+{ord(character):04X}"
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://|www\.|grabient\.com", seed, re.IGNORECASE):
        return "it is a web address; the seed is the part after the last slash"
    if seed[0] in "{[\"'":
        return "it is JSON or quoted text; give the seed alone"
    if seed[0] == "#" or re.fullmatch(r"(?:0x)?(?:[0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})", seed):
        return "it is a hex colour; a seed describes a whole gradient"
    return None


def _aligned_values(seed: str) -> list[float] | str:
    """The numbers of an aligned seed, or the reason why it has none."""
    body = seed[1:]
    for position, character in enumerate(body, start=2):
        if character not in ALIGNED_VALUE:
            return f"character {position} is {character!r}, and aligned seeds are made of A-Z, a-z, 0-9, - and _"
    if len(body) not in (36, 44):
        return f"an aligned seed has 37 or 45 characters, this one has {len(seed)}"
    coeffs = [_number(body[at : at + COEFF_DIGITS], COEFF_OFFSET) for at in range(0, 36, COEFF_DIGITS)]
    modifiers = [_number(body[at : at + GLOBAL_DIGITS], GLOBAL_OFFSET) for at in range(36, len(body), GLOBAL_DIGITS)]
    return coeffs + modifiers


def _number(digits: str, offset: int) -> float:
    number = 0
    for digit in digits:
        number = number << 6 | ALIGNED_VALUE[digit]
    return (number - offset) / SCALE


def _decimal_values(seed: str) -> list[float] | str:
    """The numbers of a decimal seed, or the reason why it has none."""
    parts = [part.strip(BLANKS) for part in seed.split(",")]
    for place, part in enumerate(parts, start=1):
        if not PLAIN_NUMBER.fullmatch(part):
            return f"value {place} is missing" if not part else f"value {place} ({_short(part)}) is not a plain number"
        if math.isinf(float(part)):
            return f"value {place} ({_short(part)}) is too large for a number"
    if len(parts) not in (12, 16):
        return f"it has {len(parts)} numbers instead of 12 or 16"
    return [float(part) for part in parts]


def _lz_string_values(seed: str) -> list[float] | str:
    """The numbers of an lz-string seed, or the reason why it has none. Reads them as leniently as the site."""
    from lzstring import LZString

    strange = NOT_LZ_STRING.search(seed)
    if strange:
        return f"character {strange.start() + 1} is {strange.group()!r}, which none of the three encodings uses there"
    try:
        unpacked = LZString.decompressFromEncodedURIComponent(seed)
    except (IndexError, UnboundLocalError):
        # The library reads past the end of a text without an end mark, and trips over an impossible first code.
        unpacked = None
    if not unpacked:
        return "read as lz-string text it has no end, so it was cut short or is no seed at all"
    parts = unpacked.split(",")
    if len(parts) not in (12, 16):
        return f"it unpacks to {len(parts)} values instead of 12 or 16"
    values: list[float] = []
    for place, part in enumerate(parts, start=1):
        number = LEADING_NUMBER.match(part)
        if not number:
            return f"it unpacks to {_short(part)} as value {place}, which does not begin with a number"
        values.append(float(number.group(1)))
        # The site's decoder lets Infinity through and clamps it; its validator refuses it, and so do we.
        if math.isinf(values[-1]):
            return f"it unpacks to {_short(part)} as value {place}, which is infinite"
    return values


def _modifiers(values: Sequence[float]) -> Globals | str:
    """Exposure, contrast, frequency and phase in their final form, or the reason why they cannot be."""
    if not values:
        return DEFAULT_GLOBALS
    exposure, contrast, frequency, phase = values
    if abs(phase) > MAX_PHASE:
        phase /= math.pi
    raw = (exposure, contrast, frequency, phase)
    for value, (name, low, high) in zip(raw, GLOBAL_RANGES, strict=True):
        if not low <= value <= high:
            return f"its global {name} is {value:.10g}, outside {low:g} to {high:g}"
    rounded = (round3(exposure), round3(contrast), round3(frequency), round3(phase))
    return DEFAULT_GLOBALS if are_default(rounded) else rounded


def _short(text: str) -> str:
    return repr(text if len(text) <= 24 else text[:21] + "...")
