"""A purpose as Dagster shows it: its assets, and the reports of its runs. groups/purposes.py lists them all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import dagster as dg

from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.held_work import Work, sendable_requests

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.asking.checks import Check
    from grabient_assets.ledger.asked_progress import Failure
    from grabient_assets.ledger.purpose import Purpose, Purposes
    from grabient_assets.warehouse.connection import Warehouse

Clock = Callable[[], datetime]
Metadata = dict[str, dg.MetadataValue]


@dataclass(frozen=True, slots=True)
class PartitionSpace:
    """The mapping between the keys of a partition space and subjects under a prompt version.

    `chosen` gives the subjects that a run was started for. `rows` divides subjects into rows, each covered by one run
    over a range. `missing` gives the partitions that a tick must add first: Dagster refuses the whole tick when a run
    stands under an unknown key.
    """

    definition: dg.PartitionsDefinition
    key: Callable[[SubjectVersion], str]
    chosen: Callable[[dg.AssetExecutionContext], list[SubjectVersion]]
    rows: Callable[[dg.DagsterInstance, Iterable[SubjectVersion]], list[list[SubjectVersion]]]
    missing: Callable[[dg.DagsterInstance, Sequence[dg.RunRequest]], list[dg.AddDynamicPartitionsRequest]]


@dataclass(frozen=True, slots=True)
class FollowUp:
    """Requests that follow automatically once their input is complete: the subjects that wait, and the call that asks.

    `ask` returns a sentence for each group of subjects that cannot be asked.
    """

    waiting: Callable[[DuckDBPyConnection, Sequence[str]], list[SubjectVersion]]
    ask: Callable[[Warehouse, Sequence[str], str, datetime], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class PurposeAssets:
    """The assets of a purpose, and what a run reports about them. `purposes` are all, which share its money.

    `asking` is the asset that asks a provider and sends, one of `asking_assets`; `answers` are those that the answers
    go into, and `marked` those of them that show a failure. `providers` are those that may be asked.

    `report` gives the materializations of the answers of these subjects, as far as they are complete. Where something
    follows when the last answer is in, `complete` does it for all subjects that wait for it and gives their
    materializations, and `to_complete` names them. `failed` are those that have no usable answer and wait for none.
    `notes` is metadata about subjects, beside how far they are; `under_way` a sentence about what goes on.

    `settled_sensor` is the name of the sensor that completes and marks. `failed_words` says what
    has become of a failed subject, `retry_hint` what is materialized to ask again.
    """

    purpose: Purpose
    purposes: Purposes
    space: PartitionSpace
    providers: Callable[[], Sequence[str]]
    asking: Callable[[str], str]
    asking_assets: tuple[str, ...]
    answers: tuple[str, ...]
    marked: tuple[str, ...]
    checks: Sequence[Check]
    report: Callable[[Warehouse, Sequence[str], Clock, Sequence[SubjectVersion]], Iterable[dg.AssetMaterialization]]
    failed: Callable[[DuckDBPyConnection, Sequence[str]], Mapping[SubjectVersion, Failure]]
    settled_sensor: str
    failed_words: str
    retry_hint: str
    complete: Callable[[Warehouse, Sequence[str], Clock], Iterable[dg.AssetMaterialization]] | None = None
    to_complete: Callable[[Warehouse, Sequence[str]], list[SubjectVersion]] = lambda *_: []
    notes: Callable[[DuckDBPyConnection, Sequence[SubjectVersion]], Mapping[SubjectVersion, Metadata]] = lambda *_: {}
    under_way: Callable[[DuckDBPyConnection], str] = lambda _: ""
    follow_up: FollowUp | None = None

    @property
    def name(self) -> str:
        """The purpose's name."""
        return self.purpose.name

    @property
    def noun(self) -> str:
        """What a person calls a subject."""
        return self.purpose.noun

    @property
    def collecting(self) -> str:
        """The op that materializes the answers."""
        return f"collect_{self.name}"

    def check_specs(self) -> list[dg.AssetCheckSpec]:
        """The specs of all checks on the answers."""
        return [check.spec for check in self.checks]


def sendable_work(
    shown: PurposeAssets,
    connection: DuckDBPyConnection,
    provider: str,
    usable: Sequence[str],
    budget_usd: Decimal | None,
    now: datetime,
) -> Work:
    """What the money allows to be sent to the provider now."""
    work = sendable_requests(shown.purpose, shown.purposes, connection, provider, budget_usd, now)
    return replace(work, following=shown.follow_up.waiting(connection, usable)) if shown.follow_up else work
