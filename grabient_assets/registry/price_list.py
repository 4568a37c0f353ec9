"""The rates of one model on one day, as they are written down with a batch or a direct call when it is sent.

What an answer cost is computed from this copy, when it is collected and whenever it is read again. So neither a new
entry in the registry nor a new release of genai-prices changes what a past batch cost.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from grabient_assets.errors import UnpricedError
from grabient_assets.registry.model import Delivery, Model, Rates
from grabient_assets.registry.prices import MILLION, SHORT_PROMPT, Basis, rates_on, tier_starts
from grabient_assets.registry.usage import Usage

UNIT = "USD per million tokens"
IMAGE_RATES = ("image_input", "cached_image_input", "image_output")
EXACT = Decimal("1E-10")
"""Dollars are stored with ten decimals. Each answer is rounded to them by itself, so that sums add up to the last."""

FIVE_MINUTES = Decimal("1.25")
"""What writing to the cache for five minutes costs, times the input price, at Anthropic: nobody else tells such writes
apart. The write rate of a price list is that of an hour there."""


@dataclass(frozen=True, slots=True)
class Tier:
    """The rates for prompts of at most `prompt_tokens_up_to` tokens (None: any)."""

    rates: Rates
    prompt_tokens_up_to: int | None


@dataclass(frozen=True, slots=True)
class PriceList:
    """Rates of `model` in one delivery, by length of the prompt, shortest first.

    `as_of` is the day on which they hold. `source` is the page that a registry entry names, looked at on `checked_on`;
    or genai-prices with its version, which names no such day.
    """

    provider: str
    model: str
    as_of: date
    basis: Basis
    source: str
    tiers: tuple[Tier, ...]
    checked_on: date | None = None

    def cost(self, usage: Usage) -> Decimal:
        """US dollars of one answer, to ten decimals.

        (input - cached - written) * input rate + cached * cached rate + written * write rate + output * output rate,
        with the rates for its prompt; what was written for five minutes has a write rate of its own, and so have
        images: read, read from the cache, and made. Raises UnpricedError for a prompt longer than the list goes, and
        for images that were made at no price.
        """
        rates = self._rates(usage.input_tokens)
        if usage.output_image_tokens and rates.image_output is None:
            raise UnpricedError(
                f"The price list of {self.model} ({self.provider}) of {self.as_of} names no price for images that are "
                f"made; this answer has {usage.output_image_tokens} tokens of them."
            )
        plain = usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens
        images = min(usage.input_image_tokens - usage.cached_image_tokens, plain)
        dollars = (
            (plain - images) * rates.input
            + images * _image_rate(rates)
            + (usage.cached_input_tokens - usage.cached_image_tokens) * _cached_rate(rates)
            + usage.cached_image_tokens * _cached_image_rate(rates)
            + _written(usage, rates)
            + (usage.output_tokens - usage.output_image_tokens) * rates.output
            + usage.output_image_tokens * (rates.image_output or rates.output)
        )
        return (dollars / MILLION).quantize(EXACT)

    def cache_saving(self, usage: Usage) -> Decimal:
        """US dollars by which the provider's cache made the answer cheaper; negative when writing cost more."""
        rates = self._rates(usage.input_tokens)
        dearer = _written(usage, rates) - usage.cache_write_tokens * rates.input
        text = usage.cached_input_tokens - usage.cached_image_tokens
        saved = (
            text * (rates.input - _cached_rate(rates))
            + usage.cached_image_tokens * (_image_rate(rates) - _cached_image_rate(rates))
            - dearer
        )
        return (saved / MILLION).quantize(EXACT)

    def _rates(self, prompt_tokens: int) -> Rates:
        for tier in self.tiers:
            if tier.prompt_tokens_up_to is None or prompt_tokens <= tier.prompt_tokens_up_to:
                return tier.rates
        raise UnpricedError(
            f"The price of {self.model} ({self.provider}) of {self.as_of} holds for prompts up to "
            f"{self.tiers[-1].prompt_tokens_up_to} tokens; this one has {prompt_tokens}."
        )


@lru_cache(maxsize=4096)
def price_list(model: Model, on: date, delivery: Delivery = "batch") -> PriceList:
    """The rates of `model` on the day `on`: half of the standard ones in a batch. Raises UnpricedError when there are
    none."""
    batch = delivery == "batch"
    starts = tier_starts(model, on, batch)
    first, basis = rates_on(model, on, batch, min([SHORT_PROMPT, *starts]))
    if basis == "registry":
        entry = [price for price in model.prices if price.since <= on][-1]
        tiers = (Tier(first, entry.prompt_tokens_up_to),)
        return PriceList(model.provider, model.id, on, basis, entry.source, tiers, model.checked_on)
    rates = [first, *(rates_on(model, on, batch, start + 1)[0] for start in starts)]
    tiers = tuple(Tier(_rounded(one), end) for one, end in zip(rates, [*starts, None], strict=True))
    return PriceList(model.provider, model.id, on, basis, f"genai-prices {version('genai-prices')}", tiers)


def to_json(prices: PriceList) -> str:
    """As it is stored: exact decimals as text. Rates of images only where there are some."""
    tiers = [
        {
            "prompt_tokens_up_to": tier.prompt_tokens_up_to,
            "input": _text(tier.rates.input),
            "cached_input": _text(tier.rates.cached_input),
            "cache_write": _text(tier.rates.cache_write),
            "output": _text(tier.rates.output),
        }
        | {key: _text(rate) for key in IMAGE_RATES if (rate := getattr(tier.rates, key)) is not None}
        for tier in prices.tiers
    ]
    return json.dumps(
        {
            "provider": prices.provider,
            "model": prices.model,
            "unit": UNIT,
            "as_of": prices.as_of.isoformat(),
            "basis": prices.basis,
            "source": prices.source,
            "checked_on": prices.checked_on.isoformat() if prices.checked_on else None,
            "tiers": tiers,
        }
    )


def from_json(text: str) -> PriceList:
    """What `to_json` wrote."""
    stored: dict[str, Any] = json.loads(text)
    tiers = tuple(
        Tier(
            Rates(
                Decimal(tier["input"]),
                Decimal(tier["output"]),
                _number(tier["cached_input"]),
                _number(tier["cache_write"]),
                **{key: _number(tier.get(key)) for key in IMAGE_RATES},
            ),
            tier["prompt_tokens_up_to"],
        )
        for tier in stored["tiers"]
    )
    checked = date.fromisoformat(stored["checked_on"]) if stored["checked_on"] else None
    as_of = date.fromisoformat(stored["as_of"])
    return PriceList(stored["provider"], stored["model"], as_of, stored["basis"], stored["source"], tiers, checked)


def _cached_rate(rates: Rates) -> Decimal:
    return rates.input if rates.cached_input is None else rates.cached_input


def _image_rate(rates: Rates) -> Decimal:
    return rates.input if rates.image_input is None else rates.image_input


def _cached_image_rate(rates: Rates) -> Decimal:
    if rates.cached_image_input is not None:
        return rates.cached_image_input
    return _cached_rate(rates) if rates.image_input is None else rates.image_input


def _written(usage: Usage, rates: Rates) -> Decimal:
    """What writing to the cache cost, times a million."""
    lasting = rates.input if rates.cache_write is None else rates.cache_write
    briefly = FIVE_MINUTES * rates.input
    return (usage.cache_write_tokens - usage.cache_write_5m_tokens) * lasting + usage.cache_write_5m_tokens * briefly


def _rounded(rates: Rates) -> Rates:
    """Ten decimals: some rates come out of a division."""

    def ten(rate: Decimal | None) -> Decimal | None:
        return None if rate is None else rate.quantize(EXACT)

    return Rates(
        rates.input.quantize(EXACT),
        rates.output.quantize(EXACT),
        ten(rates.cached_input),
        ten(rates.cache_write),
        **{key: ten(getattr(rates, key)) for key in IMAGE_RATES},
    )


def _text(rate: Decimal | None) -> str | None:
    return None if rate is None else f"{rate.normalize():f}"


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
