"""A folder where images are edited, with the studio over it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from grabient_assets.studio.pages import Studio
from grabient_assets.studio.server import StudioServer
from grabient_assets_tests.groups.edits.place import Edits
from grabient_assets_tests.hanging import HANGING_SECONDS, until

HELD = {"match": {"provider": "openai", "route": "answer"}, "action": {"do": "hold", "seconds": 60}}


@contextmanager
def held(edits: Edits) -> Iterator[threading.Thread]:
    """What is asked is sent, and its call gets no answer before it is released."""
    edits.emulator.faults(HELD)
    sending = threading.Thread(target=edits.send)
    sending.start()
    until(lambda: edits.emulator.control("GET", "calls")["under_way"].get("openai"))
    try:
        yield sending
    finally:
        edits.emulator.control("POST", "release", {})
        sending.join(HANGING_SECONDS)
        assert not sending.is_alive()


@contextmanager
def served(edits: Edits) -> Iterator[tuple[str, Studio]]:
    """The studio on a port of its own: its address."""
    studio = Studio(edits.settings)
    server = StudioServer(studio, port=0)
    thread = server.start()
    try:
        yield server.url, studio
    finally:
        server.stop()
        thread.join(HANGING_SECONDS)


def flat(tree: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The cards of a tree, each before its children."""
    return [one for card in tree for one in (card, *flat(card["children"]))]
