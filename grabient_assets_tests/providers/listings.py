"""Batches of a provider's account, and the pages of its list."""

from __future__ import annotations

from typing import Any

from grabient_assets_tests.providers.faces import CREATED_UNIX, Face


def named(face: Face, batch: str, minute: int = 0, label: str = "lab-1", state: str = "running") -> dict[str, Any]:
    """A batch created `minute` minutes after noon."""
    body = face.body(state)
    if face.name == "google":
        body["name"] = batch
        body["metadata"] |= {"displayName": label, "createTime": f"2026-11-20T12:{minute:02}:00Z"}
        return body
    if face.name == "anthropic":
        return body | {"id": batch, "created_at": f"2026-11-20T12:{minute:02}:00Z"}
    return body | {"id": batch, "created_at": CREATED_UNIX + 60 * minute, "metadata": {"grabient_batch": label}}


def page(face: Face, *items: dict[str, Any], following: str | None = None) -> dict[str, Any]:
    if face.name == "google":
        return {"operations": list(items)} | ({"nextPageToken": following} if following else {})
    if face.name == "groq":
        return {"object": "list", "data": list(items), "paging": {"next_cursor": following}}
    last = items[-1]["id"] if items else None
    return {"data": list(items), "has_more": following is not None, "last_id": last, "first_id": None, "object": "list"}


IDS = ["a-1", "a-2", "a-3"]
