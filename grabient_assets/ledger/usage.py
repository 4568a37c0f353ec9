"""How many tokens past answers took: what later estimates rest on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


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
