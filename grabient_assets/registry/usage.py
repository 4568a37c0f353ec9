"""What one answer consumed, in the same terms for every provider."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer.

    `input_tokens` counts the whole prompt: `cached_input_tokens` (read from the provider's cache) and
    `cache_write_tokens` (written to it) are part of it, and of the latter `cache_write_5m_tokens` (written for five
    minutes only, where a provider tells such writes apart). `output_tokens` counts everything the model produced;
    `reasoning_tokens` is the part of it that was thinking. `input_image_tokens` and `output_image_tokens` are the parts
    of both that were images, `cached_image_tokens` those of the input that were cached. `unpriced` names what the
    provider reports besides and the price lists of this project do not cover: "2 web searches". Raises ValueError when
    a part exceeds its whole.
    """

    input_tokens: int
    output_tokens: int
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cache_write_5m_tokens: int = 0
    unpriced: str = ""
    input_image_tokens: int = 0
    cached_image_tokens: int = 0
    output_image_tokens: int = 0

    def __post_init__(self) -> None:
        parts = (self.cached_input_tokens, self.cache_write_tokens, self.cache_write_5m_tokens, self.reasoning_tokens)
        images = (self.input_image_tokens, self.cached_image_tokens, self.output_image_tokens)
        if min(self.input_tokens, self.output_tokens, *parts, *images) < 0:
            raise ValueError(f"token counts cannot be negative: {self}")
        if self.cached_input_tokens + self.cache_write_tokens > self.input_tokens:
            raise ValueError(f"more cached tokens than input tokens: {self}")
        if self.cache_write_5m_tokens > self.cache_write_tokens:
            raise ValueError(f"more cache writes for five minutes than cache writes: {self}")
        if self.reasoning_tokens > self.output_tokens:
            raise ValueError(f"more reasoning tokens than output tokens: {self}")
        if self.input_image_tokens > self.input_tokens or self.output_image_tokens > self.output_tokens:
            raise ValueError(f"more image tokens than tokens: {self}")
        if self.cached_image_tokens > min(self.input_image_tokens, self.cached_input_tokens):
            raise ValueError(f"more cached image tokens than image tokens or cached tokens: {self}")
