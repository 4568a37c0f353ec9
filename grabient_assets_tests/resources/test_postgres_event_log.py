"""The event log in PostgreSQL: many events in few statements, and everything that Dagster reads of them afterwards."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from dagster_postgres.event_log import PostgresEventLogStorage

from grabient_assets.resources import postgres_event_log
from grabient_assets.resources.dead_runs import PROCESS_TAG
from grabient_assets.resources.instance import EVENTS_PER_WRITE, unexpected
from grabient_assets.resources.postgres_event_log import BatchedPostgresEventLogStorage
from grabient_assets.resources.reporting import report_materializations
from grabient_assets_tests.postgres import PASSWORD, Server, postgres
from grabient_assets_tests.resources.postgres_home import VARIABLE, keep_in_postgres

KEYS = [f"k{number}" for number in range(EVENTS_PER_WRITE + 100)]
RANGE = {"dagster/asset_partition_range_start": KEYS[0], "dagster/asset_partition_range_end": KEYS[-1]}
PARTITIONS = dg.StaticPartitionsDefinition(KEYS)
SINGLE = dg.BackfillPolicy.single_run()
COUNTING = """
CREATE TABLE statements (of text);
CREATE FUNCTION count_one() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO statements SELECT dagster_event_type FROM added GROUP BY 1; RETURN NULL; END $$;
CREATE TRIGGER counted AFTER INSERT ON event_logs REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION count_one();
"""


@dg.asset(partitions_def=PARTITIONS, backfill_policy=SINGLE)
def first(context: dg.AssetExecutionContext) -> None:
    """Fails when the run says so."""
    if "fail" in context.run.tags:
        raise dg.Failure("as asked")


@dg.asset(partitions_def=PARTITIONS, backfill_policy=SINGLE, deps=[first])
def second() -> None:
    """Follows the other."""


@dg.op
def report(context: dg.OpExecutionContext) -> None:
    """Materializations of two assets in turns, as a collection reports them."""
    events = [dg.AssetMaterialization(asset, partition=key) for key in KEYS for asset in ("reported_a", "reported_b")]
    report_materializations(context, events)


@dg.job(executor_def=dg.in_process_executor)
def reporting() -> None:
    report()


DEFINITIONS = dg.Definitions(
    [first, second], jobs=[dg.define_asset_job("both", [first, second])], executor=dg.in_process_executor
)
BOTH = DEFINITIONS.resolve_job_def("both")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres() as running:
        yield running


@pytest.fixture
def instance(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv(VARIABLE, PASSWORD)
    server.psql("DROP DATABASE IF EXISTS events WITH (FORCE)")
    server.create_database("events")
    keep_in_postgres(tmp_path, server, "events")
    with dg.DagsterInstance.from_config(str(tmp_path)) as opened:
        server.psql(COUNTING, "events")
        yield opened


def statements(server: Server, kind: str) -> int:
    return int(server.psql(f"SELECT count(*) FROM statements WHERE of = '{kind}'", "events"))


def waiting_or_failed(instance: dg.DagsterInstance, asset: str) -> set[str]:
    """The partitions that a run planned and did not materialize: what Dagster shows as in progress, or as failed."""
    log = instance.event_log_storage
    return set(log.get_latest_asset_partition_materialization_attempts_without_materializations(dg.AssetKey(asset)))


def test_it_takes_the_place_of_dagsters_own_and_relies_on_what_that_has(instance: dg.DagsterInstance):
    assert isinstance(instance.event_log_storage, BatchedPostgresEventLogStorage)
    with dg.DagsterInstance.from_ref(instance.get_ref()) as again:  # as a run's process opens it
        assert isinstance(again.event_log_storage, BatchedPostgresEventLogStorage)
    assert unexpected(postgres_event_log.RELIES_ON) is None


def test_what_a_run_plans_is_stored_in_batches_and_shown_while_it_waits_and_when_it_failed(
    instance: dg.DagsterInstance, server: Server
):
    run = instance.create_run_for_job(BOTH, tags={**RANGE, "fail": "yes"})
    assert statements(server, "ASSET_MATERIALIZATION_PLANNED") == -(-2 * len(KEYS) // EVENTS_PER_WRITE)
    assert waiting_or_failed(instance, "first") == waiting_or_failed(instance, "second") == set(KEYS)
    assert not execute_run(InMemoryJob(BOTH), run, instance, raise_on_error=False).success
    assert waiting_or_failed(instance, "first") == set(KEYS)
    again = instance.create_run_for_job(BOTH, tags=RANGE)
    assert execute_run(InMemoryJob(BOTH), again, instance).success
    assert waiting_or_failed(instance, "first") == waiting_or_failed(instance, "second") == set()
    for asset in ("first", "second"):
        assert instance.get_materialized_partitions(dg.AssetKey(asset)) == set(KEYS)


def test_every_asset_of_a_batch_is_known_with_its_last_materialization(instance: dg.DagsterInstance, server: Server):
    assert reporting.execute_in_process(instance=instance).success
    assert statements(server, "ASSET_MATERIALIZATION") == -(-2 * len(KEYS) // EVENTS_PER_WRITE)
    assert {key.to_user_string() for key in instance.all_asset_keys()} == {"reported_a", "reported_b"}
    for asset in ("reported_a", "reported_b"):
        latest = instance.get_latest_materialization_event(dg.AssetKey(asset))
        assert latest is not None and latest.dagster_event is not None and latest.dagster_event.partition == KEYS[-1]
        assert instance.get_materialized_partitions(dg.AssetKey(asset)) == set(KEYS)


def test_a_run_says_where_it_is_executed(instance: dg.DagsterInstance):
    result = reporting.execute_in_process(instance=instance)
    assert instance.get_runs()[0].tags[PROCESS_TAG].startswith(f"{result.run_id} ")


def test_a_dagster_postgres_with_another_method_is_not_replaced(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(postgres_event_log.RELIES_ON, PostgresEventLogStorage, {"_connect": ("self", "shard")})
    with (
        pytest.warns(UserWarning, match=r"PostgresEventLogStorage\._connect takes self instead of self, shard"),
        dg.DagsterInstance.from_ref(instance.get_ref()) as again,
    ):
        assert type(again.event_log_storage) is PostgresEventLogStorage
