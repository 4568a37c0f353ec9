"""Every asset check says no when there is one bad row, and names it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pytest

from grabient_assets.groups.chorus.checks import artwork_checks, statement_checks
from grabient_assets.groups.fetching.checks import source_checks
from grabient_assets.groups.images.checks import chain_checks, edit_checks
from grabient_assets.groups.knowledge.checks import entry_checks
from grabient_assets.groups.retrieval.checks import index_checks, report_checks
from grabient_assets_tests.pipeline.driven import Driven, driven

BALANCED = "every_request_has_one_fate"
ANSWERED = "every_answered_palette_has_a_usable_answer"
LISTS = "most_models_keep_to_the_lists"
LEAVES = "no_model_leaves_the_lists"
VOTES = "every_model_votes_once"
LIMITS = "every_refinement_is_within_its_limits"
REFINED = "every_refinement_has_a_usable_answer"
REFINED_WORDS = "every_refined_word_is_in_its_enumeration"
PICTURES = "every_palette_has_an_image"
FAILING = "no_model_fails_too_often"
PANEL = "enough_models_answered_every_palette"
FELL = "no_model_lost_accuracy"
APART = "models_agree_in_every_field"
VECTORS = "vectors_match_their_model"
EMBEDDED = "every_refined_palette_has_a_vector"
INDEX = "index_holds_what_it_should"
BEATS = "search_beats_words"
COSTS = ("palette_tags:requests_cost_what_their_batches_do", "refined_tags:requests_cost_what_their_batches_do")
OVERDUE = ("palette_tags:no_batch_is_overdue", "refined_tags:no_batch_is_overdue")
CHECKS = (
    BALANCED,
    *COSTS,
    ANSWERED,
    LISTS,
    LEAVES,
    VOTES,
    LIMITS,
    REFINED,
    REFINED_WORDS,
    PICTURES,
    FAILING,
    PANEL,
    FELL,
    APART,
    VECTORS,
    EMBEDDED,
    INDEX,
    BEATS,
    *OVERDUE,
)
ROWS = ("palette_tags", "tag_consensus", "refined_tags", "palette_images", "palette_embeddings", "palette_index")
MEASURED = (FELL, APART, INDEX, BEATS)
"""Run alone here: a run that makes a report or syncs the index would mend what was planted."""
ELSEWHERE = (
    *(*statement_checks, *artwork_checks, *edit_checks, *chain_checks),
    *(*source_checks, *entry_checks, *index_checks, *report_checks),
)
"""Checks whose bad rows stand in `test_checks.py` of their groups."""

GOOD = """
INSERT INTO batches (batch_id, purpose, provider, model, prompt_version, prompt_digest, status, request_count,
    succeeded, failed, bodies_sha256, account, intended_at, collect_attempts)
SELECT 'whole', 'tagging', 'openai', 'm', 'v1', 'd', 'collected', 1, 1, 0, '', 'emulator', now(), 0;
INSERT INTO batch_requests (batch_id, custom_id, subject, analysis_index, fate)
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
INSERT INTO panel_reports BY NAME
    SELECT version AS prompt_version, 90 AS palettes, '[]' AS models, '[]' AS correlation, 1 AS effective_votes,
        0 AS cost_usd, '[]' AS without, '' AS sentence, now() AS reported_at FROM (VALUES ('v0'), ('v1')) AS v(version);
INSERT INTO model_reports BY NAME
    SELECT prompt_version, 'openai' AS provider, 'm' AS model, 'contrast' AS field, 90 AS answers, 90 AS usable,
        90 AS gold, 0.9 AS accuracy, 0.8 AS accuracy_low, 0.95 AS accuracy_high, reported_at FROM panel_reports;
INSERT INTO field_reports BY NAME
    SELECT prompt_version, 'contrast' AS field, 90 AS palettes, 0.7 AS alpha, 0.6 AS alpha_low, 0.8 AS alpha_high,
        reported_at FROM panel_reports WHERE prompt_version = 'v1';
"""
BAD = {
    BALANCED: ("UPDATE batches SET request_count = 2", "whole"),
    COSTS[0]: ("UPDATE batches SET cost_usd = 0.0000000001 WHERE batch_id = 'whole'", "whole"),
    COSTS[1]: (
        """
        INSERT INTO batches BY NAME
            SELECT * REPLACE ('refining' AS batch_id, 'refinement' AS purpose, 1 AS request_count, 0.5 AS cost_usd)
            FROM batches WHERE batch_id = 'whole';
        INSERT INTO batch_requests BY NAME
            SELECT * REPLACE ('refining' AS batch_id, 0.4 AS cost_usd) FROM batch_requests WHERE batch_id = 'whole'
        """,
        "refining",
    ),
    ANSWERED: (
        "INSERT INTO palette_tags (seed, prompt_version, provider, model, analysis_index, custom_id, error, fate, "
        "created_at) VALUES ('{other}', 'v1', 'openai', 'm', 0, 'x', 'no JSON', 'unusable', now())",
        "v1|{other}",
    ),
    LISTS: (
        """
        INSERT INTO palette_tags
            (seed, prompt_version, provider, model, analysis_index, custom_id, mood, outside, fate, created_at)
            VALUES ('fifth', 'v1', 'openai', 'm', 0, 'f', ['calm'], ['contrast=enormous'], 'succeeded', now());
        INSERT INTO asks BY NAME
            SELECT 'tagging' AS purpose, 'fifth' AS subject, 'fifth' AS subject_key,
                'v1' AS prompt_version, 'openai' AS provider, 'm' AS model,
                'd' AS request_digest, 1 AS analyses, false AS chained, 'closed' AS state, now() AS asked_at
        """,
        "v1|fifth: contrast=enormous.",
    ),
    LEAVES: (
        """
        INSERT INTO palette_tags
            (seed, prompt_version, provider, model, analysis_index, custom_id, contrast, outside, fate, created_at)
            SELECT 'fourth', 'v1', 'google', 'k', i, 'k' || i, 'high', CASE WHEN i < 3 THEN ['harmony=rainbow'] ELSE []
                END, 'succeeded', now() FROM range(50) r(i)
        """,
        "google k under v1: 3 of 53 words in no list (5.7%), such as harmony=rainbow.",
    ),
    VOTES: ("UPDATE tag_consensus SET models = 2", "v1|{seed}"),
    LIMITS: ("UPDATE palette_tag_refined SET embed_text = repeat('word ', 51)", "v1|{seed}"),
    REFINED: (
        """
        INSERT INTO asks BY NAME
            SELECT 'refinement' AS purpose, 'sixth' AS subject, 'sixth' AS subject_key,
                'v1' AS prompt_version, 'anthropic' AS provider,
                'r' AS model, 'd' AS request_digest, 1 AS analyses, false AS chained, 'stopped' AS state,
                'no key' AS reason, now() AS asked_at
        """,
        "v1|sixth",
    ),
    REFINED_WORDS: ("UPDATE palette_tag_refined SET saturation = 'loud'", "saturation=loud"),
    FAILING: (
        """
        INSERT INTO palette_tags
            (seed, prompt_version, provider, model, analysis_index, custom_id, error, fate, created_at)
            SELECT 'third', 'v1', 'google', 'g', i, 'g' || i, CASE WHEN i < 6 THEN 'declined' END,
                CASE WHEN i < 6 THEN 'refused' ELSE 'succeeded' END, now() FROM range(50) r(i)
        """,
        "google g under v1: 6 of 50 answers unusable (12.0%: 6 refused).",
    ),
    PANEL: (
        """
        INSERT INTO asks BY NAME
            SELECT 'tagging' AS purpose, 'third' AS subject, 'third' AS subject_key,
                'v1' AS prompt_version, 'google' AS provider, model,
                'd' AS request_digest, 50 AS analyses, false AS chained, 'closed' AS state, now() AS asked_at
            FROM (VALUES ('g'), ('h'), ('i')) AS m(model)
        """,
        "v1|third: 1 of the 3 models that were asked gave a usable answer; 50% is the least.",
    ),
    FELL: (
        "UPDATE model_reports SET accuracy = 0.5, accuracy_low = 0.4, accuracy_high = 0.6 WHERE prompt_version = 'v1'",
        "openai m, contrast: 50% (40-60) of 90 under v1, 90% (80-95) of 90 under v0.",
    ),
    APART: (
        "UPDATE field_reports SET alpha = 0.5, alpha_low = 0.4, alpha_high = 0.6",
        "contrast under v1: alpha 0.50 (0.40 to 0.60) of 90 palettes, the floor is 0.667.",
    ),
    PICTURES: ("DELETE FROM palette_images WHERE seed = '{other}'", "{other}"),
    VECTORS: (
        """
        INSERT INTO embeddings (content_sha256, embedder, task, subject, provider, custom_id, fate, dimensions, vector,
            norm, created_at)
        SELECT 'odd', 'wordllama-256', 'document', 't_odd', 'local', 'o', 'succeeded', 256,
            list_transform(range(256), lambda x: 0.07), 1.12, now()
        """,
        "wordllama-256 t_odd",
    ),
    EMBEDDED: (
        """
        INSERT INTO palette_tag_refined BY NAME
            SELECT * REPLACE ('seventh' AS seed, NULL AS saturation, repeat('word ', 31) AS embed_text)
            FROM palette_tag_refined WHERE seed = '{seed}';
        INSERT INTO palette_embeddings
            SELECT seed, prompt_version, 'wordllama-256', sha256(trim(embed_text)), 'It is too long.', now()
            FROM palette_tag_refined WHERE seed = 'seventh';
        """,
        "v1|seventh: It is too long.",
    ),
    INDEX: (
        """
        INSERT INTO index_entries BY NAME
            SELECT * REPLACE ('stray' AS vector_id, 'stray' AS subject) FROM index_entries LIMIT 1
        """,
        "orphaned stray",
    ),
    BEATS: (
        """
        INSERT INTO search_reports BY NAME
            SELECT 'palettes' AS index_name, version, 9 AS queries, 0.2 AS ndcg_at_10, 0.1 AS recall_at_5, 0.2 AS mrr,
                0.3 AS words_ndcg, 0.1 AS chance_ndcg, now() AS reported_at, '{{"computed": {{"queries": 9, "ndcg": 0.2,
                "low": 0.1, "high": 0.3, "recall": 0.1, "mrr": 0.2, "words": 0.3, "chance": 0.1}}}}' AS by_kind
            FROM index_versions WHERE state = 'live'
        """,
        "Version 1 of the index 'palettes' finds no better than words alone: nDCG@10 is 0.200, that of words alone "
        "0.300, over 9 queries of computed relevance.",
    ),
}


for check, purpose in zip(OVERDUE, ("tagging", "refinement"), strict=True):
    BAD[check] = (
        f"""
        INSERT INTO batches (batch_id, purpose, provider, model, prompt_version, prompt_digest, status, request_count,
            succeeded, failed, bodies_sha256, account, intended_at, submitted_at, provider_batch_id, collect_attempts)
        SELECT 'old-{purpose}', '{purpose}', 'openai', 'm', 'v1', 'd', 'submitted', 1, 0, 0, '', 'emulator', now(),
            now() - INTERVAL 49 HOUR, 'batch_1', 0
        """,
        f"Batch old-{purpose} (openai m, 1 request) has been with the provider for 49 hours; 24 hours are promised. "
        f"Look it up in the provider's console as batch_1, or stop it and keep what is finished: "
        f"`grabient cancel old-{purpose}`, then `grabient retry`.",
    )


def _name(key: dg.AssetCheckKey) -> str:
    """The check's name; with its asset where two have one of that name."""
    full = f"{key.asset_key.to_user_string()}:{key.name}"
    return full if full in (*COSTS, *OVERDUE) else key.name


Said = dict[str, tuple[bool, dict[str, Any]]]


@dataclass
class Planted:
    """What the checks said of good rows and of bad ones, and of the bad ones when a person ran the checks alone."""

    alone: Said
    good: Said
    bad: Said
    seed: str
    other: str


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    with driven(tmp_path_factory.mktemp("checks") / "data") as pipeline:
        seed, other = pipeline.load(2)
        names = {"seed": seed, "other": other}
        pipeline.tick()
        pipeline.write(GOOD.format(**names))
        alone = _said_alone(pipeline)
        good = {**_said(pipeline, seed), **{check: alone[check] for check in MEASURED}}
        for query, _ in BAD.values():
            pipeline.write(query.format(**names))
        alone = _said_alone(pipeline)
        bad = {**_said(pipeline, seed), **{check: alone[check] for check in MEASURED}}
        yield Planted(alone, good, bad, seed, other)


def _said(pipeline: Driven, seed: str) -> Said:
    """What each check says in a run over its asset. Pictures are drawn by that run: only this one is drawn again."""
    said: Said = {}
    for asset in ROWS:
        keys = {"palette_images": seed, "palette_index": None}
        result = pipeline.person(asset, keys.get(asset, f"v1|{seed}"))
        said |= _evaluations(result)
    return said


def _evaluations(result: dg.ExecuteInProcessResult) -> Said:
    return {
        _name(found.asset_check_key): (found.passed, {name: value.value for name, value in found.metadata.items()})
        for found in result.get_asset_check_evaluations()
    }


def _said_alone(pipeline: Driven) -> Said:
    """What the checks of all assets but pictures say in a run of their own, which has no partition."""
    checked = ("palette_tags", "tag_consensus", "refined_tags", "model_reports", "palette_embeddings", "palette_index")
    checked += ("search_reports",)
    selection = dg.AssetSelection.checks_for_assets(*checked)
    job = dg.define_asset_job("checks_alone", selection=selection)
    definitions = dg.Definitions.merge(pipeline.definitions, dg.Definitions(jobs=[job]))
    result = definitions.resolve_job_def("checks_alone").execute_in_process(
        instance=pipeline.instance, raise_on_error=False
    )
    return _evaluations(result)


def test_a_person_can_run_the_checks_alone(planted: Planted):
    assert {check: passed for check, (passed, _) in planted.alone.items()} == dict.fromkeys(
        set(CHECKS) - {PICTURES}, False
    )


@pytest.mark.parametrize("check", CHECKS)
def test_good_rows_pass(check: str, planted: Planted):
    passed, said = planted.good[check]
    assert passed
    assert said.get("found", said.get("missing")) == 0


@pytest.mark.parametrize(
    ("check", "threshold"),
    [
        (FAILING, 0.1),
        (PANEL, 0.5),
        (LISTS, 0.5),
        (LEAVES, 0.05),
        (FELL, 0.05),
        (APART, 0.667),
        (VOTES, 0),
        (OVERDUE[0], 24.0),
    ],
)
def test_the_figure_stands_beside_its_threshold(check: str, threshold: float, planted: Planted):
    figures = {
        FAILING: {"highest share": 0.12},
        PANEL: {"lowest share": round(1 / 3, 6), "palettes": 2},
        LISTS: {"palettes": 2},
        LEAVES: {"highest share": round(3 / 53, 6)},
        FELL: {"largest fall": 0.4, "comparisons": 1},
        APART: {"alpha of contrast": 0.5, "threshold of tag fields": 0.1},
        OVERDUE[0]: {"oldest, hours": 49.0},
    }.get(check, {})
    said = planted.bad[check][1]
    assert {**said, "threshold": threshold, **figures} == said
    assert ("table" in said) == (check in (FAILING, PANEL, LEAVES, *MEASURED))


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
    names = {_name(key) for key in definitions.resolve_asset_graph().asset_check_keys}
    elsewhere = {check.spec.name for check in ELSEWHERE}
    assert names - elsewhere == set(CHECKS) == set(planted.good) and elsewhere < names
