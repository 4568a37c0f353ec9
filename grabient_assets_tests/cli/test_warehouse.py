"""`grabient warehouse`, and commands whose warehouse is a PostgreSQL server that does not do what it should."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from grabient_assets.emulator.endpoint import running_emulator
from grabient_assets.settings import load_settings, parse_place
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.cli.running import command, environment, grabient, palettes, typed
from grabient_assets_tests.docs.project_copy import Copy
from grabient_assets_tests.hanging import HANGING_SECONDS, until
from grabient_assets_tests.pipeline.place import creates, emulator_ended_after
from grabient_assets_tests.ports import closed_port
from grabient_assets_tests.postgres import PASSWORD, Server, postgres
from grabient_assets_tests.warehouse.contents import contents


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres() as running:
        yield running


@pytest.fixture
def url(server: Server) -> str:
    return server.create_database(f"c{uuid4().hex}")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with four palettes."""
    folder = tmp_path / "data"
    assert typed(folder, "load", palettes(tmp_path, 4)).code == 0
    return folder


def test_a_copy_there_and_back_as_a_person_gives_it(data: Path, url: str, tmp_path: Path) -> None:
    there = typed(data, "warehouse", "copy", data, url, "--json", PGPASSWORD=PASSWORD)
    assert there.code == 0 and "palettes: 4 rows." in there.err
    said = json.loads(there.out)["tables"]["palettes"]
    assert said["rows"] == 4 and said["written"] and said["from_digest"] == said["to_digest"] != "0" * 32
    counted = typed(data, "warehouse", "status", "--json", GRABIENT_WAREHOUSE=url, PGPASSWORD=PASSWORD)
    assert counted.json["rows"]["palettes"] == 4 and counted.json["where"] == url and counted.json["bytes"] > 0
    back = typed(data, "warehouse", "copy", url, tmp_path / "new", PGPASSWORD=PASSWORD)
    assert back.code == 0 and "counts and digests are the same" in back.out
    assert contents(tmp_path / "new" / "grabient.duckdb") == contents(data / "grabient.duckdb")
    assert PASSWORD not in there.out + there.err + back.out + back.err


def test_a_killed_copy_goes_on_at_the_same_command(data: Path, url: str) -> None:
    with Warehouse(data / "grabient.duckdb").write() as connection:
        connection.execute("INSERT INTO texts SELECT i, repeat('x', 500), now() FROM range(50_000) AS r(i)")
    arguments = command("warehouse", "copy", data, url, "--json")
    there = environment(data, PGPASSWORD=PASSWORD)
    pipe = subprocess.PIPE
    with subprocess.Popen(arguments, env=there, stdout=pipe, stderr=pipe, text=True) as copying:
        assert copying.stderr and any("palettes: 4 rows." in line for line in copying.stderr)
        copying.kill()
    refused = grabient(data, "status", GRABIENT_WAREHOUSE=url, PGPASSWORD=PASSWORD)
    assert refused.code == 1 and "is a copy that is not finished" in refused.err and "Traceback" not in refused.err
    done = grabient(data, *arguments[1:], PGPASSWORD=PASSWORD)
    assert done.code == 0, done.err
    tables = json.loads(done.out)["tables"]
    assert not tables["palettes"]["written"] and tables["texts"]["rows"] == 50_000
    assert grabient(data, "status", GRABIENT_WAREHOUSE=url, PGPASSWORD=PASSWORD).code == 0


@pytest.mark.parametrize("secret", ["postgresql://a:s3cret@host/b", "postgresql://a@host/b?password=s3cret"])
def test_a_password_in_an_argument_is_refused_and_not_shown(data: Path, secret: str) -> None:
    for arguments in ((data, secret), (secret, data)):
        ended = typed(data, "warehouse", "copy", *arguments)
        assert ended.code == 2 and "which everybody on this machine can read" in ended.err and "~/.pgpass" in ended.err
        assert "s3cret" not in ended.out + ended.err


def test_what_a_person_may_type_for_a_warehouse(tmp_path: Path) -> None:
    file = tmp_path / "grabient.duckdb.before-0002"
    file.touch()
    assert parse_place(str(tmp_path), "FROM", {}) == tmp_path / "grabient.duckdb"
    assert parse_place(str(tmp_path / ".new"), "FROM", {}) == tmp_path / ".new" / "grabient.duckdb"
    assert parse_place(str(file), "FROM", {}) == file
    assert parse_place(str(tmp_path / "a.duckdb"), "FROM", {}) == tmp_path / "a.duckdb"
    place = parse_place("postgresql://a@host/b", "FROM", {"PGPASSWORD": "x"})
    assert not isinstance(place, Path) and (place.password, str(place)) == ("x", "postgresql://a@host/b")


def test_the_password_may_stand_in_the_file_of_settings(url: str, tmp_path: Path) -> None:
    project = Copy(tmp_path)
    (project.root / ".env").write_text(f"GRABIENT_WAREHOUSE={url}\nPGPASSWORD={PASSWORD}\n", encoding="utf-8")
    loaded = project.grabient("load", str(palettes(tmp_path, 2)), "--json")
    assert loaded.code == 0, loaded.err
    copied = project.grabient("warehouse", "copy", url, str(tmp_path / "new"), "--json")
    assert copied.code == 0, copied.err
    assert copied.json["tables"]["palettes"]["rows"] == 2 and PASSWORD not in copied.out + copied.err
    assert not (project.data / "grabient.duckdb").exists()


@pytest.mark.parametrize("arguments", [("status",), ("plan",), ("run",), ("warehouse", "status")])
def test_a_server_that_is_not_there_is_one_sentence(arguments: tuple[str, ...], tmp_path: Path) -> None:
    there = f"postgresql://somebody@127.0.0.1:{closed_port()}/nothing"
    ended = grabient(tmp_path, *arguments, GRABIENT_WAREHOUSE=there, PGPASSWORD=PASSWORD)
    assert (ended.code, ended.out) == (1, "")
    assert len(ended.err.splitlines()) == 1 and ended.err.startswith(f"{there} cannot be reached")
    assert PASSWORD not in ended.err


def test_settings_show_no_password(url: str) -> None:
    given = {"GRABIENT_WAREHOUSE": url.replace("postgres@", f"postgres:{PASSWORD}@")}
    assert PASSWORD not in repr(load_settings(given)) + str(load_settings(given).postgres)


def test_a_server_that_restarts_in_the_middle_of_a_run(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with postgres() as own, emulator_ended_after(data):
        there = {"GRABIENT_WAREHOUSE": own.create_database("runs"), "PGPASSWORD": PASSWORD}
        loaded = grabient(data, "load", palettes(tmp_path, 2), **there)
        assert loaded.code == 0, loaded.err
        arguments = ("run", "--analyses", "1", "--timeout", str(HANGING_SECONDS))
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command(*arguments), env=environment(data, **there), stdout=pipe, stderr=pipe, text=True
        ) as running:
            until(lambda: creates(running_emulator(data)) or running.poll() is not None)
            own.stop()
            own.start()
            _, err = running.communicate(timeout=HANGING_SECONDS)
        assert "Traceback" not in err and PASSWORD not in err
        if running.returncode:
            assert "Run again" in err or "run again" in err
        again = grabient(data, *arguments, "--json", **there)
        assert again.code == 0, again.err
        asked = Counter(one for create in creates(running_emulator(data)) for one in create["custom_ids"])
        assert set(asked.values()) == {1} and len(asked) == 2 * (10 + 1)
        stored = own.psql("SELECT count(*), count(DISTINCT custom_id) FROM batch_requests", "runs")
        assert stored == f"{len(asked)}|{len(asked)}\n"
