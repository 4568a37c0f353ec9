"""Making the report on a prompt version, and fitting the rates that its next estimates use."""

from __future__ import annotations

from datetime import datetime

from grabient_assets.groups.calibration.measuring import measure
from grabient_assets.groups.tagging.coded import CodedVersion
from grabient_assets.groups.tagging.skills import fit_skills
from grabient_assets.warehouse.calibration import Report, asked, newest_consensus, record_report
from grabient_assets.warehouse.clock import ledger_time
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.skills import record_skills


def report_on(warehouse: Warehouse, prompt_version: str, now: datetime) -> Report | None:
    """Measure the version and store what comes out; None when it has no usable answer.

    A consensus that is built meanwhile is newer than the report, whose time is taken first.
    """
    with warehouse.write() as connection:
        newest = newest_consensus(connection, prompt_version)
        at = ledger_time(connection, now)
        at = max(at, newest) if newest else at
    with warehouse.read() as connection:
        version = CodedVersion(connection, prompt_version)
        report = measure(version, asked(connection, prompt_version), at)
        rates = fit_skills(version, at)
    if report is not None:
        with warehouse.write() as connection:
            record_report(connection, report)
            record_skills(connection, rates)
    return report
