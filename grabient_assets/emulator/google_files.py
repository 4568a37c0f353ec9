"""Gemini's Files API: resumable upload, download, deletion (provider fact sheet, section 4.1)."""

from __future__ import annotations

import re
from typing import Any, TypeVar

from starlette.responses import Response

from grabient_assets.emulator.database import NewFile, StoredFile
from grabient_assets.emulator.google_requests import camel, invalid
from grabient_assets.emulator.wire import Call, Refused, Route, ServedModels, State, reply, rfc3339, whole_number

FORTY_EIGHT_HOURS = 48 * 3600
T = TypeVar("T")


class GoogleFiles:
    """Files of the Gemini API. Ids are stored without the `files/` before them."""

    provider = "google"

    def __init__(self, state: State, models: ServedModels) -> None:
        self._state = state
        self._models = models

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("upload", "POST", "/upload/{version}/files", self.start),
            Route("upload_bytes", "POST", "/upload/{version}/sessions/{upload}", self.receive, keyless=True),
            Route("file_content", "GET", "/{version}/files/{id}:download", self.download),
            Route("file_list", "GET", "/{version}/files", self.list_files),
            Route("file_retrieve", "GET", "/{version}/files/{id}", self.retrieve),
            Route("file_delete", "DELETE", "/{version}/files/{id}", self.delete),
        )

    def start(self, call: Call) -> Response:
        if call.headers.get("x-goog-upload-protocol") != "resumable":
            raise invalid("This emulation takes resumable uploads only: X-Goog-Upload-Protocol: resumable.")
        if call.headers.get("x-goog-upload-command") != "start":
            raise invalid("X-Goog-Upload-Command: start expected")
        wanted = _file_body(call)
        name = wanted.get("name", "").removeprefix("files/")
        if name:
            if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", name):
                raise invalid("File names have up to 40 lower case letters, digits or dashes.")
            if self._state.files.get(self.provider, name):
                raise Refused(409, "ALREADY_EXISTS", "Requested entity already exists")
        facts = {
            "name": name or self._state.new_id(12),
            "display": wanted.get("displayName", ""),
            "mime": call.headers.get("x-goog-upload-header-content-type") or wanted.get("mimeType", ""),
            "size": _bytes(call.headers.get("x-goog-upload-header-content-length") or wanted.get("sizeBytes") or "0"),
        }
        upload = self._state.new_id(24)
        self._state.files.start_upload(upload, facts)
        address = f"{call.base}/upload/{call.path['version']}/sessions/{upload}"
        return reply({}, headers={"x-goog-upload-url": address, "x-goog-upload-status": "active"})

    def receive(self, call: Call) -> Response:
        known = self._state.files.upload(call.path["upload"])
        if known is None:
            raise Refused(404, "NOT_FOUND", "Upload session not found")
        facts, content = known
        if _bytes(call.headers.get("x-goog-upload-offset") or "0") != len(content):
            raise invalid(f"The next offset of this upload is {len(content)}.")
        content += call.body
        if "finalize" not in call.headers.get("x-goog-upload-command", ""):
            self._state.files.keep_upload(call.path["upload"], content)
            return reply({}, headers={"x-goog-upload-status": "active"})
        if facts["size"] and facts["size"] != len(content):
            raise invalid(f"The upload announced {facts['size']} bytes and brought {len(content)}.")
        if self._state.files.get(self.provider, facts["name"]):
            # Another upload of the same name was finished first.
            raise Refused(409, "ALREADY_EXISTS", "Requested entity already exists")
        details = {"mime": facts["mime"], "display": facts["display"]}
        new = NewFile(facts["name"], facts["display"], "upload", content, facts=details)
        file = self._state.files.add(self.provider, new)
        self._state.files.end_upload(call.path["upload"])
        return reply({"file": _document(file, call)}, headers={"x-goog-upload-status": "final"})

    def list_files(self, call: Call) -> Response:
        found, token = paged(call, self._state.files.newest_first(self.provider), usual=10)
        return reply({"files": [_document(file, call) for file in found], **token})

    def retrieve(self, call: Call) -> Response:
        return reply(_document(self._file(call), call))

    def download(self, call: Call) -> Response:
        file = self._file(call)
        return Response(self._state.files.content(self.provider, file.id), media_type="application/octet-stream")

    def delete(self, call: Call) -> Response:
        self._state.files.delete(self.provider, self._file(call).id)
        return reply({})

    def _file(self, call: Call) -> StoredFile:
        return existing(self._state, call.path["id"])


def existing(state: State, name: str) -> StoredFile:
    """The file of this name, without `files/`. Raises Refused as the API does: it does not tell absent from foreign."""
    file = state.files.get("google", name)
    if file is None or file.purpose == "hidden":
        message = f"You do not have permission to access the File {name} or it may not exist."
        raise Refused(403, "PERMISSION_DENIED", message)
    return file


def paged(call: Call, items: list[T], *, usual: int, most: int = 100) -> tuple[list[T], dict[str, str]]:
    """The page that `pageSize` and `pageToken` ask for, and the token of the next as it stands in the answer."""
    size = whole_number(call.query.get("pageSize", "0"), 0, 2**31 - 1)
    start = whole_number(call.query.get("pageToken", "0"), 0, len(items))
    if size is None:
        raise invalid("Invalid page size: it is a number from 0.")
    if start is None:
        raise invalid("Invalid page token.")
    end = start + (min(size, most) or usual)
    return items[start:end], {"nextPageToken": str(end)} if end < len(items) else {}


def _file_body(call: Call) -> dict[str, Any]:
    """The `file` of a start call, its texts in camelCase. Raises Refused."""
    try:
        body = camel(call.object()) if call.body else {}
    except (ValueError, RecursionError) as error:
        raise invalid(f"Invalid JSON payload received. {error}") from error
    file = (body.get("file") or {}) if isinstance(body, dict) else None
    if not isinstance(file, dict):
        raise invalid("Invalid JSON payload received. 'file' is an object.")
    named = {name: value for name in ("name", "displayName", "mimeType") if (value := file.get(name)) is not None}
    for name, value in named.items():
        if not isinstance(value, str):
            raise invalid(f"Invalid value at 'file.{name}' (TYPE_STRING)")
    size = file.get("sizeBytes")
    return named | ({} if size is None else {"sizeBytes": str(size) if isinstance(size, str | int) else "?"})


def _bytes(text: str) -> int:
    number = whole_number(text, 0, 2**63 - 1)
    if number is None:
        raise invalid(f"Invalid number of bytes: {text[:40]}")
    return number


def _document(file: StoredFile, call: Call) -> dict[str, Any]:
    return {
        "name": f"files/{file.id}",
        "displayName": file.facts.get("display", ""),
        "mimeType": file.facts.get("mime", "application/jsonl"),
        "sizeBytes": str(file.size),
        "createTime": rfc3339(file.created_at),
        "updateTime": rfc3339(file.created_at),
        "expirationTime": rfc3339(file.created_at + FORTY_EIGHT_HOURS),
        "uri": f"{call.base}/v1/files/{file.id}",
        "downloadUri": f"{call.base}/v1/files/{file.id}:download?alt=media",
        "state": "ACTIVE",
        "source": "GENERATED" if file.purpose == "responses" else "UPLOADED",
    }
