"""How counts are written for people."""


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """`1 palette`, `1,000 palettes`; `plural` where it is not the noun with an s."""
    return f"1 {noun}" if number == 1 else f"{number:,} {plural or f'{noun}s'}"
