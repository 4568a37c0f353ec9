"""Notifications through a webhook: each event is posted once, by the process that sees it first.

A webhook that does not answer costs seconds and never a run: nothing here raises. Its address is a secret, so it is in
no sentence; nor is the message of an HTTP library, which names it.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from grabient_assets.errors import GrabientError
from grabient_assets.groups.notices.tables import claim, record_delivery, unsent
from grabient_assets.settings import Settings
from grabient_assets.warehouse.connection import Warehouse

Kind = Literal["finished", "failed", "over_budget", "stuck", "withheld", "day"]
KINDS: tuple[Kind, ...] = ("failed", "over_budget", "stuck", "withheld", "finished", "day")

SECONDS = 5.0
"""The most that all notifications of one look take together. Whoever stops a run is not kept waiting by them."""
SHOWN_SENTENCES = 5


@dataclass(frozen=True, slots=True)
class Event:
    """A notification that is posted once. `key` is its dedupe key; `counts` are figures beside the sentence."""

    key: str
    kind: Kind
    sentence: str
    counts: dict[str, Any] = field(default_factory=dict)


def post_events(
    warehouse: Warehouse, settings: Settings, events: Sequence[Event], now: datetime, seconds: float = SECONDS
) -> list[str]:
    """Post the events that were not posted yet, one request for each kind, within `seconds` in all; events without time
    left wait for the next call.

    Returns a sentence for each request that was not delivered. Without GRABIENT_NOTIFY_URL nothing is posted or noted.
    """
    if settings.notify_url is None or not events:
        return []
    with warehouse.read() as connection:
        new = unsent(connection, [event.key for event in events], now)
    kinds: list[Kind] = [kind for kind in KINDS if any(e.kind == kind and e.key in new for e in events)]
    troubles: list[str] = []
    until = time.monotonic() + seconds
    for kind in kinds:
        left = until - time.monotonic()
        if left <= 0:
            break
        trouble = _post_kind(warehouse, settings, kind, [e for e in events if e.kind == kind], now, left)
        troubles += [trouble] if trouble else []
    return troubles


def body(settings: Settings, kind: Kind, events: Sequence[Event], now: datetime) -> dict[str, Any]:
    """What is posted: `text` for people, as Slack and others take it, and the same in fields for programs."""
    sentences = list(dict.fromkeys(settings.without_secrets(event.sentence) for event in events))
    more = [f"And {len(sentences) - SHOWN_SENTENCES} more."] if len(sentences) > SHOWN_SENTENCES else []
    emulated = " (emulated)" if settings.mode == "emulator" else ""
    return {
        "text": f"Grabient{emulated}, {kind.replace('_', ' ')}: {' '.join([*sentences[:SHOWN_SENTENCES], *more])}",
        "kind": kind,
        "mode": settings.mode,
        "at": now.isoformat(),
        "sentences": sentences,
        "events": [{"event": event.key, **event.counts} for event in events],
    }


def _post_kind(
    warehouse: Warehouse, settings: Settings, kind: Kind, events: Sequence[Event], now: datetime, seconds: float
) -> str | None:
    """Post events of one kind. They are claimed first, so that no other process posts them at the same time; after a
    kill they are tried again later."""
    assert settings.notify_url is not None
    try:
        with warehouse.write() as connection:
            mine = claim(connection, kind, [event.key for event in events], now)
        claimed = [event for event in events if event.key in mine]
        if not claimed:
            return None
        trouble = _post(settings.notify_url, body(settings, kind, claimed, now), seconds)
        with warehouse.write() as connection:
            record_delivery(connection, [event.key for event in claimed], trouble, now)
    except GrabientError as error:  # the database: what is noted there decides, so nothing is posted without it
        trouble = str(error)
    return trouble and f"The notification {kind!r} was not delivered: {trouble}"


class _Stay(urllib.request.HTTPRedirectHandler):
    """A redirect would carry what is posted to an address that nobody set."""

    def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: Any) -> None:
        return None


def _post(url: str, document: dict[str, Any], seconds: float) -> str | None:
    """The error of the webhook, None when it took the document.

    An answer that does not come in time counts as taken: the request was sent, and posting twice is worse.
    """
    ended: list[str | None] = []
    data = json.dumps(document, ensure_ascii=False).encode()

    def post() -> None:
        try:
            request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
            with urllib.request.build_opener(_Stay).open(request, timeout=seconds):
                ended.append(None)
        except urllib.error.HTTPError as error:
            error.close()
            ended.append(f"the address in GRABIENT_NOTIFY_URL answered {error.code}.")
        except TimeoutError:
            ended.append(None)
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, TimeoutError):  # while connecting: nothing was sent
                ended.append("the address in GRABIENT_NOTIFY_URL did not answer in time.")
            else:
                ended.append(f"the address in GRABIENT_NOTIFY_URL cannot be reached ({type(reason).__name__}).")

    # In a thread: looking up a name, and an answer that comes byte by byte, know no timeout.
    thread = threading.Thread(target=post, daemon=True)
    thread.start()
    thread.join(seconds)
    return ended[0] if ended else None
