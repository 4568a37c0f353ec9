from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lzstring import LZString

from grabient_assets.errors import AmbiguousPaletteError, PaletteFileError
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


def drawn(file: PaletteFile) -> list[tuple[int, str, str, int, float]]:
    assert (file.rejected, file.duplicates) == ([], [])
    return [(row.line, row.palette.canonical, row.style, row.steps, row.angle) for row in file.rows]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_tables_as_programs_write_them(tmp_path: Path, delimiter: str, encoding: str, end: str):
    lines = [
        ["name", "seed", "steps", "angle", "style"],
        ["Größe", f'"{DECIMAL}"', "7", "45", "radialSwatches"],
        [f'"two{end}lines, ""quoted"""', OTHER, "", "", "", "", ""],
    ]
    text = "".join(delimiter.join(line) + end for line in lines)
    for head in ("", f"sep={delimiter}{end}", end):
        found = drawn(read(tmp_path, (head + text).encode(encoding), "palettes.csv"))
        first = 2 + head.count(end)
        assert found == [
            (first, ALIGNED, "radialSwatches", 7, 45.0),
            (first + 1, OTHER, "linearSwatches", 11, 90.0),
        ]
    assert read(tmp_path, text.encode(encoding)).rows[1].name == 'two\nlines, "quoted"'


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32"])
def test_text_of_two_and_four_bytes_a_letter(tmp_path: Path, encoding: str):
    [row] = read(tmp_path, f"seed;name\r\n{OTHER};Größe\r\n".encode(encoding), "palettes.csv").rows
    assert (row.palette.canonical, row.name) == (OTHER, "Größe")
    assert seeds(read(tmp_path, OTHER.encode(encoding))) == [OTHER]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_of_windows_costs_no_palette_its_name(tmp_path: Path, delimiter: str):
    """Excel's own "CSV" is Windows-1252."""
    text = f"seed{delimiter}name\r\n{OTHER}{delimiter}“Größe” €\r\n{ALIGNED}{delimiter}plain\r\n"
    file = read(tmp_path, text.encode("cp1252"), "palettes.csv")
    assert [(row.palette.canonical, row.name, row.note) for row in file.rows] == [
        (OTHER, "“Größe” €", "it is not UTF-8 and is read as Windows-1252"),
        (ALIGNED, "plain", None),
    ]
    line = json.dumps({"seed": OTHER, "name": "grün"}, ensure_ascii=False)
    assert read(tmp_path, line.encode("latin-1"), "palettes.jsonl").rows[0].name == "grün"


def test_lines_above_the_header_and_blank_rows(tmp_path: Path):
    text = f'My palettes;;\n2026;;\nsep=;\nseed;"long\nname";style\n;;\n{OTHER};x;\n ; ; \n{ALIGNED};y;;;\n;;\n'
    file = read(tmp_path, text, "palettes.csv")
    assert [(row.line, row.palette.canonical) for row in file.rows] == [(7, OTHER), (9, ALIGNED)]
    assert rejections(file) == [(number, "it stands before the names of the columns") for number in (1, 2)]
    assert seeds(read(tmp_path, f"{OTHER}\nseed,name\n{ALIGNED}\n")) == [OTHER, ALIGNED], "a palette is no title"


@pytest.mark.parametrize("name", ["a.csv", "a.txt"])
@pytest.mark.parametrize("line", [f"{OTHER},Harbour", f"Harbour;https://grabient.com/{OTHER};7", f'"{DECIMAL}"\tx'])
def test_a_table_without_a_header_says_what_to_write_there(tmp_path: Path, line: str, name: str):
    with pytest.raises(PaletteFileError, match=r"no column named seed.*Name the columns in the first line"):
        read(tmp_path, f"{line}\n{line}\n", name)


def test_an_id_may_be_the_key_of_a_database(tmp_path: Path):
    address = f"https://grabient.com/{OTHER}?steps=7"
    for text in (f"id,url\n17,{address}\n", json.dumps({"id": "row-17", "url": address})):
        [row] = read(tmp_path, text).rows
        assert (row.palette.canonical, row.steps) == (OTHER, 7)
    assert seeds(read(tmp_path, f"id,url\n{ALIGNED},{address}\n")) == [ALIGNED]
    assert rejections(read(tmp_path, f"seed,url\n_abc,{address}\n")) != [], "a seed that is wrong is not passed over"


@pytest.mark.parametrize("field", ["seed", "id"])
def test_the_numbers_of_a_field_may_be_an_array(tmp_path: Path, field: str):
    numbers = [float(number) for number in DECIMAL.split(",")]
    for value in (numbers, [numbers[at : at + 3] for at in range(0, 12, 3)]):
        assert seeds(read(tmp_path, json.dumps({field: value}))) == [ALIGNED]
        assert seeds(read(tmp_path, json.dumps([{field: value}], indent=1))) == [ALIGNED]


COPIED = [f'"{OTHER}",', f"{OTHER},", f"'{OTHER}'", f"{OTHER};", f'"{DECIMAL}",', f'"https://grabient.com/{OTHER}"']


@pytest.mark.parametrize("line", COPIED)
def test_lines_that_were_copied_out_of_a_list(tmp_path: Path, line: str):
    file = read(tmp_path, f"{line}\n{LZ}\n")
    assert seeds(file) == [ALIGNED if DECIMAL in line else OTHER, decode_seed(LZ).canonical]
    objects = f'{json.dumps(GOOD)},\n{{"seed": "{LZ}"}} , \n"{ALIGNED}",\n'
    assert seeds(read(tmp_path, objects)) == [OTHER, decode_seed(LZ).canonical, ALIGNED]


@pytest.mark.parametrize(
    "text",
    [
        "[[0.5 0.4 0.4] [0.5 0.4 0.3] [0.5 0.5 0.5] [0 0.1 0.2]]",
        "[0.5, 0.4, 0.4], [0.5, 0.4, 0.3], [0.5, 0.5, 0.5], [0, 0.1, 0.2]",
        "vec3(0.5,0.4,0.4), vec3(0.5,0.4,0.3), vec3(0.5,0.5,0.5), vec3(0.,.1,.2)",
        "(0.5, 0.4, 0.4, 0.5, 0.4, 0.3, 0.5, 0.5, 0.5, 0, 0.1, 0.2)",
    ],
)
def test_vectors_as_shaders_and_generators_write_them(tmp_path: Path, text: str):
    assert seeds(read(tmp_path, f"{text}\n{OTHER}\n")) == [ALIGNED, OTHER]
    assert seeds(read(tmp_path, f"{OTHER}\n{text}\n")) == [OTHER, ALIGNED]


@pytest.mark.parametrize("numbers", ["0.5 0.4 0.4", "0.5"])
def test_numbers_over_several_lines_say_how_many_a_palette_has(tmp_path: Path, numbers: str):
    reason = rejections(read(tmp_path, f"{numbers}\n{OTHER}\n"))[0][1]
    assert re.fullmatch(r"it has [13] numbers? instead of 12 or 16; put all of a palette on one line", reason)


def test_an_element_that_breaks_off_is_one_refusal(tmp_path: Path):
    whole = json.dumps([{"seed": OTHER, "name": "x", "style": "radialGradient"}] * 2)
    for end in range(whole.rindex("{") + 2, len(whole) - 2):
        file = read(tmp_path, whole[:end])
        assert len(file.rows) == 1 and len(file.rejected) == 1, whole[:end]


def test_a_decimal_comma_between_semicolons(tmp_path: Path):
    text = f"seed;angle\n{DECIMAL};22,5\n0,1;0,2\n"
    file = read(tmp_path, text)
    assert [(row.palette.canonical, row.angle) for row in file.rows] == [(ALIGNED, 22.5)]
    assert rejections(file) == [(3, "its seed cannot be read: it has 2 numbers instead of 12 or 16")]


def test_lines_keep_their_numbers_behind_line_breaks_in_fields(tmp_path: Path):
    text = f'seed,name\n"nothing","a\nb\nc"\n{OTHER},"never closed\n{LZ},x\n{ALIGNED},"d\ne"\nbad,y\n'
    file = read(tmp_path, text)
    assert [(row.line, row.palette.canonical) for row in file.rows][-1] == (7, ALIGNED)
    assert [line for line, _ in rejections(file)] == [2, 5, 9]
    assert file.rejected[0].text == '"nothing","a\nb\nc"'


@pytest.mark.parametrize("indent", [None, 2])
def test_a_json_array_on_one_or_many_lines(tmp_path: Path, indent: int | None):
    numbers = [float(number) for number in DECIMAL.split(",")]
    rows = [numbers[at : at + 3] for at in range(0, 12, 3)]
    for content in (
        [{"seed": DECIMAL, "steps": 7}, {"id": OTHER}],
        [DECIMAL, OTHER],
        [numbers, {"seed": OTHER}],
        [rows, OTHER],
    ):
        text = json.dumps(content, indent=indent)
        for head, tail in (("", ""), ("\n# mine\n\n", "\n\n")):
            file = read(tmp_path, head + text + tail)
            assert file.rejected == [] and seeds(file) == [ALIGNED, OTHER]
            found = (head + text).splitlines()
            if indent:
                begins = [number for number, line in enumerate(found, 1) if re.match(r'  [{\["]', line)]
                assert [row.line for row in file.rows] == begins
    for text in (json.dumps(numbers, indent=indent), f"\n{json.dumps(numbers)}"):
        assert seeds(read(tmp_path, text)) == [ALIGNED], "twelve numbers are one palette"
    assert drawn(read(tmp_path, f'{{"seed": "{OTHER}"}}\n\n \n{json.dumps(numbers)}\n'))[1][:2] == (4, ALIGNED)


def test_what_is_wrong_in_an_array_costs_its_element(tmp_path: Path):
    good = json.dumps(GOOD)
    text = f'[\n{good},\n{{"seed": nothing}},\n{{"seed": "_abc"}},\n17,\n{{"seed": NaN, "id": "{LZ}"}},\n"{ALIGNED}"\n]'
    file = read(tmp_path, text)
    assert [(row.line, row.palette.canonical) for row in file.rows][:1] == [(2, OTHER)]
    assert file.rows[-1].line == 7
    assert [line for line, _ in rejections(file)] == [3, 4, 5]


def test_a_large_array_is_read_an_element_at_a_time(tmp_path: Path):
    count = 3000
    text = ",".join(
        json.dumps({"seed": f"0.5,{n / 1000},0.4,0.5,0.4,0.3,0.5,0.5,0.5,0,0.1,0.2", "x": "y" * 90})
        for n in range(count)
    )
    file = read(tmp_path, f"[{text}]")
    assert len(text) > 5 * 65_536 and len(file.rows) == count and file.rejected == []
    assert {row.line for row in file.rows} == {1}


def test_addresses_say_how_a_palette_is_drawn(tmp_path: Path):
    text = (
        f"https://grabient.com/{OTHER}?style=radialGradient&steps=7&angle=45.5&size=2#top\n"
        f"www.grabient.com/palettes/{ALIGNED}/\n"
        f"http://beta.grabient.com/{LZ.replace('+', '%2B').replace('$', '%24')}?angle=-30\n"
    )
    assert drawn(read(tmp_path, text)) == [
        (1, OTHER, "radialGradient", 7, 45.5),
        (2, ALIGNED, "linearSwatches", 11, 90.0),
        (3, decode_seed(LZ).canonical, "linearSwatches", 11, -30.0),
    ]
    assert read(tmp_path, text).rows[2].source_seed == LZ
    table = f"url,angle\nhttps://grabient.com/{OTHER}?steps=7&angle=45,12\nhttps://grabient.com/{ALIGNED}?angle=45,\n"
    assert [one[3:] for one in drawn(read(tmp_path, table))] == [(7, 12.0), (11, 45.0)], "what the file names counts"


@pytest.mark.parametrize("between", [", ", " ", "\t", ";", "; ", "|"])
def test_twelve_plain_numbers(tmp_path: Path, between: str):
    line = DECIMAL.replace(",", between)
    assert seeds(read(tmp_path, f"{line}\n{line}{between.strip()}\n{OTHER}\n")) in ([ALIGNED, OTHER],)
    if between != ", ":
        assert seeds(read(tmp_path, line.replace(".", ",") + "\n")) == [ALIGNED]


PRESET = "0.5,0.4,0.4,1,0.5,0.4,0.3,0,0.5,0.5,0.5,0,0,0.1,0.2,0"


@pytest.mark.parametrize(
    "content",
    [
        PRESET,
        PRESET.replace(",", " "),
        PRESET.replace(",", ";").replace(".", ","),
        f"[{PRESET}]",
        f'{{"seed": "{PRESET}"}}',
        f'seed\n"{PRESET.replace(",1,", ",1.0,")}"',
        "[[[0.5,0.4,0.4,1],[0.5,0.4,0.3,0],[0.5,0.5,0.5,0],[0,0.1,0.2,0]]]",
    ],
)
def test_a_preset_with_alpha_is_not_guessed(tmp_path: Path, content: str):
    text = f"{content}\n"
    with pytest.raises(AmbiguousPaletteError, match=r"^Line \d of .*--sixteen preset, or --sixteen modifiers"):
        read(tmp_path, text)
    path = tmp_path / "palettes.txt"
    assert seeds(read_palette_file(path, "preset")) == [ALIGNED]
    [as_it_is] = [*read_palette_file(path, "modifiers").rows, *read_palette_file(path, "modifiers").rejected]
    assert as_it_is == read_palette_file(path, "modifiers").rows[0]


@pytest.mark.parametrize(
    "content", ["sep=;", "sep=;\n", "sep=;\n\n", "[", "[\n", "[]", "[ ", "[\n{", "[,", '["', "[1", "[1,"]
)
def test_beginnings_without_an_end(tmp_path: Path, content: str):
    try:
        assert read(tmp_path, content).rows == []
    except PaletteFileError as error:
        assert "holds only blank lines" in str(error)


def test_a_name_that_is_no_text_for_a_database_is_mended(tmp_path: Path):
    for content in (b'[{"seed": "%s", "name": "gr\xfcn"}]', b'{"seed": "%s", "name": "gr\\ud800n"}'):
        [row] = read(tmp_path, content % OTHER.encode()).rows
        assert row.name == "gr?n"


def test_one_column_of_numbers_needs_no_quotes(tmp_path: Path):
    assert seeds(read(tmp_path, f"seed\n{DECIMAL}\n{OTHER}\n")) == [ALIGNED, OTHER]


def test_sixteen_other_numbers_are_no_question(tmp_path: Path):
    assert len(read(tmp_path, f"{DECIMAL},0.1,1,1,0\n").rows) == 1


COLOURS = {
    "lospec.hex": "1a1c2c\n5d275d\nb13e53\nef7d57\n",
    "lospec.txt": ";paint.net Palette File\n;Palette Name: Sweetie 16\nFF1a1c2c\nFF5d275d\n",
    "lospec.gpl": "GIMP Palette\n#Palette Name: Sweetie\n26\t28\t44\t1a1c2c\n93\t39\t93\t5d275d\n",
    "paint.net.txt": ";paint.net Palette File\n;Palette Name: A\n;Description: B\n;Colors: 1\nFF1a1c2c\n",
    "short.txt": "#f00\n#0f0\n",
    "rgb.csv": "r,g,b\n38,70,83\n42,157,143\n",
    "rgb.txt": "38 70 83\n42 157 143\n",
    "names.csv": "name,hex\nCharcoal,#264653\nGreen,#2a9d8f\n",
    "hsl.txt": "hsl(197, 37%, 24%)\nhsl(173, 58%, 39%)\n",
    "modern.css": "oklch(0.37 0.05 220)\nlab(40 -20 10)\n",
    "spread.json": '{\n "name": "Sweetie",\n "colors": [\n  "1a1c2c",\n  "5d275d"\n ]\n}\n',
    "tokens.json": '{"red": {\n  "value": "#ff0000",\n  "type": "color"\n}}\n',
    "lospec.pal": "JASC-PAL\n0100\n2\n26 28 44\n93 39 93\n",
    "lospec.json": '{"name":"Sweetie 16","author":"G","colors":["1a1c2c","5d275d"]}',
    "coolors.csv": "264653,2a9d8f,e9c46a,f4a261,e76f51\n",
    "coolors.txt": "https://coolors.co/palette/264653-2a9d8f-e9c46a\n",
    "hashes.txt": "#264653, #2a9d8f, #e9c46a\n#fff\n",
    "array.json": '["264653","2a9d8f","e9c46a"]',
    "object.json": '{"Charcoal":"264653","Persian Green":"2a9d8f"}',
    "extended.json": '[{"name":"Charcoal","hex":"264653","rgb":[38,70,83]},\n{"name":"Green","hex":"2a9d8f"}]',
    "coolors.css": "/* CSS HEX */\n--charcoal: #264653ff;\n--green: #2a9d8fff;\n",
    "coolors.scss": "$charcoal: rgba(38, 70, 83, 1);\n$green: rgba(42, 157, 143, 1);\n",
}


@pytest.mark.parametrize("name", COLOURS)
def test_lists_of_colours_are_refused_with_what_a_seed_is(tmp_path: Path, name: str):
    with pytest.raises(PaletteFileError, match=r"is a list of colours, as Lospec.* 12 numbers of its cosine curves"):
        read(tmp_path, COLOURS[name], name)


SWATCHES = {
    "adobe.ase": b"ASEF\x00\x01\x00\x00\x00\x00\x00\x01" + bytes(40),
    "adobe.aco": b"\x00\x01\x00\x02\x00\x00\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff",
    "windows.pal": b"RIFF\x10\x04\x00\x00PAL data\x04\x04\x00\x00\x00\x03\x00\x01" + bytes(range(256)),
}


@pytest.mark.parametrize("name", SWATCHES)
def test_swatches_of_paint_programs_are_lists_of_colours_too(tmp_path: Path, name: str):
    with pytest.raises(PaletteFileError, match=r"is a list of colours, as Lospec"):
        read(tmp_path, SWATCHES[name], name)


def test_palettes_with_their_colours_beside_them_are_palettes(tmp_path: Path):
    row = {"seed": OTHER, "hexColors": ["#ff0000", "#00ff00"]}
    assert seeds(read(tmp_path, json.dumps([row], indent=2))) == [OTHER]
    assert seeds(read(tmp_path, f"seed,first\n{OTHER},#ff0000\n", "palettes.csv")) == [OTHER]
    with pytest.raises(PaletteFileError, match="is an object over several lines"):
        read(tmp_path, json.dumps({"palettes": [row]}, indent=2))


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
        (f"{OTHER},99,90", "its steps 99 is outside 2 to 50"),
        (f"{OTHER},99.50,90", "its steps 99.50 is not a whole number"),
        (f"{OTHER},1e2,90", "its steps 1e2 is outside 2 to 50"),
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
        (b"https://example.com/abc", "it is a web address"),
        (b"https://grabient.com/abc", "read as lz-string text it has no end"),
        (b"https://www.grabient.com/?style=linearSwatches", "it is a Grabient address without a palette"),
        (f"https://grabient.com/{OTHER}?style=stripes".encode(), "its style 'stripes' is none of"),
        (f"https://grabient.com/{OTHER}?steps=many".encode(), "its steps 'many' is not a number"),
        (b"0.5,0.5", "it has 2 numbers instead of 12 or 16"),
        (b"ab\x00cd", "character 3 is the control character U+0000"),
        ("grün".encode("latin-1"), "byte 3 (0xfc) is not UTF-8"),
        ("grün".encode(), "character 3 is the character outside ASCII U+00FC"),
        (b"x" * 10_000_000, "it is longer than 65536 characters"),
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


@pytest.mark.parametrize(
    "text",
    [
        f'{{\n  "palettes": [\n    {{"seed": "{OTHER}"}}\n  ]\n}}\n',
        f'# of today\n{{"palettes": [\n{{"seed": "{OTHER}"}}]}}',
        f'{{"seed": "{OTHER}",\n "name": "x"}}\n',
        f'{{\n "seed": "{OTHER}"\n}}\n{{\n "seed": "{LZ}"\n}}\n',
    ],
)
def test_an_object_over_several_lines_is_one_refusal(tmp_path: Path, text: str):
    with pytest.raises(PaletteFileError, match=r"is an object over several lines\. Give a JSON array"):
        read(tmp_path, text)


def test_an_object_around_a_list_says_what_to_give(tmp_path: Path):
    [line] = read(tmp_path, f'{{"palettes": [{{"seed": "{OTHER}"}}]}}').rejected
    assert line.reason.startswith("it is an object around a list; give the list itself, as a JSON array")


def test_a_broken_first_line_is_no_object_over_several(tmp_path: Path):
    file = read(tmp_path, f'{{"seed": "x",\n{{"seed": "{OTHER}"}}\n')
    assert seeds(file) == [OTHER] and [one.line for one in file.rejected] == [1]


@pytest.mark.parametrize("name", ["seed", "Name", "steps"])
def test_two_columns_of_one_name_are_refused(tmp_path: Path, name: str):
    with pytest.raises(PaletteFileError, match=f"has two columns named {name.lower()}"):
        read(tmp_path, f"seed,{name},{name},other,other\n{OTHER},,,,\n")
    assert seeds(read(tmp_path, f"seed,other,other\n{OTHER},1,2\n")) == [OTHER]


VECTORS = "[[0.5,0.5,0.5],[0.5,0.5,0.5],[1,1,1],[0,0.33,0.67]]"


@pytest.mark.parametrize(
    ("text", "accepted", "rejected"),
    [
        ('["bad one","worse"]', 0, [(1, 1), (1, 2)]),
        ("[[0.5,0.5,0.5],[1,1,1]]", 0, [(1, 1), (1, 2)]),
        (f'[{{"seed":"{OTHER}"}},{{"seed":"x"}},{{"seed":"y"}}]', 1, [(1, 2), (1, 3)]),
        ('["bad",\n1,"worse",\n"last"]', 0, [(1, 1), (2, 1), (3, 1), (2, 2)]),
        (VECTORS, 1, []),
        (f"{VECTORS}\n[[0.5,0.5,0.5],[1,1,1]]\n" + f'{{"seed":"{OTHER}"}}', 2, [(2, 1)]),
        (f'{{"seed":"{OTHER}"}}\n{VECTORS}\n["x","y"]', 2, [(3, 1)]),
        (f'["x"]\n["{OTHER}","y"]\n', 1, [(1, 1), (2, 2)]),
        (f'["{OTHER}"] more\n\n# a comment\nlast', 1, [(1, 2), (4, 1)]),
    ],
)
def test_every_entry_of_a_line_is_accounted_for(
    tmp_path: Path, text: str, accepted: int, rejected: list[tuple[int, int]]
):
    file = read(tmp_path, text)
    assert len(file.rows) == accepted
    assert [(one.line, one.entry) for one in file.rejected] == rejected
    assert all(one.reason and one.text for one in file.rejected)


@pytest.mark.parametrize(
    ("text", "accepted", "rejected"),
    [
        (f"name,seed\n#1 Sunset,{OTHER}\n# a comment\n", 1, []),
        (f"seed,name\n{OTHER},a\n# a comment, too\n#ff0000 #00ff00,b\n", 1, [4]),
        (f"name,seed\n#1,x\nb,{OTHER}\n", 1, [2]),
    ],
)
def test_a_record_that_begins_with_a_hash_is_a_comment_only_without_a_seed(
    tmp_path: Path, text: str, accepted: int, rejected: list[int]
):
    path = tmp_path / "p.csv"
    path.write_text(text, encoding="utf-8")
    file = read_palette_file(path)
    assert (len(file.rows), [one.line for one in file.rejected]) == (accepted, rejected)


def test_a_line_that_is_blank_only_as_windows_reads_it_is_reported(tmp_path: Path):
    """0xa0 is a space there that does not break."""
    file = read(tmp_path, b"\xa0\n" + OTHER.encode())
    assert [(one.line, one.reason) for one in file.rejected] == [(1, "byte 1 (0xa0) is not UTF-8")]
    assert len(file.rows) == 1


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
        (bytes(range(128, 256)) * 20, "is not text"),
    ],
)
def test_files_without_palettes_say_so(tmp_path: Path, content: bytes, expected: str):
    with pytest.raises(PaletteFileError) as caught:
        read(tmp_path, content)
    assert expected in str(caught.value)
    assert str(tmp_path / "palettes.txt") in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_csv_file_without_a_seed_column_says_so(tmp_path: Path):
    with pytest.raises(PaletteFileError, match=r"no column named seed, id or url; its first line is 'name,colour'"):
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
