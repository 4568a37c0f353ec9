"""Scattered palettes from the file to the embed text: what Dagster shows as there after each step, and what it cost."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pytest

from grabient_assets.groups.exports.tables import EXPORT_COLUMNS
from grabient_assets.headless.driver import FinishedRun
from grabient_assets.registry.load import load_registry
from grabient_assets_tests.pipeline.driven import AFTER_PICTURES, TAG_BATCHES, Driven, driven

PANEL = [(model.provider, model.id) for model in load_registry().panel("tagger")]
REFINER = [(model.provider, model.id) for model in load_registry().panel("refiner")]
Green = dict[str, set[str]]


@dataclass
class Story:
    """What was green, what had been created and why sensors waited, after each step."""

    pipeline: Driven
    seeds: list[str]
    green: dict[str, Green] = field(default_factory=dict)
    created: dict[str, list[tuple[str, str, int]]] = field(default_factory=dict)
    runs: dict[str, list[FinishedRun]] = field(default_factory=dict)

    @property
    def asked(self) -> set[str]:
        return {f"v1|{self.seeds[place]}" for place in (0, 2, 3, 5)}

    def note(self, step: str, runs: list[FinishedRun]) -> None:
        self.green[step] = {asset: self.pipeline.green(asset) for asset in AFTER_PICTURES}
        self.created[step] = self.pipeline.creates()
        self.runs[step] = runs


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with driven(tmp_path_factory.mktemp("story") / "data") as pipeline:
        seeds = pipeline.load(6)
        story = Story(pipeline, seeds)
        story.note("loaded", pipeline.tick())
        for first, last in ((0, 0), (2, 3), (5, 5)):
            asked = pipeline.person(TAG_BATCHES, key_range=(f"v1|{seeds[first]}", f"v1|{seeds[last]}"))
            assert asked.success
        story.note("asked", [])
        story.note("sent", pipeline.tick())
        story.note("answering", pipeline.tick())
        story.note("collected", pipeline.tick())
        story.note("refined", pipeline.until("refinement", "embed_text", story.asked))
        runs = pipeline.until("vectors", "palette_embeddings", story.asked)
        story.note("indexed", [*runs, *pipeline.tick(), *pipeline.tick(), *pipeline.tick()])
        again = pipeline.person(TAG_BATCHES, key_range=(f"v1|{seeds[2]}", f"v1|{seeds[3]}"))
        assert again.success
        story.note("asked twice", [*pipeline.tick(), *pipeline.tick()])
        yield story


def test_loading_alone_draws_every_picture_and_asks_nobody(story: Story):
    assert [(run.job, run.success) for run in story.runs["loaded"]] == [("load_palettes", True)]
    for asset in ("palettes", "palette_images"):
        assert story.pipeline.green(asset) == set(story.seeds)
    assert story.green["loaded"] == {asset: set() for asset in AFTER_PICTURES}
    assert story.created["loaded"] == []


def test_materializing_asks_and_sends_nothing(story: Story):
    assert story.created["asked"] == []
    asked = {asset: story.asked if asset in TAG_BATCHES else set() for asset in AFTER_PICTURES}
    assert story.green["asked"] == asked


def test_all_that_was_asked_goes_out_in_one_run_per_provider_and_one_batch_per_model(story: Story):
    assert [(run.job, run.success) for run in story.runs["sent"]] == [("submit_tagging", True)] * 4
    analyses = 2
    assert sorted(story.created["sent"]) == sorted((*model, len(story.asked) * analyses) for model in PANEL)
    assert len(PANEL) == 10


def test_what_is_sent_is_green_and_what_is_not_answered_is_not(story: Story):
    for step in ("sent", "answering"):
        sent = {asset: story.asked if asset in TAG_BATCHES else set() for asset in AFTER_PICTURES}
        assert story.green[step] == sent
    assert story.created["answering"] == story.created["sent"]


def test_one_run_collects_all_batches_and_the_refiner_is_asked_once_for_all(story: Story):
    jobs = [(run.job, run.success) for run in story.runs["collected"]]
    assert jobs == [("collect_batch", True), ("report_models", True), ("submit_refinement", True)]
    green = story.green["collected"]
    assert green["palette_tags"] == green["tag_consensus"] == green["refinement_batches"] == story.asked
    assert green["refined_tags"] == green["embed_text"] == set()
    assert story.created["collected"][len(PANEL) :] == [(*REFINER[0], len(story.asked))]


def test_the_models_are_measured_once_when_the_version_has_come_to_rest(story: Story):
    assert story.pipeline.green("model_reports") == {"v1"}
    metadata = story.pipeline.metadata("model_reports", "v1")
    assert metadata["palettes"] == len(story.asked)
    assert [run.job for runs in story.runs.values() for run in runs].count("report_models") == 1
    stored = story.pipeline.rows("SELECT count(DISTINCT (provider, model)), count(*) FROM model_reports")
    assert stored == [(len(PANEL), len(PANEL) * 10)]


def test_at_the_end_every_asset_holds_exactly_the_palettes_that_were_asked_for(story: Story):
    assert story.green["refined"] == dict.fromkeys(AFTER_PICTURES, story.asked)
    assert story.created["refined"] == story.created["collected"]


def test_the_refined_palettes_are_exported_once_when_they_have_come_to_rest(story: Story):
    runs = [run for step in story.runs.values() for run in step if run.job == "export_palettes"]
    assert [run.success for run in runs] == [True]
    assert story.pipeline.green("palette_exports") == {"v1"}
    metadata = story.pipeline.metadata("palette_exports", "v1")
    file = metadata["dagster/uri"].removeprefix("file://")
    rows = duckdb.sql(f"SELECT * EXCLUDE (refined_at) FROM read_parquet('{file}') ORDER BY seed").fetchall()
    view = "SELECT * EXCLUDE (refined_at) FROM refined_palettes ORDER BY seed"
    assert rows == story.pipeline.rows(view) and len(rows) == metadata["dagster/row_count"] == len(story.asked)
    assert metadata["sha256"] == hashlib.sha256(Path(file).read_bytes()).hexdigest()
    schema = {column.name: column.type for column in metadata["dagster/column_schema"].columns}
    assert (schema["seed"], schema["tags"], schema["cost_usd"]) == ("VARCHAR", "VARCHAR[]", "DECIMAL(18,10)")
    assert tuple(schema) == tuple(EXPORT_COLUMNS)


def test_the_tables_hold_an_answer_of_every_model_and_analysis(story: Story):
    rows = story.pipeline.rows("SELECT prompt_version || '|' || seed, provider, model FROM palette_tags")
    assert Counter(rows) == {(key, *model): 2 for key in story.asked for model in PANEL}
    texts = story.pipeline.rows("SELECT prompt_version || '|' || seed, embed_text FROM palette_tag_refined")
    assert {key for key, _ in texts} == story.asked
    assert all(30 <= len(text.split()) <= 50 for _, text in texts)


def test_asking_twice_makes_no_new_batch(story: Story):
    assert story.runs["asked twice"] == []
    assert story.created["asked twice"] == story.created["refined"]
    assert story.green["asked twice"] == story.green["refined"]


def test_each_partition_shows_the_picture_the_counts_and_the_money(story: Story):
    key = f"v1|{story.seeds[0]}"
    for asset, name in (("palettes", "palette"), ("palette_images", "picture")):
        shown = story.pipeline.metadata(asset, story.seeds[0])
        assert shown[name].startswith(f"![{story.seeds[0]}](data:image/svg+xml;base64,")
    tags = story.pipeline.metadata("palette_tags", key)
    [(answers, unusable, spent)] = story.pipeline.rows(
        "SELECT count(*) FILTER (error IS NULL), count(*) FILTER (error IS NOT NULL), sum(cost_usd) "
        f"FROM palette_tags WHERE seed = '{story.seeds[0]}'"
    )
    assert answers + unusable == 20
    assert (tags["answers"], tags["unusable"], tags["models"]) == (answers, unusable, 10)
    assert tags["cost_usd"] == pytest.approx(float(spent)) and spent > 0
    consensus = story.pipeline.metadata("tag_consensus", key)
    assert (consensus["models"], consensus["answers"]) == (10, answers)
    [(temperature,)] = story.pipeline.rows(f"SELECT temperature FROM tag_consensus WHERE seed = '{story.seeds[0]}'")
    assert f"| temperature | {temperature} " in consensus["votes"]
    assert "| mood | " in consensus["votes"]


def test_each_refined_partition_shows_the_tags_of_the_table(story: Story):
    key = f"v1|{story.seeds[5]}"
    [(mood, text, batch)] = story.pipeline.rows(
        f"SELECT mood, embed_text, batch_id FROM palette_tag_refined WHERE seed = '{story.seeds[5]}'"
    )
    refined = story.pipeline.metadata("refined_tags", key)
    assert (refined["mood"], refined["batch"], refined["model"]) == (", ".join(mood), batch, REFINER[0][1])
    embed = story.pipeline.metadata("embed_text", key)
    assert (embed["embed_text"], embed["words"]) == (text, len(text.split()))
    for shown in (refined, embed, story.pipeline.metadata("tag_consensus", key)):
        assert shown["palette"].startswith(f"![{story.seeds[5]}](data:image/svg+xml;base64,")


def test_a_batch_partition_links_to_its_batches_and_to_the_run_that_sent_them(story: Story):
    senders = {run.run_id for run in story.runs["sent"]}
    for provider in ("anthropic", "openai", "groq", "google"):
        models = [model for name, model in PANEL if name == provider]
        rows = story.pipeline.rows(
            f"SELECT batch_id, submit_run_id FROM batches WHERE provider = '{provider}' AND purpose = 'tagging'"
        )
        shown = story.pipeline.metadata(f"{provider}_tag_batches", f"v1|{story.seeds[0]}")
        assert set(shown["batches"].split(", ")) == {batch for batch, _ in rows}
        assert {shown["sent by"]} == {run for _, run in rows} <= senders
        assert shown["requests"] == 2 * len(models)


def test_events_stay_small_because_they_are_stored_for_ever(story: Story):
    for asset in AFTER_PICTURES:
        shown = story.pipeline.metadata(asset, f"v1|{story.seeds[0]}")
        assert sum(len(str(value)) for value in shown.values()) < 4000


def test_refined_palettes_are_found_by_search(story: Story):
    jobs = [run.job for step in story.runs.values() for run in step]
    assert [job for job in jobs if job in ("embed_texts", "sync_indexes", "measure_search")] == [
        "embed_texts",
        "sync_indexes",
        "measure_search",
    ]
    assert story.pipeline.rows("SELECT state, present FROM index_versions") == [("live", 4)]


def test_every_asset_check_has_run_and_passed(story: Story):
    graph = story.pipeline.definitions.resolve_asset_graph()
    declared = {
        f"{key.asset_key.to_user_string()}:{key.name}"
        for key in graph.asset_check_keys
        if graph.get(key.asset_key).group_name not in ("chorus", "edits", "knowledge")  # nobody asked for these here
    }
    assert len(declared) == 21
    assert story.pipeline.checks() == dict.fromkeys(declared, True)
