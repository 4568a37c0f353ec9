"""A palette about which every model answers rubbish is red, with the reason, and keeps nobody else back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from grabient_assets.headless.driver import Finished
from grabient_assets.settings import PROVIDERS
from grabient_assets.warehouse.tags import due_tagging
from grabient_assets_tests.pipeline.driven import TAG_BATCHES, Driven, driven


@dataclass
class Spoilt:
    """The pipeline after the answers came; `bad` is the partition about which they are rubbish."""

    pipeline: Driven
    bad: str
    good: set[str]
    runs: list[Finished]


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spoilt]:
    with driven(tmp_path_factory.mktemp("spoilt") / "data") as pipeline:
        seeds = pipeline.load(3)
        pipeline.tick()
        keys = [f"v1|{seed}" for seed in seeds]
        assert pipeline.person(TAG_BATCHES, key_range=(keys[0], keys[-1]), config={"analyses": 1}).success
        with pipeline.warehouse.read() as connection:
            due = [one for name in PROVIDERS for one in due_tagging(connection, name)]
        named = [one.custom_id for one in due if one.seed == seeds[1]]
        assert len(named) == 10
        # Groq answers garbage with an error of the request, which counts as not delivered and is sent again.
        spoil = {"groq": "refuse"}
        pipeline.faults(
            *(
                {"match": {"provider": name}, "action": {"do": spoil.get(name, "garbage"), "custom_ids": named}}
                for name in PROVIDERS
            )
        )
        runs = pipeline.until("the good palettes", "embed_text", {keys[0], keys[2]})
        yield Spoilt(pipeline, keys[1], {keys[0], keys[2]}, [*runs, *pipeline.tick()])


def test_the_others_go_on_to_the_end(spoilt: Spoilt):
    for asset in ("palette_tags", "tag_consensus", "refinement_batches", "refined_tags", "embed_text"):
        assert spoilt.pipeline.green(asset) == spoilt.good
    refiner = spoilt.pipeline.creates()[10:]
    assert [count for _, _, count in refiner] == [2]


def test_it_is_red_and_the_run_says_why(spoilt: Spoilt):
    assert spoilt.pipeline.red("palette_tags") == {spoilt.bad}
    failed = [run for run in spoilt.runs if not run.success]
    assert len(failed) == 1
    assert failed[0].failure is not None
    assert failed[0].failure.startswith(f"1 palettes have no usable answer. {spoilt.bad.removeprefix('v1|')}: ")
    assert failed[0].failure.endswith(
        ". Ask again with `grabient retry`, or materialize a batch asset with retry_failed."
    )
    assert ".." not in failed[0].failure


def test_its_batches_are_with_the_provider_all_the_same(spoilt: Spoilt):
    for asset in TAG_BATCHES:
        assert spoilt.pipeline.green(asset) == {*spoilt.good, spoilt.bad}


def test_marking_it_asks_nobody_anything(spoilt: Spoilt):
    """The wish was one analysis, TAG_ANALYSIS_COUNT says two: the run that marks must not want the second."""
    assert len(spoilt.pipeline.creates()) == 11
    assert spoilt.pipeline.rows("SELECT DISTINCT purpose, analyses, state FROM asks ORDER BY 1") == [
        ("refinement", 1, "closed"),
        ("tagging", 1, "closed"),
    ]


def test_the_check_names_it(spoilt: Spoilt):
    checks = spoilt.pipeline.checks()
    assert {name for name, passed in checks.items() if not passed} == {
        "palette_tags:every_answered_palette_has_a_usable_answer",
        "tag_consensus:enough_models_answered_every_palette",
    }


def test_the_failing_run_is_not_started_again(spoilt: Spoilt):
    assert [run for run in spoilt.pipeline.tick() if not run.success] == []


def test_materializing_with_retry_failed_asks_for_that_palette_alone_and_heals_it(spoilt: Spoilt):
    pipeline = spoilt.pipeline
    before = len(pipeline.creates())
    pipeline.faults()
    assert pipeline.person(TAG_BATCHES, spoilt.bad, config={"analyses": 1, "retry_failed": True}).success
    pipeline.until("the palette that was asked again", "embed_text", {spoilt.bad})
    assert [count for _, _, count in pipeline.creates()[before:]] == [1] * 11
    assert pipeline.red("palette_tags") == set()
    assert set(pipeline.checks().values()) == {True}
