"""The API of the source document: form fields, 201 with a job_id, messages over a real WebSocket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from grabient_assets.groups.chorus.runs import runs_of
from grabient_assets.groups.images.images import remove_images
from grabient_assets.headless.edit_documents import refinements_document
from grabient_assets_tests.groups.edits.place import Edits, edits_in, picture, png
from grabient_assets_tests.groups.place import now
from grabient_assets_tests.hanging import HANGING_SECONDS
from grabient_assets_tests.studio.edits_place import held, served
from grabient_assets_tests.studio.planted_chorus import GROUP, plant_chorus


class Api:
    """A program that uses the API over HTTP and sockets."""

    def __init__(self, edits: Edits, url: str, token: str) -> None:
        self.edits, self.url, self.token = edits, url, token

    def refine(self, run_id: str, files: dict[str, Any] | None = None, **fields: str) -> httpx.Response:
        data = {"token": self.token, "refine_type": "prompt", "parent_image_id": "original_0", "prompt": "x", **fields}
        url = f"{self.url}/api/v1/runs/{run_id}/refine"
        return httpx.post(url, data=data, files=files, timeout=HANGING_SECONDS)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=HANGING_SECONDS)

    def listen(self, job_id: str, **headers: str) -> ClientConnection:
        address = f"{self.url.replace('http', 'ws')}/api/v1/ws/{job_id}"
        return connect(address, additional_headers=headers, proxy=None, open_timeout=HANGING_SECONDS)

    def job(self, answer: httpx.Response) -> str:
        assert answer.status_code == 201, answer.text
        return answer.json()["job_id"]


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    with edits_in(tmp_path, monkeypatch) as edits, served(edits) as (url, studio):
        yield Api(edits, url, studio.token)


def test_a_refinement_is_asked_and_followed_until_it_is_done(api: Api) -> None:
    root = api.edits.add().image_id
    reference = {"reference_image": ("r.png", png(picture(64, 64, 3)), "image/png")}
    job = api.job(
        api.refine(
            root,
            reference,
            refine_type="subject",
            instructions="as there",
            parent_image_type="original",
            generation_index="0",
            mask_data=json.dumps({"x": 256, "y": 160, "width": 512, "height": 320}),
            creativity_level="3",
        )
    )
    with api.listen(job) as socket:
        first = json.loads(socket.recv(HANGING_SECONDS))
        assert (first["type"], first["job_id"], first["stage"], first["percent"]) == ("progress", job, "prepare", 0)
        with held(api.edits):
            second = json.loads(socket.recv(HANGING_SECONDS))
            assert (second["type"], second["stage"]) == ("progress", "send") and second["percent"] >= 20
        messages = [json.loads(text) for text in socket]
    with pytest.raises(ConnectionClosed):
        socket.recv(0)
    assert socket.close_code == 1000
    assert {one["type"] for one in messages[:-1]} <= {"progress"}
    last, edit = messages[-1], api.edits.edit(job)
    assert (last["type"], last["percent"], last["cost_usd"]) == ("completed", 100, float(edit.cost_usd))
    assert last["image_path"] == f"refinements/{job}_from_0.png" and last["message"] == "Done."
    assert api.get(last["image_url"]).headers["content-type"] == "image/png"
    assert (edit.kind, edit.instructions, edit.creativity, edit.label) == ("subject", "as there", 3, "v2")
    assert api.edits.rows("SELECT mask_box FROM edit_inputs") == [([256, 160, 512, 320],)]
    assert edit.reference_image is not None


def test_refinements_of_a_run_are_the_document_of_the_export(api: Api) -> None:
    root = api.edits.add().image_id
    first = api.job(api.refine(root))
    api.edits.settle()
    second = api.job(api.refine(root, parent_image_id=first, parent_image_type="refinement", prompt="night"))
    api.edits.settle()
    listed = api.get(f"/api/v1/runs/{root}/refinements").json()
    with api.edits.warehouse.read() as connection:
        assert listed == {"run_id": root, **refinements_document(connection, [root])}
    assert [(one["job_id"], one["parent_image_id"]) for one in listed["refinements"]] == [
        (first, "original_0"),
        (second, first),
    ]
    assert listed["refinements"][1]["image_path"] == f"refinements/{second}_from_{first}.png"
    assert listed["total_refinements"] == 2
    assert api.get("/api/v1/runs/nobody/refinements").status_code == 404


@pytest.mark.parametrize(
    ("mask", "box"),
    [
        ("[0.25, 0.25, 0.5, 0.5]", [256, 160, 512, 320]),
        ("[256, 160, 512, 320]", [256, 160, 512, 320]),
        ('{"x": 0.25, "y": 0.25, "width": 0.5, "height": 0.5}', [256, 160, 512, 320]),
        ('{"x": 10, "y": 20, "w": 30, "h": 40}', [10, 20, 30, 40]),
        ("[0, 0, 1024, 640]", [0, 0, 1024, 640]),
        ("", None),
        ("null", None),
    ],
)
def test_a_mask_is_read_as_fractions_or_pixels(api: Api, mask: str, box: list[int] | None) -> None:
    api.job(api.refine(api.edits.add().image_id, mask_data=mask))
    assert api.edits.rows("SELECT mask_box FROM edit_inputs") == [(box,)]


@pytest.mark.parametrize(
    ("fields", "kind", "words"),
    [
        ({"refine_type": "colour"}, "unexpected_error", "subject, text, prompt"),
        ({"refine_type": ""}, "unexpected_error", "subject, text, prompt"),
        ({"refine_type": "subject"}, "no_reference_image", "reference image"),
        ({"prompt": ""}, "unexpected_error", "needs words"),
        ({"prompt": "x" * 4_001}, "too_large", "4,001"),
        ({"creativity_level": "9"}, "unexpected_error", "1 (subtle)"),
        ({"creativity_level": "much"}, "unexpected_error", "1 (subtle)"),
        ({"generation_index": "1"}, "unexpected_error", "no image 1"),
        ({"generation_index": "-1"}, "unexpected_error", "from 0 on"),
        ({"parent_image_id": "original_7"}, "unexpected_error", "no image 7"),
        ({"parent_image_id": "ed_nobody"}, "unexpected_error", "ed_nobody"),
        ({"parent_image_type": "refinement"}, "unexpected_error", "job_id"),
        ({"parent_image_type": "other"}, "unexpected_error", "original or refinement"),
        ({"mask_data": "[1, 2]"}, "bad_mask", "no region"),
        ({"mask_data": "here"}, "bad_mask", "no region"),
        ({"mask_data": '{"x": 1}'}, "bad_mask", "no region"),
        ({"mask_data": "[" * 100_000}, "bad_mask", "no region"),
        ({"mask_data": "[NaN, 0, 1, 1]"}, "bad_mask", "inside the picture"),
        ({"mask_data": "[0, 0, 2000, 100]"}, "bad_mask", "inside the picture"),
        ({"max_usd": "0.0001"}, "unexpected_error", "Nothing was asked"),
    ],
)
def test_what_is_refused_asks_nothing(api: Api, fields: dict[str, str], kind: str, words: str) -> None:
    refused = api.refine(api.edits.add().image_id, None, **fields)
    assert refused.status_code == (413 if kind == "too_large" else 422)
    assert refused.json()["error_kind"] == kind and words in refused.json()["error"], refused.text
    assert api.edits.rows("SELECT count(*) FROM edit_requests") == [(0,)] and api.edits.calls() == 0


def test_images_of_a_chorus_are_counted_from_0(api: Api) -> None:
    plant_chorus(api.edits.folder)
    with api.edits.warehouse.read() as connection:
        runs = runs_of(connection, [GROUP])
    for run in runs:  # those that are planted are smaller than an editor takes, and all alike in size
        index = str(runs.index(run))
        answer = api.refine(GROUP, generation_index=index, parent_image_id=f"original_{index}")
        if run.image_id is None:
            assert answer.status_code == 422 and f"no image {index}" in answer.json()["error"]
            continue
        edit = api.edits.edit(api.job(answer))
        assert (edit.root_image, edit.run_id, edit.generation_index) == (run.image_id, run.run_id, int(index))
        again = api.edits.edit(api.job(api.refine(run.run_id, parent_image_id=f"original_{index}")))
        assert again.root_image == run.image_id
    listed = api.get(f"/api/v1/runs/{GROUP}/refinements").json()
    assert listed["total_refinements"] == 2 * sum(run.image_id is not None for run in runs) == 8
    other = api.edits.add().image_id
    strange = api.refine(GROUP, parent_image_id=other)
    assert strange.status_code == 422 and "does not belong to the run" in strange.json()["error"]
    assert api.refine("rg_nobody").status_code == 404


def test_a_cancelled_refinement_ends_its_socket(api: Api) -> None:
    job = api.job(api.refine(api.edits.add().image_id))
    with held(api.edits), api.listen(job) as socket:
        assert json.loads(socket.recv(HANGING_SECONDS))["stage"] == "send"
        headers = {"X-Grabient-Token": api.token}
        answer = httpx.post(f"{api.url}/api/v1/refinements/{job}/cancel", headers=headers, timeout=HANGING_SECONDS)
        assert answer.json()["cancelled"] is True
        [*_, last] = [json.loads(text) for text in socket]
    assert (last["type"], last["error_kind"], socket.close_code) == ("cancelled", "cancelled", 1000)
    assert last["possible_usd"] > 0 and "possibly billed" in last["message"]


def test_a_failed_refinement_says_why_and_a_removed_parent_too(api: Api) -> None:
    root = api.edits.add()
    job = api.job(api.refine(root.image_id))
    api.edits.emulator.faults({"match": {"route": "answer"}, "action": {"do": "refuse_output"}})
    api.edits.settle()
    with api.listen(job) as socket:
        [message] = [json.loads(text) for text in socket]
    assert (message["type"], message["error_kind"], message["retryable"]) == ("failed", "refused", True)
    with api.edits.warehouse.write() as connection:
        remove_images(connection, [root.image_id], now())
    refused = api.refine(root.image_id)
    assert (refused.status_code, refused.json()["error_kind"]) == (422, "parent_removed")
    unfinished = api.refine(root.image_id, parent_image_id=job)
    assert unfinished.status_code == 422 and "is rejected, so it has no image" in unfinished.json()["error"]


def test_a_socket_for_nothing_or_from_elsewhere_is_closed(api: Api) -> None:
    with api.listen("ed_nobody") as socket, pytest.raises(ConnectionClosed):
        socket.recv(HANGING_SECONDS)
    assert socket.close_code == 4404 and "There is no edit 'ed_nobody'" in (socket.close_reason or "")
    job = api.job(api.refine(api.edits.add().image_id))
    with pytest.raises(InvalidStatus, match="403"):
        api.listen(job, Origin="http://evil.example")
    with api.listen(job, Origin=api.url) as socket:
        assert json.loads(socket.recv(HANGING_SECONDS))["type"] == "progress"
        socket.send("what it is told means nothing")


def test_an_upload_is_the_run_of_its_own_image(api: Api) -> None:
    file = BytesIO()
    Image.new("RGB", (900, 700), "#204060").save(file, "PNG")
    sent = {"file": ("a.png", file.getvalue(), "image/png")}
    added = httpx.post(f"{api.url}/images", data={"token": api.token}, files=sent, timeout=HANGING_SECONDS)
    assert added.status_code == 201, added.text
    image = added.json()["image_id"]
    job = api.job(api.refine(image, mask_data="[90, 70, 450, 350]"))
    assert api.edits.edit(job).root_image == image
    assert api.edits.rows("SELECT mask_pixels FROM edit_inputs") == [(450 * 350,)]


def test_the_end_of_the_studio_ends_what_follows_an_edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with edits_in(tmp_path, monkeypatch) as edits:
        edit_id = edits.ask(edits.add().image_id)
        with served(edits) as (url, studio):
            api = Api(edits, url, studio.token)
            stream = httpx.stream("GET", f"{url}/edits/{edit_id}/events", timeout=HANGING_SECONDS)
            socket = api.listen(edit_id)
            answer = stream.__enter__()
            lines = answer.iter_lines()
            assert next(lines).startswith("retry: ")
            json.loads(socket.recv(HANGING_SECONDS))
        assert [line for line in lines if line.startswith("data: ")], "it ended, and not in the middle"
        stream.__exit__(None, None, None)
        with pytest.raises(ConnectionClosed):
            socket.recv(HANGING_SECONDS)
        assert socket.close_code in (1001, 1012)
