"""The files of the deployment against the schemas of those that read them, against each other and the settings."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.instance.config import dagster_instance_config
from dagster._core.instance.ref import InstanceRef
from dagster._core.workspace.load_target import WorkspaceFileTarget

from grabient_assets.resources.instance import BatchingInstance
from grabient_assets.resources.run_launcher import WatchfulRunLauncher
from grabient_assets.settings import PROJECT_DIR, PROVIDERS, SETTINGS, load_settings
from grabient_assets_tests.deploy.composed import COMPOSE, read_compose
from grabient_assets_tests.pipeline.place import COMMANDS
from grabient_assets_tests.postgres import Server, postgres

DEPLOY = PROJECT_DIR / "deploy"
DOCKER_RUNS = DEPLOY / "compose.docker-runs.yaml"
LAUNCHERS = {"dagster.yaml": WatchfulRunLauncher.__name__, "dagster.docker.yaml": "DockerRunLauncher"}
ENDS = "on-failure:5"
"""How compose.yaml restarts a service that does its work and ends."""
NOT_OURS = {"GRABIENT_IMAGE": "grabient:local"}


def document(name: str) -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres() as one:
        yield one


@pytest.mark.parametrize("file", [COMPOSE, DOCKER_RUNS], ids=lambda file: file.name)
def test_the_schema_of_compose_accepts_the_file(file: Path) -> None:
    checker = [COMMANDS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*checker, file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", LAUNCHERS)
def test_dagster_opens_the_instance(name: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own schema accepts the file, every class is there and takes its config, and the storages are PostgreSQL's."""
    (tmp_path / "dagster.yaml").write_text((DEPLOY / name).read_text(encoding="utf-8"), encoding="utf-8")
    environment = read_compose()["services"]["code"]["environment"]
    where = {"DAGSTER_PGDATABASE": name, "DAGSTER_HOME": str(tmp_path), "R2_ENDPOINT": "http://127.0.0.1:9"}
    server.create_database(name)
    for variable, value in {**environment, **server.environment, **NOT_OURS, **where}.items():
        monkeypatch.setenv(variable, value)
    config, custom = dagster_instance_config(str(tmp_path))
    assert custom is BatchingInstance and config["run_retries"] == {"enabled": False}
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path))) as instance:
        assert isinstance(instance, BatchingInstance)
        assert type(instance.run_launcher).__name__ == LAUNCHERS[name]
        assert instance.run_storage.__class__.__module__.startswith("dagster_postgres")
        assert type(instance.compute_log_manager).__name__ == "S3ComputeLogManager"
        assert instance.get_concurrency_config().run_queue_config
        instance.add_dynamic_partitions("seeds", ["one"])
        assert instance.get_dynamic_partitions("seeds") == ["one"]
    assert server.psql("SELECT partition FROM dynamic_partitions", name) == "one\n"


def test_the_two_instances_differ_in_the_launcher_alone() -> None:
    plain, docker = document("dagster.yaml"), document("dagster.docker.yaml")
    del plain["run_launcher"], docker["run_launcher"]
    assert plain == docker


def test_the_workspace_names_the_code_location_of_compose() -> None:
    [origin] = WorkspaceFileTarget([str(DEPLOY / "workspace.yaml")]).create_origins()
    code = read_compose()["services"]["code"]
    assert (origin.host, origin.location_name) == ("code", "grabient")  # pyright: ignore[reportAttributeAccessIssue]
    assert str(origin.port) == code["command"][code["command"].index("-p") + 1]  # pyright: ignore[reportAttributeAccessIssue]


def test_every_setting_reaches_every_process() -> None:
    """A setting that compose.yaml does not name would be ignored in .env, without a word."""
    services = read_compose()["services"]
    ours = {name: one for name, one in services.items() if one["image"].startswith("grabient:")}
    assert {"code", "web", "daemon", "studio", "bucket", "migrate"} == set(ours)
    keys = {name for provider in PROVIDERS for name in load_settings({}).key_names(provider)}
    for service in ours.values():
        assert {setting.name for setting in SETTINGS} | keys <= set(service["environment"])


def test_one_service_builds_the_image() -> None:
    """Docker's builder makes all at once, and of several that write one tag all but the first fail on a new machine."""
    services = read_compose()["services"]
    assert [name for name, one in services.items() if "build" in one] == ["code"]


def test_a_container_of_a_run_gets_what_the_daemon_has() -> None:
    handed_on = document("dagster.docker.yaml")["run_launcher"]["config"]["env_vars"]
    assert handed_on == list(read_compose()["services"]["daemon"]["environment"])


def test_settings_of_the_env_file_are_taken_and_no_key_is_needed() -> None:
    given = {"GRABIENT_MODE": "live", "OPENAI_API_KEY": "sk-of-a-test", "PGPASSWORD": "of-a-test"}
    usual, filled = (read_compose(environ=one)["services"] for one in ({}, given))
    assert usual["code"]["environment"]["GRABIENT_MODE"] == "emulator"
    assert usual["code"]["environment"]["OPENAI_API_KEY"] == ""
    assert {name: filled["daemon"]["environment"][name] for name in given} == given
    assert filled["postgres"]["environment"]["POSTGRES_PASSWORD"] == given["PGPASSWORD"]
    with pytest.raises(KeyError, match="DOCKER_GID"):
        read_compose(DOCKER_RUNS, {})


def test_nothing_is_published_beyond_this_machine_and_nobody_is_root() -> None:
    """The UI and the studio have no login. Dagster runs code, and its socket of Docker is for the override alone."""
    services = read_compose()["services"]
    published = [port for one in services.values() for port in one.get("ports", [])]
    assert sorted(published) == ["127.0.0.1:3000:3000", "127.0.0.1:3700:3700"]
    for name, one in services.items():
        assert one.get("user") not in ("0", "root") and not one.get("privileged")
        assert not any("docker.sock" in str(volume) for volume in one["volumes"])
        assert name in ("postgres", "objects") or one["cap_drop"] == ["ALL"]


def test_every_service_that_stays_has_a_health_check_and_is_waited_for() -> None:
    services = read_compose()["services"]
    for name, one in services.items():
        ends = one["restart"] == ENDS
        assert one["healthcheck"].get("disable", False) == ends, name
        for other, how in one.get("depends_on", {}).items():
            ended = services[other]["restart"] == ENDS
            assert how["condition"] == ("service_completed_successfully" if ended else "service_healthy")


def test_the_values_for_kubernetes_say_what_the_instance_says() -> None:
    """The chart itself is not here: this holds them to deploy/dagster.yaml, nothing more."""
    values, plain = document("helm/values.yaml"), document("dagster.yaml")
    [limits] = [values["dagsterDaemon"]["runCoordinator"]["config"]["queuedRunCoordinator"]]
    assert limits["tagConcurrencyLimits"] == plain["concurrency"]["runs"]["tag_concurrency_limits"]
    assert limits["maxConcurrentRuns"] == plain["concurrency"]["runs"]["max_concurrent_runs"]
    assert values["additionalInstanceConfig"]["instance_class"] == plain["instance_class"]
    assert values["retention"]["sensor"]["purgeAfterDays"] == plain["retention"]["sensor"]["purge_after_days"]
    assert values["dagsterDaemon"]["runRetries"] == plain["run_retries"] == {"enabled": False}
    environment = read_compose()["services"]["code"]["environment"]
    for part in (
        values["dagsterDaemon"],
        values["dagsterWebserver"],
        values["dagster-user-deployments"]["deployments"][0],
    ):
        assert part["envSecrets"] == [{"name": "grabient-keys"}]
        assert {n: v for n, v in part["env"].items() if n.startswith(("DAGSTER_", "AWS_"))} == {
            name: environment[name]
            for name in (
                "AWS_REQUEST_CHECKSUM_CALCULATION",
                "AWS_RESPONSE_CHECKSUM_VALIDATION",
            )
        }
        secrets = {setting.name for setting in SETTINGS if setting.secret}
        assert not secrets & set(part["env"])
