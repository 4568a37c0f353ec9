"""Which process of which machine: whether it has ended can be told on the machine where its number counts, only."""

from __future__ import annotations

import hashlib
import os
import socket
from dataclasses import dataclass
from pathlib import Path

_PARTS = 6


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process number, and all that it takes to know what the number means.

    `boot` is the kernel's own id of its last start, `namespace` the space in which it numbers processes (a container
    has one of its own), `started` when the process began, by the kernel's clock. `machine` is a digest of
    /etc/machine-id. A part that the system does not have is empty.
    """

    host: str
    machine: str
    boot: str
    namespace: str
    pid: int
    started: str

    def __str__(self) -> str:
        """As it is written down: `parse` reads it again."""
        return "/".join((self.host, self.machine, self.boot, self.namespace, str(self.pid), self.started))

    def has_ended(self) -> bool | None:
        """Whether the process is gone; None when that cannot be told from here, because it is of another machine."""
        here = this_process()
        if self._space() == here._space():
            found = _started(self.pid)
            return None if found is None else found != self.started
        same_machine = self.machine and (self.machine, self.host) == (here.machine, here.host)
        return True if same_machine and self.boot != here.boot else None

    def _space(self) -> tuple[str, ...]:
        """Where process numbers mean the same. A machine may change its name while it runs, but not the other two."""
        return (self.boot, self.namespace) if self.boot and self.namespace else (self.host, self.machine)


def parse(text: str | None) -> ProcessIdentity | None:
    """What `str` of an identity wrote; None for anything else."""
    parts = (text or "").split("/")
    if len(parts) != _PARTS or not parts[4].isdecimal():
        return None
    host, machine, boot, namespace, pid, started = parts
    return ProcessIdentity(host, machine, boot, namespace, int(pid), started)


def this_process() -> ProcessIdentity:
    """The process that asks."""
    machine = _read("/etc/machine-id").strip()
    try:
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        namespace = ""
    return ProcessIdentity(
        host=socket.gethostname().replace("/", "-"),
        machine=hashlib.sha256(machine.encode()).hexdigest()[:12] if machine else "",
        boot=_read("/proc/sys/kernel/random/boot_id").strip(),
        namespace=str(namespace),
        pid=os.getpid(),
        started=_started(os.getpid()) or "",
    )


def _started(pid: int) -> str | None:
    """When the process of this number began; empty when there is none, or one that only waits to be reaped; None when
    the system does not say.

    Linux says it in ticks since the kernel started, which no correction of the clock changes.
    """
    if status := _read(f"/proc/{pid}/stat"):
        fields = status.rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else fields[19]
    try:
        os.kill(pid, 0)  # the system may hide the processes of others in /proc
    except ProcessLookupError:
        return ""
    except PermissionError:
        return None
    import psutil

    try:
        process = psutil.Process(pid)
        return "" if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.0f}"
    except psutil.NoSuchProcess:
        return ""
    except psutil.AccessDenied:
        return None


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
