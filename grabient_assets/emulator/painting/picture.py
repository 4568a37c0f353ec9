"""A picture that an emulated brush makes: an SVG put together from the words of the prompt, rendered as PNG.

It is a pure function of what it is given. What the prompt says decides what is seen, `seed` how it falls, and the model
how it is painted. A picture of 1,024 x 1,024 pixels takes less than a tenth of a second.
"""

from __future__ import annotations

from typing import Any

from grabient_assets.emulator.images import packed_png
from grabient_assets.emulator.painting.hand import hand_of, lightness, mixed
from grabient_assets.emulator.painting.motifs import FLAT, LAND, MOTIFS
from grabient_assets.emulator.painting.sheet import MOST_SHAPES, Sheet
from grabient_assets.emulator.painting.words import Wish, read_prompt
from grabient_assets.emulator.questions import Chance
from grabient_assets.errors import EmulatorError

FEWEST_SHAPES = 20
MOST_COLOURS, MOST_MOTIFS = 6, 4
USUAL = (
    ("#22333b", "#5e503f", "#c6ac8f", "#eae0d5"),
    ("#1d3557", "#457b9d", "#a8dadc", "#f1faee"),
    ("#3a0f2e", "#8f2d56", "#d81159", "#ffbc42"),
    ("#283618", "#606c38", "#dda15e", "#fefae0"),
    ("#2b2d42", "#8d99ae", "#edf2f4", "#ef233c"),
)
"""Colours for a prompt that names none, or too few."""


def painted(model: str, prompt: str, seed: str, width: int, height: int) -> bytes:
    """The PNG of a picture, three channels. Raises EmulatorError when the cairo library is missing."""
    return rendered(composed(model, prompt, seed, width, height), width, height)


def composed(model: str, prompt: str, seed: str, width: int, height: int) -> str:
    """The picture as SVG, of 20 to 80 shapes."""
    wish, chance = read_prompt(prompt), Chance("picture", model, seed)
    motifs = _motifs(wish, prompt)
    sheet = _sheet(model, wish, prompt, chance, width, height)
    behind = _background(sheet, flat=FLAT.issuperset(motifs))
    if not FLAT.issuperset(motifs) and not LAND.intersection(motifs):
        sheet.ridge(sheet.horizon, 12 * sheet.unit, 0.7, mixed(sheet.colour(2), sheet.ground, 0.3))
    for name in motifs:
        _paint(sheet, name, wish.arrangements)
    while len(sheet.shapes) < FEWEST_SHAPES:
        _dab(sheet)
    half = f'<clipPath id="half"><rect width="{width / 2:.1f}" height="{height}"/></clipPath>'
    body = "".join([half, behind, *sheet.shapes, _texture(sheet)])
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">{body}</svg>'


def rendered(svg: str, width: int, height: int) -> bytes:
    """The PNG of an SVG that covers all of it. A PNG by cairosvg has a fourth channel and takes longer."""
    try:
        from cairosvg.parser import Tree
        from cairosvg.surface import PNGSurface
    except (ImportError, OSError) as error:
        raise EmulatorError(
            "The emulator's pictures need the cairo library, which is not installed. Run `make setup`, or install it "
            "by hand: `apt-get install libcairo2` (Debian, Ubuntu) or `brew install cairo` (macOS)."
        ) from error
    surface: Any = PNGSurface(Tree(bytestring=svg.encode()), None, 96, output_width=width, output_height=height)
    surface.cairo.flush()
    data, pixels = bytes(surface.cairo.get_data()), bytearray(3 * width * height)
    # Four bytes for each pixel: blue, green, red, and the channel that is full everywhere.
    for channel in range(3):
        pixels[channel::3] = data[2 - channel :: 4]
    return packed_png(pixels, width, height)


def _motifs(wish: Wish, prompt: str) -> list[str]:
    """What is painted, from back to front. A prompt that names nothing gets something that only its text decides."""
    named = list(wish.motifs)
    if "pattern" in wish.arrangements:
        named.append("squares")
    if not named:
        named = Chance("motifs", prompt).sample(tuple(MOTIFS), 2)
    few = 2 if "empty" in wish.arrangements else MOST_MOTIFS
    return [name for name in MOTIFS if name in named[:few]]


def _sheet(model: str, wish: Wish, prompt: str, chance: Chance, width: int, height: int) -> Sheet:
    hand, how = hand_of(model), wish.arrangements
    colours = list(wish.colours[:MOST_COLOURS])
    if len(colours) < 3:
        colours += Chance("colours", prompt).pick(USUAL)[: 4 - len(colours)]
    colours = [hand.tinted(one) for one in colours]
    by_light = sorted(colours, key=lightness)
    ground = mixed(by_light[0], "#05060f", 0.5) if "night" in how else mixed(by_light[-1], "#ffffff", 0.25)
    level = 0.72 if "low_horizon" in how else 0.3 if "high_horizon" in how else 0.44 + 0.16 * chance.draw()
    across, down = 0.3 + 0.4 * chance.draw(), 0.4 + 0.2 * chance.draw()
    if "left" in how or "right" in how:
        across = 0.3 if "left" in how else 0.7
    if how & {"centred", "mirrored", "pattern"}:
        across = down = 0.5
    focus = (width * across, height * down)
    return Sheet(width, height, hand, chance, colours, ground, height * level, focus)


def _background(sheet: Sheet, *, flat: bool) -> str:
    """What covers the sheet: one colour, or a sky that grows lighter or darker towards the horizon."""
    whole = f'<rect width="{sheet.width}" height="{sheet.height}" fill='
    if flat:
        return f'{whole}"{sheet.ground}"/>'
    low = mixed(sheet.ground, sheet.colour(1), 0.55)
    if sheet.hand.bands == 0:
        stops = f'<stop offset="0" stop-color="{sheet.ground}"/><stop offset="1" stop-color="{low}"/>'
        return f'<linearGradient id="sky" x1="0" y1="0" x2="0" y2="1">{stops}</linearGradient>{whole}"url(#sky)"/>'
    for band in range(1, sheet.hand.bands):
        top = sheet.height * band / sheet.hand.bands
        colour = mixed(sheet.ground, low, band / (sheet.hand.bands - 1))
        sheet.shapes.append(f'<rect y="{top:.1f}" width="{sheet.width}" height="{sheet.height}" fill="{colour}"/>')
    return f'{whole}"{sheet.ground}"/>'


def _paint(sheet: Sheet, name: str, how: frozenset[str]) -> None:
    """One motif: turned on a diagonal, or its left half with the mirror image of it, where the prompt asks for it."""
    before = len(sheet.shapes)
    MOTIFS[name](sheet)
    made = sheet.shapes[before:]
    if "diagonal" in how and name in FLAT:
        turn = f'<g transform="rotate(-24 {sheet.width / 2:.1f} {sheet.height / 2:.1f})">'
        sheet.shapes[before:] = [f"{turn}{one}</g>" for one in made]
    elif "mirrored" in how:
        left = [f'<g clip-path="url(#half)">{one}</g>' for one in made[: (MOST_SHAPES - before) // 2]]
        turn = f'<g transform="translate({sheet.width} 0) scale(-1 1)">'
        sheet.shapes[before:] = [half for one in left for half in (one, f"{turn}{one}</g>")]


def _dab(sheet: Sheet) -> None:
    """A stroke of paint near the focus, which fills a picture of few shapes."""
    (x, y), far = sheet.focus, 420 * sheet.unit
    x, y = x + sheet.between(-far, far), y + sheet.between(-far, far)
    colour, long = sheet.colour(sheet.chance.whole(0, 9)), sheet.unit * sheet.between(20, 90)
    sheet.line(f"M{x:.1f} {y:.1f}q{long / 2:.1f} {-long / 5:.1f} {long:.1f} 0", colour, sheet.between(5, 22), 0.55)


def _texture(sheet: Sheet) -> str:
    """The marks that the brush leaves over everything, in one path."""
    hand, unit = sheet.hand, sheet.unit
    if hand.texture == "none":
        return ""
    step = {"hatching": (60, -60), "dots": (0.1, 0), "grain": (5, 2)}[hand.texture]
    mark = f"l{step[0] * unit:.1f} {step[1] * unit:.1f}"
    marks = "".join(
        f"M{sheet.between(0, sheet.width):.0f} {sheet.between(0, sheet.height):.0f}{mark}" for _ in range(hand.marks)
    )
    width = {"hatching": 2, "dots": 9, "grain": 2.5}[hand.texture] * unit
    colour = mixed(sheet.ground, "#000000" if lightness(sheet.ground) > 0.5 else "#ffffff", 0.7)
    look = f'stroke="{colour}" stroke-width="{max(width, 0.6):.1f}" stroke-opacity="0.28" stroke-linecap="round"'
    return f'<path d="{marks}" fill="none" {look}/>'
