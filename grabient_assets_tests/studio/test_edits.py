"""The pages of images and edits, over edits that the emulator's editors made."""

from __future__ import annotations

import json
import re
import struct
import tempfile
import zlib
from collections.abc import Iterator
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from grabient_assets.groups.edits.asking import ask_edit
from grabient_assets.groups.images.images import MOST_BYTES, delete_contents, remove_images
from grabient_assets.studio import edits_form
from grabient_assets.studio.edits_watch import EVERY_SECONDS
from grabient_assets_tests.groups.edits.place import REGION, Edits, edits_in, picture, png
from grabient_assets_tests.groups.place import now
from grabient_assets_tests.studio.edits_place import flat, held
from grabient_assets_tests.studio.opened import Opened, opened
from grabient_assets_tests.warehouse.holding import held as held_database

TEXT = ",".join(map(str, REGION))


@pytest.fixture
def edits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edits]:
    with edits_in(tmp_path, monkeypatch) as place:
        yield place


@pytest.fixture
def studio(edits: Edits) -> Opened:
    return opened(edits.folder)


def sent(studio: Opened, path: str, data: dict[str, str] | None = None, **files: tuple[str, bytes]) -> Any:
    """The answer to a program that knows the token and says nothing of what it accepts."""
    headers = {"X-Grabient-Token": studio.token}
    return studio.client.post(path, data=data or {}, files=files or None, headers=headers, follow_redirects=False)


def by_browser(studio: Opened, path: str, data: dict[str, str], **files: tuple[str, bytes]) -> Any:
    headers = {"Accept": "text/html,application/xhtml+xml"}
    sent_data = {"token": studio.token, **data}
    return studio.client.post(path, data=sent_data, files=files or None, headers=headers, follow_redirects=False)


def nothing_asked(edits: Edits) -> bool:
    [(asked, requests, calls)] = edits.rows(
        "SELECT (SELECT count(*) FROM asks), (SELECT count(*) FROM edit_requests), (SELECT count(*) FROM batches)"
    )
    return (asked, requests, calls) == (0, 0, 0)


def test_an_image_is_added_once_and_listed(edits: Edits, studio: Opened) -> None:
    content = png(picture())
    first = sent(studio, "/images", file=("../my <b>.png", content))
    assert first.status_code == 201 and first.json()["existing"] is False
    again = sent(studio, "/images", file=("other.png", content))
    assert (again.status_code, again.json()["image_id"], again.json()["existing"]) == (
        200,
        first.json()["image_id"],
        True,
    )
    shown = by_browser(studio, "/images", {}, file=("x.png", content))
    assert shown.status_code == 303
    assert shown.headers["location"].startswith(f"/images/{first.json()['image_id']}?notice=")
    [listed] = studio.json("/images.json")["images"]
    assert (listed["subject"], listed["width"], listed["edits"]) == ("my _b_.png", 1024, 0)
    page = studio.html("/images")
    assert "my _b_.png" in page and "</nav>" in page and ">Images</a>" in page.partition("</nav>")[0]
    assert edits.rows("SELECT count(*) FROM images") == [(1,)]


def _bomb() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


NO_IMAGES = {
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
    "html": b"<!doctype html><script>alert(1)</script>",
    "empty": b"",
    "cut": png(picture())[:2_000],
    "gif": _saved(picture(64, 64), "GIF"),
    "bomb": _bomb(),
    "tiny": _saved(Image.new("RGB", (1, 1)), "PNG"),
}


@pytest.mark.parametrize("kind", NO_IMAGES)
def test_what_is_no_image_is_refused_with_a_sentence(edits: Edits, studio: Opened, kind: str) -> None:
    root = edits.add().image_id
    content = NO_IMAGES[kind]
    answers = [
        sent(studio, "/images", file=("a.png", content)),
        sent(studio, "/edits", {"image": root, "kind": "subject", "instructions": "x"}, reference=("a.png", content)),
        sent(studio, "/edits", {"image": root, "prompt": "x"}, mask_file=("a.png", content)),
    ]
    found = [(one.status_code, one.json()["error_kind"]) for one in answers]
    assert found == [(422, "invalid_image_data"), (422, "invalid_image_data"), (422, "bad_mask")]
    assert all(len(one.json()["error"]) > 20 and one.json()["retryable"] is False for one in answers)
    page = by_browser(studio, "/images", {}, file=("a.png", content))
    assert page.status_code == 422 and "<script>alert" not in page.text and "Add an image" in page.text
    assert nothing_asked(edits) and edits.rows("SELECT count(*) FROM images") == [(1,)]
    stored = [path.name for path in (edits.folder / "objects" / "images").iterdir()]
    assert stored == [f"{root}.png"]


@pytest.mark.parametrize(
    "image",
    [
        _saved(picture(800, 800).convert("P"), "PNG"),
        _saved(picture(800, 800).convert("CMYK"), "JPEG"),
        _saved(picture(800, 800).convert("I;16"), "PNG"),
        _saved(picture(800, 800), "WEBP"),
    ],
)
def test_odd_images_are_taken_and_say_what_was_converted(edits: Edits, studio: Opened, image: bytes) -> None:
    added = sent(studio, "/images", file=("a", image)).json()["image_id"]
    job = sent(studio, "/edits", {"image": added, "prompt": "x"}).json()["job_id"]
    edits.settle()
    found = studio.json(f"/edits/{job}.json")
    assert found["status"] == "done", found["error"]
    page = studio.html(f"/edits/{job}")
    assert all(sentence in page for sentence in found["changes"])


def test_a_file_that_is_too_large_is_refused_while_it_comes(
    edits: Edits, studio: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither the memory nor the folder for temporary files keeps anything of it."""
    spool = tmp_path / "spool"
    spool.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(spool))
    taken = 0

    def body() -> Iterator[bytes]:
        nonlocal taken
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
        for _ in range(60):
            taken += 1
            yield b"x" * 1_000_000
        yield b"\r\n--b--\r\n"

    headers = {"X-Grabient-Token": studio.token, "Content-Type": "multipart/form-data; boundary=b"}
    for path in ("/images", "/edits"):
        answer = studio.client.post(path, content=body(), headers=headers)
        assert (answer.status_code, answer.json()["error_kind"]) == (413, "too_large"), path
    declared = {**headers, "Content-Length": "200000000"}
    assert studio.client.post("/images", content=b"x", headers=declared).status_code == 413
    just = sent(studio, "/edits", {"image": edits.add().image_id}, reference=("a.png", b"x" * (MOST_BYTES + 1)))
    assert (just.status_code, just.json()["error_kind"]) == (413, "too_large")
    assert list(spool.iterdir()) == [] and nothing_asked(edits)


def test_the_price_is_that_of_the_ledger(edits: Edits, studio: Opened) -> None:
    root = edits.add().image_id
    wish = {"image": root, "kind": "prompt", "prompt": "a boat", "mask": TEXT, "quality": "high"}
    told = studio.json("/edits/price", **wish)
    assert nothing_asked(edits)
    assert 0 < Decimal(told["usd"]["low"]) <= Decimal(told["usd"]["expected"]) <= Decimal(told["usd"]["high"])
    job = sent(studio, "/edits", {**wish, "priced": told["priced"]}).json()
    [(estimated, model, quality)] = edits.rows("SELECT estimated_usd, model, quality FROM edit_requests")
    assert Decimal(told["usd"]["expected"]) == estimated == Decimal(job["estimated_usd"])
    assert (told["model"], told["quality"], quality) == (model, "high", "high")
    assert Decimal(studio.json("/edits/price", **{**wish, "delivery": "batch"})["usd"]["expected"]) < estimated
    more = studio.json("/edits/price", **wish, with_reference="1")["usd"]["expected"]
    assert Decimal(more) > estimated
    assert studio.json("/edits/price", **wish, max_usd="0.01")["over"] is True
    for change, kind in (({"mask": "1,1,1,1"}, "bad_mask"), ({"editor": "dall-e-3"}, "unexpected_error")):
        refused = studio.client.get("/edits/price", params={**wish, **change})
        assert (refused.status_code, refused.json()["error_kind"]) == (422, kind)


def test_nothing_is_asked_above_the_price_that_was_shown(edits: Edits, studio: Opened) -> None:
    root = edits.add().image_id
    wish = {"image": root, "kind": "prompt", "prompt": "a boat"}
    priced = studio.json("/edits/price", **wish)["priced"]
    dearer = {**wish, "quality": "high", "priced": priced}
    assert sent(studio, "/edits", dearer).status_code == 409
    shown = by_browser(studio, "/edits", dearer)
    assert shown.status_code == 409 and "it costs more than the price that was shown" in shown.text
    assert sent(studio, "/edits", {**wish, "priced": "cheap"}).status_code == 409
    over = sent(studio, "/edits", {**wish, "max_usd": "0.001"})
    assert over.status_code == 422 and "Nothing was asked" in over.json()["error"]
    assert nothing_asked(edits)


def test_a_browser_without_a_script_confirms_the_price_with_mask_and_reference_kept(
    edits: Edits, studio: Opened
) -> None:
    root = edits.add().image_id
    mask = Image.new("RGBA", (1024, 640), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (0, 0, 100, 50))
    wish = {"image": root, "kind": "subject", "instructions": "as <b>there</b>", "prompt": "of another tab"}
    files = {"reference": ("r.png", png(picture(64, 64, 3))), "mask_file": ("m.png", png(mask))}
    first = by_browser(studio, "/edits", wish, **files)
    assert first.status_code == 200 and nothing_asked(edits)
    assert "as &lt;b&gt;there&lt;/b&gt;" in first.text and "Ask for it, about 0.0" in first.text
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', first.text))
    second = by_browser(studio, "/edits", {**fields, "instructions": wish["instructions"]})
    assert second.status_code == 303, re.findall(r"<p class=.warning.*", second.text)
    [edit_id] = [row[0] for row in edits.rows("SELECT edit_id FROM edit_requests")]
    assert second.headers["location"].partition("#")[2] == edit_id
    edit = edits.edit(edit_id)
    assert (edit.kind, edit.instructions, edit.prompt) == ("subject", wish["instructions"], None)
    assert edit.reference_image is not None and edit.mask_key is not None
    assert edits.rows("SELECT mask_box FROM edit_inputs") == [([0, 0, 100, 50],)]


BAD = {
    "no reference": ({"kind": "subject", "instructions": "x"}, "no_reference_image", "needs a reference image"),
    "no words": ({"kind": "text"}, "unexpected_error", "needs words"),
    "long": ({"prompt": "x" * 4_001}, "too_large", "4,001 characters"),
    "kind": ({"kind": "colour", "prompt": "x"}, "unexpected_error", "subject, text, prompt"),
    "creativity": ({"prompt": "x", "creativity": "4"}, "unexpected_error", "1 (subtle)"),
    "delivery": ({"prompt": "x", "delivery": "pigeon"}, "unexpected_error", "direct or batch"),
    "mask": ({"prompt": "x", "mask": "0,0,2,1"}, "bad_mask", "inside the picture"),
    "empty mask": ({"prompt": "x", "mask": "0,0,0.0001,0.5"}, "bad_mask", "nothing may change"),
    "half a region": ({"prompt": "x", "mask_x": "10"}, "bad_mask", "four numbers"),
    "no numbers": ({"prompt": "x", **dict.fromkeys(edits_form.PERCENTS, "a")}, "bad_mask", "four numbers"),
    "editor": ({"prompt": "x", "editor": "gpt-image-1"}, "unexpected_error", "gpt-image-2.5-flare"),
    "cap": ({"prompt": "x", "max_usd": "-1"}, "unexpected_error", "never below 0"),
    "reference": ({"prompt": "x", "reference": "nobody"}, "unexpected_error", "nobody"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_wish_asks_nothing_and_says_why(edits: Edits, studio: Opened, case: str) -> None:
    wish, kind, words = BAD[case]
    root = edits.add().image_id
    refused = sent(studio, "/edits", {"image": root, **wish})
    assert refused.status_code == (413 if kind == "too_large" else 422)
    assert (refused.json()["error_kind"], words in refused.json()["error"]) == (kind, True), refused.json()
    assert "--" not in refused.json()["error"]
    page = by_browser(studio, "/edits", {"image": root, **wish})
    assert page.status_code == refused.status_code and "data-refused" in page.text
    if "prompt" in wish:
        assert f">{wish['prompt']}</textarea>" in page.text, "what was typed is kept"
    assert nothing_asked(edits)


def test_writes_need_the_token_and_a_page_of_the_studio(edits: Edits, studio: Opened) -> None:
    edit = edits.ask(edits.add().image_id)
    paths = ("/images", "/edits", f"/edits/{edit}/cancel", f"/edits/{edit}/retry", f"/edits/{edit}/replay")
    api = (f"/api/v1/runs/{edit}/refine", f"/api/v1/refinements/{edit}/cancel")
    for path in (*paths, *api):
        assert studio.client.post(path, data={"image": "x"}).status_code == 403, path
        elsewhere = {"X-Grabient-Token": studio.token, "Origin": "http://evil.example"}
        assert studio.client.post(path, data={}, headers=elsewhere).status_code == 403, path
    assert edits.edit(edit).status == "requested"


def test_a_chain_is_a_tree_with_badges_costs_and_measures(edits: Edits, studio: Opened) -> None:
    root = edits.add()
    a1 = edits.made(root.image_id, mask=REGION)
    a2 = edits.made(a1.edit_id, prompt="<script>alert(1)</script>")
    a3 = edits.made(root.image_id, prompt="winter")
    data, page = studio.json(f"/images/{a2.edit_id}.json"), studio.html(f"/images/{a2.image_id}")
    cards = flat(data["tree"])
    assert [(one["label"], one["image_id"]) for one in cards] == [
        ("v1", root.image_id),
        ("v2", a1.image_id),
        ("v3", a2.image_id),
        ("v4", a3.image_id),
    ]
    [first] = data["tree"]
    assert [one["label"] for one in first["children"]] == ["v2", "v4"]
    assert [one["label"] for one in first["children"][0]["children"]] == ["v3"]
    [(cost,)] = edits.rows("SELECT sum(cost_usd) FROM edits")
    assert Decimal(data["total_usd"]) == cost > 0
    assert f'data-total-usd="{data["total_usd"]}"' in page
    shown = re.findall(r'data-label="(v\d)" data-image="([0-9a-f]{64})"', page)
    assert shown == [(one["label"], one["image_id"]) for one in cards]
    assert page.count('<span class="version">v3</span>') == 1 and page.count(">Refine<") == 4
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page
    assert "leak_final 0: beyond mask and feather band" in page
    assert data["compare"]["before"]["label"] == "v2" and data["compare"]["after"]["label"] == "v3"
    assert studio.json(f"/images/{root.image_id[:10]}.json")["compare"]["after"]["label"] == "v4"
    assert data["image_id"] == a2.image_id and studio.client.get("/images/nobody").status_code == 404
    listed = studio.json("/edits.json")
    assert [one["edit_id"] for one in listed["edits"]] == [a3.edit_id, a2.edit_id, a1.edit_id]
    assert Decimal(listed["total_usd"]) == cost and listed["total"] == 3
    assert studio.json("/images.json")["images"][0]["cost_usd"] == data["total_usd"]
    assert "<script>alert" not in studio.html("/edits") + studio.html(f"/edits/{a2.edit_id}")


def test_a_chain_that_wears_out_says_so_and_is_replayed_onto_the_original(edits: Edits, studio: Opened) -> None:
    root = edits.add()
    a1 = edits.made(root.image_id, prompt="first")
    a2 = edits.made(a1.edit_id, prompt="second")
    for noise, worn in ((1.9, 0), (2.1, 1)):
        with edits.warehouse.write() as connection:
            connection.execute("UPDATE edit_measures SET noise = ?, drift = 0.1", [noise])
        assert studio.html(f"/images/{a1.edit_id}").count("data-worn") == worn, (
            "only the second one is at a chain's end"
        )
    page = studio.html(f"/images/{a2.edit_id}")
    assert page.count("data-worn") == 1 and page.count("Replay onto the original") == 1
    price = by_browser(studio, f"/edits/{a2.edit_id}/replay", {"onto": root.image_id})
    assert price.status_code == 200 and "1. first" in price.text and "2. second" in price.text
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', price.text))
    done = by_browser(studio, f"/edits/{a2.edit_id}/replay", fields)
    assert done.status_code == 303
    edit = edits.edit(done.headers["location"].partition("#")[2])
    assert (edit.parent_image, edit.depth, edit.replay_of, edit.status) == (root.image_id, 1, a2.edit_id, "requested")


def test_a_removed_image_is_a_tombstone(edits: Edits, studio: Opened) -> None:
    root = edits.add()
    a1 = edits.made(root.image_id)
    a2 = edits.made(a1.edit_id, prompt="night")
    assert a1.image_id is not None
    with edits.warehouse.write() as connection:
        gone = remove_images(connection, [a1.image_id], now())
    delete_contents(edits.store, gone)
    page, data = studio.html(f"/images/{a2.edit_id}"), studio.json(f"/images/{a1.image_id}.json")
    assert "This image was removed." in page and page.count(">Refine<") == 2, "the root and A2"
    [card] = [one for one in flat(data["tree"]) if one["removed"]]
    assert (card["image_id"], card["file"], card["label"]) == (a1.image_id, None, "v2")
    dead = studio.html(f"/images/{a1.image_id}")
    assert "nothing can be made of it" in dead and "data-refine-form" not in dead
    calls = edits.calls()
    refused = sent(studio, "/edits", {"image": a1.edit_id, "prompt": "x"})
    assert (refused.status_code, refused.json()["error_kind"]) == (422, "parent_removed")
    assert edits.calls() == calls
    edits.made(a2.edit_id, prompt="and stars")


def test_cancel_takes_no_time_and_a_finished_edit_stays(edits: Edits, studio: Opened) -> None:
    edit_id = edits.ask(edits.add().image_id)
    with held(edits) as sending:
        data = studio.json(f"/edits/{edit_id}.json")
        assert (data["status"], data["progress"]["stage"]) == ("sent", "send")
        assert 20 <= data["progress"]["percent"] < 85
        assert 'role="progressbar"' in studio.html(f"/images/{edit_id}")
        answer = sent(studio, f"/edits/{edit_id}/cancel")
        assert answer.status_code == 200 and answer.json()["cancelled"] and answer.json()["changed"]
        assert "possibly billed" in answer.json()["notice"] and answer.json()["possible_usd"] > 0
        sending.join(2.0)
        assert not sending.is_alive(), "the call was let go"
    page = studio.html(f"/images/{edit_id}")
    assert 'data-status="cancelled"' in page and "possibly billed" in page and 'role="progressbar"' not in page
    again = sent(studio, f"/edits/{edit_id}/cancel")
    assert again.json()["changed"] is False and "already" in again.json()["notice"]
    edits.emulator.faults()
    assert sent(studio, f"/edits/{edit_id}/retry").status_code == 201
    edits.settle()
    assert edits.edit(edit_id).status == "done"
    assert sent(studio, f"/edits/{edit_id}/retry").status_code == 422
    assert sent(studio, f"/edits/{edit_id}/cancel").json()["changed"] is False
    assert sent(studio, "/edits/ed_nobody/cancel").status_code == 404


def _events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]


def test_progress_is_told_until_the_edit_is_settled_and_then_no_more(edits: Edits, studio: Opened) -> None:
    edit = edits.made(edits.add().image_id)
    answer = studio.client.get(f"/edits/{edit.edit_id}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "retry: " in answer.text
    [told] = _events(answer.text)
    assert (told["status"], told["stage"], told["percent"], told["settled"]) == ("done", "save", 100, True)
    assert told["cost_usd"] == float(edit.cost_usd) and told["image_id"] == edit.image_id
    [number] = re.findall(r"^id: (.+)$", answer.text, re.MULTILINE)
    again = studio.client.get(f"/edits/{edit.edit_id}/events", headers={"Last-Event-ID": number})
    assert again.status_code == 204, "a browser that has seen the end asks no more"
    assert studio.client.get("/edits/ed_nobody/events").status_code == 404


def test_all_who_follow_an_edit_read_the_tables_once(edits: Edits, studio: Opened) -> None:
    edit_id, watch = edits.ask(edits.add().image_id), studio.studio.edits
    first = watch.look(edit_id)
    assert first is not None and first["status"] == "requested"
    edits.cancel(edit_id)
    assert watch.look(edit_id) is first, f"read twice within {EVERY_SECONDS} s"
    [told] = _events(studio.client.get(f"/edits/{edit_id}/events").text)[-1:]
    assert told["status"] == "cancelled"


def test_a_database_that_is_held_ends_no_stream(edits: Edits, studio: Opened) -> None:
    edit_id = edits.ask(edits.add().image_id)
    edits.cancel(edit_id)
    kept = studio.html(f"/images/{edit_id}")
    with held_database(edits.settings.database, "hold"):
        assert studio.studio.edits.look(edit_id) is None
        assert "a run is writing" in studio.html(f"/images/{edit_id}") and 'data-status="cancelled"' in kept
        assert studio.client.get("/edits/price", params={"image": edit_id}).status_code == 503
        assert studio.client.get(f"/api/v1/runs/{edit_id}/refinements").status_code == 503
    [told] = _events(studio.client.get(f"/edits/{edit_id}/events").text)
    assert told["status"] == "cancelled"


def test_looking_sends_nothing_and_says_who_would(edits: Edits, studio: Opened) -> None:
    root = edits.add().image_id
    edit_id = edits.ask(root)
    for path in ("/images", f"/images/{root}", "/edits", f"/edits/{edit_id}"):
        studio.html(path)
    assert "No daemon runs" in studio.html(f"/images/{root}") and "No daemon runs" in studio.html(f"/edits/{edit_id}")
    assert edits.rows("SELECT count(*) FROM batches") == [(0,)] and edits.calls() == 0


def test_a_work_of_the_chorus_leads_to_its_form(tmp_path: Path) -> None:
    from grabient_assets_tests.studio.planted_chorus import GROUP, NOW, plant_chorus

    plant_chorus(tmp_path)
    studio = opened(tmp_path, clock=lambda: NOW)
    run = f"{GROUP}-gpt-6-luna-00"
    image = studio.json(f"/images/{run}.json")
    link = f'href="/images/{image["image_id"]}#refine"'
    assert link in studio.html(f"/chorus/{GROUP}") and link in studio.html(f"/chorus/{GROUP}/{run}")
    assert (image["group"], image["run_usd"], image["total_usd"]) == (GROUP, "0.0000000000", "0")
    assert 'data-run-usd="0.0000000000"' in studio.html(f"/images/{run}")
    assert len(studio.json("/images.json")["images"]) == 4


def test_the_removal_of_a_parent_between_price_and_click_is_said(edits: Edits, studio: Opened) -> None:
    root = edits.add()
    planned = edits.plan(root.image_id)
    with edits.warehouse.write() as connection:
        remove_images(connection, [root.image_id], now())
    with pytest.raises(Exception, match="removed meanwhile") as caught:
        ask_edit(edits.warehouse, edits.store, planned, None, None, "emulator")
    assert edits_form.refusal(caught.value).error_kind == "parent_removed"  # pyright: ignore[reportArgumentType]
