from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lzstring import LZString

from grabient_assets.errors import SeedError
from grabient_assets.gradient.palette import DEFAULT_GLOBALS, Palette
from grabient_assets.gradient.seed import MAX_SEED_CHARS, decode_seed, is_canonical
from grabient_assets_tests.vectors import vectors, vectors_dir

CANONICAL = re.compile(r"[_A-Za-z0-9-]{37}|[_A-Za-z0-9-]{45}")
TWELVE = "0.5,0.4,0.4,0.5,0.4,0.3,0.5,0.5,0.5,0,0.1,0.2"
ALIGNED = "_gH0gGQgGQgH0gGQgEsgH0gH0gH0gAAgBkgDI"

thousandths = st.integers(min_value=-131_072, max_value=131_071).map(lambda n: n / 1000)
rows = st.tuples(thousandths, thousandths, thousandths)
modifiers = st.tuples(
    st.integers(-1000, 1000), st.integers(0, 2000), st.integers(0, 2000), st.integers(-1001, 1001)
).map(lambda four: tuple(n / 1000 for n in four))
numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)


def packed(text: str) -> str:
    return LZString.compressToEncodedURIComponent(text)


def reason(text: str) -> str:
    with pytest.raises(SeedError) as caught:
        decode_seed(text)
    assert caught.value.reason in str(caught.value)
    return caught.value.reason


def test_every_vector_decodes_as_on_the_site():
    cases = vectors("seeds_decode_shared.json")["cases"]
    for case in cases:
        if not case["decodes"]:
            reason(case["seed"])
            continue
        palette = decode_seed(case["seed"])
        assert [list(row) for row in palette.coeffs] == case["coeffs"], case["seed"]
        assert list(palette.globals) == case["globals"], case["seed"]
        assert palette.canonical == case["canonical"], case["seed"]
        assert palette.palette_key == case["paletteCoeffKey"], case["seed"]
        assert [list(row) for row in palette.applied] == case["appliedCoeffs"], case["seed"]
    assert len(cases) >= 74


def test_the_real_palettes_decode():
    path = vectors_dir().parent / "data" / "palettes.jsonl"
    if not path.exists():
        pytest.skip("the list of real palettes lies only on machines that hold the real system's outputs")
    seeds = [json.loads(line)["id"] for line in path.read_text(encoding="utf-8").splitlines()]
    canonical = [decode_seed(seed).canonical for seed in seeds]
    assert len(canonical) == 100
    assert all(is_canonical(seed) for seed in canonical)


def test_the_three_encodings_of_one_palette_agree():
    palette = decode_seed(TWELVE)
    assert palette.coeffs == ((0.5, 0.4, 0.4), (0.5, 0.4, 0.3), (0.5, 0.5, 0.5), (0.0, 0.1, 0.2))
    assert palette.globals == DEFAULT_GLOBALS
    assert palette.canonical == ALIGNED
    assert decode_seed(ALIGNED) == palette
    assert decode_seed(packed(".5,.4,.4,.5,.4,.3,.5,.5,.5,0,.1,.2")) == palette
    assert decode_seed(f" \t{TWELVE}\r\n") == palette


def test_numbers_at_the_ends_of_the_alphabet():
    palette = decode_seed("200,-200,0,0,0,0,0,0,0,0,0,0")
    assert palette.coeffs[0] == (131.071, -131.072, 0.0)
    assert palette.canonical == "____AAA" + "gAA" * 10


def test_modifiers_make_a_seed_of_45_characters():
    palette = decode_seed(f"{TWELVE},0.25,2,0.5,-1.001")
    assert palette.globals == (0.25, 2.0, 0.5, -1.001)
    assert len(palette.canonical) == 45
    assert decode_seed(palette.canonical) == palette
    assert palette.applied[0] == (0.75, 0.65, 0.65)
    assert palette.applied[1] == (1.0, 0.8, 0.6)
    assert palette.applied[2] == (0.25, 0.25, 0.25)
    assert palette.applied[3] == (0 - 1.001, 0.1 - 1.001, 0.2 - 1.001)


def test_an_old_phase_is_read_in_radians():
    assert decode_seed(f"{TWELVE},0,1,1,3.14159").globals == (0.0, 1.0, 1.0, 1.0)
    assert decode_seed(f"{TWELVE},0,1,1,1.001").globals[3] == 1.001
    assert decode_seed(packed(f"{TWELVE},0,1,1,-2")).globals[3] == -0.637


def test_modifiers_that_change_nothing_are_left_out():
    assert decode_seed(f"{TWELVE},0,1,1,0").canonical == ALIGNED
    assert decode_seed(f"{TWELVE},0,1.001,1,0").canonical == ALIGNED
    assert decode_seed(f"{TWELVE},0,1.001,1,0").globals == DEFAULT_GLOBALS
    assert len(decode_seed(f"{TWELVE},0.001,1,1,0").canonical) == 45
    assert len(decode_seed(f"{TWELVE},0,0.999,1,0").canonical) == 45


def test_the_key_sees_through_the_modifiers():
    with_modifiers = decode_seed("0.25,0.25,0.25,0.25,0.25,0.25,0.5,0.5,0.5,0.1,0.1,0.1,0.25,2,2,0.2")
    worked_in = decode_seed("0.5,0.5,0.5,0.5,0.5,0.5,1,1,1,0.3,0.3,0.3")
    assert with_modifiers.canonical != worked_in.canonical
    assert with_modifiers.palette_key == worked_in.palette_key == worked_in.canonical


def test_the_key_stays_within_the_alphabet():
    palette = decode_seed("131,0,0,131,0,0,0,0,0,-131,0,0,1,2,1,-1")
    assert decode_seed(palette.palette_key).coeffs[0][0] == 131.071
    assert decode_seed(palette.palette_key).coeffs[3][0] == -131.072


def test_lz_string_numbers_are_read_leniently():
    palette = decode_seed(packed("0.49abc,\u00a0.5,-.25,+1.5x,2e-1,3e,1.,0,0,0,0,0"))
    assert palette.coeffs[0] == (0.49, 0.5, -0.25)
    assert palette.coeffs[1] == (1.5, 0.2, 3.0)
    assert palette.coeffs[2] == (1.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "it is empty"),
        (" \n\t ", "it is empty"),
        ("_abc", "an aligned seed has 37 or 45 characters, this one has 4"),
        (ALIGNED[:-1], "an aligned seed has 37 or 45 characters, this one has 36"),
        (ALIGNED + "AAAA", "an aligned seed has 37 or 45 characters, this one has 41"),
        (ALIGNED[:5] + "!" + ALIGNED[6:], "character 6 is '!', and aligned seeds are made of A-Z, a-z, 0-9, - and _"),
        (ALIGNED + "AAAAAAAA", "its global exposure is -2.048, outside -1 to 1"),
        ("0.5,0.4,0.4", "it has 3 numbers instead of 12 or 16"),
        (TWELVE + ",0", "it has 13 numbers instead of 12 or 16"),
        (TWELVE + ",", "value 13 is missing"),
        (TWELVE.replace("0.3", "abc"), "value 6 ('abc') is not a plain number"),
        (TWELVE.replace("0.3", "0x1"), "value 6 ('0x1') is not a plain number"),
        (TWELVE.replace("0.3", "NaN"), "value 6 ('NaN') is not a plain number"),
        (TWELVE.replace("0.3", "1_0"), "value 6 ('1_0') is not a plain number"),
        (TWELVE.replace("0.3", "1e999"), "value 6 ('1e999') is too large for a number"),
        (TWELVE + ",1.0004,1,1,0", "its global exposure is 1.0004, outside -1 to 1"),
        (TWELVE + ",0,-0.1,1,0", "its global contrast is -0.1, outside 0 to 2"),
        (TWELVE + ",0,1,2.5,0", "its global frequency is 2.5, outside 0 to 2"),
        (TWELVE + ",0,1,1,4", "its global phase is 1.273239545, outside -1.001 to 1.001"),
        ("hello", "read as lz-string text it has no end, so it was cut short or is no seed at all"),
        (packed(TWELVE)[:-5], "read as lz-string text it has no end, so it was cut short or is no seed at all"),
        ("batch_6874ab", "character 6 is '_', which none of the three encodings uses there"),
        (packed("1,2,3"), "it unpacks to 3 values instead of 12 or 16"),
        (packed(TWELVE.replace("0.3", "x1")), "it unpacks to 'x1' as value 6, which does not begin with a number"),
        (packed(TWELVE.replace("0.3", "")), "it unpacks to '' as value 6, which does not begin with a number"),
        (packed(TWELVE.replace("0.3", "Infinity")), "it unpacks to 'Infinity' as value 6, which is infinite"),
        (packed(TWELVE + ",0,3,1,0"), "its global contrast is 3, outside 0 to 2"),
        ("https://grabient.com/" + ALIGNED, "it is a web address; the seed is the part after the last slash"),
        ("#ff0000", "it is a hex colour; a seed describes a whole gradient"),
        ("ff0000", "it is a hex colour; a seed describes a whole gradient"),
        ('{"id": "x"}', "it is JSON or quoted text; give the seed alone"),
        (f'"{ALIGNED}"', "it is JSON or quoted text; give the seed alone"),
        (f"[{TWELVE}]", "it is JSON or quoted text; give the seed alone"),
        ("A" * 301, "it has 301 characters, and seeds have at most 300"),
        ("0.5,\x000.4", "character 5 is the control character U+0000"),
        ("ab\x7fcd", "character 3 is the control character U+007F"),
        ("gr\u00fcn", "character 3 is the character outside ASCII U+00FC"),
        ("\ud800", "character 1 is the character outside ASCII U+D800"),
    ],
)
def test_what_is_no_seed_says_why(text: str, expected: str):
    assert reason(text) == expected


def test_the_error_carries_the_seed_cut_to_eighty_characters():
    with pytest.raises(SeedError) as caught:
        decode_seed("A" * 5000)
    assert caught.value.seed == "A" * 77 + "..."
    assert caught.value.exit_code == 2


def test_is_canonical():
    assert is_canonical(ALIGNED)
    assert is_canonical(decode_seed(f"{TWELVE},0.5,1,1,0").canonical)
    assert not is_canonical(TWELVE)
    assert not is_canonical(ALIGNED + "\n")
    assert not is_canonical(" " + ALIGNED)
    assert not is_canonical(ALIGNED + "gAvovogA")  # the defaults, spelled out
    assert not is_canonical(ALIGNED + "AAAAAAAA")
    assert not is_canonical("")


@given(st.tuples(rows, rows, rows, rows), modifiers)
def test_canonical_says_everything(coeffs: tuple, values: tuple):
    seed = Palette(coeffs, values).canonical
    assert CANONICAL.fullmatch(seed)
    palette = decode_seed(seed)
    assert palette.coeffs == coeffs
    assert palette.canonical == seed
    assert decode_seed(palette.canonical) == palette
    assert is_canonical(seed)
    assert is_canonical(palette.palette_key)
    assert len(palette.palette_key) == 37


@given(st.lists(numbers, min_size=12, max_size=12), modifiers, st.booleans(), st.booleans())
def test_any_numbers_end_in_one_stable_spelling(values: list, extra: tuple, with_modifiers: bool, compress: bool):
    text = ",".join(repr(value) for value in values) + "".join(f",{x}" for x in extra) * with_modifiers
    palette = decode_seed(packed(text) if compress and len(packed(text)) <= MAX_SEED_CHARS else text[:1000])
    assert CANONICAL.fullmatch(palette.canonical)
    assert decode_seed(palette.canonical) == palette
    assert decode_seed(palette.palette_key).palette_key == palette.palette_key


@given(st.text(max_size=60) | st.text(alphabet="_-+$ .,eEabAB019\n", max_size=60))
def test_any_text_is_a_palette_or_a_seed_error(text: str):
    try:
        palette = decode_seed(text)
    except SeedError as error:
        assert error.reason
    else:
        assert is_canonical(palette.canonical)
