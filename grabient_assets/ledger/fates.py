"""What can become of a request. Every request of a collected batch has exactly one fate."""

from __future__ import annotations

from typing import Literal

Fate = Literal[
    "succeeded",  # an answer that can be used as it came
    "repaired",  # an answer that could be used after a written rule mended it
    "invalid",  # an answer that says nothing usable
    "refused",  # the model declined
    "truncated",  # the answer stopped at the token limit
    "errored",  # the provider reported an error instead of an answer
    "expired",  # the batch ran out of time first
    "cancelled",  # the batch was stopped first, by a person here or by anybody else
    "missing",  # the batch ended without a result for the request
    "mismatched",  # the answer carries the ref of another request
    "unreadable",  # an answer arrived and was paid for, but cannot be read or assigned
]

USABLE: frozenset[str] = frozenset({"succeeded", "repaired"})

ASKED_AGAIN: frozenset[str] = frozenset({"expired", "cancelled", "missing", "mismatched"})
"""Without any answer of the model the request is due again automatically, up to MAX_DELIVERIES batches. So is a request
without a line in a batch that failed as a whole. Nothing is due again when a person here asked to stop the batch."""

MAX_DELIVERIES = 3
"""The number of accepted batches without an answer after which a request is recorded as failed; only a person retries
it."""
