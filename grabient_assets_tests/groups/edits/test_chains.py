"""Chains of edits: parents, labels, paths and dollars."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from grabient_assets.groups.edits.tables import Edit
from grabient_assets.groups.images.chains import worn_chains
from grabient_assets.headless.edit_replay import replay_wish
from grabient_assets_tests.groups.edits.place import REGION, Edits, picture, png

MANY = 30
"""benchmarks/image_edits.py asks for a hundred."""


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
    assert [run.failure for run in edits.finished] == [None] * len(edits.finished)
    jobs = [run.job for run in edits.finished]
    assert jobs.count("submit_edits") == 2 and jobs.count("report_chains") == 1


def test_a_chain_of_eight_wears_out_and_is_replayed_on_its_root(edits: Edits) -> None:
    root, wishes = (
        edits.add(),
        [f"make the light {word}" for word in ["warm", "cold", "soft", "hard", "low", "high", "red", "blue"]],
    )
    chain, parent = list[Edit](), root.image_id
    for wish in wishes:
        chain.append(edits.made(parent, prompt=wish))
        parent = chain[-1].edit_id

    measured = [edits.measures(edit.edit_id) for edit in chain]
    noise, drift = [float(one.noise or 0) for one in measured], [float(one.drift or 0) for one in measured]
    assert noise == sorted(noise) and drift == sorted(drift) and noise[0] > 0 and drift[0] > 0
    with edits.warehouse.read() as connection:
        finding = worn_chains(connection)
    assert finding.found >= 1 and chain[-1].edit_id in " ".join(finding.examples)

    with edits.warehouse.read() as connection:
        wish = replay_wish(connection, edits.store, chain[-1].edit_id, root.image_id)
    replayed = edits.made(**{name: getattr(wish, name) for name in wish.__dataclass_fields__})
    assert (replayed.depth, replayed.parent_image, replayed.replay_of) == (1, root.image_id, chain[-1].edit_id)
    assert all(word in (replayed.prompt or "") for word in wishes)
    again = edits.measures(replayed.edit_id)
    assert again.noise is not None and again.drift is not None
    assert again.noise < noise[-1] and again.drift < drift[-1]


def test_a_replay_takes_the_regions_together(edits: Edits) -> None:
    root = edits.add()
    left = edits.made(root.image_id, mask=(0.0, 0.0, 0.25, 1.0))
    right = edits.made(left.edit_id, mask=(0.75, 0.0, 0.25, 1.0), prompt="add a tree")
    with edits.warehouse.read() as connection:
        wish = replay_wish(connection, edits.store, right.edit_id, root.image_id)
    replayed = edits.made(**{name: getattr(wish, name) for name in wish.__dataclass_fields__})
    assert edits.rows("SELECT mask_pixels FROM edit_inputs WHERE edit_id = $1", replayed.edit_id) == [
        (1024 * 640 // 2,)
    ]
    differs = (edits.pixels(root.image_id) != edits.pixels(replayed.image_id)).any(axis=2)
    assert differs[:, :256].any() and differs[:, 768:].any() and not differs[:, 300:700].any()


def test_many_edits_of_one_image_asked_at_the_same_time(edits: Edits) -> None:
    root = edits.add(png(picture(832, 800)))
    with ThreadPoolExecutor(8) as threads:
        ids = list(
            threads.map(lambda number: edits.ask(root.image_id, prompt=f"wish {number}", quality="low"), range(MANY))
        )
    edits.settle()
    labels = edits.rows("SELECT label FROM edits WHERE status = 'done'")
    assert sorted(int(label[1:]) for (label,) in labels) == list(range(2, MANY + 2))
    assert len(ids) == edits.calls() == MANY
    [(own,)] = edits.rows("SELECT sum(cost_usd) FROM edits")
    assert [(own,)] == edits.rows("SELECT sum(cost_usd) FROM batch_requests")
    assert [(own,)] == edits.rows("SELECT sum(cost_usd) FROM batches")
