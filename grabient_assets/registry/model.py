"""What is known about one model: frozen values, read from the data files by `registry.load`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal, TypeAlias

Role: TypeAlias = Literal["tagger", "refiner"]
Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Thinking: TypeAlias = Literal["none", "budget", "adaptive", "effort", "level"]
Structured: TypeAlias = Literal["none", "json_object", "json_schema"]
AddsUp: TypeAlias = Literal["yes", "no", "unverified"]

PROVIDERS = ("anthropic", "openai", "groq", "google")
EFFORTS: tuple[Effort, ...] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True, slots=True)
class Accepts:
    """What a request to the model may carry.

    `thinking` is the form of the dial: `budget` a number of tokens, `adaptive` the model decides (Anthropic),
    `effort` and `level` a word out of `efforts` (OpenAI and Groq; Gemini 3). `default_effort` is what this project
    asks for when a request names none; without it the provider's own default holds. `hide_reasoning` names the
    Groq parameter that keeps the thinking out of the answer.
    """

    sampling: bool
    thinking: Thinking
    structured: Structured
    images: bool
    efforts: tuple[Effort, ...] = ()
    default_effort: Effort | None = None
    hide_reasoning: Literal["include_reasoning", "reasoning_format"] | None = None

    def effort(self, wanted: str | None) -> Effort | None:
        """The effort to send for `wanted`: the next one up that the model knows, else its highest; None without a dial.

        One request goes to ten models whose words differ, so an unknown word is rounded instead of refused.
        Raises ValueError for a word that no model knows.
        """
        if wanted is None:
            return self.default_effort
        if wanted not in EFFORTS:
            raise ValueError(f"effort {wanted!r} is none of {', '.join(EFFORTS)}")
        if not self.efforts:
            return None
        known = sorted(self.efforts, key=EFFORTS.index)
        for word in known:
            if EFFORTS.index(word) >= EFFORTS.index(wanted):
                return word
        return known[-1]


@dataclass(frozen=True, slots=True)
class Rates:
    """US dollars per million tokens. Without a cache rate those tokens cost what other input costs."""

    input: Decimal
    output: Decimal
    cached_input: Decimal | None = None
    cache_write: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs from the day `since` on, for prompts of at most `prompt_tokens_up_to` tokens (None: any)."""

    since: date
    standard: Rates
    batch: Rates
    source: str
    prompt_tokens_up_to: int | None = None


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """The most a provider takes in one batch: requests, and bytes of request lines."""

    max_requests: int
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Caching:
    """What a provider's prompt cache means for batches.

    `adds_up` says whether cached tokens are cheaper in a batch as well. `explicit` means that a request has to ask for
    it and pays for writing; `least_hits` is the part of such requests that find the prefix at worst (0-1).
    """

    adds_up: AddsUp
    explicit: bool
    least_hits: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """One model of one provider. `id` is the provider's own; `prices` are sorted by date.

    `cache_from_tokens` is the shortest prefix that the model caches; None: not known. It is served from
    `available_from` on; where that day is not published, `available_by` is the first day on which a source shows it.
    """

    provider: str
    id: str
    family: str
    roles: tuple[Role, ...]
    panel: bool
    accepts: Accepts
    token_parameter: str
    context_tokens: int
    max_output_tokens: int
    prices: tuple[Price, ...]
    caching: Caching
    checked_on: date
    source: str
    cache_from_tokens: int | None = None
    available_from: date | None = None
    available_by: date | None = None
    retires_on: date | None = None
    retires_not_before: date | None = None
    replacement: str | None = None

    def __hash__(self) -> int:
        # Prices are looked up once per answer in a table keyed by model; hashing every field would cost more.
        return hash((self.provider, self.id))
