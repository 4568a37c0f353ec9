"""Whether a request should ask for its prompt to be cached. Pure arithmetic on what the registry knows.

Asking costs: whoever finds nothing in the cache writes it, at twice the input price (an hour), and only the others read
at a tenth of it. So it pays from a share of hits on, and providers promise none.
"""

from __future__ import annotations

from decimal import Decimal

from grabient_assets.registry.model import Model, Rates

CHARACTERS_PER_TOKEN = 4
"""English prose at every tokenizer in use; newer ones make more tokens of it, so this counts too few rather than too
many."""


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
