"""Asking a chorus: the choice of artists and brush, the price, and recording the group with its asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from grabient_assets.errors import OverBudgetError, UnknownPromptVersionError, UnpricedError, UsageError
from grabient_assets.groups.chorus.purpose import (
    ARTWORK,
    FAMILY,
    STATEMENT,
    ask_for_artworks,
    statement_prompt,
)
from grabient_assets.groups.chorus.tables import Artist, ChorusGroup, new_group_id, record_group
from grabient_assets.groups.images.making import image_line_bytes
from grabient_assets.ledger.admission import refuse_draft
from grabient_assets.ledger.asking import begin_asking
from grabient_assets.ledger.asks import AskTerms, SubjectVersion, record_asks
from grabient_assets.ledger.budget import MONTH, allowances, dollars
from grabient_assets.ledger.estimates import DollarRange
from grabient_assets.ledger.identity import MOST_ANALYSES
from grabient_assets.ledger.money import SpendingCap
from grabient_assets.ledger.prompts import keep_wording
from grabient_assets.ledger.request_sizes import requests_usd
from grabient_assets.registry.load import load_registry
from grabient_assets.settings import PROMPTS_DIR
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.registry.model import Delivery, Model

SIZE = "1024x1024"
QUALITY = "medium"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks for; what is left out is the panel's, or the newest released prompt version."""

    prompt_version: str | None = None
    artists: tuple[str, ...] = ()
    brush: str | None = None
    iterations: int = 1
    seed: str | None = None
    size: str | None = None
    quality: str | None = None
    delivery: Delivery = "batch"
    max_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """A group that may be asked, its prompt's models, and what it costs."""

    group: ChorusGroup
    models: tuple[Model, ...]
    usd: DollarRange

    @property
    def run_ids(self) -> list[str]:
        """Its runs, artist by artist."""
        group = self.group
        return [group.run_id(artist, number) for artist in group.artists for number in range(group.iterations)]


def plan_group(connection: DuckDBPyConnection, wish: Wish, usable: Sequence[str], now: datetime) -> Planned:
    """The group that the wish describes. Nothing is written.

    `usable` are the providers that can be asked. Raises UsageError, UnknownPromptVersionError, RegistryError with the
    replacement of a model that is gone, RequestRejectedError for a size the brush does not make, UnpricedError.
    """
    prompt = statement_prompt(_version(wish.prompt_version))
    if not 1 <= wish.iterations <= MOST_ANALYSES:
        raise UsageError(f"--iterations is {wish.iterations}; it must be from 1 to {MOST_ANALYSES}.")
    models, brush = _models(wish, now)
    for model in (*models, brush):
        if model.provider not in usable:
            raise UsageError(
                f"{model.id} is a model of {model.provider}, which cannot be asked here: it has no key. "
                f"Can be asked: {', '.join(usable) or 'nobody'}."
            )
        if wish.delivery not in model.deliveries:
            how = "in batches; add --now" if wish.delivery == "batch" else "at once; leave out --now"
            raise UsageError(f"{model.id} ({model.provider}) is not asked {how}.")
    qualities = brush.images.qualities if brush.images else ()
    if wish.quality is not None and not qualities:
        raise UsageError(f"{brush.id} knows no qualities; leave out --quality.")
    group = ChorusGroup(
        group_id=new_group_id(now),
        prompt_version=prompt.version,
        prompt_digest=prompt.digest,
        brush_provider=brush.provider,
        brush=brush.id,
        size=wish.size or SIZE,
        quality=wish.quality or (QUALITY if QUALITY in qualities else next(iter(qualities), None)),
        iterations=wish.iterations,
        artists=tuple(Artist(model.provider, model.id) for model in models),
        delivery=wish.delivery,
        made_at=now,
        seed=wish.seed,
        muse=None if wish.seed is None else _muse(connection, wish.seed),
    )
    image_line_bytes(ARTWORK.prompt(group.recipe, brush), brush)  # raises for a size or quality that is not made
    usd = _price(connection, group, models, brush, now)
    return Planned(replace(group, estimated_usd=usd.expected), models, usd)


def ask_chorus(warehouse: Warehouse, planned: Planned, max_usd: Decimal | None, answers_from: str) -> ChorusGroup:
    """Record the group and ask its artists; the brush is asked as their statements come.

    The money must suffice for the whole group: raises OverBudgetError, and nothing is written. Raises SettingsError
    when the folder holds answers of the other mode, PromptError for a draft where only released prompts may be asked.
    """
    group = planned.group
    cap = None if max_usd is None else SpendingCap(f"chorus-{group.group_id}", max_usd)
    prompt = statement_prompt(group.prompt_version)
    refuse_draft(prompt, answers_from)
    if cap is not None and planned.usd.high > cap.usd:
        raise OverBudgetError(_too_dear(planned, cap.usd, "--max-usd"))
    group = replace(group, cap_id=cap.cap_id if cap else None)
    with warehouse.write() as connection:
        asked_at = begin_asking(connection, answers_from, group.made_at, cap)
        group = replace(group, made_at=asked_at)
        record_group(connection, group)
        keep_wording(connection, prompt, asked_at)
        targets = [STATEMENT.target(group.prompt_version, model, answers_from) for model in planned.models]
        wanted = [SubjectVersion(group.prompt_version, group.group_id)]
        terms = AskTerms(cap_id=group.cap_id)
        record_asks(connection, STATEMENT, wanted, targets, group.iterations, asked_at, terms, delivery=group.delivery)
    return group


def refuse_over_budget(
    connection: DuckDBPyConnection, planned: Planned, budget_usd: Decimal | None, now: datetime
) -> None:
    """Raise OverBudgetError when this month's budget has no room for the whole group."""
    limit = allowances(connection, budget_usd, (), now).get(MONTH)
    if limit is not None and planned.usd.high > limit.left:
        raise OverBudgetError(_too_dear(planned, limit.left, "GRABIENT_BUDGET_USD"))


def _too_dear(planned: Planned, left: Decimal, setting: str) -> str:
    return (
        f"Over budget: {counted(len(planned.run_ids), 'run')} may cost up to {dollars(planned.usd.high)} USD, and "
        f"{dollars(left)} USD are left. Nothing was asked. Raise {setting}, or ask fewer artists or iterations."
    )


def ask_again(
    connection: DuckDBPyConnection,
    group: ChorusGroup,
    runs: Sequence[tuple[str, str]],
    answers_from: str,
    now: datetime,
) -> None:
    """Ask for exactly what these runs (run_id, stage) lack. What is done is not touched."""
    registry = load_registry()
    stages: dict[str, list[str]] = {}
    for run_id, stage in runs:
        stages.setdefault(stage, []).append(run_id)
    wanted = set(stages.get("artist", ()))
    again = [one for one in group.artists if any(group.run_id(one, n) in wanted for n in range(group.iterations))]
    connection.execute("UPDATE chorus_groups SET cancelled_at = NULL WHERE group_id = $1", [group.group_id])
    if again:
        models = [registry.model(one.provider, one.model) for one in again]
        targets = [STATEMENT.target(group.prompt_version, model, answers_from) for model in models]
        version = SubjectVersion(group.prompt_version, group.group_id)
        terms = AskTerms(cap_id=group.cap_id)
        record_asks(
            connection, STATEMENT, [version], targets, group.iterations, now, terms, retry=True, delivery=group.delivery
        )
    ask_for_artworks(connection, stages.get("brush", ()), answers_from, now, retry=True)


def _version(name: str | None) -> str:
    from grabient_assets.prompting.load import load_prompt_versions
    from grabient_assets.prompting.released import newest_released

    versions = load_prompt_versions(PROMPTS_DIR / FAMILY)
    if name is None:
        return newest_released(PROMPTS_DIR / FAMILY, versions)
    if name.removeprefix(f"{FAMILY}/") not in versions:
        raise UnknownPromptVersionError(name, [f"{FAMILY}/{one}" for one in versions])
    return name


def _models(wish: Wish, now: datetime) -> tuple[tuple[Model, ...], Model]:
    """The artists and the brush. Raises RegistryError for one that is unknown, shut down, or cannot do this."""
    registry = load_registry()
    artists = [registry.named(name, "artist") for name in wish.artists] or list(registry.panel("artist"))
    brush = registry.panel("brush")[0] if wish.brush is None else registry.named(wish.brush, "brush")
    for model in (*artists, brush):
        registry.usable(model, now.date())
    if repeated := [model.id for model in artists if artists.count(model) > 1]:
        raise UsageError(f"{repeated[0]} is named twice; --iterations asks an artist several times.")
    return tuple(artists), brush


def _muse(connection: DuckDBPyConnection, seed: str) -> dict[str, Any]:
    """What every artist is shown of the palette: colours, names, and its text where it is refined."""
    row = connection.execute(
        """
        SELECT p.hex, p.color_names, (
            SELECT r.embed_text FROM palette_tag_refined r WHERE r.seed = p.seed AND r.error IS NULL
            ORDER BY r.created_at DESC LIMIT 1)
        FROM palettes p WHERE p.seed = $1
        """,
        [seed],
    ).fetchone()
    if row is None:
        raise UsageError(f"Palette {seed} is not loaded, so it cannot be the muse. Load it: grabient load FILE.")
    hexes, names, text = row
    return {"hex": hexes, "color_names": names, **({"embed_text": text} if text else {})}


def _price(
    connection: DuckDBPyConnection, group: ChorusGroup, models: Sequence[Model], brush: Model, now: datetime
) -> DollarRange:
    wanted = [(STATEMENT, model, group.prompt_version, group.iterations) for model in models]
    wanted.append((ARTWORK, brush, group.recipe, len(models) * group.iterations))
    usd = DollarRange()
    for purpose, model, version, count in wanted:
        one = requests_usd(connection, purpose, model, version, count, now.date(), group.delivery)
        if one is None:
            raise UnpricedError(
                f"What {model.id} ({model.provider}) costs {'in batches' if group.delivery == 'batch' else 'at once'} "
                "is not known, so the group has no price. Choose another model or size; `grabient models` has prices."
            )
        usd += one
    return usd
