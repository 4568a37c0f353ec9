"""Every kind of mistake in a model file is refused, with the file, the line and the way out."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from grabient_assets.errors import RegistryError
from grabient_assets.registry.file_format import ProviderFile
from grabient_assets.registry.load import DATA, line_of, load_registry
from grabient_assets.registry.model import PROVIDERS

GOOD = """\
provider = "groq"
currency = "USD"

[limits]
max_requests = 10
max_bytes = 1000
checked_on = 2026-11-20
source = "a page"

[direct]
in_flight = 4
timeout_s = 60

[caching]
adds_up = "no"
explicit = false
checked_on = 2026-11-20
source = "a page"

[[models]]
id = "alpha"
family = "a"
roles = ["tagger"]
panel = true
token_parameter = "max_completion_tokens"
context_tokens = 1000
max_output_tokens = 100
available_by = 2026-01-01
checked_on = 2026-11-20
source = "a page"
accepts = { sampling = true, thinking = "none", structured = "none", images = false }
[[models.prices]]
from = 2026-01-01
standard = { input = 1.00, output = 2 }
batch = { input = 0.50, output = 1 }
source = "a page"

[[models]]
id = "beta"
family = "b"
roles = ["tagger"]
panel = false
token_parameter = "max_completion_tokens"
context_tokens = 1000
max_output_tokens = 100
available_by = 2026-01-01
retires_on = 2026-06-01
replacement = "alpha"
checked_on = 2026-11-20
source = "a page"
accepts = { sampling = false, thinking = "none", structured = "none", images = false }
[[models.prices]]
from = 2026-01-01
standard = { input = 1.00, output = 2.00 }
batch = { input = 0.50, output = 1.00 }
source = "a page"
[[models.prices]]
from = 2026-03-01
standard = { input = 3.00, output = 4.00 }
batch = { input = 1.50, output = 2.00 }
source = "a page"
"""


A_PRICE = "a price is a number above 0, at most 10000, in dollars per million tokens"
IN_DOLLARS = "prices are kept in US dollars only"


def line_holding(text: str, needle: str, occurrence: int = 1) -> int:
    hits = [number for number, line in enumerate(text.splitlines(), 1) if needle in line]
    return hits[occurrence - 1]


def refusal(folder: Path, text: str) -> str:
    (folder / "groq.toml").write_text(text, encoding="utf-8")
    with pytest.raises(RegistryError) as caught:
        load_registry(folder)
    return str(caught.value)


def test_the_good_file_loads(tmp_path: Path) -> None:
    (tmp_path / "groq.toml").write_text(GOOD, encoding="utf-8")
    assert [model.id for model in load_registry(tmp_path).models] == ["alpha", "beta"]


# (what is replaced, by what, which of its occurrences, what the message says, the line it names, which of those)
CASES = {
    "unknown key in a model": ('family = "b"', 'family = "b"\ncolour = 1', "unknown key", "colour = 1", 1),
    "unknown key in a price": ("from = 2026-03-01", "from = 2026-03-01\nsurcharge = 1", "unknown key", "surcharge", 1),
    "unknown key in limits": ("max_bytes = 1000", "max_bytes = 1000\nmax_days = 2", "unknown key", "max_days", 1),
    "unknown role": ('roles = ["tagger"]', 'roles = ["poet"]', "tagger", '["poet"]', 1),
    "unsorted": ('id = "beta"', 'id = "aaa"', "sorted by id; move aaa before alpha", 'id = "aaa"', 1),
    "duplicate": ('id = "beta"', 'id = "alpha"', "listed twice", 'id = "alpha"', 2),
    "price without a date": (
        "from = 2026-03-01\n",
        "",
        "`models.1.prices.1.from`: this key is missing",
        "[[models.prices]]",
        3,
    ),
    "no date of the check": (
        'checked_on = 2026-11-20\nsource = "a page"\naccepts',
        'source = "a page"\naccepts',
        "this key is missing; add it",
        "[[models]]",
        1,
    ),
    "retired without replacement": ('replacement = "alpha"\n', "", "names no replacement", "retires_on", 1),
    "replacement unknown": (
        'replacement = "alpha"',
        'replacement = "gamma"',
        "gamma of beta is not in this file",
        "gamma",
        1,
    ),
    "its own replacement": (
        'replacement = "alpha"',
        'replacement = "beta"',
        "its own replacement",
        'replacement = "beta"',
        1,
    ),
    "batch not below standard": (
        "batch = { input = 1.50, output = 2.00 }",
        "batch = { input = 3.00, output = 2.00 }",
        "not below its standard price 3.00",
        "batch = { input = 3.00",
        1,
    ),
    "batch output not below standard": (
        "batch = { input = 1.50, output = 2.00 }",
        "batch = { input = 1.50, output = 4.00 }",
        "batch output price 4.00",
        "output = 4.00 }",
        2,
    ),
    "negative price": ("batch = { input = 1.50,", "batch = { input = -1.50,", A_PRICE, "-1.50", 1),
    "price of nothing": ("batch = { input = 1.50,", "batch = { input = 0,", A_PRICE, "input = 0,", 1),
    "price that is no number": ("batch = { input = 1.50,", "batch = { input = nan,", A_PRICE, "nan", 1),
    "price as text": ("batch = { input = 1.50,", 'batch = { input = "1.50",', A_PRICE, '"1.50"', 1),
    "cached dearer than plain": (
        "batch = { input = 1.50,",
        "batch = { cached_input = 1.60, input = 1.50,",
        "cached input",
        "1.60",
        1,
    ),
    "prices out of order": ("from = 2026-03-01", "from = 2025-03-01", "sorted by `from`", "2025-03-01", 1),
    "price day twice": ("from = 2026-03-01", "from = 2026-01-01", "each day once", "from = 2026-01-01", 3),
    "price without end": ("batch = { input = 1.50,", "batch = { input = inf,", A_PRICE, "inf", 1),
    "price that is a truth": ("batch = { input = 1.50,", "batch = { input = true,", A_PRICE, "input = true", 1),
    "other currency of the file": ('currency = "USD"', 'currency = "EUR"', IN_DOLLARS, "EUR", 1),
    "other currency of a price": ("from = 2026-03-01", 'from = 2026-03-01\ncurrency = "EUR"', IN_DOLLARS, "EUR", 1),
    "unknown currency": ("from = 2026-03-01", 'from = 2026-03-01\ncurrency = "XXQ"', IN_DOLLARS, "XXQ", 1),
    "date that is text": ("retires_on = 2026-06-01", 'retires_on = "soon"', "not a date; write it as", "soon", 1),
    "date with a time": ("from = 2026-03-01", "from = 2026-03-01T10:00:00", "not a date", "T10", 1),
    "priced only after it is available": (
        "retires_on = 2026-06-01",
        "available_from = 2025-12-31\nretires_on = 2026-06-01",
        "available from 2025-12-31, but its first price holds from 2026-01-01 on",
        "from = 2026-01-01",
        2,
    ),
    "may retire without replacement": (
        'retires_on = 2026-06-01\nreplacement = "alpha"',
        "retires_not_before = 2026-06-01",
        "may retire but names no replacement",
        "retires_not_before",
        1,
    ),
    "replacement that is gone sooner": (
        "available_by = 2026-01-01\nchecked_on",
        'available_by = 2026-01-01\nretires_on = 2026-05-01\nreplacement = "beta"\nchecked_on',
        "the replacement alpha of beta retires no later than the model itself",
        'replacement = "alpha"',
        1,
    ),
    "no prices": (
        """[[models.prices]]
from = 2026-01-01
standard = { input = 1.00, output = 2 }
batch = { input = 0.50, output = 1 }
source = "a page"
""",
        "prices = []\n",
        "model alpha, `models.0.prices`: the model has no price; add a [[models.prices]] entry",
        "prices = []",
        1,
    ),
    "role that is no list": ('roles = ["tagger"]', 'roles = "tagger"', "not a list", 'roles = "tagger"', 1),
    "limit of nothing": ("max_requests = 10", "max_requests = 0", "greater than 0", "max_requests", 1),
    "asked-for caching without a share of hits": ("explicit = false", "explicit = true", "`least_hits`", "explicit", 1),
    "share of hits above all": ("explicit = false", "explicit = false\nleast_hits = 1.5", "less than", "least_hits", 1),
    "caching that is neither": ('adds_up = "no"', 'adds_up = "perhaps"', "'unverified'", "adds_up", 1),
    "effort outside the list": (
        "{ sampling = false,",
        '{ default_effort = "low", sampling = false,',
        "not among its efforts",
        "default_effort",
        1,
    ),
    "effort without words": ('false, thinking = "none"', 'false, thinking = "level"', "lists no efforts", '"level"', 1),
    "retired before it is available": (
        "retires_on = 2026-06-01",
        "available_from = 2026-07-01\nretires_on = 2026-06-01",
        "retires before it is available",
        "retires_on",
        1,
    ),
    "undated": ("available_by = 2026-01-01\nretires", "retires", "model beta is undated; add", "[[models]]", 2),
    "dated twice": (
        "available_by = 2026-01-01\nretires",
        "available_by = 2026-01-01\navailable_from = 2026-01-01\nretires",
        "says more than `available_by`",
        "available_by",
        2,
    ),
    "replacement without an end": ("retires_on = 2026-06-01\n", "", "names a replacement but no", 'nt = "alpha"', 1),
    "empty id": ('id = "beta"', 'id = " "', "`models.1.id`: empty, or with spaces around it", 'id = " "', 1),
    "empty source": ('source = "a page"\naccepts', 'source = "  "\naccepts', "`models.1.source`: empty", '"  "', 1),
    "role twice": ('roles = ["tagger"]', 'roles = ["tagger", "tagger"]', "tagger of beta stands there", 'er", ', 1),
    "effort twice": (
        "{ sampling = false,",
        '{ efforts = ["low", "high", "low"], sampling = false,',
        "low of beta stands there twice",
        '"low", "high"',
        1,
    ),
    "refiner that sees nothing": (
        'roles = ["tagger"]',
        'roles = ["refiner"]',
        "model beta refines but takes no images",
        "accepts",
        2,
    ),
    "longer than its context": (
        "max_output_tokens = 100",
        "max_output_tokens = 1001",
        "more tokens than its context of 1000",
        "= 1001",
        1,
    ),
    "count that no machine holds": ("max_requests = 10", "max_requests = 9999999999999", "less", "max_requests", 1),
    "checked in the far future": (
        "checked_on = 2026-11-20",
        "checked_on = 2999-11-20",
        "a day between 2020 and 2099 is needed",
        "2999",
        1,
    ),
    "priced before there was anything": ("from = 2026-01-01", "from = 0206-01-01", "between 2020 and 2099", "0206", 1),
    "price that cannot be stored": ("batch = { input = 1.50,", "batch = { input = 1e40,", A_PRICE, "1e40", 1),
    "wrong provider for the file": (
        'provider = "groq"',
        'provider = "openai"',
        "named groq.toml but holds openai",
        "provider",
        1,
    ),
}


OTHERS = """\
[[models]]
id = "gamma"
family = "c"
roles = ["brush"]
panel = true
available_by = 2026-01-01
checked_on = 2026-11-20
source = "a page"
[models.images]
most_inputs = 4
mask = "none"
transparent = false
sizes = ["1K"]
ratios = ["1:1"]
[[models.prices]]
from = 2026-01-01
standard = { input = 1.00, output = 2.00, image_output = 30.00 }
batch = { input = 0.50, output = 1.00, image_output = 15.00 }
source = "a page"

[[models]]
id = "kappa"
family = "k"
roles = ["embedder"]
panel = true
panel_roles = ["embedder"]
available_by = 2026-01-01
checked_on = 2026-11-20
source = "a page"
[models.vectors]
dimensions = 1536
least = 64
most = 1536
default = 256
most_input_tokens = 8192
unit_length = true
task = "none"
one_per_call = false
[[models.prices]]
from = 2026-01-01
standard = { input = 0.20 }
batch = { input = 0.10 }
source = "a page"
"""
"""A brush and an embedder, behind the models of GOOD."""

# (what is replaced in OTHERS, by what, what the message says, the line it names)
OTHER_CASES = {
    "kinds mixed": ('["brush"]', '["brush", "tagger"]', "stand for different kinds of answers", '"tagger"]'),
    "brush without images": (
        OTHERS[OTHERS.index("[models.images]") : OTHERS.index("[[models.prices]]")],
        "",
        "`models.2.images`: this key is missing; add it",
        "[[models]]",
    ),
    "tagger without words": (
        'roles = ["brush"]',
        'roles = ["artist"]',
        "`models.2.accepts`: this key is",
        "[[models]]",
    ),
    "images without a role": (
        'roles = ["brush"]',
        'roles = ["artist"]',
        "has `images` but no role for it",
        "s.images]",
    ),
    "sizes without ratios": ('ratios = ["1:1"]\n', "", "the sizes of gamma are missing", "[models.images]"),
    "sizes free and fixed": (
        "most_inputs = 4",
        "most_inputs = 4\nedge_multiple = 16",
        "either free",
        "[models.images]",
    ),
    "ratio that is none": ('["1:1"]', '["wide"]', "`models.2.images.ratios.0`", '["wide"]'),
    "editor without inputs": (
        'roles = ["brush"]\npanel = true\navailable_by = 2026-01-01\nchecked_on = 2026-11-20\nsource = "a page"\n'
        "[models.images]\nmost_inputs = 4",
        'roles = ["editor"]\npanel = true\navailable_by = 2026-01-01\nchecked_on = 2026-11-20\nsource = "a page"\n'
        "[models.images]\nmost_inputs = 0",
        "gamma edits but takes no images",
        "most_inputs = 0",
    ),
    "image price missing": (
        ", image_output = 15.00",
        "",
        "the batch price of gamma needs `image_output`",
        "batch = { i",
    ),
    "image price not below": (
        "image_output = 15.00",
        "image_output = 30.00",
        "batch image_output price 30",
        "batch = {",
    ),
    "price of images read for one delivery": (
        "output = 2.00, image_output = 30.00",
        "output = 2.00, image_input = 8.00, image_output = 30.00",
        "the price `image_input` of gamma is given for one delivery only",
        "batch = {",
    ),
    "brush without output price": (
        "{ input = 0.50, output = 1.00, ",
        "{ input = 0.50, ",
        "`models.2.prices.0.batch.output`: this key is missing",
        "batch = {",
    ),
    "embedder not below": (
        "{ input = 0.10 }",
        "{ input = 0.20 }",
        "batch input price 0.20 of kappa",
        "batch = { input = 0.20",
    ),
    "batch price without batches": (
        'panel_roles = ["embedder"]',
        'panel_roles = ["embedder"]\ndeliveries = ["direct"]',
        "kappa has a batch price but no batches",
        "batch = { input = 0.10",
    ),
    "delivery that is none": (
        'panel_roles = ["embedder"]',
        'panel_roles = ["embedder"]\ndeliveries = ["pigeon"]',
        "'batch' or 'direct'",
        "pigeon",
    ),
    "default outside": ("default = 256", "default = 32", "the default dimensions of kappa lie outside", "default = 32"),
    "dimensions outside": ("most = 1536", "most = 1024", "the dimensions of kappa lie outside", "dimensions = 1536"),
    "prefix without words": ('task = "none"', 'task = "prefix"', "the task of kappa", 'task = "prefix"'),
    "panel role of nobody": (
        'panel_roles = ["embedder"]',
        'panel_roles = ["tagger"]',
        "tagger is no role of kappa",
        'panel_roles = ["tagger"]',
    ),
    "panel role outside the panel": (
        'panel = true\npanel_roles = ["embedder"]',
        'panel = false\npanel_roles = ["embedder"]',
        "kappa is not in the panel",
        "panel_roles",
    ),
    "price of nothing for a stranger": (
        "standard = { input = 0.20 }",
        "standard = { input = 0 }",
        A_PRICE,
        "input = 0 }",
    ),
    "price of nothing in words of the loader": (
        "standard = { input = 0.20 }",
        "standard = { input = -1 }",
        A_PRICE,
        "input = -1 }",
    ),
}


def test_a_brush_and_an_embedder_load(tmp_path: Path) -> None:
    (tmp_path / "groq.toml").write_text(GOOD + OTHERS, encoding="utf-8")
    registry = load_registry(tmp_path)
    assert [(model.id, model.kind) for model in registry.models[2:]] == [("gamma", "image"), ("kappa", "vector")]
    assert (registry.direct["groq"].in_flight, registry.direct["groq"].timeout_s) == (4, 60)


@pytest.mark.parametrize("case", OTHER_CASES)
def test_a_mistake_in_another_kind_of_model_is_refused_with_its_line(case: str, tmp_path: Path) -> None:
    found, replaced, says, needle = OTHER_CASES[case]
    assert OTHERS.count(found) == 1
    changed = OTHERS.replace(found, replaced)
    message = refusal(tmp_path, GOOD + changed)
    line = len(GOOD.splitlines()) + line_holding(changed, needle)
    assert says in message and f"groq.toml, line {line}: " in message, message


@pytest.mark.parametrize("missing", ["limits", "caching"])
def test_only_what_runs_here_does_without_limits_and_caching(missing: str, tmp_path: Path) -> None:
    start = GOOD.index(f"[{missing}]")
    text = GOOD[:start] + GOOD[GOOD.index("\n\n", start) + 2 :]
    assert f"groq.toml, line 1: `{missing}`: this key is missing; add it" in refusal(tmp_path, text)


def test_what_runs_here_costs_nothing(tmp_path: Path) -> None:
    text = (DATA / "local.toml").read_text(encoding="utf-8")
    assert "standard = { input = 0 }" in text
    (tmp_path / "local.toml").write_text(text.replace("{ input = 0 }", "{ input = 0.01 }"), encoding="utf-8")
    with pytest.raises(RegistryError, match=r"local\.toml, line \d+: .*what runs in this process costs nothing"):
        load_registry(tmp_path)


def test_only_an_ended_model_may_be_without_a_price(tmp_path: Path) -> None:
    ended = OTHERS.replace("available_by", 'retires_on = 2026-02-01\nreplacement = "kappa"\navailable_by', 1)
    start = ended.index("[[models.prices]]")
    ended = ended[:start] + ended[ended.index("[[models]]", start) :]
    ended = ended.replace("[models.images]", "prices = []\n[models.images]")
    (tmp_path / "groq.toml").write_text(GOOD + ended, encoding="utf-8")
    assert load_registry(tmp_path).models[2].prices == ()
    alive = ended.replace('retires_on = 2026-02-01\nreplacement = "kappa"\n', "")
    (tmp_path / "other").mkdir()
    assert "model gamma, `models.2.prices`: the model has no price" in refusal(tmp_path / "other", GOOD + alive)


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_refused_with_its_line(case: str, tmp_path: Path) -> None:
    found, replaced, says, needle, occurrence = CASES[case]
    assert found in GOOD
    # The last place, which lies in the second model wherever both have one.
    text = replaced.join(GOOD.rsplit(found, 1)) if case != "no date of the check" else GOOD.replace(found, replaced, 1)
    message = refusal(tmp_path, text)
    assert says in message
    assert f"groq.toml, line {line_holding(text, needle, occurrence)}:" in message


def test_an_unpriced_model_is_refused(tmp_path: Path) -> None:
    start = GOOD.index("[[models.prices]]", GOOD.index('"beta"'))
    message = refusal(tmp_path, GOOD[:start])
    line = line_holding(GOOD, "[[models]]", 2)
    assert f"groq.toml, line {line}: model beta, `models.1.prices`: this key is missing; add it." in message


KEY = re.compile(r"(\w+) = ")


def spoilt(text: str) -> Iterator[tuple[str, str, int, int]]:
    """Every key left out, misspelt, and with a value that is none: what was done, the text, the line that is wrong, and
    the line of the table it stands in (1 outside of any)."""
    lines, table = text.split("\n"), 1
    for number, line in enumerate(lines, 1):
        table = number if line.startswith("[") else table
        key = KEY.match(line)
        if key is not None:
            before, after = lines[: number - 1], lines[number:]
            yield f"without {line}", "\n".join([*before, *after]), table, table
            yield f"misspelt {line}", "\n".join([*before, f"x{line}", *after]), number, table
            yield f"spoilt {line}", "\n".join([*before, f"{key[1]} = [[1]]", *after]), number, number


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_key_of_the_shipped_files_is_named_by_its_line(provider: str) -> None:
    """`line_of` alone, with the places that pydantic reports: each as it should be, in files as long as they are."""
    text = (DATA / f"{provider}.toml").read_text(encoding="utf-8")
    wrong, tried = [], 0
    for what, changed, line, table in spoilt(text):
        try:
            ProviderFile.model_validate(tomllib.loads(changed, parse_float=Decimal))
        except ValidationError as error:
            tried += 1
            named = [line_of(changed, found["loc"]) for found in error.errors()]
            if line not in named or not {*named} <= {line, table}:
                wrong.append((what, line, named))
    assert wrong == []
    assert tried > (15 if provider == "local" else 100)


def test_every_key_of_a_small_file_is_refused_with_its_line(tmp_path: Path) -> None:
    for what, changed, line, _ in spoilt(GOOD):
        if not what.startswith("without "):  # some keys may be left out, others are missed by a rule of their own
            assert f"groq.toml, line {line}: " in refusal(tmp_path, changed), what


def test_a_key_is_found_in_every_way_of_writing_it(tmp_path: Path) -> None:
    text = GOOD.replace("[limits]", "[ 'limits' ] # of a batch").replace(
        "standard = { input = 1.00, output = 2 }", 'standard.output = 2\n"standard".input = -1', 1
    )
    message = refusal(tmp_path, text.replace("max_bytes = 1000", "max_bytes = 0"))
    assert f"line {line_holding(text, 'max_bytes')}: `limits.max_bytes`" in message
    assert f"line {line_holding(text, 'input = -1')}: model alpha, `models.0.prices.0.standard.input`" in message
    table = GOOD.replace("batch = { input = 1.50, output = 2.00 }\nsource", "source") + (
        "[models.prices.batch]\ninput = 1.50\noutput = -2\n"
    )
    assert f"line {line_holding(table, 'output = -2')}: model beta" in refusal(tmp_path, table)


def test_broken_toml_names_the_line(tmp_path: Path) -> None:
    line = line_holding(GOOD, 'family = "b"')
    message = refusal(tmp_path, GOOD.replace('family = "b"', "family = "))
    assert f"groq.toml is not valid TOML: Invalid value (at line {line}," in message


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    message = refusal(tmp_path, GOOD.replace("panel = true", "panel = 1").replace('family = "b"', "size = 3"))
    assert "model alpha, `models.0.panel`" in message
    assert "model beta, `models.1.family`" in message
    assert "model beta, `models.1.size`: unknown key" in message


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="no model file"):
        load_registry(tmp_path)


@pytest.mark.parametrize(
    ("spoilt", "says"),
    [
        ('source = """a page', "Unterminated string"),
        ('source = ["a page"', "Unclosed array"),
        ("from = 2026-04-01", "Cannot overwrite a value"),
        ("source = " + "[" * 5_000, "Brackets nested too deeply"),
        ("source = " + "9" * 5_000, "A number with too many digits"),
        ("source = 1e" + "9" * 30, "A number with too many digits"),
    ],
)
def test_what_cannot_be_parsed_is_named_by_the_line_where_it_begins(spoilt: str, says: str, tmp_path: Path) -> None:
    message = refusal(tmp_path, GOOD + spoilt)
    assert f"groq.toml is not valid TOML: {says} (line {len(GOOD.splitlines()) + 1})" in message


def test_a_file_that_is_no_text_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "groq.toml").write_bytes(GOOD.encode() + b'# \xc3\xa4\n# \xe4\nsource = "\xff"')
    with pytest.raises(RegistryError, match=rf"groq\.toml cannot be read: line {len(GOOD.splitlines()) + 2} is"):
        load_registry(tmp_path)
