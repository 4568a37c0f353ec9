"""What becomes of an edit whose editor refuses, fails, is late, or whose process is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Any

import pytest

from grabient_assets.errors import UsageError
from grabient_assets.groups.edits.asking import EditRefusedError
from grabient_assets.groups.edits.purpose import EDIT
from grabient_assets.groups.edits.tables import Edit
from grabient_assets.groups.images.images import delete_contents, remove_images
from grabient_assets.groups.purposes import PURPOSES, reader_of
from grabient_assets.ledger.reparse import reparse_batches
from grabient_assets.ledger.submission import Submission, submit_due
from grabient_assets.providers.connect import line_reader
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets.settings import PROVIDERS
from grabient_assets_tests.groups.edits.edit_sender import STEPS
from grabient_assets_tests.groups.edits.place import REGION, Edits, picture, png
from grabient_assets_tests.groups.place import now


def faulty(edits: Edits, action: dict[str, Any], **wish: Any) -> Edit:
    """An edit whose answer this fault spoils."""
    edit_id = edits.ask(edits.add().image_id, **wish)
    edits.emulator.faults({"match": {"route": "answer"}, "action": action})
    edits.send()
    return edits.edit(edit_id)


@pytest.mark.parametrize(
    ("action", "status", "kind", "retryable", "words"),
    [
        ({"do": "refuse_input"}, "rejected", "refused", False, "safety system"),
        ({"do": "refuse_output"}, "rejected", "refused", True, "safety system"),
        ({"do": "no_image"}, "failed", "api_empty_data", True, "no image"),
        ({"do": "garbage"}, "failed", "invalid_image_data", True, "neither PNG nor JPEG"),
        ({"do": "truncate"}, "failed", "invalid_image_data", True, "cut off"),
        ({"do": "drop_after_accept"}, "failed", "api_no_response", True, "may have been billed"),
        ({"do": "resize", "size": "1024x1024"}, "failed", "invalid_image_data", True, "1024"),
    ],
)
def test_each_failure_has_a_kind_and_a_sentence(
    edits: Edits, action: dict[str, Any], status: str, kind: str, retryable: bool, words: str
) -> None:
    edit = faulty(edits, action)
    assert (edit.status, edit.error_kind, edit.retryable) == (status, kind, retryable)
    assert edit.error is not None and words in edit.error
    assert edit.image_id is None
    assert len(edits.stored("images")) == 1
    assert edits.calls() == 1


def test_an_answer_of_another_size_is_scaled_or_under_a_strict_policy_refused(edits: Edits) -> None:
    scaled = faulty(edits, {"do": "resize", "factor": 0.5})
    assert scaled.status == "done"
    assert edits.pixels(scaled.image_id).shape == edits.pixels(scaled.parent_image).shape
    [(changes,)] = edits.rows("SELECT changes FROM edited_images")
    assert any("512 x 320 instead of 1024 x 640" in change for change in changes)
    strict = faulty(edits, {"do": "resize", "factor": 0.5}, strict_size=True)
    assert (strict.status, strict.error_kind) == ("failed", "invalid_image_data")
    assert strict.error is not None and "kept strictly" in strict.error


def test_a_call_that_takes_too_long_is_a_timeout(edits: Edits) -> None:
    edit_id = edits.ask(edits.add().image_id)
    edits.emulator.faults({"match": {"route": "answer"}, "action": {"do": "hold", "seconds": 60}})
    with ProvidersResource().connect("openai", 1.0) as at:
        submit_due(EDIT, Submission(at, PURPOSES, edits.warehouse, edits.store, now), among=[edit_id])
    edit = edits.edit(edit_id)
    assert (edit.status, edit.error_kind, edit.retryable) == ("failed", "timeout", True)
    assert edit.possible_usd > 0 and edit.cost_usd == 0
    assert "no whole answer within 1 seconds" in (edit.error or "")


def test_a_wrong_key_stops_and_says_so(edits: Edits) -> None:
    edit = faulty(edits, {"do": "status", "status": 401})
    assert (edit.status, edit.error_kind, edit.retryable) == ("failed", "auth_error", True)
    assert "Check the API key" in (edit.error or "")


def test_a_busy_provider_keeps_the_edit_waiting(edits: Edits) -> None:
    edit = faulty(edits, {"do": "status", "status": 429, "retry_after": 30})
    assert (edit.status, edit.error, edit.cost_usd, edit.possible_usd) == ("requested", None, 0, 0)


@pytest.mark.parametrize(
    ("wish", "kind", "words"),
    [
        ({"kind": "subject", "instructions": "mend"}, "no_reference_image", "--reference FILE"),
        ({"kind": "text"}, "unexpected_error", None),
        ({"prompt": "  "}, "unexpected_error", "needs words"),
        ({"prompt": "x" * 4_001}, "too_large", "4,001 characters"),
        ({"kind": "colour"}, "unexpected_error", "subject, text, prompt"),
        ({"creativity": 4}, "unexpected_error", "1 (subtle)"),
        ({"mask": b"no picture"}, "bad_mask", "unknown kind"),
        ({"mask": png(picture(16, 16))}, "bad_mask", "black and white"),
        ({"mask": png(picture(500, 640).convert("1"))}, "bad_mask", "500 x 640"),
        ({"reference": ("x.gif", b"GIF89a")}, "invalid_image_data", "GIF"),
    ],
)
def test_what_is_refused_at_the_door_costs_nothing(
    edits: Edits, wish: dict[str, Any], kind: str, words: str | None
) -> None:
    root = edits.add()
    if words is None:
        wish = {**wish, "prompt": None}
    with pytest.raises(EditRefusedError) as refused:
        edits.ask(root.image_id, **wish)
    assert refused.value.kind == kind
    assert (words or "needs words") in str(refused.value)
    assert edits.rows("SELECT count(*) FROM edit_requests") == [(0,)]
    assert edits.calls() == 0


def test_a_removed_parent_is_a_tombstone(edits: Edits) -> None:
    root = edits.add()
    a1 = edits.made(root.image_id)
    a2 = edits.made(a1.edit_id)
    waiting = edits.ask(a1.edit_id)
    with edits.warehouse.write() as connection:
        gone = remove_images(connection, [str(a1.image_id)], now())
    delete_contents(edits.store, gone)

    assert edits.made(a2.edit_id).depth == 3
    with pytest.raises(EditRefusedError, match="was removed") as refused:
        edits.ask(a1.edit_id)
    assert refused.value.kind == "parent_removed"
    calls = edits.calls()
    edits.send()
    late = edits.edit(waiting)
    assert (late.status, late.error_kind, late.retryable, edits.calls()) == ("failed", "parent_removed", False, calls)
    assert edits.rows("SELECT label, removed FROM image_chains ORDER BY label LIMIT 3") == [
        ("v1", False),
        ("v2", True),
        ("v3", False),
    ]


def test_an_image_that_is_not_there_is_named(edits: Edits) -> None:
    with pytest.raises(UsageError, match="There is no image 'nothing'"):
        edits.ask("nothing")


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_the_same_image_comes_without_a_new_call(edits: Edits, step: str) -> None:
    edit_id = edits.ask(edits.add().image_id, mask=REGION)
    ended = subprocess.run([sys.executable, "-m", "grabient_assets_tests.groups.edits.edit_sender", step], check=False)
    assert ended.returncode == -signal.SIGKILL

    edits.collect([row[0] for row in edits.rows("SELECT batch_id FROM batches WHERE status = 'intended'")])
    edits.settle()

    edit = edits.edit(edit_id)
    assert (edit.status, edits.calls()) == ("done", 1)
    assert edits.measures(edit_id).leak_final == 0
    assert edits.rows("SELECT count(*), count(DISTINCT image_id) FROM images WHERE made_by = 'edit'") == [(1, 1)]
    assert len(edits.stored("images")) == 2
    reader = reader_of(edits.warehouse, edits.store)
    reparsed = reparse_batches([], None, edits.warehouse, edits.store, PURPOSES, reader, line_reader, PROVIDERS)
    assert reparsed.answers == 1 and edits.edit(edit_id).image_id == edit.image_id, "stitching is a pure function"
