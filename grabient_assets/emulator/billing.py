"""What the emulated providers would bill: the tokens of every answer, and their price by the registry.

Tokens are kept as answers are made, and priced only when somebody asks. An answer is billed whether its sender got it
or not: one that a fault leaves out of the results as well as one whose connection was closed. Refusals that come as an
error are not billed.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from grabient_assets.emulator.database import Database
from grabient_assets.errors import RegistryError, UnpricedError
from grabient_assets.registry.model import Delivery
from grabient_assets.registry.usage import Usage


@dataclass(frozen=True, slots=True)
class Billed:
    """One answer that is billed, at the prices of the day of its request."""

    provider: str
    model: str
    delivery: Delivery
    day: date
    usage: Usage


def billed(provider: str, model: str, delivery: Delivery, day: date, payload: Mapping[str, Any]) -> list[Billed]:
    """What an answer is billed as; nothing for one that reports no tokens. Where the answer names its model, that one
    counts."""
    inner = next((payload[name] for name in ("body", "message", "response") if name in payload), payload)
    usage = _usage(inner)
    if usage is None:
        return []
    named = inner.get("model") or inner.get("modelVersion") or model
    return [Billed(provider, named, delivery, day, usage)]


def _usage(answer: Mapping[str, Any]) -> Usage | None:
    """The tokens that an answer of any provider reports."""
    if (found := answer.get("usageMetadata")) is not None:
        return _google(found)
    if (found := answer.get("usage")) is None:
        return Usage(answer["tokenCount"], 0) if "tokenCount" in answer else None
    if "cache_creation_input_tokens" in found:
        return _anthropic(found)
    if "input_tokens_details" in found:
        return Usage(
            found["input_tokens"],
            found["output_tokens"],
            input_image_tokens=found["input_tokens_details"]["image_tokens"],
            output_image_tokens=found["output_tokens_details"]["image_tokens"],
        )
    return Usage(found["prompt_tokens"], found.get("completion_tokens", 0))


def _anthropic(found: Mapping[str, Any]) -> Usage:
    read, written = found["cache_read_input_tokens"], found["cache_creation_input_tokens"]
    return Usage(
        found["input_tokens"] + read + written,
        found["output_tokens"],
        cached_input_tokens=read,
        cache_write_tokens=written,
        cache_write_5m_tokens=found["cache_creation"]["ephemeral_5m_input_tokens"],
    )


def _google(found: Mapping[str, Any]) -> Usage:
    def of_images(name: str) -> int:
        return sum(part["tokenCount"] for part in found.get(name, ()) if part["modality"] == "IMAGE")

    return Usage(
        found["promptTokenCount"],
        found.get("candidatesTokenCount", 0) + found.get("thoughtsTokenCount", 0),
        input_image_tokens=of_images("promptTokensDetails"),
        output_image_tokens=of_images("candidatesTokensDetails"),
    )


class Bills:
    """What was billed so far."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(self, answers: Iterable[Billed]) -> None:
        with self._db.transaction() as db:
            insert_bills(db, answers)

    def rows(self) -> list[dict[str, Any]]:
        """Answers and dollars per provider, model and delivery. Without a price the dollars are None."""
        answers: Counter[tuple[str, str, str]] = Counter()
        dollars: dict[tuple[str, str, str], Decimal | None] = {}
        for row in self._db.rows("SELECT * FROM bills ORDER BY provider, model, delivery, day"):
            key = (row["provider"], row["model"], row["delivery"])
            answers[key] += row["answers"]
            before, cost = dollars.get(key, Decimal(0)), _cost(row)
            dollars[key] = None if before is None or cost is None else before + row["answers"] * cost
        names = ("provider", "model", "delivery")
        return [dict(zip(names, key, strict=True)) | {"answers": answers[key], "usd": dollars[key]} for key in answers]


def insert_bills(db: sqlite3.Connection, answers: Iterable[Billed]) -> None:
    """Inside a transaction of the caller."""
    equal = Counter(answers)
    db.executemany(
        "INSERT INTO bills VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET answers = answers + excluded.answers",
        [
            (one.provider, one.model, one.delivery, one.day.isoformat(), json.dumps(asdict(one.usage)), count)
            for one, count in equal.items()
        ],
    )


def _cost(row: sqlite3.Row) -> Decimal | None:
    """What one of these answers costs."""
    from grabient_assets.registry.load import load_registry
    from grabient_assets.registry.price_list import price_list

    try:
        model = load_registry().model(row["provider"], row["model"])
        prices = price_list(model, date.fromisoformat(row["day"]), row["delivery"])
        return prices.cost(Usage(**json.loads(row["usage"])))
    except (RegistryError, UnpricedError):
        return None
