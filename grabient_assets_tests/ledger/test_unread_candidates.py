"""A candidate whose results take longer than a sensor's tick may take: the tick leaves the decision to a run."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from grabient_assets.ledger.poll import poll_batches
from grabient_assets.providers.contract import BatchState
from grabient_assets_tests.ledger.house import House
from grabient_assets_tests.ledger.orphans import adopt, only, orphan
from grabient_assets_tests.ledger.scripted_provider import ScriptedProvider


@dataclass
class SlowToTell(ScriptedProvider):
    """Holds an ended batch of somebody else; `hurried`, nobody gets its results whole."""

    hurried: bool = True

    def find(
        self,
        label: str,
        custom_ids: Collection[str],
        submitted_after: datetime | None,
        request_count: int,
        input_file_id: str | None = None,
        accounted: Collection[str] = (),
    ) -> list[BatchState]:
        if not self.hurried:
            return []
        state = BatchState("openai-9", "ended", "ended", outcome="completed", total=request_count)
        return [state, replace(state, provider_batch_id="openai-8", unread=True)]


def test_the_run_decides_what_a_tick_has_no_time_for(house: House) -> None:
    provider = SlowToTell(clock=house.clock)
    batch = orphan(house, provider, arrived=False)
    assert poll_batches([batch], provider.connect, house.warehouse, house.clock).ready == {batch.batch_id}
    assert adopt(house, provider, batch) == batch, "whoever has no more time either, changes nothing"
    provider.hurried = False
    assert adopt(house, provider, batch).missed_at == house.clock()
    assert only(house).status == "intended"
