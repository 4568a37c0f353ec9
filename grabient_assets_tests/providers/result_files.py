"""Where the results of an ended batch lie."""

from __future__ import annotations

from typing import Any

from grabient_assets_tests.providers.faces import Face


def results_path(face: Face) -> str:
    return {
        "anthropic": "/v1/messages/batches/msgbatch_1/results",
        "openai": "/v1/files/file-out/content",
        "groq": "/openai/v1/files/file-out/content",
        "google": "/v1/files/out:download",
    }[face.name]


def ended(face: Face, url: str, outcome: str = "completed") -> dict[str, Any]:
    """The batch object of an ended batch whose results lie at `results_path`."""
    body = face.body(outcome)
    if face.name == "anthropic":
        return body | {"results_url": url.rstrip("/") + results_path(face)}
    if face.name == "google":
        body["metadata"]["output"] = {"responsesFile": "files/out"}
        return body
    return body | {"output_file_id": "file-out"}


def inline(*answers: dict[str, Any]) -> dict[str, Any]:
    return {"inlinedResponses": {"inlinedResponses": list(answers)}}
