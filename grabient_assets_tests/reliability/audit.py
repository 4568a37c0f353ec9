"""What must be true of a data folder after every death: nothing lost, nothing paid twice, nothing half-written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from grabient_assets.groups.refinement.purpose import refiner
from grabient_assets.groups.tagging.purpose import taggers
from grabient_assets.settings import PROVIDERS
from grabient_assets_tests.pipeline.place import samples
from grabient_assets_tests.reliability.killing import PALETTES, Victim

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

CLOSED = ("collected", "deferred", "refused")

ANSWERS = """
SELECT seed, prompt_version, provider, model, analysis_index, custom_id, fate, answer_text, cost_usd FROM palette_tags
UNION ALL
SELECT seed, prompt_version, 'refiner', model, 0, custom_id, fate, embed_text, cost_usd FROM palette_tag_refined
UNION ALL
SELECT seed, prompt_version, 'consensus', digest, answers, '', '', votes::VARCHAR, NULL FROM tag_consensus
ORDER BY ALL
"""


@dataclass(frozen=True)
class Audit:
    """Answers that are not there and requests that were accepted once too often, each with its provider, and sentences
    for whatever else is wrong.

    `answers` is all that the models said and what was made of it, to be compared between folders: the emulator answers
    the same request with the same words.
    """

    lost: tuple[tuple[str, str], ...]
    paid_twice: tuple[tuple[str, str], ...]
    wrong: tuple[str, ...]
    answers: tuple[tuple[Any, ...], ...]

    @property
    def clean(self) -> bool:
        return not (self.lost or self.paid_twice or self.wrong)


def paid_twice(victim: Victim) -> tuple[tuple[str, str], ...]:
    """Requests that the emulator accepted more than once, as often as they were too many: provider and custom_id."""
    counted = Counter(
        (create["provider"], custom_id) for create in victim.accepted() for custom_id in create["custom_ids"]
    )
    return tuple((counted - Counter(set(counted))).elements())


def check_readable(victim: Victim) -> None:
    """Every row of every table can be read, straight after a death."""
    with victim.warehouse.read() as connection:
        tables = [row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        assert "batch_requests" in tables
        for table in tables:
            connection.execute(f"SELECT * FROM {table}").fetchall()


def audit(victim: Victim) -> Audit:
    """Look at a folder on which everything is said to be done."""
    with victim.warehouse.read() as connection:
        return Audit(
            lost=tuple(_lost(connection)),
            paid_twice=paid_twice(victim),
            wrong=tuple(_wrong(connection, victim)),
            answers=tuple(connection.execute(ANSWERS).fetchall()),
        )


def _lost(connection: DuckDBPyConnection) -> Iterator[tuple[str, str]]:
    """What was asked for and has not exactly one usable answer: the provider that was to give it, and what it is."""
    rows = connection.execute(
        """
        SELECT seed, prompt_version, provider, model, analysis_index FROM palette_tags WHERE error IS NULL
        UNION ALL SELECT seed, prompt_version, $1, 'consensus', 0 FROM tag_consensus
        UNION ALL SELECT seed, prompt_version, $1, 'refined', 0 FROM palette_tag_refined WHERE error IS NULL
        """,
        [refiner().provider],
    ).fetchall()
    found = Counter(rows)
    models = [(model.provider, model.id) for model in taggers(PROVIDERS)]
    models += [(refiner().provider, "consensus"), (refiner().provider, "refined")]
    asked = {(row.palette.canonical, "v1", *model, 0) for row in samples(PALETTES).rows for model in models}
    yield from ((one[2], f"{one}: {found[one]} answers") for one in sorted(asked) if found[one] != 1)
    yield from ((one[2], f"{one}: never asked for") for one in sorted(found.keys() - asked))


def _wrong(connection: DuckDBPyConnection, victim: Victim) -> Iterator[str]:
    rows = connection.execute(
        """
        SELECT b.batch_id, b.status, b.provider, b.provider_batch_id, b.request_count, b.succeeded, b.failed,
               count(*), count(r.fate), count(*) FILTER (r.fate IN ('succeeded', 'repaired')), b.cost_usd,
               sum(r.cost_usd)
        FROM batches b LEFT JOIN batch_requests r USING (batch_id) GROUP BY ALL ORDER BY b.batch_id
        """
    ).fetchall()
    collected: list[tuple[str, str]] = []
    for batch, status, provider, theirs, count, succeeded, failed, requests, fates, usable, cost, costs in rows:
        if status not in CLOSED:
            yield f"{batch} is {status}"
        if not count == requests == fates:
            yield f"{batch} has {count} requests, {requests} rows, {fates} fates"
        if status != "collected":
            continue
        collected.append((provider, theirs.removeprefix("batches/")))  # Gemini's names carry their kind
        if (succeeded, failed, usable) != (count, 0, count):
            yield f"{batch}: {succeeded} succeeded, {failed} failed, {usable} usable of {count}"
        if cost is None or not cost == costs > Decimal(0):
            yield f"{batch} cost {cost}, its requests {costs}"
    accepted = [(create["provider"], create["batch_id"]) for create in victim.accepted()]
    if sorted(collected) != sorted(accepted):
        yield f"collected {sorted(collected)}, accepted {sorted(accepted)}"
    if victim.said.get("open_batches") or victim.said.get("pending"):
        yield f"the status speaks of open work: {victim.said}"
    # A process that died before its intent was committed leaves the empty lock file of a batch that never was.
    if left := victim.locks() & {row[0] for row in rows}:
        yield f"locks were left: {sorted(left)}"
