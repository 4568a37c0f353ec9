"""Images through the ledger: one batch and one direct call at each provider that makes them, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from grabient_assets.errors import OverBudgetError, UnpricedError
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.ledger.batches import BatchRecord, RequestRecord
from grabient_assets.ledger.estimates import estimate, most_image_tokens, token_estimate
from grabient_assets.ledger.request_sizes import request_shape
from grabient_assets.ledger.reservation import NO_LIMIT, Terms
from grabient_assets.ledger.round import collect_batches
from grabient_assets.ledger.send import send_requests
from grabient_assets.ledger.settling import Settled, Verdict
from grabient_assets.ledger.submit import Order, PreparedRequest, submit_batch
from grabient_assets.providers.contract import ImageInput, ImageSpec, Result
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model
from grabient_assets_tests.ledger.house import START, House
from grabient_assets_tests.ledger.place_at_emulator import Place
from grabient_assets_tests.ledger.scripted_provider import ScriptedProvider

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

REGISTRY = load_registry()
FLARE = REGISTRY.model("openai", "gpt-image-2.5-flare")
BANANA, PRO = (REGISTRY.model("google", name) for name in ("gemini-nano-banana-2.1", "gemini-3-pro-image"))
TODAY = START.date()


class Painted:
    """A reader that keeps the images."""

    table = "batch_requests"

    def __init__(self) -> None:
        self.images: list[bytes | None] = []

    def judge(self, request: RequestRecord, result: Result) -> Verdict:
        self.images.append(result.image)
        return Verdict("succeeded")

    def picture_url(self, request: RequestRecord) -> str | None:
        return None

    def rows(self, batch: BatchRecord, settled: Sequence[Settled], now: datetime) -> list[Any]:
        return []

    def save(
        self, connection: DuckDBPyConnection, batch: BatchRecord, settled: Sequence[Settled], now: datetime
    ) -> None:
        pass


def spec(model: Model, *images: ImageInput) -> ImageSpec:
    quality = "medium" if model.images and model.images.qualities else None
    return ImageSpec("k-0123456789abcdef0123-00", "A quiet harbour.", images, size="1024x1024", quality=quality)


def order(model: Model, delivery: Any, terms: Terms) -> Order:
    asked = spec(model)
    parameters = {"size": asked.size, "quality": asked.quality}
    return Order("tagging", model, "v1", "digest", "emulator", None, None, parameters, terms, "image", delivery)


def paint(place: Place, model: Model, delivery: Any, *images: ImageInput, terms: Terms | None = None) -> BatchRecord:
    """One image, collected."""
    house, reader = place.house, Painted()
    with place.connect(model.provider) as connection:
        line = connection.provider.request_line(spec(model, *images), model)
        request = PreparedRequest(
            spec(model).custom_id, "a painting", 0, line, len(images), len(line) // 2 * len(images)
        )
        done = submit_batch(
            order(model, delivery, terms or NO_LIMIT),
            [request],
            connection.provider,
            house.warehouse,
            house.store,
            house.clock,
            lambda _: reader,
        )
    assert done is not None and done.error is None
    known = done.batch.batch_id
    while place.ledger(known).status == "submitted":
        house.clock.wind(seconds=1)
        collect_batches([known], place.connect, house.warehouse, house.store, lambda _: reader, house.clock)
    [image] = reader.images
    assert image is not None and image.startswith(b"\x89PNG")
    place.house.folder.joinpath("image.png").write_bytes(image)
    return place.ledger(known)


@pytest.mark.parametrize("delivery", ["batch", "direct"])
@pytest.mark.parametrize("model", [FLARE, BANANA], ids=lambda model: model.provider)
def test_an_image_is_made_and_paid_at_its_own_rate(model: Model, delivery: Any, place: Place) -> None:
    batch = paint(place, model, delivery)
    assert (batch.status, batch.kind, batch.succeeded) == ("collected", "image", 1)
    [(tokens, made, read, basis, cost)] = place.house.rows(
        "SELECT output_tokens, output_image_tokens, input_image_tokens, cost_basis, cost_usd FROM batch_requests"
    )
    assert tokens >= made == {FLARE.id: 1_056, BANANA.id: 1_120}[model.id] and (read, basis) == (None, "reported")
    rate = Decimal(15 if delivery == "batch" else 30)
    assert batch.estimated_usd is not None and batch.reserved_usd is not None
    assert made * rate / 1_000_000 < cost < batch.reserved_usd, "the image alone, and what was set aside for all"
    assert batch.reserved_usd < 3 * cost
    assert place.house.rows("SELECT output_image_tokens FROM cost_by_request") == [(made,)]


@pytest.mark.parametrize("delivery", ["batch", "direct"])
@pytest.mark.parametrize("model", [FLARE, BANANA], ids=lambda model: model.provider)
def test_an_image_that_is_changed_is_read_at_its_own_rate(model: Model, delivery: Any, place: Place) -> None:
    paint(place, model, "direct")
    base = ImageInput(data=place.house.folder.joinpath("image.png").read_bytes())
    place.house.write("DELETE FROM batch_requests")
    place.house.write("DELETE FROM batches")
    place.house.clock.wind(seconds=5)
    batch = paint(place, model, delivery, base)
    [(read, cost)] = place.house.rows("SELECT input_image_tokens, cost_usd FROM batch_requests")
    assert read > 200 and batch.reserved_usd is not None and cost < batch.reserved_usd


def test_there_has_to_be_money_for_the_most(place: Place) -> None:
    with pytest.raises(OverBudgetError):
        paint(place, FLARE, "direct", terms=Terms(PURPOSES, Decimal("0.025")))
    assert place.emulator.calls("openai") == {}
    paint(place, FLARE, "direct", terms=Terms(PURPOSES, Decimal("0.04")))


def cost(model: Model, size: str | None, quality: str | None, delivery: Any = "direct") -> Decimal:
    shape = request_shape(100, 0, {"size": size, "quality": quality}, model)
    return estimate(model, TODAY, token_estimate(shape, model), 1, delivery).high


def test_size_and_quality_say_what_it_costs_at_most() -> None:
    assert most_image_tokens(FLARE, "1024x1024", "high") == 4_160
    assert most_image_tokens(FLARE, "2048x1024", "high") == 8_320
    assert most_image_tokens(BANANA, "1024x1024", None) == 1_120
    assert most_image_tokens(BANANA, "2048x2048", None) == 3_800, "that of the next class"
    assert most_image_tokens(PRO, "2048x2048", None) == 1_120
    assert cost(FLARE, "1024x1024", "low") < cost(FLARE, "1024x1024", "medium") < cost(FLARE, "1024x1024", "high")
    assert cost(FLARE, "1024x1024", "low", "batch") * 2 == cost(FLARE, "1024x1024", "low")


@pytest.mark.parametrize(
    ("model", "size", "quality"),
    [(FLARE, "1024x1024", "max"), (FLARE, "1024x1024", None), (FLARE, None, "low"), (PRO, "4096x4096", None)],
)
def test_where_nobody_knows_the_most_it_is_unpriced(model: Model, size: str | None, quality: str | None) -> None:
    with pytest.raises(UnpricedError, match="most_tokens"):
        cost(model, size, quality)


def test_batches_of_images_are_small_enough_to_lie_in_memory(house: House, provider: ScriptedProvider) -> None:
    requests = [PreparedRequest(f"k-{number:020}-00", "a painting", 0, b"{}") for number in range(41)]
    sent = send_requests(order(FLARE, "batch", NO_LIMIT), requests, provider, house.warehouse, house.store, house.clock)
    assert [one.batch.request_count for one in sent.batches] == [40, 1]
