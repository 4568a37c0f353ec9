"""One call for one archived request line, and its answer as a result line of the provider's batches.

So one reader reads both, whatever way a request took. The call is never repeated: nobody offers a way to find out
whether one that was cut off has been billed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from grabient_assets.errors import RequestRejectedError
from grabient_assets.providers.faults import answer_of, concerns_one_request, translated
from grabient_assets.providers.patience import Deadline, Patience
from grabient_assets.providers.reading import plain
from grabient_assets.registry.model import Model
from grabient_assets.secrets import hide_in_bytes

SECONDS = 300.0
"""For whoever makes a provider without `connect`."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a single call was answered with: a success, or an error that is about this one request."""

    status: int
    body: Mapping[str, Any]
    request_id: str | None

    @property
    def succeeded(self) -> bool:
        return self.status < 300


@dataclass(frozen=True, slots=True)
class DirectCalls:
    """How one provider is called. `headers` are those that may hold the id of the request."""

    provider: str
    key: str
    deadline: Deadline
    patience: Patience
    id_header: str

    @property
    def seconds(self) -> float:
        return self.patience.direct or SECONDS

    def reply(self, custom_id: str, model: Model, post: Callable[[float], Any]) -> Reply:
        """What `post`, given its timeout, is answered. Raises the errors of the table in faults.py."""
        if "direct" not in model.deliveries:
            raise RequestRejectedError(
                self.provider, f"Request {custom_id!r}: {model.id} ({self.provider}) takes batches only."
            )
        doing = f"asking {model.id} for {custom_id}"
        with translated(self.provider, self.key, doing, direct=True), self.deadline.whole(self.seconds):
            try:
                response = post(self.seconds)
            except Exception as error:
                answer = answer_of(error)
                if answer is None or not concerns_one_request(answer, self.provider):
                    raise
                response = getattr(error, "response", None)
                said = {"error": {"code": answer.code or None, "message": answer.text}}
                return Reply(answer.status, _error_in(response) or said, self._id_of(response))
            body = plain(json.loads(response.content.decode("utf-8", "replace")))
            return Reply(response.status_code, body, self._id_of(response))

    def line(self, value: Mapping[str, Any]) -> bytes:
        """The result line. In ASCII: models send halves of surrogate pairs, which UTF-8 has no bytes for."""
        return hide_in_bytes(json.dumps(value, separators=(",", ":")).encode("ascii"), self.key)

    def _id_of(self, response: Any) -> str | None:
        return getattr(response, "headers", {}).get(self.id_header)


def _error_in(response: Any) -> Mapping[str, Any] | None:
    """The body of an error as it came, when it has the shape that the API promises."""
    try:
        body = json.loads(response.content)
    except (AttributeError, ValueError, RecursionError):
        return None
    return body if isinstance(body, Mapping) and isinstance(body.get("error"), Mapping) else None
