"""How every request about a palette stands, out of a ledger made by hand."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from grabient_assets.groups.tagging.inquiries import (
    Inquiry,
    RequestState,
    costs_of,
    nearest_palette,
    refinement_inquiry,
    standing_of,
    tagging_inquiries,
    versions_asked,
)
from grabient_assets.groups.tagging.purpose import TAGGING
from grabient_assets.groups.tagging.tags import TagRecord, record_tags
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.batches import BatchRecord, RequestRecord, insert_intent
from grabient_assets.ledger.due import share_answers
from grabient_assets.registry.load import load_registry
from grabient_assets_tests.ledger.house import START, House, palette, twins

MODELS = [model.id for model in load_registry().panel("tagger") if model.provider == "openai"]


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Two seeds with equal colours, three analyses wanted of OpenAI's models for both."""
    house = House(tmp_path)
    house.ask(house.load(*twins(), palette(1))[:2], analyses=3)
    return house


def first() -> SubjectVersion:
    return SubjectVersion("v1", twins()[0].canonical)


def custom_id(house: House, model: str, index: int) -> str:
    ((digest,),) = house.rows("SELECT DISTINCT request_digest FROM asks WHERE model = $1", model)
    return f"{twins()[0].palette_key}-{digest}-{index:02}"


def send(house: House, model: str, *indices: int, **more: object) -> str:
    """A batch with these analyses of the first twin."""
    name = f"b-{model}-{indices[0]}-{more.get('status', 'submitted')}"
    batch = BatchRecord(
        name, "tagging", "openai", model, "v1", "d", "submitted", len(indices), "-", "emulator", START,
        provider_batch_id=name, submitted_at=START,
    )  # fmt: skip
    requests = [RequestRecord(name, custom_id(house, model, index), first().subject, index) for index in indices]
    with house.warehouse.write() as connection:
        insert_intent(connection, replace(batch, **more), requests)
    return name


def store(house: House, model: str, index: int, batch: str, **said: object) -> None:
    row = TagRecord(
        first().subject,
        "v1",
        "openai",
        model,
        index,
        custom_id(house, model, index),
        "succeeded",
        START,
        batch_id=batch,
    )
    with house.warehouse.write() as connection:
        record_tags(connection, [replace(row, **said)])


def standings(house: House, partition: SubjectVersion) -> dict[tuple[str, int], RequestState]:
    with house.warehouse.read() as connection:
        return {(one.model, one.analysis_index): standing_of(one) for one in tagging_inquiries(connection, partition)}


def test_every_way_in_which_a_request_can_stand(house: House) -> None:
    one, two, three = MODELS
    sent = send(house, one, 0, 1, 2)
    house.write("UPDATE batch_requests SET fate = 'succeeded' WHERE analysis_index < 2")
    store(house, one, 0, sent)
    store(house, one, 1, sent, fate="refused", error="The model declined.")
    late = send(house, two, 0, status="collected")
    house.write("UPDATE batch_requests SET fate = 'expired' WHERE batch_id = $1", late)
    send(house, two, 1, status="deferred", error="The queue is full.")
    house.write("UPDATE asks SET state = 'stopped', reason = 'No such model.' WHERE model = $1", three)

    assert standings(house, first()) == {
        (one, 0): RequestState("answered", None),
        (one, 1): RequestState("failed", "refused: The model declined."),
        (one, 2): RequestState("under way", f"in batch {sent} since 2026-11-20 12:00 UTC"),
        (two, 0): RequestState("waiting", f"expired in batch {late}, and due again"),
        (two, 1): RequestState("waiting", "put off by the provider: The queue is full."),
        (two, 2): RequestState("waiting", "asked, not sent yet"),
        **dict.fromkeys([(three, index) for index in range(3)], RequestState("stopped", "No such model.")),
    }

    house.write("UPDATE asks SET retry_from = $1 WHERE model = $2", house.clock.wind(minutes=5), one)
    house.write(
        """
        INSERT INTO budget_holds BY NAME
        SELECT 'tagging' AS purpose, 'openai' AS provider, $1 AS model, 'v1' AS prompt_version, 3 AS requests,
               'No money left.' AS reason, now() AS held_at
        """,
        two,
    )
    found = standings(house, first())
    assert found[one, 1] == RequestState("waiting", "refused before, and asked again")
    assert {found[two, index] for index in range(3)} == {RequestState("waiting", "No money left.")}


def test_who_answered_with_something_unusable_was_not_stopped() -> None:
    """A refused refinement stops its ask, so that nobody asks again by itself: the model answered all the same."""
    refused = Inquiry(
        provider="anthropic",
        model="opus",
        analysis_index=0,
        state="stopped",
        reason="It declined.",
        fate="refused",
        error="It declined.",
        again=False,
        carrier=None,
        held=None,
        shared_from=None,
    )
    assert standing_of(refused) == RequestState("failed", "refused: It declined.")
    for other in (replace(refused, fate=None), replace(refused, fate="errored"), replace(refused, again=True)):
        assert standing_of(other) == RequestState("stopped", "It declined.")


def test_an_answer_of_equal_colours_says_whose_it_is_and_costs_nothing(house: House) -> None:
    batch = send(house, MODELS[0], 0, status="collected")
    house.write("UPDATE batch_requests SET fate = 'succeeded', cost_usd = 0.25, cost_basis = 'reported'")
    store(house, MODELS[0], 0, batch, mood=("calm",))
    with house.warehouse.write() as connection:
        share_answers(connection, TAGGING)
    other = SubjectVersion("v1", twins()[1].canonical)
    assert standings(house, other)[MODELS[0], 0] == RequestState(
        "answered", f"taken over from {first().subject} under v1, which was asked the same"
    )
    with house.warehouse.read() as connection:
        assert costs_of(connection, other) == []
        (cost,) = costs_of(connection, first())
    assert (cost.purpose, cost.model, cost.basis, cost.requests, cost.cost_usd) == (
        "tagging", MODELS[0], "reported", 1, Decimal("0.25"),
    )  # fmt: skip


def test_the_nearest_palette_has_the_same_colours_or_almost_the_same_seed(house: House) -> None:
    plain, turned = twins()
    house.write("DELETE FROM palettes WHERE seed = $1", turned.canonical)
    slip = f"{palette(1).canonical[:-1]}_"
    with house.warehouse.read() as connection:
        assert nearest_palette(connection, turned.canonical, turned.palette_key, 3) == plain.canonical
        assert nearest_palette(connection, slip, "other", 3) == palette(1).canonical
        assert nearest_palette(connection, slip[::-1], "other", 3) is None
        assert versions_asked(connection, plain.canonical) == ["v1"]
        assert versions_asked(connection, palette(1).canonical) == []
        assert refinement_inquiry(connection, first()) is None
