"""Everything that can be said about a palette by arithmetic alone, in one call."""

from __future__ import annotations

from dataclasses import dataclass

from grabient_assets.gradient.color import Triple, to_hex, to_hsl, to_lch
from grabient_assets.gradient.cosine import RGB, colors
from grabient_assets.gradient.facts import ColourFacts, compute_facts
from grabient_assets.gradient.harmony import detect_harmonies
from grabient_assets.gradient.names import color_names
from grabient_assets.gradient.palette import Palette


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
