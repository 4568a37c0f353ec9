"""Dagster's records in PostgreSQL: opened by several processes at once, and one sentence for whatever is wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.event_log.sqlite import SqliteEventLogStorage
from dagster._daemon.types import DaemonHeartbeat

from grabient_assets.errors import GrabientError, RecordsError, SettingsError
from grabient_assets.groups.palettes.palette_file import SAMPLES
from grabient_assets.partitions import SEEDS, add_partitions
from grabient_assets.resources.daemon import daemon_runs, last_heartbeat
from grabient_assets.resources.home import dagster_instance, damaged_records
from grabient_assets.resources.records import STORAGES, records_in_files
from grabient_assets.resources.runs import busy_with
from grabient_assets.settings import PROJECT_DIR, Settings, load_settings
from grabient_assets_tests.cli.running import Ended, typed
from grabient_assets_tests.hanging import HANGING_SECONDS
from grabient_assets_tests.pipeline.place import environment_of
from grabient_assets_tests.ports import closed_port
from grabient_assets_tests.postgres import HOST, PASSWORD, Server, postgres
from grabient_assets_tests.resources.postgres_home import VARIABLE, keep_in_postgres

PROCESSES = 4
OPENINGS = {
    "a command of ours": "from grabient_assets.resources.home import dagster_instance\n"
    "from grabient_assets.settings import load_settings\nopened = dagster_instance(load_settings())",
    "a process of Dagster": "import dagster\nopened = dagster.DagsterInstance.get()",
}
LOOK = (
    "with opened as one: print(one.get_runs_count(), one.get_dynamic_partitions('seeds'), one.all_instigator_state())"
)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres() as running:
        yield running


@pytest.fixture
def database(server: Server, request: pytest.FixtureRequest) -> str:
    """The name of an empty database."""
    name = f"records_{abs(hash(request.node.nodeid))}"
    server.create_database(name)
    return name


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv(VARIABLE, PASSWORD)
    monkeypatch.setenv("DAGSTER_HOME", "")  # what is opened names itself there
    return load_settings({"GRABIENT_DATA_DIR": str(tmp_path / "data")})


def load(settings: Settings) -> Ended:
    """`grabient load`, which opens Dagster's records, with the bundled palettes."""
    return typed(settings.data_dir, "load", SAMPLES)


@pytest.mark.parametrize("opening", OPENINGS)
def test_several_processes_open_an_empty_database_at_once(
    opening: str, server: Server, database: str, settings: Settings
):
    keep_in_postgres(settings.dagster_home, server, database)
    started = [
        subprocess.Popen(
            [sys.executable, "-c", f"{OPENINGS[opening]}\n{LOOK}"],
            env=environment_of(settings.data_dir),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    said = [(*process.communicate(timeout=HANGING_SECONDS), process.returncode) for process in started]
    assert said == [("0 [] []\n", "", 0)] * PROCESSES
    assert len(server.psql("SELECT version_num FROM alembic_version", database).splitlines()) == 1
    assert not list(settings.dagster_home.rglob("*.db"))


def test_partitions_lie_in_the_database_and_its_dagster_yaml_stays(server: Server, database: str, settings: Settings):
    file = keep_in_postgres(settings.dagster_home, server, database)
    written = file.read_text()
    (settings.dagster_home / "history").mkdir()
    (settings.dagster_home / "history" / "runs.db").write_bytes(b"what an earlier time left here, and damaged")
    for _ in range(2):
        with dagster_instance(settings) as instance:
            add_partitions(instance, ["one"])
    assert server.psql(f"SELECT partition FROM dynamic_partitions WHERE partitions_def_name = '{SEEDS}'", database) == (
        "one\n"
    )
    assert file.read_text() == written and damaged_records(settings.dagster_home) is None


def test_records_as_dagsters_helm_chart_writes_them(server: Server, database: str, settings: Settings):
    file = keep_in_postgres(settings.dagster_home, server, database)
    text, _, storage = file.read_text().partition("storage:\n  postgres:\n")
    classes = {"run_storage": "PostgresRunStorage", "event_log_storage": "PostgresEventLogStorage"}
    classes["schedule_storage"] = "PostgresScheduleStorage"
    for key, name in classes.items():
        text += f"\n{key}:\n  module: dagster_postgres\n  class: {name}\n  config:\n{storage}"
    file.write_text(text)
    with dagster_instance(settings) as instance:
        add_partitions(instance, ["one"])
    assert server.psql("SELECT count(*) FROM dynamic_partitions WHERE partition = 'one'", database) == "1\n"


@pytest.mark.parametrize("key", STORAGES)
def test_only_a_storage_in_dagster_yaml_puts_records_elsewhere(key: str, tmp_path: Path):
    assert records_in_files(tmp_path)
    (tmp_path / "dagster.yaml").write_bytes((PROJECT_DIR / "dagster.yaml").read_bytes())
    assert records_in_files(tmp_path)
    (tmp_path / "dagster.yaml").write_text(f"{key}: {{module: one, class: Two}}")
    assert not records_in_files(tmp_path)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
def test_the_heartbeat_and_runs_of_this_minute_are_seen_in_every_time_zone(
    zone: str, server: Server, database: str, settings: Settings
):
    server.psql(f"ALTER DATABASE {database} SET timezone TO '{zone}'")
    keep_in_postgres(settings.dagster_home, server, database)
    now = datetime.now(UTC)
    with dagster_instance(settings) as instance:
        assert last_heartbeat(settings.dagster_home) is None and not daemon_runs(settings.dagster_home, now)
        beat = DaemonHeartbeat(now.timestamp(), "SENSOR", "one")
        instance.add_daemon_heartbeat(beat)
        assert last_heartbeat(settings.dagster_home) == now and daemon_runs(settings.dagster_home, now)
        assert not daemon_runs(settings.dagster_home, now + timedelta(minutes=3))
        run = instance.create_run_for_job(dg.job(name="one")(lambda: None), status=dg.DagsterRunStatus.STARTED)
        assert busy_with(instance, "asking", wait_for_people=True) == (
            f"Waiting for run {run.run_id[:8]} (one), so that what it asks for goes out together."
        )


def test_a_server_in_another_time_zone_is_refused_when_the_tables_are_there(
    server: Server, database: str, settings: Settings
):
    keep_in_postgres(settings.dagster_home, server, database)
    dagster_instance(settings).dispose()
    server.psql(f"ALTER DATABASE {database} SET timezone TO 'Europe/London'")
    with pytest.raises(RecordsError, match=f"""ALTER DATABASE "{database}" SET timezone TO 'UTC'"""):
        dagster_instance(settings)


def test_a_server_that_is_not_there_or_does_not_let_us_in_is_one_sentence(server: Server, settings: Settings):
    home = settings.dagster_home
    port = closed_port()
    where = f"Dagster's records in the PostgreSQL database nowhere at {HOST}"
    lost = "What was sent and answered is in the ledger, and nothing of it is lost."

    keep_in_postgres(home, server, "nowhere", port=port)
    assert load(settings).err == (
        f"{where}:{port} cannot be used: Connection refused. Start the server, or correct `storage` in "
        f"{home}/dagster.yaml. {lost}\n"
    )
    assert last_heartbeat(home) is None

    keep_in_postgres(home, server, "nowhere")
    assert load(settings).err == (
        f'{where}:{server.port} cannot be used: FATAL:  database "nowhere" does not exist. Create it '
        f"(`createdb`, `createuser`), or correct `storage` in {home}/dagster.yaml. {lost}\n"
    )

    keep_in_postgres(home, server, "postgres", hostname="no-such-host.invalid")
    assert 'could not translate host name "no-such-host.invalid"' in load(settings).err


def test_a_wrong_password_is_one_sentence_without_it(
    server: Server, settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    keep_in_postgres(settings.dagster_home, server, "postgres")
    monkeypatch.setenv(VARIABLE, "wrong-pass-0815")
    ended = load(settings)
    assert ended.code == 1 and ended.err.count("\n") == 1 and "wrong-pass" not in ended.err
    assert 'FATAL:  password authentication failed for user "postgres". Correct the password' in ended.err


def test_a_user_without_rights_is_one_sentence(server: Server, database: str, settings: Settings):
    server.psql(f"DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'")
    keep_in_postgres(settings.dagster_home, server, database, username="reader")
    ended = load(settings)
    assert (ended.code, ended.err.count("\n")) == (1, 1) and "permission denied for schema public" in ended.err


@pytest.mark.parametrize(
    ("revision", "sentence"),
    [
        ("f495c27d5019", "are those of an older version (revision f495c27d5019; this one has "),
        ("no-revision-of-ours", "are of a revision that the installed Dagster does not know (no-revision-of-ours)"),
    ],
)
def test_tables_of_another_version_are_refused(
    revision: str, sentence: str, server: Server, database: str, settings: Settings
):
    keep_in_postgres(settings.dagster_home, server, database)
    dagster_instance(settings).dispose()
    server.psql(f"UPDATE alembic_version SET version_num = '{revision}'", database)
    ended = load(settings)
    assert (ended.code, ended.err.count("\n")) == (1, 1) and sentence in ended.err
    if "older" in sentence:
        assert f"DAGSTER_HOME={settings.dagster_home} dagster instance migrate" in ended.err


@pytest.mark.parametrize(
    ("storage", "sentence"),
    [
        ({"password": "plain-word-1"}, "holds the password of the database"),
        ({"params": "{password: plain-word-1}"}, "holds the password of the database"),
        ({"password": "{env: NOT_SET_ANYWHERE}"}, "from the variable NOT_SET_ANYWHERE, which is not set"),
        ({"scheme": "postgresql"}, "Write `scheme: postgresql+psycopg2` under `postgres_db`"),
    ],
)
def test_a_dagster_yaml_that_has_to_be_changed_is_one_sentence(
    storage: dict[str, object], sentence: str, server: Server, settings: Settings
):
    file = keep_in_postgres(settings.dagster_home, server, "postgres", **storage)
    ended = load(settings)
    assert (ended.code, ended.err.count("\n")) == (SettingsError.exit_code, 1)
    assert sentence in ended.err and str(file) in ended.err and "plain-word-1" not in ended.err
    with pytest.raises(SettingsError, match=r"dagster\.yaml"):  # and what Dagster starts by itself
        dg.DagsterInstance.from_config(str(settings.dagster_home))


@pytest.mark.parametrize(
    "url",
    ["postgresql+psycopg2://me:plain-word-1@db/records", "postgresql+psycopg2://db/records?password=plain-word-1"],
)
def test_an_address_with_a_password_is_refused(url: str, settings: Settings):
    settings.dagster_home.mkdir(parents=True)
    (settings.dagster_home / "dagster.yaml").write_text(f"storage: {{postgres: {{postgres_url: '{url}'}}}}")
    ended = load(settings)
    assert "holds the password of the database" in ended.err and "plain-word-1" not in ended.err


def test_an_address_from_the_environment(
    server: Server, database: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    settings.dagster_home.mkdir(parents=True)
    (settings.dagster_home / "dagster.yaml").write_text("storage: {postgres: {postgres_url: {env: RECORDS_URL}}}")
    monkeypatch.setenv("RECORDS_URL", f"postgresql+psycopg2://postgres:{PASSWORD}@{HOST}:{server.port}/{database}")
    with dagster_instance(settings) as instance:
        add_partitions(instance, ["one"])
    monkeypatch.setenv("RECORDS_URL", f"postgresql+psycopg2://postgres:{PASSWORD}@{HOST}:{closed_port()}/{database}")
    with pytest.raises(RecordsError, match=f"database {database} at {HOST}:.* Connection refused") as caught:
        dagster_instance(settings)
    assert PASSWORD not in str(caught.value)
    monkeypatch.setenv("RECORDS_URL", "postgresql+psycopg2://postgres:plain-word-1@[")
    with pytest.raises(SettingsError, match="cannot be used as an address") as caught:
        dagster_instance(settings)
    assert "plain-word-1" not in str(caught.value)


def test_without_the_extra_one_sentence_says_what_to_install(server: Server, settings: Settings):
    keep_in_postgres(settings.dagster_home, server, "postgres")
    program = f"""
import sys
sys.modules |= {{"dagster_postgres": None, "psycopg2": None}}  # as in an environment without the extra
sys.argv = ["grabient", "load", {str(SAMPLES)!r}]
from grabient_assets.cli.main import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment_of(settings.data_dir), capture_output=True, text=True
    )
    assert (done.returncode, done.stderr.count("\n")) == (SettingsError.exit_code, 1), done.stderr
    assert "pip install 'grabient-assets[postgres]'" in done.stderr


def test_a_dagster_yaml_that_is_no_yaml_is_one_sentence(settings: Settings):
    settings.dagster_home.mkdir(parents=True)
    (settings.dagster_home / "dagster.yaml").write_text("storage: {postgres: [")
    with pytest.raises(GrabientError, match=r"dagster\.yaml is not YAML: .*Correct it"):
        dagster_instance(settings)
    assert last_heartbeat(settings.dagster_home) is None


def test_a_statement_that_fails_later_is_one_sentence(server: Server, database: str, settings: Settings):
    keep_in_postgres(settings.dagster_home, server, database)
    with dagster_instance(settings) as instance:
        assert not isinstance(instance.event_log_storage, SqliteEventLogStorage)
    server.psql("ALTER TABLE dynamic_partitions RENAME COLUMN partition TO gone", database)
    ended = load(settings)
    assert (ended.code, ended.err.count("\n")) == (1, 1), ended.err
    assert (
        "column dynamic_partitions.partition does not exist. Start" in ended.err
        and f"{HOST}:{server.port}" in ended.err
    )
