"""What every purpose owes the ledger, tried on each of the list: its record is true of its tables, its requests are
themselves, its reader takes whatever a model writes, and nothing is left when all is answered."""

from __future__ import annotations

import gzip
import json
from array import array
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grabient_assets.groups.chorus.asking import Wish, ask_chorus, plan_group
from grabient_assets.groups.edits.asking import Wish as EditWish
from grabient_assets.groups.edits.asking import ask_edit, plan_edit
from grabient_assets.groups.embedding.purpose import ask_for_embeddings
from grabient_assets.groups.fetching.fetching import cut_missing, fetch_due
from grabient_assets.groups.images.images import added_image, record_images
from grabient_assets.groups.knowledge.workflows import Wish as KnowledgeWish
from grabient_assets.groups.knowledge.workflows import ask_about, make_workflow, plan_workflow
from grabient_assets.groups.purposes import PURPOSES, reader_of
from grabient_assets.groups.tagging.asking import TaggingAsk, ask_for_tags
from grabient_assets.ledger import batches
from grabient_assets.ledger.due import due_targets
from grabient_assets.ledger.fates import USABLE
from grabient_assets.ledger.identity import identified
from grabient_assets.ledger.purpose import Purpose
from grabient_assets.ledger.settling import AnswerReader
from grabient_assets.ledger.submission import Submission, submit_due
from grabient_assets.providers.contract import Result
from grabient_assets.registry.load import load_registry
from grabient_assets.resources.sources import fetchers
from grabient_assets.settings import PROVIDERS, load_settings
from grabient_assets_tests.groups.edits.place import REGION, picture, png
from grabient_assets_tests.recordings.pipeline import Pipeline, pipeline
from grabient_assets_tests.recordings.scenarios import SAMPLES

ARTISTS = ("claude-haiku-5-5", "gpt-6-luna", "openai/gpt-oss-120b", "gemini-3.5-flash-lite")
BRUSHES = ("gpt-image-2.5-flare", "gemini-nano-banana-2.1")
EDITORS = ("gpt-image-2.5-sunburst", "gemini-nano-banana-2.1")
EXTRACTORS = [m.id for m in load_registry().models if "extractor" in m.roles and m.provider in PROVIDERS]
EMBEDDERS = [m for m in load_registry().models if "embedder" in m.roles and m.provider in PROVIDERS]
FILES = {
    "price.md": "# Price\n\nWhen the price is too high for a customer, ask what it is compared with. " * 4,
    "delay.md": "# Delay\n\nWhen somebody has to think about it, ask which part of it they will think about. " * 4,
}
every_purpose = pytest.mark.parametrize("purpose", PURPOSES.values(), ids=PURPOSES.keys())


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Two palettes tagged by all providers and refined, two texts embedded by every embedder, a chorus for each of two
    brushes, and two files read by an extractor of each provider."""
    folder = tmp_path_factory.mktemp("pipeline")
    file = folder / "two.jsonl"
    file.write_text("".join(SAMPLES.read_text(encoding="utf-8").splitlines(keepends=True)[:2]), encoding="utf-8")
    with pipeline(folder) as found:
        house, chosen = found.house, found.load(file, "two.jsonl")
        found.ask(lambda _: ask_for_tags(TaggingAsk(chosen, PROVIDERS, 2, "emulator"), house.warehouse, house.clock()))
        texts = ("a quiet harbour", "neon rain")
        for model in EMBEDDERS:
            ask_for_embeddings(texts, model, "emulator", house.warehouse, house.clock(), allow_unpriced=True)
        for name in sorted({model.provider for model in EMBEDDERS}):
            with found.connect(name) as connection:
                submission = Submission(connection, PURPOSES, house.warehouse, house.store, house.clock)
                submit_due(PURPOSES["embedding"], submission)
        for place, brush in enumerate(BRUSHES):
            with house.warehouse.read() as connection:
                wish = Wish(brush=brush, size="1024x640", artists=ARTISTS)
                planned = plan_group(connection, wish, PROVIDERS, house.clock())
            # With a fixed id the emulated artists always write the same.
            group = replace(planned.group, group_id=f"rg_{place:026d}")
            ask_chorus(house.warehouse, replace(planned, group=group), None, None, "emulator")
        for purpose in ("statement", "artwork"):
            for name in PROVIDERS:
                with found.connect(name) as connection:
                    submission = Submission(connection, PURPOSES, house.warehouse, house.store, house.clock)
                    submit_due(PURPOSES[purpose], submission)
            found.ask(lambda _: None)
        read_files(found, folder)
        edit_images(found)
        yield found


def edit_images(found: Pipeline) -> None:
    """An edit of a picture by each of two editors. Its id decides what the emulated ones paint."""
    house = found.house
    image = added_image(png(picture()), "picture.png", house.store, house.clock())
    with house.warehouse.write() as connection:
        record_images(connection, [image])
    for place, editor in enumerate(EDITORS):
        wish = EditWish(image.image_id, "prompt", prompt="add a boat", mask=REGION, editor=editor)
        with house.warehouse.read() as connection:
            planned = plan_edit(connection, house.store, wish, PROVIDERS, house.clock())
        edit_id = f"ed_{place:026d}"
        planned = replace(
            planned,
            request=replace(planned.request, edit_id=edit_id),
            input=replace(planned.input, edit_id=edit_id),
        )
        ask_edit(house.warehouse, house.store, planned, None, None, "emulator")
        with found.connect(planned.request.provider) as connection:
            submit_due(PURPOSES["edit"], Submission(connection, PURPOSES, house.warehouse, house.store, house.clock))


def read_files(found: Pipeline, folder: Path) -> None:
    """A workflow of two files, read by every extractor. Its id decides what the emulated ones say."""
    house, settings = found.house, load_settings()
    files: list[str] = []
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
        files.append(str(folder / name))
    wish = KnowledgeWish("talks", tuple(files), areas=(4, 5), extractors=tuple(EXTRACTORS))
    with house.warehouse.read() as connection:
        planned = plan_workflow(connection, wish, PROVIDERS, settings, house.clock())
    workflow = replace(planned.workflow, workflow_id=f"wf_{0:026d}")
    make_workflow(house.warehouse, replace(planned, workflow=workflow), None, "emulator", house.clock())
    fetched = fetch_due(
        *(house.warehouse, house.store, fetchers(settings), house.clock, 1),
        lambda connection, ids, now: ask_about(connection, ids, "emulator", now),
    )
    assert [one.problem for one in fetched] == [None] * len(FILES)
    cut_missing(house.warehouse, house.store)
    for name in PROVIDERS:
        with found.connect(name) as connection:
            submission = Submission(connection, PURPOSES, house.warehouse, house.store, house.clock)
            submit_due(PURPOSES["extraction"], submission)
    found.ask(lambda _: None)


def columns(done: Pipeline, relation: str) -> set[str]:
    return {row[0] for row in done.house.rows(f"DESCRIBE {relation}")}


def reader(done: Pipeline, purpose: Purpose) -> AnswerReader:
    house = done.house
    [name] = house.rows("SELECT min(batch_id) FROM batches WHERE purpose = ?", purpose.name)
    with house.warehouse.read() as connection:
        batch = batches.batch(connection, name[0])
    assert batch is not None
    return reader_of(house.warehouse, house.store)(batch)


def contents(done: Pipeline, *tables: str) -> list[list[tuple[Any, ...]]]:
    return [done.house.rows(f"FROM {table} ORDER BY ALL") for table in tables]


def test_every_purpose_and_every_provider_took_part(done: Pipeline) -> None:
    rows = done.house.rows("SELECT purpose, list(DISTINCT provider ORDER BY provider) FROM batches GROUP BY 1")
    assert dict(rows) == {
        "tagging": sorted(PROVIDERS),
        "refinement": ["anthropic"],
        "embedding": ["google", "groq", "openai"],
        "statement": sorted(PROVIDERS),
        "artwork": ["google", "openai"],
        "edit": ["google", "openai"],
        "extraction": sorted(PROVIDERS),
    }


@every_purpose
def test_its_record_is_true_of_its_table(done: Pipeline, purpose: Purpose) -> None:
    table = purpose.table
    assert PURPOSES[purpose.name] is purpose
    named = {*table.key, table.subject, table.model, *table.versions, *table.asked_of}
    named |= {table.analysis_index} if table.analysis_index.isidentifier() else set()
    assert columns(done, table.name) >= named | {"custom_id", "error", "created_at", "cost_usd"}
    [key] = done.house.rows(
        "SELECT constraint_column_names FROM duckdb_constraints() WHERE table_name = ? AND constraint_type = ?",
        table.name,
        "PRIMARY KEY",
    )
    if key[0] in (["run_id"], ["edit_id"]):  # the name of a run or an edit says all that the key does
        [counts] = done.house.rows(f"SELECT count(*), count(DISTINCT ({', '.join(table.key)})) FROM {table.name}")
        assert counts[0] == counts[1] > 0
    else:
        assert key[0] == list(table.key)
    assert reader(done, purpose).table == table.name


@every_purpose
def test_its_relations_have_the_columns_of_the_ledger(done: Pipeline, purpose: Purpose) -> None:
    assert columns(done, f"({purpose.keys})") == {"subject", "subject_key"}
    assert columns(done, f"({purpose.sizes})") == {"subject", "place", "bytes"}
    assert (purpose.rests_on is None) == (purpose.bases is None)
    if purpose.bases is not None:
        assert columns(done, f"({purpose.bases})") == {"subject", "prompt_version", "basis"}
        assert columns(done, str(purpose.rests_on))
    if purpose.unsettled is not None:
        assert len(columns(done, f"({purpose.unsettled})")) == 2
    if purpose.kept_back is not None:
        candidates = "SELECT subject, prompt_version, despite_checks FROM asks"
        assert {"subject", "prompt_version"} <= columns(
            done, f"(WITH {purpose.kept_back(candidates)} SELECT * FROM kept_back)"
        )


@every_purpose
def test_every_request_has_the_identity_of_its_ask(done: Pipeline, purpose: Purpose) -> None:
    """Each is worked out anew from what is asked and what it rests on, and stands in one batch with one answer."""
    wanted = f"SELECT * EXCLUDE (subject_key, rests_on, basis, stem) FROM asks WHERE purpose = '{purpose.name}'"
    stems = done.house.rows(f"SELECT stem, analyses FROM ({identified(wanted, purpose)})")
    assert stems == done.house.rows(f"SELECT stem, analyses FROM asks WHERE purpose = '{purpose.name}'")
    expected = sorted({f"{stem}-{number:02}" for stem, analyses in stems for number in range(analyses)})
    sent = done.house.rows(
        "SELECT custom_id FROM batch_requests r JOIN batches b USING (batch_id) WHERE b.purpose = ? ORDER BY 1",
        purpose.name,
    )
    assert [row[0] for row in sent] == expected != []
    assert done.house.rows(f"SELECT DISTINCT custom_id FROM {purpose.table.name} ORDER BY 1") == sent


@every_purpose
def test_its_archived_lines_are_its_requests(done: Pipeline, purpose: Purpose) -> None:
    house = done.house
    for batch_id, provider in house.rows("SELECT batch_id, provider FROM batches WHERE purpose = ?", purpose.name):
        lines = gzip.decompress(house.archived(batch_id, "requests").read_bytes()).splitlines()
        field = "key" if provider == "google" else "custom_id"
        requests = house.rows("SELECT custom_id FROM batch_requests WHERE batch_id = ? ORDER BY 1", batch_id)
        assert sorted(json.loads(line)[field] for line in lines) == [row[0] for row in requests]


@every_purpose
def test_nothing_is_due_and_every_cent_is_in_both_books(done: Pipeline, purpose: Purpose) -> None:
    house = done.house
    assert house.rows("SELECT DISTINCT state FROM asks WHERE purpose = ?", purpose.name) == [("closed",)]
    with house.warehouse.read() as connection:
        assert [due_targets(connection, purpose, name) for name in PROVIDERS] == [[]] * len(PROVIDERS)
    [books] = house.rows(
        f"""
        SELECT (SELECT sum(cost_usd) FROM batches WHERE purpose = $1),
               (SELECT sum(r.cost_usd) FROM batch_requests r JOIN batches b USING (batch_id) WHERE b.purpose = $1),
               (SELECT sum(cost_usd) FROM {purpose.table.name})
        """,
        purpose.name,
    )
    assert books[0] == books[1] == books[2] > 0


@every_purpose
def test_reading_its_archive_again_changes_nothing(done: Pipeline, purpose: Purpose) -> None:
    tables = (purpose.table.name, "batch_requests")
    before = contents(done, *tables)
    version = done.house.rows("SELECT min(prompt_version) FROM batches WHERE purpose = ?", purpose.name)[0][0]
    read = done.reparse(version)
    assert (read.batches > 0, read.gone, read.troubles) == (True, 0, ())
    assert contents(done, *tables) == before


@every_purpose
def test_its_reader_takes_whatever_a_model_gives(done: Pipeline, purpose: Purpose) -> None:
    taker = reader(done, purpose)
    [name] = done.house.rows("SELECT min(batch_id) FROM batches WHERE purpose = ?", purpose.name)
    with done.house.warehouse.read() as connection:
        request = batches.requests_of(connection, name[0])[0]
    numbers = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1)
    json_texts = st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("mood") | st.just("embed_text"), inner),
        max_leaves=10,
    ).map(json.dumps)
    given_back: st.SearchStrategy[dict[str, Any]] = (
        numbers.map(lambda found: {"vector": array("f", found)})
        if purpose.kind == "vector"
        else st.binary().map(lambda content: {"image": content})
        if purpose.kind == "image"
        else (st.text() | json_texts).map(lambda text: {"text": text})
    )

    @settings(max_examples=60, deadline=None)
    @given(given_back)
    def whatever(answer: dict[str, Any]) -> None:
        verdict = taker.judge(request, Result(request.custom_id, "answered", **answer))
        assert (verdict.fate in USABLE) == (verdict.error is None)
        assert verdict.payload is not None or verdict.error is not None

    whatever()
