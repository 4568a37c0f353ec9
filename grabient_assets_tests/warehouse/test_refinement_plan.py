"""What the plan says about refinements: what is known of them before anything is asked, and what is only expected."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from grabient_assets.groups.refinement.counting import Foreseen, RefinementCounts, plan_refinement
from grabient_assets.groups.refinement.purpose import REFINEMENT
from grabient_assets.groups.refinement.refined import RefinedRecord, record_refined
from grabient_assets.groups.tagging.purpose import TAGGING
from grabient_assets.groups.tagging.tag_consensus import ConsensusRecord, record_consensus
from grabient_assets.groups.tagging.tags import TagRecord, record_tags
from grabient_assets.ledger.asks import AskTarget, SubjectVersion, record_asks
from grabient_assets.ledger.batches import BatchRecord, RequestRecord, insert_intent
from grabient_assets_tests.ledger.house import House, palette, twins

TARGETS = [AskTarget("openai", "one", "a" * 20), AskTarget("groq", "other", "b" * 20)]
FORESEEN = Foreseen(TARGETS, analyses=2, majority=True)
WORDING, REWORDED = "c" * 20, "d" * 20


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def key_of(house: House, seed: str) -> str:
    return house.rows("SELECT palette_key FROM palettes WHERE seed = $1", seed)[0][0]


def tag(house: House, seed: str, version: str = "v1", analyses: int = 2, digest: str = "votes") -> None:
    """Every target has answered, one of the answers could not be used, and the consensus stands."""
    said = [
        TagRecord(
            seed,
            version,
            target.provider,
            target.model,
            index,
            f"{key_of(house, seed)}-{target.request_digest}-{index:02}",
            fate="succeeded" if usable else "invalid",
            created_at=house.clock(),
            error=None if usable else "unreadable",
        )
        for target in TARGETS
        for index in range(analyses)
        for usable in [(target, index) != (TARGETS[1], 0)]
    ]
    with house.warehouse.write() as connection:
        record_tags(connection, said)
        answers = sum(one.error is None for one in said)
        values = ("cool", "low", "bright", "muted", "{}", "{}")
        row = ConsensusRecord(seed, version, 2, answers, *values, digest, house.clock(), method="majority")
        record_consensus(connection, [row])


def custom_id(house: House, seed: str, digest: str = "votes", wording: str = WORDING) -> str:
    return f"{key_of(house, seed)}-{hashlib.sha256((wording + digest).encode()).hexdigest()[:20]}-00"


def refine(house: House, seed: str, digest: str = "votes", error: str | None = None) -> None:
    known = custom_id(house, seed, digest)
    with house.warehouse.write() as connection:
        row = RefinedRecord(seed, "v1", "v1", "opus", known, "succeeded", digest, house.clock(), error=error)
        record_refined(connection, [row])


def counts(
    house: House,
    version: str,
    tagged: list[str],
    untagged: list[str],
    foreseen: Foreseen | None = FORESEEN,
    wording: str = WORDING,
    refined: list[str] | None = None,
) -> tuple[dict[str, int], RefinementCounts]:
    """The counts that are not zero."""
    with house.warehouse.read() as connection:
        found = plan_refinement(
            connection, version, AskTarget("anthropic", "opus", wording), tagged, untagged, refined or [], foreseen
        )
    others = {name: getattr(found, name) for name in ("cached", "failed", "in_flight", "equal")}
    said = {name: count for name, count in {**others, **found.missing}.items() if count}
    return said, found


def test_a_new_version_with_the_same_wording_costs_nothing(house: House) -> None:
    seeds = [one.subject for one in house.load(palette(1), palette(2), palette(3))]
    for seed in seeds[:2]:
        tag(house, seed)
        refine(house, seed)
    found, sizes = counts(house, "v2", [], seeds)
    assert found == {"cached": 2, "basis_to_come": 1}
    assert sizes.colour_bytes > 500 and sizes.picture_bytes is None
    assert counts(house, "v2", [], seeds, wording=REWORDED)[0] == {"changed_prompt": 2, "basis_to_come": 1}
    # a failed answer is one that was paid for
    refine(house, seeds[1], "other votes")
    house.write("UPDATE palette_tag_refined SET error = 'unreadable' WHERE seed = $1", seeds[0])
    assert counts(house, "v2", [], seeds)[0] == {"failed": 1, "changed_prompt": 1, "basis_to_come": 1}
    assert counts(house, "v1", seeds[:1], seeds[2:], refined=[seeds[1]])[0] == {
        "failed": 1,
        "cached": 1,
        "basis_to_come": 1,
    }


def test_of_other_answers_nothing_is_known(house: House) -> None:
    """The consensus would rest on more, fewer or other answers, or would be ranked by rates of the version."""
    (one,) = house.load(palette(1))
    tag(house, one.subject)
    refine(house, one.subject)
    known, unknown = {"cached": 1}, {"basis_to_come": 1}
    assert counts(house, "v2", [], [one.subject])[0] == known
    for foreseen in (
        None,
        Foreseen(TARGETS, 1, majority=True),
        Foreseen(TARGETS, 3, majority=True),
        Foreseen(TARGETS[:1], 2, majority=True),
        Foreseen([*TARGETS, AskTarget("google", "third", "e" * 20)], 2, majority=True),
        Foreseen([TARGETS[0], AskTarget("groq", "other", "reworded")], 2, majority=True),
        Foreseen(TARGETS, 2, majority=False),
    ):
        assert counts(house, "v2", [], [one.subject], foreseen)[0] == unknown, foreseen
    for change, back in (
        ("UPDATE tag_consensus SET answers = 4", "UPDATE tag_consensus SET answers = 3"),
        ("UPDATE tag_consensus SET method = 'full'", "UPDATE tag_consensus SET method = 'majority'"),
    ):
        house.write(change)
        assert counts(house, "v2", [], [one.subject])[0] == unknown, change
        house.write(back)
    assert counts(house, "v2", [], [one.subject])[0] == known
    with house.warehouse.write() as connection:
        record_asks(connection, TAGGING, [SubjectVersion("v2", one.subject)], TARGETS, 3, house.clock())
    assert counts(house, "v2", [], [one.subject])[0] == unknown


def test_equal_colours_are_one_request(house: House) -> None:
    one, twin, other = (found.subject for found in house.load(*twins(), palette(3)))
    tag(house, one)
    assert counts(house, "v1", [one], [twin, other])[0] == {"new_subject": 1, "equal": 1, "basis_to_come": 1}
    assert counts(house, "v1", [], [one, twin], None)[0] == {"basis_to_come": 1, "equal": 1}
    # with another consensus it is another request, whatever the colours
    tag(house, twin, digest="other votes")
    assert counts(house, "v1", [one, twin], [])[0] == {"new_subject": 2}


def test_every_missing_one_has_its_reason(house: House) -> None:
    wanted = house.load(*map(palette, range(1, 8)))
    seeds = [one.subject for one in wanted]
    for seed in seeds:
        tag(house, seed)
    stopped, retried, unanswered, put_off, changed, waiting, flying = seeds
    with house.warehouse.write() as connection:
        refiner = AskTarget("anthropic", "opus", WORDING)
        record_asks(connection, REFINEMENT, [w for w in wanted if w.subject != unanswered], [refiner], 1, house.clock())
    house.write("UPDATE asks SET state = 'stopped' WHERE subject = $1", stopped)
    refine(house, retried, error="unreadable")
    house.write("UPDATE asks SET retry_from = $1 WHERE subject = $2", house.clock.wind(hours=1), retried)
    refine(house, changed, "earlier votes")
    for seed, status, fate in (
        (unanswered, "collected", "expired"),
        (put_off, "deferred", "errored"),
        (flying, "submitted", None),
    ):
        known = custom_id(house, seed)
        batch = BatchRecord(
            seed, "refinement", "anthropic", "opus", "v1", "p", "intended", 1, "x", "emulator", house.clock()
        )
        with house.warehouse.write() as connection:
            insert_intent(connection, batch, [RequestRecord(seed, known, seed, 0)])
            connection.execute("UPDATE batches SET status = $1 WHERE batch_id = $2", [status, seed])
            connection.execute("UPDATE batch_requests SET fate = $1 WHERE batch_id = $2", [fate, seed])
    found, _ = counts(house, "v1", seeds, [])
    reasons = ("stopped", "retried", "unanswered", "put_off", "changed_basis", "waiting")
    assert found == {"in_flight": 1, **dict.fromkeys(reasons, 1)}
    # of one that is not tagged to the end, all that is known is that something is under way
    assert counts(house, "v1", [], [flying, waiting], None)[0] == {"in_flight": 1, "basis_to_come": 1}
