"""The pages of Dagster's UI, by the queries they send to a real dagster-webserver: seconds, bytes, memory."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scaling.stages import peak_mib

from grabient_assets.settings import PROJECT_DIR

STARTS_WITHIN = 120.0
"""Seconds; a webserver loads the code location first."""
_TWO = "... on DefaultPartitionStatuses { materializedPartitions materializingPartitions failedPartitions }"
_HEALTH = f"""
    query($assetKey: AssetKeyInput!) {{ assetNodeOrError(assetKey: $assetKey) {{ ... on AssetNode {{
        id partitionKeysByDimension {{ name type partitionKeys }}
        assetPartitionStatuses {{ {_TWO} ... on MultiPartitionStatuses {{ primaryDimensionName ranges {{
            primaryDimStartKey primaryDimEndKey secondaryDim {{ {_TWO} }} }} }} }} }} }} }}
"""
_KEYS = """
    query($assetKey: AssetKeyInput!) { assetNodeOrError(assetKey: $assetKey) { ... on AssetNode { id partitionKeys } } }
"""
_STATS = """
    query($assetKey: AssetKeyInput!) { assetNodeOrError(assetKey: $assetKey) { ... on AssetNode { id
        partitionStats { numMaterialized numPartitions numFailed numMaterializing } } } }
"""
_GRAPH = """
    query { assetNodes { id assetKey { path } opNames hasMaterializePermission
        partitionStats { numMaterialized numMaterializing numPartitions numFailed }
        assetMaterializations(limit: 1) { timestamp runId }
        dependencyKeys { path } dependedByKeys { path } } }
"""
_ONE = """
    query($assetKey: AssetKeyInput!, $partition: String!) { assetNodeOrError(assetKey: $assetKey) { ... on AssetNode {
        id assetMaterializations(partitions: [$partition], limit: 1) { timestamp runId metadataEntries { label } } } } }
"""
_RUNS = """
    query { runsFeedOrError(limit: 30, view: ROOTS) { ... on RunsFeedConnection { cursor hasMore
        results { id runStatus creationTime tags { key value } jobName ... on Run { assetSelection { path } } } } } }
"""


def measure_pages(home: Path, say: Callable[[str], None]) -> None:
    """Print the table of the pages: the first answer of a fresh webserver, and the second."""
    with _webserver(home) as (ask, pid):
        pages: dict[str, tuple[str, dict[str, Any]]] = {}
        for asset in ("palette_images", "palette_tags"):
            key = {"assetKey": {"path": [asset]}}
            pages |= {f"{asset}: partition stats": (_STATS, key), f"{asset}: partition health": (_HEALTH, key)}
            pages |= {f"{asset}: partition keys": (_KEYS, key)}
        found = ask(_KEYS, {"assetKey": {"path": ["palette_tags"]}})[0]
        last = found["assetNodeOrError"]["partitionKeys"][-1]
        one = {"assetKey": {"path": ["palette_tags"]}, "partition": last}
        pages |= {"palette_tags: one partition": (_ONE, one), "asset graph": (_GRAPH, {}), "runs": (_RUNS, {})}
        say("\n| page | seconds, first | second time | MB |\n|---|--:|--:|--:|")
        for name, (query, variables) in pages.items():
            took: list[float] = []
            size = 0
            for _ in range(2):
                started = time.perf_counter()
                _, size = ask(query, variables)
                took.append(time.perf_counter() - started)
            say(f"| {name} | {took[0]:.2f} | {took[1]:.2f} | {size / 1e6:.2f} |")
        say(f"\npeak memory of the webserver {peak_mib(pid):8.0f} MiB")


@contextmanager
def _webserver(home: Path) -> Iterator[tuple[Callable[[str, dict[str, Any]], tuple[Any, int]], int]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["dagster-webserver", "-w", str(PROJECT_DIR / "workspace.yaml"), "-h", "127.0.0.1", "-p", str(port)]
    command[0] = str(Path(sys.executable).parent / command[0])
    with (home / "webserver.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=PROJECT_DIR, stdout=log, stderr=log, start_new_session=True)

        def ask(query: str, variables: dict[str, Any]) -> tuple[Any, int]:
            body = json.dumps({"query": query, "variables": variables}).encode()
            address = f"http://127.0.0.1:{port}/graphql"
            request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=600) as response:
                text = response.read()
            answer = json.loads(text)
            assert not answer.get("errors"), answer["errors"][0]["message"]
            return answer["data"], len(text)

        try:
            _wait(ask, process)
            yield ask, process.pid
        finally:
            process.terminate()
            process.wait()


def _wait(ask: Callable[[str, dict[str, Any]], object], process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + STARTS_WITHIN
    while True:
        try:
            ask("query { version }", {})
            return
        except OSError:
            assert process.poll() is None and time.monotonic() < until, "dagster-webserver does not answer"
            time.sleep(0.2)
