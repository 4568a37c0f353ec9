"""What is due, shared, closed and complete: the invariants that decide what is paid for."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from grabient_assets.groups.refinement.purpose import REFINEMENT
from grabient_assets.groups.refinement.refined import RefinedRecord, chained_refinements, record_refined
from grabient_assets.groups.tagging.tag_consensus import (
    ConsensusRecord,
    consensus,
    record_consensus,
    without_current_consensus,
)
from grabient_assets.groups.tagging.tags import complete_tagging
from grabient_assets.ledger.asks import AskTarget, AskTerms, SubjectVersion, record_asks, stop_asks
from grabient_assets.ledger.due import DueRequest, due_requests
from grabient_assets_tests.warehouse.ledger_in_memory import PALETTES, PLAIN, TARGETS, TURNED, Ledger, ledger

SEEDS = [p.canonical for p in PALETTES]
KEYS = {p.canonical: p.palette_key for p in PALETTES}
OTHER = AskTarget("groq", "m3", "d" * 19 + "3")


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["ask", "retry", "send", "answer", "fail", "stop"]),
        st.lists(st.sampled_from(SEEDS), min_size=1, max_size=3, unique=True),
        st.integers(1, 3),
    ),
    max_size=8,
)


@settings(max_examples=10, deadline=None)
@given(MOVES)
def test_what_is_due_is_neither_under_way_nor_answered(moves: list[tuple[str, list[str], int]]) -> None:
    with ledger() as house:
        sent: dict[str, list[DueRequest]] = {}
        usable: set[tuple[str, ...]] = set()
        for move, seeds, number in moves:
            due = house.due()
            if move in ("ask", "retry"):
                house.ask(*seeds, analyses=number, retry=move == "retry")
            elif move == "send" and due:
                sent[house.send(due[:number])] = due[:number]
            elif move in ("answer", "fail") and sent:
                name, requests = sent.popitem()
                house.collected(name)
                house.answer(requests, "no" if move == "fail" else None)
            elif move == "stop":
                stop_asks(house.connection, "tagging", "openai", "m2", "gone", house.tick())
            due = house.due()
            ids = [d.custom_id for d in due]
            assert len(ids) == len(set(ids))
            assert not set(ids) & {d.custom_id for requests in sent.values() for d in requests}
            answered = {row[0] for row in house.rows("SELECT custom_id FROM palette_tags WHERE error IS NULL")}
            assert not set(ids) & answered
            now_usable = set(house.rows("SELECT seed, model, analysis_index FROM palette_tags WHERE error IS NULL"))
            assert usable <= now_usable  # an answer is never lost to a failure
            usable = now_usable
            assert house.rows("SELECT max(n) FROM (SELECT count(*) FILTER (cost_usd > 0) n FROM palette_tags "
                              "WHERE error IS NULL GROUP BY custom_id)")[0][0] in (None, 1)  # fmt: skip
            for d in due:
                assert d.custom_id == f"{KEYS[d.subject]}-{'d' * 19}{d.model[1]}-{d.analysis_index:02}"


def test_equal_colours_are_one_request_and_two_rows() -> None:
    assert PLAIN.palette_key == TURNED.palette_key and PLAIN.canonical != TURNED.canonical
    with ledger() as house:
        house.ask(SEEDS[0], SEEDS[1], targets=TARGETS[:1])
        due = house.due()
        assert len(due) == 1 and due[0].custom_id == f"{PLAIN.palette_key}-{TARGETS[0].request_digest}-00"
        house.answer(due)
        found = house.rows("SELECT seed, cost_usd FROM palette_tags ORDER BY cost_usd DESC")
        assert found[0] == (due[0].subject, Decimal("0.5")) and found[1][1] == 0
        assert {row[0] for row in found} == set(SEEDS[:2]) == house.complete()


def test_asking_twice_changes_nothing_and_asking_for_more_asks_for_the_difference() -> None:
    with ledger() as house:
        house.ask(SEEDS[2], analyses=2)
        first = house.due()
        house.ask(SEEDS[2], analyses=2)
        assert house.due() == first and len(first) == 4
        house.answer(first)
        assert house.due() == [] and house.complete() == {SEEDS[2]}
        house.ask(SEEDS[2], analyses=2)
        assert house.due() == [] and house.rows("SELECT DISTINCT state FROM asks") == [("closed",)]
        house.ask(SEEDS[2], analyses=5)
        assert {(d.model, d.analysis_index) for d in house.due()} == {(m, n) for m in ("m1", "m2") for n in (2, 3, 4)}
        assert house.complete() == set()
        house.ask(SEEDS[2], analyses=1)
        assert len(house.due()) == 6  # asking for less takes nothing back


def test_a_failure_is_asked_again_only_by_a_retry() -> None:
    with ledger() as house:
        house.ask(SEEDS[2], analyses=2)
        one, *rest = house.due()
        house.answer(rest)
        house.answer([one], error="nothing usable")
        assert house.due() == [] and house.complete() == {SEEDS[2]}
        house.ask(SEEDS[2], analyses=2)
        assert house.due() == []
        house.ask(SEEDS[2], analyses=2, retry=True)
        assert house.due() == [one]
        house.answer([one], error="again nothing")
        assert house.due() == [] and house.rows("SELECT DISTINCT state FROM asks") == [("closed",)]
        house.ask(SEEDS[2], analyses=2, retry=True)
        house.answer([one])
        house.answer([one], error="late")
        assert house.rows("SELECT count(*) FROM palette_tags WHERE error IS NOT NULL") == [(0,)]


def test_a_stopped_model_lets_the_palette_complete_and_may_be_asked_again() -> None:
    with ledger() as house:
        house.ask(SEEDS[2])
        house.answer([d for d in house.due() if d.model == "m1"])
        assert house.complete() == set()
        assert stop_asks(house.connection, "tagging", "openai", "m2", "retired", house.tick()) == 1
        assert house.due() == [] and house.complete() == {SEEDS[2]}
        house.ask(SEEDS[2])
        assert [d.model for d in house.due()] == ["m2"]
        assert house.rows("SELECT state, reason, closed_at FROM asks WHERE model = 'm2'") == [("open", None, None)]


def test_complete_means_asked_of_every_usable_provider() -> None:
    with ledger() as house:
        house.ask(SEEDS[2])
        house.answer(house.due())
        assert house.complete("openai") == {SEEDS[2]}
        assert house.complete("openai", "groq") == set()
        house.ask(SEEDS[2], targets=[OTHER])
        assert house.complete("openai", "groq") == set()
        house.answer(house.due("groq"), provider="groq")
        assert house.complete("openai", "groq") == {SEEDS[2]}


def test_a_second_version_with_the_same_wording_shares_the_answers() -> None:
    with ledger() as house:
        house.ask(SEEDS[2])
        house.answer(house.due())
        house.ask(SEEDS[2], version="v2")
        assert house.due() == []
        shared = house.rows("SELECT prompt_version, sum(cost_usd) FROM palette_tags GROUP BY ALL ORDER BY 1")
        assert shared == [("v1", 1), ("v2", 0)]


def tallied(house: Ledger, digest: str) -> list[str]:
    """The consensus of what is stale, as tallying records it; which seeds that were."""
    stale = without_current_consensus(house.connection, complete_tagging(house.connection, ["openai"]))
    at = house.tick()
    rows = [
        ConsensusRecord(t.partition.subject, "v1", 1, t.answers, None, None, None, None, "{}", "{}", digest, at)
        for t in stale
    ]
    record_consensus(house.connection, rows)
    return [t.partition.subject for t in stale]


def basis_of_refinement(house: Ledger) -> str | None:
    """The digest of the consensus that the one refinement would show."""
    ((basis,),) = house.rows("SELECT basis FROM asks WHERE purpose = 'refinement'")
    return basis


def changed_consensus(house: Ledger, digest: str) -> None:
    """Every consensus is recorded anew, and its digest is this one."""
    found = consensus(house.connection, [SubjectVersion("v1", seed) for seed in SEEDS])
    record_consensus(house.connection, [replace(one, digest=digest) for one in found])


def test_an_answer_taken_over_renews_the_consensus_although_it_is_old() -> None:
    with ledger() as house:
        house.ask(SEEDS[0], analyses=2)
        house.answer(house.due())
        house.ask(SEEDS[1], analyses=1)
        assert sorted(tallied(house, "one")) == sorted(SEEDS[:2])
        assert tallied(house, "none") == []
        house.ask(SEEDS[1], analyses=2)
        assert house.due() == []
        assert tallied(house, "two") == [SEEDS[1]]


def test_a_changed_consensus_is_refined_again_only_when_asked_again() -> None:
    with ledger() as house:
        house.connection.execute(
            "INSERT INTO palette_images VALUES (?, 'k', NULL, 's', 1, 1, 1, 's', 'local', now())", [SEEDS[2]]
        )
        house.ask(SEEDS[2], terms=AskTerms(chained=True))
        house.answer(house.due())
        wanted = [SubjectVersion("v1", SEEDS[2])]
        assert chained_refinements(house.connection, wanted) == []  # no consensus yet
        tallied(house, "first")
        assert chained_refinements(house.connection, wanted) == wanted
        opus = AskTarget("anthropic", "opus", "r" * 20)
        record_asks(house.connection, REFINEMENT, wanted, [opus], 1, house.tick())
        assert chained_refinements(house.connection, wanted) == []
        (due,) = due_requests(house.connection, REFINEMENT, "anthropic")
        assert basis_of_refinement(house) == "first" and len(due.custom_id) <= 64
        row = RefinedRecord(SEEDS[2], "v1", "v1", "opus", due.custom_id, "succeeded", "first", house.tick())
        record_refined(house.connection, [row])
        assert due_requests(house.connection, REFINEMENT, "anthropic") == []
        house.connection.execute("UPDATE asks SET state = 'closed' WHERE purpose = 'refinement'")
        changed_consensus(house, "second")
        assert chained_refinements(house.connection, wanted) == []
        house.ask(SEEDS[2], terms=AskTerms(chained=True))
        assert chained_refinements(house.connection, wanted) == wanted
        record_asks(house.connection, REFINEMENT, wanted, [opus], 1, house.tick())
        (again,) = due_requests(house.connection, REFINEMENT, "anthropic")
        assert basis_of_refinement(house) == "second" and again.custom_id != due.custom_id


def test_an_answer_in_an_older_wording_that_comes_late_replaces_nothing() -> None:
    with ledger() as house:
        house.ask(SEEDS[2], targets=TARGETS[:1])
        (old,) = house.due()
        house.ask(SEEDS[2], targets=[AskTarget("openai", "m1", "e" * 20)])
        (new,) = house.due()
        assert old.custom_id != new.custom_id
        house.answer([new])
        house.answer([old])
        assert house.rows("SELECT custom_id FROM palette_tags") == [(new.custom_id,)]
        house.ask(SEEDS[2], targets=TARGETS[:1])  # back to the first wording
        house.answer(house.due())
        assert house.rows("SELECT custom_id FROM palette_tags") == [(old.custom_id,)]


def test_a_refinement_of_an_earlier_consensus_that_comes_late_replaces_nothing() -> None:
    with ledger() as house:
        house.connection.execute(
            "INSERT INTO palette_images VALUES (?, 'k', NULL, 's', 1, 1, 1, 's', 'local', now())", [SEEDS[2]]
        )
        house.ask(SEEDS[2])
        house.answer(house.due())
        tallied(house, "first")
        opus = AskTarget("anthropic", "opus", "r" * 20)
        record_asks(house.connection, REFINEMENT, [SubjectVersion("v1", SEEDS[2])], [opus], 1, house.tick())
        (early,) = due_requests(house.connection, REFINEMENT, "anthropic")
        changed_consensus(house, "second")
        (present,) = due_requests(house.connection, REFINEMENT, "anthropic")

        def row(due, fate: str = "succeeded", error: str | None = None) -> RefinedRecord:
            made_from = "first" if due is early else "second"
            return RefinedRecord(
                SEEDS[2], "v1", "v1", "opus", due.custom_id, fate, made_from, house.tick(), error=error
            )

        def stored() -> list[tuple[str, str | None]]:
            return house.rows("SELECT consensus_digest, error FROM palette_tag_refined")

        record_refined(house.connection, [row(present, "invalid", "no JSON")])
        record_refined(house.connection, [row(early)])
        assert stored() == [("first", None)]  # better than nothing
        record_refined(house.connection, [row(present)])
        record_refined(house.connection, [row(early)])
        assert stored() == [("second", None)]
