"""Whose progress a run reports: that of the subjects in its batches, and no other."""

from __future__ import annotations

from grabient_assets.groups.tagging.purpose import TAGGING
from grabient_assets.ledger.asked_progress import asked_progress
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.batches import BatchRecord, RequestRecord, insert_intent
from grabient_assets_tests.explained import Explained
from grabient_assets_tests.ledger.house import House, palette, twins


def _send(house: House, one: SubjectVersion) -> None:
    """Carry the first of its requests in the batch `sent`."""
    asked = "SELECT provider, model, stem FROM asks WHERE subject = ? AND prompt_version = ? ORDER BY ALL LIMIT 1"
    [(provider, model, stem)] = house.rows(asked, one.subject, one.prompt_version)
    batch = BatchRecord(
        batch_id="sent",
        purpose="tagging",
        provider=provider,
        model=model,
        prompt_version=one.prompt_version,
        prompt_digest="",
        status="submitted",
        request_count=1,
        bodies_sha256="",
        account="emulator",
        intended_at=house.clock(),
    )
    with house.warehouse.write() as connection:
        insert_intent(connection, batch, [RequestRecord("sent", f"{stem}-00", one.subject, 0)])


def _reported(house: House) -> set[SubjectVersion]:
    with house.warehouse.read() as connection:
        return {one.partition for one in asked_progress(connection, TAGGING, "openai", ["sent"])}


def test_a_batch_of_one_prompt_version_says_nothing_of_another(house: House) -> None:
    """Both are asked about the same colours: with two versions each event would be written twice."""
    [first] = house.load(palette(1))
    second = SubjectVersion("v2", first.subject)
    house.ask([first, second])
    _send(house, second)
    assert _reported(house) == {second}


def test_a_batch_speaks_for_equal_colours(house: House) -> None:
    one, other = house.load(*twins())
    house.ask([one, other])
    _send(house, one)
    assert _reported(house) == {one, other}


def test_a_batch_speaks_for_every_version_with_the_same_request(house: House) -> None:
    """As when two prompts read the same: the answer is shared, and both show it."""
    [first] = house.load(palette(1))
    second = SubjectVersion("v2", first.subject)
    house.ask([first, second])
    house.write("""
        UPDATE asks SET stem = o.stem FROM asks o
        WHERE asks.prompt_version = 'v1' AND o.prompt_version = 'v2' AND o.model = asks.model
    """)
    _send(house, second)
    assert _reported(house) == {first, second}


def test_no_request_is_compared_with_every_answer(house: House) -> None:
    """Otherwise the time grows with their product: 50 seconds for one provider at 20,000 palettes."""
    [one] = house.load(palette(1))
    house.ask([one])
    _send(house, one)
    with house.warehouse.read() as connection:
        explained = Explained(connection)
        assert asked_progress(explained.connection, TAGGING, "openai", ["sent"])
    [plan] = explained.plans
    assert "HASH_JOIN" in plan and "NL_JOIN" not in plan
