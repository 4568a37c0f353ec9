"""The part of the kill matrix about vectors, in batches and by direct calls:
`python -m grabient_assets_tests.reliability.embedding`

A process asks an embedder about some texts and is killed at each step in turn; another one brings everything to its
end. As a program, `... embedding FOLDER BASE_URL PROVIDER DELIVERY STEP` is the process that is killed.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from grabient_assets.groups.embedding.purpose import EMBEDDING
from grabient_assets.groups.purposes import PURPOSES, reader_of
from grabient_assets.ledger import batches, collect, submit
from grabient_assets.ledger.batches import open_batches
from grabient_assets.ledger.connection import Connect, Connection
from grabient_assets.ledger.poll import poll_batches
from grabient_assets.ledger.round import collect_batches
from grabient_assets.ledger.submission import Submission, submit_due
from grabient_assets.providers.connect import connect
from grabient_assets.providers.deadlines import Timeouts
from grabient_assets.registry.model import Delivery, Model
from grabient_assets_tests.emulator.running import Running, running
from grabient_assets_tests.groups.search.place import NOMIC, SMALL, TWO, ask
from grabient_assets_tests.hanging import HANGING_SECONDS
from grabient_assets_tests.ledger.direct_sender import STEPS as DIRECT_STEPS
from grabient_assets_tests.ledger.direct_sender import Step, die_at
from grabient_assets_tests.ledger.house import House
from grabient_assets_tests.ledger.place_at_emulator import Place

TEXTS = tuple(f"text number {number}" for number in range(12))
MOST_ROUNDS = 20
BATCH_STEPS: dict[str, Step] = {
    "before the intent": (batches.insert_intent, "call", 1),
    "the intent is written": (submit._create, "call", 1),
    "the receipt is written, not committed": (batches.record_receipt, "return", 1),
    "the results are archived": (collect.settle_batch, "call", 1),
    "within the transaction": (collect.write_settled, "return", 1),
}
STEPS: Mapping[Delivery, Mapping[str, Step]] = {"batch": BATCH_STEPS, "direct": DIRECT_STEPS}
ROWS: Mapping[Delivery, tuple[str, tuple[Model, ...]]] = {
    "batch": ("embedding in batches", (SMALL, TWO)),
    "direct": ("direct", (SMALL, NOMIC, TWO)),
}
"""By delivery what the row is called, and the models that are asked."""


@dataclass(frozen=True)
class Killed:
    """What a death did. `missing`: texts that were asked, and nobody knows whether they were billed. `lost`: those with
    neither a vector nor that. `paid_twice`: requests that were accepted more often than once."""

    died: bool
    lost: int
    paid_twice: int
    missing: int


def bring_to_its_end(house: House, connect: Connect, provider: str) -> None:
    """Send, poll and collect until nothing is open and nothing is due."""
    reader = reader_of(house.warehouse, house.store)
    for hours in range(MOST_ROUNDS):
        house.clock.now = datetime.now(UTC) + timedelta(hours=hours)  # no pause is waited for
        with connect(provider) as connection:
            submission = Submission(connection, PURPOSES, house.warehouse, house.store, house.clock)
            sent = submit_due(EMBEDDING, submission)
        with house.warehouse.read() as database:
            waiting = open_batches(database)
        if not waiting and not sent.batches:
            return
        poll_batches(waiting, connect, house.warehouse, house.clock)
        names = [batch.batch_id for batch in waiting]
        collect_batches(names, connect, house.warehouse, house.store, reader, house.clock)
    raise AssertionError(f"Nothing ends within {MOST_ROUNDS} rounds.")


def kill(folder: Path, emulator: Running, model: Model, delivery: Delivery, step: str) -> Killed:
    """Kill a process at the step, bring all to its end, look."""
    place = Place(House(folder), emulator)
    ask(place, model, TEXTS, delivery=delivery)
    command = [
        sys.executable,
        "-m",
        "grabient_assets_tests.reliability.embedding",
        str(folder),
        emulator.bases[model.provider],
    ]
    ended = subprocess.run([*command, model.provider, delivery, step], timeout=HANGING_SECONDS, check=False)
    bring_to_its_end(place.house, place.connect, model.provider)
    rows = place.house.rows("SELECT count(vector), count(*) FILTER (fate = 'missing') FROM embeddings")
    vectors, missing = rows[0]
    creates = emulator.control("GET", "calls")["creates"]
    counted = Counter(custom_id for create in creates for custom_id in create["custom_ids"])
    twice = sum(counted.values()) - len(counted)
    twice += max(0, emulator.calls(model.provider).get("vectors", 0) - len(TEXTS))
    return Killed(ended.returncode == -signal.SIGKILL, len(TEXTS) - vectors - missing, twice, missing)


def kills(root: Path, emulator: Running) -> Iterator[tuple[Delivery, str, Model, Killed]]:
    """Every step, at every provider."""
    for delivery, (_, models) in ROWS.items():
        for model in models:
            for number, step in enumerate(STEPS[delivery]):
                folder = root / f"{delivery}-{model.provider}-{number}"
                yield delivery, step, model, kill(folder, emulator, model, delivery, step)


def table(found: Sequence[tuple[Delivery, str, Model, Killed]]) -> str:
    """A row for each delivery, a column for each provider."""
    providers = ("openai", "groq", "google")
    lines = [f"{'kills / lost / paid twice / missing':37}" + "".join(f"{name:>17}" for name in providers)]
    for delivery, (name, _) in ROWS.items():
        cells = []
        for provider in providers:
            here = [one for kind, _, model, one in found if (kind, model.provider) == (delivery, provider)]
            sums = (sum(getattr(one, figure) for one in here) for figure in ("died", "lost", "paid_twice", "missing"))
            cells.append(" / ".join(map(str, sums)) if here else "-")
        lines.append(f"{name:37}" + "".join(f"{cell:>17}" for cell in cells))
    return "\n".join(lines)


def wrong(found: Sequence[tuple[Delivery, str, Model, Killed]]) -> list[str]:
    """What is not as it should be."""
    return [
        f"{delivery}, {step}, at {model.provider}: {one}"
        for delivery, step, model, one in found
        if not one.died or one.lost or one.paid_twice or (delivery == "batch" and one.missing)
    ]


def report() -> int:
    """Print the table; the exit code."""
    with (
        tempfile.TemporaryDirectory(prefix="kill-matrix-") as root,
        running(Path(root) / "emulator", models=None) as emulator,
    ):
        found = list(kills(Path(root), emulator))
    sys.stdout.write("\n".join([table(found), *wrong(found), ""]))
    return 1 if wrong(found) else 0


def victim(folder: Path, base: str, provider: str, delivery: Delivery, step: str) -> None:
    """The process that is killed."""

    @contextmanager
    def reached(name: str) -> Iterator[Connection]:
        client = connect(name, "emulator", base, Timeouts(read=60, transfer=60, attempts=1))
        try:
            yield Connection(client, "emulator", "emulator", timedelta(0), None)
        finally:
            client.close()

    die_at(STEPS[delivery][step])
    bring_to_its_end(House(folder), reached, provider)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.exit(report())
    victim(Path(sys.argv[1]), *sys.argv[2:])  # pyright: ignore[reportArgumentType] words of this module
