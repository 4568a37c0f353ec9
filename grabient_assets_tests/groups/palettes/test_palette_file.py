from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lzstring import LZString

from grabient_assets.errors import PaletteFileError
from grabient_assets.gradient.seed import decode_seed, is_canonical
from grabient_assets.groups.palettes.palette_file import PaletteFile, read_palette_file
from grabient_assets_tests.vectors import vectors_dir

DECIMAL = "0.5,0.4,0.4,0.5,0.4,0.3,0.5,0.5,0.5,0,0.1,0.2"
ALIGNED = decode_seed(DECIMAL).canonical
OTHER = decode_seed("0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9,0,0,0").canonical
LZ = LZString.compressToEncodedURIComponent("0.9,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9,0,0,0")
GOOD = {"seed": OTHER}


def read(folder: Path, content: str | bytes, name: str = "palettes.txt") -> PaletteFile:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_palette_file(path)


def rejections(file: PaletteFile) -> list[tuple[int, str]]:
    return [(line.line, line.reason) for line in file.rejected]


def seeds(file: PaletteFile) -> list[str]:
    return [row.palette.canonical for row in file.rows]


# Formats


def test_jsonl_with_everything_and_with_nothing(tmp_path: Path):
    lines = [
        {"id": LZ, "style": "radialGradient", "steps": 7, "angle": -12.5, "name": " Plum ", "likes": 4},
        {"seed": ALIGNED},
        {"id": 17, "seed": OTHER, "style": None, "steps": None, "angle": None, "name": 5},
    ]
    file = read(tmp_path, "".join(json.dumps(line) + "\n" for line in lines), "palettes.jsonl")
    assert (file.rejected, file.duplicates) == ([], [])
    first, second, third = file.rows
    assert (first.line, first.source_seed, first.palette) == (1, LZ, decode_seed(LZ))
    assert (first.style, first.steps, first.angle, first.name) == ("radialGradient", 7, -12.5, "Plum")
    assert (second.line, second.style, second.steps, second.angle, second.name) == (2, "linearSwatches", 11, 90.0, None)
    assert (third.source_seed, third.style, third.steps, third.angle, third.name) == (
        OTHER,
        "linearSwatches",
        11,
        90,
        None,
    )


def test_csv_with_quoted_decimal_seeds_and_any_column_order(tmp_path: Path):
    text = f'Likes, Angle ,SEED,steps,style\n3,180,"{DECIMAL}",5,angularSwatches\n,,{LZ}\n1, , "{OTHER}",11.0,\n'
    file = read(tmp_path, text, "palettes.csv")
    assert (file.rejected, file.duplicates) == ([], [])
    assert seeds(file) == [ALIGNED, decode_seed(LZ).canonical, OTHER]
    assert [row.line for row in file.rows] == [2, 3, 4]
    assert [row.source_seed for row in file.rows] == [DECIMAL, LZ, OTHER]
    assert [(row.style, row.steps, row.angle) for row in file.rows] == [
        ("angularSwatches", 5, 180.0),
        ("linearSwatches", 11, 90.0),
        ("linearSwatches", 11, 90.0),
    ]


def test_csv_with_an_id_column(tmp_path: Path):
    assert seeds(read(tmp_path, f"id,created\n{OTHER},2025\n")) == [OTHER]


def test_plain_text_with_all_encodings_comments_and_blanks(tmp_path: Path):
    text = f"# my palettes\n\n{DECIMAL}\n   \n  {OTHER}  \n#{ALIGNED}\n{LZ}\n#\n"
    file = read(tmp_path, text)
    assert seeds(file) == [ALIGNED, OTHER, decode_seed(LZ).canonical]
    assert [row.line for row in file.rows] == [3, 5, 7]
    assert file.rows[1].source_seed == OTHER
    assert file.rejected == []


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.jsonl", "a.json", "a"])
def test_the_content_decides_the_format_not_the_name(tmp_path: Path, name: str):
    assert seeds(read(tmp_path, f"{DECIMAL}\n{OTHER}\n", name)) == [ALIGNED, OTHER]
    assert seeds(read(tmp_path, f'seed\n"{DECIMAL}"\n', name)) == [ALIGNED]
    assert seeds(read(tmp_path, json.dumps(GOOD), name)) == [OTHER]


def test_a_broken_first_line_does_not_spoil_objects(tmp_path: Path):
    text = f"oops\n{json.dumps(GOOD)}\n"
    assert seeds(read(tmp_path, text, "a.jsonl")) == [OTHER]
    assert seeds(read(tmp_path, text, "a.txt")) == [OTHER]


def test_windows_files(tmp_path: Path):
    for text in (f"seed\r\n{OTHER}\r\n", f"{OTHER}\r\n", json.dumps(GOOD) + "\r\n"):
        file = read(tmp_path, b"\xef\xbb\xbf" + text.encode())
        assert seeds(file) == [OTHER]
        assert file.rows[0].source_seed == OTHER


# Duplicates


def test_the_first_spelling_of_a_palette_is_kept(tmp_path: Path):
    file = read(tmp_path, f"{DECIMAL}\n{OTHER}\n{ALIGNED}\n{ALIGNED}gAvovogA\n")
    assert [(row.line, row.source_seed) for row in file.rows] == [(1, DECIMAL), (2, OTHER)]
    assert [(one.line, one.first_line, one.seed) for one in file.duplicates] == [(3, 1, ALIGNED), (4, 1, ALIGNED)]
    assert file.rejected == []


# Bad lines


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"seed": ', "it is not valid JSON (Expecting value: line 1 column 10 (char 9))"),
        ("{'seed': 'x'}", "it is not valid JSON (Expecting property name enclosed in double quotes: line 1 column 2"),
        ('{"seed": "a\x00b"}', "it is not valid JSON (Invalid control character at: line 1 column 12 (char 11))"),
        ('{"seed": NaN}', "it is not valid JSON (NaN is not JSON)"),
        ("[1, 2]", "it is JSON, but an array instead of an object with a seed"),
        ("null", "it is JSON, but null instead of an object with a seed"),
        ("42", "it is JSON, but a number instead of an object with a seed"),
        ('"_gH0"', "it is JSON, but text instead of an object with a seed"),
        ("true", "it is JSON, but true or false instead of an object with a seed"),
        ("[" * 60_000, "its JSON is nested too deeply"),
        ("{}", "it has no seed (nor id)"),
        ('{"seed": null, "style": "linearSwatches"}', "it has no seed (nor id)"),
        ('{"seed": 5}', "its seed is a number instead of text"),
        ('{"id": ["x"]}', "its seed is an array instead of text"),
        ('{"seed": ""}', "its seed cannot be read: it is empty"),
        ('{"seed": "_abc"}', "its seed cannot be read: an aligned seed has 37 or 45 characters, this one has 4"),
        ('{"seed": "\\ud800"}', "its seed cannot be read: character 1 is the character outside ASCII U+D800"),
        (f'{{"seed": "{ALIGNED}", "style": "stripes"}}', "its style 'stripes' is none of linearGradient,"),
        (f'{{"seed": "{ALIGNED}", "style": 3}}', "its style is a number instead of text"),
        (f'{{"seed": "{ALIGNED}", "steps": 1}}', "its steps 1 is outside 2 to 50"),
        (f'{{"seed": "{ALIGNED}", "steps": 51}}', "its steps 51 is outside 2 to 50"),
        (f'{{"seed": "{ALIGNED}", "steps": 7.5}}', "its steps 7.5 is not a whole number"),
        (f'{{"seed": "{ALIGNED}", "steps": true}}', "its steps True is not a whole number"),
        (f'{{"seed": "{ALIGNED}", "steps": "7"}}', "its steps '7' is not a whole number"),
        (f'{{"seed": "{ALIGNED}", "steps": 1e999}}', "its steps inf is not a whole number"),
        (f'{{"seed": "{ALIGNED}", "steps": {"9" * 400}}}', "its steps of more than 15 digits is outside 2 to 50"),
        (f'{{"seed": "{ALIGNED}", "steps": {"9" * 5000}}}', "it is not valid JSON (Exceeds the limit"),
        (f'{{"seed": "{ALIGNED}", "angle": "90"}}', "its angle '90' is not a number"),
        (f'{{"seed": "{ALIGNED}", "angle": 1e999}}', "its angle inf is not a finite number"),
        (f'{{"seed": "{ALIGNED}", "angle": {"9" * 400}}}', "its angle of more than 15 digits is not a finite number"),
    ],
)
def test_bad_json_lines_are_reported_and_the_rest_is_read(tmp_path: Path, line: str, reason: str):
    file = read(tmp_path, f"{json.dumps(GOOD)}\n{line}\n" + json.dumps({"seed": LZ}), "palettes.jsonl")
    assert [row.line for row in file.rows] == [1, 3]
    ((number, found),) = rejections(file)
    assert number == 2
    assert found.startswith(reason)
    assert file.rejected[0].text == line[:200]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            f"{DECIMAL},linearSwatches",
            "it has 13 fields, but the header names 3; a seed with commas must stand in quotes",
        ),
        (f'"{DECIMAL},7', "it is not valid CSV (unexpected end of data)"),
        (",7,90", "it has no seed (nor id)"),
        (f"{OTHER},seven,90", "its steps 'seven' is not a number"),
        (f"{OTHER},7.5,90", "its steps 7.5 is not a whole number"),
        (f"{OTHER},nan,90", "its steps nan is not a whole number"),
        (f"{OTHER},99,90", "its steps 99.0 is outside 2 to 50"),
        (f"{OTHER},7,inf", "its angle inf is not a finite number"),
        (f"{OTHER},7,nan", "its angle nan is not a finite number"),
        ("hello,7,90", "its seed cannot be read: read as lz-string text it has no end"),
    ],
)
def test_bad_csv_lines_are_reported_and_the_rest_is_read(tmp_path: Path, line: str, reason: str):
    file = read(tmp_path, f"seed,steps,angle\n{ALIGNED},7,90\n{line}\n{LZ}\n")
    assert [row.line for row in file.rows] == [2, 4]
    ((number, found),) = rejections(file)
    assert number == 3
    assert found.startswith(reason)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"#ff0000", "it is a hex colour"),
        (b"#fff, #000000 ", "it is a hex colour"),
        (b"https://grabient.com/abc", "it is a web address"),
        (b"0.5,0.5", "it has 2 numbers instead of 12 or 16"),
        (b"ab\x00cd", "character 3 is the control character U+0000"),
        ("grün".encode("latin-1"), "byte 3 (0xfc) is not UTF-8"),
        ("grün".encode(), "character 3 is the character outside ASCII U+00FC"),
        (b"x" * 10_000_000, "it is longer than 65536 bytes"),
    ],
)
def test_bad_text_lines_are_reported_and_the_rest_is_read(tmp_path: Path, line: bytes, reason: str):
    file = read(tmp_path, ALIGNED.encode() + b"\n" + line + b"\n" + OTHER.encode())
    assert [row.line for row in file.rows] == [1, 3]
    ((number, found),) = rejections(file)
    assert number == 2
    assert reason in found
    assert len(file.rejected[0].text) <= 200


def test_a_file_of_nothing_but_bad_lines_is_still_a_report(tmp_path: Path):
    file = read(tmp_path, "hello\nworld\n")
    assert file.rows == []
    assert [line.line for line in file.rejected] == [1, 2]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=40) | st.sampled_from([OTHER.encode(), b'{"seed": 1}', b"seed,steps", b"# x"])))
def test_every_line_is_accounted_for(tmp_path: Path, lines: list[bytes]):
    try:
        file = read(tmp_path, b"\n".join(lines))
    except PaletteFileError as error:
        assert str(tmp_path) in str(error)
        return
    numbers = [one.line for one in (*file.rows, *file.rejected, *file.duplicates)]
    assert len(numbers) == len(set(numbers))
    assert all(is_canonical(seed) for seed in seeds(file))


# Bad files


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "holds nothing"),
        (b"\n \n\r\n", "holds only blank lines, comments or a header"),
        (b"\xef\xbb\xbf", "holds only blank lines, comments or a header"),
        (b"# one\n#two\n", "holds only blank lines, comments or a header"),
        (b"seed,style\n", "holds only blank lines, comments or a header"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x01\xb8" + bytes(range(256)), "is not text"),
        (bytes(range(256)) * 20, "is not text"),
        (OTHER.encode("utf-16"), "is UTF-16 text. Save it as UTF-8."),
        (OTHER.encode("utf-16-le"), "is not text"),
    ],
)
def test_files_without_palettes_say_so(tmp_path: Path, content: bytes, expected: str):
    with pytest.raises(PaletteFileError) as caught:
        read(tmp_path, content)
    assert expected in str(caught.value)
    assert str(tmp_path / "palettes.txt") in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_csv_file_without_a_seed_column_says_so(tmp_path: Path):
    with pytest.raises(PaletteFileError, match=r"no column named seed or id; its first line is 'name,colour'"):
        read(tmp_path, "name,colour\nsunset,red\n", "palettes.csv")


def test_a_missing_file_a_folder_and_a_locked_file_say_so(tmp_path: Path):
    with pytest.raises(PaletteFileError, match="There is no palette file"):
        read_palette_file(tmp_path / "none.jsonl")
    with pytest.raises(PaletteFileError, match="is a folder"):
        read_palette_file(str(tmp_path))
    with pytest.raises(PaletteFileError, match="cannot be read: Not a directory"):
        (tmp_path / "file").write_text("x")
        read_palette_file(tmp_path / "file" / "below")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read every file")
def test_a_file_that_may_not_be_read_says_so(tmp_path: Path):
    path = tmp_path / "locked.txt"
    path.write_text(OTHER)
    path.chmod(0)
    with pytest.raises(PaletteFileError, match="may not be read by this user"):
        read_palette_file(path)


# Real files


def test_the_real_list_is_read_without_a_loss():
    path = vectors_dir().parent / "data" / "palettes.jsonl"
    if not path.exists():
        pytest.skip("the list of real palettes lies only on machines that hold the real system's outputs")
    file = read_palette_file(path)
    assert len(file.rows) == 100
    assert file.rejected == []
    assert file.duplicates == []
    expected = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [
        {"id": row.source_seed, "style": row.style, "steps": row.steps, "angle": row.angle} for row in file.rows
    ] == expected
