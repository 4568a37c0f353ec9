"""Dagster's own commands, as README.md gives them, as processes."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import pytest
from dagster import DagsterRunStatus

from grabient_assets.prompting.load import load_prompt_versions
from grabient_assets.settings import SHIPPED_PROMPTS
from grabient_assets_tests.dagster_cli.conftest import Terminal
from grabient_assets_tests.dagster_cli.readme import dagster_commands

SLOW = pytest.mark.slow
MATERIALIZE = ["dagster", "asset", "materialize", "-m", "grabient_assets.definitions"]
KNOWN = [
    *["dg launch --assets", "dg launch --assets", "dagster job backfill", "dagster job backfill"],
    *["dg check defs", "dg list defs"],
]


def test_the_readme_shows_one_palette_a_range_a_list_and_all():
    commands = dagster_commands("first", "second")
    assert [" ".join(command[:3]) for command in commands] == KNOWN
    texts = [" ".join(command) for command in commands]
    for text, said in zip(
        texts, ["v1|first", "first...second", "v1|first,v1|second", "--all all", "", ""], strict=True
    ):
        assert said in text


def test_one_palette_is_asked_of_one_provider(terminal: Terminal):
    command, *_ = dagster_commands(terminal.seeds[0], terminal.seeds[2])
    done = terminal.type(command)
    assert done.code == 0, done.text
    assert "1 palette asked of openai; the sensor tagging_due sends what is missing" in done.text
    assert "Warning" not in done.text and "warning" not in done.text, done.text
    assert terminal.latest_location() == "grabient", "Timeline and Jobs list it"
    assert ("openai", terminal.seeds[0]) in terminal.asked()
    assert not {provider for provider, _ in terminal.asked()} - {"openai"}


def test_the_older_form_asks_too(terminal: Terminal):
    key = f"v1|{terminal.seeds[1]}"
    done = terminal.type([*MATERIALIZE, "--select", "google_tag_batches", "--partition", key])
    assert done.code == 0, done.text
    assert "1 palette asked of google; the sensor tagging_due sends what is missing" in done.text
    assert ("google", terminal.seeds[1]) in terminal.asked()
    assert terminal.latest_location() == "grabient"


def test_everything_loads_and_is_listed(terminal: Terminal):
    *_, check, listed = dagster_commands(terminal.seeds[0], terminal.seeds[2])
    checked, found = terminal.type(check), terminal.type([*listed, "--json"])
    assert (checked.code, found.code) == (0, 0), checked.text + found.text
    assert "All definitions loaded successfully." in checked.text
    assert "does not match" not in checked.text + found.text, "nothing is wrong with an environment in PATH"
    document = json.loads(found.text[found.text.index("{") :])
    assert {one["asset_key"] for one in document["assets"]} == {
        key.to_user_string() for key in terminal.pipeline.definitions.resolve_asset_graph().get_all_asset_keys()
    }
    assert {"submit_tagging", "collect_batch", "cancel_batch"} <= {one["name"] for one in document["jobs"]}
    assert {"batches_ended", "refinement_failed"} <= {one["name"] for one in document["sensors"]}


def test_a_range_is_drawn_in_one_run(terminal: Terminal):
    _, command, *_ = dagster_commands(terminal.seeds[0], terminal.seeds[2])
    before = terminal.runs(DagsterRunStatus.SUCCESS)
    done = terminal.type(command)
    assert done.code == 0, done.text
    assert "3 pictures, 3 of them drawn now" in done.text
    assert terminal.pipeline.green("palettes") == terminal.pipeline.green("palette_images") == set(terminal.seeds)
    assert terminal.runs(DagsterRunStatus.SUCCESS) == before + 1
    assert terminal.pipeline.checks()["palette_images:every_palette_has_an_image"] is True


@pytest.mark.parametrize(
    ("place", "versions", "chosen"),
    [
        (2, ["v1"], (0, 2)),
        pytest.param(3, load_prompt_versions(SHIPPED_PROMPTS), (0, 1, 2), marks=SLOW),
    ],
)
def test_a_list_and_all_become_a_backfill_of_exactly_these_partitions(
    place: int, versions: Sequence[str], chosen: tuple[int, ...], terminal: Terminal
):
    before = terminal.backfills()
    done = terminal.type(dagster_commands(terminal.seeds[0], terminal.seeds[2])[place])
    assert done.code == 0, done.text
    launched = re.search(r"Launched backfill job `(\w+)`", done.text)
    assert launched is not None, done.text
    new = {key: found for key, found in terminal.backfills().items() if key not in before}
    partitions = {f"{version}|{terminal.seeds[number]}" for version in versions for number in chosen}
    assert new == {launched[1]: partitions}


def test_a_range_that_names_the_later_palette_first_fails_and_says_so(terminal: Terminal):
    first, last = f"v1|{terminal.seeds[0]}", f"v1|{terminal.seeds[2]}"
    before = terminal.asked(), terminal.runs(DagsterRunStatus.FAILURE)
    done = terminal.type([*MATERIALIZE, "--select", "groq_tag_batches", "--partition-range", f"{last}...{first}"])
    assert done.code == 1
    assert "This run was started for no partition at all. A range must name the earlier key first" in done.text
    assert terminal.asked() == before[0]
    assert terminal.runs(DagsterRunStatus.FAILURE) == before[1] + 1


@pytest.mark.parametrize(
    "key", ["v1|foo", pytest.param("v1|../x", marks=SLOW), "v9|{seed}", pytest.param("{seed}", marks=SLOW)]
)
def test_a_key_that_is_no_partition_is_refused_before_a_run_exists(key: str, terminal: Terminal):
    key = key.format(seed=terminal.seeds[0])
    runs = terminal.pipeline.instance.get_runs_count()
    done = terminal.type([*MATERIALIZE, "--select", "groq_tag_batches", "--partition", key])
    assert done.code != 0
    assert f"PartitionsDefinition containing the passed partition key `{key}`" in done.text
    assert terminal.pipeline.instance.get_runs_count() == runs


def test_a_backfill_of_an_unknown_partition_is_refused(terminal: Terminal):
    before = terminal.backfills()
    backfill = ["dagster", "job", "backfill", "-w", "workspace.yaml", "-j", "submit_tagging"]
    done = terminal.type([*backfill, "--partitions", f"v1|{terminal.seeds[0]},v1|foo", "--noprompt"])
    assert done.code == 2
    assert "Unknown partitions: v1|foo" in done.text
    assert terminal.backfills() == before


def test_the_definitions_are_valid_by_dagsters_own_word(terminal: Terminal):
    done = terminal.type(["dagster", "definitions", "validate", "-w", "workspace.yaml"])
    assert done.code == 0, done.text
    assert "Validation successful for code location grabient." in done.text


def test_the_asset_list_is_what_the_definitions_hold(terminal: Terminal):
    done = terminal.type(["dagster", "asset", "list", "-m", "grabient_assets.definitions"])
    keys = terminal.pipeline.definitions.resolve_asset_graph().get_all_asset_keys()
    assert done.code == 0, done.text
    assert set(done.text.split()) >= {key.to_user_string() for key in keys}
    assert len(keys) == 33
