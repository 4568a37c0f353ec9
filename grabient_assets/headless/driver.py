"""The daemon's work in one process: evaluates the same sensors and executes the same jobs, until nothing is open."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter
from dagster._core.definitions.instigation_logger import InstigationLogger
from dagster._core.definitions.sensor_definition import SensorExecutionData
from dagster._core.execution.execution_result import ExecutionResult

from grabient_assets import interrupts
from grabient_assets.partitions import add_partitions
from grabient_assets.process_identity import this_process
from grabient_assets.resources.code_location import execute_in_location
from grabient_assets.resources.dead_runs import PID_TAG, is_dead
from grabient_assets.resources.run_leases import let_go_of_run
from grabient_assets.resources.runs import PUT_OFF_TAG, REASON_TAG, RUN_KEY_TAG, UNASKED_TAG

SHORTEST_PAUSE, LONGEST_PAUSE = 0.2, 30.0
SENSOR_TAG = "dagster/sensor_name"


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run that was executed: which job, whether it succeeded, and the sentence of its failure."""

    job: str
    run_id: str
    success: bool
    failure: str | None


class Driver:
    """Drives the sensors of `definitions` on `instance`. `waiting` holds why sensors asked for nothing, by name.

    With `asked_only`, runs for palettes that nobody asked a model about are left to the daemon. `sensors` are the names
    of those that are evaluated, in this order; without it all are. Of the runs that they ask for, those that are not
    `wanted`, by job and partition, are left to the daemon too.
    """

    def __init__(
        self,
        definitions: dg.Definitions,
        instance: dg.DagsterInstance,
        *,
        asked_only: bool = False,
        sensors: Sequence[str] | None = None,
        wanted: Callable[[str | None, str | None], bool] = lambda *_: True,
    ) -> None:
        self._wanted = wanted
        self._definitions = definitions
        self._instance = instance
        self._asked_only = asked_only
        known = definitions.get_repository_def()
        self._sensors = list(known.sensor_defs) if sensors is None else [known.get_sensor_def(name) for name in sensors]
        add_partitions(instance, ())
        self.waiting: dict[str, str] = {}
        self._cursors: dict[str, str] = {}

    def tick(self) -> Iterator[FinishedRun]:
        """Evaluate every sensor once and execute what it asks for, one run after the other."""
        for sensor in self._sensors:
            interrupts.check()
            context = dg.build_sensor_context(
                instance=self._instance,
                instance_ref=self._instance.get_ref(),
                definitions=self._definitions,
                sensor_name=sensor.name,
                resources=dict(self._definitions.resources or {}),
                cursor=self._cursors.get(sensor.name),
            )
            # Dagster's own logger writes to the terminal whatever the level.
            context._logger = InstigationLogger(console_logger=logging.getLogger("grabient.sensors"))
            for request in self._requests(sensor.name, sensor.evaluate_tick(context)):
                if not self._known(sensor.name, request.run_key):
                    yield self._execute(sensor, request)

    def _requests(self, name: str, tick: SensorExecutionData) -> list[dg.RunRequest]:
        """The runs that a sensor asks for; partitions it adds are added first, and events it reports are stored."""
        self.waiting.pop(name, None)
        for change in tick.dynamic_partitions_requests or ():
            self._instance.add_dynamic_partitions(change.partitions_def_name, list(change.partition_keys))
        for event in tick.asset_events:
            self._instance.report_runless_asset_event(event)
        if tick.cursor is not None:
            self._cursors[name] = tick.cursor
        if tick.skip_message:
            self.waiting[name] = tick.skip_message
        asked = [one for one in tick.run_requests or () if not (self._asked_only and UNASKED_TAG in one.tags)]
        return [one for one in asked if self._wanted(one.job_name, one.partition_key)]

    def _known(self, sensor_name: str, run_key: str | None) -> bool:
        """Whether this sensor has asked for this run before: the daemon's own rule."""
        tags = {RUN_KEY_TAG: run_key or "", SENSOR_TAG: sensor_name}
        return run_key is not None and self._instance.get_runs_count(RunsFilter(tags=tags)) > 0

    def _execute(self, sensor: dg.SensorDefinition, request: dg.RunRequest) -> FinishedRun:
        name = request.job_name or sensor.job.name
        job = self._definitions.resolve_job_def(name)
        tags = {**request.tags, SENSOR_TAG: sensor.name}
        if request.run_key:
            tags[RUN_KEY_TAG] = request.run_key
        return execute_job(
            job,
            self._instance,
            request.run_config,
            tags,
            partition_key=request.partition_key,
            asset_selection=list(request.asset_selection) if request.asset_selection else None,
        )


def execute_job(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    run_config: Mapping[str, object],
    tags: Mapping[str, str],
    **chosen: Any,
) -> FinishedRun:
    """Execute the job in this process. `chosen`: partition_key and asset_selection, for jobs of assets.

    Raises Interrupted when the program is to end; Dagster would make an ordinary failure of it, and the next run would
    begin.
    """
    interrupts.check()
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    ours = {**tags, PID_TAG: str(this_process())}
    result = execute_in_location(job, instance, {**run_config, **quiet}, ours, **chosen)
    let_go_of_run(result.run_id)
    if interrupts.requested() is not None:
        _mark_interrupted(instance, result)
        interrupts.check()
    return FinishedRun(job.name, result.run_id, result.success, None if result.success else _failure(result))


def _mark_interrupted(instance: dg.DagsterInstance, result: ExecutionResult) -> None:
    """Show the run as canceled, and count it as no failed attempt: a person ended it."""
    if not result.success:
        instance.add_run_tags(result.run_id, {PUT_OFF_TAG: "true"})
        instance.report_run_canceled(result.dagster_run, "The command that executed this run was stopped.")


def drive(
    driver: Driver,
    is_open: Callable[[], bool],
    seen: Callable[[FinishedRun | None], None],
    timeout: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = interrupts.sleep,
    waits: Callable[[float], None] = lambda _: None,
) -> bool:
    """Tick until `is_open` says no; False when `timeout` seconds passed first. A run that has begun is not cut short.

    `seen` is told of every run, and of every pass with None; `waits`, before each pause, how many seconds it has. While
    nothing moves, the pause between two passes grows from 0.2 to 30 seconds: an emulated batch ends within polls, a
    real one within hours.
    """
    started = clock()
    pause = SHORTEST_PAUSE
    while True:
        moved = False
        for finished in driver.tick():
            moved = True
            seen(finished)
            if clock() - started > timeout:
                return False
        seen(None)
        if not moved and not is_open():
            return True
        if clock() - started > timeout:
            return False
        if not moved:
            seconds = min(pause, max(0.0, timeout - (clock() - started)))
            waits(seconds)
            sleep(seconds)
        pause = SHORTEST_PAUSE if moved else min(pause * 1.5, LONGEST_PAUSE)


def bury_dead_runs(instance: dg.DagsterInstance) -> None:
    """Mark started runs whose process no longer lives as failed; otherwise they would hold up the next ones."""
    for run in instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTED, DagsterRunStatus.STARTING])):
        if is_dead(instance, run):
            reason = "The process that executed this run ended without finishing it."
            instance.add_run_tags(run.run_id, {REASON_TAG: reason})
            instance.report_run_failed(run, reason)


@contextmanager
def quiet_dagster() -> Iterator[None]:
    """Keep Dagster's log lines and warnings off the terminal; everything stays in the event log."""
    import warnings

    logger = logging.getLogger("dagster")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logger.setLevel(before)


def _failure(result: ExecutionResult) -> str:
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            cause = error.cause if error and error.cause else error
            data = event.step_failure_data.user_failure_data
            if data and data.description:
                return data.description
            if cause is None:
                return "no reason given"
            message = cause.message.strip()
            return message.partition(f"{cause.cls_name}: ")[2] or message
    return "the run failed before its first step"
