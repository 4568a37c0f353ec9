"""HTTP answers that are not successes, read out of whatever exception carries them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from grabient_assets.providers.reading import inside, items


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer that is not a success. `text` is the provider's message, `code` its short word for it."""

    status: int
    code: str
    text: str
    retry_after: float | None = None


def answer_of(error: Exception) -> Answer | None:
    """The HTTP answer inside an SDK's status error, or None."""
    response = getattr(error, "response", None)
    status = getattr(error, "status_code", None) or getattr(error, "code", None)
    if not isinstance(status, int):
        status = getattr(response, "status_code", None)
    if not isinstance(status, int) or status < 300:
        return None
    body = getattr(error, "body", None) or getattr(error, "details", None) or _body_of(response)
    code, text = _read_error(body)
    headers = getattr(response, "headers", None) or {}
    retry_after = _retry_after(headers)
    return Answer(status, code, text or str(error), _named_delay(body) if retry_after is None else retry_after)


def _read_error(body: object) -> tuple[str, str]:
    """The provider's code and message, out of `{"error": {…}}` or the inner object alone."""
    if isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, Mapping):
        return "", str(body or "")  # cut where keys are taken out: a key cut in two would not be found
    inner = body.get("error", body)
    if not isinstance(inner, Mapping):
        return "", str(inner)
    reasons = [reason for detail in items(inner.get("details")) if (reason := inside(detail, "reason"))]
    code = reasons[0] if reasons else inner.get("code")
    if not isinstance(code, str):
        code = inner.get("status") or inner.get("type")
    return str(code or ""), str(inner.get("message") or "")


def _named_delay(body: object) -> float | None:
    """Seconds that Google names in the details of an error: {"retryDelay": "34s"}."""
    if isinstance(body, list) and body:
        body = body[0]
    for detail in items(inside(body, "error", "details") or inside(body, "details")):
        delay = inside(detail, "retryDelay")
        if isinstance(delay, str) and re.fullmatch(r"\d{1,9}(\.\d{1,9})?s", delay):
            return float(delay[:-1])
    return None


def _body_of(response: object) -> object:
    try:
        text = getattr(response, "text", "")
    except RuntimeError:  # the body of a stream that was never read
        return ""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # not JSON, or brackets in brackets, ten thousand deep
        return text


def _retry_after(headers: Any) -> float | None:
    """Seconds to wait, from `retry-after-ms` or `retry-after` (seconds or a date); None for what is no time."""
    milliseconds, value = headers.get("retry-after-ms"), headers.get("retry-after")
    if milliseconds is None and value is None:
        return None
    try:
        seconds = float(value) if milliseconds is None else float(milliseconds) / 1000
    except ValueError:
        seconds = _seconds_until(str(value))
    return max(0.0, seconds) if seconds is not None and math.isfinite(seconds) else None


def _seconds_until(date: str) -> float | None:
    try:
        return (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError, OverflowError):  # no date, one without a zone, or one beyond the calendar
        return None
