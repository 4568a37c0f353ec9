"""A palette about which every model answers rubbish is red, with the reason; one about which most do is not refined,
with the reason; and neither keeps anybody else back."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
import typer
from rich.console import Console

from grabient_assets.cli.explain_tables import show_explanation
from grabient_assets.cli.progress import Followed, report
from grabient_assets.groups.refinement.explaining import explain, read_about
from grabient_assets.groups.refinement.explanation_document import explanation_document
from grabient_assets.groups.tagging.purpose import TAGGING
from grabient_assets.headless.driver import FinishedRun, quiet_dagster
from grabient_assets.headless.failures import ask_again
from grabient_assets.headless.pipeline_run import PipelineRun
from grabient_assets.headless.planning import make_plan
from grabient_assets.headless.run_goal import make_goal, record_goal
from grabient_assets.headless.status_document import status_document
from grabient_assets.ledger.due import due_requests
from grabient_assets.partitions import SEEDS
from grabient_assets.settings import PROVIDERS, load_settings
from grabient_assets_tests.hanging import HANGING_SECONDS
from grabient_assets_tests.pipeline.driven import TAG_BATCHES, Driven, driven

ANSWERED = "palette_tags:every_answered_palette_has_a_usable_answer"
ENOUGH = "tag_consensus:enough_models_answered_every_palette"
WHY = (
    "Kept from refinement: 3 of the 10 models that were asked gave a usable answer; 50% is the least. Way out: "
    "`grabient retry --run` asks the failed ones again, and refinement follows; to have it as it is, materialize "
    "refinement_batches with despite_checks."
)


@dataclass
class Spoilt:
    """The pipeline after the answers came; `bad` is the partition about which they are rubbish, `few` and `taken` are
    those about which only Groq's three are not."""

    pipeline: Driven
    bad: str
    few: str
    taken: str
    good: set[str]
    runs: list[FinishedRun]


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spoilt]:
    with driven(tmp_path_factory.mktemp("spoilt") / "data") as pipeline:
        pipeline.load(5)
        pipeline.tick()
        seeds = pipeline.instance.get_dynamic_partitions(SEEDS)  # a range goes by their order
        keys = [f"v1|{seed}" for seed in seeds]
        assert pipeline.person(TAG_BATCHES, key_range=(keys[0], keys[-1]), config={"analyses": 1}).success
        with pipeline.warehouse.read() as connection:
            due = [one for name in PROVIDERS for one in due_requests(connection, TAGGING, name)]
        named = {seed: [one.custom_id for one in due if one.subject == seed] for seed in seeds}
        assert len(named[seeds[1]]) == 10
        most = [*named[seeds[1]], *named[seeds[3]], *named[seeds[4]]]
        # Groq answers garbage with an error of the request, which counts as not delivered and is sent again.
        spoil = {name: {"do": "garbage", "custom_ids": most} for name in PROVIDERS if name != "groq"}
        spoil["groq"] = {"do": "refuse", "custom_ids": named[seeds[1]]}
        pipeline.faults(*({"match": {"provider": name}, "action": action} for name, action in spoil.items()))
        runs = pipeline.until("the good palettes", "embed_text", {keys[0], keys[2]})
        yield Spoilt(pipeline, keys[1], keys[3], keys[4], {keys[0], keys[2]}, [*runs, *pipeline.tick()])


def test_the_others_go_on_to_the_end(spoilt: Spoilt):
    for asset in ("refinement_batches", "refined_tags", "embed_text"):
        assert spoilt.pipeline.green(asset) == spoilt.good
    for asset in ("palette_tags", "tag_consensus"):
        assert spoilt.pipeline.green(asset) == {*spoilt.good, spoilt.few, spoilt.taken}
    refiner = spoilt.pipeline.creates()[10:]
    assert [count for _, _, count in refiner] == [2]


def test_it_is_red_and_the_run_says_why(spoilt: Spoilt):
    assert spoilt.pipeline.red("palette_tags") == {spoilt.bad}
    failed = [run for run in spoilt.runs if not run.success]
    assert len(failed) == 1
    assert failed[0].failure is not None
    assert failed[0].failure.startswith(f"1 palette without a usable answer. {spoilt.bad.removeprefix('v1|')}: ")
    assert failed[0].failure.endswith(
        ". Ask again with `grabient retry`, or materialize a batch asset with retry_failed."
    )
    assert ".." not in failed[0].failure


def test_its_batches_are_with_the_provider_all_the_same(spoilt: Spoilt):
    for asset in TAG_BATCHES:
        assert spoilt.pipeline.green(asset) == {*spoilt.good, spoilt.bad, spoilt.few, spoilt.taken}


def test_marking_it_asks_nobody_anything(spoilt: Spoilt):
    """The wish was one analysis, TAG_ANALYSIS_COUNT says two: the run that marks must not want the second."""
    assert len(spoilt.pipeline.creates()) == 11
    assert spoilt.pipeline.rows("SELECT DISTINCT purpose, analyses, state FROM asks ORDER BY 1") == [
        ("refinement", 1, "closed"),
        ("tagging", 1, "closed"),
    ]


def test_the_checks_say_so(spoilt: Spoilt):
    checks = spoilt.pipeline.checks()
    assert {name for name, passed in checks.items() if not passed} == {ANSWERED, ENOUGH}


def test_the_failing_run_is_not_started_again(spoilt: Spoilt):
    assert [run for run in spoilt.pipeline.tick() if not run.success] == []


def test_who_is_not_refined_is_named_with_the_reason(spoilt: Spoilt):
    pipeline, settings = spoilt.pipeline, load_settings()
    few, taken, bad = (key.removeprefix("v1|") for key in (spoilt.few, spoilt.taken, spoilt.bad))
    assert pipeline.metadata("tag_consensus", spoilt.few)["refinement"] == WHY
    assert all("refinement" not in pipeline.metadata("tag_consensus", key) for key in spoilt.good)
    document = status_document(pipeline.warehouse, settings)
    assert document["pending"] == 0
    said = {one["seed"]: (one["asked"], one["answering"], one["why"]) for one in document["withheld"]}
    assert said.keys() == {few, taken, bad}
    assert said[few] == said[taken] == (10, 3, WHY) and said[bad][:2] == (10, 0)
    good = min(spoilt.good).removeprefix("v1|")
    with pipeline.warehouse.read() as connection:
        told = [explain(read_about(connection, seed, "v1")) for seed in (few, good)]
    documents = [explanation_document(one, ("mood",), emulated=True) for one in told]
    assert [one["kept_from_refinement"] for one in documents] == [WHY, None]
    shown = Console(width=400, record=True, file=io.StringIO())
    show_explanation(shown, told[0], ("mood",))
    assert WHY in shown.export_text().splitlines()


def test_a_run_ends_and_says_so_instead_of_waiting(spoilt: Spoilt, capsys: pytest.CaptureFixture[str]):
    pipeline, settings, now = spoilt.pipeline, load_settings(), datetime.now(UTC)
    few, taken, bad = (key.removeprefix("v1|") for key in (spoilt.few, spoilt.taken, spoilt.bad))
    sentences = (
        f"1 palette kept from refinement because no model gave a usable answer (v1|{bad}: 0 of 10). Way out: "
        "`grabient retry --run` asks the failed ones again, and refinement follows.",
        "2 palettes kept from refinement because fewer than 50% of the models that were asked gave a usable answer "
        f"({'; '.join(f'v1|{seed}: 3 of 10' for seed in sorted((few, taken)))}). Way out: `grabient retry --run` asks "
        "the failed ones again, and refinement follows; to have it as it is, materialize refinement_batches with "
        "despite_checks.",
    )
    wish = make_goal(pipeline.warehouse, settings, "v1", 1, "refined", today=now.date())
    assert set(wish.needing) == set(wish.withheld) == {few, taken}
    plan = make_plan(pipeline.warehouse, settings, "v1", 1, None, None, now)
    assert plan.refinement is not None and (plan.needing, plan.total.requests) == (2, 0)
    assert sentences[1] in plan.warnings
    record_goal(wish, pipeline.warehouse, settings, now)
    with quiet_dagster():
        ended = PipelineRun(wish, pipeline.warehouse, settings, lambda *_: None).follow(
            pipeline.driver, HANGING_SECONDS
        )
    assert ended.finished and (ended.progress.consensus, ended.progress.refined) == (4, 2)
    assert ended.problems == sentences and len(pipeline.creates()) == 11
    with pytest.raises(typer.Exit) as exit_:
        report(Followed(ended, 1.0, now), wish, pipeline.warehouse, settings, as_json=False)
    assert exit_.value.exit_code == 1 and sentences[1] in capsys.readouterr().err


@pytest.mark.slow
def test_a_person_is_told_and_may_have_it_as_it_is_and_what_is_asked_again_heals(spoilt: Spoilt):
    pipeline = spoilt.pipeline
    before = len(pipeline.creates())
    assert pipeline.person("refinement_batches", spoilt.few).success
    said = pipeline.metadata("refinement_batches", spoilt.few)
    assert (said["state"], said["why"]) == ("kept from refinement", WHY)
    pipeline.tick()
    assert len(pipeline.creates()) == before

    assert pipeline.person("refinement_batches", spoilt.taken, {"despite_checks": True}).success
    assert pipeline.metadata("refinement_batches", spoilt.taken)["state"].startswith("asked; ")
    pipeline.faults()
    assert pipeline.person(TAG_BATCHES, spoilt.bad, config={"analyses": 1, "retry_failed": True}).success
    ask_again(pipeline.warehouse, load_settings(), None, datetime.now(UTC), [spoilt.few.removeprefix("v1|")])
    pipeline.until("all of them", "embed_text", {spoilt.bad, spoilt.few, spoilt.taken})
    created = pipeline.creates()[before:]
    assert sum(count for _, model, count in created if "opus" not in model) == 10 + 7, "exactly what had failed"
    assert sum(count for _, model, count in created if "opus" in model) == 3
    models = dict(pipeline.rows("SELECT 'v1|' || seed, models FROM tag_consensus"))
    assert models[spoilt.taken] == 3 and min(models[spoilt.bad], models[spoilt.few]) >= 9, "one may decline by itself"
    assert pipeline.red("palette_tags") == set()
    assert "refinement" not in pipeline.metadata("tag_consensus", spoilt.few)
    assert status_document(pipeline.warehouse, load_settings())["withheld"] == []
    assert {name for name, passed in pipeline.checks().items() if not passed} == {ENOUGH}, "a fact, decided or not"
