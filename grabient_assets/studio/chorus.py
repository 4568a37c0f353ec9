"""The pages of the chorus: the groups, a group as a grid of its works, one run, and blind votes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from grabient_assets.errors import GrabientError, UsageError
from grabient_assets.groups.chorus.asking import SIZE, Planned, Wish, ask_chorus, plan_group
from grabient_assets.groups.chorus.runs import STATUSES, ChorusRun, counts_of, retry_runs, runs_of
from grabient_assets.groups.chorus.tables import ChorusGroup, groups
from grabient_assets.groups.comparisons.documents import group_document, possible_costs, possible_sentence, run_document
from grabient_assets.groups.comparisons.votes import Choice, next_duel, vote
from grabient_assets.groups.images.images import images_by_id
from grabient_assets.groups.images.making import QUALITY
from grabient_assets.ledger.asking import begin_asking
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.prompting.load import load_prompt_versions
from grabient_assets.registry.load import load_registry
from grabient_assets.settings import parse_dollars, prompts_dir
from grabient_assets.studio.pages import Ask, Done, Form, MissingError, Page, Routes
from grabient_assets.wording import counted, one_line

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.registry.model import Model, Role

SHOWN_PAIRS = 8
SHOWN_WORKS = 4
WHO_SENDS = "The sensor chorus_due sends it, or `grabient chorus run`."
CHOICES: tuple[Choice, ...] = ("left", "right", "tie")
LONGEST_RATER = 40


def chorus(ask: Ask) -> dict[str, Any]:
    """The groups, the newest first, and the form for a new one, with its price once it was asked for."""
    with ask.warehouse.read() as connection:
        known, runs = groups(connection), runs_of(connection)
        files = _object_keys(connection, runs)
        plan, why_not = _planned(connection, ask) if ask.text("plan") else (None, None)
    chosen = {name: ask.text(name) for name in ("artist", "brush", "prompt_version", "status")}
    by_group: dict[str, list[ChorusRun]] = {group_id: [] for group_id in known}
    for run in runs:
        by_group[run.group_id].append(run)
    rows = [_group_row(group, by_group[group_id], files) for group_id, group in known.items()]
    shown = [row for row in rows if _fits(row, chosen)]
    registry = load_registry()
    return {
        "groups": shown,
        "total": len(rows),
        "chosen": chosen,
        "filters": {
            "artist": sorted({artist for row in rows for artist in row["artists"]}),
            "brush": sorted({row["brush"] for row in rows}),
            "prompt_version": sorted({row["prompt_version"] for row in rows}),
            "status": list(STATUSES),
        },
        "form": {
            "artists": _choices("artist", ask.texts("artists"), registry.panel("artist"), ask.now),
            "brushes": _choices("brush", ask.texts("new_brush"), registry.panel("brush")[:1], ask.now),
            "prompt_versions": [f"chorus/{name}" for name in reversed(load_prompt_versions(prompts_dir() / "chorus"))],
            **{name: ask.text(name) for name in ("version", "seed", "max_usd", "now")},
            "iterations": ask.number("iterations", 1),
            "size": ask.text("size") or SIZE,
            "quality": ask.text("quality") or QUALITY,
        },
        "plan": plan,
        "why_not": why_not,
    }


def _choices(role: Role, chosen: Sequence[str], usual: Sequence[Model], now: datetime) -> list[dict[str, Any]]:
    """The models that can be asked today, with those that are chosen, or usual where nobody chose."""
    registry = load_registry()
    models = registry.in_role(role)
    gone, marked = registry.refusals(models, now.date()), set(chosen or [model.id for model in usual])
    return [
        {"model": model.id, "provider": model.provider, "chosen": model.id in marked}
        for model in models
        if model not in gone
    ]


def _fits(row: dict[str, Any], chosen: dict[str, str]) -> bool:
    return (
        (not chosen["artist"] or chosen["artist"] in row["artists"])
        and chosen["brush"] in ("", row["brush"])
        and chosen["prompt_version"] in ("", row["prompt_version"])
        and (not chosen["status"] or row["counts"][chosen["status"]] > 0 if chosen["status"] in STATUSES else True)
    )


def _group_row(group: ChorusGroup, runs: Sequence[ChorusRun], files: dict[str, str]) -> dict[str, Any]:
    return {
        "group": group.group_id,
        "prompt_version": group.prompt_version,
        "brush": group.brush,
        "artists": [artist.model for artist in group.artists],
        "iterations": group.iterations,
        "seed": group.seed,
        "made_at": group.made_at,
        "counts": counts_of(runs),
        "runs": len(runs),
        "cost_usd": sum((run.cost_usd for run in runs), Decimal(0)),
        "files": [files[run.image_id] for run in runs if run.image_id in files][:SHOWN_WORKS],
    }


def _wish(ask: Ask) -> tuple[Wish, Decimal | None]:
    cap, brush = ask.text("max_usd"), ask.text("new_brush")
    if not ask.texts("artists"):
        raise UsageError("Choose an artist.")
    quality = ask.text("quality")
    with_qualities = {one.id for one in load_registry().in_role("brush") if one.images and one.images.qualities}
    if quality == QUALITY and brush and brush not in with_qualities:
        quality = ""  # the form fills it in, whatever the brush
    return (
        Wish(
            prompt_version=ask.text("version") or None,
            artists=tuple(ask.texts("artists")),
            brush=brush or None,
            iterations=ask.number("iterations", 1),
            seed=ask.text("seed") or None,
            size=ask.text("size") or None,
            quality=quality or None,
            delivery="direct" if ask.text("now") else "batch",
        ),
        parse_dollars(cap, "The cap", "Leave it empty to ask without one") if cap else None,
    )


def _planned(connection: DuckDBPyConnection, ask: Ask) -> tuple[dict[str, Any] | None, str | None]:
    """What the form asks for costs, or the sentence why it cannot be asked."""
    from grabient_assets.resources.modes import usable_providers

    try:
        wish, cap = _wish(ask)
        planned = plan_group(connection, wish, usable_providers(ask.settings), ask.now)
    except GrabientError as error:
        return None, str(error)
    return _plan_document(planned, cap), None


def _plan_document(planned: Planned, cap: Decimal | None) -> dict[str, Any]:
    group, usd = planned.group, planned.usd
    return {
        "runs": len(group.artists) * group.iterations,
        "usd": {"low": usd.low, "expected": usd.expected, "high": usd.high},
        "brush": group.brush,
        "delivery": group.delivery,
        "max_usd": cap,
        "priced": _priced(planned),
        "over": cap is not None and usd.high > cap,
    }


def _priced(planned: Planned) -> str:
    """What the price was shown for, in one line: a form that was changed since asks for nothing."""
    group = planned.group
    what = (group.prompt_version, group.brush, group.recipe, group.iterations, group.seed or "", group.delivery)
    return " ".join(map(str, (*(artist.model for artist in group.artists), *what, planned.usd.high)))


def new_group(ask: Ask) -> Done:
    """Ask a new group; nothing when the form is not the one whose price was shown."""
    from grabient_assets.resources.modes import answers_from, usable_providers

    wish, cap = _wish(ask)
    with ask.warehouse.read() as connection:
        planned = plan_group(connection, wish, usable_providers(ask.settings), ask.now)
    if (priced := ask.text("priced")) and priced != _priced(planned):
        sent = [(name, text) for name, text in ask.form.multi_items() if isinstance(text, str)]
        query = urlencode([("plan", "1"), *((name, text) for name, text in sent if name not in ("token", "priced"))])
        notice = (
            "Nothing was asked: the form was changed after its price was shown. This is the price of what it says now."
        )
        return Done(f"/chorus?{query}", notice, {"group": None}, 409)
    group = ask_chorus(ask.warehouse, planned, cap, ask.settings.budget_usd, answers_from(ask.settings))
    runs = counted(len(group.artists) * group.iterations, "run")
    return Done(f"/chorus/{group.group_id}", f"{runs} asked. {WHO_SENDS}", {"group": group.group_id}, 201)


def _found(connection: DuckDBPyConnection, ask: Ask) -> ChorusGroup:
    name = ask.path["group"]
    found = groups(connection, [name]).get(name)
    if found is None:
        raise MissingError(f"There is no chorus group {name[:40]!r}. The page Chorus lists all.")
    return found


def group_page(ask: Ask) -> dict[str, Any]:
    """The works of a group: a row for each iteration, a column for each artist. The address holds what is shown."""
    with ask.warehouse.read() as connection:
        group = _found(connection, ask)
        runs = runs_of(connection, [group.group_id])
        keys = _object_keys(connection, runs)
        muse = _muse(connection, group)
        worth = _worth(connection, group)
        possible = possible_costs(connection, group.group_id)
        refused = connection.execute(
            "SELECT run_id FROM artworks WHERE group_id = $1 AND refused_at = 'input'", [group.group_id]
        ).fetchall()
    status, artist, brush = ask.text("status"), ask.text("artist"), ask.text("brush")
    visible = [
        run for run in runs if status in ("", run.status) and artist in ("", run.artist) and brush in ("", run.brush)
    ]
    cells = {
        run.run_id: {**run_document(run), "caption": run.caption, "file": keys.get(run.image_id or "")} for run in runs
    }
    columns = [_column(one.model, runs) for one in group.artists if artist in ("", one.model)]
    shown = {(run.iteration, run.artist): run.run_id for run in visible}
    rows = [
        {"iteration": number, "cells": [cells.get(shown.get((number, one["artist"]), "")) for one in columns]}
        for number in range(group.iterations)
        if any((number, one["artist"]) in shown for one in columns)
    ]
    side = [cells[name] for name in (ask.text("left"), ask.text("right")) if name in cells]
    query = {name: text for name, text in (("status", status), ("artist", artist), ("brush", brush)) if text}
    return {
        **group_document(group, runs, possible),
        "more": possible_sentence(possible),
        "columns": columns,
        "rows": rows,
        "chosen": {"status": status, "artist": artist, "brush": brush, "left": ask.text("left")},
        "filters": {"status": list(STATUSES), "artist": [one.model for one in group.artists]},
        "query": urlencode(query),
        "side": side if len(side) == 2 else [],
        "muse": muse,
        "worth": worth,
        "retryable": sum(run.status in ("failed", "cancelled") and (run.run_id,) not in refused for run in runs),
    }


def _column(artist: str, runs: Sequence[ChorusRun]) -> dict[str, Any]:
    """The head of a column: an artist with its totals."""
    mine = [run for run in runs if run.artist == artist]
    seconds = [run.seconds for run in mine if run.seconds is not None and run.status == "done"]
    return {
        "artist": artist,
        "done": sum(run.status == "done" for run in mine),
        "runs": len(mine),
        "cost_usd": sum((run.cost_usd for run in mine), Decimal(0)),
        "seconds": sum(seconds) / len(seconds) if seconds else None,
    }


def _object_keys(connection: DuckDBPyConnection, runs: Sequence[ChorusRun]) -> dict[str, str]:
    known = images_by_id(connection, [run.image_id for run in runs if run.image_id])
    return {image_id: image.object_key for image_id, image in known.items()}


def _muse(connection: DuckDBPyConnection, group: ChorusGroup) -> dict[str, Any] | None:
    if group.seed is None or group.muse is None:
        return None
    row = connection.execute("SELECT name, style, angle FROM palettes WHERE seed = $1", [group.seed]).fetchone()
    name, style, angle = row or (None, "linearGradient", 90.0)
    return {"seed": group.seed, "name": name, "style": style, "angle": angle, "hex": group.muse["hex"]}


def _worth(connection: DuckDBPyConnection, group: ChorusGroup) -> dict[str, Any]:
    """What the differences between the artists are worth under this prompt and brush."""
    chosen = [group.prompt_version, group.brush]
    ratings = connection.execute(
        "SELECT model, votes, rating, low, high FROM artist_ratings WHERE prompt_version = $1 AND brush = $2 "
        "ORDER BY rating DESC, model",
        chosen,
    ).fetchall()
    pairs = connection.execute(
        """
        SELECT metric, left_model, right_model, n_left, n_right, difference, effect, p_adjusted, needed, enough
        FROM artist_pairs WHERE prompt_version = $1 AND brush = $2
        ORDER BY enough DESC, abs(effect) DESC NULLS LAST, metric, left_model, right_model
        """,
        chosen,
    ).fetchall()
    names = ("metric", "left", "right", "n_left", "n_right", "difference", "effect", "p", "needed", "enough")
    listed = [dict(zip(names, row, strict=True)) for row in pairs]
    works = connection.execute(
        "SELECT max(n) FROM artist_fingerprints WHERE prompt_version = $1 AND brush = $2", chosen
    ).fetchone()
    return {
        "ratings": [dict(zip(("artist", "votes", "rating", "low", "high"), row, strict=True)) for row in ratings],
        "pairs": listed[:SHOWN_PAIRS],
        "compared": len(listed),
        "different": sum(one["enough"] for one in listed),
        "works": works[0] if works and works[0] else 0,
    }


def run_page(ask: Ask) -> dict[str, Any]:
    """One run: the work, what the artist said, and what it cost."""
    with ask.warehouse.read() as connection:
        group = _found(connection, ask)
        runs = {run.run_id: run for run in runs_of(connection, [group.group_id])}
        run = runs.get(ask.path["run"])
        if run is None:
            raise MissingError(f"There is no run {ask.path['run'][:80]!r} in this group.")
        said = connection.execute(
            "SELECT answer_text, words, form, notes, custom_id, batch_id FROM artist_statements WHERE run_id = $1",
            [run.run_id],
        ).fetchone()
        made = connection.execute(
            "SELECT custom_id, batch_id, refused_at, refused_for FROM artworks WHERE run_id = $1", [run.run_id]
        ).fetchone()
        image = images_by_id(connection, [run.image_id] if run.image_id else []).get(run.image_id or "")
        signals = connection.execute(
            "SELECT metric, value, method FROM artwork_signals WHERE run_id = $1 ORDER BY metric", [run.run_id]
        ).fetchall()
        possible = possible_costs(connection, group.group_id, run)
    order = list(runs)
    place = order.index(run.run_id)
    return {
        **run_document(run),
        "more": possible_sentence(possible),
        "caption": run.caption,
        "size": group.size,
        "quality": group.quality,
        "prompt_digest": group.prompt_digest,
        "file": image.object_key if image else None,
        "image": None if image is None else {"width": image.width, "height": image.height, "bytes": image.bytes},
        "said": _named(("answer_text", "words", "form", "notes", "custom_id", "batch_id"), said),
        "made": _named(("custom_id", "batch_id", "refused_at", "refused_for"), made),
        "signals": [{"metric": metric, "value": value, "method": method} for metric, value, method in signals],
        "before": order[place - 1] if place else None,
        "after": order[place + 1] if place + 1 < len(order) else None,
    }


def _named(names: Sequence[str], row: Sequence[Any] | None) -> dict[str, Any] | None:
    return None if row is None else dict(zip(names, row, strict=True))


def retry(ask: Ask) -> Done:
    """Ask again for what failed in a group."""
    from grabient_assets.resources.modes import answers_from

    asked_from = answers_from(ask.settings)
    with ask.warehouse.write() as connection:
        group = _found(connection, ask)
        now = begin_asking(connection, asked_from, ask.now)
        again = retry_runs(connection, runs_of(connection, [group.group_id]), asked_from, now)
    notice = f"{counted(len(again), 'run')} asked again. {WHO_SENDS}" if again else "Nothing here can be asked again."
    return Done(f"/chorus/{group.group_id}", notice, {"asked_again": [run.run_id for run in again]})


@dataclass(frozen=True, slots=True)
class VotePage:
    """Two works without names, and how many pairs are left."""

    group: str
    rater: str
    left: dict[str, Any] | None
    right: dict[str, Any] | None
    votes: int
    last: dict[str, Any] | None


def vote_page(ask: Ask) -> VotePage:
    """Two works that this person has not compared yet. No name is on the page before the vote; that of the vote before
    is."""
    rater = _rater(ask)
    with ask.warehouse.read() as connection:
        group = _found(connection, ask)
        duel = next_duel(connection, group.group_id, rater)
        keys = _object_keys(connection, duel or ())
        runs = {run.run_id: run for run in runs_of(connection, [group.group_id])}
        mine = connection.execute(
            "SELECT left_run, right_run, choice FROM comparison_votes WHERE group_id = $1 AND rater = $2 "
            "ORDER BY voted_at DESC, vote_id",
            [group.group_id, rater],
        ).fetchall()
    last = None
    if mine and all(name in runs for name in mine[0][:2]):
        left, right, choice = mine[0]
        last = {"left": runs[left].artist, "right": runs[right].artist, "choice": choice}
    sides = [{"run": run.run_id, "file": keys.get(run.image_id or "")} for run in duel or ()]
    # The id of a run names its artist, so the page holds a number that stands for it.
    hidden = [{"file": one["file"], "place": str(list(runs).index(one["run"]))} for one in sides]
    left_side, right_side = hidden or (None, None)
    return VotePage(group.group_id, rater, left_side, right_side, len(mine), last)


def cast_vote(ask: Ask) -> Done:
    """Keep a vote, and go on to the next two."""
    choice, rater = ask.text("choice"), _rater(ask)
    chosen: Choice | None = next((one for one in CHOICES if one == choice), None)
    if chosen is None:
        raise UsageError(f"The choice is {choice[:20]!r}; it must be left, right or tie.")
    with ask.warehouse.write() as connection:
        group = _found(connection, ask)
        order = [run.run_id for run in runs_of(connection, [group.group_id])]
        left, right = (_run_named(order, ask.text(side)) for side in ("left", "right"))
        now = ledger_time(connection, ask.now)
        record = vote(connection, group, left, right, chosen, now, blind=True, rater=rater)
    to = f"/chorus/{group.group_id}/vote?rater={quote(rater)}"
    return Done(to, "", {"vote": record.vote_id, "left": left, "right": right, "choice": choice})


def _run_named(order: Sequence[str], text: str) -> str:
    """The run that a page means by its place in the group; a program may name the run itself."""
    if text.isascii() and text.isdigit() and int(text) < len(order):
        return order[int(text)]
    return text


def _rater(ask: Ask) -> str:
    return one_line(ask.text("rater"))[:LONGEST_RATER] or "me"


ROUTES: Routes = [
    Page("/chorus", "chorus.html", chorus, label="Chorus"),
    Form("/chorus", new_group),
    Page("/chorus/{group}", "chorus_group.html", group_page, below="/chorus", live_seconds=4),
    Form("/chorus/{group}/retry", retry),
    Page("/chorus/{group}/vote", "chorus_vote.html", vote_page, below="/chorus"),
    Form("/chorus/{group}/votes", cast_vote),
    Page("/chorus/{group}/{run}", "chorus_run.html", run_page, below="/chorus"),
]
