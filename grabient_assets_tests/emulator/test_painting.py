"""What the emulated brushes paint: real files, always the same, of what a prompt says and in the hand of a model."""

from __future__ import annotations

import hashlib
import io
import re

import pytest
from PIL import Image

from grabient_assets.emulator.images import has_alpha, png_size
from grabient_assets.emulator.painting.hand import hand_of
from grabient_assets.emulator.painting.motifs import FLAT, LAND, MOTIFS
from grabient_assets.emulator.painting.picture import composed, painted
from grabient_assets.emulator.painting.words import colour_names, read_prompt
from grabient_assets.registry.load import load_registry
from grabient_assets_tests.emulator.running import BANANA, FLARE, LITE

BRUSHES = sorted(model.id for model in load_registry().models if "brush" in model.roles and model.retires_on is None)
SEA = "A moon above an endless ocean, violet and rose, in flowing bands, waves that answer each other."
CITY = "A city skyline in strict symmetry, teal and coral with gold accents, a bridge and a wide street."
PROMPTS = (
    SEA,
    CITY,
    "A grid of squares, black and white.",
    "Nothing anybody knows.",
    "",
    'Odd: <svg> & "quotes" \x00 {} %s',
)


def shapes(svg: str) -> int:
    return len(re.findall(r"<(?:path|rect|circle)\b", svg))


def pixels(model: str, prompt: str, seed: str = "a", size: int = 96) -> Image.Image:
    with Image.open(io.BytesIO(painted(model, prompt, seed, size, size))) as image:
        image.load()
        return image


def hue_share(image: Image.Image, low: int, high: int) -> float:
    """The share of the pixels with a hue in a range of 0 to 255, of those that are no greys."""
    hues, greyness, _ = image.convert("HSV").split()
    found = [hue for hue, strong in zip(hues.tobytes(), greyness.tobytes(), strict=True) if strong > 40]
    return sum(low <= hue <= high for hue in found) / max(len(found), 1)


@pytest.mark.parametrize("size", [(1024, 1024), (1536, 1024), (1, 1), (16, 400)])
def test_pictures_are_real_files_of_the_size_asked_for(size: tuple[int, int]) -> None:
    data = painted(FLARE, CITY, "a", *size)
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert (image.format, image.size, image.mode) == ("PNG", size, "RGB")
    assert png_size(data) == size and not has_alpha(data) and len(data) < 400_000


@pytest.mark.parametrize("model", [*BRUSHES, "a-brush-nobody-listed"])
def test_pictures_have_twenty_to_eighty_shapes(model: str) -> None:
    counts = [shapes(composed(model, prompt, f"{run}", 1024, 1024)) for prompt in PROMPTS for run in range(6)]
    counts += [shapes(composed(model, f"A {name}.", "a", 640, 400)) for name in (*MOTIFS, *colour_names())]
    assert 20 <= min(counts) <= max(counts) <= 80


def test_pictures_do_not_change_between_processes_and_machines() -> None:
    # Changes when words, hands or motifs change: on purpose only. How cairo fills the shapes is its own affair.
    svg = "".join(composed(model, prompt, "a", 1024, 768) for model in (FLARE, BANANA, "other") for prompt in PROMPTS)
    assert hashlib.sha256(svg.encode()).hexdigest()[:16] == "47d44db16855f483"
    assert painted(FLARE, SEA, "a", 96, 96) == painted(FLARE, SEA, "a", 96, 96)


def test_model_prompt_seed_and_size_all_matter() -> None:
    variants = [(FLARE, SEA, "a"), (BANANA, SEA, "a"), (FLARE, CITY, "a"), (FLARE, SEA, "b"), (FLARE, "", "a")]
    variants += [(FLARE, "What is that?", "a")]
    assert len({painted(*variant, 96, 96) for variant in variants}) == len(variants)


def test_brushes_have_hands_of_their_own() -> None:
    assert len({hand_of(model) for model in BRUSHES}) == len(BRUSHES) > 4
    assert hand_of("one-nobody-listed") != hand_of("another-nobody-listed")
    outlined, plain = (composed(model, CITY, "a", 512, 512) for model in (LITE, BANANA))
    assert outlined.count("stroke-linejoin") > 20 and "stroke-linejoin" not in plain


@pytest.mark.parametrize(
    ("names", "low", "high"), [("crimson, red and maroon", 230, 255), ("teal, turquoise and aqua", 115, 140)]
)
def test_the_colours_of_the_prompt_are_those_of_the_picture(names: str, low: int, high: int) -> None:
    for model in (FLARE, LITE):
        image = pixels(model, f"Low hills, {names}.")
        assert hue_share(image, low, high) > 0.9
        assert hue_share(pixels(model, "Low hills, green and olive."), low, high) < 0.1


@pytest.mark.parametrize("name", MOTIFS)
def test_every_motif_is_seen(name: str) -> None:
    word = {"furrows": "field", "houses": "barn", "waves": "sea"}.get(name, name)
    assert read_prompt(f"Some {word}, white and navy.").motifs == (name,)
    seen = [composed(FLARE, f"Some {one}, white, navy and red.", "a", 400, 400) for one in (word, "thing")]
    assert seen[0] != seen[1]


def test_motifs_are_painted_from_back_to_front() -> None:
    assert set(MOTIFS) >= FLAT | LAND and not FLAT & LAND
    order = list(MOTIFS)
    assert order.index("sun") < order.index("hills") < order.index("waves") < order.index("boat")


@pytest.mark.parametrize(
    ("prompt", "colours", "motifs", "arrangements"),
    [
        ("A burnt orange sun over moss green hills", ("#c75b12", "#6b7d3a"), ("sun", "hills"), set()),
        ("No people, no pure white, without trees, never a boat.", (), (), set()),
        ("REDWOOD sunflowers", (), ("flowers",), set()),
        ("One orange, one orange, two ORANGES", ("#f58a1f",), (), set()),
        ("A church at night in strict symmetry", (), (), {"night", "mirrored"}),
    ],
)
def test_a_prompt_is_read_by_words(
    prompt: str, colours: tuple[str, ...], motifs: tuple[str, ...], arrangements: set[str]
) -> None:
    wish = read_prompt(prompt)
    assert (wish.colours, wish.motifs, set(wish.arrangements)) == (colours, motifs, arrangements)


def test_symmetry_is_seen() -> None:
    image = pixels(FLARE, "A tower in strict symmetry, black and gold.", size=200).convert("L")
    flipped = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    pairs = zip(image.tobytes(), flipped.tobytes(), strict=True)
    assert sum(abs(one - other) < 32 for one, other in pairs) > 0.75 * 200 * 200
