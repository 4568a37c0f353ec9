from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from grabient_assets.errors import WarehouseLockedError
from grabient_assets.headless.status_document import status_document
from grabient_assets.settings import load_settings
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.lock_wait import LockTimeout
from grabient_assets_tests.cli.running import environment, typed
from grabient_assets_tests.hanging import HANGING_SECONDS

EMPTY = {
    "palettes": 0,
    "tagged": 0,
    "refined": 0,
    "embedded": 0,
    "indexed": 0,
    "pending": 0,
    "errors": 0,
    "failed": 0,
    "put_off": [],
    "over_budget": [],
    "held": [],
    "withheld": [],
    "waves": [],
    "held_versions": [],
    "workflows": [],
    "open_batches": [],
    "cost_usd": 0.0,
}
HOLDER = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


def test_an_empty_data_folder_is_all_zeros_and_stays_empty(data: Path):
    ended = typed(data, "status", "--json")
    assert ended.code == 0 and ended.json == EMPTY and not data.exists()
    shown = typed(data, "status")
    assert shown.code == 0 and "Nothing is loaded yet" in shown.out


def test_a_data_folder_of_a_newer_version(data: Path):
    with Warehouse(data / "grabient.duckdb").write() as connection:
        connection.execute("INSERT INTO schema_migrations VALUES (9999, '9999_future.sql', now())")
    ended = typed(data, "status", "--json")
    assert ended.code == 1 and "schema version 9999" in ended.err and ended.out == ""


def test_a_file_that_is_no_database(data: Path):
    data.mkdir()
    (data / "grabient.duckdb").write_text("hello " * 3000)
    ended = typed(data, "status")
    assert ended.code == 1 and "is not a DuckDB database" in ended.err and "Traceback" not in ended.err


def test_a_database_that_another_program_holds_is_named_with_its_process(data: Path):
    path = data / "grabient.duckdb"
    with Warehouse(path).write():
        pass
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(WarehouseLockedError, match=f"process {holder.pid}") as caught:
            status_document(Warehouse(path, LockTimeout(0.3)), load_settings(environment(data)))
        assert caught.value.exit_code == 1
    finally:
        holder.communicate(timeout=HANGING_SECONDS)


def test_open_batches_and_money_are_reported(data: Path):
    with Warehouse(data / "grabient.duckdb").write() as connection:
        connection.execute(
            """
            INSERT INTO batches BY NAME SELECT
                'b-1' AS batch_id, 'tagging' AS purpose, 'groq' AS provider, 'm' AS model,
                'v1' AS prompt_version, 'd' AS prompt_digest, 'p-1' AS provider_batch_id, 'submitted' AS status,
                7 AS request_count, 0 AS succeeded, 0 AS failed, 'x' AS bodies_sha256, 'emulator' AS account,
                now() AS intended_at, now() - INTERVAL 1 HOUR AS submitted_at, 0 AS collect_attempts, 1.25 AS cost_usd
            """
        )
    document = typed(data, "status", "--json").json
    (batch,) = document.pop("open_batches")
    assert document == {**{k: v for k, v in EMPTY.items() if k != "open_batches"}, "cost_usd": 1.25}
    assert 3600 <= batch.pop("age_seconds") < 3700 and batch.pop("submitted_at").endswith("+00:00")
    assert batch == {
        "batch_id": "b-1",
        "purpose": "tagging",
        "provider": "groq",
        "model": "m",
        "prompt_version": "v1",
        "provider_batch_id": "p-1",
        "status": "submitted",
        "request_count": 7,
        "overdue": None,
        "error": None,
    }
    assert "The oldest open batch is b-1 (groq m, 7 requests" in typed(data, "status").out
