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
    "missing",  # the batch ended and nothing was said about the request
    "mismatched",  # the answer carries the ref of another request
    "unreadable",  # an answer came, was paid for and cannot be read, or not told from others
]

USABLE: frozenset[str] = frozenset({"succeeded", "repaired"})

ASKED_AGAIN: frozenset[str] = frozenset({"expired", "cancelled", "missing", "mismatched"})
"""Nothing of the model's own came back: the request is due again by itself, up to MAX_DELIVERIES batches. So is one
without a line in a batch that failed as a whole. Nothing is when a person here asked for the batch to be stopped."""

MAX_DELIVERIES = 3
"""After so many accepted batches without an answer a request is recorded as failed; retrying it is a person's call."""
