"""`grabient studio` as a person starts and ends it."""

from __future__ import annotations

import re
import signal
import subprocess
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

import duckdb
import pytest

from grabient_assets.settings import PROJECT_DIR, load_settings
from grabient_assets.studio.pages import Studio
from grabient_assets.studio.server import StudioServer, start_studio
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.migrations import current_version, newest_version
from grabient_assets_tests.cli.running import command, environment, hear_signals, typed
from grabient_assets_tests.hanging import HANGING_SECONDS


def test_ctrl_c_ends_it_with_130(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("studio", "-p", "0"),
        env=environment(tmp_path / "none"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_signals,
    )
    try:
        assert process.stdout is not None
        said = re.fullmatch(
            r"The studio is at (http://127\.0\.0\.1:\d+); Ctrl-C ends it\.\n", process.stdout.readline()
        )
        assert said
        with urllib.request.urlopen(f"{said[1]}/", timeout=HANGING_SECONDS) as answer:
            assert answer.status == 200 and b"Nothing is loaded yet" in answer.read()
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(
                urllib.request.Request(f"{said[1]}/", headers={"Host": "evil.example"}), timeout=HANGING_SECONDS
            )
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=HANGING_SECONDS)
        assert (process.returncode, err) == (130, "")
        assert not (tmp_path / "none").exists()
    finally:
        process.kill()
        process.wait()


def test_a_port_that_is_in_use_is_a_sentence(tmp_path: Path) -> None:
    server = StudioServer(Studio(load_settings(environment(tmp_path))), port=0)
    thread = server.start()
    try:
        done = typed(tmp_path, "studio", "-p", str(server.port))
        assert done.code == 1 and done.err.startswith(f"The studio cannot use port {server.port} of 127.0.0.1: ")
        assert "Choose another one, or 0" in done.err
    finally:
        server.stop()
        thread.join(HANGING_SECONDS)
    unknown = typed(tmp_path, "studio", "--host", "no-such-host.invalid")
    assert unknown.code == 1 and unknown.err.startswith("The studio cannot use port 3700 of no-such-host.invalid")


def test_an_older_database_is_brought_up_to_date_before_anybody_looks(tmp_path: Path) -> None:
    with tarfile.open(PROJECT_DIR / "grabient_assets_tests" / "warehouse" / "folder_of_schema_23.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    server = start_studio(load_settings(environment(tmp_path)), "127.0.0.1", 0)
    thread = server.start()
    server.stop()
    thread.join(HANGING_SECONDS)
    with duckdb.connect(str(tmp_path / "grabient.duckdb"), read_only=True) as connection:
        assert current_version(connection) == newest_version()


def test_a_database_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    with Warehouse(tmp_path / "grabient.duckdb").write() as connection:
        connection.execute("INSERT INTO schema_migrations VALUES (9999, '9999_future.sql', now())")
    done = typed(tmp_path, "studio", "-p", "0")
    assert done.code == 1 and "schema version 9999" in done.err and done.out == ""
