"""What failed, and asking exactly that again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from grabient_assets.settings import PROMPTS_DIR, Settings
from grabient_assets.warehouse.asks import AskTarget, PaletteVersion
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.needs import FailedAsk


@dataclass(frozen=True, slots=True)
class AskedAgain:
    """What was asked again: palettes by (provider, model), palettes for the refiner, whether refinement follows,
    which palettes these are, and what was left out and why."""

    tagging: dict[tuple[str, str], int]
    refinement: int
    chained: bool
    partitions: tuple[PaletteVersion, ...]
    left_out: tuple[str, ...]


def ask_again(
    warehouse: Warehouse,
    settings: Settings,
    prompt_version: str | None,
    now: datetime,
    among: Sequence[str] | None = None,
) -> AskedAgain:
    """Ask again for every failed answer and every stopped ask, of these palettes or all. Nothing is sent here.

    Left out is what cannot be repeated as it was: providers without a key, models that left the panel, and requests
    that would read differently today (another prompt text, or emulator answers in live mode); `grabient run` asks
    for those anew. Permissions stand as they were given: to send at an unknown price, to refine despite a check.
    """
    from grabient_assets.groups.refinement.asking import ask_for_refinement, refiner
    from grabient_assets.resources.modes import answers_from, usable_providers
    from grabient_assets.warehouse.asks import record_asks
    from grabient_assets.warehouse.clock import ledger_time
    from grabient_assets.warehouse.needs import failed_refinements, failed_tagging
    from grabient_assets.warehouse.waves import reopen_cancelled

    usable = usable_providers(settings)
    current = _current_targets(settings, usable)
    with warehouse.read() as connection:
        tagging = _of(failed_tagging(connection, prompt_version), among)
        refinements = _of(failed_refinements(connection, prompt_version), among)
    groups: dict[tuple[str, AskTarget, bool, bool], list[PaletteVersion]] = defaultdict(list)
    asked: dict[tuple[str, str], int] = defaultdict(int)
    left_out: dict[str, None] = {}
    for failed in tagging:
        target, version = failed.target, failed.partition.prompt_version
        if current.get((version, target.provider, target.model)) != target.request_digest:
            left_out[_why(failed, usable)] = None
            continue
        groups[version, target, failed.chained, failed.allow_unpriced].append(failed.partition)
        asked[target.provider, target.model] += 1
    with warehouse.write() as connection:
        asked_at = ledger_time(connection, now)
        for (_, target, chained, unpriced), palettes in groups.items():
            # One analysis at least: record_asks keeps the larger number that was asked for before.
            record_asks(
                connection,
                "tagging",
                palettes,
                [target],
                1,
                asked_at,
                retry=True,
                chained=chained,
                allow_unpriced=unpriced,
            )
            reopen_cancelled(connection, palettes)
    if refinements and refiner().provider not in usable:
        left_out[_why(refinements[0], usable)] = None
        refinements = []
    by_terms: dict[tuple[bool, bool], list[PaletteVersion]] = defaultdict(list)
    for failed in refinements:
        by_terms[failed.allow_unpriced, failed.despite_checks].append(failed.partition)
    for (unpriced, despite), palettes in by_terms.items():
        ask_for_refinement(
            palettes,
            answers_from(settings),
            warehouse,
            now,
            retry_failed=True,
            allow_unpriced=unpriced,
            despite_checks=despite,
        )
    chosen = [failed.partition for failed in refinements]
    partitions = dict.fromkeys([*(p for palettes in groups.values() for p in palettes), *chosen])
    chained_too = bool(chosen) or any(chained for _, _, chained, _ in groups)
    return AskedAgain(dict(asked), len(chosen), chained_too, tuple(partitions), tuple(left_out))


def _current_targets(settings: Settings, usable: Sequence[str]) -> dict[tuple[str, str, str], str]:
    """The request digest of today by (prompt version, provider, model)."""
    from grabient_assets.batching.identity import request_digest
    from grabient_assets.groups.tagging.asking import PURPOSE, taggers
    from grabient_assets.prompting.load import load_prompt_set, load_prompt_versions
    from grabient_assets.resources.modes import answers_from

    mode = answers_from(settings)
    return {
        (version, model.provider, model.id): request_digest(PURPOSE, mode, model, digest)
        for version in load_prompt_versions(PROMPTS_DIR)
        for digest in [load_prompt_set(PROMPTS_DIR, version).tagging.digest]
        for model in taggers(usable)
    }


def _of(failed: Sequence[FailedAsk], among: Sequence[str] | None) -> list[FailedAsk]:
    chosen = None if among is None else set(among)
    return [one for one in failed if chosen is None or one.partition.seed in chosen]


def _why(failed: FailedAsk, usable: Sequence[str]) -> str:
    target = failed.target
    if target.provider not in usable:
        return f"{target.model} of {target.provider} is left out: {target.provider} has no key."
    return (
        f"{target.model} of {target.provider} under {failed.partition.prompt_version} is left out: it is not in the "
        "panel any more, or what it would be asked has changed since. `grabient run` asks anew."
    )
