"""Stored images: only images, with a fixed type, from the object store alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from grabient_assets_tests.studio.opened import opened


@pytest.mark.parametrize(
    ("key", "kind"),
    [("palettes/a.png", "image/png"), ("chorus/b.jpg", "image/jpeg"), ("chorus/b.webp", "image/webp")],
)
def test_an_image_has_the_type_of_its_ending(tmp_path: Path, key: str, kind: str) -> None:
    file = tmp_path / "objects" / key
    file.parent.mkdir(parents=True)
    file.write_bytes(b"<html><script>alert(1)</script>")
    answer = opened(tmp_path).client.get(f"/files/{key}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    assert answer.headers["x-content-type-options"] == "nosniff" and "immutable" in answer.headers["cache-control"]
    assert answer.content == file.read_bytes()


@pytest.mark.parametrize(
    "key",
    [
        *("a.svg", "a.html", "a.htm", "a", "batches/a.jsonl", "a.png.html", "none.png", "..%2Fsecret.png"),
        *("%2e%2e/secret.png", "palettes/../../secret.png", "/etc/a.png", "a%00.png", "palettes//a.png", ".png"),
    ],
)
def test_nothing_else_is_served(tmp_path: Path, key: str) -> None:
    objects = tmp_path / "objects"
    objects.mkdir()
    (tmp_path / "secret.png").write_bytes(b"secret")
    for name in ("a.svg", "a.html", "a.htm", "a", ".png"):
        (objects / name).write_text("<svg/>")
    answer = opened(tmp_path).client.get(f"/files/{key}")
    assert answer.status_code == 404 and answer.content != b"secret" and "image" not in answer.headers["content-type"]
