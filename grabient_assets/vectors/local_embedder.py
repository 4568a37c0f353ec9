"""The embedder that needs no network: a table of 32,000 token vectors out of the package wordllama.

A text's vector is the mean of its tokens' rows, brought to unit length. Only the two data files of the package are
read, and nothing of it is imported: its own loader looks for the tokenizer in a wrong folder and then on the network.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grabient_assets.errors import EmbedderError

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

LOCAL_EMBEDDER = "wordllama-256"
"""Its id in the registry, where it is the model of the provider `local`."""

WEIGHTS = (
    "weights/l2_supercat_256.safetensors",
    "64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5",
)
TOKENIZER = (
    "tokenizers/l2_supercat_tokenizer_config.json",
    "bf467c9e0f536bda271283c6ef85eb1a943e3196b621c8a912d64953b205df83",
)
"""The files of wordllama 0.2.2.post0 and 0.4.0.post1, with their SHA-256: another table would make other vectors."""

AT_ONCE = 2_000
"""So many texts are tokenized at a time: the encodings of 100,000 texts take a gigabyte."""


def embed_locally(texts: Sequence[str], dimensions: int = 256) -> NDArray[float32]:
    """The unit vectors of the texts, a row for each. The first `dimensions` of the table's 256 are kept.

    A text without any token, which is an empty one, has a row of zeros. Raises EmbedderError when the package is
    missing or its files are others.
    """
    import numpy

    table, tokenizer = _files()
    found = numpy.zeros((len(texts), dimensions), dtype=numpy.float32)
    for start in range(0, len(texts), AT_ONCE):
        encoded = tokenizer.encode_batch_fast(list(texts[start : start + AT_ONCE]), add_special_tokens=False)
        for row, one in enumerate(encoded, start):
            if one.ids:
                found[row] = table[one.ids, :dimensions].mean(axis=0, dtype=numpy.float32)
    lengths = numpy.linalg.norm(found, axis=1, keepdims=True)
    return numpy.divide(found, lengths, out=found, where=lengths > 0)


@lru_cache(maxsize=1)
def _files() -> tuple[Any, Any]:
    """The table and the tokenizer. The 16 MB are read once for each process."""
    from safetensors.numpy import load
    from tokenizers import Tokenizer

    spec = importlib.util.find_spec("wordllama")
    if spec is None or spec.origin is None:
        raise EmbedderError(
            "The local embedder needs the package wordllama, which is not installed. Install it with "
            "`pip install 'wordllama>=0.2.2.post0'`, or name another embedder in GRABIENT_EMBEDDER."
        )
    folder = Path(spec.origin).parent
    weights, tokenizer = (_checked(folder / name, digest) for name, digest in (WEIGHTS, TOKENIZER))
    [table] = load(weights).values()
    return table, Tokenizer.from_str(tokenizer.decode())


def _checked(path: Path, digest: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise EmbedderError(
            f"The local embedder cannot read {path.name} of the package wordllama ({error.strerror}). Install the "
            "package again."
        ) from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise EmbedderError(
            f"{path.name} of the package wordllama is not the file that the stored vectors were made with: its SHA-256 "
            "is another. Install wordllama 0.2.2.post0 or 0.4.0.post1."
        )
    return content
