"""What the answers of a batch cost. What cannot be known stays unknown; it never keeps an answer from being stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from grabient_assets.errors import RegistryError
from grabient_assets.providers.contract import Result
from grabient_assets.registry.model import Model
from grabient_assets.registry.price_list import price_list
from grabient_assets.registry.usage import Usage

MOST_TOKENS = 10_000_000
"""A count above this is no count: no model reads or writes a tenth of it in one request."""


def believable_usage(result: Result | None) -> Usage | None:
    """The tokens the provider reports; None where it reports none, or what no request can use."""
    usage = result.usage if result else None
    return usage if usage and max(usage.input_tokens, usage.output_tokens) <= MOST_TOKENS else None


def dollars(result: Result | None, model: Model | None, on: date, problems: list[str]) -> Decimal | None:
    """What the answer cost by the prices of the day `on`; None, and the reason once in `problems`, when unknown.

    `model` is None for one that the registry knows no more.
    """
    if result is None or result.usage is None:
        return None
    usage = believable_usage(result)
    if usage is None:
        problems.append(f"{result.custom_id} reports {result.usage}; its cost stays unknown.")
        return None
    try:
        if model is None:
            raise RegistryError("The registry knows this model no more.")
        return price_list(model, on).cost(usage)
    except RegistryError as error:
        sentence = f"The cost of some answers stays unknown: {error}"
        if sentence not in problems:
            problems.append(sentence)
        return None


def total(costs: Sequence[Decimal | None], billed: bool) -> Decimal | None:
    """The sum of what is known; None when something was billed and no cost is known: that is not nothing."""
    known = [one for one in costs if one is not None]
    return sum(known, Decimal(0)) if known or not billed else None
