"""Objects as files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grabient_assets.errors import StoreError
from grabient_assets.resources.objects import open_store
from grabient_assets.settings import load_settings
from grabient_assets.store.folder import FolderStore
from grabient_assets.store.objects import checked_key


def test_put_get_exists(tmp_path: Path) -> None:
    store = open_store(load_settings({"GRABIENT_DATA_DIR": str(tmp_path)}))
    assert isinstance(store, FolderStore) and store.name == "local"
    assert not store.exists("images/a.png")
    store.put("images/a.png", b"one", "image/png")
    store.put("images/a.png", b"two \x00\xff", "image/png")
    assert store.get("images/a.png") == b"two \x00\xff" and store.exists("images/a.png")
    assert store.public_url("images/a.png") is None
    assert [p.name for p in (tmp_path / "objects" / "images").iterdir()] == ["a.png"]


def test_a_missing_object_and_a_folder(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    with pytest.raises(StoreError, match=r"Object a/b is not below .* Materialize what made it again\."):
        store.get("a/b")
    store.put("a/b", b"x", "text/plain")
    assert not store.exists("a")
    with pytest.raises(StoreError, match=r"Object a below .* cannot be read"):
        store.get("a")


BAD_KEYS = ["", "/a", "a/", "a//b", "..", "../a", "a/../b", "a/.hidden", ".partial-x", "-a", "a b", "a\n", "é", "a\\b"]


@pytest.mark.parametrize("key", [*BAD_KEYS, "a" * 513])
def test_bad_keys_reach_no_file(tmp_path: Path, key: str) -> None:
    store = FolderStore(tmp_path / "objects")
    for call in (lambda: store.put(key, b"x", "text/plain"), lambda: store.get(key), lambda: store.exists(key)):
        with pytest.raises(StoreError, match="is not allowed"):
            call()
    assert list(tmp_path.iterdir()) == []


@given(st.text())
def test_an_allowed_key_stays_below_its_folder(key: str) -> None:
    try:
        checked_key(key)
    except StoreError:
        return
    assert (Path("/objects") / key).resolve().is_relative_to("/objects") and not key.startswith("/")


def test_a_write_that_fails_leaves_the_old_object_and_no_rest(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("a/b", b"old", "text/plain")
    (tmp_path / "a" / "taken").mkdir()
    with pytest.raises(StoreError, match=r"Object a/taken cannot be written .* nothing of the object was stored\."):
        store.put("a/taken", b"x", "text/plain")
    with pytest.raises(TypeError):
        store.put("a/b", "no bytes", "text/plain")  # type: ignore[arg-type]
    assert store.get("a/b") == b"old"
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["b", "taken"]


def test_a_place_that_cannot_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "objects").write_text("a file")
    with pytest.raises(StoreError, match="cannot be written below"):
        FolderStore(tmp_path / "objects").put("a", b"x", "text/plain")


def test_a_missing_object_where_machines_share_the_tables(tmp_path: Path) -> None:
    environ = {"GRABIENT_DATA_DIR": str(tmp_path), "GRABIENT_WAREHOUSE": "postgresql://user@db.example/grabient"}
    with pytest.raises(StoreError, match=r"Object a/b is not below .* another machine .* set R2_BUCKET and"):
        open_store(load_settings(environ)).get("a/b")
