"""What adaptive tagging saves and what it costs in accuracy: the full panel against waves, at several thresholds.

Invented palettes are tagged by the emulated panel with its known error rates, twice with the real command, each time in
a folder of its own: in full, and adaptively. A request is known by what it says, so the answers of the full run hold
those of every adaptive one: the thresholds are replayed from them, by the rules that the pipeline uses. The last row is
the adaptive run itself, and must say what its threshold says.

    .venv/bin/python benchmarks/adaptive.py            print the figures
    .venv/bin/python benchmarks/adaptive.py --write    and put them into docs/consensus.md
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.groups.tagging.skills import Skills
    from grabient_assets.groups.tagging.wave_plans import WaveMember, WavePlan

VERSION, ANALYSES = "v1", 2
THRESHOLDS = (0.0, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999)
DOCS = Path(__file__).parents[1] / "docs" / "consensus.md"
BEGIN, END = "<!-- frontier: begin -->", "<!-- frontier: end -->"
NEVER_BILLED_AGAIN = 0.005
"""A request that its provider did not deliver is sent again, by chance of the run: so far may dollars differ."""


@dataclass(frozen=True)
class Outcome:
    """What the consensus of all palettes came to. Shares of 1; `went_on`: after each wave but the last."""

    usd: float
    accuracy: float
    agreement: float
    tags: float
    went_on: tuple[float, ...]


def main() -> None:
    """Run twice, replay, print, and write when asked to."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--palettes", type=int, default=300)
    options.add_argument("--write", action="store_true", help="write docs/consensus.md")
    options.add_argument("--keep", type=Path, help="keep the two folders here, or use those that are here")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = chosen.keep or Path(folder)
        _run(place / "full", chosen.palettes)
        _run(place / "adaptive", chosen.palettes, "--adaptive")
        text = "\n".join(_report(place / "full", place / "adaptive"))
    print(text)
    if chosen.write:
        before, rest = DOCS.read_text(encoding="utf-8").split(BEGIN)
        DOCS.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}", encoding="utf-8")


def _run(data: Path, palettes: int, *options: str) -> None:
    """`grabient load` and `grabient run --until consensus` on an empty folder."""
    if (data / "grabient.duckdb").exists():
        return
    data.mkdir(parents=True)
    seeds = data / "seeds.txt"
    seeds.write_text("\n".join(_invent(palettes)) + "\n")
    environment = {**os.environ, "GRABIENT_DATA_DIR": str(data), "GRABIENT_MODE": "emulator"}
    command = [sys.executable, "-c", "from grabient_assets.cli.main import main; main()"]
    for arguments in (["load", seeds], ["run", "--until", "consensus", "--analyses", str(ANALYSES), *options]):
        subprocess.run([*command, *map(str, arguments)], env=environment, check=True, stdout=subprocess.DEVNULL)
    _end_emulator(data)


def _end_emulator(data: Path) -> None:
    from grabient_assets.emulator.endpoint import read_endpoint

    found = read_endpoint(data)
    if found is not None:
        os.kill(found.pid, signal.SIGTERM)


def _invent(count: int) -> list[str]:
    """Palettes with coefficients in the usual range, the same ones every time."""
    from grabient_assets.gradient.seed import decode_seed

    dice = random.Random(20261121)
    rows = (",".join(f"{dice.uniform(0.1, 1):.3f}" for _ in range(12)) for _ in range(count))
    return [decode_seed(row).canonical for row in rows]


def _report(full: Path, adaptive: Path) -> Iterator[str]:
    from grabient_assets.groups.tagging.waves import CERTAIN

    with _replay(full) as connection:
        connection.execute("INSERT INTO palette_tags SELECT * FROM done.palette_tags")
        everything = _outcome(connection, connection)
        palettes, gold = _counts(connection)
        yield f"{palettes} palettes, {gold} values known for certain, ten models, up to {ANALYSES} analyses:"
        yield ""
        yield "| asked | USD per 1,000 palettes | price | accuracy | agreement | tags in common | went on |"
        yield "|---|---|---|---|---|---|---|"
        yield _row(f"everybody, {ANALYSES} analyses", everything, everything, palettes)
        connection.execute("DELETE FROM palette_tags WHERE analysis_index > 0")
        with _replay(full) as reference:
            reference.execute("INSERT INTO palette_tags SELECT * FROM done.palette_tags")
            yield _row("everybody, 1 analysis", _outcome(connection, reference), everything, palettes)
            measured = {CERTAIN: everything}
            for measured_first in (False, True):
                plan = _plan(full, measured=measured_first)
                for threshold in THRESHOLDS:
                    found = _adaptively(full, plan, threshold, reference)
                    measured |= {} if measured_first else {threshold: found}
                    how = "wave one only" if not threshold else f"waves, {threshold}"
                    yield _row(f"{how} ({plan.basis})", found, everything, palettes)
            real = _real(adaptive, reference)
            yield _row(f"`grabient run --adaptive` ({CERTAIN})", real, everything, palettes)
    yield ""
    for basis, first in (("cheapest", _plan(full, measured=False)), ("measured", _plan(full, measured=True))):
        yield f"- {basis}: wave one is {', '.join(one.model for one in first.waves[0])}."
    _must_agree(real, measured[CERTAIN])


def _must_agree(real: Outcome, replayed: Outcome) -> None:
    same = (real.accuracy, real.agreement, real.went_on) == (replayed.accuracy, replayed.agreement, replayed.went_on)
    if not same or abs(real.usd / replayed.usd - 1) > NEVER_BILLED_AGAIN:
        raise SystemExit(f"The run is not what was replayed: {real} is not {replayed}.")


def _row(name: str, one: Outcome, full: Outcome, palettes: int) -> str:
    went_on = ", ".join(f"{share:.1%}" for share in one.went_on) or "-"
    return (
        f"| {name} | {1000 * one.usd / palettes:.2f} | {one.usd / full.usd:.1%} | {one.accuracy:.2%} | "
        f"{one.agreement:.2%} | {one.tags:.1%} | {went_on} |"
    )


@contextmanager
def _replay(data: Path) -> Iterator[DuckDBPyConnection]:
    """The palettes of the folder in memory, and no answer yet; the folder itself is `done`."""
    import duckdb

    from grabient_assets.warehouse.migrations import migrate

    with duckdb.connect() as connection:
        migrate(connection, Path("unused"))
        connection.execute(f"ATTACH '{data / 'grabient.duckdb'}' AS done (READ_ONLY)")
        connection.execute("INSERT INTO palettes SELECT * FROM done.palettes")
        yield connection


def _plan(data: Path, *, measured: bool) -> WavePlan:
    """The waves as they are planned before anything was answered, or with the report of the full run."""
    from grabient_assets.groups.tagging.adaptive import waves_of
    from grabient_assets.ledger.estimates import measured_tokens
    from grabient_assets.settings import PROVIDERS

    tables = ("model_skills", "model_reports", "field_reports", "panel_reports", "batches", "batch_requests")
    with _replay(data) as connection:
        for table in tables if measured else ():
            connection.execute(f"INSERT INTO {table} SELECT * FROM done.{table}")
        today, tokens = datetime.now(UTC).date(), measured_tokens(connection)
        return waves_of(connection, VERSION, PROVIDERS, ANALYSES, "emulator", today, tokens)


def _adaptively(data: Path, plan: WavePlan, threshold: float, reference: DuckDBPyConnection) -> Outcome:
    """Round after round, as `judge_waves` does it: rates are fitted when a new model was heard, and who was certain
    after wave one waits until the audited ones were asked on."""
    from grabient_assets.groups.tagging.coded import read_values
    from grabient_assets.groups.tagging.wave_audit import FEWEST_AUDITED, is_audited
    from grabient_assets.groups.tagging.wave_judging import certain_palettes
    from grabient_assets.ledger.asks import SubjectVersion

    with _replay(data) as connection:
        everything = [row[0] for row in connection.execute("SELECT seed FROM palettes").fetchall()]
        wave = dict.fromkeys(everything, 1)
        fresh, waiting, audited, known = set(everything), set[str](), set[str](), set[str]()
        rates: dict[str, Skills] = {}
        before: dict[str | None, tuple[str | None, ...]] = {}
        believed = True
        while fresh:
            for number in {wave[seed] for seed in fresh}:
                members = plan.waves[number - 1]
                _hear(connection, members, [seed for seed in fresh if wave[seed] == number])
                if not known.issuperset(one.model for one in members):
                    known |= {one.model for one in members}
                    rates = {}
            if not rates:
                rates = _rates(connection)
            if audited and waiting:
                believed = not _turned(plan, audited, before, connection)
            judged = {seed for seed in fresh | waiting if wave[seed] < len(plan.waves)}
            certain = certain_palettes(read_values(connection, VERSION, sorted(judged)), rates, threshold)
            first = {seed for seed in certain if wave[seed] == 1}
            fresh, waiting = judged - certain | (set() if believed else first), set[str]()
            if not audited and threshold:
                audited = {seed for seed in first if is_audited(SubjectVersion(VERSION, seed))}
                before = {row[0]: row[1:] for row in _tops(connection)}
                fresh |= audited
                waiting = first - audited if len(audited) >= FEWEST_AUDITED else set[str]()
            for seed in fresh:
                wave[seed] += 1
        last = range(1, len(plan.waves))
        went_on = tuple(sum(reached > one for reached in wave.values()) / len(everything) for one in last)
        return _outcome(connection, reference, went_on)


def _hear(connection: DuckDBPyConnection, wave: Sequence[WaveMember], seeds: Sequence[str]) -> None:
    """The answers of a wave about these palettes."""
    connection.execute(
        """
        INSERT OR IGNORE INTO palette_tags SELECT t.* FROM done.palette_tags t
        JOIN (SELECT unnest($1::VARCHAR[]) AS model, unnest($2::INTEGER[]) AS analyses) AS m USING (model)
        WHERE t.analysis_index < m.analyses AND t.seed IN (SELECT unnest($3::VARCHAR[]))
        """,
        [[one.model for one in wave], [one.analyses for one in wave], list(seeds)],
    )


def _turned(
    plan: WavePlan,
    audited: set[str],
    before: dict[str | None, tuple[str | None, ...]],
    connection: DuckDBPyConnection,
) -> bool:
    """Whether so many values of audited palettes turned that wave one is not believed."""
    from grabient_assets.groups.tagging.wave_audit import FIELDS, AuditCount, audit_figures, failing_plans

    pairs = [(before[row[0]], row[1:]) for row in _tops(connection) if row[0] in audited]
    counts = [
        AuditCount(VERSION, plan.plan_id, field, len(pairs), sum(old[place] != new[place] for old, new in pairs))
        for place, field in enumerate(FIELDS)
    ]
    return bool(failing_plans(audit_figures(counts)))


def _rates(connection: DuckDBPyConnection) -> dict[str, Skills]:
    from grabient_assets.consensus.dawid_skene import estimate
    from grabient_assets.consensus.expectation import ErrorModel
    from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
    from grabient_assets.groups.tagging.coded import read_values
    from grabient_assets.groups.tagging.skills import Skills, anchor, shared_errors

    version = read_values(connection, VERSION)
    found: dict[str, Skills] = {}
    for field in CATEGORICAL_VALUES:
        coded = version.categorical(field)
        fitted = estimate(coded.annotations, ErrorModel.FULL, anchor(coded.gold))
        found[field] = Skills(version.answered.models, fitted.parameters, max(shared_errors(version) or 0.0, 0.0))
    return found


def _real(data: Path, reference: DuckDBPyConnection) -> Outcome:
    """The adaptive run: what it stored, what the accounts say, and how far the palettes went."""
    with _replay(data) as connection:
        connection.execute("INSERT INTO palette_tags SELECT * FROM done.palette_tags")
        waves = connection.execute("SELECT wave FROM done.tagging_waves").fetchall()
        last = connection.execute("SELECT max(waves) FROM done.wave_plans").fetchone()
        usd = connection.execute("SELECT sum(cost_usd)::DOUBLE FROM done.batches").fetchone()
        assert last and usd
        went_on = tuple(sum(row[0] > wave for row in waves) / len(waves) for wave in range(1, last[0]))
        found = _outcome(connection, reference, went_on)
        top = "SELECT seed, temperature, contrast, brightness, saturation FROM"
        stored = connection.execute(f"{top} done.tag_consensus ORDER BY seed").fetchall()
        assert stored == _tops(connection), "The stored consensus is that of the stored answers."
    return Outcome(usd[0], found.accuracy, found.agreement, found.tags, went_on)


def _counts(connection: DuckDBPyConnection) -> tuple[int, int]:
    row = connection.execute("SELECT count(*), sum(len(clear_cut))::INTEGER FROM palettes").fetchone()
    assert row is not None
    return row


def _outcome(connection: DuckDBPyConnection, reference: DuckDBPyConnection, went_on: tuple[float, ...] = ()) -> Outcome:
    """What the answers in the table come to, beside those of everybody in `reference`."""
    from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES

    ours, everybody = _tops(connection), _tops(reference)
    assert [row[0] for row in ours] == [row[0] for row in everybody]
    fields = ", ".join(CATEGORICAL_VALUES)
    facts = connection.execute(f"SELECT seed, clear_cut, {fields} FROM palettes ORDER BY seed").fetchall()
    right = [
        row[number] == fact[number + 1]
        for row, fact in zip(ours, facts, strict=True)
        for number, field in enumerate(CATEGORICAL_VALUES, 1)
        if field in fact[1]
    ]
    pairs = list(zip(ours, everybody, strict=True))
    agreeing = [one == other for row, whole in pairs for one, other in zip(row[1:], whole[1:], strict=True)]
    (usd,) = connection.execute("SELECT sum(cost_usd)::DOUBLE FROM palette_tags").fetchone() or (0.0,)
    return Outcome(
        usd, sum(right) / len(right), sum(agreeing) / len(agreeing), _in_common(connection, reference), went_on
    )


def _tops(connection: DuckDBPyConnection) -> list[tuple[str | None, ...]]:
    """Seed and strongest value of each categorical field, by votes, ordered by seed."""
    from grabient_assets.consensus.majority import majority
    from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
    from grabient_assets.groups.tagging.coded import read_values

    version = read_values(connection, VERSION)
    columns: list[Sequence[str | None]] = [version.answered.seeds]
    for field, values in CATEGORICAL_VALUES.items():
        top = majority(version.categorical(field).annotations).top.tolist()
        columns.append([values[code] if code >= 0 else None for code in top])
    return list(zip(*columns, strict=True))


def _in_common(connection: DuckDBPyConnection, reference: DuckDBPyConnection) -> float:
    """Of the tags that at least half of either panel names, the part that half of both name (Jaccard)."""
    ours, everybody = _tags(connection), _tags(reference)
    return len(ours & everybody) / len(ours | everybody)


def _tags(connection: DuckDBPyConnection) -> set[tuple[str, str, str]]:
    from grabient_assets.consensus.majority import tag_majority
    from grabient_assets.groups.tagging.answers import LIST_FIELDS
    from grabient_assets.groups.tagging.coded import read_version

    version, found = read_version(connection, VERSION), set[tuple[str, str, str]]()
    for field in LIST_FIELDS:
        tags = version.tags(field)
        of, votes = tags.annotations.candidates, tag_majority(tags.annotations)
        chosen = votes.share >= 0.5
        seeds, words = version.answered.seeds, tags.words
        found |= {(field, seeds[i], words[v]) for i, v in zip(of.item[chosen], of.value[chosen], strict=True)}
    return found


if __name__ == "__main__":
    main()
