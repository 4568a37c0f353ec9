"""What a person sees while a run is under way: a live table on a terminal, one line per change elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from grabient_assets.cli.console import notes, say

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

    from grabient_assets.headless.driver import Finished
    from grabient_assets.warehouse.status import Progress
    from grabient_assets.warehouse.wave_states import WaveCount


class Seen(Protocol):
    """Is told of finished runs and of progress."""

    def __call__(self, finished: Finished | None, progress: Progress) -> None: ...


@contextmanager
def shown_progress() -> Iterator[Seen]:
    """The display that suits stderr, for as long as the block lasts."""
    console = notes()
    if not console.is_terminal:
        yield _Lines()
        return
    from rich.live import Live

    with Live(console=console, transient=True, refresh_per_second=4) as live:
        yield _Table(live)


class _Lines:
    def __init__(self) -> None:
        self._started = time.monotonic()
        self._said: dict[str, str] = {}

    def __call__(self, finished: Finished | None, progress: Progress) -> None:
        elapsed = time.monotonic() - self._started
        if finished is not None and not finished.success:
            say(f"[{elapsed:6.1f} s] {finished.job} failed: {finished.failure}")
        for stage, count in _stages(progress):
            if self._said.get(stage) != count:
                self._said[stage] = count
                say(f"[{elapsed:6.1f} s] {stage}: {count}")


class _Table:
    def __init__(self, live: Live) -> None:
        self._live = live
        self._started = time.monotonic()
        live.update("Starting ...")

    def __call__(self, finished: Finished | None, progress: Progress) -> None:
        if finished is not None and not finished.success:
            self._live.console.print(f"{finished.job} failed: {finished.failure}", style="red", soft_wrap=True)
        self._live.update(self._table(progress))

    def _table(self, progress: Progress) -> Table:
        from rich.table import Table

        table = Table(box=None, show_header=False)
        for stage, count in _stages(progress):
            table.add_row(stage, count)
        table.add_row("elapsed", f"{time.monotonic() - self._started:.0f} s")
        return table


def _stages(progress: Progress) -> Iterator[tuple[str, str]]:
    total = progress.palettes
    yield "pictures", f"{progress.pictures} of {total}"
    for one in progress.providers:
        yield one.provider, f"{one.sent} of {one.wanted} requests sent, {one.answered} answered"
    if progress.waves:
        yield "waves", _waves(progress.waves)
    yield "consensus", f"{progress.consensus} of {total}"
    yield "refined", f"{progress.refined} of {total}"
    yield "dollars", f"{progress.cost_usd:.4f}"


def _waves(counts: Sequence[WaveCount]) -> str:
    settled = sum(one.palettes for one in counts if one.reason is not None)
    open_ones = [f"{one.palettes} in wave {one.wave} of {one.waves}" for one in counts if one.reason is None]
    return ", ".join([*open_ones, f"{settled} settled"])
