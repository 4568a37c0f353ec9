"""A queue that is too small for a batch gets smaller ones, until one goes through."""

from __future__ import annotations

import pytest

from grabient_assets.ledger import batches
from grabient_assets.ledger.send import send_requests
from grabient_assets_tests.ledger.collecting import collect
from grabient_assets_tests.ledger.house import House
from grabient_assets_tests.ledger.scripted_provider import ScriptedProvider
from grabient_assets_tests.ledger.sending import ORDER, requests

IDS = [f"r-{number:03d}" for number in range(200)]


def send(house: House, provider: ScriptedProvider) -> list[int]:
    """Send what has no answer yet of the 200; the sizes of the batches."""
    house.clock.wind(hours=1)
    answered = {row[0] for row in house.rows("SELECT custom_id FROM batch_requests WHERE fate = 'succeeded'")}
    due = [one for one in IDS if one not in answered]
    sent = send_requests(ORDER, requests(*due), provider, house.warehouse, house.store, house.clock)
    return [one.batch.request_count for one in sent.batches]


def end(house: House, provider: ScriptedProvider, room: int) -> None:
    """Every batch ends, answered, or refused when it is larger than the room in the queue."""
    for batch_id, known, count in house.rows(
        "SELECT batch_id, provider_batch_id, request_count FROM batches WHERE status = 'submitted' ORDER BY intended_at"
    ):
        if count > room:
            provider.end(known, [], "failed", error_code="token_limit_exceeded", error="Enqueued token limit reached")
        else:
            provider.end(known)
        with house.warehouse.read() as connection:
            found = batches.batch(connection, batch_id)
        assert found is not None
        collect(house, provider, found)


def test_a_batch_too_large_for_the_queue_is_halved_until_it_goes_through(
    house: House, provider: ScriptedProvider
) -> None:
    sizes: list[list[int]] = []
    for _ in range(6):
        sizes.append(send(house, provider))
        end(house, provider, room=60)
    assert sizes == [[200], [200], [100, 100], [50, 50, 50, 50], [], []]
    assert house.rows("SELECT count(*) FROM batch_requests WHERE fate = 'succeeded'") == [(200,)]


def test_what_went_through_is_the_measure_for_a_day(house: House, provider: ScriptedProvider) -> None:
    for _ in range(4):
        send(house, provider)
        end(house, provider, room=60)
    house.write("UPDATE batch_requests SET fate = 'missing' WHERE fate = 'succeeded'")
    assert send(house, provider) == [50, 50, 50, 50]
    house.write("DELETE FROM batches WHERE status = 'submitted'")
    house.clock.wind(days=1)
    assert send(house, provider) == [200]


@pytest.mark.parametrize("refused", [1, 2])
def test_a_queue_full_of_our_own_batches_says_nothing_about_their_size(
    house: House, provider: ScriptedProvider, refused: int
) -> None:
    house.clock.wind(hours=1)
    send_requests(ORDER, requests("other"), provider, house.warehouse, house.store, house.clock)
    [(other,)] = house.rows("SELECT provider_batch_id FROM batches")
    for _ in range(refused):
        assert send(house, provider) == [200]
        open_ones = "SELECT provider_batch_id FROM batches WHERE status = 'submitted' AND request_count > 1"
        [(known,)] = house.rows(open_ones)
        provider.end(known, [], outcome="failed", error_code="token_limit_exceeded")
        house.write(
            "UPDATE batches SET status = 'deferred', outcome = 'failed', ended_at = ? WHERE provider_batch_id = ?",
            house.clock(),
            known,
        )
        assert other != known
    assert send(house, provider) == [200]


def test_no_batch_is_cut_into_crumbs(house: House, provider: ScriptedProvider) -> None:
    sizes: list[list[int]] = []
    for _ in range(7):
        sizes.append(send(house, provider)[:2])
        end(house, provider, room=0)
    assert sizes == [[200], [200], [100, 100], [50, 50], [25, 25], [20, 20], [20, 20]]
