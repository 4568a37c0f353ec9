"""Leases: the locks of all machines that share a PostgreSQL database, as rows of the table `leases`.

A lease has a name, an owner and an end, and a thread of the owner's process puts the end off while it lives. All of it
is done by single statements beside all transactions: none waits for the writer. Only the server's clock counts, so a
wrong clock of a machine changes nothing, and a restart of the server of up to a minute loses no lease.
"""

from __future__ import annotations

import atexit
import math
import os
import secrets
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from grabient_assets import interrupts
from grabient_assets.errors import WarehouseError
from grabient_assets.postgres_settings import PostgresAddress
from grabient_assets.process_identity import parse, this_process
from grabient_assets.warehouse.lock_wait import LockTimeout
from grabient_assets.warehouse.locks import Held, LockName
from grabient_assets.warehouse.postgres import RESTART_SECONDS, PostgresDatabase
from grabient_assets.warehouse.postgres_engine import SCHEMA, literal

RENEW_SECONDS = 20.0
LEASE_SECONDS = 120
"""A lease is renewed every 20 seconds, and runs for 120. One renewal may find the server restarting, which is waited
for up to 60 seconds (RESTART_SECONDS); 40 are left for a machine that is busy. After `kill -9` on another machine this
is how long its locks last; on this machine it is seen that the process is gone."""
RUN_LEASE_SECONDS = 300
"""Of a run. Nobody takes it over, it only says that the run lives. So it may last longer, and an outage of the server
of some minutes makes no run count as dead."""
FORGOTTEN_AFTER = "7 days"
"""Leases that ended so long ago are removed. Until then they tell which run is dead."""
LET_GO_SECONDS = 5.0
"""How long letting go may take. A lease that is not let go ends by itself."""

TABLE = f"{SCHEMA}.leases"


class LeaseLocks:
    """The leases in the database."""

    look_every = 0.25

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    def take(self, names: Sequence[LockName]) -> Held | None:
        """The first that is free: see Locks."""
        wanted = [name.lease for name in names]
        owner = self._take(wanted, LEASE_SECONDS)
        if owner is None and self._end_those_of_the_dead(wanted):
            owner = self._take(wanted, LEASE_SECONDS)
        if owner is None:
            return None
        keeper = _keeper(self._database.address)
        keeper.keep(owner, LEASE_SECONDS)
        return Held(lambda: keeper.let_go(owner), lambda: self._stands(owner))

    def is_taken(self, name: LockName) -> bool:
        """Whether a live process holds it."""
        query = f"SELECT 1 AS one FROM {TABLE} WHERE name = {literal(name.lease)} AND until > now()"
        if not self._ask(query):
            return False
        return not self._end_those_of_the_dead([name.lease])

    def keep_for_run(self, run_id: str) -> Held | None:
        """The lease that says that the run is executed; None when another process has it."""
        owner = self._take([_run(run_id)], RUN_LEASE_SECONDS)
        if owner is None:
            return None
        keeper = _keeper(self._database.address)
        keeper.keep(owner, RUN_LEASE_SECONDS, comes_back=True)
        return Held(lambda: keeper.let_go(owner), lambda: True)

    def run_has_ended(self, run_id: str) -> bool | None:
        """Whether nobody renews the lease of the run any more; None when it has none."""
        rows = self._ask(f"SELECT until <= now() AS ended FROM {TABLE} WHERE name = {literal(_run(run_id))}")
        return bool(rows[0][0]) if rows else None

    def _take(self, names: Sequence[str], seconds: int) -> str | None:
        """The owner that has the first free of these leases now. Two statements, because DuckDB gives no rows of a
        statement that writes; the owner is a name that nobody else has."""
        owner = f"{this_process()}|{secrets.token_hex(8)}"
        free = f"SELECT FROM {TABLE} AS held WHERE held.name = wanted.name AND held.until > now()"
        take = (
            f"INSERT INTO {TABLE} AS taken SELECT name, {literal(owner)}, now() + interval '{seconds} seconds' "
            f"FROM unnest({_array(names)}) WITH ORDINALITY AS wanted (name, place) WHERE NOT EXISTS ({free}) "
            "ORDER BY place LIMIT 1 "
            "ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until WHERE taken.until <= now()"
        )
        rows = self._ask(take, f"SELECT 1 AS one FROM {TABLE} WHERE owner = {literal(owner)} AND until > now()")
        return owner if rows else None

    def _stands(self, owner: str) -> bool:
        """Whether it is ours, for its whole time from now on. Where the server does not say so, it is not."""
        import duckdb

        still = f"SELECT 1 AS one FROM {TABLE} WHERE owner = {literal(owner)} AND until > now()"
        try:
            return bool(self._ask(_renewal([(owner, LEASE_SECONDS, False)]), still))
        except (WarehouseError, duckdb.Error):
            return False

    def _end_those_of_the_dead(self, names: Sequence[str]) -> bool:
        """Remove leases of processes of this machine that are gone; whether there were any.

        Only where the kernel itself says that it is this machine and this start of it: two machines may have one name.
        """
        boot = this_process().boot
        query = f"SELECT owner AS owner FROM {TABLE} WHERE name = ANY({_array(names)}) AND until > now()"
        owners = [row[0] for row in self._ask(query)]
        known = [(one, by) for one in owners if (by := parse(one.partition("|")[0])) is not None]
        dead = [one for one, by in known if boot and by.boot == boot and by.has_ended() is True]
        if dead:
            self._ask(f"DELETE FROM {TABLE} WHERE owner = ANY({_array(dead)})")
        return bool(dead)

    def _ask(self, *statements: str) -> list[tuple[Any, ...]]:
        """The rows of the last statement."""
        rows: list[tuple[Any, ...]] = []
        with self._database.asking() as ask:
            for statement in statements:
                rows = ask(statement)
        return rows


class _Keeper:
    """The leases of this process in one database, and the thread that renews them while there are any."""

    def __init__(self, address: PostgresAddress) -> None:
        self._pid = os.getpid()
        self._renewing = PostgresDatabase(address, LockTimeout(RESTART_SECONDS))
        self._letting_go = PostgresDatabase(address, LockTimeout(LET_GO_SECONDS))
        self._guard = threading.Lock()
        self._leases: dict[str, tuple[int, bool]] = {}
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()

    def keep(self, owner: str, seconds: int, *, comes_back: bool = False) -> None:
        """Renew the lease from now on. One that `comes_back` is renewed after its end too, unless somebody has it."""
        with self._guard:
            self._leases[owner] = (seconds, comes_back)
            if self._thread is None or not self._thread.is_alive():
                self._ended.clear()
                self._thread = threading.Thread(target=self._renew_all, name="leases", daemon=True)
                self._thread.start()

    def let_go(self, *owners: str) -> None:
        """End the leases. They end by themselves when the server cannot be reached."""
        with self._guard:
            for owner in owners:
                self._leases.pop(owner, None)
        self._ask(f"DELETE FROM {TABLE} WHERE owner = ANY({_array(owners)})")

    def _ask(self, statement: str) -> None:
        with interrupts.finishing(math.inf), suppress(WarehouseError), self._letting_go.asking() as ask:
            ask(statement)

    def end(self) -> None:
        """The process ends: let go of what it still holds.

        Leases of runs stay, as ended ones: they tell that a run is dead which could not be marked as failed any more.
        """
        if self._pid != os.getpid():
            return  # a fork of the process that holds them
        self._ended.set()
        with self._guard:
            locks = [owner for owner, (_, is_of_run) in self._leases.items() if not is_of_run]
            runs, thread = [owner for owner in self._leases if owner not in locks], self._thread
        if thread is not None:
            thread.join(LET_GO_SECONDS)
        if locks:
            self.let_go(*locks)
        if runs:
            self._ask(f"UPDATE {TABLE} SET until = now() WHERE owner = ANY({_array(runs)})")

    def _renew_all(self) -> None:
        with interrupts.finishing(math.inf):  # whoever is asked to end needs its leases until it has
            first = True
            while not self._ended.wait(RENEW_SECONDS):
                with self._guard:
                    held = [(owner, *how) for owner, how in self._leases.items()]
                    if not held:
                        self._thread = None
                        return
                # Whatever goes wrong: the next time, or it is lost. This thread must not end before its process.
                with suppress(Exception), self._renewing.asking() as ask:
                    ask(_renewal(held))
                    if first:
                        ask(f"DELETE FROM {TABLE} WHERE until < now() - interval '{FORGOTTEN_AFTER}'")
                    first = False


_guard = threading.Lock()
_keepers: dict[tuple[int, PostgresAddress], _Keeper] = {}


def _keeper(address: PostgresAddress) -> _Keeper:
    """The one of this process; a forked child has its own."""
    with _guard:
        key = (os.getpid(), address)
        if key not in _keepers:
            _keepers[key] = _Keeper(address)
            atexit.register(_keepers[key].end)
        return _keepers[key]


def _renewal(held: Iterable[tuple[str, int, bool]]) -> str:
    """A statement that puts off the ends of leases: owner, seconds from now, and whether it may have ended before."""
    rows = ", ".join(f"({literal(owner)}, {seconds}, {comes_back})" for owner, seconds, comes_back in held)
    return (
        f"UPDATE {TABLE} AS lease SET until = now() + make_interval(secs => ours.seconds) "
        f"FROM (VALUES {rows}) AS ours (owner, seconds, comes_back) "
        "WHERE lease.owner = ours.owner AND (lease.until > now() OR ours.comes_back)"
    )


def _run(run_id: str) -> str:
    return f"run:{run_id}"


def _array(texts: Iterable[str]) -> str:
    return f"ARRAY[{', '.join(literal(text) for text in texts)}]::text[]"
