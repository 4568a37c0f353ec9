"""What one answer consumed, in the same terms for every provider."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer.

    `input_tokens` counts the whole prompt: `cached_input_tokens` (read from the provider's cache) and
    `cache_write_tokens` (written to it) are part of it. `output_tokens` counts everything the model produced;
    `reasoning_tokens` is the part of it that was thinking. Raises ValueError when a part exceeds its whole.
    """

    input_tokens: int
    output_tokens: int
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0

    def __post_init__(self) -> None:
        parts = (self.cached_input_tokens, self.cache_write_tokens, self.reasoning_tokens)
        if min(self.input_tokens, self.output_tokens, *parts) < 0:
            raise ValueError(f"token counts cannot be negative: {self}")
        if self.cached_input_tokens + self.cache_write_tokens > self.input_tokens:
            raise ValueError(f"more cached tokens than input tokens: {self}")
        if self.reasoning_tokens > self.output_tokens:
            raise ValueError(f"more reasoning tokens than output tokens: {self}")
