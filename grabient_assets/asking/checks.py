"""Asset checks in one form: the query that finds the cases, and what Dagster shows of them.

The figure stands beside its threshold, with examples and a table. Numbers are metadata of their own, so that the UI
plots them over time.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from grabient_assets.ledger.batches import BatchRecord, open_batches
from grabient_assets.ledger.costs import batches_that_do_not_add_up
from grabient_assets.ledger.overdue import PutOff, overdue_now, put_off
from grabient_assets.thresholds import BATCH_ENDS_WITHIN, Finding
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SHOWN_EXAMPLES = 20
"""Every event is stored for ever."""

NO_BATCH_IS_OVERDUE = "no_batch_is_overdue"


@dataclass(frozen=True, slots=True)
class Check:
    """A check and the query that finds its cases. `between` joins the examples."""

    spec: dg.AssetCheckSpec
    find: Callable[[DuckDBPyConnection], Finding]
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR
    between: str = " "


def none_of(name: str, asset: str, claim: str, count: Callable[[DuckDBPyConnection], tuple[int, list[str]]]) -> Check:
    """A check that must find nothing at all. `count` gives how many cases there are, and up to twenty examples."""

    def find(connection: DuckDBPyConnection) -> Finding:
        found, examples = count(connection)
        return Finding(found, examples=examples)

    return Check(dg.AssetCheckSpec(name, asset=asset, description=claim), find, between=", ")


def batch_checks(purpose: str, asset: str) -> tuple[Check, Check]:
    """What must hold of the batches of every purpose, as checks on the asset that their answers go into."""
    return (
        none_of(
            "requests_cost_what_their_batches_do",
            asset,
            f"What the requests of a {purpose} batch cost adds up to what the batch cost.",
            lambda connection: batches_that_do_not_add_up(connection, purpose),
        ),
        Check(
            dg.AssetCheckSpec(
                NO_BATCH_IS_OVERDUE,
                asset=asset,
                description=f"No batch is open for longer than promised, {_hours(BATCH_ENDS_WITHIN):.0f} hours, and no "
                "model's requests are put off for a day. Looked at with every collection, and by the sensor "
                "batches_ended on a change.",
            ),
            lambda connection: _overdue(connection, purpose),
            dg.AssetCheckSeverity.WARN,
        ),
    )


def _overdue(connection: DuckDBPyConnection, purpose: str) -> Finding:
    return overdue_finding(purpose, open_batches(connection), put_off(connection), datetime.now(UTC))


def overdue_finding(purpose: str, waiting: Sequence[BatchRecord], idle: Sequence[PutOff], now: datetime) -> Finding:
    """The work of this purpose that takes too long, among these open batches and what was deferred."""
    late = overdue_now(purpose, waiting, idle, now)
    ages = [_hours(now - (b.submitted_at or b.intended_at)) for b in waiting if b.purpose == purpose]
    return Finding(
        len(late), _hours(BATCH_ENDS_WITHIN), list(late.values()), {"oldest, hours": round(max(ages, default=0.0), 2)}
    )


def results(
    checks: Sequence[Check], warehouse: Warehouse, selected: Container[dg.AssetCheckKey] | None = None
) -> Iterator[dg.AssetCheckResult]:
    """The results of the checks, or of those that are selected."""
    chosen = [check for check in checks if selected is None or check.spec.key in selected]
    with warehouse.read() as connection:
        found = [check.find(connection) for check in chosen]
    for check, finding in zip(chosen, found, strict=True):
        yield check_result(check.spec, finding, check.severity, check.between)


def check_result(
    spec: dg.AssetCheckSpec,
    finding: Finding,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
    between: str = " ",
) -> dg.AssetCheckResult:
    """The result of the check; its examples are joined with `between`."""
    metadata: dict[str, dg.MetadataValue] = {
        "threshold": _number(finding.threshold),
        "found": dg.MetadataValue.int(finding.found),
        "examples": dg.MetadataValue.text(between.join(finding.examples[:SHOWN_EXAMPLES])),
    }
    metadata |= {name: dg.MetadataValue.text(text) for name, text in finding.notes.items()}
    metadata |= {name: _number(value) for name, value in finding.figures.items()}
    if finding.table:
        metadata["table"] = dg.MetadataValue.md(finding.table)
    return dg.AssetCheckResult(
        passed=finding.found == 0,
        asset_key=spec.asset_key,
        check_name=spec.name,
        severity=severity,
        metadata=metadata,
    )


def evaluation(result: dg.AssetCheckResult) -> dg.AssetCheckEvaluation:
    """The same result as an event, for runs and sensors that do not materialize the asset."""
    assert result.asset_key is not None and result.check_name is not None
    return dg.AssetCheckEvaluation(
        asset_key=result.asset_key,
        check_name=result.check_name,
        passed=result.passed,
        severity=result.severity,
        metadata=result.metadata,
    )


def _hours(time: timedelta) -> float:
    return time.total_seconds() / 3600


def _number(value: float) -> dg.MetadataValue:
    return dg.MetadataValue.int(value) if isinstance(value, int) else dg.MetadataValue.float(round(value, 6))
