"""Edits as Dagster shows them: partitions, metadata, checks, jobs."""

from __future__ import annotations

import dagster as dg

from grabient_assets.definitions import grabient
from grabient_assets.groups.images.checks import chain_checks, edit_checks
from grabient_assets_tests.groups.edits.place import REGION, Edits

CHECKS = {check.spec.name: check for check in (*edit_checks, *chain_checks)}
REFUSED = {"match": {"route": "answer"}, "action": {"do": "refuse_output"}}


def plant(edits: Edits, statement: str, *values: object) -> None:
    with edits.warehouse.write() as connection:
        connection.execute(statement, list(values))


def test_a_done_edit_is_green_with_pictures_and_measures(edits: Edits) -> None:
    edit_id = edits.ask(edits.add().image_id, mask=REGION)
    edits.drive()
    assert edits.green("edit_requests") == edits.green("edited_images") == {edit_id}
    event = edits.instance.get_latest_materialization_event(dg.AssetKey("edited_images"))
    assert event is not None and event.asset_materialization is not None
    shown = event.asset_materialization.metadata
    for name in ("before", "after"):
        picture = str(shown[name].value)
        assert picture.startswith(f"![{name}](data:image/jpeg;base64,") and len(picture) < 12_000
    assert shown["before"] != shown["after"]
    assert float(str(shown["leak_raw"].value)) > 0 and shown["leak_final"].value == 0
    assert float(str(shown["cost, USD"].value)) == float(edits.edit(edit_id).cost_usd) > 0
    chains = edits.instance.get_latest_materialization_event(dg.AssetKey("image_chains"))
    assert chains is not None and chains.asset_materialization is not None
    assert chains.asset_materialization.metadata["edited images"].value == 1


def test_a_rejected_edit_is_red_and_materializing_it_asks_again(edits: Edits) -> None:
    edit_id = edits.ask(edits.add().image_id)
    edits.emulator.faults(REFUSED)
    edits.drive()
    assert edits.edit(edit_id).status == "rejected"
    assert edits.red("edited_images", "edits") == {edit_id}
    [failure] = [run.failure for run in edits.finished if run.failure]
    assert edit_id in failure and "rejected" in failure and "grabient edits retry" in failure

    edits.emulator.faults()
    job = grabient().resolve_job_def("submit_edits")
    again = job.execute_in_process(partition_key=edit_id, instance=edits.instance)
    assert again.success
    assert edits.edit(edit_id).status == "done"
    assert edits.green("edited_images") == {edit_id}
    assert edits.red("edited_images", "edits") == set()


def test_a_rejected_edit_of_a_batch_is_marked_once(edits: Edits) -> None:
    edit_id = edits.ask(edits.add().image_id, delivery="batch")
    edits.emulator.faults({**REFUSED, "match": {"provider": "openai"}})
    edits.drive()
    assert edits.edit(edit_id).status == "rejected"
    assert edits.red("edited_images", "edits") == {edit_id}
    assert [run.job for run in edits.finished if run.failure] == ["report_edits"]


def test_the_job_cancels_and_says_so(edits: Edits) -> None:
    edit_id = edits.ask(edits.add().image_id)
    assert edits.job("cancel_edit", "cancel_one_edit", {"edit": edit_id[:8]}).success
    assert edits.edit(edit_id).status == "cancelled"
    assert f"Edit {edit_id} is cancelled; nothing was sent." in edits.logged()
    assert edits.job("cancel_edit", "cancel_one_edit", {"edit": edit_id}).success
    assert f"Edit {edit_id} is cancelled already; nothing was changed." in edits.logged()
    assert not edits.job("cancel_edit", "cancel_one_edit", {"edit": "ed_x"}).success


def test_a_batch_of_nothing_but_cancelled_edits_is_stopped_by_the_sensor(edits: Edits) -> None:
    edit_id = edits.ask(edits.add().image_id, delivery="batch")
    edits.emulator.faults({"match": {"provider": "openai"}, "action": {"do": "pending"}})
    edits.send()
    edits.cancel(edit_id)
    edits.drive()
    assert [run.job for run in edits.finished if run.job == "cancel_batch"] == ["cancel_batch"]
    assert edits.rows("SELECT status, outcome FROM batches") == [("collected", "cancelled")]
    assert edits.edit(edit_id).status == "cancelled"


def test_a_run_that_comes_after_the_cancellation_sends_nothing(edits: Edits) -> None:
    """The sensor asked for the run before the person cancelled."""
    edit_id = edits.ask(edits.add().image_id)
    edits.instance.add_dynamic_partitions("edits", [edit_id])
    edits.cancel(edit_id)
    job = grabient().resolve_job_def("submit_edits")
    config = {"ops": {"edit_requests": {"config": {"due": True}}}}
    run = job.execute_in_process(
        partition_key=edit_id, instance=edits.instance, run_config=config, raise_on_error=False
    )
    assert not run.success and edits.edit(edit_id).status == "cancelled" and edits.calls() == 0


def test_what_a_dead_process_left_is_reported(edits: Edits) -> None:
    """Its edit is done in the tables, and no run has said so."""
    edit = edits.made(edits.add().image_id)
    edits.drive()
    assert edits.green("edited_images") == {edit.edit_id}
    assert [run.job for run in edits.finished if run.job != "collect_batch"] == ["report_edits", "report_chains"]


def test_every_check_names_a_bad_row(edits: Edits) -> None:
    root = edits.add()
    a1 = edits.made(root.image_id, mask=REGION)
    a2 = edits.made(a1.edit_id, mask=REGION, prompt="add a tree")

    def found(name: str) -> tuple[int, list[str]]:
        with edits.warehouse.read() as connection:
            finding = CHECKS[name].find(connection)
        return finding.found, list(finding.examples)

    assert {name: found(name)[0] for name in CHECKS} == dict.fromkeys(CHECKS, 0)

    plant(edits, "UPDATE edit_measures SET leak_final = 0.25 WHERE edit_id = $1", a1.edit_id)
    assert found("outside_the_mask_nothing_changed") == (1, [f"{a1.edit_id}: 0.25"])
    plant(edits, "UPDATE images SET width = 512 WHERE image_id = $1", a2.image_id)
    assert found("size_is_kept") == (1, [f"{a2.edit_id}: 512x640 of 1024x640"])
    plant(edits, "UPDATE edit_measures SET noise = 2.5, drift = 0.6 WHERE edit_id = $1", a2.edit_id)
    count, [sentence] = found("chains_do_not_wear")
    assert count == 1 and sentence.startswith(f"{a2.edit_id} (v3): The chain wears out (noise 2.50 times")
    plant(edits, "UPDATE edit_requests SET depth = 5 WHERE edit_id = $1", a2.edit_id)
    assert found("parents_are_there")[1] == [f"{a2.edit_id}: its depth is not one more than that of its parent"]
    plant(edits, "DELETE FROM images WHERE image_id = $1", root.image_id)
    assert [one.partition(": ")[2] for one in found("parents_are_there")[1]] == [
        f"no row of its parent {root.image_id[:12]}",
        f"no row of its root {root.image_id[:12]}",
    ]
