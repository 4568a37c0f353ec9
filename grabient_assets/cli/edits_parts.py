"""The shared parts of the commands of `grabient edits`: what is typed, the price, following an edit, and how it is
shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grabient_assets.cli.console import print_json, print_note, print_output
from grabient_assets.cli.options import open_warehouse, opened_as_it_is
from grabient_assets.cli.stopping import end_with, go_on_by
from grabient_assets.wording import counted, one_line

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.groups.edits.asking import Planned, Wish
    from grabient_assets.groups.edits.tables import Edit
    from grabient_assets.headless.driver import FinishedRun
    from grabient_assets.settings import Settings
    from grabient_assets.store.objects import ObjectStore
    from grabient_assets.warehouse.connection import Warehouse

EditName = Annotated[str, typer.Argument(metavar="EDIT", help="An edit_id, a unique beginning of one, or `latest`.")]
Editor = Annotated[str | None, typer.Option(metavar="M", help="A model of role editor; default: the panel's first.")]
Quality = Annotated[str | None, typer.Option(metavar="Q", help="A quality of the editor; default: medium.")]
Creativity = Annotated[
    int | None, typer.Option(metavar="N", help="How far the editor may go: 1 subtle, 2 balanced (default), 3 strong.")
]
StrictSize = Annotated[
    bool, typer.Option("--strict-size", help="Fail an answer of another size than was asked for; default: scale it.")
]
Batch = Annotated[bool, typer.Option("--batch", help="Ask in a batch, at half the price, within a day.")]
PromptVersion = Annotated[
    str | None, typer.Option("--prompt-version", metavar="V", help="Of prompts/edits/; default: the newest.")
]
MaxUsd = Annotated[str | None, typer.Option("--max-usd", metavar="X", help="Ask nothing when the edit may cost more.")]
Run = Annotated[bool, typer.Option("--run", help="Carry the edit to its end here, without a daemon.")]
Plan = Annotated[bool, typer.Option("--plan", help="Show the edit and its price; nothing is written.")]
Timeout = Annotated[float, typer.Option(min=0, metavar="SECONDS", help="With --run: stop waiting after so long.")]
DAY = 25 * 3600
NONE_YET = "There is no edit yet. Make one: grabient edits new IMAGE --kind prompt --prompt TEXT --run"


@dataclass(frozen=True, slots=True)
class Going:
    """What `new` and `replay` do with an edit."""

    max_usd: str | None
    plan: bool
    run: bool
    timeout: float
    yes: bool
    as_json: bool


def opened(name: str) -> tuple[Warehouse, Settings, Edit]:
    """The warehouse, the settings, and the edit that is named. Raises UsageError."""
    from grabient_assets.errors import UsageError
    from grabient_assets.groups.edits.tables import named_edit
    from grabient_assets.settings import load_settings

    settings = load_settings()
    warehouse = open_warehouse(settings)
    if not warehouse.exists():
        raise UsageError(NONE_YET)
    with warehouse.read() as connection:
        return warehouse, settings, named_edit(connection, name)


def typed_mask(text: str | None) -> tuple[float, float, float, float] | bytes | None:
    """The rectangle or the file that `--mask` names. Raises EditRefusedError."""
    from grabient_assets.cli.images import read_image_file
    from grabient_assets.errors import ImageError
    from grabient_assets.groups.edits.asking import EditRefusedError
    from grabient_assets.imaging.mask import parse_fractions

    if text is None:
        return None
    path = Path(text)
    try:
        if path.is_file():
            return read_image_file(path)
        if path.suffix and "," not in text:
            raise EditRefusedError("bad_mask", f"There is no mask file {text}.")
        return parse_fractions(text)
    except ImageError as error:
        raise EditRefusedError("bad_mask", str(error)) from error


def typed_reference(text: str | None) -> tuple[str, bytes] | str | None:
    """The file that `--reference` names, or the name of a stored image. Raises UsageError, EditRefusedError."""
    from grabient_assets.cli.images import read_image_file
    from grabient_assets.errors import ImageError
    from grabient_assets.groups.edits.asking import EditRefusedError

    if text is None:
        return None
    path = Path(text)
    if not path.is_file() and not path.suffix:
        return text
    try:
        return path.name, read_image_file(path)
    except ImageError as error:
        raise EditRefusedError("too_large", str(error)) from error


def go(wish_of: Callable[[DuckDBPyConnection, ObjectStore], Wish], going: Going) -> None:
    """Plan the edit, show its price, ask for it, and with `run` carry it to its end."""
    from datetime import UTC, datetime

    from grabient_assets.cli.plan import agree_to_spend
    from grabient_assets.groups.edits.asking import ask_edit, plan_edit
    from grabient_assets.headless.edit_documents import planned_document, worn_parent
    from grabient_assets.resources.modes import answers_from, usable_providers
    from grabient_assets.resources.objects import open_store
    from grabient_assets.settings import load_settings, parse_cap

    settings, cap = load_settings(), parse_cap(going.max_usd)
    store = open_store(settings)
    with opened_as_it_is(settings) as looked_at, looked_at.read() as connection:
        wish = wish_of(connection, store)
        planned = plan_edit(connection, store, wish, usable_providers(settings), datetime.now(UTC))
        warning = worn_parent(connection, planned)
    for sentence in (*planned.input.changes, *([warning] if warning else [])):
        print_note(sentence)
    if not going.as_json:
        _show_price(planned, settings)
    if cap is not None and planned.usd.high > cap:
        print_note(f"That may be more than --max-usd {cap}.")
    if going.plan:
        if going.as_json:
            print_json({**planned_document(planned), "warning": warning})
        return
    agree_to_spend(planned.usd, 1, settings, settings.budget_usd if cap is None else cap, None, yes=going.yes)
    warehouse = open_warehouse(settings)
    asked = ask_edit(warehouse, store, planned, cap, settings.budget_usd, answers_from(settings))
    if going.run:
        follow(asked.edit_id, warehouse, settings, going.timeout, as_json=going.as_json)
    elif going.as_json:
        print_json(document(asked.edit_id, warehouse))
    else:
        print_output(
            f"{asked.edit_id} ({asked.label}) is asked. The sensor edits_due sends it, or: "
            f"grabient edits run {asked.edit_id}"
        )


def _show_price(planned: Planned, settings: Settings) -> None:
    how = "in a batch" if planned.request.delivery == "batch" else "at once"
    emulated = " (emulated)" if settings.mode == "emulator" else ""
    sentence = planned.sentence[:1].upper() + planned.sentence[1:]
    print_note(f"{sentence}, sent {how} as {planned.request.size}{emulated}.")


def follow(edit_id: str, warehouse: Warehouse, settings: Settings, timeout: float, *, as_json: bool) -> None:
    """Carry the edit to its end here, and show it. Exits with 1 unless it is done."""
    from grabient_assets.headless.edit_run import follow_edit

    shown = ""

    def seen(finished: FinishedRun | None, edit: Edit) -> None:
        nonlocal shown
        if edit.status != shown:
            print_note(f"{edit.label}: {edit.status}")
            shown = edit.status
        if finished is not None and not finished.success and (not edit.settled or edit.status == "done"):
            print_note(f"{finished.job}: {one_line(finished.failure or '')}")

    go_on_by(f"grabient edits run {edit_id}")
    end_with(lambda: _last_words(document(edit_id, warehouse)))
    print_note(
        f"{edit_id} is asked. If this is stopped while the editor works, its call is let go and may be billed; "
        f"`grabient edits retry {edit_id} --run` then asks again."
    )
    for sentence in follow_edit(edit_id, warehouse, settings, timeout, seen).waiting:
        print_note(sentence)
    show_edit(edit_id, warehouse, as_json=as_json, ended=True)


def _last_words(one: dict[str, Any]) -> str:
    """What became of an edit whose command was stopped."""
    if one["status"] in ("requested", "sent"):
        how = "was not sent" if one["status"] == "requested" else "is under way"
        return f"Stopped. Edit {one['edit_id']} {how}: `grabient edits run {one['edit_id']}` goes on."
    why = "" if one["error"] is None else f": {one['error'].rstrip('.')}"
    again = "" if one["status"] == "done" else f" `grabient edits retry {one['edit_id']} --run` asks again."
    return f"Stopped. Edit {one['edit_id']} is {one['status']}{why}.{again}"


def document(edit_id: str, warehouse: Warehouse) -> dict[str, Any]:
    """The edit as JSON."""
    from grabient_assets.groups.edits.tables import edits_of
    from grabient_assets.headless.edit_documents import edit_documents

    with warehouse.read() as connection:
        return edit_documents(connection, edits_of(connection, [edit_id]))[0]


def show_edit(edit_id: str, warehouse: Warehouse, *, as_json: bool, ended: bool = False) -> None:
    """Print all that is known of an edit. Exits with 1 when it failed, or when it has `ended` and is not done."""
    one = document(edit_id, warehouse)
    if as_json:
        print_json(one)
    else:
        _print_edit(one)
    if one["warning"]:
        print_note(one["warning"])
    if one["status"] in ("failed", "rejected") or (ended and one["status"] != "done"):
        raise typer.Exit(1)


def money_of(one: dict[str, Any]) -> str:
    """The dollars of an edit or a chain."""
    possible = f", and up to {one['possible_usd']:.4f} USD that may be billed besides" if one["possible_usd"] else ""
    return f"{one['cost_usd']:.4f} USD{possible}"


def _print_edit(one: dict[str, Any]) -> None:
    quality = f", quality {one['quality']}" if one["quality"] else ""
    how = "in a batch" if one["delivery"] == "batch" else "at once"
    parent = f"edit {one['parent_edit']}" if one["parent_edit"] else "original"
    print_output(f"{one['edit_id']}  {one['label']}  {one['status']}  {money_of(one)}")
    lines: list[tuple[str, Any]] = [
        ("summary", one_line(one["summary"])),
        ("parent", f"{one['parent_image'][:12]}, {parent}"),
        ("root", f"{one['root_image'][:12]}, depth {one['depth']}"),
        ("run", one["run_id"]),
        ("replay of", one["replay_of"]),
        ("editor", f"{one['model']} ({one['provider']}){quality}, {how}, creativity {one['creativity']}"),
        ("prompt", f"{one['prompt_version']} {one['prompt_digest'][:12]}"),
        ("reference", (one["reference_image"] or "")[:12]),
        ("sent", _sent(one["input"])),
        ("mask", _masked(one["input"])),
        ("asked at", one["requested_at"]),
        ("done at", one["done_at"]),
        ("batch", one["batch_id"]),
        ("image", f"{one['image_id']}{' (removed)' if one['removed'] else ''}" if one["image_id"] else None),
        ("error", one["error"] and f"{one['error_kind']}: {one_line(one['error'])}{_again(one)}"),
    ]
    for name, value in lines:
        if value:
            print_output(f"{name:<10} {value}")
    for sentence in (*one["measured"], *one["changes"]):
        print_output(f"  {sentence}")


def _again(one: dict[str, Any]) -> str:
    if not one["retryable"]:
        return " It would fail again as it is."
    return f" Ask again: grabient edits retry {one['edit_id']} --run"


def _sent(given: dict[str, Any] | None) -> str | None:
    if given is None:
        return None
    padded = f", padded {', '.join(map(str, given['pad']))} (left, top, right, bottom)" if any(given["pad"]) else ""
    scaled = f", scaled by {given['scale']:.4g}" if given["scale"] != 1 else ""
    return f"{given['sent_width']} x {given['sent_height']} pixels{scaled}{padded}"


def _masked(given: dict[str, Any] | None) -> str | None:
    if given is None or given["mask_pixels"] is None:
        return None
    left, top, width, height = given["mask_box"]
    return (
        f"{counted(given['mask_pixels'], 'pixel')} in {width} x {height} from {left}, {top}; feather band of "
        f"{counted(given['feather'], 'pixel')}"
    )
