from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from grabient_assets.cli.main import app
from grabient_assets.gradient.vocabulary import STYLES
from grabient_assets_tests.vectors import vectors

SEED = "_gIMgGAgFZgGvgEFgB4gH0gH0gH0gHMgG5gJf"
DECIMAL = "-0.5,0.5,0.5,0.5,0.5,0.5,1,1,1,0,0.1,0.2"


def palette(*arguments: str):
    return CliRunner().invoke(app, ["palette", *arguments])


def test_json_has_exactly_the_public_keys():
    document = json.loads(palette(SEED, "--json").stdout)
    assert list(document) == [
        *(
            "coeffs",
            "globals",
            "canonical",
            "palette_key",
            "hex",
            "rgb",
            "hsl",
            "lch",
            "color_names",
            "harmonies",
            "facts",
        )
    ]
    assert document["canonical"] == SEED
    assert document["globals"] == [0.0, 1.0, 1.0, 0.0]
    assert document["hex"][0] == "#1b2440" and len(document["hex"]) == 11
    assert document["facts"]["temperature"] == "cool-warm" and document["facts"]["harmonies"] == []
    assert document["facts"]["lightness_range"] == 60


def test_json_agrees_with_the_real_site():
    for one in vectors("hex11_shared.json")["cases"][:5]:
        document = json.loads(palette("--json", "--", one["seed"]).stdout)
        for notation in ("hex", "rgb", "hsl", "lch"):
            assert document[notation] == one[notation]


def test_seed_that_begins_with_a_minus_sign_goes_behind_two():
    shown = palette("--json", "--", DECIMAL)
    assert shown.exit_code == 0
    assert json.loads(shown.stdout)["coeffs"][0] == [-0.5, 0.5, 0.5]
    assert "--" in palette("--help").stdout


def test_plain_output_without_a_terminal_has_no_escapes():
    shown = palette(SEED)
    assert shown.exit_code == 0 and "\x1b" not in shown.stdout
    assert SEED in shown.stdout and "#f0a070" in shown.stdout


ADDRESSES = (
    f"https://grabient.com/{SEED}?style=angularSwatches&steps=7&angle=45",
    f"grabient.com/{SEED}/?angle=45&steps=7&style=angularSwatches",
    f"https://www.grabient.com/palettes?seed={SEED}&steps=7&style=angularSwatches&angle=45#top",
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_of_grabient_is_a_palette_with_its_style_steps_and_angle(address: str, tmp_path: Path) -> None:
    """The same picture as with the options, and what is said as an option goes before what the address says."""
    pictures = [tmp_path / f"{number}.svg" for number in range(3)]
    options = ("--style", "angularSwatches", "--steps", "7", "--angle", "45")
    shown = palette(address, "--json", "--svg", str(pictures[0]))
    assert shown.exit_code == 0, shown.output
    assert json.loads(shown.stdout) == json.loads(palette(SEED, "--json", "--svg", str(pictures[1]), *options).stdout)
    assert pictures[0].read_text() == pictures[1].read_text() and pictures[0].read_text().count("<path") == 7
    assert palette(address, "--steps", "3", "--svg", str(pictures[2])).exit_code == 0
    assert pictures[2].read_text().count("<path") == 3


@pytest.mark.parametrize(
    "numbers",
    ["0.5 0.5 0.5 0.5 0.5 0.5 1 1 1 0 0.1 0.2", "0,5;0,5;0,5;0,5;0,5;0,5;1;1;1;0;0,1;0,2", DECIMAL.removeprefix("-")],
)
def test_numbers_are_read_as_a_file_of_palettes_reads_them(numbers: str) -> None:
    shown = palette(numbers, "--json")
    assert json.loads(shown.stdout)["coeffs"] == [[0.5] * 3, [0.5] * 3, [1] * 3, [0, 0.1, 0.2]]


def test_sixteen_numbers_that_may_be_two_things_are_not_guessed() -> None:
    numbers = "0.5,0.5,0.5,1,0.5,0.5,0.5,0,1,1,1,0,0,0.1,0.2,0"
    asked = palette(numbers, "--json")
    assert asked.exit_code == 2 and "that may be a preset" in asked.stderr and "--sixteen" in asked.stderr
    preset = json.loads(palette(numbers, "--json", "--sixteen", "preset").stdout)
    assert (preset["coeffs"][3], preset["globals"]) == ([0, 0.1, 0.2], [0, 1, 1, 0])
    other = json.loads(palette(numbers, "--json", "--sixteen", "modifiers").stdout)
    assert other["globals"] != preset["globals"]
    assert palette(numbers, "--sixteen", "hex").exit_code == 2


@pytest.mark.parametrize("style", STYLES)
def test_pictures_in_every_style(style: str, tmp_path: Path):
    svg, png = tmp_path / "p.svg", tmp_path / "p.png"
    shown = palette(
        *(SEED, "--json", "--svg", str(svg), "--png", str(png), "--style", style, "--width", "66", "--height", "30")
    )
    assert shown.exit_code == 0 and json.loads(shown.stdout)["canonical"] == SEED
    assert 'width="66" height="30"' in svg.read_text()
    assert Image.open(BytesIO(png.read_bytes())).size == (66, 30)


def test_picture_is_440_by_100_with_eleven_swatches(tmp_path: Path):
    assert palette(SEED, "--svg", str(tmp_path / "p.svg")).exit_code == 0
    text = (tmp_path / "p.svg").read_text()
    assert 'width="440" height="100"' in text and text.count("<path") == 11
    assert palette(SEED, "--svg", str(tmp_path / "q.svg"), "--steps", "3").exit_code == 0
    assert (tmp_path / "q.svg").read_text().count("<path") == 3


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nonsense"], 2, "is not a palette"),
        (["A" * 301], 2, "seeds have at most 300"),
        ([""], 2, "it is empty"),
        ([SEED, "--style", "plaid"], 2, "linearSwatches"),
        ([SEED, "--steps", "1"], 2, "2 to 50"),
        ([SEED, "--angle", "nan"], 2, "finite"),
        ([SEED, "--width", "0"], 2, "--width"),
        ([SEED, "--svg", "/proc/nowhere/p.svg"], 1, "cannot be written"),
        ([SEED, "--png", "/proc/nowhere/p.png"], 1, "cannot be written"),
        ([SEED, "--colour"], 2, "No such option"),
        ([], 2, "Missing argument"),
        ([DECIMAL], 2, "No such option"),
    ],
)
def test_refusals(arguments: list[str], code: int, said: str):
    shown = palette(*arguments)
    assert shown.exit_code == code
    assert said in shown.stderr and shown.stdout == ""
    assert "Traceback" not in shown.stderr
