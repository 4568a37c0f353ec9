"""The table request_sizes: the sizes of a request of each kind, from which its cost follows.

Money is reserved for everything that a subject still needs at once, so the requests of every purpose are measured
before they are written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import ROUND_UP
from typing import TYPE_CHECKING, Any, NamedTuple

from grabient_assets.errors import GrabientError, RegistryError, RequestRejectedError, UnpricedError
from grabient_assets.ledger.estimates import (
    DollarRange,
    Measured,
    MeasuredKey,
    RequestShape,
    TokenEstimate,
    estimate,
    measured_tokens,
    most_image_tokens,
    token_estimate,
)
from grabient_assets.ledger.money import HoldKey
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Delivery, Model
from grabient_assets.registry.price_list import EXACT
from grabient_assets.warehouse.rows import insert_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.ledger.purpose import Purpose, Purposes

SIZED = 1000
"""The most subjects from which the mean size is taken: building their part of a line takes time."""


@dataclass(frozen=True, slots=True)
class RequestSize:
    """One row of `request_sizes`: the sizes of a mean request of this purpose.

    `text_bytes` is the length of its line without a picture; the other numbers are the prompt's parameters. The request
    follows automatically when all providers in `follows` were asked for its input.
    """

    purpose: str
    provider: str
    model: str
    prompt_version: str
    prompt_digest: str
    text_bytes: int
    pictures: int
    max_output_tokens: int
    thinking_budget: int | None
    effort: str | None
    follows: tuple[str, ...] = ()
    delivery: Delivery = "batch"


class RequestKey(NamedTuple):
    """A kind of request: all of a kind are estimated alike."""

    purpose: str
    provider: str
    model: str
    prompt_version: str


def kind_of(key: HoldKey) -> RequestKey:
    """The kind of the requests held under the key."""
    return RequestKey(key.purpose, key.provider, key.model, key.prompt_version)


class WantedTarget(NamedTuple):
    """A model for which requests under a prompt version are wanted, or may follow automatically (`follows`)."""

    provider: str
    model: str
    prompt_version: str
    follows: tuple[str, ...] = ()
    delivery: Delivery = "batch"


def _asked(connection: DuckDBPyConnection, purpose: Purpose) -> list[WantedTarget]:
    """Every model that was ever asked for this purpose."""
    rows = connection.execute(
        """
        SELECT provider, model, prompt_version, arg_max(delivery, asked_at) FROM asks WHERE purpose = $1
        GROUP BY ALL ORDER BY ALL
        """,
        [purpose.name],
    ).fetchall()
    return [WantedTarget(*row[:3], delivery=row[3]) for row in rows]


def keep_request_sizes(connection: DuckDBPyConnection, purposes: Purposes, usable: Sequence[str], on: date) -> None:
    """Record the sizes of a request for every model of which one is wanted, as far as it can be asked on the day `on`.

    `usable` are the providers that can be asked.
    """
    sizes: list[RequestSize] = []
    for purpose in purposes.values():
        wanted = purpose.wanted(connection, usable) if purpose.wanted else _asked(connection, purpose)
        for target in wanted:
            size = _wanted_size(connection, purpose, target, on)
            sizes += [size] if size else []
    _record_request_sizes(connection, sizes)


def _wanted_size(
    connection: DuckDBPyConnection, purpose: Purpose, target: WantedTarget, on: date
) -> RequestSize | None:
    """None when the model cannot be asked: its asks are stopped when they are sent."""
    registry = load_registry()
    try:
        model = registry.model(target.provider, target.model)
        registry.usable(model, on)
        return _size(connection, purpose, model, target.prompt_version, target.follows, target.delivery)
    except GrabientError:
        return None


def _size(
    connection: DuckDBPyConnection,
    purpose: Purpose,
    model: Model,
    version: str,
    follows: tuple[str, ...] = (),
    delivery: Delivery = "batch",
) -> RequestSize:
    prompt = purpose.prompt(version, model)
    size = purpose.line_bytes(connection, prompt, model) + mean_subject_bytes(connection, purpose)
    shape = request_shape(size, purpose.pictures, prompt.parameters, model)
    key = RequestKey(purpose.name, model.provider, model.id, version)
    return size_of(key, prompt.digest, shape, follows, delivery)


def mean_subject_bytes(connection: DuckDBPyConnection, purpose: Purpose) -> int:
    """The bytes that a subject adds to a request line, the mean of some; 0 when there is none."""
    row = connection.execute(
        f"""
        SELECT coalesce(round(avg(bytes)), 0)::INTEGER FROM ({purpose.sizes})
        WHERE subject IN (SELECT subject FROM ({purpose.keys}) ORDER BY subject LIMIT {SIZED})
        """
    ).fetchone()
    assert row is not None
    return row[0]


def request_shape(text_bytes: int, pictures: int, parameters: Mapping[str, Any], model: Model) -> RequestShape:
    """The shape of a request whose line has this many bytes of text, under the parameters of its prompt."""
    most = parameters.get("max_output_tokens", model.max_output_tokens)
    if model.kind == "image":
        most = most_image_tokens(model, parameters.get("size"), parameters.get("quality"))
    return RequestShape(
        text_bytes,
        most,
        pictures,
        parameters.get("thinking_budget"),
        parameters.get("effort"),
    )


def size_of(
    key: RequestKey,
    prompt_digest: str,
    shape: RequestShape,
    follows: tuple[str, ...] = (),
    delivery: Delivery = "batch",
) -> RequestSize:
    """The row of the table about requests of this kind and shape."""
    return RequestSize(
        *key,
        prompt_digest,
        shape.text_bytes,
        shape.pictures,
        shape.max_output_tokens,
        shape.thinking_budget,
        shape.effort,
        follows,
        delivery,
    )


def _record_request_sizes(connection: DuckDBPyConnection, sizes: Sequence[RequestSize]) -> None:
    """Replace the rows of the table. A size for the same prompt stays: it may have been measured on the lines that were
    sent (`measure_request`)."""
    connection.execute("CREATE OR REPLACE TEMP TABLE sizes_before AS FROM request_sizes")
    connection.execute("DELETE FROM request_sizes")
    insert_rows(connection, "request_sizes", sizes)
    connection.execute(
        """
        UPDATE request_sizes AS r SET text_bytes = b.text_bytes FROM sizes_before b
        WHERE b.purpose = r.purpose AND b.provider = r.provider AND b.model = r.model
          AND b.prompt_version = r.prompt_version AND b.prompt_digest = r.prompt_digest
        """
    )
    connection.execute("DROP TABLE sizes_before")


def measure_request(connection: DuckDBPyConnection, size: RequestSize) -> None:
    """Record the measured size of lines about to be sent. The providers in `follows` stay as recorded."""
    insert_rows(
        connection,
        "request_sizes",
        [size],
        """
        ON CONFLICT DO UPDATE SET
            prompt_digest = excluded.prompt_digest, text_bytes = excluded.text_bytes, pictures = excluded.pictures,
            max_output_tokens = excluded.max_output_tokens, thinking_budget = excluded.thinking_budget,
            effort = excluded.effort, delivery = excluded.delivery
        """,
    )


def request_sizes(connection: DuckDBPyConnection) -> list[RequestSize]:
    """All rows."""
    columns = ", ".join(RequestSize.__dataclass_fields__)
    rows = connection.execute(f"SELECT {columns} FROM request_sizes ORDER BY ALL").fetchall()
    found = (RequestSize(*row) for row in rows)
    return [replace(size, follows=tuple(size.follows)) for size in found]


def request_prices(connection: DuckDBPyConnection, now: datetime) -> dict[RequestKey, DollarRange | None]:
    """The cost of a request of each kind by what is known now: the tokens of new answers are measured, and prices
    become known (None: not yet)."""
    measured, found = measured_tokens(connection), dict[RequestKey, DollarRange | None]()
    for size in request_sizes(connection):
        try:
            model = load_registry().model(size.provider, size.model)
        except RegistryError:  # sending stops its asks, with the reason
            continue
        tokens = _tokens(size, model, measured)
        key = RequestKey(size.purpose, size.provider, size.model, size.prompt_version)
        try:
            found[key] = rounded_up(estimate(model, now.date(), tokens, 1, size.delivery))
        except UnpricedError:
            found[key] = None
    return found


def requests_usd(
    connection: DuckDBPyConnection,
    purpose: Purpose,
    model: Model,
    version: str,
    count: int,
    on: date,
    delivery: Delivery = "batch",
) -> DollarRange | None:
    """The cost of this many requests of a mean size; None at an unknown price, or when the model takes no such
    request."""
    try:
        size = _size(connection, purpose, model, version)
        return estimate(model, on, _tokens(size, model, measured_tokens(connection)), count, delivery)
    except (RequestRejectedError, UnpricedError):
        return None


def _tokens(size: RequestSize, model: Model, measured: Mapping[MeasuredKey, Measured]) -> TokenEstimate:
    shape = RequestShape(size.text_bytes, size.max_output_tokens, size.pictures, size.thinking_budget, size.effort)
    return token_estimate(shape, model, measured.get((size.provider, size.model, size.prompt_digest)))


def rounded_up(one: DollarRange) -> DollarRange:
    """The same with the ledger's decimals, so that the cost of many is an exact multiple."""
    return DollarRange(
        one.low.quantize(EXACT, ROUND_UP), one.expected.quantize(EXACT, ROUND_UP), one.high.quantize(EXACT, ROUND_UP)
    )
