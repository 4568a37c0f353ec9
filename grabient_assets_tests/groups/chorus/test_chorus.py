"""A group from the question to the works, by the sensors alone, over a real emulator."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from grabient_assets.errors import OverBudgetError, RegistryError, RequestRejectedError, UsageError
from grabient_assets.groups.chorus.purpose import STATEMENT
from grabient_assets.groups.chorus.runs import cancel_group
from grabient_assets.groups.chorus.tables import groups
from grabient_assets.groups.comparisons.documents import export_group, possible_sentence
from grabient_assets.groups.comparisons.signals import groups_to_compare
from grabient_assets.groups.comparisons.votes import next_duel, vote
from grabient_assets.groups.palettes.loading import load_palettes
from grabient_assets.imaging.picture import read_picture
from grabient_assets.imaging.text_chunks import text_chunks
from grabient_assets_tests.groups.chorus.place import FOUR, SIZE, Chorus
from grabient_assets_tests.pipeline.place import samples

REFUSED = {"do": "refuse_input", "share": 1}


def test_four_artists_answer_twice_and_every_work_leads_back(chorus: Chorus, tmp_path: Path):
    planned = chorus.plan(iterations=2)
    assert Decimal(0) < planned.usd.low <= planned.usd.high < 1
    assert chorus.rows("SELECT count(*) FROM asks") == [(0,)]
    group = chorus.ask(iterations=2)
    queued = chorus.runs(group)
    assert {run.status for run in queued.values()} == {"queued"} and len(queued) == 8
    chorus.drive()
    runs = chorus.runs(group)
    assert {run.status for run in runs.values()} == {"done"}, {run.error for run in runs.values()}
    assert len({run.image_id for run in runs.values()}) == 8, "every work is a picture of its own"
    assert {run.prompt_version for run in runs.values()} == {"chorus/v1"}
    assert chorus.green("artworks") == chorus.green("artist_statements") == {run.run_id for run in runs.values()}
    assert chorus.green("chorus_comparisons") == {group.group_id}

    ledger = chorus.rows("SELECT purpose, count(*), sum(cost_usd) FROM cost_by_request GROUP BY ALL ORDER BY ALL")
    assert [(purpose, count) for purpose, count, _ in ledger] == [("artwork", 8), ("statement", 8)]
    assert sum(run.cost_usd for run in runs.values()) == sum(usd for *_, usd in ledger)
    assert all(run.artist_usd and run.brush_usd and not run.possible_usd for run in runs.values())

    for row in chorus.rows("SELECT image_id, object_key, media_type, bytes, width, height, subject FROM images"):
        content = chorus.store.get(row[1])
        picture = read_picture(content)
        assert row[:6] == (picture.image_id, f"images/{row[0]}.png", "image/png", len(content), 1024, 640)
        chunks = text_chunks(content)
        custom_id = chorus.rows("SELECT custom_id FROM artworks WHERE run_id = $1", row[6])[0][0]
        assert chunks == {
            "grabient:run": row[6],
            "grabient:prompt_digest": group.prompt_digest,
            "grabient:model": group.brush,
            "grabient:custom_id": custom_id,
        }
    text = chorus.rows("SELECT text FROM prompt_texts WHERE digest = $1", group.prompt_digest)
    assert "a place that remembers light" in text[0][0]

    assert export_group(group, chorus.warehouse, chorus.store, tmp_path / "out") == 8
    document = json.loads((tmp_path / "out" / "runs.json").read_text())
    assert document["counts"]["done"] == 8 and document["prompt"] == text[0][0]
    for run in document["runs"]:
        assert read_picture((tmp_path / "out" / run["file"]).read_bytes()).image_id == run["image_id"]
    assert read_picture((tmp_path / "out" / "sheet.png").read_bytes()).width > 1200

    signals = chorus.rows("SELECT count(DISTINCT run_id), count(*) FROM artwork_signals")
    assert signals[0][0] == 8 and signals[0][1] > 8 * 12
    pairs = chorus.rows("SELECT count(*), count(needed), count_if(enough) FROM artist_pairs")
    # `needed` is null where no number of works that anybody makes would show the difference.
    assert pairs[0][0] >= pairs[0][1] > 50 and pairs[0][2] == 0, "two works each name no winner"


def test_dagster_asks_a_group_by_a_job_and_the_sensors_carry_it_on(chorus: Chorus):
    file = samples(1)
    load_palettes(chorus.warehouse, file, "samples", datetime.now(UTC))
    seed = file.rows[0].palette
    config = {"artists": list(FOUR[:2]), "size": SIZE, "seed": file.rows[0].source_seed, "iterations": 2, "max_usd": 1}
    assert chorus.job("ask_chorus", "record_chorus", config).success
    with chorus.warehouse.read() as connection:
        [group] = groups(connection).values()
    assert (group.seed, group.size, group.iterations, group.delivery) == (seed.canonical, SIZE, 2, "batch")
    assert chorus.rows("SELECT count(*) FROM spending_caps WHERE cap_id = $1 AND usd = 1", group.cap_id) == [(1,)]
    [said] = [text for text in chorus.logged() if group.group_id in text]
    assert f"4 runs, about {group.estimated_usd:.4f} USD" in said and "chorus_due" in said
    chorus.drive()
    found = chorus.runs(group)
    assert len(found) == 4 and {run.status for run in found.values()} <= {"done", "failed"}
    assert chorus.green("artworks") == {run.run_id for run in found.values() if run.status == "done"} != set()


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"max_usd": 0.01}, "0.01 USD are left. Nothing was asked."),
        ({"max_usd": 0}, "max_usd is '0.0'; with no money"),
        ({"iterations": 21}, "iterations is 21; it must be from 1 to 20"),
        ({"artists": ["claude-haiku-9"]}, "claude-haiku-5-5"),
    ],
)
def test_a_job_asks_nothing_of_what_the_command_refuses(chorus: Chorus, config: dict[str, Any], words: str):
    ended = chorus.job("ask_chorus", "record_chorus", config)
    [failure] = [event.step_failure_data for event in ended.all_events if event.is_step_failure]
    assert not ended.success and failure.user_failure_data and words in (failure.user_failure_data.description or "")
    assert chorus.rows("SELECT (SELECT count(*) FROM asks) + (SELECT count(*) FROM chorus_groups)") == [(0,)]


def test_an_artist_that_fails_for_ever_leaves_the_others_done(chorus: Chorus):
    chorus.emulator.faults(
        {"match": {"provider": "openai", "model": "gpt-6-luna"}, "action": {"do": "errored", "share": 1, "status": 500}}
    )
    group = chorus.ask(iterations=2)
    chorus.drive()
    runs = chorus.runs(group)
    failed = {name for name, run in runs.items() if run.status == "failed"}
    assert failed == {"gpt-6-luna 0", "gpt-6-luna 1"}
    assert {run.status for name, run in runs.items() if name not in failed} == {"done"}
    reds = {runs[name].run_id for name in failed}
    assert all(runs[name].stage == "artist" and runs[name].error for name in failed)
    assert chorus.green("artworks") == {run.run_id for run in runs.values()} - reds
    assert {run.job for run in chorus.finished if not run.success} == {"report_chorus"}
    assert len([run for run in chorus.finished if not run.success]) == 2
    before = chorus.rows("SELECT * FROM artworks ORDER BY run_id")
    painted = chorus.requests(group.brush)

    chorus.emulator.control("POST", "faults", {"rules": []})
    assert set(chorus.retry(group)) == reds
    assert {chorus.runs(group)[name].status for name in failed} == {"queued"}
    chorus.drive()
    assert {run.status for run in chorus.runs(group).values()} == {"done"}
    after = chorus.rows("SELECT * FROM artworks ORDER BY run_id")
    assert [row for row in after if row[0] not in reds] == before, "what was done stays as it was, byte for byte"
    assert chorus.requests(group.brush) == painted + 2


def test_between_artist_and_brush_nothing_is_forgotten_and_nothing_is_asked_twice(chorus: Chorus):
    """The process ends when the statements are stored. What goes on knows nothing but the tables."""
    group = chorus.ask(artists=FOUR[:2])
    chorus.settle([STATEMENT])
    assert {(run.status, run.stage) for run in chorus.runs(group).values()} == {("queued", "brush")}
    assert chorus.rows("SELECT state, count(*) FROM asks WHERE purpose = 'artwork' GROUP BY ALL") == [("open", 2)]
    chorus.settle()
    assert {run.status for run in chorus.runs(group).values()} == {"done"}
    assert [chorus.requests(name) for name in (*FOUR[:2], group.brush)] == [1, 1, 2]
    before = chorus.rows("FROM artworks ORDER BY run_id")
    chorus.settle()
    assert chorus.rows("FROM artworks ORDER BY run_id") == before and chorus.requests(group.brush) == 2


def test_a_brush_that_left_the_registry_keeps_no_paid_statement_from_being_stored(chorus: Chorus):
    group = chorus.ask(artists=FOUR[:1])
    with chorus.warehouse.write() as connection:
        connection.execute("UPDATE chorus_groups SET brush = 'gone'")
    chorus.settle([STATEMENT])
    [run] = chorus.runs(group).values()
    assert (run.status, run.stage) == ("failed", "brush") and run.statement and run.cost_usd > 0
    assert run.error == "Its artwork was never asked for; `grabient chorus retry` asks, or says why not."
    with pytest.raises(RegistryError, match="'gone'"):
        chorus.retry(group)
    with chorus.warehouse.write() as connection:
        connection.execute("UPDATE chorus_groups SET brush = $1", [group.brush])
    assert chorus.retry(group) == [run.run_id]
    chorus.settle()
    assert [run.status for run in chorus.runs(group).values()] == ["done"] and chorus.requests(FOUR[0]) == 1


def test_a_refusal_at_the_input_is_one_call_and_the_statement_stays(chorus: Chorus):
    chorus.emulator.faults({"match": {"model": "gpt-image-2.5-flare"}, "action": REFUSED})
    group = chorus.ask(artists=FOUR[:2])
    chorus.settle()
    runs = chorus.runs(group)
    assert {(run.status, run.stage) for run in runs.values()} == {("failed", "brush")}
    assert all(run.statement and run.image_prompt and run.error for run in runs.values())
    assert chorus.rows("SELECT DISTINCT fate, refused_at FROM artworks") == [("refused", "input")]
    assert chorus.requests(group.brush) == 2
    assert chorus.retry(group) == [], "the same prompt would be refused again"
    assert all(run.brush_usd is None and run.possible_usd > 0 for run in runs.values()), "OpenAI reports no tokens"
    possible = chorus.possible(group)
    assert list(possible) == ["refused"] and possible["refused"] == float(
        sum(run.possible_usd for run in runs.values())
    )
    said = possible_sentence(possible)
    assert said.endswith("USD for calls that were refused; the provider does not say what they cost")
    [one, _] = runs.values()
    assert chorus.possible(group, one) == {"refused": float(one.possible_usd)}


def test_a_refusal_whose_tokens_are_reported_costs_these(chorus: Chorus):
    brush = "gemini-nano-banana-2.1"
    chorus.emulator.faults({"match": {"model": brush}, "action": REFUSED})
    group = chorus.ask(artists=FOUR[:1], brush=brush, size="1024x1024")
    chorus.settle()
    [run] = chorus.runs(group).values()
    assert run.status == "failed" and run.brush_usd and run.brush_usd < Decimal("0.001") and not run.possible_usd
    assert chorus.possible(group) == {} and possible_sentence({}) == ""


def test_a_refusal_at_the_output_is_asked_again_by_a_person_alone(chorus: Chorus):
    chorus.emulator.faults({"match": {"model": "gpt-image-2.5-flare"}, "action": {"do": "refuse_output", "share": 1}})
    group = chorus.ask(artists=FOUR[:1])
    chorus.settle()
    assert chorus.rows("SELECT fate, refused_at FROM artworks") == [("refused", "output")]
    assert chorus.requests(group.brush) == 1
    chorus.emulator.control("POST", "faults", {"rules": []})
    assert len(chorus.retry(group)) == 1
    chorus.settle()
    assert [run.status for run in chorus.runs(group).values()] == ["done"]
    assert chorus.requests(group.brush) == 2 and chorus.requests(FOUR[0]) == 1


def test_a_sentence_instead_of_a_picture_is_the_reason(chorus: Chorus):
    chorus.emulator.faults({"match": {"model": "gemini-nano-banana-2.1"}, "action": {"do": "no_image", "share": 1}})
    group = chorus.ask(artists=FOUR[:1], brush="gemini-nano-banana-2.1")
    chorus.settle()
    [run] = chorus.runs(group).values()
    assert (run.status, run.stage) == ("failed", "brush") and run.error and len(run.error) > 20
    assert chorus.requests(group.brush) == 1, "a picture is never asked for again by itself"


def test_a_statement_without_an_image_prompt_never_reaches_the_brush(chorus: Chorus):
    chorus.emulator.faults(
        {"match": {"model": FOUR[0]}, "action": {"do": "no_image_prompt", "share": 1}},
        {"match": {"model": FOUR[1]}, "action": {"do": "long_statement", "share": 1}},
        {"match": {"model": FOUR[2]}, "action": {"do": "delimiters", "share": 1}},
        {"match": {"model": FOUR[3]}, "action": {"do": "fenced", "share": 1}},
    )
    group = chorus.ask()
    chorus.settle()
    runs = chorus.runs(group)
    assert [runs[name].status for name in FOUR] == ["failed", "done", "done", "done"]
    assert runs[FOUR[0]].error == "The artist wrote a statement but no image prompt, so nothing was painted."
    assert chorus.requests(group.brush) == 3
    forms = dict(chorus.rows("SELECT model, form FROM artist_statements"))
    assert forms == {FOUR[0]: "json", FOUR[1]: "json", FOUR[2]: "delimiters", FOUR[3]: "json"}
    [(words, notes)] = chorus.rows("SELECT words, notes FROM artist_statements WHERE model = $1", FOUR[1])
    assert words > 150 and notes == [f"The statement has {words} words instead of 60 to 150."]


def test_at_once_costs_the_standard_price_and_takes_its_own_seconds(chorus: Chorus):
    batch, direct = chorus.plan(), chorus.plan(delivery="direct")
    assert direct.usd.expected > batch.usd.expected * Decimal("1.9")
    group = chorus.ask(artists=FOUR[:2], delivery="direct")
    chorus.settle()
    runs = chorus.runs(group)
    assert {run.status for run in runs.values()} == {"done"}
    assert chorus.rows("SELECT DISTINCT delivery FROM batches") == [("direct",)]
    assert all(run.seconds is not None and run.seconds >= 0 for run in runs.values())


def test_a_muse_reaches_every_artist_with_the_same_words(chorus: Chorus):
    file = samples(1)
    load_palettes(chorus.warehouse, file, "samples", datetime.now(UTC))
    seed = file.rows[0].palette.canonical
    group = chorus.ask(seed=seed)
    assert group.muse and len(group.muse["hex"]) == 11 and group.muse["color_names"]
    chorus.settle()
    said = set()
    for (key,) in chorus.rows("SELECT requests_key FROM batches WHERE purpose = 'statement'"):
        text = gzip.decompress(chorus.store.get(key)).decode()
        assert group.muse["hex"][0] in text
        said.add(tuple(one in text for one in group.muse["color_names"]))
    assert said == {tuple(True for _ in group.muse["color_names"])}
    chorus.compare(group)
    metrics = chorus.rows("SELECT count(*) FROM artwork_signals WHERE metric = 'palette_distance'")
    assert metrics == [(4,)]


@pytest.mark.parametrize(
    ("wish", "error", "words"),
    [
        ({"brush": "dall-e-3"}, RegistryError, "gpt-image-2.5-flare"),
        ({"brush": "gpt-image-1"}, RegistryError, "gpt-image-2.5-flare"),
        ({"brush": "gpt-6-luna"}, RegistryError, "is no brush"),
        ({"artists": ("claude-haiku-9",)}, RegistryError, "claude-haiku-5-5"),
        ({"artists": ("gpt-image-2.5-flare",)}, RegistryError, "is no artist"),
        ({"artists": ("gpt-6-luna", "gpt-6-luna")}, UsageError, "named twice"),
        ({"iterations": 0}, UsageError, "from 1 to 20"),
        ({"size": "440x100"}, RequestRejectedError, "440x100"),
        ({"quality": "superb"}, RequestRejectedError, "superb"),
        ({"seed": samples(1).rows[0].palette.canonical}, UsageError, "cannot be the muse"),
        ({"seed": "not-a-seed"}, UsageError, "not-a-seed"),
        ({"prompt_version": "v9"}, Exception, "chorus/v1"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_written(
    chorus: Chorus, wish: dict[str, Any], error: type[Exception], words: str
):
    with pytest.raises(error, match=words):
        chorus.ask(**wish)
    assert chorus.rows("SELECT (SELECT count(*) FROM asks) + (SELECT count(*) FROM chorus_groups)") == [(0,)]


@pytest.mark.parametrize(("limit", "setting"), [("max_usd", "the cap"), ("budget", "GRABIENT_BUDGET_USD")])
def test_a_group_that_may_cost_more_than_there_is_asks_nothing(chorus: Chorus, limit: str, setting: str):
    with pytest.raises(OverBudgetError, match=f"0.01 USD are left. Nothing was asked. Raise {setting}"):
        chorus.ask(**{limit: Decimal("0.01")})
    assert chorus.rows("SELECT (SELECT count(*) FROM asks) + (SELECT count(*) FROM chorus_groups)") == [(0,)]
    assert chorus.emulator.control("GET", "calls")["creates"] == []


def test_a_call_whose_answer_never_came_counts_as_possible(chorus: Chorus):
    chorus.emulator.faults(
        {"match": {"model": "gpt-image-2.5-flare", "route": "answer", "nth": 1}, "action": {"do": "drop_after_accept"}}
    )
    group = chorus.ask(artists=FOUR[:2], delivery="direct")
    chorus.settle()
    runs = chorus.runs(group)
    [lost] = [run for run in runs.values() if run.status == "failed"]
    [done] = [run for run in runs.values() if run.status == "done"]
    assert lost.stage == "brush" and lost.error and "may have been billed" in lost.error
    assert lost.possible_usd > 0 and lost.cost_usd == lost.artist_usd
    assert done.possible_usd == 0 and done.brush_usd
    assert chorus.possible(group) == chorus.possible(group, lost) == {"unanswered": float(lost.possible_usd)}
    assert chorus.possible(group, done) == {}
    [(spent, unknown)] = chorus.rows("SELECT sum(cost_usd), sum(unknown) FROM cost_by_purpose")
    assert (spent, unknown) == (lost.cost_usd + done.cost_usd, 1)


def test_a_cancelled_group_asks_nothing_more_and_keeps_what_came(chorus: Chorus):
    group = chorus.ask(artists=FOUR[:2])
    chorus.settle([STATEMENT])
    with chorus.warehouse.write() as connection:
        assert cancel_group(connection, group, datetime.now(UTC)) == []
    assert {run.status for run in chorus.runs(group).values()} == {"cancelled"}
    chorus.settle()
    assert chorus.requests(group.brush) == 0 and all(run.statement for run in chorus.runs(group).values())
    assert len(chorus.retry(group)) == 2
    chorus.settle()
    assert {run.status for run in chorus.runs(group).values()} == {"done"}
    assert [chorus.requests(name) for name in FOUR[:2]] == [1, 1]


def test_votes_rate_the_artists_with_an_interval(chorus: Chorus):
    group = chorus.ask(artists=FOUR[:2], iterations=2)
    chorus.settle()
    names = {run.run_id: run.artist for run in chorus.runs(group).values()}
    for number in range(6):
        with chorus.warehouse.write() as connection:
            duel = next_duel(connection, group.group_id, f"rater {number}")
            assert duel is not None
            left, right = (run.run_id for run in duel)
            choice = "left" if names[left] == FOUR[0] else "right"
            vote(connection, group, left, right, choice, datetime.now(UTC), blind=True, rater=f"rater {number}")
    with chorus.warehouse.read() as connection:
        assert groups_to_compare(connection) == {group.group_id: "4 works 6 votes"}
    compared = chorus.compare(group)
    best, worst = sorted(compared.ratings, key=lambda one: -one.rating)
    assert (best.model, best.votes, worst.model, worst.votes) == (FOUR[0], 6, FOUR[1], 6)
    assert best.low and worst.high and best.low < best.rating and best.rating + worst.rating == pytest.approx(2000)
    assert compared.different == 0 and compared.undecided > 10, "four works name no winner"
    with chorus.warehouse.read() as connection:
        assert groups_to_compare(connection) == {}
