"""What must hold of batches, whatever their purpose."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from grabient_assets.groups.batches.jobs import COLLECTED_BY_PURPOSE
from grabient_assets.ledger.batches import BatchRecord, open_batches
from grabient_assets.ledger.overdue import PutOff, overdue, put_off, put_off_too_long
from grabient_assets.thresholds import BATCH_ENDS_WITHIN
from grabient_assets.warehouse.connection import Warehouse

NO_BATCH_IS_OVERDUE = "no_batch_is_overdue"


def overdue_spec(purpose: str) -> dg.AssetCheckSpec:
    """The check on the asset into which the answers of this purpose go."""
    return dg.AssetCheckSpec(
        NO_BATCH_IS_OVERDUE,
        asset=COLLECTED_BY_PURPOSE[purpose][0],
        description=f"No batch is open for longer than promised, {_hours(BATCH_ENDS_WITHIN):.0f} hours, and no model's "
        "requests are put off for a day. Looked at with every collection, and by the sensor batches_ended on a change.",
    )


def overdue_result(purpose: str, warehouse: Warehouse) -> dg.AssetCheckResult:
    """The result of the check, for a run that collects."""
    with warehouse.read() as connection:
        waiting, idle = open_batches(connection), put_off(connection)
    return dg.AssetCheckResult(check_name=NO_BATCH_IS_OVERDUE, **_found(purpose, waiting, idle, datetime.now(UTC)))


def overdue_evaluation(
    purpose: str, waiting: list[BatchRecord], idle: list[PutOff], now: datetime
) -> dg.AssetCheckEvaluation:
    """The same, for a sensor."""
    return dg.AssetCheckEvaluation(check_name=NO_BATCH_IS_OVERDUE, **_found(purpose, waiting, idle, now))


def _found(purpose: str, waiting: list[BatchRecord], idle: list[PutOff], now: datetime) -> dict[str, Any]:
    waiting = [b for b in waiting if b.purpose == purpose]
    sentences = [sentence for b in waiting if (sentence := overdue(b, now))]
    sentences += [said for one in idle if one.purpose == purpose and (said := put_off_too_long(one, now))]
    ages = [_hours(now - (b.submitted_at or b.intended_at)) for b in waiting]
    return {
        "asset_key": dg.AssetKey(COLLECTED_BY_PURPOSE[purpose][0]),
        "passed": not sentences,
        "severity": dg.AssetCheckSeverity.WARN,
        "metadata": {
            "threshold": _hours(BATCH_ENDS_WITHIN),
            "found": len(sentences),
            "examples": " ".join(sentences[:20]),
            "oldest, hours": round(max(ages, default=0.0), 2),
        },
    }


def _hours(time: timedelta) -> float:
    return time.total_seconds() / 3600
