"""How counts are written for people, and which texts are the same to them."""

import unicodedata


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """`1 palette`, `1,000 palettes`; `plural` where it is not the noun with an s."""
    return f"1 {noun}" if number == 1 else f"{number:,} {plural or f'{noun}s'}"


def folded(text: str) -> str:
    """The text as it is compared when somebody looks for a word: `STRASSE` is `Straße`."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
