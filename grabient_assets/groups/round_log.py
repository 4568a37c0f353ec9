"""What became of the batches of a round, in the log of its run."""

from __future__ import annotations

from logging import Logger

from grabient_assets.ledger.round import Round


def log_round(log: Logger, done: Round) -> None:
    """A line for each batch, and one for whatever was odd about it."""
    for one in done.collected:
        fates = ", ".join(f"{count} {fate}" for fate, count in sorted(one.fates.items()))
        log.info("batch %s collected: %s; %s USD", one.batch.batch_id, fates, one.batch.cost_usd)
        for problem in one.problems:
            log.warning("batch %s: %s", one.batch.batch_id, problem)
    for batch_id in done.waiting:
        log.info("batch %s is not finished yet", batch_id)
    for batch_id, trouble in done.troubles:
        log.error("batch %s: %s", batch_id, trouble)
