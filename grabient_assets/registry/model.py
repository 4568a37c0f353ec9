"""What is known about one model: frozen values, read from the data files by `registry.load`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Literal, TypeAlias, get_args

from grabient_assets.settings import Provider

Role: TypeAlias = Literal["tagger", "refiner", "artist", "brush", "editor", "extractor", "embedder"]
Kind: TypeAlias = Literal["text", "image", "vector"]
Delivery: TypeAlias = Literal["batch", "direct"]
Task: TypeAlias = Literal["document", "query"]
Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Thinking: TypeAlias = Literal["none", "budget", "adaptive", "effort", "level"]
Structured: TypeAlias = Literal["none", "json_object", "json_schema"]
AddsUp: TypeAlias = Literal["yes", "no", "unverified"]

ProviderName: TypeAlias = Literal[Provider, "local"]
PROVIDERS = get_args(ProviderName)
"""Providers with a file. `local` stands for models that run in this process: no key, no address, no price."""
KIND_OF: dict[Role, Kind] = {
    **dict.fromkeys(("tagger", "refiner", "artist", "extractor"), "text"),
    **dict.fromkeys(("brush", "editor"), "image"),
    "embedder": "vector",
}
"""What a model in this role answers with."""
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
class ImageRules:
    """What a model that makes images takes. Empty tuples: there is nothing to choose, and nothing is sent.

    Sizes are either free, WIDTHxHEIGHT with both edges a multiple of `edge_multiple` and the limits below, or one of
    `sizes` (1K, 2K, 4K: as many pixels as a square with edges of 1,024, 2,048, 4,096) in one of the `ratios`. `mask` is
    what the model does with a mask: it repaints everything and takes the mask as guidance, or it has no place for one.

    `most_tokens` are the most that an image is billed as: by class of size, or where sizes are free by quality, for
    1,048,576 pixels.
    """

    most_inputs: int
    mask: Literal["guidance", "none"]
    transparent: bool
    sizes: tuple[str, ...] = ()
    ratios: tuple[str, ...] = ()
    edge_multiple: int | None = None
    longest_edge: int | None = None
    least_pixels: int | None = None
    most_pixels: int | None = None
    widest_ratio: int | None = None
    qualities: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    most_tokens: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VectorRules:
    """What a model that makes vectors takes and gives.

    `dimensions` come when nobody asks for a number; one may ask for `least` to `most`, and this project asks for
    `default`. `unit_length`: vectors have length 1 at every number of dimensions. `task` says how the model learns
    whether a text is a document or a query: by a parameter, by words before the text, or not at all. `one_per_call`:
    several texts in one call become one vector.
    """

    dimensions: int
    least: int
    most: int
    default: int
    most_input_tokens: int
    unit_length: bool
    task: Literal["parameter", "prefix", "none"]
    one_per_call: bool
    document_prefix: str = ""
    query_prefix: str = ""

    def prefix(self, task: Task) -> str:
        """The words that go before a text of this task."""
        return self.document_prefix if task == "document" else self.query_prefix


@dataclass(frozen=True, slots=True)
class Rates:
    """US dollars per million tokens. Without a cache rate those tokens cost what other input of their kind costs.

    `input` and `output` are those of text; `image_input` None: images are read at the price of text; `image_output`
    None: the model makes no images. `output` 0: nothing that is billed comes out, as with vectors.
    """

    input: Decimal
    output: Decimal = Decimal(0)
    cached_input: Decimal | None = None
    cache_write: Decimal | None = None
    image_input: Decimal | None = None
    cached_image_input: Decimal | None = None
    image_output: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs from the day `since` on, for prompts of at most `prompt_tokens_up_to` tokens (None: any).

    `batch` None: nobody verified a batch price, or the model has no batches.
    """

    since: date
    standard: Rates
    batch: Rates | None
    source: str
    prompt_tokens_up_to: int | None = None


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """The most a provider takes in one batch: requests, and bytes of request lines."""

    max_requests: int
    max_bytes: int


@dataclass(frozen=True, slots=True)
class DirectLimits:
    """Calls made one by one: how many may be under way at the same time, and the seconds one may take."""

    in_flight: int
    timeout_s: int


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

    A model in the panel is asked by default in its `panel_roles`. A model that writes no text has no
    `token_parameter` and no token limits. `prices` is empty for models that ended before this project asked them.
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
    deliveries: tuple[Delivery, ...] = ("batch", "direct")
    panel_roles: tuple[Role, ...] = ()
    images: ImageRules | None = None
    vectors: VectorRules | None = None
    cache_from_tokens: int | None = None
    available_from: date | None = None
    available_by: date | None = None
    retires_on: date | None = None
    retires_not_before: date | None = None
    replacement: str | None = None

    @property
    def kind(self) -> Kind:
        """What it answers with."""
        return KIND_OF[self.roles[0]]

    def __hash__(self) -> int:
        # Prices are looked up once per answer in a table keyed by model; hashing every field would cost more.
        return hash((self.provider, self.id))
