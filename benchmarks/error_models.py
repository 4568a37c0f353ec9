"""What adaptive tagging saves and loses when models share errors in five ways, with and without the audit of wave one.

Invented palettes of which everything is known are answered by invented models: the default panel's prices, the error
rates of its emulated models, and errors that are shared as simulation/shared_errors.py says. Judged by the rules of the
pipeline: fitted rates, certain palettes, audit.

    .venv/bin/python benchmarks/error_models.py            print the table
    .venv/bin/python benchmarks/error_models.py --write    and put it into docs/consensus.md
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
from adaptive import VERSION, _invent, _rates, _tops
from simulation.shared_errors import ERROR_MODEL_WORDS, ERROR_MODELS, wrong

from grabient_assets.emulator.answers.personality import personality_of
from grabient_assets.gradient.seed import decode_seed
from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.palettes.loading import palette_record
from grabient_assets.groups.palettes.palette_prompts import load_palette_prompts
from grabient_assets.groups.palettes.tables import PaletteRecord, add_palettes
from grabient_assets.groups.tagging.adaptive import waves_of
from grabient_assets.groups.tagging.coded import read_values
from grabient_assets.groups.tagging.planning import request_usd
from grabient_assets.groups.tagging.purpose import taggers
from grabient_assets.groups.tagging.tags import TagRecord, record_tags
from grabient_assets.groups.tagging.wave_audit import AuditCount, audit_figures, failing_plans, is_audited
from grabient_assets.groups.tagging.wave_judging import certain_palettes
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.settings import PROVIDERS
from grabient_assets.warehouse.migrations import migrate

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

DOCS = Path(__file__).parents[1] / "docs" / "consensus.md"
BEGIN, END = "<!-- errors: begin -->", "<!-- errors: end -->"
AT = datetime(2026, 11, 20, tzinfo=UTC)


@dataclass(frozen=True)
class Panel:
    """The models, what a request costs each, and who is in wave one."""

    models: tuple[tuple[str, str], ...]
    usd: tuple[float, ...]
    first: tuple[bool, ...]
    family: tuple[int, ...]


def main() -> None:
    """Simulate, print, and write when asked to."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--palettes", type=int, default=600)
    options.add_argument("--write", action="store_true", help="write docs/consensus.md")
    chosen = options.parse_args()
    text = "\n".join(_table(chosen.palettes))
    print(text)
    if chosen.write:
        before, rest = DOCS.read_text(encoding="utf-8").split(BEGIN)
        DOCS.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}", encoding="utf-8")


def _table(count: int) -> Iterator[str]:
    palettes = [palette_record(decode_seed(seed), seed, AT) for seed in _invent(count)]
    panel = _panel()
    yield f"{count} palettes, ten models, one analysis; accuracy over all values, also those that no gold knows:"
    yield ""
    yield "| errors | everybody | wave one | no audit | price | with audit | price | values that turned | believed |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for number, errors in enumerate(ERROR_MODELS):
        yield _row(errors, palettes, panel, np.random.default_rng([20261129, number]))
    yield ""
    for errors in ERROR_MODELS:
        yield f"- {errors}: {ERROR_MODEL_WORDS[errors]}."


def _panel() -> Panel:
    models = taggers(PROVIDERS)
    prompt, today = load_palette_prompts(VERSION)["tagging"], datetime.now(UTC).date()
    with _empty([]) as connection:
        plan = waves_of(connection, VERSION, PROVIDERS, 1, "emulator", today, {})
    first = {(one.provider, one.model) for one in plan.waves[0]}
    families = sorted({model.family for model in models})
    return Panel(
        tuple((model.provider, model.id) for model in models),
        tuple(float(request_usd(model, prompt, 300, None, today) or 0) for model in models),
        tuple((model.provider, model.id) in first for model in models),
        tuple(families.index(model.family) for model in models),
    )


def _empty(palettes: Sequence[PaletteRecord]) -> DuckDBPyConnection:
    connection = duckdb.connect()
    migrate(connection, Path("unused"))
    if palettes:
        add_palettes(connection, palettes)
    return connection


def _row(errors: str, palettes: Sequence[PaletteRecord], panel: Panel, random: np.random.Generator) -> str:
    said = _said(errors, palettes, panel, random)
    seeds = [one.seed for one in palettes]
    first = [number for number, one in enumerate(panel.first) if one]
    later = [number for number, one in enumerate(panel.first) if not one]
    with _empty(palettes) as connection:
        _answer(connection, palettes, panel, said, first, set(seeds))
        before = dict(_by_seed(connection))
        certain = certain_palettes(read_values(connection, VERSION, seeds), _rates(connection))
    audited = {seed for seed in certain if is_audited(SubjectVersion(VERSION, seed))}
    everybody = _after(palettes, panel, said, first, later, seeds)
    turned = [[before[seed][place] != everybody[seed][place] for place in range(4)] for seed in sorted(audited)]
    counts = [
        AuditCount(VERSION, "plan", field, len(turned), sum(row[place] for row in turned))
        for place, field in enumerate(CATEGORICAL_VALUES)
    ]
    figures = audit_figures(counts)
    lost = bool(failing_plans(figures))
    plain = set(seeds) - certain
    checked = set(seeds) if lost else _looked_again(palettes, panel, said, first, later, plain | audited)
    full = sum(panel.usd)
    cheap = sum(panel.usd[number] for number in first)

    def price(going: Collection[str]) -> str:
        return f"{(cheap + (full - cheap) * len(going) / len(seeds)) / full:.0%}"

    def accuracy(going: Collection[str]) -> str:
        right = [
            (everybody if one.seed in going else before)[one.seed][place] == getattr(one, field)
            for one in palettes
            for place, field in enumerate(CATEGORICAL_VALUES)
        ]
        return f"{np.mean(right):.2%}"

    cells = (accuracy(seeds), accuracy(()), accuracy(plain), price(plain), accuracy(checked), price(checked))
    return f"| {errors} | {' | '.join(cells)} | {figures[0].words} | {'no' if lost else 'yes'} |"


def _said(errors: str, palettes: Sequence[PaletteRecord], panel: Panel, random: np.random.Generator) -> list[list[str]]:
    """Per field, what every model says of every palette: shape (palettes x models), flat."""
    found: list[list[str]] = []
    for field, values in CATEGORICAL_VALUES.items():
        rates = np.array([personality_of(model).errors[field] for _, model in panel.models])
        clear = np.array([field in one.clear_cut for one in palettes])
        bad, together = wrong(errors, rates, np.array(panel.family), np.array(panel.first), clear, random)
        truth = np.array([values.index(getattr(one, field)) for one in palettes])[:, None]
        same = random.integers(1, len(values), (len(palettes), 1))
        other = np.where(together, same, random.integers(1, len(values), bad.shape))
        codes = np.where(bad, (truth + other) % len(values), truth)
        found.append([values[code] for code in codes.ravel().tolist()])
    return found


def _answer(
    connection: DuckDBPyConnection,
    palettes: Sequence[PaletteRecord],
    panel: Panel,
    said: Sequence[Sequence[str]],
    models: Sequence[int],
    seeds: Collection[str],
) -> None:
    rows: list[TagRecord] = []
    for place, one in enumerate(palettes):
        for number in models if one.seed in seeds else ():
            cell = place * len(panel.models) + number
            values: dict[str, Any] = dict(zip(CATEGORICAL_VALUES, (column[cell] for column in said), strict=True))
            provider, model = panel.models[number]
            rows.append(TagRecord(one.seed, VERSION, provider, model, 0, f"{cell}", "succeeded", AT, **values))
    record_tags(connection, rows)


def _after(
    palettes: Sequence[PaletteRecord],
    panel: Panel,
    said: Sequence[Sequence[str]],
    first: Sequence[int],
    later: Sequence[int],
    seeds: Collection[str],
) -> dict[str, tuple[str | None, ...]]:
    """The strongest values when everybody was asked about everything."""
    with _empty(palettes) as connection:
        _answer(connection, palettes, panel, said, [*first, *later], set(seeds))
        return dict(_by_seed(connection))


def _looked_again(
    palettes: Sequence[PaletteRecord],
    panel: Panel,
    said: Sequence[Sequence[str]],
    first: Sequence[int],
    later: Sequence[int],
    going: set[str],
) -> set[str]:
    """Who goes on in the end: those that waited for the audit are judged once more, by the rates of the whole panel."""
    with _empty(palettes) as connection:
        _answer(connection, palettes, panel, said, first, {one.seed for one in palettes})
        _answer(connection, palettes, panel, said, later, going)
        waited = [one.seed for one in palettes if one.seed not in going]
        certain = certain_palettes(read_values(connection, VERSION, waited), _rates(connection))
    return going | set(waited) - certain


def _by_seed(connection: DuckDBPyConnection) -> Iterator[tuple[str, tuple[str | None, ...]]]:
    for row in _tops(connection):
        yield str(row[0]), row[1:]


if __name__ == "__main__":
    main()
