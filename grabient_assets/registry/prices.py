"""What an answer cost, in US dollars, as exact decimals.

Two sources. genai-prices is asked first, but only counts where it knows the *batch* price: for many models it answers
a batch question with the standard price, so its batch price must be strictly below its standard one. Otherwise the
entry of the registry that held on the day is used. A price that neither knows is an UnpricedError: nothing may be sent
at a price that was guessed.

In batches, tokens that the provider reports as cached cost their cached rate only where the registry says that the two
discounts add up (`caching.adds_up`): at Anthropic, where cache writes cost the one-hour rate of twice the input, and at
Google. At Groq they do not, and OpenAI does not say; there cached tokens cost what other input costs, so that a cost is
never reported too low.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Literal, TypeAlias

from grabient_assets.errors import UnpricedError
from grabient_assets.registry.model import Model, Rates
from grabient_assets.registry.usage import Usage

Basis: TypeAlias = Literal["registry", "genai-prices"]

MILLION = Decimal(1_000_000)
# Some models cost more above 100,000 or more prompt tokens. Below this every prompt of a model shares one look-up.
SHORT_PROMPT = 50_000


@dataclass(frozen=True, slots=True)
class Cost:
    """US dollars of one or more answers, and where the price came from."""

    usd: Decimal
    basis: Basis


def cost(model: Model, usage: Usage, on: date, batch: bool = True) -> Cost:
    """What an answer of `model` with `usage` cost on the day `on`.

    (input - cached - written) * input rate + cached * cached rate + written * write rate + output * output rate, with
    the rates per million tokens that held on that day. Raises UnpricedError when no price holds.
    """
    rates, basis = rates_on(model, on, batch, max(usage.input_tokens, SHORT_PROMPT))
    plain = usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens
    dollars = (
        plain * rates.input
        + usage.cached_input_tokens * (rates.input if rates.cached_input is None else rates.cached_input)
        + usage.cache_write_tokens * (rates.input if rates.cache_write is None else rates.cache_write)
        + usage.output_tokens * rates.output
    )
    return Cost(dollars / MILLION, basis)


def batch_price(
    model: Model, on: date, allow_unpriced: bool = False, prompt_tokens: int = SHORT_PROMPT
) -> tuple[Rates, Basis] | None:
    """The batch rates of `model` on the day `on`, and their source: what has to be known before anything is sent.

    Raises UnpricedError when there are none, or with `allow_unpriced` gives None.
    """
    try:
        return rates_on(model, on, True, prompt_tokens)
    except UnpricedError:
        if allow_unpriced:
            return None
        raise


@lru_cache(maxsize=4096)
def rates_on(model: Model, on: date, batch: bool, prompt_tokens: int) -> tuple[Rates, Basis]:
    """The rates of `model` on the day `on` for a prompt of `prompt_tokens`, and their source."""
    rates, basis = _known_rates(model, on, batch, prompt_tokens)
    if batch and model.caching.adds_up != "yes":
        rates = replace(rates, cached_input=None)
    return rates, basis


def _known_rates(model: Model, on: date, batch: bool, prompt_tokens: int) -> tuple[Rates, Basis]:
    listed = _genai_rates(model, on, batch, prompt_tokens)
    if listed is not None:
        return listed, "genai-prices"
    held = [price for price in model.prices if price.since <= on]
    if not held:
        raise UnpricedError(
            f"No price of {model.id} ({model.provider}) is known for {on}; the first one starts on "
            f"{model.prices[0].since}. Add an entry to registry/data/{model.provider}.toml, or ask with "
            "--allow-unpriced."
        )
    price = held[-1]
    if price.prompt_tokens_up_to is not None and prompt_tokens > price.prompt_tokens_up_to:
        raise UnpricedError(
            f"The price of {model.id} ({model.provider}) of {price.since} holds for prompts up to "
            f"{price.prompt_tokens_up_to} tokens, this one has {prompt_tokens}. Shorten the prompt, or ask with "
            "--allow-unpriced."
        )
    return (price.batch if batch else price.standard), "registry"


def _genai_rates(model: Model, on: date, batch: bool, prompt_tokens: int) -> Rates | None:
    standard = _listed(model, on, False, prompt_tokens)
    if not batch or standard is None:
        return standard
    halved = _listed(model, on, True, prompt_tokens)
    if halved is None or halved.input >= standard.input or halved.output >= standard.output:
        return None
    return halved


def _listed(model: Model, on: date, batch: bool, prompt_tokens: int) -> Rates | None:
    """What genai-prices lists for exactly this model, or None when it does not know it."""
    from genai_prices import Usage as Tokens
    from genai_prices import calc_price

    n = prompt_tokens
    context = {"processing": "batch"} if batch else {}
    at = datetime.combine(on, time(12), tzinfo=UTC)

    def listed(tokens: Tokens) -> tuple[Decimal, Decimal]:
        found = calc_price(
            tokens, model.id, provider_id=model.provider, genai_request_timestamp=at, price_context=context
        )
        if not _same_model(model.id, found.model.id):
            raise LookupError(found.model.id)
        return found.input_price * MILLION / n, found.output_price * MILLION / n

    try:
        input_rate, output_rate = listed(Tokens(input_tokens=n, output_tokens=n))
        cached, _ = listed(Tokens(input_tokens=n, cache_read_tokens=n))
        written, _ = listed(Tokens(input_tokens=n, cache_write_tokens=n, cache_write_1h_tokens=n))
    except LookupError:
        return None
    return Rates(input_rate, output_rate, cached, written)


def _same_model(ours: str, theirs: str) -> bool:
    """genai-prices matches by prefix. Only the same name, or that name with our date behind it, is the same model."""
    return re.fullmatch(re.escape(theirs.removesuffix("-latest")) + r"(-\d{8}|-\d{4}-\d{2}-\d{2})?", ours) is not None
