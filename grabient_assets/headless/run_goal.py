"""What a run on the command line is about: which palettes, how far, and recording that they are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Literal
from uuid import uuid4

from grabient_assets.errors import GrabientError, SettingsError, UnknownPromptVersionError, UsageError
from grabient_assets.ledger.asks import AskTarget, SubjectVersion
from grabient_assets.ledger.money import SpendingCap
from grabient_assets.settings import PROVIDERS, Settings, load_settings, prompts_dir
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.wording import counted

Until = Literal["tags", "consensus", "refined", "indexed"]
UNTIL: tuple[Until, ...] = ("tags", "consensus", "refined", "indexed")
REFINED: tuple[Until, ...] = ("refined", "indexed")
"""The stages that need a refinement."""
NAMED_AT_MOST = 5


@dataclass(frozen=True, slots=True)
class RunGoal:
    """Palettes to bring up to a stage. `seeds` are all that were chosen, `needing` those that lack something; of these
    a check keeps `withheld` from the refinement that they lack, and `tagged` lack their refinement alone. If
    `adaptive`, wave by wave, and `analyses` is the most that a model is asked."""

    prompt_version: str
    seeds: tuple[str, ...]
    needing: tuple[str, ...]
    providers: tuple[str, ...]
    analyses: int
    until: Until
    withheld: tuple[str, ...] = ()
    adaptive: bool = False
    tagged: tuple[str, ...] = ()


def chosen_until(text: str) -> Until:
    """The stage of that name. Raises UsageError."""
    for stage in UNTIL:
        if text == stage:
            return stage
    raise UsageError(f"--until is {text!r}; it must be one of {', '.join(UNTIL)}.")


def chosen_prompt_version(text: str | None) -> str:
    """The named prompt version, or that of GRABIENT_PROMPT_VERSION.

    A version that is released does not become the default by itself: every palette would be bought again under it.
    Raises UnknownPromptVersionError, or SettingsError, naming those that exist.
    """
    from grabient_assets.prompting.load import load_prompt_versions

    folder = prompts_dir()
    versions = load_prompt_versions(folder)
    if not versions:
        raise GrabientError(f"There is no prompt version in {folder.name}/. Make a folder such as v1 there.")
    chosen = load_settings().prompt_version if text is None else text
    if chosen in versions:
        return chosen
    if text is None:
        raise SettingsError(f"GRABIENT_PROMPT_VERSION is {chosen!r}; it must be one of {', '.join(versions)}.")
    raise UnknownPromptVersionError(chosen, versions)


def answered_prompt_version(text: str | None, warehouse: Warehouse) -> str:
    """A prompt version that stands in prompts/, or under which something was asked before its folder was removed or
    was imported; without a name that of GRABIENT_PROMPT_VERSION.

    Raises UnknownPromptVersionError.
    """
    if text is None:
        return chosen_prompt_version(None)
    from grabient_assets.groups.purposes import PURPOSES
    from grabient_assets.ledger.prompts import asked_prompt_versions
    from grabient_assets.prompting.load import load_prompt_versions

    known = set(load_prompt_versions(prompts_dir()))
    purposes = [one.name for one in PURPOSES.values() if one.noun == "palette"]
    if text not in known and warehouse.exists():
        with warehouse.read() as connection:
            known |= set(asked_prompt_versions(connection, purposes))
    if text not in known:
        raise UnknownPromptVersionError(text, sorted(known))
    return text


def askable_providers(settings: Settings) -> tuple[str, ...]:
    """The providers that can be asked now. Raises SettingsError when there is none."""
    from grabient_assets.resources.modes import usable_providers

    usable = usable_providers(settings)
    if not usable:
        names = ", ".join(settings.key_names(provider)[0] for provider in PROVIDERS)
        raise SettingsError(
            f"Live mode needs the key of at least one provider: set one of {names}, or GRABIENT_MODE=emulator to work "
            "offline."
        )
    return usable


def seeds_of_file(path: Path, warehouse: Warehouse) -> tuple[str, ...]:
    """The loaded palettes that a file names, one seed a line or any palette file.

    Raises PaletteFileError for an unusable file, UsageError for a line that is no palette or one that is not loaded.
    """
    from grabient_assets.groups.palettes.palette_file import read_palette_file
    from grabient_assets.groups.palettes.tables import palette_seeds

    file = read_palette_file(path)
    if file.rejected:
        bad = file.rejected[0]
        raise UsageError(
            f"{len(file.rejected)} lines of {path} are not palettes. Line {bad.line} ({bad.text[:60]!r}): {bad.reason}."
        )
    with warehouse.read() as connection:
        loaded = set(palette_seeds(connection))
    unknown = [row.source_seed for row in file.rows if row.palette.canonical not in loaded]
    if unknown:
        named = "; ".join(unknown[:NAMED_AT_MOST]) + ("; ..." if len(unknown) > NAMED_AT_MOST else "")
        raise UsageError(
            f"Not loaded of {path}: {counted(len(unknown), 'palette')} ({named}). Load them: grabient load {path}"
        )
    return tuple(row.palette.canonical for row in file.rows)


def make_goal(
    warehouse: Warehouse,
    settings: Settings,
    prompt_version: str,
    analyses: int,
    until: Until,
    among: Sequence[str] | None = None,
    limit: int | None = None,
    *,
    today: date,
    providers: Sequence[str] | None = None,
    adaptive: bool = False,
) -> RunGoal:
    """The palettes that still need work: all loaded or those of `among`, at most `limit` in order of arrival.

    A model that is shut down `today` makes no palette need work. `providers` are those that can be asked now when not
    given. If `adaptive`, a palette that is certain, or was asked about to the end, needs no more answers.

    Palettes for which nothing but stopped providers or models is left, and those that a check keeps back, come after
    the others, so that a limit never starves them. Raises GrabientError when nothing is loaded, SettingsError when no
    provider can be asked.
    """
    from grabient_assets.groups.tagging.waves import answered_enough
    from grabient_assets.headless.needs import PaletteNeed, needs

    providers = askable_providers(settings) if providers is None else tuple(providers)
    targets = tagging_targets(settings, prompt_version, providers, today)
    with warehouse.read() as connection:
        found = needs(connection, prompt_version, targets, analyses)
        digests = [target.request_digest for target in targets]
        enough = answered_enough(connection, prompt_version, digests, analyses) if adaptive else set[str]()
    if not found:
        raise GrabientError("No palette is loaded. Load some first: grabient load FILE")
    if among is not None:
        chosen = set(among)
        found = [need for need in found if need.seed in chosen]

    def lacks_answers(need: PaletteNeed) -> bool:
        return need.answers and need.seed not in enough

    def lacks(need: PaletteNeed) -> bool:
        return lacks_answers(need) or (need.consensus and until != "tags") or (need.refinement and until in REFINED)

    lacking = sorted(filter(lacks, found), key=lambda need: need.stopped or need.withheld)[:limit]
    needing = tuple(need.seed for need in lacking)
    seeds = needing if limit is not None else tuple(need.seed for need in found)
    withheld = tuple(need.seed for need in lacking if need.withheld)
    tagged = tuple(need.seed for need in lacking if need.refinement and not lacks_answers(need))
    return RunGoal(prompt_version, seeds, needing, providers, analyses, until, withheld, adaptive, tagged)


def record_goal(
    goal: RunGoal,
    warehouse: Warehouse,
    settings: Settings,
    now: datetime,
    *,
    allow_unpriced: bool = False,
    max_usd: Decimal | None = None,
) -> None:
    """Record what the goal lacks, in one go. Nothing is sent here.

    With `allow_unpriced`, it is sent even at an unknown price; with `max_usd`, no more is spent on it.
    """
    from grabient_assets.groups.tagging.adaptive import ask_in_waves
    from grabient_assets.groups.tagging.asking import TaggingAsk, ask_for_tags

    if not goal.needing:
        return
    partitions = [SubjectVersion(goal.prompt_version, seed) for seed in goal.needing]
    refine = goal.until in REFINED
    wanted = TaggingAsk(
        partitions,
        goal.providers,
        goal.analyses,
        settings.mode,
        refine,
        allow_unpriced=allow_unpriced,
        cap=None if max_usd is None else SpendingCap(uuid4().hex, max_usd),
    )
    if goal.adaptive:
        ask_in_waves(wanted, goal.providers, warehouse, now)
    else:
        ask_for_tags(wanted, warehouse, now)


def goal_of_asked(asked: Sequence[SubjectVersion], until: Until, settings: Settings) -> RunGoal:
    """The wish to see through what was asked already. Of several prompt versions the last is the one counted."""
    version = asked[-1].prompt_version
    seeds = tuple(dict.fromkeys(p.subject for p in asked if p.prompt_version == version))
    return RunGoal(version, seeds, seeds, askable_providers(settings), settings.analyses, until)


def tagging_targets(settings: Settings, prompt_version: str, providers: Sequence[str], today: date) -> list[AskTarget]:
    """What the taggers of these providers would be asked under the prompt version; not those that are shut down."""
    from grabient_assets.groups.tagging.purpose import TAGGING, taggers
    from grabient_assets.registry.load import load_registry
    from grabient_assets.resources.modes import answers_from

    asked = taggers(providers)
    refused = load_registry().refusals(asked, today)
    mode = answers_from(settings)
    return [TAGGING.target(prompt_version, model, mode) for model in asked if model not in refused]
