"""Asking a chorus: the choice of artists and brush, the price, and recording the group with its asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from grabient_assets.errors import UsageError
from grabient_assets.groups.chorus.purpose import (
    ARTWORK,
    FAMILY,
    STATEMENT,
    ask_for_statements,
    statement_prompt,
)
from grabient_assets.groups.chorus.tables import Artist, ChorusGroup, record_group
from grabient_assets.groups.images.making import image_line_bytes, quality_of
from grabient_assets.groups.palettes.palette_line import typed_palette
from grabient_assets.groups.palettes.tables import palettes
from grabient_assets.ledger.admission import refuse_draft
from grabient_assets.ledger.asking import begin_asking
from grabient_assets.ledger.estimates import DollarRange
from grabient_assets.ledger.identity import MOST_ANALYSES
from grabient_assets.ledger.money import SpendingCap
from grabient_assets.ledger.prompts import keep_wording
from grabient_assets.ledger.quotes import Ordered, quote, refuse_over_budget, refuse_unaskable
from grabient_assets.prompting.load import family_version
from grabient_assets.registry.load import load_registry
from grabient_assets.settings import prompts_dir
from grabient_assets.sortable_ids import sortable_id
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.registry.model import Delivery, Model

SIZE = "1024x1024"


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


@dataclass(frozen=True, slots=True)
class Planned:
    """A group that may be asked, its prompt's models, and what it costs."""

    group: ChorusGroup
    models: tuple[Model, ...]
    usd: DollarRange

    @property
    def sentence(self) -> str:
        """What is asked, and its price."""
        runs = counted(len(self.models) * self.group.iterations, "run")
        return f"{runs}, about {self.usd.expected:.4f} USD ({self.usd.low:.4f} to {self.usd.high:.4f})"


def plan_group(connection: DuckDBPyConnection, wish: Wish, usable: Sequence[str], now: datetime) -> Planned:
    """The group that the wish describes. Nothing is written.

    `usable` are the providers that can be asked. Raises UsageError, UnknownPromptVersionError, RegistryError with the
    replacement of a model that is gone, RequestRejectedError for a size the brush does not make, UnpricedError.
    """
    prompt = statement_prompt(family_version(prompts_dir() / FAMILY, wish.prompt_version))
    seed = typed_palette(wish.seed).palette.canonical if wish.seed else None
    if not 1 <= wish.iterations <= MOST_ANALYSES:
        raise UsageError(f"The number of iterations is {wish.iterations}; it must be from 1 to {MOST_ANALYSES}.")
    models, brush = _models(wish, now)
    refuse_unaskable((*models, brush), usable, wish.delivery)
    group = ChorusGroup(
        group_id=sortable_id("rg_", now),
        prompt_version=prompt.version,
        prompt_digest=prompt.digest,
        brush_provider=brush.provider,
        brush=brush.id,
        size=wish.size or SIZE,
        quality=quality_of(wish.quality, brush),
        iterations=wish.iterations,
        artists=tuple(Artist(model.provider, model.id) for model in models),
        delivery=wish.delivery,
        made_at=now,
        seed=seed,
        muse=None if seed is None else _muse(connection, seed),
    )
    image_line_bytes(ARTWORK.prompt(group.recipe, brush), brush)  # raises for a size or quality that is not made
    orders = [Ordered(STATEMENT, model, group.prompt_version, group.iterations) for model in models]
    orders.append(Ordered(ARTWORK, brush, group.recipe, len(models) * group.iterations))
    usd = quote(connection, orders, now.date(), group.delivery)
    return Planned(replace(group, estimated_usd=usd.expected), models, usd)


def ask_chorus(
    warehouse: Warehouse, planned: Planned, max_usd: Decimal | None, budget_usd: Decimal | None, answers_from: str
) -> ChorusGroup:
    """Record the group and ask its artists; the brush is asked as their statements come.

    The money must suffice for the whole group: raises OverBudgetError otherwise, and nothing is written. Raises
    SettingsError when the folder holds answers of the other mode, PromptError for a draft where only released prompts
    may be asked.
    """
    group = planned.group
    cap = None if max_usd is None else SpendingCap(f"chorus-{group.group_id}", max_usd)
    prompt = statement_prompt(group.prompt_version)
    refuse_draft(prompt, answers_from)
    group = replace(group, cap_id=cap.cap_id if cap else None)
    with warehouse.write() as connection:
        refuse_over_budget(connection, planned.usd, budget_usd, max_usd, group.made_at)
        asked_at = begin_asking(connection, answers_from, group.made_at, cap)
        group = replace(group, made_at=asked_at)
        record_group(connection, group)
        keep_wording(connection, prompt, asked_at)
        ask_for_statements(connection, group, group.artists, answers_from, asked_at)
    return group


def _models(wish: Wish, now: datetime) -> tuple[tuple[Model, ...], Model]:
    """The artists and the brush. Raises RegistryError for one that is unknown, shut down, or cannot do this."""
    registry = load_registry()
    artists = [registry.named(name, "artist") for name in wish.artists] or list(registry.panel("artist"))
    brush = registry.panel("brush")[0] if wish.brush is None else registry.named(wish.brush, "brush")
    for model in (*artists, brush):
        registry.usable(model, now.date())
    if repeated := [model.id for model in artists if artists.count(model) > 1]:
        raise UsageError(f"{repeated[0]} is named twice; several iterations ask an artist several times.")
    return tuple(artists), brush


def _muse(connection: DuckDBPyConnection, seed: str) -> dict[str, Any]:
    """What every artist is shown of the palette: colours, names, and its text where it is refined."""
    found = palettes(connection, [seed])
    if not found:
        raise UsageError(f"Palette {seed} is not loaded, so it cannot be the muse. Load it: grabient load FILE.")
    row = connection.execute(
        "SELECT embed_text FROM palette_tag_refined WHERE seed = $1 AND error IS NULL ORDER BY created_at DESC", [seed]
    ).fetchone()
    shown = {"hex": list(found[0].hex), "color_names": list(found[0].color_names)}
    return {**shown, "embed_text": row[0]} if row and row[0] else shown
