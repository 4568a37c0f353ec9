"""What becomes of the rows of an export: every oddity of the earlier systems, and what a second import does."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from grabient_assets import interrupts
from grabient_assets.errors import ExportFileError
from grabient_assets.gradient.palette import Palette
from grabient_assets.groups.imports.export_row import _model, legacy_version
from grabient_assets.groups.imports.importing import ImportReport, import_answers
from grabient_assets.groups.tagging.quality import answers_by_model, palettes_without_usable_answer
from grabient_assets.ledger.accounts import imported, total_costs
from grabient_assets.ledger.budget import monthly
from grabient_assets.registry.model import Model
from grabient_assets_tests.groups.imports.old_systems import (
    HASH,
    LATER,
    NOON,
    OF_REFINEMENT,
    TAGS,
    convex_refined,
    convex_tags,
    convex_zip,
    d1_csv,
    d1_sql,
    d1_tags,
    jsonl,
    seed,
)
from grabient_assets_tests.ledger.house import House, palette

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
VERSION = f"legacy-{HASH}"


class Place:
    """A warehouse, and a folder for exports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.warehouse = House(folder).warehouse
        self.now = NOW

    def load(
        self, *rows: Any, name: str = "export.jsonl", strict: bool = False, unnamed: str = "unnamed"
    ) -> ImportReport:
        path = rows[0] if rows and isinstance(rows[0], Path) else jsonl(self.folder / name, *rows)
        self.now += timedelta(hours=1)
        return import_answers(self.warehouse, path, path.name, self.now, unnamed, strict)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.warehouse.read() as connection:
            return connection.execute(query).fetchall()

    def reasons(self) -> dict[int, str]:
        return dict(self.rows("SELECT line, reason FROM rejected_palettes"))

    def everything(self) -> list[list[tuple[Any, ...]]]:
        tables = "palettes", "palette_tags", "tag_consensus", "palette_tag_refined", "rejected_palettes", "imports"
        return [self.rows(f"SELECT * FROM {table} ORDER BY ALL") for table in (*tables, "asks", "batches")]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def full_zip(folder: Path) -> Path:
    return convex_zip(
        folder / "convex.zip",
        {
            "palette_tag_refined": [convex_refined(), convex_refined(2, tags=None, error="timeout")],
            "palette_tags": [
                convex_tags(),
                convex_tags(provider="anthropic", model="claude-3-5-haiku-20241022", tags={**TAGS, "mood": ["calm"]}),
                convex_tags(2, tags=None, error="overloaded", usage=None),
                "{bad",
            ],
            "palettes": [{"seed": seed(3), "imageUrl": "https://images.example.com/3.png"}],
            "tag_batches": [{"batchId": "b"}],
        },
    )


def test_a_convex_export(place: Place) -> None:
    report = place.load(full_zip(place.folder))
    assert (report.answers, report.failures, report.known, report.rejected, report.consensus) == (3, 2, 0, 1, 1)
    assert sorted(report.seeds) == sorted(map(seed, (1, 2, 3)))
    assert place.rows(
        "SELECT seed, prompt_version, provider, model, analysis_index, fate, error, mood, input_tokens, output_tokens,"
        " epoch_ms(created_at) FROM palette_tags ORDER BY seed, provider"
    ) == [
        (seed(1), VERSION, "anthropic", "claude-3-5-haiku-20241022", 0, "succeeded", None, ["calm"], 1000, 200, NOON),
        (seed(1), VERSION, "groq", "openai/gpt-oss-120b", 0, "succeeded", None, TAGS["mood"], 1000, 200, NOON),
        (seed(2), VERSION, "groq", "openai/gpt-oss-120b", 0, "errored", "overloaded", None, None, None, NOON),
    ]
    (consensus,) = place.rows(
        "SELECT seed, prompt_version, models, answers, temperature, votes, digest FROM tag_consensus"
    )
    assert consensus[:5] == (seed(1), VERSION, 2, 2, "cool")
    moods = {vote["value"]: vote["models"] for vote in json.loads(consensus[5])["mood"]}
    assert moods == {"calm": 2, "serene": 1}
    assert place.rows(
        "SELECT seed, prompt_version, source_prompt_version, model, error, style, consensus_digest"
        " FROM palette_tag_refined ORDER BY seed"
    ) == [
        (
            seed(1),
            f"legacy-{OF_REFINEMENT}",
            VERSION,
            "claude-opus-4-5-20251101",
            None,
            TAGS["style"],
            consensus[6],
        ),
        (seed(2), f"legacy-{OF_REFINEMENT}", VERSION, "claude-opus-4-5-20251101", "timeout", None, "unknown"),
    ]
    assert place.rows("SELECT embed_text[:18] FROM palette_tag_refined WHERE error IS NULL") == [
        ("A cool, dark and m",)
    ]
    assert place.rows("SELECT source, line, text FROM rejected_palettes") == [
        ("convex.zip/palette_tags/documents.jsonl", 4, "{bad")
    ]
    assert place.rows("SELECT count(*) FROM asks") == [(0,)]


def test_a_second_import_writes_nothing(place: Place) -> None:
    path = full_zip(place.folder)
    place.load(path)
    before = place.everything()
    report = place.load(path)
    assert (report.answers, report.failures, report.known, report.rejected, report.consensus) == (0, 0, 5, 1, 0)
    assert report.seeds == [] and place.everything() == before


def test_an_import_that_was_stopped_is_finished_by_the_next(place: Place) -> None:
    path = full_zip(place.folder)
    place.load(path)
    before = place.rows("SELECT * EXCLUDE (created_at) FROM tag_consensus")
    with place.warehouse.write() as connection:
        connection.execute("DELETE FROM tag_consensus; DELETE FROM palette_tags WHERE provider = 'anthropic'")
    report = place.load(path)
    assert (report.answers, report.known, report.consensus) == (1, 4, 1)
    assert place.rows("SELECT * EXCLUDE (created_at) FROM tag_consensus") == before


def test_a_d1_dump(place: Place) -> None:
    refined = {
        "id": "a",
        "seed": seed(1),
        "model": "opus-4.5",
        "prompt_version": OF_REFINEMENT,
        "source_prompt_version": HASH,
        "refined_tags": json.dumps({**TAGS, "embed_text": "Deep and calm."}),
        "analysis": "{}",
        "created_at": NOON,
    }
    tables = {
        "palette_tags": [d1_tags(), d1_tags(id="b", run_number=2), d1_tags(2, tags=None, error="it's\nbroken;")],
        "palette_tag_refinements": [refined],
        "palettes": [{"id": seed(1), "style": "angularSwatches", "steps": 7, "angle": 45, "created_at": NOON}],
        "likes": [{"palette_id": seed(1)}],
    }
    report = place.load(d1_sql(place.folder / "d.sql", tables))
    assert (report.answers, report.failures, report.rejected) == (3, 1, 0)
    assert place.rows("SELECT analysis_index, error, cost_usd FROM palette_tags ORDER BY ALL") == [
        (0, "it's\nbroken;", None),
        (0, None, None),
        (1, None, None),
    ]
    assert place.rows("SELECT style, steps, angle FROM palettes ORDER BY steps") == [
        ("angularSwatches", 7, 45.0),
        ("linearSwatches", 11, 90.0),
    ]
    assert place.rows("SELECT model, prompt_version FROM refined_palettes") == [
        ("claude-opus-4-5-20251101", f"legacy-{OF_REFINEMENT}")
    ]
    again = place.load(d1_csv(place.folder / "tags.csv", *tables["palette_tags"]))
    assert (again.answers, again.known, again.rejected) == (0, 3, 0), "the same rows as CSV"


def test_numbers_as_floats_and_both_names_of_the_analysis(place: Place) -> None:
    place.load(
        convex_tags(analysisIndex=2.0),
        convex_tags(analysisIndex=None, runNumber=0.0),
        convex_tags(analysisIndex=None, runNumber=1.0),
        convex_tags(analysisIndex=20),
        convex_tags(analysisIndex=0.5),
        d1_tags(run_number=0),
    )
    assert place.rows("SELECT analysis_index FROM palette_tags ORDER BY 1") == [(0,), (1,), (2,)]
    assert place.reasons() == {
        4: "it is analysis 20, and one model has analyses 0 to 19",
        5: "its analysisIndex is '0.5': input should be a valid integer, got a number with a fractional part",
        6: "it is analysis -1, and one model has analyses 0 to 19",
    }


def test_optional_fields_are_absent_or_null(place: Place) -> None:
    bare = {"seed": seed(1), "provider": "groq", "model": "gpt-oss-120b", "tags": TAGS}
    report = place.load(bare, convex_tags(2, promptVersion=None, usage=None, error=None, analysisIndex=None))
    assert (report.answers, report.versions) == (2, {"legacy-unnamed": 2})
    assert place.rows("SELECT created_at FROM palette_tags WHERE seed = (SELECT min(seed) FROM palette_tags)") == [
        (place.now,)
    ]
    place.load(convex_tags(promptVersion=None), name="other.jsonl", unnamed="first-system")
    assert ("legacy-first-system",) in place.rows("SELECT prompt_version FROM palette_tags")


@pytest.mark.parametrize(
    ("provider", "name", "found"),
    [
        ("groq", "gpt-oss-120b", "openai/gpt-oss-120b"),
        ("groq", "openai/gpt-oss-120b", "openai/gpt-oss-120b"),
        ("groq", "llama-3.3-70b", "llama-3.3-70b-versatile"),
        ("anthropic", "claude-haiku-4.5", "claude-haiku-4-5-20251001"),
        ("", "opus-4.5", "claude-opus-4-5-20251101"),
        ("", "opus-5", "claude-opus-5"),
        ("google", "gemini-2.5-flash", None),
        ("openai", "gpt-6", None),
        ("groq", "gpt-oss", None),
        ("openai", "gpt-image-1", None),
    ],
)
def test_short_names_of_models(provider: str, name: str, found: str | None) -> None:
    model = _model(provider, name)
    assert (model.id if isinstance(model, Model) else None) == found


def test_names_of_versions_become_names_that_a_version_can_have() -> None:
    assert legacy_version(HASH, "x") == VERSION and legacy_version(None, "x") == "legacy-x"
    odd = legacy_version("Prompt | 2025, second one...", "x")
    assert odd.startswith("legacy-") and len(odd) == 19 and odd != legacy_version("Prompt | 2025", "x")


def test_one_run_twice_the_first_without_error_counts(place: Place) -> None:
    other = {**TAGS, "mood": ["bold"]}
    report = place.load(
        convex_tags(tags=None, error="timeout"),
        convex_tags(),
        convex_tags(tags=other),
        convex_tags(promptVersion=LATER),
    )
    assert (report.answers, report.rejected) == (2, 2)
    assert place.rows(f"SELECT mood, error FROM palette_tags WHERE prompt_version = '{VERSION}'") == [
        (TAGS["mood"], None)
    ]
    assert place.reasons() == {
        1: "line 2 holds this analysis too, and that one counts",
        3: "line 2 holds this analysis already",
    }
    place.load(convex_tags(tags=other), name="later.jsonl")
    assert place.rows("SELECT reason FROM rejected_palettes WHERE source = 'later.jsonl'") == [
        (f"another answer is stored already, under {VERSION}",)
    ]


def test_an_answer_that_comes_later_replaces_a_failure(place: Place) -> None:
    place.load(convex_tags(tags=None, error="timeout"))
    assert place.rows("SELECT error FROM palette_tags") == [("timeout",)]
    report = place.load(convex_tags(), name="later.jsonl")
    assert (report.answers, report.consensus) == (1, 1)
    assert place.rows("SELECT error, mood FROM palette_tags") == [(None, TAGS["mood"])]


def test_of_several_refinements_the_latest_cycle_stands(place: Place) -> None:
    bold = {**TAGS, "mood": ["bold", "vivid"]}
    place.load(convex_refined(), convex_refined(cycle=2.0, tags=bold), convex_refined(cycle=3, tags=None, error="e"))
    assert place.rows("SELECT mood FROM palette_tag_refined") == [(["bold", "vivid"],)]
    assert place.reasons() == {
        1: "line 2 holds this refinement too, and that one counts",
        3: "line 2 holds this refinement already",
    }


def test_spellings_of_one_palette_meet_under_one_seed(place: Place) -> None:
    numbers = [number for row in palette(1).coeffs for number in row]
    decimal = ",".join(map(str, numbers))
    place.load(
        convex_tags(), convex_tags(seed=decimal, analysisIndex=1), {"seed": f"{decimal},0,1,1,0", "imageUrl": "x"}
    )
    assert place.rows("SELECT DISTINCT seed FROM palette_tags") == [(seed(1),)]
    assert place.rows("SELECT count(*), sum(answers) FROM palettes JOIN tag_consensus USING (seed)") == [(1, 2)]


def test_older_answers_lack_harmony_or_hold_it_as_text(place: Place) -> None:
    lacking = {name: value for name, value in TAGS.items() if name != "harmony"}
    place.load(convex_tags(tags=lacking), convex_tags(2, tags={**TAGS, "harmony": "analogous"}))
    assert place.rows("SELECT harmony FROM palette_tags ORDER BY len(harmony)") == [([],), (["analogous"],)]


def test_tags_as_text_and_as_text_in_text(place: Place) -> None:
    place.load(convex_tags(tags=json.dumps(TAGS)), d1_tags(2, tags=json.dumps(json.dumps(TAGS))))
    assert place.rows("SELECT DISTINCT mood FROM palette_tags") == [(TAGS["mood"],)]


def test_an_answer_that_says_nothing_is_a_failure_as_any_models(place: Place) -> None:
    report = place.load(convex_tags(tags={"result": "none"}))
    assert (report.answers, report.failures) == (0, 1)
    assert place.rows("SELECT fate, starts_with(error, 'The answer is JSON') FROM palette_tags") == [("invalid", True)]
    assert place.load(convex_tags(tags={"result": "none"})).known == 1
    with place.warehouse.read() as connection:
        assert answers_by_model(connection) == [], "no check of this project's models counts it"
        assert palettes_without_usable_answer(connection) == (0, [])


BAD = [
    (convex_tags(model="nope"), "the registry knows no model 'nope'; add it (docs/how-to/add-a-model.md) and import"),
    (convex_tags(model="gpt-oss"), "its model 'gpt-oss' may be openai/gpt-oss-120b or openai/gpt-oss-20b; write"),
    (convex_tags(provider="mistral"), "its provider is 'mistral'; known are anthropic, openai, groq, google"),
    (convex_tags(tags="calm, blue"), "its tags are not JSON (Expecting value: line 1 column 1 (char 0))"),
    (convex_tags(tags=["calm"]), "its tags are JSON, but list instead of an object"),
    (convex_tags(tags=None), "it has neither tags nor an error"),
    (convex_tags(seed="nonsense"), "its seed cannot be read: "),
    (convex_tags(seed=None), "it has no seed"),
    (convex_tags(usage={"inputTokens": -1}), "its usage.inputTokens is '-1': input should be greater than"),
    (convex_refined(tags=None), "it has an embed_text and no tags"),
    (convex_refined(tags={"embed_text": "Calm."}), "it has an embed_text and no tags"),
    ({"provider": "groq", "tags": {}, "\ud800": 1}, "it has no seed"),
    ({"colour": "red"}, "no table has such a row"),
    ({"seed": "nonsense", "imageUrl": "x"}, "its seed c"),
]


def test_a_row_that_cannot_be_read_is_named_and_kept_aside(place: Place) -> None:
    report = place.load(convex_tags(7), *(row for row, _ in BAD))
    assert (report.answers, report.rejected) == (1, len(BAD))
    kept = place.rows("SELECT line, text, reason FROM rejected_palettes ORDER BY line")
    for number, ((row, reason), (line, text, said)) in enumerate(zip(BAD, kept, strict=True), 2):
        assert line == number and said.startswith(reason), said
        assert json.dumps(row).startswith(text)
    assert [one.reason for one in report.shown] == [said for _, _, said in kept]


@pytest.mark.parametrize(
    ("rows", "held"),
    [
        ([{"batchId": "b"}, {"batchId": "c"}], "it holds tag_batches"),
        ([{"seed": seed(1), "imageUrl": "x"}], "it holds palettes"),
        ([{"colour": "red"}], "it holds rows of no table that is known"),
    ],
)
def test_a_dump_of_another_table(place: Place, rows: list[dict[str, Any]], held: str) -> None:
    with pytest.raises(ExportFileError) as error:
        place.load(*rows)
    assert held in str(error.value) and "palettes alone are read by grabient load" in str(error.value).lower()
    assert place.rows("SELECT count(*) FROM palettes") == place.rows("SELECT count(*) FROM rejected_palettes") == [(0,)]


def test_reading_ends_when_somebody_asks(place: Place) -> None:
    with pytest.raises(KeyboardInterrupt), interrupts.heeded():
        interrupts.record(signal.SIGINT)
        place.load({"batchId": "b"})


def test_strict_stores_nothing(place: Place) -> None:
    report = place.load(convex_tags(), "{bad", strict=True)
    assert not report.stored and report.rejected == 1 and [one.line for one in report.shown] == [2]
    assert place.everything() == [[]] * 8
    assert place.load(convex_tags(), strict=True).answers == 1
    report = place.load(convex_tags(tags={**TAGS, "mood": ["bold"]}), convex_tags(2), strict=True)
    assert not report.stored and place.rows("SELECT count(*) FROM palette_tags") == [(1,)]


def test_costs_are_marked_as_imported_and_no_budget_pays_them(place: Place) -> None:
    this_month = NOW.timestamp() * 1000
    place.load(
        convex_tags(_creationTime=this_month), convex_tags(2, _creationTime=this_month, usage=None), convex_refined()
    )
    with place.warehouse.read() as connection:
        found = {one.what: (one.requests, one.input_tokens, one.cost_usd, one.unknown) for one in imported(connection)}
        assert monthly(connection, Decimal(10), NOW).left == Decimal(10)
        assert total_costs(connection).requests == 0
    assert found == {
        ("anthropic", "claude-opus-4-5-20251101", "refinement", f"legacy-{OF_REFINEMENT}"): (
            1, 3000, Decimal("0.0125"), 0,
        ),
        ("groq", "openai/gpt-oss-120b", "tagging", VERSION): (2, 1000, Decimal("0.000135"), 1),
    }  # fmt: skip
    assert place.rows("SELECT DISTINCT cost_basis FROM imported_requests ORDER BY 1") == [("imported",), ("unknown",)]


def test_twins_and_long_seeds_have_identities_of_their_own(place: Place) -> None:
    long = Palette(palette(1).coeffs, (0.1, 1.0, 1.0, 0.0)).canonical
    place.load(convex_tags(), convex_tags(seed=long), convex_tags(analysisIndex=1), convex_tags(promptVersion=LATER))
    ids = [row[0] for row in place.rows("SELECT custom_id FROM palette_tags")]
    assert len(set(ids)) == 4 and all(len(one) <= 64 for one in ids)
