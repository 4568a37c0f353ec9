"""Vectors of texts: a pure function of the model, the task and the text. They mean nothing: like texts have other ones.

As with the real models, a vector of fewer dimensions is the beginning of the longest one, made of unit length again
where the model does so.
"""

from __future__ import annotations

import base64
import hashlib
import math
import struct
import sys
from array import array
from collections.abc import Sequence

from grabient_assets.emulator.answering import Ending
from grabient_assets.registry.model import VectorRules

SHORT = 0.5
"""How long a vector is that a fault shortens."""


def vector_of(
    model: str, task: str, text: str, rules: VectorRules, dimensions: int, ending: Ending | None = None
) -> array[float]:
    """The vector, in float32."""
    if ending == "wrong_dimensions":
        dimensions = dimensions - 1 or 2
    seed = "\x1f".join((model, task, text)).encode("utf-8", "surrogatepass")
    most = max(rules.most, dimensions)
    drawn = struct.unpack(f"<{most}i", hashlib.shake_256(seed).digest(4 * most))
    wanted = drawn[:dimensions]
    length = _length(wanted if rules.unit_length else drawn) / (SHORT if ending == "short_vectors" else 1)
    return array("f", [number / length for number in wanted])


def _length(numbers: Sequence[int]) -> float:
    return math.sqrt(math.fsum(number * number for number in numbers)) or 1.0


def in_base64(vector: array[float]) -> str:
    """The float32 numbers, lowest byte first."""
    if sys.byteorder == "big":
        vector = vector[:]
        vector.byteswap()
    return base64.b64encode(vector.tobytes()).decode("ascii")
