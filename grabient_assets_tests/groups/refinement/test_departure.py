"""How far a refinement is from the consensus, by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from grabient_assets.groups.refinement.explaining import departures
from grabient_assets.groups.refinement.refined import RefinedRecord
from grabient_assets.groups.tagging.answers import CATEGORICAL_FIELDS, LIST_FIELDS
from grabient_assets.groups.tagging.consensus import Consensus, Vote

VOTES = dict.fromkeys((*CATEGORICAL_FIELDS, *LIST_FIELDS), ()) | {
    "temperature": (Vote("cool", 3, 0.75), Vote("warm", 1, 0.25)),
    "contrast": (Vote("low", 4, 1.0),),
    "mood": (
        Vote("cosy", 4, 1.0),
        Vote("red", 3, 0.75, contradicted=True),
        Vote("calm", 2, 0.5),
        Vote("misty", 1, 0.25),
    ),
}
REFINED = RefinedRecord(
    "s", "v1", "v1", "opus", "c", "succeeded", "d", datetime(2026, 11, 1, tzinfo=UTC),
    temperature="warm", contrast="low", mood=("cozy", "misty", "quiet"),
)  # fmt: skip


def test_what_was_kept_added_and_left_out() -> None:
    """Mood: {cosy, misty, quiet} beside the three strongest {cosy, calm, misty}: 2 of 4 shared, neither holds the
    other, 1 - 2/4 * 1/3. Behind the words stand all, a quarter and none of the models: 5/12."""
    found = {one.field: one for one in departures(REFINED, Consensus(4, 8, VOTES))}
    assert "harmony" not in found and len(found) == 9
    warm, low, mood = found["temperature"], found["contrast"], found["mood"]
    assert (warm.refined, warm.kept, warm.left_out, warm.support, warm.distance) == (
        ("warm",),
        ("warm",),
        ("cool",),
        0.25,
        1,
    )
    assert (low.kept, low.added, low.left_out, low.support, low.distance) == (("low",), (), (), 1.0, 0.0)
    assert (mood.kept, mood.added, mood.left_out) == (("cozy", "misty"), ("quiet",), ("calm",))
    assert mood.support == pytest.approx(5 / 12) and mood.distance == pytest.approx(1 - 2 / 4 / 3)
    assert (found["seasonal"].refined, found["seasonal"].distance) == ((), 0.0)
