"""Every asset check says no when there is one bad row, and names it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pytest

from grabient_assets_tests.pipeline.driven import Driven, driven

BALANCED = "every_request_has_one_fate"
COSTS = "requests_cost_what_their_batches_do"
ANSWERED = "every_answered_palette_has_a_usable_answer"
TAG_WORDS = "every_word_is_in_its_enumeration"
VOTES = "every_model_votes_once"
LIMITS = "every_refinement_is_within_its_limits"
REFINED_WORDS = "every_refined_word_is_in_its_enumeration"
PICTURES = "every_palette_has_an_image"
OVERDUE = ("palette_tags:no_batch_is_overdue", "refined_tags:no_batch_is_overdue")
CHECKS = (BALANCED, COSTS, ANSWERED, TAG_WORDS, VOTES, LIMITS, REFINED_WORDS, PICTURES, *OVERDUE)
ROWS = ("palette_tags", "tag_consensus", "refined_tags", "palette_images")

GOOD = """
INSERT INTO batches (batch_id, purpose, provider, model, prompt_version, prompt_digest, status, request_count,
    succeeded, failed, bodies_sha256, account, intended_at, collect_attempts)
SELECT 'whole', 'tagging', 'openai', 'm', 'v1', 'd', 'collected', 1, 1, 0, '', 'emulator', now(), 0;
INSERT INTO batch_requests (batch_id, custom_id, seed, analysis_index, fate)
    VALUES ('whole', 'c', '{seed}', 0, 'answered');
INSERT INTO palette_tags
    (seed, prompt_version, provider, model, analysis_index, custom_id, temperature, fate, created_at)
    VALUES ('{seed}', 'v1', 'openai', 'm', 0, 'c', 'warm', 'answered', now());
INSERT INTO tag_consensus (seed, prompt_version, models, answers, votes, facts, digest, created_at)
    VALUES ('{seed}', 'v1', 1, 1, '{{}}', '{{}}', '', now());
INSERT INTO palette_tag_refined (seed, prompt_version, source_prompt_version, model, custom_id, temperature, mood,
    style, dominant_colors, seasonal, associations, embed_text, fate, consensus_digest, created_at)
    SELECT '{seed}', 'v1', 'v1', 'm', 'c', 'warm', ['a', 'b'], ['a', 'b'], ['a'], [], ['a', 'b', 'c', 'd', 'e'],
        repeat('word ', 30), 'answered', '', now();
"""
BAD = {
    BALANCED: ("UPDATE batches SET request_count = 2", "whole"),
    COSTS: ("UPDATE batches SET cost_usd = 0.0000000001 WHERE batch_id = 'whole'", "whole"),
    ANSWERED: (
        "INSERT INTO palette_tags (seed, prompt_version, provider, model, analysis_index, custom_id, error, fate, "
        "created_at) VALUES ('{other}', 'v1', 'openai', 'm', 0, 'x', 'no JSON', 'unusable', now())",
        "v1|{other}",
    ),
    TAG_WORDS: ("UPDATE palette_tags SET contrast = 'enormous' WHERE seed = '{seed}'", "contrast=enormous"),
    VOTES: ("UPDATE tag_consensus SET models = 2", "v1|{seed}"),
    LIMITS: ("UPDATE palette_tag_refined SET embed_text = repeat('word ', 51)", "v1|{seed}"),
    REFINED_WORDS: ("UPDATE palette_tag_refined SET saturation = 'loud'", "saturation=loud"),
    PICTURES: ("DELETE FROM palette_images WHERE seed = '{other}'", "{other}"),
}


for check, purpose in zip(OVERDUE, ("tagging", "refinement"), strict=True):
    BAD[check] = (
        f"""
        INSERT INTO batches (batch_id, purpose, provider, model, prompt_version, prompt_digest, status, request_count,
            succeeded, failed, bodies_sha256, account, intended_at, submitted_at, provider_batch_id, collect_attempts)
        SELECT 'old-{purpose}', '{purpose}', 'openai', 'm', 'v1', 'd', 'submitted', 1, 0, 0, '', 'emulator', now(),
            now() - INTERVAL 49 HOUR, 'batch_1', 0
        """,
        f"Batch old-{purpose} (openai m, 1 requests) has been with the provider for 49 hours; 24 hours are promised. "
        f"Look it up in the provider's console as batch_1, or stop it and keep what is finished: "
        f"`grabient cancel old-{purpose}`, then `grabient retry`.",
    )


def _name(key: dg.AssetCheckKey) -> str:
    """The check's name; with its asset where two have one of that name."""
    full = f"{key.asset_key.to_user_string()}:{key.name}"
    return full if full in OVERDUE else key.name


@dataclass
class Planted:
    """What the checks said of good rows and of bad ones, and of the bad ones when a person ran the checks alone."""

    alone: dict[str, bool]
    good: dict[str, tuple[bool, dict[str, Any]]]
    bad: dict[str, tuple[bool, dict[str, Any]]]
    seed: str
    other: str


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    with driven(tmp_path_factory.mktemp("checks") / "data") as pipeline:
        seed, other = pipeline.load(2)
        names = {"seed": seed, "other": other}
        pipeline.tick()
        pipeline.write(GOOD.format(**names))
        good = _said(pipeline, seed)
        for query, _ in BAD.values():
            pipeline.write(query.format(**names))
        yield Planted(_said_alone(pipeline), good, _said(pipeline, seed), seed, other)


def _said(pipeline: Driven, seed: str) -> dict[str, tuple[bool, dict[str, Any]]]:
    """What each check says in a run over its asset. Pictures are drawn by that run: only this one is drawn again."""
    said: dict[str, tuple[bool, dict[str, Any]]] = {}
    for asset in ROWS:
        result = pipeline.person(asset, seed if asset == "palette_images" else f"v1|{seed}")
        for found in result.get_asset_check_evaluations():
            values = {name: value.value for name, value in found.metadata.items()}
            said[_name(found.asset_check_key)] = (found.passed, values)
    return said


def _said_alone(pipeline: Driven) -> dict[str, bool]:
    """What the checks of tags and refinement say in a run of their own, which has no partition."""
    selection = dg.AssetSelection.checks_for_assets("palette_tags", "tag_consensus", "refined_tags")
    job = dg.define_asset_job("checks_alone", selection=selection)
    definitions = dg.Definitions.merge(pipeline.definitions, dg.Definitions(jobs=[job]))
    result = definitions.resolve_job_def("checks_alone").execute_in_process(instance=pipeline.instance)
    return {_name(found.asset_check_key): found.passed for found in result.get_asset_check_evaluations()}


def test_a_person_can_run_the_checks_alone(planted: Planted):
    assert planted.alone == dict.fromkeys(
        (BALANCED, COSTS, ANSWERED, TAG_WORDS, VOTES, LIMITS, REFINED_WORDS, *OVERDUE), False
    )


@pytest.mark.parametrize("check", CHECKS)
def test_good_rows_pass(check: str, planted: Planted):
    passed, said = planted.good[check]
    assert passed
    assert said.get("found", said.get("missing")) == 0


@pytest.mark.parametrize("check", CHECKS)
def test_one_bad_row_fails_and_is_named(check: str, planted: Planted):
    passed, said = planted.bad[check]
    assert not passed
    assert said.get("found", said.get("missing")) == 1
    assert said.get("examples", said.get("seeds")) == BAD[check][1].format(seed=planted.seed, other=planted.other)


def test_there_is_a_bad_row_for_every_check_that_exists(planted: Planted):
    from grabient_assets.definitions import grabient

    definitions = grabient()
    assert isinstance(definitions, dg.Definitions)
    assert (
        {_name(key) for key in definitions.resolve_asset_graph().asset_check_keys} == set(CHECKS) == set(planted.good)
    )
