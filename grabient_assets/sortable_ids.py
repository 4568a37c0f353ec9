"""Ids of things that people make: a prefix and 26 characters, in the order in which they were made."""

from __future__ import annotations

import secrets
from datetime import datetime

CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32: no letter that looks like a digit."""
LENGTH = 26


def sortable_id(prefix: str, now: datetime) -> str:
    """48 bits of the time in milliseconds, then 80 random ones, as in a ULID."""
    number = int(now.timestamp() * 1000) << 80 | secrets.randbits(80)
    return prefix + "".join(CROCKFORD[number >> shift & 31] for shift in range(5 * (LENGTH - 1), -1, -5))
