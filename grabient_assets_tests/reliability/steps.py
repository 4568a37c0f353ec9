"""The ledger steps at which a process is killed, and the exact points within them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from grabient_assets.settings import PROVIDERS

How = Literal["trap", "tear", "hold"]
"""`trap`: the process kills itself where it stands. `tear`: the kernel kills it within a write to the database.
`hold`: it is killed from outside while the emulator keeps its call."""


@dataclass(frozen=True, slots=True)
class Point:
    """One place at which a process is killed while it works for one provider.

    `trap` is the name of a trap in traps.py; None when the emulator's hold alone says where. `bytes` of a tear: after
    how many bytes of the log. `beside`: a second process is at work when the first one dies, and has to finish alone.
    `only`: where the tables must lie for it; None for either.
    """

    step: str
    name: str
    how: How
    trap: str | None = None
    purpose: Literal["tagging", "refinement"] = "tagging"
    accepted: bool = False
    bytes: int = 0
    beside: bool = False
    providers: tuple[str, ...] = PROVIDERS
    only: Literal["file", "postgres"] | None = None


REFINER = ("anthropic",)
REFINING = "during refinement submit"
BESIDE = "beside another process"

POINTS = (
    Point("before intent", "the intent is about to be written", "trap", "intent"),
    Point("after intent", "the intent is committed, nothing is sent", "trap", "intended"),
    Point("during create", "the provider has not taken it yet", "hold"),
    Point("after accept", "the provider has it, the answer does not come", "hold", accepted=True),
    Point("before record", "the answer is here", "trap", "accepted"),
    Point("before record", "the receipt is written, not committed", "trap", "receipt"),
    Point("during download", "the results are asked for", "hold", "download"),
    Point("during download", "the first line is read", "trap", "line"),
    Point("between raw and rows", "the results are archived", "trap", "archived"),
    Point("during commit", "the server is about to be told", "trap", "committing", only="postgres"),
    Point("during commit", "after the 1st byte", "tear", "settled", bytes=1, only="file"),
    Point("during commit", "in the middle of the log", "tear", "settled", bytes=4_000, only="file"),
    Point("during commit", "the log is whole, not yet in the tables", "trap", "committed"),
    Point("during commit", "while the log goes into the tables", "tear", "closing", only="file"),
    Point(REFINING, "the intent is about to be written", "trap", "intent", "refinement", providers=REFINER),
    Point(REFINING, "the intent is committed", "trap", "intended", "refinement", providers=REFINER),
    Point(REFINING, "the provider has not taken it yet", "hold", None, "refinement", providers=REFINER),
    Point(REFINING, "the provider has it", "hold", None, "refinement", accepted=True, providers=REFINER),
    Point(REFINING, "the answer is here", "trap", "accepted", "refinement", providers=REFINER),
    Point(
        REFINING,
        "the provider has it, beside another process",
        "hold",
        purpose="refinement",
        accepted=True,
        beside=True,
        providers=REFINER,
    ),
    Point(BESIDE, "the provider has it", "hold", accepted=True, beside=True),
)

POINTS_WITHOUT_DEATH = tuple(one for one in POINTS if one.only is None and not one.beside)

ANY = "any"
"""The provider of moments at which nothing is done for a single one."""
BEFORE, BETWEEN, WAITING, LEDGER = "before the work", "between the steps", "waiting", "at a provider"

MOMENTS = (
    Point(BEFORE, "Dagster's records are opened", "trap", "instance", providers=(ANY,)),
    Point(BEFORE, "the database is about to be opened", "trap", "opening", providers=(ANY,)),
    Point(BEFORE, "the wish is recorded", "trap", "wish", providers=(ANY,)),
    Point(BETWEEN, "a sensor looks", "trap", "sensor", providers=(ANY,)),
    Point(BETWEEN, "a run of Dagster begins", "trap", "run", providers=(ANY,)),
    Point(BETWEEN, "Dagster stores an event", "trap", "event", providers=(ANY,)),
    Point(BETWEEN, "pictures are drawn", "trap", "pictures", providers=(ANY,)),
    Point(BETWEEN, "within a transaction", "trap", "transaction", providers=(ANY,)),
    Point(BETWEEN, "a provider is connected", "trap", "connecting", providers=(ANY,)),
    Point(BETWEEN, "palettes become complete", "trap", "completing", providers=(ANY,)),
    Point(WAITING, "whether anything is open", "trap", "open", providers=(ANY,)),
    Point(WAITING, "a pause between two looks", "trap", "pause", providers=(ANY,)),
    Point(LEDGER, "a batch is about to be polled", "trap", "polling"),
    *POINTS_WITHOUT_DEATH,
)
"""Where a run is stopped: at the moments above, and at the points of the ledger at which it is killed."""


def moment(step: str, name: str) -> Point:
    """The moment of this step and name."""
    return next(moment for moment in MOMENTS if (moment.step, moment.name) == (step, name))


STEPS = tuple(dict.fromkeys(point.step for point in POINTS))


def point(step: str, name: str) -> Point:
    """The point of this step and name."""
    return next(point for point in POINTS if (point.step, point.name) == (step, name))


THREE_KILLS = (
    (point("after intent", "the intent is committed, nothing is sent"), "openai"),
    (point("after accept", "the provider has it, the answer does not come"), "groq"),
    (point("during commit", "in the middle of the log"), "google"),
)
"""Before the create call, after it without a receipt, and while answers are committed."""
KILLS_BETWEEN_MACHINES = (
    (point("after accept", "the provider has it, the answer does not come"), "openai"),
    (point("during commit", "the server is about to be told"), "google"),
)
"""On PostgreSQL: while a lease is held and the receipt is missing, and with answers that the server does not have."""
OTHER_KILLS = (
    (point("before intent", "the intent is about to be written"), "anthropic"),
    (point("during create", "the provider has not taken it yet"), "groq"),
    (point("before record", "the answer is here"), "google"),
    (point("during download", "the first line is read"), "groq"),
    (point("between raw and rows", "the results are archived"), "google"),
    (point(REFINING, "the provider has it, beside another process"), "anthropic"),
)
"""Every other step once. The last death is one of two processes; the other brings everything to its end.

Both chains are in the order of the work, so that one data folder can be killed at all of their points in turn."""
