"""Webserver and daemon, unattended: a scattered backfill becomes one batch per model, also when all of Dagster is
killed meanwhile, and asking again costs nothing; and what a person sees of it in the browser: the palette itself, its
words, and the groups of the lineage. One page of each kind (runs, partitions, groups) is always built; the others are
marked slow.

One file, because all of it looks at one `dagster dev`, which one worker keeps.
"""

from __future__ import annotations

import subprocess
from collections import Counter
from urllib.parse import quote

import pytest

from grabient_assets.gradient.facts import describe
from grabient_assets.gradient.seed import decode_seed
from grabient_assets.gradient.svg import thumbnail
from grabient_assets.registry.load import load_registry
from grabient_assets.settings import PROJECT_DIR
from grabient_assets_tests.dagster_ui.chromium import page, pictures, words
from grabient_assets_tests.dagster_ui.conftest import Carried
from grabient_assets_tests.hanging import HANGING_SECONDS
from grabient_assets_tests.pipeline.driven import AFTER_PICTURES
from grabient_assets_tests.pipeline.place import COMMANDS, environment_of

PANEL = [(model.provider, model.id) for model in load_registry().panel("tagger")]
[REFINER] = [(model.provider, model.id) for model in load_registry().panel("refiner")]


def test_the_daemon_carries_exactly_the_chosen_palettes_through_every_asset(carried: Carried):
    for asset in AFTER_PICTURES:
        assert (asset, carried.dev.green(asset)) == (asset, carried.chosen)


def test_there_is_one_create_per_model_for_tagging_and_one_for_refinement(carried: Carried):
    created = [((one["provider"], one["model"]), len(one["custom_ids"])) for one in carried.created]
    tagging = Counter(dict.fromkeys(PANEL, 2 * len(carried.chosen)))
    assert Counter(dict(created[:-1])) == tagging
    assert len(created) == len(PANEL) + 1
    assert created[-1] == (REFINER, len(carried.chosen))


def test_no_request_was_sent_twice(carried: Carried):
    sent = [custom_id for one in carried.created for custom_id in one["custom_ids"]]
    assert len(sent) == len(set(sent)) == (2 * len(PANEL) + 1) * len(carried.chosen)


def test_only_the_runs_that_were_killed_failed(carried: Carried):
    """Run monitoring says so of them, although nothing is left that watched over them. The others succeed.

    One that was killed before it said that it had started is given `start_timeout_seconds` (dagster.yaml).
    """

    def failed() -> set[str]:
        return {run["runId"] for run in carried.dev.runs() if run["status"] == "FAILURE"}

    assert carried.killed
    carried.dev.until("run monitoring", lambda: failed() >= carried.killed, lambda: carried.killed - failed())
    runs = carried.dev.runs()
    assert failed() == carried.killed
    assert {run["status"] for run in runs} <= {"FAILURE", "SUCCESS", "QUEUED", "STARTING", "STARTED"}
    succeeded = {run["jobName"] for run in runs if run["status"] == "SUCCESS"}
    assert {"load_palettes", "submit_tagging", "collect_batch", "submit_refinement"} <= succeeded


_JOB = """
query Job($job: PipelineSelector!, $tags: [ExecutionTag!]!) {
  pipelineOrError(params: $job) { ... on Pipeline { runs(limit: 50) { runId } } }
  runsOrError(filter: {tags: $tags}) {
    ... on Runs { results { runId repositoryOrigin { repositoryName repositoryLocationName } } } }
}
"""


def test_a_run_executed_in_process_is_listed_like_any_other(carried: Carried):
    """By what the pages Jobs and Timeline ask for, and on the page of its job."""
    name, location = "__repository__", "grabient"
    job = {"pipelineName": "report_models", "repositoryName": name, "repositoryLocationName": location}
    found = carried.dev.ask(_JOB, job=job, tags=[{"key": ".dagster/repository", "value": f"{name}@{location}"}])
    assert carried.in_process in {run["runId"] for run in found["pipelineOrError"]["runs"]}
    listed = {run["runId"]: run["repositoryOrigin"] for run in found["runsOrError"]["results"]}
    assert len({tuple(origin.items()) for origin in listed.values()}) == 1, "those of the daemon have the same origin"
    assert listed[carried.in_process] == {"repositoryName": name, "repositoryLocationName": location}
    shown = words(page(f"{carried.dev.url}/locations/{location}/jobs/report_models/runs"))
    assert carried.in_process[:8] in shown
    assert "executed in process" in shown and "grabient_pid" not in shown and "grabient_work" not in shown


@pytest.mark.slow
def test_the_timeline_shows_runs_of_every_job(carried: Carried):
    shown = words(page(f"{carried.dev.url}/overview/activity/timeline"))
    for job in ("load_palettes", "submit_tagging", "collect_batch", "submit_refinement", "report_models"):
        assert job in shown


def test_it_starts_without_a_warning(carried: Carried):
    said = carried.dev.log.read_text(errors="replace")
    start = said[: said.index("Serving dagster-webserver")]
    assert "arning" not in start and "WARNING" not in start, start


def test_a_backfill_by_the_command_line_for_the_same_palettes_makes_no_new_batch(carried: Carried):
    """`dagster job backfill`, executed by the daemon: one run per palette, all find that nothing is missing."""
    command = ["job", "backfill", "-w", "workspace.yaml", "-j", "submit_tagging", "--noprompt"]
    before = {run["runId"] for run in carried.dev.runs()}
    subprocess.run(
        [COMMANDS / "dagster", *command, "--partitions", ",".join(carried.keys[:2])],
        cwd=PROJECT_DIR,
        env=environment_of(carried.dev.folder),
        check=True,
        timeout=HANGING_SECONDS,
        capture_output=True,
    )

    def runs() -> list[str]:
        return [run["status"] for run in carried.dev.runs() if run["runId"] not in before]

    carried.dev.until("the second backfill", lambda: runs().count("SUCCESS") >= 2, runs)
    carried.dev.until("the sensors", lambda: set(runs()) == {"SUCCESS"}, runs)
    assert carried.dev.creates() == carried.created


def partition_page(carried: Carried, asset: str, key: str) -> str:
    return page(f"{carried.dev.url}/assets/{asset}?view=partitions&partition={quote(key, safe='')}")


def row(carried: Carried, columns: str, table: str, key: str) -> tuple[object, ...]:
    from grabient_assets.warehouse.connection import Warehouse

    with Warehouse(carried.dev.folder / "grabient.duckdb").read() as connection:
        found = connection.execute(f"SELECT {columns} FROM {table} WHERE prompt_version || '|' || seed = ?", [key])
        [only] = found.fetchall()
    return only


@pytest.mark.slow
def test_the_consensus_of_a_palette_shows_its_picture_and_the_votes(carried: Carried):
    key = carried.keys[1]
    shown = partition_page(carried, "tag_consensus", key)
    assert thumbnail(describe(decode_seed(key.removeprefix("v1|"))).hex) in pictures(shown)
    temperature, mood = row(carried, "temperature, votes->'mood'->0->>'value'", "tag_consensus", key)
    text = words(shown)
    assert "votes (models)" in text
    assert f"temperature {temperature} " in text and f"mood {mood} " in text


def test_the_refined_tags_of_a_palette_show_its_picture_and_its_words(carried: Carried):
    key = carried.keys[2]
    shown = partition_page(carried, "refined_tags", key)
    assert thumbnail(describe(decode_seed(key.removeprefix("v1|"))).hex) in pictures(shown)
    mood, associations = row(carried, "mood, associations", "palette_tag_refined", key)
    assert isinstance(mood, list) and isinstance(associations, list)
    text = words(shown)
    assert ", ".join(mood) in text and ", ".join(associations) in text


def test_the_lineage_shows_the_three_groups(carried: Carried):
    text = words(page(f"{carried.dev.url}/asset-groups"))
    for group in ("palettes", "tagging", "refinement"):
        assert f" {group} " in text


@pytest.mark.slow
def test_a_group_shows_its_assets(carried: Carried):
    text = words(page(f"{carried.dev.url}/locations/grabient/asset-groups/tagging"))
    for asset in [name for name in AFTER_PICTURES if "refine" not in name and name != "embed_text"]:
        assert asset in text
