"""Everything that is computed about a palette: its colours in four notations, their names, harmonies and facts.

The facts are temperature, contrast, brightness and saturation. Their definitions are ours and written down in
docs/colour-facts.md; change both together. Inputs are the whole numbers that the models see too (HSL and LCH, rounded),
so anyone can check a fact by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import cos, hypot, radians, sin

from grabient_assets.gradient.color import Triple, color_names, to_hex, to_hsl, to_lch
from grabient_assets.gradient.harmony import detect_harmonies
from grabient_assets.gradient.palette import RGB, Palette, colors

# A group of colours counts when it holds at least this many of the eleven.
GROUP = 3

WARM_BANDS, COOL_BAND = ((0, 60), (300, 360)), (150, 270)
WARM_COOL_MIDDLE = (105, 285)
GREY_SATURATION = 15
HIGH_CONTRAST, MEDIUM_CONTRAST = 50, 25
DARK, LIGHT = 35, 65
VIVID, DULL = 50, 40

# Near black and near white HSL calls the least tint saturated: #010000 has 100. What a person sees there is `tint`.
FAINT_TINT, WEAK_TINT, STRONG_TINT = 10, 25, 40
NEAR_BLACK, NEAR_WHITE = 5, 95
# Two colours so far apart in hue and chroma (CIE a*b*) are a contrast, whatever their lightness.
LOW_CONTRAST_APART, MEDIUM_CONTRAST_APART = 50, 75
# People call violet and magenta warm as well as cool: a word is clear only when it stands without them.
MAGENTA = (270, 330)
MID_LIGHTNESS, MEDIUM_LIGHTNESS = 50, (25, 75)
_BETWEEN_THE_BANDS = 120
_CONTRADICTS: dict[str, Callable[[int], bool]] = {
    "dark": lambda lightness: lightness > MID_LIGHTNESS,
    "light": lambda lightness: lightness < MID_LIGHTNESS,
    "medium": lambda lightness: not MEDIUM_LIGHTNESS[0] <= lightness <= MEDIUM_LIGHTNESS[1],
    "varied": lambda lightness: True,
}
"""Which colours make another word possible for a palette."""

# How far a number must lie from a threshold for a clear-cut palette.
HUE_MARGIN, LIGHTNESS_MARGIN = 2, 1
CLEAR_MAJORITY, SEEN_MAJORITY = 9, 7


@dataclass(frozen=True, slots=True)
class ColourFacts:
    """The computed fields of a palette, which of them are beyond dispute, and the numbers behind them.

    A field is in `clear_cut` when every reasonable reading of the definition gives the same value (HSL or LCH, any
    order of the rules, thresholds a little higher or lower) and a person who looks would not say another one. Only then
    is a different answer an error.
    Shares are 0-1, lightness is CIE L (0-100).
    """

    temperature: str
    contrast: str
    brightness: str
    saturation: str
    harmonies: tuple[str, ...]
    clear_cut: frozenset[str]
    lightness_range: int
    lightness_mean: float
    warm_share: float
    cool_share: float
    grey_share: float
    vivid_share: float
    dull_share: float


def compute_facts(hsl: Sequence[Triple], lch: Sequence[Triple], harmonies: tuple[str, ...]) -> ColourFacts:
    """The facts of a palette from its colours in HSL and LCH (rounded, as `gradient.color` gives them)."""
    saturations = [saturation for _, saturation, _ in hsl]
    hues = [hue for hue, _, _ in hsl], [hue for _, _, hue in lch]
    lightnesses = [lightness for lightness, _, _ in lch], [lightness for _, _, lightness in hsl]
    count = len(hsl)
    warm, cool = _sides(hues[0], saturations)
    clear = {
        "temperature": _clear_temperature(hues, saturations, [tint(one) for one in hsl]),
        "contrast": _clear_contrast(lightnesses, lch),
        "brightness": _clear_brightness(lightnesses),
        "saturation": _clear_saturation(hsl),
    }
    return ColourFacts(
        temperature=temperature(hues[0], saturations),
        contrast=contrast(lightnesses[0]),
        brightness=brightness(lightnesses[0]),
        saturation=saturation_word(saturations),
        harmonies=harmonies,
        clear_cut=frozenset(field for field, is_clear in clear.items() if is_clear),
        lightness_range=_spread(lightnesses[0]),
        lightness_mean=sum(lightnesses[0]) / count,
        warm_share=warm / count,
        cool_share=cool / count,
        grey_share=sum(one < GREY_SATURATION for one in saturations) / count,
        vivid_share=sum(one > VIVID for one in saturations) / count,
        dull_share=sum(one < DULL for one in saturations) / count,
    )


def temperature(hues: Sequence[int], saturations: Sequence[int], margin: int = 0) -> str:
    """warm, cool, neutral or cool-warm. `margin` widens the hue bands by that many degrees."""
    if 2 * sum(one < GREY_SATURATION for one in saturations) > len(saturations):
        return "neutral"
    warm, cool = _sides(hues, saturations, margin)
    if warm >= GROUP and cool >= GROUP:
        return "cool-warm"
    if warm == cool:
        # Greens and violets between the bands decide by the nearer band.
        leaning = [not WARM_COOL_MIDDLE[0] < hue < WARM_COOL_MIDDLE[1] for hue in _chromatic(hues, saturations)]
        warm, cool = sum(leaning), len(leaning) - sum(leaning)
    if warm == cool:
        return "cool-warm"
    return "warm" if warm > cool else "cool"


def contrast(lightnesses: Sequence[int]) -> str:
    """high, medium or low: the distance from the darkest to the lightest colour."""
    spread = _spread(lightnesses)
    return "high" if spread > HIGH_CONTRAST else "medium" if spread >= MEDIUM_CONTRAST else "low"


def brightness(lightnesses: Sequence[int]) -> str:
    """varied when dark and light colours are both present as groups, else dark, medium or light by the mean."""
    dark, light = _ends(lightnesses)
    if dark >= GROUP and light >= GROUP:
        return "varied"
    mean = sum(lightnesses) / len(lightnesses)
    return "dark" if mean < DARK else "light" if mean > LIGHT else "medium"


def saturation_word(saturations: Sequence[int]) -> str:
    """vibrant or muted when more than half of the colours are vivid or dull, else mixed."""
    vivid, dull = sum(one > VIVID for one in saturations), sum(one < DULL for one in saturations)
    if 2 * vivid > len(saturations):
        return "vibrant"
    return "muted" if 2 * dull > len(saturations) else "mixed"


def tint(hsl: Triple) -> float:
    """How much colour there is, in percent: the largest of red, green and blue minus the smallest.

    At lightness 50 it is the saturation; towards black and white it becomes nothing.
    """
    _, saturation, lightness = hsl
    return saturation * (100 - abs(2 * lightness - 100)) / 100


def colours_apart(lch: Sequence[Triple]) -> float:
    """The largest distance of two colours in CIE a*b*, so in hue and chroma alone."""
    points = {(chroma * cos(radians(hue)), chroma * sin(radians(hue))) for _, chroma, hue in lch}
    return max((hypot(one[0] - other[0], one[1] - other[1]) for one, other in combinations(points, 2)), default=0.0)


def _clear_temperature(readings: Sequence[Sequence[int]], saturations: Sequence[int], tints: Sequence[float]) -> bool:
    """The value is the same with the hues of HSL and of LCH, without magenta, with bands a little wider or narrower,
    and whether greys are recognised by their saturation or by their low chroma."""
    value = temperature(readings[0], saturations)
    without_magenta = [_BETWEEN_THE_BANDS if MAGENTA[0] < hue < MAGENTA[1] else hue for hue in readings[0]]
    by_tint = [0 if one <= FAINT_TINT else 100 for one in tints]
    for of in (saturations, by_tint):
        if (value == "neutral") != all(one < GREY_SATURATION for one in of):
            return False
        if value == "neutral":
            continue
        for hues in (*readings, without_magenta):
            for margin in (-HUE_MARGIN, 0, HUE_MARGIN):
                warm, cool = _sides(hues, of, margin)
                a_few = 0 < min(warm, cool) < GROUP
                undecided = 2 * (warm + cool) < len(_chromatic(hues, of))
                if a_few or undecided or temperature(hues, of, margin) != value:
                    return False
    return True


def _clear_contrast(readings: Sequence[Sequence[int]], lch: Sequence[Triple]) -> bool:
    spreads = [_spread(lightnesses) for lightnesses in readings]
    near = any(
        abs(spread - limit) <= LIGHTNESS_MARGIN for spread in spreads for limit in (HIGH_CONTRAST, MEDIUM_CONTRAST)
    )
    most = {"low": LOW_CONTRAST_APART, "medium": MEDIUM_CONTRAST_APART}.get(contrast(readings[0]))
    return (
        not near
        and len({contrast(lightnesses) for lightnesses in readings}) == 1
        and (most is None or colours_apart(lch) <= most)
    )


def _clear_brightness(readings: Sequence[Sequence[int]]) -> bool:
    for lightnesses in readings:
        mean = sum(lightnesses) / len(lightnesses)
        if all(_ends(lightnesses)) or min(abs(mean - DARK), abs(mean - LIGHT)) <= LIGHTNESS_MARGIN:
            return False
        if sum(map(_CONTRADICTS[brightness(lightnesses)], lightnesses)) >= GROUP:
            return False
    return len({brightness(lightnesses) for lightnesses in readings}) == 1


def _clear_saturation(hsl: Sequence[Triple]) -> bool:
    """One side has a clear majority, whatever the colours near black and white count as; vivid colours are vivid to the
    eye too, not only by HSL."""
    near_ends = [_is_near_black_or_white(one) for one in hsl]
    rest = [saturation for (_, saturation, _), is_near in zip(hsl, near_ends, strict=True) if not is_near]
    vivid, dull, either = sum(one > VIVID for one in rest), sum(one < DULL for one in rest), sum(near_ends)
    words = {_clear_majority(vivid + either, dull, len(hsl)), _clear_majority(vivid, dull + either, len(hsl))}
    seen_vivid = sum(one[1] > VIVID and tint(one) > STRONG_TINT for one in hsl)
    seen_dull = sum(one[1] < DULL or tint(one) < WEAK_TINT for one in hsl)
    if words == {"vibrant"}:
        return seen_vivid >= SEEN_MAJORITY and seen_dull < GROUP
    if words == {"mixed"}:
        return seen_vivid >= GROUP and 2 * seen_dull <= len(hsl)
    return words == {"muted"}


def _is_near_black_or_white(hsl: Triple) -> bool:
    """Where HSL calls a tint that hardly anyone sees saturated: #030302 has 20, #010000 has 100."""
    _, saturation, lightness = hsl
    return saturation >= GREY_SATURATION and not NEAR_BLACK < lightness < NEAR_WHITE


def _clear_majority(vivid: int, dull: int, count: int) -> str | None:
    more, fewer = max(vivid, dull), min(vivid, dull)
    if 2 * more <= count:
        return "mixed" if fewer >= GROUP else None
    is_clear = more >= CLEAR_MAJORITY or (fewer == 0 and 2 * more > count + 1)
    return ("vibrant" if vivid > dull else "muted") if is_clear else None


def _sides(hues: Sequence[int], saturations: Sequence[int], margin: int = 0) -> tuple[int, int]:
    """How many colours are warm and how many are cool; greys are neither."""
    chromatic = _chromatic(hues, saturations)
    (_, warm_end), (warm_start, _) = WARM_BANDS
    warm = sum(hue <= warm_end + margin or hue >= warm_start - margin for hue in chromatic)
    cool = sum(COOL_BAND[0] - margin <= hue <= COOL_BAND[1] + margin for hue in chromatic)
    return warm, cool


def _chromatic(hues: Sequence[int], saturations: Sequence[int]) -> list[int]:
    return [hue for hue, saturation in zip(hues, saturations, strict=True) if saturation >= GREY_SATURATION]


def _ends(lightnesses: Sequence[int]) -> tuple[int, int]:
    return sum(one < DARK for one in lightnesses), sum(one > LIGHT for one in lightnesses)


def _spread(lightnesses: Sequence[int]) -> int:
    return max(lightnesses) - min(lightnesses)


@dataclass(frozen=True, slots=True)
class PaletteColours:
    """Eleven colours of a palette, evenly spaced, in four notations, and what follows from them.

    `rgb` is 0-255, `hsl` degrees and percent, `lch` CIE lightness, chroma and degrees, all whole numbers.
    `color_names` are the nearest of 41 names, each once; `harmonies` may be empty.
    """

    hex: tuple[str, ...]
    rgb: tuple[RGB, ...]
    hsl: tuple[Triple, ...]
    lch: tuple[Triple, ...]
    color_names: tuple[str, ...]
    harmonies: tuple[str, ...]
    facts: ColourFacts


def describe(palette: Palette) -> PaletteColours:
    """The colours of `palette` at eleven steps and all computed facts."""
    rgb = tuple(colors(palette))
    hsl = tuple(to_hsl(one) for one in rgb)
    lch = tuple(to_lch(one) for one in rgb)
    harmonies = detect_harmonies(rgb)
    return PaletteColours(
        hex=tuple(to_hex(one) for one in rgb),
        rgb=rgb,
        hsl=hsl,
        lch=lch,
        color_names=color_names(rgb),
        harmonies=harmonies,
        facts=compute_facts(hsl, lch, harmonies),
    )
