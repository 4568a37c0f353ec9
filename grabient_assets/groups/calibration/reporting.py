"""Making the report on a prompt version, fitting its rates, and what follows from them for every palette."""

from __future__ import annotations

from datetime import datetime

from grabient_assets.groups.calibration.measuring import Measuring
from grabient_assets.groups.calibration.reestimating import Reestimating
from grabient_assets.groups.tagging.coded import read_version
from grabient_assets.groups.tagging.model_reports import Report, asked, newest_consensus, record_report
from grabient_assets.groups.tagging.skills import SkillRecord, fit_field, read_skills, record_skills, shared_errors
from grabient_assets.groups.tagging.tag_consensus import methods_of
from grabient_assets.groups.tagging.tallying import estimator_of
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.warehouse.connection import Warehouse


def report_on(warehouse: Warehouse, prompt_version: str, now: datetime) -> Report | None:
    """Measure the version and store what comes out; None when it has no usable answer. The probabilities of its
    palettes follow the rates that are fitted with it.

    A consensus that is built meanwhile is newer than the report, whose time is taken first.
    """
    with warehouse.write() as connection:
        newest = newest_consensus(connection, prompt_version)
        at = ledger_time(connection, now)
        at = max(at, newest) if newest else at
    with warehouse.read() as connection:
        version = read_version(connection, prompt_version)
        counts = asked(connection, prompt_version)
        methods = methods_of(connection, prompt_version)
    measuring, rates = Measuring(version, counts, at), list[SkillRecord]()
    estimates = Reestimating(version, {estimator_of(method) for method in methods})
    shared = shared_errors(version)
    for coded in version.fields():
        measuring.add(coded)
        fitted = fit_field(version, coded, shared, at)
        estimates.add(coded, {how: one for (_, _, how), one in read_skills(fitted).items()})
        rates += fitted
    report = measuring.report()
    if report is not None:
        with warehouse.write() as connection:
            record_report(connection, report)
            record_skills(connection, rates)
        estimates.store(warehouse)
    return report
