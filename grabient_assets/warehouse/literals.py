"""Values written into a statement as literals of SQL, instead of passed beside it.

DuckDB imports pandas when it takes the first Python value of a process, to compare it with pandas' NaT. That takes 0.4
seconds, half of the time of a command that reads a little. Long-lived processes and writes pass values as usual.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TypeAlias

Value: TypeAlias = bool | int | float | str | Sequence[float] | Sequence[str] | None


def literal(value: Value) -> str:
    """SQL that gives this value. A list is JSON, to be cast to `VARCHAR[]` or `DOUBLE[]`; that is read three times as
    fast as a list of literals. Raises ValueError for a number that is not finite, TypeError for another type."""
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return "('" + value.replace("'", "''").replace("\0", "' || chr(0) || '") + "')"
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int):
        return f"({value})"
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} has no literal")
        return f"({value:.16e})"  # without an exponent it would be a DECIMAL
    if isinstance(value, list | tuple):
        return f"{literal(json.dumps(value, allow_nan=False, ensure_ascii=False))}::JSON"
    raise TypeError(f"{type(value).__name__} has no literal")
