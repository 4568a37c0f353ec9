"""A database that does not open or does not work: each cause for real, its own sentence, and nothing lost."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from grabient_assets.cli.options import opened_as_it_is
from grabient_assets.errors import (
    WarehouseError,
    WarehouseLockedError,
    WarehouseReadOnlyError,
    WarehouseTooNewError,
)
from grabient_assets.ledger.staging import staging
from grabient_assets.settings import load_settings
from grabient_assets.warehouse.attaching import _engine
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.lock_wait import LockTimeout

_PROMPTS = "INSERT INTO prompt_versions SELECT 'v' || i, 'tagging', 'd', 't', 'm', now() FROM range({}, {}) AS r(i)"
_KILLED = """
import os, sys
from pathlib import Path
from grabient_assets.warehouse.connection import Warehouse
with Warehouse(Path(sys.argv[1])).transactions() as transaction:
    with transaction() as connection:
        connection.execute(sys.argv[2])
    os._exit(0)
"""


def killed_after(path: Path, statement: str) -> Path:
    """The log of a process that wrote this and was killed before it closed the file."""
    subprocess.run([sys.executable, "-c", _KILLED, str(path), statement], check=True)
    log = path.with_name(f"{path.name}.wal")
    assert log.stat().st_size > 0
    return log


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database of 5 rows, one with a log that holds 5 more, and another database with a log."""
    folder = tmp_path_factory.mktemp("shelf")
    for name in ("ours", "theirs"):
        with Warehouse(folder / f"{name}.duckdb").write() as connection:
            connection.execute(_PROMPTS.format(0, 5))
        shutil.copy(folder / f"{name}.duckdb", folder / f"{name}.closed")
        killed_after(folder / f"{name}.duckdb", _PROMPTS.format(5, 10))
    return folder


@pytest.fixture
def path(shelf: Path, tmp_path: Path) -> Path:
    """A database that was closed well."""
    found = tmp_path / "data" / "grabient.duckdb"
    found.parent.mkdir()
    shutil.copy(shelf / "ours.closed", found)
    return found


@pytest.fixture
def log(shelf: Path, path: Path) -> Path:
    """The log that belongs beside `path`."""
    return Path(shutil.copy(shelf / "ours.duckdb.wal", f"{path}.wal"))


def rows(path: Path) -> int:
    with Warehouse(path, LockTimeout(0)).read() as connection:
        return connection.execute("SELECT count(*) FROM prompt_versions").fetchall()[0][0]


def refused(path: Path, *uses: str) -> WarehouseError:
    """The error of reading and of writing, which says the same and touches no file."""
    before = files(path.parent)
    said: list[WarehouseError] = []
    for use in uses or ("read", "write"):
        with pytest.raises(WarehouseError) as caught, getattr(Warehouse(path, LockTimeout(0)), use)():
            pass
        said.append(caught.value)
    assert len({str(one) for one in said}) == 1
    assert files(path.parent) == before, "nothing was made, changed or removed"
    assert str(path) in str(said[0]) and str(said[0]).endswith(".")
    return said[0]


def files(folder: Path) -> dict[str, bytes | None]:
    return {one.name: one.read_bytes() if one.is_file() else None for one in folder.iterdir()}


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def cut(path: Path, size: int) -> None:
    os.truncate(path, size)


def replaced(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def with_version(path: Path, version: int) -> None:
    """The main header says that a DuckDB of this storage version wrote the file. Its checksum is DuckDB's."""
    header = bytearray(path.read_bytes()[:4096])
    struct.pack_into("<Q", header, 12, version)
    checksum = 5381
    for (word,) in struct.iter_unpack("<Q", header[8:]):
        checksum ^= word * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
    overwrite(path, 0, struct.pack("<Q", checksum) + bytes(header[8:]))


def encrypted(path: Path) -> None:
    path.unlink()
    with duckdb.connect() as connection:
        connection.execute("SET force_mbedtls_unsafe = 'true'")
        connection.execute(f"ATTACH '{path}' AS secret (ENCRYPTION_KEY 'key')")
        connection.execute("CREATE TABLE secret.t AS SELECT 1 AS a")
        connection.execute("DETACH secret")


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def looped(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


FILES = {
    "text": (lambda p: replaced(p, b"not a database at all\n" * 900), r"is not a DuckDB database\. .*Put the database"),
    "empty": (lambda p: replaced(p, b""), r"is not a DuckDB database: it is empty \(0 bytes\)\. Nothing was changed"),
    "sqlite": (lambda p: replaced(p, b"SQLite format 3\x00" * 300), "is not a DuckDB database but a SQLite database"),
    "parquet": (lambda p: replaced(p, b"PAR1" * 3000), "is not a DuckDB database but a Parquet file"),
    "header only": (lambda p: cut(p, 4096), "is cut short: .*batches/"),
    "cut in the second header": (lambda p: cut(p, 5000), "is cut short"),
    "cut in the first block": (lambda p: cut(p, 20_000), "is cut short"),
    "flipped main header": (lambda p: overwrite(p, 100, b"\xff" * 8), "is damaged: .*checksum.*duckdb -readonly"),
    "flipped block header": (lambda p: overwrite(p, 4100, b"\xff" * 8192), "is damaged: .*checksum"),
    "flipped catalogue": (lambda p: overwrite(p, 12_400, b"\xff" * 2**18), "is damaged: .*checksum"),
    "newer storage": (lambda p: with_version(p, 999), r"was written by a newer DuckDB .*Update the program.*999"),
    "older storage": (lambda p: with_version(p, 40), "was written by an older or differently built DuckDB.*EXPORT"),
    "encrypted": (encrypted, "is an encrypted database.*COPY FROM DATABASE"),
    "folder": (a_folder, r"is a folder, where the database belongs\. Nothing was changed\. Move the folder away"),
    "loop": (looped, "is a link to .*grabient.duckdb, which is not there"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_is_no_usable_database(case: str, path: Path) -> None:
    spoil, says = FILES[case]
    spoil(path)
    shutil.copy(__file__, f"{path}.before-0002")
    error = refused(path)
    assert re_search(says, str(error)), str(error)
    assert isinstance(error, WarehouseTooNewError) == (case == "newer storage")
    if any(word in str(error) for word in ("cut short", "is damaged", "is not a DuckDB")):
        assert f"{path}.before-0002 is a copy from before a change of its tables" in str(error)


def re_search(pattern: str, text: str) -> bool:
    import re

    return re.search(pattern, text) is not None


def test_pages_that_turn_out_damaged_while_they_are_read(path: Path) -> None:
    with Warehouse(path).write() as connection:
        many = "SELECT 's', i, 1, i || '', md5(i || ''), now() FROM range(9000) r(i)"
        connection.execute(f"INSERT INTO rejected_palettes {many}")
    size = path.stat().st_size
    for block in range(12_288 + 3 * 2**18, size, 2**18):
        overwrite(path, block + 99, b"\xff" * 64)
    with (
        pytest.raises(WarehouseError, match=r"is damaged: .*checksum.* Keep it as it is, with its log"),
        Warehouse(path).read() as connection,
    ):
        connection.execute("SELECT max(reason) FROM rejected_palettes").fetchall()


def test_a_log_of_its_own_is_taken_in(path: Path, log: Path) -> None:
    assert rows(path) == 10 and log.exists()
    with Warehouse(path).write():
        pass
    assert rows(path) == 10 and not log.exists()


@pytest.mark.parametrize("size", [*range(130), 300, 1000, -1])
def test_a_log_that_ends_early_holds_what_was_committed(size: int, path: Path, log: Path) -> None:
    """A kill, or a full disk, while a transaction goes into the log: after any of its bytes."""
    cut(log, size % log.stat().st_size)
    assert rows(path) == 5
    with Warehouse(path).write() as connection:
        connection.execute(_PROMPTS.format(10, 11))
    assert rows(path) == 6 and not log.exists()


def turned(log: Path, at: int) -> None:
    overwrite(log, at, bytes(255 - byte for byte in log.read_bytes()[at : at + 4]))


LOGS = {
    "text": (lambda log: replaced(log, b"a log it is not" * 99), "is damaged: it does not begin as a log of DuckDB"),
    "zeros": (lambda log: replaced(log, bytes(5000)), "is damaged: it does not begin as a log"),
    "other beginning": (lambda log: turned(log, 0), "is damaged: it does not begin as a log"),
    "an entry": (lambda log: turned(log, 60), "is damaged: .*Corrupt WAL file.*checksum"),
    "the last entry": (lambda log: turned(log, log.stat().st_size - 8), "is damaged: .*Corrupt WAL file"),
    "newer": (lambda log: overwrite(log, 5, b"\x09"), "was written by a newer DuckDB.*version 9.*Update the program"),
    "folder": (lambda log: (log.unlink(), log.mkdir()), "is a folder, where the log of .* belongs"),
}


@pytest.mark.parametrize("case", LOGS)
def test_a_log_that_cannot_be_taken_in_is_named_and_kept(case: str, path: Path, log: Path) -> None:
    spoil, says = LOGS[case]
    spoil(log)
    said = str(refused(path))
    assert said.startswith(f"{log} ") and re_search(says, said), said
    if "damaged" in says:
        assert f"`mv {log} {log}.aside`" in said and "consoles of the providers" in said
    if log.is_file():
        log.rename(f"{log}.aside")
        assert rows(path) == 5, "the way out: what was stored before is there"


@pytest.mark.parametrize("older", [False, True])
def test_the_log_of_another_database_is_not_taken_in(older: bool, path: Path, shelf: Path) -> None:
    """DuckDB 1.5.5 itself replays it when one of the two has no identity."""
    log = Path(f"{path}.wal")
    if older:
        other = path.parent.parent / "older.duckdb"
        with duckdb.connect(str(other)) as connection:
            connection.execute("CREATE TABLE prompt_versions AS SELECT 1 AS a")
        insert = "c.execute('INSERT INTO prompt_versions VALUES (2)')"
        code = f"import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); {insert}; os._exit(0)"
        subprocess.run([sys.executable, "-c", code, str(other)], check=True)
        shutil.copy(f"{other}.wal", log)
    else:
        shutil.copy(shelf / "theirs.duckdb.wal", log)
    said = str(refused(path))
    assert said.startswith(f"{log} is the log of another database, not of {path}") and f"`mv {log}" in said
    log.rename(f"{log}.aside")
    assert rows(path) == 5


def test_a_log_from_another_time_of_the_same_database(path: Path, log: Path, shelf: Path) -> None:
    with Warehouse(path).write() as connection:  # takes the log in
        connection.execute(_PROMPTS.format(20, 21))
    shutil.copy(shelf / "ours.duckdb.wal", log)
    assert f"{log} belongs to an earlier state of {path}" in str(refused(path))
    log.unlink()
    newer = killed_after(path, _PROMPTS.format(30, 31))
    shutil.copy(shelf / "ours.closed", path)
    said = str(refused(path))
    assert f"{path} is older than its log {newer}: perhaps a backup was put back" in said and ".aside" in said


@pytest.mark.parametrize("content", [None, b""])
def test_no_file_is_made_beside_a_log(content: bytes | None, path: Path, log: Path) -> None:
    path.unlink()
    if content is not None:
        log.write_bytes(content)
    said = str(refused(path))
    assert f"{log} is left of a database, but {path} is not there. No new one is made beside it" in said
    settings = load_settings({"GRABIENT_DATA_DIR": str(path.parent)})
    with pytest.raises(WarehouseError, match="is left of a database"), opened_as_it_is(settings):
        pass
    log.rename(f"{log}.aside")
    assert rows(path) == 0, "an empty one, as it was said"


def test_no_file_is_made_where_a_link_leads_to_nothing(path: Path, tmp_path: Path) -> None:
    path.unlink()
    path.symlink_to(tmp_path / "unmounted" / "grabient.duckdb")
    assert f"{path} is a link to {tmp_path}/unmounted/grabient.duckdb, which is not there" in str(refused(path))
    (tmp_path / "linked").symlink_to(tmp_path / "unmounted")
    with pytest.raises(WarehouseError, match=r"linked is a link to .*unmounted, which is not there"):
        rows(tmp_path / "linked" / "grabient.duckdb")
    assert not (tmp_path / "unmounted").exists()


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


SPECIAL: dict[str, Callable[[Path], None]] = {
    "a pipe": lambda path: os.mkfifo(path),
    "a socket": _socket,
    "a device": lambda path: path.symlink_to("/dev/null"),
}


@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize("which", ["database", "log"])
def test_what_is_no_file_is_not_opened(which: str, kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Opening a pipe waits for somebody who writes into it, for ever."""
    monkeypatch.chdir(tmp_path)  # the path of a socket may have 108 bytes
    rows(Path("g.duckdb"))
    place = Path("g.duckdb" if which == "database" else "g.duckdb.wal")
    place.unlink(missing_ok=True)
    SPECIAL[kind](place)
    for use in (Warehouse(Path("g.duckdb")).read, Warehouse(Path("g.duckdb")).write):
        with pytest.raises(WarehouseError, match=f"^{place} is a pipe, a socket or a device"), use():
            pass


@pytest.mark.parametrize("leads_to", ["/nowhere/grabient.duckdb.wal", "grabient.duckdb.wal"])
def test_a_log_that_is_a_link_to_nothing_is_named(leads_to: str, path: Path, log: Path) -> None:
    log.unlink(missing_ok=True)
    log.symlink_to(leads_to)
    before = path.read_bytes()
    for use in (Warehouse(path).read, Warehouse(path).write):
        with pytest.raises(WarehouseError, match=f"^{log} is a link to {leads_to}, which is not there"), use():
            pass
    assert path.read_bytes() == before


@pytest.mark.parametrize("kind", ["a file", "a link to nothing", "a link to itself"])
def test_a_data_folder_that_is_none_is_not_an_empty_one(kind: str, tmp_path: Path) -> None:
    """`status` with zeros would say that all is lost while a disk is not mounted."""
    folder = tmp_path / "data"
    match kind:
        case "a file":
            folder.write_text("x")
        case "a link to nothing":
            folder.symlink_to(tmp_path / "unmounted")
        case _:
            folder.symlink_to(folder)
    said = f"^{folder} is {'a file, where the data folder' if kind == 'a file' else 'a link to '}"
    for below in ("grabient.duckdb", "deeper/grabient.duckdb"):
        with pytest.raises(WarehouseError, match=said):
            Warehouse(folder / below).exists()
        with pytest.raises(WarehouseError, match=said):
            rows(folder / below)


@contextmanager
def ordinary_user() -> Iterator[Path]:
    """A folder of somebody whom permissions bind, and this process in their place: root they do not bind."""
    nobody = 65534 if os.geteuid() == 0 else os.geteuid()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        os.chown(folder, nobody, -1)
        folder.chmod(0o755)
        before = os.geteuid()
        os.seteuid(nobody)
        try:
            if not os.access(folder.parent, os.X_OK, effective_ids=True):
                pytest.skip(f"an ordinary user cannot enter {folder.parent}")
            yield folder
        finally:
            os.seteuid(before)
            for one in (folder, *folder.rglob("*")):
                one.chmod(0o755)


def test_permissions(shelf: Path) -> None:
    database, log = (shelf / "ours.closed").read_bytes(), (shelf / "ours.duckdb.wal").read_bytes()
    with ordinary_user() as folder:
        path = folder / "grabient.duckdb"
        path.write_bytes(database)
        with Warehouse(path).read():
            pass
        for mode, uses in ((0o000, ("read", "write")), (0o400, ("write",))):
            path.chmod(mode)
            for use in uses:
                with pytest.raises(WarehouseReadOnlyError) as caught, getattr(Warehouse(path), use)():
                    pass
                assert str(caught.value).startswith(f"{path} may not be read and written by this user. Nothing was")
        path.chmod(0o600)
        Path(f"{path}.wal").write_bytes(log)
        Path(f"{path}.wal").chmod(0o000)
        with pytest.raises(WarehouseReadOnlyError, match=r"\.wal may not be read and written .* Do not remove it"):
            rows(path)
        Path(f"{path}.wal").unlink()
        folder.chmod(0o555)
        said = r"duckdb\.wal may not be read and written by this user\. .*Give it and its folder"
        with pytest.raises(WarehouseReadOnlyError, match=said), Warehouse(path).write() as connection:
            connection.execute(_PROMPTS.format(90, 91))
        assert rows(path) == 5
        with pytest.raises(WarehouseReadOnlyError, match=r"new\.duckdb may not be .* Make the file and its folder"):
            rows(folder / "new.duckdb")
        folder.chmod(0o000)
        with pytest.raises(WarehouseReadOnlyError, match=r"grabient\.duckdb may not be read and written"):
            rows(path)


def test_a_file_that_nobody_may_write(path: Path) -> None:
    if subprocess.run(["chattr", "+i", str(path)], capture_output=True, check=False).returncode:
        pytest.skip("this user or file system cannot make a file immutable")
    try:
        assert "the system permits it to nobody. Nothing was changed. `lsattr`" in str(refused(path, "write"))
        assert rows(path) == 5
    finally:
        subprocess.run(["chattr", "-i", str(path)], check=True)


def test_a_file_system_that_is_mounted_for_reading(path: Path, tmp_path: Path, shelf: Path) -> None:
    mount = ["mount", "-t", "tmpfs", "tmpfs", str(path.parent)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount here")
    try:
        shutil.copy(shelf / "ours.closed", path)
        subprocess.run(["mount", "-o", "remount,ro", str(path.parent)], check=True)
        said = str(refused(path, "write"))
        assert "its file system is mounted read-only. Nothing was changed. Mount it for writing" in said
        assert rows(path) == 5
        assert "mounted read-only" in str(refused(path.with_name("new.duckdb")))
    finally:
        subprocess.run(["umount", "-l", str(path.parent)], check=True)


def test_a_disk_that_does_not_work(path: Path) -> None:
    """Of a device without this power setting the kernel answers reading it with an I/O error, as of a broken disk."""
    broken = Path("/sys/devices/software/power/autosuspend_delay_ms")
    if not broken.exists():
        pytest.skip("this machine has no file that answers with an I/O error")
    path.unlink()
    path.symlink_to(broken)
    with pytest.raises(WarehouseError, match=r"The disk under .* does not work: .*Look at `dmesg`, and copy the whole"):
        rows(path)


def test_too_many_open_files(path: Path) -> None:
    before, opened = resource.getrlimit(resource.RLIMIT_NOFILE), list[int]()
    rows(path)  # whatever is imported late
    try:
        opened_now = [int(one.name) for one in Path("/proc/self/fd").iterdir()]
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(opened_now) + 8, before[1]))
        with pytest.raises(OSError) as caught:
            while True:
                opened.append(os.open(os.devnull, os.O_RDONLY))
        assert caught.value.errno == errno.EMFILE
        with pytest.raises(WarehouseError, match=r"too many files open\. Nothing was changed\. Raise the limit"):
            rows(path)
    finally:
        for one in opened:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert rows(path) == 5


def test_too_little_memory(path: Path) -> None:
    warehouse = Warehouse(path)
    said = r"not enough memory to work with .*Nothing of this step was stored\. Close other programs"
    with warehouse.read() as connection:
        [[before]] = connection.execute("SELECT current_setting('memory_limit')").fetchall()
    try:
        with pytest.raises(WarehouseError, match=said), warehouse.write() as connection:
            connection.execute(_PROMPTS.format(50, 60))
            connection.execute("SET memory_limit = '2MB'")
            connection.execute("CREATE TABLE large AS SELECT md5(i || '') AS a FROM range(1000000) r(i) ORDER BY a")
    finally:
        with _engine().cursor() as connection:
            connection.execute(f"SET memory_limit = '{before}'")
    assert rows(path) == 5


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("DROP VIEW IF EXISTS {0}; DROP TABLE palette_images", "palette_images"),
        ("ALTER TABLE palette_images RENAME COLUMN store TO shop", "palette_images.store"),
    ],
)
def test_a_database_that_somebody_took_a_part_of(change: str, named: str, path: Path) -> None:
    rows(path)
    with duckdb.connect(str(path)) as connection:
        connection.execute(change.format("none"))
    query = "SELECT store FROM palette_images"
    for use in (Warehouse(path).read, Warehouse(path).write):
        with pytest.raises(WarehouseError) as caught, use() as connection:
            connection.execute(query)
        assert str(caught.value).startswith(f"{path} lacks {named}, which this program keeps there.")
        assert "Look for it in your backups." in str(caught.value)


def test_a_mistake_of_ours_stays_one(path: Path) -> None:
    with pytest.raises(duckdb.CatalogException), Warehouse(path).read() as connection:
        connection.execute("SELECT * FROM nowhere")


SPOILT_STAGING: dict[str, Callable[[Path], object]] = {
    "a folder in its place": lambda folder: (folder / "reparse.duckdb").mkdir(),
    "its lock": lambda folder: (folder / "reparse.lock").mkdir(),
}


@pytest.mark.parametrize("case", SPOILT_STAGING)
def test_the_file_of_a_reparse(case: str, path: Path) -> None:
    SPOILT_STAGING[case](path.parent)
    with pytest.raises(WarehouseError, match=r"reparse\.\w+ is a folder"), staging(Warehouse(path), ["palette_tags"]):
        pass
    assert not isinstance(WarehouseError, WarehouseLockedError) and rows(path) == 5


def test_what_a_dead_reparse_left_is_no_matter(path: Path, shelf: Path) -> None:
    (path.parent / "reparse.duckdb").write_bytes(b"half a file")
    shutil.copy(shelf / "theirs.duckdb.wal", path.parent / "reparse.duckdb.wal")
    with staging(Warehouse(path), ["palette_tags"]) as staged:
        assert staged.path.exists()
    assert sorted(files(path.parent)) == ["grabient.duckdb", "reparse.lock"]
