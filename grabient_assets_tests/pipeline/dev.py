"""`dagster dev` as a person has it open: webserver, daemon and code server over one data folder."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from grabient_assets.emulator.endpoint import running_emulator
from grabient_assets.settings import PROJECT_DIR
from grabient_assets_tests.cli.running import hear_signals
from grabient_assets_tests.hanging import HANGING_SECONDS
from grabient_assets_tests.pipeline.place import COMMANDS, creates, environment_of
from grabient_assets_tests.ports import closed_port

PAUSE_SECONDS = 0.3
LOG_LINES = 25

_LAUNCH = """
mutation Launch($backfill: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $backfill) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
  }
}
"""
_BACKFILL = """
query Backfill($id: String!) {
  partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status numPartitions error { message } } }
}
"""
_GREEN = """
query Green($keys: [AssetKeyInput!]!) {
  assetNodes(assetKeys: $keys) {
    assetKey { path }
    assetPartitionStatuses {
      __typename
      ... on DefaultPartitionStatuses { materializedPartitions failedPartitions }
      ... on MultiPartitionStatuses {
        ranges { primaryDimStartKey primaryDimEndKey
          secondaryDim { ... on DefaultPartitionStatuses { materializedPartitions failedPartitions } } }
      }
    }
  }
}
"""
_TERMINATE = """
mutation Terminate($runs: [String!]!) {
  terminateRuns(runIds: $runs, terminatePolicy: SAFE_TERMINATE) {
    ... on TerminateRunsResult { terminateRunResults { __typename ... on TerminateRunSuccess { run { runId } } } }
  }
}
"""
_RUNS = """
query Runs { runsOrError(limit: 60) { ... on Runs { results { runId status jobName tags { key value } } } } }
"""


@dataclass(frozen=True)
class Dev:
    """A running `dagster dev`."""

    folder: Path
    url: str
    log: Path
    process: psutil.Process

    def kill(self) -> None:
        """End it and everything that it started at once, as a power cut does."""
        doomed = [self.process, *self.process.children(recursive=True)]
        for one in doomed:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(doomed, 10)

    def ask(self, query: str, **variables: Any) -> Any:
        """The data of a GraphQL answer."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        call = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(call, timeout=30) as answer:
            document = json.load(answer)
        assert "errors" not in document, document["errors"]
        return document["data"]

    def backfill(self, assets: list[str], keys: list[str]) -> str:
        """Launch an asset backfill of these partitions, as the UI does; its id."""
        selection = [{"path": [asset]} for asset in assets]
        launched = self.ask(_LAUNCH, backfill={"assetSelection": selection, "partitionNames": keys})
        found = launched["launchPartitionBackfill"]
        assert found["__typename"] == "LaunchBackfillSuccess", found
        return found["backfillId"]

    def backfill_status(self, backfill_id: str) -> str:
        return self.ask(_BACKFILL, id=backfill_id)["partitionBackfillOrError"]["status"]

    def green(self, asset: str) -> set[str]:
        """The seeds that are materialized under v1, or by seed alone, as the partitions page counts them."""
        [node] = self.ask(_GREEN, keys=[{"path": [asset]}])["assetNodes"]
        statuses = node["assetPartitionStatuses"]
        if statuses["__typename"] == "DefaultPartitionStatuses":
            return set(statuses["materializedPartitions"])
        return {seed for one in statuses["ranges"] for seed in one["secondaryDim"]["materializedPartitions"]}

    def runs(self) -> list[dict[str, Any]]:
        """The newest runs: runId, status, jobName, tags."""
        found = self.ask(_RUNS)["runsOrError"]["results"]
        return [{**run, "tags": {tag["key"]: tag["value"] for tag in run["tags"]}} for run in found]

    def terminate(self, run_id: str | None) -> list[dict[str, Any]]:
        """Terminate a run, as the UI does."""
        return self.ask(_TERMINATE, runs=[run_id])["terminateRuns"]["terminateRunResults"]

    def creates(self) -> list[dict[str, Any]]:
        """Every batch that was created at the emulator; none while it does not run yet."""
        return creates(running_emulator(self.folder))

    def until(self, what: str, done: Callable[[], bool], still_open: Callable[[], object]) -> None:
        """Ask again and again until it is done. Fails with what was still open after HANGING_SECONDS."""
        started = time.monotonic()
        while not done():
            if time.monotonic() - started > HANGING_SECONDS:
                runs = [(run["jobName"], run["status"]) for run in self.runs()[:12]]
                log = "\n".join(self.log.read_text(errors="replace").splitlines()[-LOG_LINES:])
                raise AssertionError(
                    f"{what}: not done after {HANGING_SECONDS:.0f} s. Still open: {still_open()}. "
                    f"Runs: {runs}. Log:\n{log}"
                )
            time.sleep(PAUSE_SECONDS)


@contextmanager
def dagster_dev(folder: Path, *, waits: bool = True) -> Iterator[Dev]:
    """`grabient dev` on a free port over the data folder, new or not; all its processes end with it.

    `waits`: until it answers.
    """
    log, port = folder.parent / "dagster-dev.log", closed_port()
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(COMMANDS / "grabient"), "dev", "--studio-port", "0", "-h", "127.0.0.1", "-p", str(port)],
            cwd=PROJECT_DIR,
            env={**environment_of(folder), "DAGSTER_HOME": ""},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=hear_signals,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            if waits:
                _wait_for(url, process, log)
            yield Dev(folder, url, log, psutil.Process(process.pid))
        finally:
            end_dev(process)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    query = json.dumps({"query": "{ repositoriesOrError { __typename } }"}).encode()
    call = urllib.request.Request(f"{url}/graphql", query, {"Content-Type": "application/json"})
    deadline = time.monotonic() + HANGING_SECONDS
    while True:
        try:
            with urllib.request.urlopen(call, timeout=5) as answer:
                if json.load(answer)["data"]["repositoriesOrError"]["__typename"] == "RepositoryConnection":
                    return
        except OSError:
            pass
        late = time.monotonic() > deadline
        if late or process.poll() is not None:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])
            raise AssertionError(f"dagster dev {'did not answer in time' if late else 'ended'}. Log:\n{tail}")
        time.sleep(PAUSE_SECONDS)


def end_dev(process: subprocess.Popen[bytes]) -> None:
    """End it with everything that it started; a second signal ends all at once."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        process.wait(20)
