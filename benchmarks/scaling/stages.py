"""The runs in which everything is reported to Dagster, each in a process of its own, and Dagster's share of their time.

Dagster's own time is the time inside its calls: building and storing events, adding and reading partitions, creating
and reading runs. The rest of a run is the project's: reading the ledger, the consensus, the vectors.
"""

import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from grabient_assets.asking.purpose_assets import PurposeAssets
from grabient_assets.warehouse.connection import Warehouse, open_warehouse

Report = Callable[[dg.OpExecutionContext, PurposeAssets, str, list[str]], None]

TIMED = (
    *("handle_new_event", "store_event", "report_dagster_event", "create_run", "create_run_for_job"),
    *("add_dynamic_partitions", "get_dynamic_partitions", "has_dynamic_partition", "get_materialized_partitions"),
    *("get_runs", "get_run_records", "get_run_tags", "get_runs_count", "get_run_by_id", "add_run_tags"),
    *("get_daemon_heartbeats", "get_backfills"),
)


@dataclass
class Stage:
    """What one process did. `seconds` of the clock and `cpu` of the process; `peak` in MiB."""

    name: str
    seconds: float
    cpu: float
    dagster: float
    dagster_cpu: float
    events: int
    runs: int
    peak: float

    def __add__(self, other: "Stage") -> "Stage":
        """Both together, under the name of the first."""
        sums = [mine + theirs for mine, theirs in zip(astuple(self)[1:-1], astuple(other)[1:-1], strict=True)]
        return Stage(self.name, *sums, peak=max(self.peak, other.peak))


class Clock:
    """Time inside Dagster, calls within calls counted once."""

    def __init__(self) -> None:
        self.seconds = self.cpu = 0.0
        self.events = 0
        self._inside = False

    def watch(self, instance: dg.DagsterInstance) -> None:
        """Time the calls of this instance and the reports of runs. Modules that report are imported after this."""
        from grabient_assets.resources import reporting

        for name in TIMED:
            if hasattr(instance, name):
                setattr(instance, name, self._timed(getattr(instance, name)))
        report = self._timed(reporting.report_materializations)

        def counted(context: dg.OpExecutionContext, events: Sequence[dg.AssetMaterialization]) -> None:
            self.events += len(events)
            report(context, events)

        reporting.report_materializations = counted

    def _timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def timed(*given: Any, **named: Any) -> Any:
            if self._inside:
                return call(*given, **named)
            self._inside, started, cpu = True, time.perf_counter(), time.process_time()
            try:
                return call(*given, **named)
            finally:
                self._inside = False
                self.seconds += time.perf_counter() - started
                self.cpu += time.process_time() - cpu

        return timed


def in_own_process(script: Path, stage: str) -> Stage:
    """Run a stage in a fresh process."""
    done = subprocess.run([sys.executable, str(script), "--stage", stage], check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{stage}: {done.stderr[-4000:]}")
    return Stage(**json.loads(done.stdout.splitlines()[-1]))


def print_stage(name: str) -> None:
    """What a process started by in_own_process says."""
    from grabient_assets.headless.driver import quiet_dagster
    from grabient_assets.resources.home import dagster_instance
    from grabient_assets.settings import load_settings

    settings, clock = load_settings(), Clock()
    instance = dagster_instance(settings)
    clock.watch(instance)
    started, cpu = time.perf_counter(), time.process_time()
    with quiet_dagster():
        ended = list(STAGES[name](instance, open_warehouse(settings)))
    took, worked = time.perf_counter() - started, time.process_time() - cpu
    assert all(ended), f"a run of {name} failed"
    peak = peak_mib(os.getpid())
    print(json.dumps(asdict(Stage(name, took, worked, clock.seconds, clock.cpu, clock.events, len(ended), peak))))


def peak_mib(pid: int) -> float:
    """The most memory that a living process had, on Linux."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def _partitions(instance: dg.DagsterInstance, warehouse: Warehouse) -> Iterator[bool]:
    """What a tick of palettes_loaded adds."""
    from grabient_assets.groups.palettes.tables import asked_versions, palette_seeds
    from grabient_assets.partitions import add_partitions

    with warehouse.read() as connection:
        loaded, versions = palette_seeds(connection), asked_versions(connection)
    add_partitions(instance, loaded, versions)
    yield from ()


def _load(instance: dg.DagsterInstance, warehouse: Warehouse) -> Iterator[bool]:
    """palettes and palette_images, as the sensor starts them."""
    from grabient_assets.groups.palettes.tables import palette_seeds

    with warehouse.read() as connection:
        first = palette_seeds(connection)[0]
    config = {"config": {"all_due": True, "asked": False}}
    yield _run(instance, "load_palettes", {"ops": {"palettes": config, "palette_images": config}}, first)


def _sent(instance: dg.DagsterInstance, warehouse: Warehouse) -> Iterator[bool]:
    """What each submitting run reports after it has sent, provider by provider and version by version."""
    from grabient_assets.asking.reports import report_progress

    def report(context: dg.OpExecutionContext, purpose: PurposeAssets, provider: str, ids: list[str]) -> None:
        report_progress(context, purpose, warehouse, provider, ids, (), ended=False)

    yield from _runs(instance, warehouse, report)


def _collected(instance: dg.DagsterInstance, warehouse: Warehouse) -> Iterator[bool]:
    """What each collecting run reports about the batches that it has just collected."""
    from grabient_assets.asking.reports import report_collected
    from grabient_assets.settings import PROVIDERS

    def report(context: dg.OpExecutionContext, purpose: PurposeAssets, provider: str, ids: list[str]) -> None:
        report_collected(context, [purpose], warehouse, ids, PROVIDERS, set(ids) if purpose.complete else ())

    yield from _runs(instance, warehouse, report)


def _runs(instance: dg.DagsterInstance, warehouse: Warehouse, report: Report) -> Iterator[bool]:
    """A run for the batches of each provider and version."""
    from grabient_assets.groups.purposes import purpose_assets
    from grabient_assets.headless.driver import execute_job

    def job_of(purpose: PurposeAssets, provider: str, ids: list[str]) -> dg.JobDefinition:
        @dg.op(name="report_batches")
        def op(context: dg.OpExecutionContext) -> None:
            report(context, purpose, provider, ids)

        @dg.job(name="report_batches")
        def job() -> None:
            op()

        return job

    shown = purpose_assets()
    for (name, provider, _), ids in _batches(warehouse).items():
        yield execute_job(job_of(shown[name], provider, ids), instance, {}, {}).success


def _embedded(instance: dg.DagsterInstance, warehouse: Warehouse) -> Iterator[bool]:
    """palette_embeddings, as the sensor starts it."""
    with warehouse.read() as connection:
        row = connection.execute("SELECT prompt_version || '|' || seed FROM palette_tag_refined").fetchone()
    assert row is not None
    yield _run(instance, "embed_texts", {"ops": {"palette_embeddings": {"config": {"waiting": True}}}}, row[0])


STAGES: dict[str, Callable[[dg.DagsterInstance, Warehouse], Iterator[bool]]] = {
    "partitions": _partitions,
    "load": _load,
    "sent": _sent,
    "collected": _collected,
    "embedded": _embedded,
}


def _batches(warehouse: Warehouse) -> dict[tuple[str, str, str], list[str]]:
    """Ids by purpose, provider and version, tagging first."""
    with warehouse.read() as connection:
        rows = connection.execute(
            "SELECT purpose, provider, prompt_version, list(batch_id ORDER BY batch_id) FROM batches "
            "GROUP BY ALL ORDER BY purpose DESC, prompt_version, provider"
        ).fetchall()
    return {(purpose, provider, version): ids for purpose, provider, version, ids in rows}


def _run(instance: dg.DagsterInstance, job: str, config: dict[str, Any], partition: str | None = None) -> bool:
    from grabient_assets.definitions import grabient
    from grabient_assets.headless.driver import execute_job

    definitions = grabient()
    named: dict[str, Any] = {} if partition is None else {"partition_key": partition}
    done = execute_job(definitions.resolve_job_def(job), instance, config, {}, **named)
    if not done.success:
        print(done.failure, file=sys.stderr)
    return done.success


def sizes(folder: Path) -> int:
    """Bytes of all files in the folder, on the disk."""
    return sum(file.stat().st_blocks * 512 for file in folder.rglob("*") if file.is_file())


def ticks(names: Sequence[str]) -> dict[str, float]:
    """Seconds of one tick of these sensors, when everything is reported."""
    from grabient_assets.definitions import grabient
    from grabient_assets.headless.driver import Driver, quiet_dagster
    from grabient_assets.resources.home import dagster_instance
    from grabient_assets.settings import load_settings

    instance = dagster_instance(load_settings())
    found: dict[str, float] = {}
    with quiet_dagster():
        for name in names:
            driver = Driver(grabient(), instance, sensors=[name], wanted=lambda *_: False)
            started = time.perf_counter()
            list(driver.tick())
            found[name] = time.perf_counter() - started
    return found
