"""What the assets of every purpose do when they are materialized: ask, send what is due, report, and mark failures.

Materializing an asking asset (in the UI, by backfill, by the CLI) records what is wanted. The sensor `<purpose>_due`
then sends everything that is wanted in one run per provider.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime

import dagster as dg

from grabient_assets.asking import checks
from grabient_assets.asking.purpose_assets import PurposeAssets
from grabient_assets.asking.reports import asked_events, observe_plan, report_held, report_progress
from grabient_assets.errors import PromptError
from grabient_assets.ledger.asks import SubjectVersion, stopped_subjects
from grabient_assets.ledger.connection import Connection
from grabient_assets.ledger.due import DueTarget
from grabient_assets.ledger.purpose import Purpose, Purposes
from grabient_assets.ledger.send import Sent
from grabient_assets.ledger.submission import Submission, submit_due
from grabient_assets.prompting.load import load_prompt_versions
from grabient_assets.prompting.prompt import Prompt
from grabient_assets.registry.model import Delivery
from grabient_assets.resources.objects import ObjectsResource
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets.resources.reporting import report_materializations
from grabient_assets.resources.runs import PUT_OFF_TAG
from grabient_assets.settings import prompts_dir
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.wording import counted

NAMED_AT_MOST = 10


class CollectConfig(dg.Config):
    """What a run of the answers' assets does with its partitions."""

    ask: bool = True
    """The sensor that marks failed subjects unsets it: its run reports what was asked before and asks nothing new."""


def _now() -> datetime:
    return datetime.now(UTC)


def send_purpose(
    context: dg.AssetExecutionContext,
    purpose: Purpose,
    purposes: Purposes,
    provider: str,
    warehouse: Warehouse,
    objects: ObjectsResource,
    providers: ProvidersResource,
    announce: Callable[[Connection, Sequence[DueTarget]], None] = lambda *_: None,
    among: Collection[str] | None = None,
    call_seconds: float | None = None,
    delivery: Delivery | None = None,
) -> Sent:
    """Send everything of the purpose that is due at the provider, or what is about the subjects `among` or of one
    `delivery`. What was sent, deferred or waits for money goes into the run's log; `announce` gets the plan before the
    first batch. A direct call may take `call_seconds`, or what the registry says."""
    with providers.connect(provider, call_seconds) as connection:
        sent = submit_due(
            purpose,
            Submission(
                connection,
                purposes,
                warehouse,
                objects.open_for_sending(),
                _now,
                images_by_url=providers.images_by_url(),
            ),
            context.run_id,
            lambda targets: announce(connection, targets),
            among,
            delivery,
        )
    for one in sent.batches:
        context.log.info("batch %s: %s requests, %s", one.batch.batch_id, one.batch.request_count, one.batch.status)
    for sentence in dict.fromkeys(sent.held):
        context.log.warning(sentence)
    if any(one.batch.status == "deferred" for one in sent.batches):
        context.instance.add_run_tags(context.run_id, {PUT_OFF_TAG: "true"})
    return sent


def fail_for(complaints: Sequence[str]) -> None:
    """Fail the run with these sentences; nothing when there are none."""
    if complaints:
        raise dg.Failure(" ".join(dict.fromkeys(complaints)), allow_retries=False)


def send_due(
    context: dg.AssetExecutionContext,
    shown: PurposeAssets,
    provider: str,
    warehouse: Warehouse,
    objects: ObjectsResource,
    providers: ProvidersResource,
) -> None:
    """Send everything of the purpose that is due at the provider, and report it. Fails with a sentence for each
    refusal, after everything else is sent."""
    started, complaints = _now(), tuple[str, ...]()
    if shown.follow_up:
        complaints = shown.follow_up.ask(warehouse, providers.usable(), providers.answers_from(), started)
    sent = send_purpose(
        context,
        shown.purpose,
        shown.purposes,
        provider,
        warehouse,
        objects,
        providers,
        lambda connection, targets: observe_plan(context, shown, warehouse, connection, targets),
    )
    with warehouse.read() as database:
        stopped = stopped_subjects(database, shown.name, provider, started)
    own = context.partition_key if context.has_partition_key else None  # this one turns red
    ids = [one.batch.batch_id for one in sent.batches]
    stopped = [one for one in stopped if shown.space.key(one) != own]
    report_progress(context, shown, warehouse, provider, ids, stopped, ended=False)
    report_held(context, shown, warehouse, provider, sent.held)
    fail_for((*complaints, *sent.complaints))


def report_asked(
    context: dg.AssetExecutionContext,
    shown: PurposeAssets,
    provider: str,
    warehouse: Warehouse,
    chosen: Sequence[SubjectVersion],
) -> None:
    """Report that these subjects are asked for."""
    context.log.info(
        "%s asked of %s; the sensor %s_due sends what is missing",
        counted(len(chosen), shown.noun),
        provider,
        shown.name,
    )
    report_materializations(context, list(asked_events(shown, warehouse, provider, among=chosen)))


def refuse_unusable(providers: ProvidersResource, names: Sequence[str]) -> None:
    """Fail for a provider that cannot be asked."""
    for name in names:
        if name not in providers.usable():
            raise dg.Failure(providers.why_not(name), allow_retries=False)


def collect_chosen(
    context: dg.AssetExecutionContext,
    shown: PurposeAssets,
    warehouse: Warehouse,
    usable: Sequence[str],
    ask: Callable[[list[SubjectVersion]], None] | None,
) -> Iterator[dg.AssetCheckResult]:
    """Ask for what the run's partitions lack, report what they have, and fail for those that have failed. Dagster shows
    a partition as failed only through a failed run. A run of the checks alone does nothing else."""
    if not context.selected_asset_keys:
        yield from checks.results(shown.checks, warehouse, context.selected_asset_check_keys)
        return
    chosen = shown.space.chosen(context)
    if ask:
        ask(chosen)
    selected = {key.to_user_string() for key in context.selected_asset_keys}
    events = shown.report(warehouse, usable, _now, chosen)
    report_materializations(context, [one for one in events if one.asset_key.to_user_string() in selected])
    among = set(chosen)
    with warehouse.read() as connection:
        failed = {one: why for one, why in shown.failed(connection, usable).items() if one in among}
        notes = shown.notes(connection, chosen)
    for one, note in notes.items():
        if "why" in note:
            context.log.warning("%s: %s", shown.space.key(one), note["why"].value)
    yield from checks.results(shown.checks, warehouse, context.selected_asset_check_keys)
    if failed:
        alike: dict[str, list[str]] = {}
        for one, why in list(failed.items())[:NAMED_AT_MOST]:
            alike.setdefault(why.reason.rstrip("."), []).append(one.subject)
        named = "; ".join(f"{', '.join(subjects)}: {reason}" for reason, subjects in alike.items())
        raise dg.Failure(
            f"{counted(len(failed), shown.noun)} {shown.failed_words}. {named}. "
            f"Ask again with `grabient retry`, or materialize {shown.retry_hint} with retry_failed.",
            allow_retries=False,
        )


def prompt_metadata(load: Callable[[str], Prompt]) -> dict[str, dg.MetadataValue]:
    """The system prompt of every version as definition metadata, the newest first, on the asset that sends it.

    A version that cannot be read states why. It must not keep the code location from loading and paid answers from
    being collected.
    """
    found: dict[str, dg.MetadataValue] = {}
    try:
        versions = load_prompt_versions(prompts_dir())
    except PromptError as error:
        return {"prompts": dg.MetadataValue.text(str(error))}
    for version in reversed(versions):
        try:
            prompt = load(version)
        except PromptError as error:
            found[f"prompt {version} (unusable)"] = dg.MetadataValue.text(str(error))
            continue
        name = f"prompt {version}" + ("" if prompt.released else " (draft)")
        found[name] = dg.MetadataValue.md(prompt.body)
    return found
