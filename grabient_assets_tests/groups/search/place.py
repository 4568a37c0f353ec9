"""A data folder with texts, whose embedders are the emulator's, reached over sockets through the SDKs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from grabient_assets.groups.embedding.purpose import EMBEDDING, EmbeddingsAsked, ask_for_embeddings
from grabient_assets.groups.purposes import PURPOSES, reader_of
from grabient_assets.ledger.batches import open_batches
from grabient_assets.ledger.poll import poll_batches
from grabient_assets.ledger.round import Round, collect_batches
from grabient_assets.ledger.send import Sent
from grabient_assets.ledger.submission import Submission, submit_due
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model
from grabient_assets_tests.ledger.place_at_emulator import Place

SMALL = load_registry().model("openai", "text-embedding-3-small")
ONE, TWO = (load_registry().model("google", f"gemini-embedding-{name}") for name in ("001", "2"))
NOMIC = load_registry().model("groq", "nomic-embed-text-v1_5")
TEXTS = ("a quiet harbour", "neon rain", "first snow", "dry grass")


def ask(place: Place, model: Model, texts: Sequence[str] = TEXTS, **more: Any) -> EmbeddingsAsked:
    """Want vectors, at whatever price."""
    house = place.house
    more = {"allow_unpriced": True, **more}
    return ask_for_embeddings(texts, model, "emulator", house.warehouse, house.clock(), **more)


def submit(place: Place, provider: str) -> Sent:
    """Send what is due there."""
    house = place.house
    house.clock.wind(seconds=1)
    with place.connect(provider) as connection:
        return submit_due(EMBEDDING, Submission(connection, PURPOSES, house.warehouse, house.store, house.clock))


def collect(place: Place, within: int = 10) -> Round:
    """Poll what is open until it has ended, at most so often, and collect it."""
    house = place.house
    with house.warehouse.read() as connection:
        waiting = open_batches(connection)
    wanted = {batch.batch_id for batch in waiting}
    ready, looks = set[str](), 0
    while not ready >= wanted and looks < within:
        house.clock.wind(seconds=1)
        polled = poll_batches(waiting, place.connect, house.warehouse, house.clock)
        ready, looks = polled.ready, looks + 1
        assert not polled.troubles, polled
    reader = reader_of(house.warehouse, house.store)
    return collect_batches(list(wanted), place.connect, house.warehouse, house.store, reader, house.clock)


def wait_out(place: Place) -> None:
    """Every pause is over."""
    place.house.clock.now += timedelta(hours=2)
