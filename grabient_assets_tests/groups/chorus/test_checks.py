"""Every check of the chorus says no when there is one bad row, and names it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from grabient_assets.groups.chorus.checks import artwork_checks, statement_checks
from grabient_assets.thresholds import Finding
from grabient_assets_tests.groups.chorus.place import FOUR, Chorus

CHECKS = {check.spec.name: check for check in (*statement_checks, *artwork_checks)}


@pytest.fixture
def found(chorus: Chorus) -> Callable[[str], Finding]:
    def look(name: str) -> Finding:
        with chorus.warehouse.read() as connection:
            return CHECKS[name].find(connection)

    return look


def plant(chorus: Chorus, statement: str, *values: object) -> None:
    with chorus.warehouse.write() as connection:
        connection.execute(statement, list(values))


def test_good_groups_pass_and_one_bad_row_of_each_is_named(chorus: Chorus, found: Callable[[str], Finding]) -> None:
    group = chorus.ask(artists=FOUR[:2])
    chorus.settle()
    assert {name: found(name).found for name in CHECKS} == dict.fromkeys(CHECKS, 0)
    assert found("every_artwork_decodes").figures == {"images looked at": 2}
    run = f"{group.group_id}-{FOUR[0]}-00"

    plant(chorus, "UPDATE artist_statements SET words = 400 WHERE run_id = $1", run)
    assert found("statements_keep_to_their_length").examples == [f"{run}: 400 words"]

    plant(chorus, "UPDATE batches SET prompt_digest = 'another' WHERE purpose = 'statement' AND model = $1", FOUR[0])
    assert found("one_prompt_and_brush_in_a_group").examples == [group.group_id]
    plant(chorus, "UPDATE batches SET prompt_digest = $1 WHERE purpose = 'statement'", group.prompt_digest)
    plant(chorus, "UPDATE chorus_groups SET size = '2048x2048'")
    assert found("one_prompt_and_brush_in_a_group").examples == [group.group_id]

    requests = "UPDATE batch_requests SET analysis_index = 7, cost_usd = 0.5 WHERE custom_id = $1"
    plant(chorus, requests, chorus.rows("SELECT custom_id FROM artist_statements WHERE run_id = $1", run)[0][0])
    [example] = found("group_costs_add_up").examples
    assert example.startswith(f"{group.group_id}: runs ") and "ledger 0.5" in example

    [(image_id, key)] = chorus.rows("SELECT i.image_id, object_key FROM images i WHERE subject = $1", run)
    chorus.store.put(key, chorus.store.get(key)[:-40], "image/png")
    broken = found("every_artwork_decodes")
    assert broken.found == 1 and broken.examples[0].startswith(f"{run}: ")
    plant(chorus, "UPDATE images SET removed_at = $1 WHERE image_id = $2", datetime.now(UTC), image_id)
    assert found("every_artwork_decodes").found == 0, "an image that a person removed is not missed"
    plant(chorus, "DELETE FROM images WHERE image_id = $1", image_id)
    assert found("every_artwork_decodes").examples == [f"{run}: the table images has no row of its image"]
