"""Mistakes of this program, as sentences: one batch on which it stumbles keeps no other back."""

from __future__ import annotations

import traceback
from pathlib import Path

from grabient_assets.errors import GrabientError
from grabient_assets.secrets import redact


def said_of(error: Exception, doing: str) -> str:
    """What is wrong, in a sentence; a mistake of ours with the place where it is. `doing`: "Collecting batch b-1"."""
    if isinstance(error, GrabientError):
        return str(error)
    where = traceback.extract_tb(error.__traceback__)[-1]
    what = redact(f"{type(error).__name__}: {error}", "")
    return f"{doing} met a mistake in this program: {what} ({Path(where.filename).name}:{where.lineno})."
