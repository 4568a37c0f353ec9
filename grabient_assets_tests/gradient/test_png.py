from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from itertools import groupby
from pathlib import Path

import pytest
from PIL import Image

from grabient_assets.gradient.colour_data import describe
from grabient_assets.gradient.png import render_png
from grabient_assets.gradient.seed import decode_seed
from grabient_assets.gradient.svg import render_svg
from grabient_assets.gradient.vocabulary import STYLES
from grabient_assets_tests.vectors import vectors


def picture(png: bytes) -> Image.Image:
    return Image.open(BytesIO(png)).convert("RGB")


def row(image: Image.Image, y: int) -> list[str]:
    line = image.crop((0, y, image.width, y + 1)).tobytes()
    return [f"#{line[at : at + 3].hex()}" for at in range(0, len(line), 3)]


def runs(pixels: list[str]) -> list[list]:
    return [[colour, len(list(group))] for colour, group in groupby(pixels)]


def test_every_vector_shows_the_same_swatches():
    for case in vectors("png.json")["cases"]:
        width, height = case["width"], case["height"]
        colours = describe(decode_seed(case["seed"])).hex
        image = picture(
            render_png(render_svg(colours, case["style"], case["angle"], width, height, case["seed"]), width, height)
        )
        middle = row(image, height // 2)
        centres = [middle[int((at + 0.5) * width / 11)] for at in range(11)]
        assert image.size == (width, height)
        assert centres == case["swatchCentres"], case["seed"]
        if (width, height) == (440, 100):
            assert runs(middle) == case["middleRowRuns"], case["seed"]
            assert row(image, 0) == row(image, height - 1) == middle


def test_eleven_runs_of_forty_pixels():
    colours = [f"#{at * 20:02x}{255 - at * 20:02x}80" for at in range(11)]
    image = picture(render_png(render_svg(colours, "linearSwatches", 90, 440, 100, "s")))
    assert image.size == (440, 100)
    for y in (0, 50, 99):
        assert runs(row(image, y)) == [[colour, 40] for colour in colours]


@pytest.mark.parametrize("style", STYLES)
def test_every_style_can_be_drawn(style: str):
    colours = ["#ff0000", "#00ff00", "#0000ff", "#ffff00"]
    image = picture(render_png(render_svg(colours, style, 30, 80, 60, "_a--b"), 80, 60))
    assert image.size == (80, 60)
    assert len(set(row(image, 30))) > 1


def test_without_cairo_the_error_says_how_to_get_it(tmp_path: Path):
    (tmp_path / "cairosvg.py").write_text('raise OSError("no library called cairo-2 was found")\n')
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from grabient_assets.errors import GrabientError\n"
        "from grabient_assets.gradient.png import render_png\n"
        "try:\n    render_png('<svg/>')\n"
        "except GrabientError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    for way in ("cairo library", "make setup", "apt-get install libcairo2", "brew install cairo"):
        assert way in done.stdout
