"""A database that does not open or does not work: each cause for real, its own sentence, and nothing lost."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import duckdb
import pytest

from grabient_assets.errors import GrabientError, WarehouseError, WarehouseReadOnlyError, WarehouseTooNewError
from grabient_assets.groups.tagging.tags import TagRecord, record_tags
from grabient_assets.postgres_settings import PostgresAddress, parse_postgres
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.lock_wait import LockTimeout
from grabient_assets.warehouse.postgres_engine import PACKAGE, from_server
from grabient_assets.warehouse.postgres_faults import other_language, using
from grabient_assets.warehouse.postgres_schema import is_english
from grabient_assets_tests.hanging import HANGING_SECONDS
from grabient_assets_tests.ledger.disks import small_disk
from grabient_assets_tests.ports import closed_port
from grabient_assets_tests.postgres import NOBODY, PASSWORD, Server, postgres

PROMPTS = "INSERT INTO prompt_versions SELECT 'v' || i, 'tagging', 'd', 't', 'm', now() FROM range({}, {}) AS r(i)"
KEPT = "SELECT count(*) FROM prompt_versions"
CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres() as running:
        yield running


class Place:
    """A database of its own with five rows, and users of it."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.folder, self.name = server, folder, f"d{uuid4().hex[:12]}"
        server.create_database(self.name)

    def address(self, user: str = "postgres", password: str | None = PASSWORD, more: str = "") -> PostgresAddress:
        return parse_postgres(self.server.url(self.name, user) + more, "GRABIENT_WAREHOUSE", password)

    def warehouse(self, user: str = "postgres", more: str = "") -> Warehouse:
        return Warehouse(self.address(user, more=more), LockTimeout(HANGING_SECONDS), self.folder)

    def add(self, first: int, end: int, **how: str) -> None:
        with self.warehouse(**how).write() as connection:
            connection.execute(PROMPTS.format(first, end))

    def count(self, **how: str) -> int:
        with self.warehouse(**how).read() as connection:
            [row] = connection.execute(KEPT).fetchall()
        return int(row[0])

    def psql(self, sql: str) -> str:
        return self.server.psql(sql, self.name)

    def user(self) -> str:
        """A user who may log in and nothing else."""
        name = f"u{uuid4().hex[:12]}"
        self.psql(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
        return name


@pytest.fixture
def empty(server: Server, tmp_path: Path) -> Place:
    return Place(server, tmp_path)


@pytest.fixture
def place(empty: Place) -> Place:
    empty.add(0, 5)
    return empty


def said(use: Callable[[], object], error: type[GrabientError] = WarehouseError) -> str:
    """The sentence of what is raised. No password stands in it, nor in what a log shows of it."""
    with pytest.raises(error) as caught:
        use()
    assert type(caught.value) is error
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


def read(address: PostgresAddress) -> None:
    with Warehouse(address, folder=Path("unused")).read():
        pass


def test_nobody_listens_at_the_port() -> None:
    address = parse_postgres(f"postgresql://a@127.0.0.1:{closed_port()}/b", "x", PASSWORD)
    sentence = said(lambda: read(address))
    assert sentence.startswith(f"{address} cannot be reached: ") and "Connection refused" in sentence


def test_the_host_has_no_address() -> None:
    sentence = said(lambda: read(parse_postgres("postgresql://a@nobody.invalid/b", "x", PASSWORD)))
    assert sentence.startswith("The host of postgresql://a@nobody.invalid/b is unknown")


@pytest.mark.parametrize("password", ["another-password", None])
def test_the_password_is_wrong_or_missing(empty: Place, password: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setenv("PGPASSFILE", "/nonexistent")
    sentence = said(lambda: read(empty.address(password=password)))
    assert "does not take this user with this password. Nothing was changed. Set PGPASSWORD" in sentence
    assert "another-password" not in sentence


def test_there_is_no_such_database_or_user(server: Server) -> None:
    sentence = said(lambda: read(parse_postgres(server.url("nowhere"), "x", PASSWORD)))
    assert "The server has no database of the name in postgresql://postgres@" in sentence and "createdb" in sentence
    sentence = said(lambda: read(parse_postgres(server.url("postgres", "nobody"), "x", PASSWORD)))
    assert "does not take this user with this password" in sentence, "the server does not say which of the two"


def test_an_unknown_option_of_the_address(empty: Place) -> None:
    assert 'invalid connection option "ssl"' in said(lambda: read(empty.address(more="?ssl=1")))


def test_an_empty_database_is_filled(empty: Place) -> None:
    assert empty.count() == 0
    assert int(empty.psql("SELECT max(number) FROM schema_migrations")) > 0


def test_a_user_who_may_make_no_tables(empty: Place) -> None:
    user = empty.user()
    sentence = said(lambda: empty.count(user=user), WarehouseReadOnlyError)
    assert "permission denied for schema public. Nothing of this step was stored. Its owner grants them" in sentence
    assert empty.psql("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == "0\n"


def test_a_user_who_may_read_only(place: Place) -> None:
    user = place.user()
    place.psql(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {user}")
    assert place.count(user=user) == 5
    sentence = said(lambda: place.add(5, 6, user=user), WarehouseReadOnlyError)
    assert f"This user lacks rights in postgresql://{user}@" in sentence and place.count() == 5


def test_a_user_who_may_not_see_the_tables_makes_none_beside_them(place: Place) -> None:
    user = place.user()
    place.psql(f"GRANT CREATE ON SCHEMA public TO {user}")
    assert "permission denied for table" in said(lambda: place.count(user=user), WarehouseReadOnlyError)


def test_a_user_who_may_not_connect(place: Place) -> None:
    user = place.user()
    place.psql(f"REVOKE CONNECT ON DATABASE {place.name} FROM PUBLIC")
    sentence = said(lambda: place.count(user=user), WarehouseReadOnlyError)
    assert "This user may not connect to" in sentence and "GRANT CONNECT" in sentence


def test_a_database_of_another_program(empty: Place) -> None:
    empty.psql("CREATE TABLE orders (id int); INSERT INTO orders VALUES (7)")
    user = empty.user()
    empty.psql(f"GRANT CREATE ON SCHEMA public TO {user}")
    for how in ({}, {"user": user}):
        assert "of another program: it holds orders, and no list" in said(lambda how=how: empty.add(0, 1, **how))
        assert "of another program" in said(empty.warehouse(**how).exists)
    assert empty.psql("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace") == "orders\n"


def test_the_tables_move_on_while_an_older_program_works(place: Place) -> None:
    with place.warehouse().transactions() as transaction:
        with transaction() as connection:
            connection.execute(PROMPTS.format(5, 6))
        place.psql("INSERT INTO schema_migrations VALUES (9000, 'newer', now())")
        for use in (lambda: place.add(6, 7), place.count, lambda: transaction().__enter__()):
            assert "at schema version 9000, this program knows up to" in said(use, WarehouseTooNewError)
    assert place.psql(KEPT) == "6\n"


@pytest.mark.parametrize("how", ["DROP TABLE asks", "ALTER TABLE asks DROP COLUMN model"])
def test_a_table_or_column_is_taken_away(place: Place, how: str) -> None:
    place.psql(f"{how} CASCADE")

    def use() -> None:
        with place.warehouse().read() as connection:
            connection.execute("SELECT model FROM asks").fetchall()

    assert "lacks asks" in said(use) and place.count() == 5


def test_a_connection_is_cut_between_two_statements(place: Place) -> None:
    def use() -> None:
        with place.warehouse().write() as connection:
            connection.execute(PROMPTS.format(5, 10))
            place.server.psql(CUT.format(place.name))
            connection.execute(PROMPTS.format(10, 15))

    assert "broke off. Nothing of this step was stored. Run again" in said(use)
    assert place.count() == 5
    place.add(5, 6)
    assert place.count() == 6


def test_a_connection_is_cut_at_the_commit(place: Place) -> None:
    def use() -> None:
        with place.warehouse().write() as connection:
            connection.execute(PROMPTS.format(5, 10))
            place.server.psql(CUT.format(place.name))

    assert "broke off while a step was being stored: whether it was stored, the next run sees" in said(use)
    assert place.count() == 5


def test_a_connection_is_cut_while_it_reads(place: Place) -> None:
    def use() -> None:
        with place.warehouse().read() as connection:
            connection.execute(KEPT).fetchall()
            place.server.psql(CUT.format(place.name))
            connection.execute(KEPT).fetchall()

    assert "broke off" in said(use) and place.count() == 5


def test_a_server_that_restarts_is_waited_for(tmp_path: Path) -> None:
    with postgres() as own:
        place = Place(own, tmp_path)
        place.add(0, 5)

        def use() -> None:
            with place.warehouse().write() as connection:
                connection.execute(PROMPTS.format(5, 10))
                own.stop()
                connection.execute(PROMPTS.format(10, 15))

        assert "broke off" in said(use)
        waits: list[str] = []

        def start(sentence: str) -> None:
            waits.append(sentence)
            if len(waits) == 1:
                threading.Thread(target=own.start).start()

        patient = Warehouse(place.address(), LockTimeout(HANGING_SECONDS, start, notify_after=0), tmp_path)
        with patient.write() as connection:
            connection.execute(PROMPTS.format(5, 6))
        assert (
            "cannot be reached" in waits[0] and ", 60 seconds at most. See whether its server starts again." in waits[0]
        )
        assert place.count() == 6


def test_a_tick_does_not_wait_for_a_server_that_is_gone(tmp_path: Path) -> None:
    with postgres() as own:
        place = Place(own, tmp_path)
        place.add(0, 5)
        own.stop()
        hasty = Warehouse(place.address(), LockTimeout(0.5, in_all=True), tmp_path)
        sentence = said(lambda: hasty.read().__enter__())
        assert "cannot be reached any more" in sentence and "what providers have taken stays with them" in sentence
        own.start()


def test_after_a_fatal_error_the_process_works_on(place: Place) -> None:
    """DuckDB refuses every further statement of the engine, and the views lie in its memory."""
    assert place.count() == 5
    with pytest.raises(duckdb.FatalException), place.warehouse().read():
        raise duckdb.FatalException("FATAL Error: the database has been invalidated")
    assert place.count() == 5
    with place.warehouse().read() as connection:
        assert connection.execute("SELECT count(*) FROM cost_by_batch").fetchall(), "a view"


def test_an_answer_with_the_character_0_is_stored_with_its_lists(place: Place) -> None:
    with place.warehouse().write() as connection:
        now = datetime(2026, 12, 1, tzinfo=UTC)
        key = ("seed", "v1", "openai", "model", 0, "c-00", "succeeded", now)
        record_tags(connection, [TagRecord(*key, mood=("calm\0", "cold"), answer_text="{\0}")])
    with place.warehouse().read() as connection:
        stored = connection.execute("SELECT mood, answer_text FROM palette_tags").fetchall()
    assert stored == [(["calm\ufffd", "cold"], "{\ufffd}")]


def test_the_time_limit_of_the_lock_is_for_the_lock_alone(place: Place) -> None:
    with place.warehouse().write() as connection:
        [row] = connection.execute(from_server("SELECT current_setting('lock_timeout') AS ms")).fetchall()
    assert row == ("0",)


def test_options_of_the_address_stand_beside_ours(place: Place) -> None:
    asked = (
        "SELECT current_setting('statement_timeout') AS a, current_setting('idle_in_transaction_session_timeout') AS b"
    )
    with place.warehouse(more="?options=-c%20statement_timeout%3D61s").read() as connection:
        assert connection.execute(from_server(asked)).fetchall() == [("61s", "5min")]


@pytest.mark.parametrize("language", ["C", "C.UTF-8", "POSIX", "en_US.UTF-8", "English_United States.1252", ""])
def test_messages_in_english_are_read(language: str) -> None:
    assert is_english(language)


@pytest.mark.parametrize("language", ["de_DE.UTF-8", "eo", "Czech_Czechia.1250"])
def test_messages_in_another_language_are_refused(place: Place, language: str) -> None:
    assert not is_english(language)
    assert f"ALTER DATABASE {place.name} SET lc_messages = 'C'" in str(other_language(place.address(), language))


def test_a_database_that_cannot_hold_every_text(empty: Place) -> None:
    name = f"{empty.name}_latin"
    empty.server.psql(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING LATIN1 LOCALE 'C'")
    empty.name = name
    assert "is encoded in LATIN1, and texts need UTF-8" in said(empty.count)
    assert empty.psql("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == "0\n"


@pytest.mark.parametrize("how", ["ALTER DATABASE {} SET search_path = 'nowhere'", "CREATE SCHEMA postgres"])
def test_the_tables_lie_in_public_whatever_the_path_of_the_server_says(empty: Place, how: str) -> None:
    empty.psql(how.format(empty.name))
    empty.add(0, 5, more="?options=-c%20search_path%3Delsewhere")
    assert empty.count() == 5
    assert empty.psql("SELECT count(*) FROM public.prompt_versions") == "5\n"


def test_a_commit_that_a_shutdown_broke_off_may_have_been_stored(place: Place) -> None:
    message = (
        "TransactionContext Error: Failed to commit: FATAL:  terminating connection due to administrator command\n"
        "server closed the connection unexpectedly"
    )
    assert "whether it was stored, the next run sees" in str(using(duckdb.Error(message), place.address()))


def test_no_connection_is_left(place: Place) -> None:
    user = place.user()
    place.psql(f"ALTER ROLE {user} CONNECTION LIMIT 0")
    assert "has no connection left" in said(lambda: place.count(user=user))
    place.psql(f"ALTER ROLE {user} CONNECTION LIMIT -1; ALTER DATABASE {place.name} CONNECTION LIMIT 0")
    assert "has no connection left" in said(lambda: place.count(user=user))


def test_the_disk_of_the_server_is_full(server: Server, tmp_path: Path) -> None:
    with small_disk(server.folder / f"disk{uuid4().hex}") as disk:
        tables = disk.folder / "tables"
        tables.mkdir()
        os.chown(tables, NOBODY, -1)
        name = f"s{uuid4().hex[:12]}"
        server.psql(f"CREATE TABLESPACE {name} LOCATION '{tables}'")
        place = Place(server, tmp_path)
        server.psql(f"ALTER DATABASE {place.name} SET TABLESPACE {name}")
        try:
            place.add(0, 5)
            disk.fill()
            sentence = said(lambda: place.add(5, 100_000))
            assert "The disk of the server of postgresql://" in sentence and disk.says in sentence
            assert place.count() == 5
            disk.free()
            place.add(5, 100_000)
            assert place.count() == 100_000
        finally:
            server.psql(f"DROP DATABASE {place.name} WITH (FORCE)")
            server.psql(f"DROP TABLESPACE {name}")


def test_the_extension_is_not_installed(empty: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, PACKAGE, None)  # as Python marks what cannot be found
    sentence = said(lambda: empty.count(more="?application_name=without"))
    assert (
        "DuckDB's extension for it is not installed. Install it (`pip install 'grabient-assets[postgres]'`)" in sentence
    )
