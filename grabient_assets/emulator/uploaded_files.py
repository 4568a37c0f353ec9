"""Uploaded files, keys and errors as OpenAI and Groq share them (provider fact sheet, sections 2 and 3)."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from grabient_assets.emulator.batch_documents import file_document
from grabient_assets.emulator.batch_files import inspect
from grabient_assets.emulator.storage.files import NewFile, StoredFile
from grabient_assets.emulator.wire import Call, Refused, World, bearer, key_refused, reply, whole_number

KINDS = {
    401: "authentication_error",
    403: "permissions_error",
    404: "invalid_request_error",
    429: "rate_limit_error",
    503: "service_unavailable",
}


class UploadedFiles:
    """The file routes of one provider, its keys and its error shape."""

    provider: str
    too_large_status: int
    request_id_header = "x-request-id"

    def __init__(self, world: World) -> None:
        self.state = world.state
        self.served = world.models

    def gate(self, call: Call) -> None:
        """Raises Refused when the key's plan does not include batches."""

    def refusal(self, refused: Refused) -> Response:
        headers = {} if refused.retry_after is None else {"retry-after": f"{refused.retry_after:g}"}
        return reply({"error": error_body(refused)}, refused.status, headers)

    def too_large(self) -> Refused:
        return Refused(self.too_large_status, "invalid_request_error", "File is too large.", code="file_too_large")

    def fault(self, status: int, message: str, kind: str | None, code: str | None) -> Refused:
        usual = "invalid_request_error" if status < 500 else "server_error"
        return Refused(status, kind or KINDS.get(status, usual), message, code=code)

    def authorise(self, call: Call) -> None:
        if key_refused(bearer(call.headers)):
            raise Refused(401, "invalid_request_error", "Incorrect API key provided.", code="invalid_api_key")

    # files ---------------------------------------------------------------------------------------------------------

    def upload(self, call: Call) -> Response:
        self.gate(call)
        form = call.form or {}
        part, purpose = form.get("file"), form.get("purpose")
        if not isinstance(purpose, str):
            raise Refused(400, "invalid_request_error", "'purpose' is a required property", param="purpose")
        if purpose != "batch":
            raise Refused(400, "invalid_request_error", "This emulation keeps files for batches only.", param="purpose")
        if part is None:
            raise Refused(400, "invalid_request_error", "'file' is a required property", param="file")
        # A part without a file name is a field of the form. SDKs that are given bytes name the file `upload`.
        content, name = (part.encode(), "upload") if isinstance(part, str) else (part.file.read(), part.filename)
        name = name or "upload"
        model = inspect(content[:100_000].partition(b"\n")[0], "", one_model=False).model
        file = self.state.files.add(self.provider, NewFile(self.new_file_id(), name, purpose, content, model))
        return reply(file_document(file))

    def list_files(self, call: Call) -> Response:
        files = self.state.files.newest_first(self.provider)
        order = call.query.get("order", "desc")
        if order not in ("asc", "desc"):
            raise Refused(400, "invalid_request_error", "Invalid 'order': asc or desc expected.", param="order")
        if order == "asc":
            files.reverse()
        if purpose := call.query.get("purpose"):
            files = [file for file in files if file.purpose == purpose]
        page, more = paged(call, files, usual=10_000, most=10_000)
        return listed([file_document(file) for file in page], more)

    def retrieve_file(self, call: Call) -> Response:
        return reply(file_document(self._file(call.path["id"])))

    def file_content(self, call: Call) -> Response:
        self._file(call.path["id"])
        return Response(self.state.files.content(self.provider, call.path["id"]), media_type="application/octet-stream")

    def delete_file(self, call: Call) -> Response:
        file = self._file(call.path["id"])
        self.state.files.delete(self.provider, file.id)
        return reply({"id": file.id, "object": "file", "deleted": True})

    def new_file_id(self) -> str:
        return f"file-{self.state.new_id(24)}"

    def _file(self, file_id: str) -> StoredFile:
        file = self.state.files.get(self.provider, file_id)
        if file is None:
            raise Refused(404, "invalid_request_error", f"No such File object: {file_id}", param="id")
        return file


def error_body(refused: Refused) -> dict[str, Any]:
    return {"message": refused.message, "type": refused.kind, "param": refused.param, "code": refused.code}


def paged(call: Call, items: list[Any], *, usual: int, most: int) -> tuple[list[Any], bool]:
    """The page of `items` that `limit` and `after` ask for, and whether there are more. Raises Refused for an `after`
    that names none of them: a list that began anew would never end."""
    limit, after = whole_number(call.query.get("limit", str(usual)), 1, most), call.query.get("after")
    if limit is None:
        message = f"Invalid 'limit': a number from 1 to {most} expected."
        raise Refused(400, "invalid_request_error", message, param="limit")
    start = 0
    if after:
        start = next((place for place, item in enumerate(items, 1) if item.id == after), 0)
        if not start:
            raise Refused(400, "invalid_request_error", f"Invalid 'after': no object with id '{after}'.", param="after")
    return items[start : start + limit], len(items) > start + limit


def listed(data: list[dict[str, Any]], more: bool) -> Response:
    """A page of a list."""
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": None, "last_id": None}
    return reply({"object": "list", "data": data, "has_more": more, **ends})
