"""The estimated cost of requests before they are sent: tokens first, then dollars, each with a low and a high end.

Tokens come from past answers of the same model to the same prompt, as soon as there are a few. Before that they come
from the assumptions written here, which are rough on purpose, and wide. A budget reserves the high end. It is an
estimate and no ceiling, and the real cost replaces it when the answer is collected.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, TypeAlias

from grabient_assets.errors import UnpricedError
from grabient_assets.providers.contract import ImageSpec
from grabient_assets.providers.request_rules import pixels, ratio_and_class
from grabient_assets.registry.model import Delivery, Model, Rates
from grabient_assets.registry.prices import MILLION, SHORT_PROMPT, may_write, rates_on

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


TokenBasis: TypeAlias = Literal["measured", "assumed"]

BYTES_PER_TOKEN = 4
LEAST_INPUT, MOST_INPUT = 0.75, 1.5
"""English and JSON have about four bytes per token. Digits and the newest tokenizers make up to half as many more."""

PICTURE_TOKENS = (60, 120, 300)
"""A picture of 440 x 100 pixels: width x height / 750 at Anthropic is 59, Google counts 258 for any small one."""

ANSWER_TOKENS = (100, 250, 500)
"""A JSON object of a dozen fields, with a paragraph of 50 words at most."""

THINKING_TOKENS = {
    "none": (0, 0, 0),
    "minimal": (0, 50, 300),
    "low": (0, 300, 1_500),
    "medium": (100, 1_000, 3_000),
    "high": (500, 3_000, 10_000),
    "xhigh": (1_000, 6_000, 20_000),
    "max": (2_000, 12_000, 40_000),
}
"""By the effort that is asked for. No provider publishes figures; the first answers replace these. The high end is
three to six times the expected number: an assumption, no ceiling."""

FEWEST_MEASURED = 5
"""The number of past answers from which their tokens replace the assumptions."""

READ_IMAGE_TOKENS = (250, 1_100, 6_300)
"""An image that a model which makes images reads. Google counts 258 to 1,120. OpenAI does not publish the count of its
newest models; 6,300 is the most of the earlier ones."""

DEVIATIONS = 2
"""How many standard deviations the ends lie from the mean of measured tokens."""


@dataclass(frozen=True, slots=True)
class RequestShape:
    """The sizes of a request.

    `text_bytes` is the length of its line without the bytes of a picture. `max_output_tokens`, `thinking_budget` and
    `effort` are the prompt's parameters. For an image, `max_output_tokens` is the most it is billed as; 0: not known.
    """

    text_bytes: int
    max_output_tokens: int
    pictures: int = 0
    thinking_budget: int | None = None
    effort: str | None = None


@dataclass(frozen=True, slots=True)
class TokenEstimate:
    """Tokens of one request. `cached` and `written`: the parts of the expected input that the provider's cache should
    serve, and that should be written to it. Images come on top: `made` is one that is made, `read` are those that are
    sent to be changed."""

    input_low: int
    input: int
    input_high: int
    output_low: int
    output: int
    output_high: int
    cached: int = 0
    basis: TokenBasis = "assumed"
    written: int = 0
    made: int = 0
    read_low: int = 0
    read: int = 0
    read_high: int = 0


@dataclass(frozen=True, slots=True)
class DollarRange:
    """US dollars: the least, the expected, and the most expected sum."""

    low: Decimal = Decimal(0)
    expected: Decimal = Decimal(0)
    high: Decimal = Decimal(0)

    def __add__(self, other: DollarRange) -> DollarRange:
        return DollarRange(self.low + other.low, self.expected + other.expected, self.high + other.high)

    def document(self) -> dict[str, float]:
        """The same as JSON."""
        return {"low": float(self.low), "expected": float(self.expected), "high": float(self.high)}


def token_estimate(shape: RequestShape, model: Model, measured: Measured | None = None) -> TokenEstimate:
    """The tokens of one request of this shape: measured when there are enough past answers, otherwise assumed.

    Texts that are embedded are of any length, so measured tokens of others do not apply: their own bytes count. The
    tokens of an image depend on its size and quality.
    """
    if measured is not None and measured.answers >= FEWEST_MEASURED and model.kind == "text":
        return _from_measured(measured, shape)
    return _from_assumptions(shape, model)


def estimate(model: Model, on: date, tokens: TokenEstimate, count: int, delivery: Delivery = "batch") -> DollarRange:
    """The cost of `count` such requests at the prices of the day `on`.

    The low end and the expected one count on the cache. The high end does not, and assumes that all input may have to
    be written to it. Raises UnpricedError without a price.
    """
    rates, _ = rates_on(model, on, delivery == "batch", max(tokens.input_high, SHORT_PROMPT))
    cached_rate = rates.input if rates.cached_input is None else rates.cached_input
    write_rate = rates.input if rates.cache_write is None else rates.cache_write

    if model.kind == "image" and not (tokens.made and rates.image_output):
        raise UnpricedError(
            f"What an image of this size and quality costs at most at {model.id} ({model.provider}) is not known: the "
            f"registry has no `most_tokens` for it. Choose others, or ask with --allow-unpriced."
        )
    made, image_rate = tokens.made * (rates.image_output or 0), rates.image_input or rates.input
    # A model whose text costs as much as its images writes none beside them, and does not think.
    text_rate = Decimal(0) if rates.output == rates.image_output else rates.output

    def dollars(read: int, output: int, cached: int, written: int, images: int) -> Decimal:
        plain = (read - cached - written) * rates.input + images * image_rate + made
        return (plain + cached * cached_rate + written * write_rate + output * text_rate) * count / MILLION

    cached, written = min(tokens.cached, tokens.input), min(tokens.written, tokens.input)
    return DollarRange(
        dollars(tokens.input_low, tokens.output_low, min(tokens.cached, tokens.input_low), 0, tokens.read_low),
        dollars(tokens.input, tokens.output, min(cached, tokens.input - written), written, tokens.read),
        dollars(tokens.input_high, tokens.output_high, 0, _most_written(tokens, model, rates), tokens.read_high),
    )


def _most_written(tokens: TokenEstimate, model: Model, rates: Rates) -> int:
    """The input tokens of the high end that may be billed as written to the cache."""
    dearer = rates.cache_write is not None and rates.cache_write > rates.input
    return tokens.input_high if dearer and (tokens.written or may_write(model, rates)) else 0


def _from_measured(measured: Measured, shape: RequestShape) -> TokenEstimate:
    def ends(mean: float, spread: float) -> tuple[int, int, int]:
        away = DEVIATIONS * spread
        return max(0, math.floor(mean - away)), round(mean), math.ceil(mean + away)

    answer = ends(measured.output_mean, measured.output_spread)
    least, usual, most = (min(tokens, shape.max_output_tokens) for tokens in answer)
    read = ends(measured.input_mean, measured.input_spread)
    cached, written = round(measured.cached_mean), round(measured.written_mean)
    return TokenEstimate(*read, least, usual, most, cached, "measured", written)


def _from_assumptions(shape: RequestShape, model: Model) -> TokenEstimate:
    text = shape.text_bytes / BYTES_PER_TOKEN
    if model.kind == "image":
        return _of_image(shape, text)
    least_picture, picture, most_picture = (shape.pictures * tokens for tokens in PICTURE_TOKENS)
    thought = _thinking(shape, model)
    least, usual, most = (
        min(answer + thinking, shape.max_output_tokens) for answer, thinking in zip(ANSWER_TOKENS, thought, strict=True)
    )
    return TokenEstimate(
        math.floor(text * LEAST_INPUT) + least_picture,
        round(text) + picture,
        math.ceil(text * MOST_INPUT) + most_picture,
        least,
        usual,
        most,
    )


def _of_image(shape: RequestShape, text: float) -> TokenEstimate:
    """Tokens beside the image, thinking above all, are billed at the price of text where there is one."""
    least, usual, most = THINKING_TOKENS[shape.effort or "medium"]
    low, read, high = (shape.pictures * tokens for tokens in READ_IMAGE_TOKENS)
    return TokenEstimate(
        math.floor(text * LEAST_INPUT),
        round(text),
        math.ceil(text * MOST_INPUT),
        least,
        usual,
        most,
        made=shape.max_output_tokens,
        read_low=low,
        read=read,
        read_high=high,
    )


def most_image_tokens(model: Model, size: str | None, quality: str | None) -> int:
    """The most tokens that an image of this size and quality is billed as; 0 where it is not known.

    A size between two classes counts as the larger one. Raises RequestRejectedError for a size that the model does not
    make.
    """
    rules = model.images
    if rules is None or size is None:
        return 0
    spec = ImageSpec("", "", size=size, quality=quality)
    if rules.sizes:
        found = ratio_and_class(spec, model)
        greater = rules.sizes[rules.sizes.index(found[1]) :] if found else ()
        return next((rules.most_tokens[name] for name in greater if name in rules.most_tokens), 0)
    asked = pixels(spec, model)
    most = rules.most_tokens.get(quality or "", 0)
    return math.ceil(most * asked[0] * asked[1] / 1_048_576) if asked else 0


def _thinking(shape: RequestShape, model: Model) -> tuple[int, int, int]:
    """Thinking is billed as output. A budget is the most it may take; an effort is the model's own affair."""
    match model.accepts.thinking:
        case "none":
            return 0, 0, 0
        case "budget":
            budget = shape.thinking_budget or 0
            return 0, budget // 2, budget
        case _:
            return THINKING_TOKENS[model.accepts.effort(shape.effort) or "medium"]


@dataclass(frozen=True, slots=True)
class Measured:
    """Tokens per request over `answers` past answers: mean and standard deviation; of the input that was read from the
    cache or written to it only the mean."""

    answers: int
    input_mean: float
    input_spread: float
    output_mean: float
    output_spread: float
    cached_mean: float = 0.0
    written_mean: float = 0.0


MeasuredKey: TypeAlias = tuple[str, str, str]
"""Provider, model and prompt digest."""


def measured_tokens(connection: DuckDBPyConnection) -> dict[MeasuredKey, Measured]:
    """By provider, model and prompt digest, over every answer whose tokens were reported."""
    rows = connection.execute(
        """
        SELECT b.provider, b.model, b.prompt_digest, count(*),
               avg(r.input_tokens), coalesce(stddev_samp(r.input_tokens), 0),
               avg(r.output_tokens), coalesce(stddev_samp(r.output_tokens), 0),
               avg(coalesce(r.cached_input_tokens, 0)), avg(coalesce(r.cache_write_tokens, 0))
        FROM batch_requests r JOIN batches b USING (batch_id)
        WHERE r.input_tokens > 0 AND r.output_tokens IS NOT NULL
        GROUP BY ALL
        """
    ).fetchall()
    return {(row[0], row[1], row[2]): Measured(*row[3:]) for row in rows}
