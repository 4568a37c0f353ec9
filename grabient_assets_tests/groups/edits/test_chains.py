"""Chains of edits: parents, labels, paths and dollars."""

from __future__ import annotations

import numpy as np

from grabient_assets_tests.groups.edits.place import REGION, Edits


def test_an_edit_changes_the_region_and_nothing_beyond_its_band(edits: Edits) -> None:
    root = edits.add()

    edit = edits.made(root.image_id, mask=REGION)

    before, after = edits.pixels(root.image_id), edits.pixels(edit.image_id)
    assert after.shape == before.shape
    assert (before[160:480, 256:768] != after[160:480, 256:768]).any(axis=2).mean() > 0.5
    differs = (before != after).any(axis=2)
    differs[160 - 5 : 480 + 5, 256 - 5 : 768 + 5] = False
    assert not differs.any()
    measures = edits.measures(edit.edit_id)
    assert measures.leak_raw is not None and measures.leak_raw > 0.2
    assert measures.leak_final == 0
    assert edit.cost_usd > 0 and edit.possible_usd == 0
    assert (edit.label, edit.depth, edit.parent_type, edit.stage, edit.percent) == ("v2", 1, "original", "save", 100)


def test_chains_have_labels_depths_and_paths(edits: Edits) -> None:
    root = edits.add()
    a1 = edits.made(root.image_id)
    a2 = edits.made(a1.edit_id, prompt="make it night")
    a3 = edits.made(root.image_id, prompt="make it winter")

    assert [(one.label, one.depth, one.parent_edit) for one in (a1, a2, a3)] == [
        ("v2", 1, None),
        ("v3", 2, a1.edit_id),
        ("v4", 1, None),
    ]
    rows = edits.rows("SELECT label, depth, path, cost_usd FROM image_chains ORDER BY label")
    assert [row[:2] for row in rows] == [("v1", 0), ("v2", 1), ("v3", 2), ("v4", 1)]
    assert rows[2][2] == [root.image_id, a1.image_id, a2.image_id]
    assert rows[2][3] == a1.cost_usd + a2.cost_usd
    assert np.array_equal(edits.pixels(a2.image_id).shape, edits.pixels(root.image_id).shape)


def test_dagster_carries_edits(edits: Edits) -> None:
    root = edits.add()
    direct = edits.ask(root.image_id, mask=REGION)
    batch = edits.ask(root.image_id, delivery="batch")

    edits.drive()

    assert edits.edit(direct).status == "done", edits.edit(direct).error
    assert edits.edit(batch).status == "done", edits.edit(batch).error
    assert edits.green("edited_images") == {direct, batch}
    assert edits.green("edit_requests") == {direct, batch}
    assert edits.edit(batch).cost_usd < edits.edit(direct).cost_usd
    assert [run.ok for run in edits.finished] == [True] * len(edits.finished), [r.reason for r in edits.finished]
