"""The rates that held on a day, in US dollars per million tokens, as exact decimals.

Two sources. genai-prices is asked first, but only counts where it knows the *batch* price: for many models it answers
a batch question with the standard price, so its batch price must be strictly below its standard one in everything that
is billed (an embedder has no output). Otherwise the entry of the registry that held on the day is used. A price that
neither knows is an UnpricedError: nothing may be sent at a price that was guessed.

In batches, tokens that the provider reports as cached cost their cached rate only where the registry says that the two
discounts add up (`caching.adds_up`): at Anthropic, where cache writes cost the one-hour rate of twice the input, and at
Google. At Groq they do not, and OpenAI does not say; there cached tokens cost what other input costs, so that a cost is
never reported too low. Writing to the cache costs its own rate everywhere: at OpenAI since GPT-5.6 a quarter more than
other input, without being asked for.

Asking for the cache costs: whoever finds nothing in it writes it, at twice the input price (an hour), and only the
others read at a tenth of it. So it pays from a share of hits on, and providers promise none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, TypeAlias

from grabient_assets.errors import UnpricedError
from grabient_assets.registry.model import Model, Rates

if TYPE_CHECKING:
    from genai_prices import Usage
    from genai_prices.types import PriceCalculation

Basis: TypeAlias = Literal["registry", "genai-prices"]

MILLION = Decimal(1_000_000)
# Some models cost more above 100,000 or more prompt tokens. Below this every prompt of a model shares one look-up.
SHORT_PROMPT = 50_000
CHARACTERS_PER_TOKEN = 4
"""English prose at every tokenizer in use; newer ones make more tokens of it, so this counts too few rather than too
many."""


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
        rates = replace(rates, cached_input=None, cached_image_input=None)
    return rates, basis


@lru_cache(maxsize=4096)
def tier_starts(model: Model, on: date, batch: bool = True) -> tuple[int, ...]:
    """The numbers of prompt tokens above which genai-prices lists other rates, ascending; none for a model that it does
    not know."""
    from genai_prices import Usage as Tokens
    from genai_prices.types import TieredPrices

    try:
        found = _calculated(Tokens(input_tokens=1), model, on, batch)
    except LookupError:
        return ()
    tiered = [rate for rate in vars(found.model_price).values() if isinstance(rate, TieredPrices)]
    return tuple(sorted({tier.start for rate in tiered for tier in rate.tiers}))


def _known_rates(model: Model, on: date, batch: bool, prompt_tokens: int) -> tuple[Rates, Basis]:
    listed = _genai_rates(model, on, batch, prompt_tokens)
    if listed is not None:
        return listed, "genai-prices"
    held = [price for price in model.prices if price.since <= on]
    if not held:
        starts = f"the first one starts on {model.prices[0].since}" if model.prices else "it has none"
        raise UnpricedError(
            f"No price of {model.id} ({model.provider}) is known for {on}; {starts}. Add an entry to "
            f"registry/data/{model.provider}.toml, or ask with --allow-unpriced."
        )
    price = held[-1]
    if price.prompt_tokens_up_to is not None and prompt_tokens > price.prompt_tokens_up_to:
        raise UnpricedError(
            f"The price of {model.id} ({model.provider}) of {price.since} holds for prompts up to "
            f"{price.prompt_tokens_up_to} tokens, this one has {prompt_tokens}. Shorten the prompt, or ask with "
            "--allow-unpriced."
        )
    if batch and price.batch is None:
        raise UnpricedError(
            f"No batch price of {model.id} ({model.provider}) is known for {on}: nobody has verified one. Ask "
            f"without a batch, add one to registry/data/{model.provider}.toml, or ask with --allow-unpriced."
        )
    return (price.batch if batch and price.batch else price.standard), "registry"


def _genai_rates(model: Model, on: date, batch: bool, prompt_tokens: int) -> Rates | None:
    standard = _listed(model, on, False, prompt_tokens)
    if not batch or standard is None:
        return standard
    halved = _listed(model, on, True, prompt_tokens)
    if halved is None or not _discounted(halved, standard):
        return None
    return halved


def _discounted(halved: Rates, standard: Rates) -> bool:
    """Whether everything that is billed costs less in a batch."""
    pairs = [
        (halved.input, standard.input),
        (halved.output, standard.output),
        (halved.image_input, standard.image_input),
        (halved.image_output, standard.image_output),
    ]
    return all(low is not None and low < high for low, high in pairs if high)


def _listed(model: Model, on: date, batch: bool, prompt_tokens: int) -> Rates | None:
    """What genai-prices lists for exactly this model, or None when it does not know it."""
    from genai_prices import Usage as Tokens

    n = prompt_tokens

    def listed(tokens: Tokens) -> tuple[Decimal, Decimal]:
        found = _calculated(tokens, model, on, batch)
        return found.input_price * MILLION / n, found.output_price * MILLION / n

    try:
        input_rate, output_rate = listed(Tokens(input_tokens=n, output_tokens=n))
        cached, _ = listed(Tokens(input_tokens=n, cache_read_tokens=n))
        written, _ = listed(Tokens(input_tokens=n, cache_write_tokens=n, cache_write_1h_tokens=n))
    except LookupError:
        return None
    rates = Rates(input_rate, output_rate, cached, written)
    return rates if model.images is None else _with_images(rates, listed, n)


def _with_images(rates: Rates, listed: Callable[[Usage], tuple[Decimal, Decimal]], n: int) -> Rates:
    """The rates with those of images. For models whose only output is images, genai-prices knows one output rate."""
    from genai_prices import Usage as Tokens

    read, made = listed(Tokens(input_tokens=n, input_image_tokens=n, output_tokens=n, output_image_tokens=n))
    cached, _ = listed(
        Tokens(input_tokens=n, input_image_tokens=n, cache_read_tokens=n, cache_image_read_tokens=n, output_tokens=0)
    )
    return replace(rates, image_input=read, cached_image_input=cached, image_output=made)


def _calculated(tokens: Usage, model: Model, on: date, batch: bool) -> PriceCalculation:
    """The price of these tokens by genai-prices. Raises LookupError when it does not know exactly this model."""
    from genai_prices import calc_price

    found = calc_price(
        tokens,
        model.id,
        provider_id=model.provider,
        genai_request_timestamp=datetime.combine(on, time(12), tzinfo=UTC),
        price_context={"processing": "batch"} if batch else {},
    )
    if not _same_model(model.id, found.model.id):
        raise LookupError(found.model.id)
    return found


def _same_model(ours: str, theirs: str) -> bool:
    """genai-prices matches by prefix. Only the same name, or that name with our date behind it, is the same model."""
    return re.fullmatch(re.escape(theirs.removesuffix("-latest")) + r"(-\d{8}|-\d{4}-\d{2}-\d{2})?", ours) is not None


def prefix_cost(rates: Rates, hits: Decimal) -> Decimal:
    """What a cached prefix costs, as a multiple of the same prefix without a cache; `hits` is the share found (0-1).

    (1 - hits) * write rate + hits * cached rate, over the input rate. Below 1 the cache saves.
    """
    written = rates.input if rates.cache_write is None else rates.cache_write
    read = rates.input if rates.cached_input is None else rates.cached_input
    return ((1 - hits) * written + hits * read) / rates.input


def may_write(model: Model, rates: Rates) -> bool:
    """Whether a batch request to `model` may be billed for writing to the cache at `rates`: where it is written without
    being asked for, and where asking pays, so that requests ask."""
    terms = model.caching
    if not terms.explicit:
        return True
    return terms.adds_up == "yes" and terms.least_hits is not None and prefix_cost(rates, terms.least_hits) < 1


def worth_caching(model: Model, prefix: str) -> bool:
    """Whether a batch request to `model` should ask for `prefix` to be cached, at the fewest hits to be expected.

    By the latest price entry of the registry, so that a request line stays the same whenever it is written. False where
    caching needs no asking, where the discounts do not add up for certain, and where the prefix is too short for the
    model, or its least length is not known.
    """
    terms = model.caching
    if not terms.explicit or terms.adds_up != "yes" or terms.least_hits is None or model.cache_from_tokens is None:
        return False
    if len(prefix) // CHARACTERS_PER_TOKEN < model.cache_from_tokens:
        return False
    rates = model.prices[-1].batch if model.prices else None
    return rates is not None and prefix_cost(rates, terms.least_hits) < 1
