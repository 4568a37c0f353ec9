"""How Dagster launches runs (dagster.yaml names this class): run monitoring sees those whose process is gone."""

from dagster import DagsterRun
from dagster._core.launcher import DefaultRunLauncher
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, WorkerStatus

from grabient_assets.process_identity import this_process
from grabient_assets.resources.dead_runs import LAUNCHER_TAG, is_dead


class WatchfulRunLauncher(DefaultRunLauncher):
    """The default launcher with a health check.

    Without one, a run that was started when the machine went down stays started for ever: it keeps one of the few slots
    of the queue, and the next run of its kind waits for it (Dagster 1.13).
    """

    def launch_run(self, context: LaunchRunContext) -> None:
        """Launch the run, and write down from which machine: the address of a code server may mean something there
        only."""
        self._instance.add_run_tags(context.dagster_run.run_id, {LAUNCHER_TAG: str(this_process())})
        super().launch_run(context)

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Run monitoring asks about started runs."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """NOT_FOUND when the process is gone, RUNNING otherwise; run monitoring marks the former as failed."""
        if is_dead(self._instance, run):
            return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "The process that executed this run is gone.")
        return CheckRunHealthResult(WorkerStatus.RUNNING)
