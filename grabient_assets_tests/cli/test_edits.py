"""`grabient edits` and what `grabient images` says of them, typed as a person types them."""

from __future__ import annotations

import base64
import gzip
import json
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from PIL import Image

from grabient_assets.emulator.endpoint import read_endpoint
from grabient_assets.groups.chorus.asking import Wish, ask_chorus, plan_group
from grabient_assets.settings import PROVIDERS
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.cli.running import QUESTION, Ended, at_a_terminal, emulator, hear_signals, palettes, typed
from grabient_assets_tests.groups.edits.place import picture
from grabient_assets_tests.hanging import HANGING_SECONDS, until
from grabient_assets_tests.pipeline.place import COMMANDS, control, environment_of

PROMPT = ("--kind", "prompt", "--prompt", "a red door")
MASK = ("--mask", "0.25,0.25,0.5,0.5")


@dataclass
class Typed:
    """A data folder with an emulator of its own, and what a person types there."""

    folder: Path
    values: dict[str, str]

    def __call__(self, *arguments: str | Path) -> Ended:
        return typed(self.folder, *arguments, **self.values)

    def done(self, *arguments: str | Path) -> Any:
        """The JSON of a command that succeeds."""
        ended = self(*arguments, "--json")
        assert ended.code == 0, ended.err
        return ended.json

    def file(self, image: Image.Image, name: str = "picture.png", **options: Any) -> Path:
        path = self.folder.parent / name
        image.save(path, **options)
        return path

    def add(self, path: Path) -> str:
        return self.done("images", "add", path)["images"][0]["image_id"]

    def edit(self, image: str, *wish: str | Path) -> dict[str, Any]:
        return self.done("edits", "new", image, *(wish or PROMPT), "--run")

    def sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.folder / "grabient.duckdb"), read_only=True) as connection:
            return connection.execute(query, values).fetchall()

    def control(self, path: str, body: Any = None) -> Any:
        endpoint = read_endpoint(self.folder)
        assert endpoint is not None
        return control(endpoint, path, body)

    def calls(self) -> int:
        """How many edits the emulator was asked for."""
        return sum(calls.get("answer", 0) for calls in self.control("calls")["counts"].values())

    def fault(self, **action: Any) -> None:
        self.control("faults", {"rules": [{"match": {"provider": "openai", "route": "answer"}, "action": action}]})

    def stored(self, image_id: str) -> Image.Image:
        [(key,)] = self.sql("SELECT object_key FROM images WHERE image_id = ?", image_id)
        return Image.open(BytesIO((self.folder / "objects" / key).read_bytes()))

    def request(self, edit_id: str) -> dict[str, Any]:
        """The archived request line of an edit."""
        [(key,)] = self.sql(
            "SELECT b.requests_key FROM batches b JOIN batch_requests r USING (batch_id) WHERE r.subject = ?", edit_id
        )
        [line] = gzip.decompress((self.folder / "objects" / key).read_bytes()).splitlines()
        return json.loads(line)["body"]


@pytest.fixture
def grabient(tmp_path: Path) -> Iterator[Typed]:
    data = tmp_path / "data"
    with emulator(data, "--polls", "1") as values:
        yield Typed(data, values)


def ask_with_a_fixed_id(data: Path, seed: str) -> str:
    """What `chorus new --now` does. Whether an emulated artist fails follows from the id."""
    warehouse = Warehouse(data / "grabient.duckdb")
    wish = Wish(artists=("gpt-6-luna", "claude-haiku-5-5"), seed=seed, size="1024x640", delivery="direct")
    with warehouse.read() as connection:
        planned = plan_group(connection, wish, PROVIDERS, datetime.now(UTC))
    group = replace(planned.group, group_id=f"rg_{1:026d}")
    return ask_chorus(warehouse, replace(planned, group=group), None, None, "emulator").group_id


def pixels_of(url: str) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(BytesIO(base64.b64decode(url.partition("base64,")[2]))))


def test_a_chain_and_its_branches_as_a_tree_and_as_a_folder(grabient: Typed, tmp_path: Path) -> None:
    root = grabient.add(grabient.file(picture()))
    again = grabient("images", "add", tmp_path / "picture.png")
    assert again.code == 0 and again.out.startswith(root) and "stored already as upload picture.png" in again.out

    planned = grabient.done("edits", "new", root[:10], *PROMPT, *MASK, "--plan")
    assert planned["edit_id"] is None and 0 < planned["usd"]["low"] <= planned["usd"]["expected"]
    over = grabient("edits", "new", root, *PROMPT, "--max-usd", "0.001")
    assert over.code == 1 and "Nothing was asked. Raise the cap" in over.err
    assert grabient.done("edits", "list") == {"roots": []} and grabient.calls() == 0

    first = grabient.edit(root, *PROMPT, *MASK)
    second = grabient.edit(first["edit_id"], "--kind", "text", "--instructions", "say OPEN", *MASK)
    third = grabient.edit(root[:12], "--kind", "subject", "--instructions", "as here", "--reference", root, *MASK)
    made = (first, second, third)
    assert [(one["label"], one["depth"], one["parent_type"]) for one in made] == [
        ("v2", 1, "original"),
        ("v3", 2, "refinement"),
        ("v4", 1, "original"),
    ]
    for one in made:
        assert one["status"] == "done" and one["measures"]["leak_raw"] > 0.1 and one["measures"]["leak_final"] == 0
    [(path, dollars)] = grabient.sql("SELECT path, cost_usd FROM image_chains WHERE edit_id = ?", second["edit_id"])
    assert path == [root, first["image_id"], second["image_id"]]
    assert float(dollars) == pytest.approx(first["cost_usd"] + second["cost_usd"])

    tree = grabient("edits", "list", third["edit_id"]).out.splitlines()
    assert [line.split("  ed_")[0] for line in tree[1:4]] == ["  v2", "    v3", "  v4"] and tree[0].startswith("v1  ")
    assert "done" in tree[1] and f"{first['cost_usd']:.4f} USD" in tree[1]
    chain = grabient.done("edits", "list", "latest")
    assert [one["edit_id"] for one in chain["edits"]] == [one["edit_id"] for one in made]
    [listed] = grabient.done("edits", "list")["roots"]
    assert (listed["edits"], listed["counts"], listed["subject"]) == (3, {"done": 3}, "picture.png")

    out = tmp_path / "out"
    written = grabient("edits", "export", root[:12], "--out", out)
    assert written.code == 0 and written.out.startswith("4 images")
    index = json.loads((out / "refinements.json").read_text())
    assert (out / "originals/image_0.png").read_bytes() == (tmp_path / "picture.png").read_bytes()
    assert [(one["parent_image_id"], one["parent_image_path"], one["image_path"]) for one in index["refinements"]] == [
        ("original_0", "originals/image_0.png", f"refinements/{first['edit_id']}_from_0.png"),
        (
            first["edit_id"],
            f"refinements/{first['edit_id']}_from_0.png",
            f"refinements/{second['edit_id']}_from_{first['edit_id']}.png",
        ),
        ("original_0", "originals/image_0.png", f"refinements/{third['edit_id']}_from_0.png"),
    ]
    of_sql = grabient.sql(
        "SELECT edit_id, kind, summary, cost_usd::DOUBLE, status, image_id, label FROM edits ORDER BY requested_at"
    )
    names = ("job_id", "type", "summary", "cost", "status", "image_id", "label")
    assert [tuple(one[name] for name in names) for one in index["refinements"]] == of_sql
    [(total,)] = grabient.sql("SELECT sum(cost_usd)::DOUBLE FROM edits")
    assert (index["total_cost"], index["total_refinements"]) == (total, 3) and total > 0
    metadata = json.loads((out / "pipeline_metadata.json").read_text())
    assert (metadata["made_by"], metadata["subject"]) == ("upload", "picture.png")

    downloaded = grabient.done("images", "show", out / index["refinements"][1]["image_path"])
    assert (downloaded["edit"], downloaded["parent"]) == (second["edit_id"], first["image_id"])
    assert grabient.done("images", "show", second["edit_id"][:20])["image_id"] == downloaded["image_id"]


def test_the_folder_of_an_edited_work_says_what_the_work_was_made_from(grabient: Typed, tmp_path: Path) -> None:
    assert grabient("load", palettes(tmp_path, 1)).code == 0
    [(seed,)] = grabient.sql("SELECT seed FROM palettes")
    group = ask_with_a_fixed_id(grabient.folder, seed)
    runs = grabient.done("chorus", "run")["runs"]
    work = runs[1]
    assert work["status"] == "done"
    made = grabient.edit(work["run_id"], *PROMPT, *MASK)
    assert (made["run_id"], made["generation_index"], made["root_image"]) == (work["run_id"], 1, work["image_id"])
    [(message,)] = grabient.sql("SELECT message FROM edit_requests")
    assert json.dumps(work["statement"], ensure_ascii=False) in message

    out = tmp_path / "out"
    assert grabient("edits", "export", work["run_id"], "--out", out).code == 0
    [entry] = json.loads((out / "refinements.json").read_text())["refinements"]
    assert entry["parent_image_id"] == "original_1" and entry["parent_image_path"] == "originals/image_1.png"
    assert (out / entry["image_path"]).name == f"{made['edit_id']}_from_1.png" and (out / entry["image_path"]).is_file()
    metadata = json.loads((out / "pipeline_metadata.json").read_text())
    assert {name: metadata[name] for name in ("run_id", "statement", "image_prompt", "group_id", "seed")} == {
        **{name: work[name] for name in ("run_id", "statement", "image_prompt")},
        "group_id": group,
        "seed": seed,
    }
    assert len(metadata["palette"]["hex"]) == 11 and metadata["prompt"] and metadata["brush"] == work["brush"]


def test_a_removed_image_leaves_what_was_made_of_it(grabient: Typed, tmp_path: Path) -> None:
    root = grabient.add(grabient.file(picture()))
    first = grabient.edit(root, *PROMPT, *MASK)
    second = grabient.edit(first["edit_id"], *PROMPT, *MASK)
    removed = grabient("images", "remove", first["edit_id"])
    assert removed.code == 0 and removed.out == f"{first['image_id'][:12]}  v2  {first['edit_id']} is removed.\n"
    assert not list((grabient.folder / "objects/images").glob(f"{first['image_id']}*"))

    calls = grabient.calls()
    refused = grabient("edits", "new", first["edit_id"], *PROMPT, "--run")
    assert refused.code == 2 and "was removed at" in refused.err and grabient.calls() == calls
    third = grabient.edit(second["edit_id"], *PROMPT, *MASK)
    assert (third["depth"], third["status"]) == (3, "done")

    out = tmp_path / "out"
    assert grabient("edits", "export", first["edit_id"], "--out", out).out.startswith("3 images")
    index = json.loads((out / "refinements.json").read_text())["refinements"]
    assert [(one["removed"], one["image_path"] is None) for one in index] == [
        (True, True),
        (False, False),
        (False, False),
    ]
    assert index[1]["parent_image_path"] is None and index[1]["parent_image_id"] == first["edit_id"]
    tree = grabient("edits", "list", root).out.splitlines()
    assert tree[1].endswith("(removed)") and not tree[2].endswith("(removed)")
    assert grabient("edits", "show", first["edit_id"]).out.count("(removed)") == 1

    waiting = grabient.done("edits", "new", second["edit_id"], *PROMPT)["edit_id"]
    needed = grabient("images", "remove", root, "--cascade", "--yes")
    assert needed.code == 2 and f"grabient edits cancel {waiting}" in needed.err
    assert "its parent" in needed.err and len(grabient.done("images", "list")["images"]) == 3
    cancelled = grabient.done("edits", "cancel", waiting)
    assert (cancelled["status"], cancelled["changed"], cancelled["cost_usd"]) == ("cancelled", True, 0)
    over = grabient("edits", "cancel", waiting)
    assert over.code == 0 and "cancelled already; nothing was changed" in over.err + over.out

    repair = ("--kind", "subject", "--instructions", "as there", "--reference", root)
    waiting = grabient.done("edits", "new", second["edit_id"], *repair)["edit_id"]
    needed = grabient("images", "remove", root)
    assert needed.code == 2 and "its reference" in needed.err and f"grabient edits cancel {waiting}" in needed.err
    assert grabient("edits", "cancel", waiting).code == 0
    settled = grabient("edits", "run", waiting)
    assert settled.code == 1 and "cancelled" in settled.out and settled.err == ""

    unasked = grabient("images", "remove", root, "--cascade")
    assert unasked.code == 2 and "3 images would be removed" in unasked.err and "needs --yes" in unasked.err
    assert [f"{image[:12]}  {label}  " in unasked.err for image, label in (
        (root, "v1"), (second["image_id"], "v3"), (third["image_id"], "v4"))] == [True] * 3  # fmt: skip
    code, shown = at_a_terminal(grabient.folder, grabient.values, "n", "images", "remove", root, "--cascade")
    assert code == 1 and QUESTION[0] in shown and len(grabient.done("images", "list")["images"]) == 3
    gone = grabient.done("images", "remove", root, "--cascade", "--yes")["removed"]
    assert [one["label"] for one in gone] == ["v1", "v3", "v4"]
    assert grabient.done("images", "list") == {"images": []} and not list(
        (grabient.folder / "objects/images").iterdir()
    )
    back = grabient.done("images", "add", tmp_path / "picture.png")["images"][0]
    assert back["image_id"] == root and not back["existing"]
    assert grabient.done("edits", "replay", third["edit_id"], "--onto", root, "--plan")["parent_image"] == root


@pytest.mark.parametrize(
    ("size", "exif", "fractions"),
    [
        ((1000, 750), None, "0.1,0.2,0.333,0.5"),
        ((800, 600), None, "0,0,0.5,1"),
        ((640, 1024), 6, "0.5,0.25,0.4,0.3"),
        ((300, 1500), None, "0.2,0.7,0.7,0.21"),
    ],
)
def test_a_mask_in_fractions_has_exactly_its_pixels(
    grabient: Typed, size: tuple[int, int], exif: int | None, fractions: str
) -> None:
    options: dict[str, Any] = {}
    if exif:
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = exif
    root = grabient.add(grabient.file(picture(*size), **options))
    width, height = size[::-1] if exif else size  # 6: turned by a quarter
    made = grabient.edit(root, *PROMPT, "--mask", fractions)
    across, down = (float(part) for part in fractions.split(",")[2:])
    exact = round(across * width) * round(down * height)
    given = made["input"]
    [(key,)] = grabient.sql("SELECT mask_key FROM edits")
    mask = np.asarray(Image.open(grabient.folder / "objects" / key))
    assert mask.shape[:2] == (height, width) and int((mask[:, :, 3] == 0).sum()) == exact == given["mask_pixels"]
    sent = (given["sent_width"], given["sent_height"])
    assert sent[0] % 16 == sent[1] % 16 == 0 and max(sent) <= 3 * min(sent)
    body = grabient.request(made["edit_id"])
    assert pixels_of(body["images"][0]["image_url"]).shape[1::-1] == sent and body["size"] == f"{sent[0]}x{sent[1]}"
    assert pixels_of(body["mask"]["image_url"]).shape[1::-1] == sent
    assert grabient.stored(made["image_id"]).size == (width, height)
    assert (made["measures"]["leak_final"], made["measures"]["inside_change"] > 1) == (0, True)


def test_a_mask_that_cannot_be_used_is_refused_and_a_converted_one_is_named(grabient: Typed) -> None:
    width, height = 1024, 640
    root = grabient.add(grabient.file(picture(width, height)))
    region = np.zeros((height, width), dtype=bool)
    region[200:400, 300:600] = True

    def mask(name: str, flags: np.ndarray[Any, Any]) -> Path:
        alpha = np.where(flags, 0, 255).astype(np.uint8)
        return grabient.file(Image.fromarray(np.dstack([np.zeros((*flags.shape, 3), np.uint8), alpha])), name)

    black = np.where(region, 255, 0).astype(np.uint8)
    tried: dict[str, tuple[str | Path, int, str]] = {
        "empty": (mask("empty.png", ~np.ones_like(region)), 2, "nothing"),
        "no alpha": (grabient.file(picture(width, height, seed=3), "photo.png"), 2, "no transparent pixels"),
        "another shape": (mask("shape.png", region[:, :512]), 2, "512"),
        "no file": ("gone.png", 2, "There is no mask file gone.png"),
        "three numbers": ("0.1,0.1,0.5", 2, "four numbers"),
        "outside": ("0.6,0,0.5,0.5", 2, "inside the picture"),
        "inverted": (mask("inverted.png", ~region), 0, "invert"),
        "black and white": (grabient.file(Image.fromarray(black), "black.png"), 0, "white"),
        "half the size": (mask("half.png", region[::2, ::2]), 0, "512"),
    }
    for name, (given, code, said) in tried.items():
        ended = grabient("edits", "new", root, *PROMPT, "--mask", given, "--plan", "--json")
        assert ended.code == code and said in ended.err, (name, ended.err)
        if code == 0 and name != "inverted":
            assert ended.json["input"]["mask_pixels"] == int(region.sum()) and said in " ".join(ended.json["changes"])
    assert grabient.calls() == 0 and grabient.done("edits", "list") == {"roots": []}


def test_every_failure_has_its_kind_and_a_sentence(grabient: Typed) -> None:
    root = grabient.add(grabient.file(picture()))
    lonely = grabient("edits", "new", root, "--kind", "subject", "--instructions", "as it was", "--run")
    assert lonely.code == 2 and "needs a reference image" in lonely.err and grabient.calls() == 0

    def failed(edit: str | None = None) -> dict[str, Any]:
        asking = ("new", root, *PROMPT) if edit is None else ("retry", edit)
        ended = grabient("edits", *asking, "--run", "--json")
        assert ended.code == 1, ended.err
        assert grabient("edits", "show", "latest").code == 1
        return ended.json

    grabient.fault(do="refuse_output")
    refused = failed()
    assert (refused["status"], refused["error_kind"], refused["retryable"]) == ("rejected", "refused", True)
    assert refused["error"] and refused["image_id"] is None

    grabient.fault(do="garbage")
    garbage = failed()
    assert (garbage["status"], garbage["error_kind"], garbage["retryable"]) == ("failed", "invalid_image_data", True)

    grabient.values["EDIT_TIMEOUT_SECONDS"] = "1"
    grabient.fault(do="hold", seconds=20)
    late = failed()
    assert (late["status"], late["error_kind"], late["retryable"]) == ("failed", "timeout", True)
    assert late["cost_usd"] == 0 < late["possible_usd"] and "USD that may be billed besides" in (
        grabient("edits", "show", late["edit_id"]).out
    )

    grabient.control("faults", {"rules": []})
    del grabient.values["EDIT_TIMEOUT_SECONDS"]
    healed = grabient.done("edits", "retry", late["edit_id"], "--run")
    assert healed["status"] == "done" and healed["possible_usd"] == late["possible_usd"]
    again = grabient("edits", "retry", late["edit_id"])
    assert again.code == 2 and "is done" in again.err


def test_run_sends_the_edit_that_is_named_and_no_other(grabient: Typed) -> None:
    root = grabient.add(grabient.file(picture()))
    other = grabient.done("edits", "new", root, *PROMPT)["edit_id"]
    mine = grabient.done("edits", "new", "latest", *PROMPT, "--run")
    assert (mine["status"], grabient.calls()) == ("done", 1)
    assert grabient.sql("SELECT status FROM edits WHERE edit_id = ?", other) == [("requested",)]


def test_a_command_that_is_stopped_says_what_became_of_its_edit(grabient: Typed) -> None:
    root = grabient.add(grabient.file(picture()))
    grabient.done("edits", "new", root, *PROMPT)
    grabient.fault(do="hold", seconds=60)
    with subprocess.Popen(
        [str(COMMANDS / "grabient"), "edits", "run", "latest"],
        env={**environment_of(grabient.folder), **grabient.values},
        stderr=subprocess.PIPE,
        preexec_fn=hear_signals,
        text=True,
    ) as process:
        until(lambda: grabient.control("calls")["under_way"].get("openai"))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=HANGING_SECONDS)
    assert process.returncode == 130
    [(edit_id, status, possible)] = grabient.sql("SELECT edit_id, status, possible_usd FROM edits")
    assert status == "failed" and possible > 0
    assert f"Stopped. Edit {edit_id} is failed: It was asked and no answer came; it may have been billed." in err
    assert f"`grabient edits retry {edit_id} --run` asks again." in err


def test_the_editor_gets_base_reference_and_mask_in_this_order(grabient: Typed) -> None:
    base, other = picture(), picture(800, 600, seed=9)
    root = grabient.add(grabient.file(base))
    reference = grabient.file(other, "reference.png")
    planned = grabient.done(
        "edits", "new", root, "--kind", "subject", "--instructions", "so", "--reference", reference, *MASK, "--plan"
    )
    assert planned["size"] == "1024x640" and len(list((grabient.folder / "objects/images").iterdir())) == 1
    made = grabient.edit(root, "--kind", "subject", "--instructions", "so", "--reference", reference, *MASK)
    body = grabient.request(made["edit_id"])
    sent = [pixels_of(one["image_url"]) for one in body["images"]]
    assert len(sent) == 2
    assert np.array_equal(sent[0], np.asarray(base)) and np.array_equal(sent[1], np.asarray(other))
    mask = pixels_of(body["mask"]["image_url"])
    assert int((mask[:, :, 3] == 0).sum()) == 512 * 320
    assert '"roles":["base","reference"]' in body["prompt"] and '"region":"25,25,50,50"' in body["prompt"]


def test_a_worn_chain_warns_and_is_replayed_in_one_edit(grabient: Typed) -> None:
    root = grabient.add(grabient.file(picture()))
    first = grabient.edit(root, "--kind", "prompt", "--prompt", "more light")
    assert first["warning"] is None
    second = grabient.edit(first["edit_id"], "--kind", "prompt", "--prompt", "fewer discs")
    way_out = f"grabient edits replay {second['edit_id']} --onto {root[:12]}"
    assert second["measures"]["noise"] > 2 and way_out in second["warning"]
    assert way_out in grabient("edits", "show", second["edit_id"]).err
    further = grabient("edits", "new", second["edit_id"], *PROMPT, "--plan")
    assert further.code == 0 and way_out in further.err

    made = grabient.done("edits", "replay", second["edit_id"], "--onto", root[:12], "--run")
    assert (made["replay_of"], made["depth"], made["parent_image"]) == (second["edit_id"], 1, root)
    assert made["prompt"] == "1. more light\n2. fewer discs"
    assert made["measures"]["noise"] < second["measures"]["noise"] and made["warning"] is None


def test_a_batch_is_stopped_at_the_provider_once_nothing_but_cancelled_edits_is_in_it(tmp_path: Path) -> None:
    with emulator(tmp_path / "data", "--polls", "1000") as values:
        grabient = Typed(tmp_path / "data", values)
        root = grabient.add(grabient.file(picture()))
        one = grabient.done("edits", "new", root, *PROMPT, "--batch")["edit_id"]
        two = grabient.done("edits", "new", root, *PROMPT, "--batch")["edit_id"]
        sent = grabient("edits", "run", one, "--timeout", "2", "--json")
        assert sent.code == 1 and sent.json["status"] == "sent" and sent.json["delivery"] == "batch"
        first = grabient.done("edits", "cancel", one)
        assert first["status"] == "cancelled" and "may still be billed" in first["said"]
        assert grabient.sql("SELECT status FROM batches") == [("submitted",)]
        second = grabient.done("edits", "cancel", two)
        assert second["status"] == "cancelled"
        [(status,)] = grabient.sql("SELECT status FROM batches")
        assert status not in ("intended", "submitted")


def test_before_there_is_an_edit_every_command_says_how_to_make_one(tmp_path: Path) -> None:
    for command in (("show",), ("retry",), ("cancel", "latest"), ("list", "x"), ("export", "x", "--out", tmp_path)):
        ended = typed(tmp_path / "data", "edits", *command)
        assert ended.code == 2 and "grabient edits new IMAGE" in ended.err
    assert not (tmp_path / "data").exists()


def test_files_that_are_no_pictures_are_named_and_the_others_are_taken(tmp_path: Path) -> None:
    good, bad, large = tmp_path / "good.png", tmp_path / "bad.png", tmp_path / "large.png"
    picture(64, 64).save(good)
    bad.write_text("<svg/>")
    with large.open("wb") as file:
        file.truncate(60_000_000)
    ended = typed(tmp_path / "data", "images", "add", bad, good, large, "--json")
    assert ended.code == 1 and [one["file"] for one in ended.json["images"]] == [str(good)]
    assert [one["file"] for one in ended.json["refused"]] == [str(bad), str(large)]
    assert "60,000,000 bytes" in ended.err and "bad.png" in ended.err
    missing = typed(tmp_path / "data", "images", "add", tmp_path / "none.png")
    assert missing.code == 2 and "There is no file" in missing.err
