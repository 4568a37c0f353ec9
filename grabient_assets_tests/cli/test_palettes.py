"""`grabient palettes`, `grabient errors`, and finding a palette by its name."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from grabient_assets.cli.errors import show_errors
from grabient_assets.cli.palettes import show_palettes
from grabient_assets.groups.tagging.purpose import TAGGING
from grabient_assets.groups.tagging.waves import CERTAIN
from grabient_assets.headless.failure_groups import failure_groups
from grabient_assets.headless.palette_list import list_palettes
from grabient_assets.ledger.asked_progress import failed_asks
from grabient_assets.settings import PROVIDERS
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.cli.running import typed
from grabient_assets_tests.warehouse.results import (
    NOON,
    answer,
    asked,
    asked_of_all,
    batch,
    consensus,
    palette,
    refined,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LONG = "A refusal with many words, so many that no terminal of eighty columns has room for all of them in one line"
VOTES = json.dumps({"mood": [{"value": "stormy", "models": 2, "share": 1.0}], "style": []})
UNSURE = json.dumps(
    {
        "temperature": [{"value": "cool", "probability": 0.9991}, {"value": "warm", "probability": 0.0009}],
        "contrast": [{"value": "low", "probability": 0.62}, {"value": "medium", "probability": 0.38}],
    }
)


def fill(connection: DuckDBPyConnection) -> None:
    """One palette for each way to stand, in the order of their names."""
    names = ["loaded", "pending", "tagged", "refined", "unsure", "mute", "broken", "stopped", "withheld", "rough"]
    for number, name in enumerate(names):
        palette(connection, name, f"The {name} one", NOON + timedelta(seconds=number))
    batch(connection, "b", [("refined", "succeeded", 0.1, "reported"), ("mute", "refused", 0.3, "reported")])
    asked(connection, "pending", "open")
    for name in ("tagged", "refined", "unsure", "broken", "rough"):
        asked_of_all(connection, name)
        for provider in PROVIDERS:
            answer(connection, name, provider=provider)
        estimates = UNSURE if name == "unsure" else None
        consensus(connection, name, votes=VOTES, estimates=estimates, answers=4, created_at=NOON + timedelta(hours=1))
    for name in ("refined", "unsure", "rough"):
        refined(connection, name)
    refined(connection, "broken", error="truncated: the answer stops after 512 tokens")
    answer(connection, "rough", model="n", error='invalid: no JSON in "x1"', batch_id="b")
    answer(connection, "mute", error=f"refused: {LONG}", batch_id="b")
    answer(connection, "mute", error='invalid: no JSON in "y22"', model="n", batch_id="b")
    asked_of_all(connection, "mute")
    asked(connection, "stopped", "stopped", "gone", reason="The model gone is not served.")
    for number in range(5):
        asked(connection, "withheld", model=f"m{number}")
    for provider in PROVIDERS:
        asked(connection, "withheld", provider=provider, model="other")
    answer(connection, "withheld", model="m0")
    consensus(connection, "withheld", votes=VOTES)


@pytest.fixture
def filled(data: Path) -> Path:
    with Warehouse(data / "grabient.duckdb").write() as connection:
        fill(connection)
    return data


@pytest.fixture
def rows(filled: Path) -> Iterator[DuckDBPyConnection]:
    with Warehouse(filled / "grabient.duckdb").read() as connection:
        yield connection


def seeds(data: Path, *arguments: str) -> list[str]:
    return [one["seed"] for one in typed(data, "palettes", "--json", *arguments).json["palettes"]]


def test_each_palette_with_its_state_and_reason(filled: Path) -> None:
    document = typed(filled, "palettes", "--json").json
    found = {one["seed"]: (one["state"], one["reason"]) for one in document["palettes"]}
    nobody = "0 of the 4 models that were asked gave a usable answer; 50% is the least"
    kept = "1 of the 9 models that were asked gave a usable answer; 50% is the least"
    assert found == {
        "loaded": ("loaded", None),
        "pending": ("pending", "waits for 1 model"),
        "tagged": ("tagged", None),
        "refined": ("refined", None),
        "unsure": ("refined", "contrast undecided: low (62%) or medium (38%)"),
        "mute": ("failed", f'{nobody}; 2 answers failed; invalid: no JSON in "y22"'),
        "broken": ("failed", "1 answer failed; truncated: the answer stops after 512 tokens"),
        "stopped": ("failed", "1 model stopped; The model gone is not served."),
        "withheld": ("withheld", kept),
        "rough": ("refined", '1 answer failed; invalid: no JSON in "x1"'),
    }
    assert list(found) == [one["seed"] for one in document["palettes"]], "in order of arrival"
    tags = {one["seed"]: one["tags"] for one in document["palettes"]}
    assert (tags["refined"], tags["tagged"], tags["loaded"]) == (["calm", "art deco", "boat"], ["stormy"], [])
    assert document["states"] == {"failed": 3, "loaded": 1, "pending": 1, "refined": 3, "tagged": 1, "withheld": 1}


def test_some_of_them(filled: Path) -> None:
    assert seeds(filled, "--failed") == ["mute", "broken", "stopped", "rough"]
    assert seeds(filled, "--pending") == ["pending"]
    assert seeds(filled, "--withheld") == ["mute", "withheld"]
    assert seeds(filled, "--uncertain") == ["unsure"]
    assert seeds(filled, "--pending", "--uncertain") == ["pending", "unsure"], "either"
    assert seeds(filled, "--like", "ART DECO") == ["refined", "unsure", "rough"], "a tag"
    assert seeds(filled, "--like", "the unsure") == ["unsure"], "a name"
    assert seeds(filled, "--like", "harbour.", "--failed") == ["rough"], "the text, and the filter"
    assert seeds(filled, "--like", "100%_'") == []


ALIKE = [
    ("Straße am Fluss", "STRASSE"),
    ("STRASSE AM FLUSS", "straße"),
    ("ΟΔΟΣ", "οδος"),
    ("Ｎｅｏｎ", "neon"),
    ("Cafe\u0301", "CAFÉ"),
    ("ﬁlm", "Film"),
]


@pytest.mark.parametrize(("name", "word"), ALIKE)
def test_capitals_and_ways_to_write_a_letter_do_not_matter(filled: Path, name: str, word: str) -> None:
    with Warehouse(filled / "grabient.duckdb").write() as connection:
        palette(connection, "alike", name)
    assert seeds(filled, "--like", word) == ["alike"]
    assert typed(filled, "explain", word).err.startswith("Palette alike is loaded"), "and in names"


def test_pages_say_what_they_leave_out(filled: Path) -> None:
    first, last = (typed(filled, "palettes", "--limit", "4", "--page", page) for page in ("1", "3"))
    states = "3 failed, 1 loaded, 1 pending, 3 refined, 1 tagged, 1 withheld"
    assert first.out.splitlines()[-1] == f"Palettes 1 to 4 of 10 under v1 ({states}). 6 more: --page 2."
    assert last.out.splitlines()[-1] == f"Palettes 9 to 10 of 10 under v1 ({states})."
    assert seeds(filled, "--limit", "4", "--page", "3") == ["withheld", "rough"]
    assert typed(filled, "palettes", "--limit", "4", "--json").json["left_out"] == 6
    assert (
        typed(filled, "palettes", "--page", "2").out == f"There is no page 2: 10 palettes ({states}) in pages of 20.\n"
    )
    assert typed(filled, "palettes", "--pending").out.splitlines()[-1] == "1 palette under v1: 1 pending."
    assert typed(filled, "palettes", "--like", "nowhere").out == "No palette is like that under v1.\n"


def test_nothing_is_made_where_nothing_is(data: Path) -> None:
    assert typed(data, "palettes").out == "Nothing is loaded yet: grabient load FILE\n"
    assert typed(data, "errors").out == "Nothing failed.\n"
    assert not data.exists()


def test_errors_by_reason_and_model(filled: Path) -> None:
    document = typed(filled, "errors", "--json").json
    found = {(one["model"], one["fate"]): one for one in document["groups"]}
    alike = found["n", "invalid"]
    assert [one["seed"] for one in alike["palettes"]] == ["mute", "rough"], "they differ in what they quote"
    assert alike["reason"] == 'invalid: no JSON in "x1"'
    refused, gone = found["m", "invalid"], found["gone", "stopped"]
    assert refused["reason"] == f"refused: {LONG}"
    assert (refused["requests"], refused["retry_usd"]) == (1, "0.2000000000"), "what answers of m did cost: 0.1 and 0.3"
    assert (gone["requests"], gone["retry_usd"], gone["reason"]) == (2, None, "The model gone is not served.")
    assert found["opus", "invalid"]["purpose"] == "refinement"
    assert document["total"] == {"requests": 6, "follow": 0, "retry_usd": "0.2000000000", "unknown": 5}
    assert len(document["groups"]) == 4
    assert typed(filled, "errors", "--prompt-version", "v9").code == 2


@pytest.mark.parametrize("width", [80, 120, 200])
def test_nothing_is_cut_at_any_width(rows: DuckDBPyConnection, width: int) -> None:
    """Every word of every sentence is there, and no line is longer than the screen."""
    text = io.StringIO()
    console = Console(file=text, width=width, highlight=False, markup=False, emoji=False)
    show_palettes(console, list_palettes(rows, "v1", PROVIDERS, CERTAIN).palettes)
    show_errors(console, failure_groups(rows), emulated=True)
    shown = text.getvalue()
    assert "…" not in shown and max(map(len, shown.splitlines())) <= width
    words = shown.split()
    for word in [*LONG.split(), "withheld", "undecided:", "(62%)", "0.2000", "#0000ff", "unsure"]:
        assert word in words, word
    assert "1 palettes" not in shown and "1 requests" not in shown


def test_what_a_stop_left_unanswered_failed_once(filled: Path) -> None:
    """A batch that fails because its model is not served leaves failures and stops the model: `errors` counts what
    `retry` asks again, and of the palette one model could not be asked. A refusal of the refiner stops nobody."""
    why = "The model gone is not served."
    with Warehouse(filled / "grabient.duckdb").write() as connection:
        connection.execute("DELETE FROM asks WHERE subject = 'stopped'")
        asked(connection, "stopped", "stopped", "gone", analyses=3, reason=why)
        answer(
            connection, "stopped", "gone", error="The provider failed the whole batch: no such model", fate="errored"
        )
        answer(connection, "stopped", "gone", error="refused: no", analysis_index=1, custom_id="x", fate="refused")
        asked(connection, "broken", "stopped", "opus", purpose="refinement", provider="anthropic", reason="truncated")
    with Warehouse(filled / "grabient.duckdb").read() as connection:
        groups = [one for one in failure_groups(connection) if one.model == "gone"]
        assert sorted((one.fate, one.reason, one.palettes, one.requests) for one in groups) == [
            ("refused", "refused: no", 1, 1),
            ("stopped", why, 1, 2),
        ]
        missing = {one.target.model: one.missing for one in failed_asks(connection, TAGGING, None)}
        assert missing["gone"] == sum(one.requests for one in groups)
        stopped = {one.seed: one.stopped for one in list_palettes(connection, "v1", PROVIDERS, CERTAIN).palettes}
    assert (stopped["stopped"], stopped["broken"]) == (1, 0)


@pytest.mark.parametrize("command", [("palettes",), ("errors",), ("explain", "two")])
def test_a_name_steers_no_terminal_and_stands_on_one_line(filled: Path, command: tuple[str, ...]) -> None:
    """Names come out of files, reasons from providers: no escape sequence of theirs reaches the terminal, not on
    stdout and not on stderr."""
    with Warehouse(filled / "grabient.duckdb").write() as connection:
        connection.execute("UPDATE palettes SET name = ? WHERE seed = 'mute'", ["line one\r\nline two"])
        connection.execute("UPDATE palettes SET name = ? WHERE seed = 'rough'", ["\x1b]0;mal\x1b[31m\u202etwo\x9b1m"])
        connection.execute("UPDATE palettes SET name = ? WHERE seed = 'broken'", ["\x07"])
        connection.execute("UPDATE palette_tags SET error = ? WHERE seed = 'mute'", ["\x1b[2JThe model declined."])
    done = typed(filled, *command)
    shown = done.out + done.err
    assert not {"\x1b", "\x07", "\x9b", "\u202e", "\r"} & set(shown), shown
    assert "line one line two" in shown and "]0;mal[31mtwo1m" in shown


def test_a_name_finds_its_palette(filled: Path) -> None:
    nobody = typed(filled, "explain", "the LOADED one")
    assert nobody.code == 1 and nobody.err.startswith("Palette loaded is loaded, but nobody has been asked about it.")
    several = typed(filled, "explain", "one")
    assert several.code == 2 and several.out == ""
    assert several.err.splitlines()[:2] == [
        "10 palettes have 'one' in their name. Give the seed of one of them:",
        "  The loaded one loaded",
    ]
    none = typed(filled, "explain", "Harbour at dawn")
    assert none.code == 2 and "Seed 'Harbour at dawn' is not a palette: " in none.err
    assert none.err.endswith("Nor does a loaded palette have it in its name.\n")
    with Warehouse(filled / "grabient.duckdb").write() as connection:
        palette(connection, "plain", "one")
    exact = typed(filled, "explain", " One ")
    assert exact.err.startswith("Palette plain is loaded"), "the name in full wins"
