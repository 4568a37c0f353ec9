"""Making the report on a prompt version, and fitting the rates that its next estimates use."""

from __future__ import annotations

from datetime import datetime

from grabient_assets.groups.calibration.measuring import Measuring
from grabient_assets.groups.tagging.coded import read_version
from grabient_assets.groups.tagging.skills import fit_field
from grabient_assets.warehouse.calibration import Report, asked, newest_consensus, record_report
from grabient_assets.warehouse.clock import ledger_time
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.skills import SkillRecord, record_skills


def report_on(warehouse: Warehouse, prompt_version: str, now: datetime) -> Report | None:
    """Measure the version and store what comes out; None when it has no usable answer.

    A consensus that is built meanwhile is newer than the report, whose time is taken first.
    """
    with warehouse.write() as connection:
        newest = newest_consensus(connection, prompt_version)
        at = ledger_time(connection, now)
        at = max(at, newest) if newest else at
    with warehouse.read() as connection:
        version = read_version(connection, prompt_version)
        counts = asked(connection, prompt_version)
    measuring, rates = Measuring(version, counts, at), list[SkillRecord]()
    for coded in version.fields():
        measuring.add(coded)
        rates += fit_field(version, coded, at)
    report = measuring.report()
    if report is not None:
        with warehouse.write() as connection:
            record_report(connection, report)
            record_skills(connection, rates)
    return report
