"""The shared rooms know subjects and purposes. They name no palette, no seed and no purpose."""

from __future__ import annotations

import re

import pytest

from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.settings import PROJECT_DIR

PACKAGE = PROJECT_DIR / "grabient_assets"
ROOMS = (
    *("asking", "ledger", "prompting", "providers", "registry", "sources", "store", "vectors", "warehouse"),
    *("groups/embedding", "groups/indexes"),
)
"""Not the emulator: its answers are those of palettes still."""

NAMED = [name for name in PURPOSES if name not in ("statement", "edit")]
"""A statement is what SQL and Python are made of, long before artists wrote any. To edit is what people do with files,
and what OpenAI calls a kind of request."""
WORDS = re.compile(rf"(?<![a-z])(palettes?|seeds?|knowledge|{'|'.join(NAMED)})(?![a-z])", re.IGNORECASE)
"""As words of their own and as parts of identifiers, in code, strings and comments."""

WIRE_WORDS = {
    room: re.compile("embedding", re.IGNORECASE) for room in ("providers", "groups/embedding", "groups/indexes")
}
"""By room, the purpose that it may name: APIs of providers have a name for it, and indexes are made of its vectors."""

ALLOWED = {
    "ledger/planning.py": {
        '"new palette"': "what a person reads in a plan",
        '"new_palette"': "a name in the JSON of `grabient plan`",
    },
    "ledger/accounts.py": {
        '"palette": ("seed",),': "`grabient costs --by palette`, and the column it prints",
        '"palette": "(SELECT c': "the same",
        "subject AS seed FROM cost_by_request c SEMI JOIN palettes p ON p.seed = c.subject": "the same",
    },
    "ledger/admission.py": {"load the palettes there.": "the way out for a person, who loads palettes in a new folder"},
    "registry/file_format.py": {"and a refinement shows one": "why a model of the role `refiner` takes images"},
    "store/objects.py": {'"palettes/store-check.txt"': "a prefix that a token of the bucket must be able to write to"},
}
"""By file, a piece of its text and why it is public."""


@pytest.mark.parametrize("room", ROOMS)
def test_no_shared_room_names_a_palette_or_a_purpose(room: str):
    found: list[str] = []
    for path in sorted((PACKAGE / room).rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        text = path.read_text(encoding="utf-8")
        for piece in ALLOWED.get(name, {}):
            text = text.replace(piece, "")
        if room in WIRE_WORDS:
            text = WIRE_WORDS[room].sub("", text)
        lines = enumerate(text.splitlines(), 1)
        found += [f"{name}:{number}: {line.strip()}" for number, line in lines if WORDS.search(line)]
    assert found == []


def test_what_is_allowed_is_needed():
    for name, pieces in ALLOWED.items():
        text = (PACKAGE / name).read_text(encoding="utf-8")
        assert [piece for piece in pieces if piece not in text or not WORDS.search(piece)] == [], name
    for room, word in WIRE_WORDS.items():
        assert any(word.search(path.read_text(encoding="utf-8")) for path in (PACKAGE / room).rglob("*.py")), room
