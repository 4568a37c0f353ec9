"""What a person sees of tagging in the UI, per partition. Kept small: every event is stored for ever."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Mapping, Sequence

import dagster as dg

from grabient_assets.groups.markdown import escaped
from grabient_assets.groups.palettes.tables import PaletteRecord, palettes
from grabient_assets.groups.picture import picture
from grabient_assets.groups.tagging.collection import Completed
from grabient_assets.groups.tagging.wave_reports import wave_words
from grabient_assets.groups.tagging.withheld import explained
from grabient_assets.ledger.asks import SubjectVersion, asked_of
from grabient_assets.ledger.batches import submit_runs
from grabient_assets.ledger.tag_consensus import ConsensusRecord
from grabient_assets.ledger.tagging_ends import AskedOf, Tagged, asked_tagging
from grabient_assets.ledger.wave_states import WaveState, wave_states
from grabient_assets.ledger.withheld import Withheld, withheld_palettes
from grabient_assets.partitions import partition_key
from grabient_assets.warehouse.connection import Warehouse

Metadata = dict[str, dg.MetadataValue]
SHOWN_WORDS = 6
ASSETS = ("palette_tags", "tag_consensus")


def completed_events(
    warehouse: Warehouse, completed: Completed, selected: Container[str] = ASSETS
) -> Iterator[dg.AssetMaterialization]:
    """A materialization for each palette that has usable answers, and for each consensus."""
    partitions = [tagged.partition for tagged in completed.tagged]
    with warehouse.read() as connection:
        colours = {record.seed: record for record in palettes(connection, {p.subject for p in partitions})}
        withheld = {one.partition: one for one in withheld_palettes(connection, partitions)}
        waves = wave_states(connection, partitions)
    if "palette_tags" in selected:
        for tagged in completed.tagged:
            if tagged.answers:
                key, metadata = (
                    partition_key(tagged.partition),
                    tags_metadata(tagged, colours[tagged.partition.subject]),
                )
                yield dg.AssetMaterialization("palette_tags", partition=key, metadata=metadata)
    if "tag_consensus" in selected:
        for record in completed.consensus:
            partition = SubjectVersion(record.prompt_version, record.seed)
            metadata = consensus_metadata(record, colours[record.seed], withheld.get(partition))
            metadata |= wave_metadata(waves.get(partition))
            yield dg.AssetMaterialization("tag_consensus", partition=partition_key(partition), metadata=metadata)


def asked_events(
    warehouse: Warehouse, provider: str, batch_ids: Sequence[str] = (), among: Sequence[SubjectVersion] = ()
) -> Iterator[dg.AssetMaterialization]:
    """A materialization of the provider's batch asset for each palette in these batches and each of those named: how
    far its requests are. One of which something is due is left out, unless it is named."""
    with warehouse.read() as connection:
        found = asked_tagging(connection, provider, batch_ids, among)
        runs = submit_runs(connection, {batch for one in found for batch in one.batches})
        has_part = asked_of(connection, provider, among)
        waves = wave_states(connection, [*among, *(one.partition for one in found)])
    reports: dict[SubjectVersion, Metadata] = {p: no_part_metadata() for p in among if p not in has_part}
    named = set(among)
    reports |= {one.partition: asked_metadata(one, runs) for one in found if not one.due or one.partition in named}
    for partition, metadata in reports.items():
        metadata |= wave_metadata(waves.get(partition))
        yield dg.AssetMaterialization(f"{provider}_tag_batches", partition=partition_key(partition), metadata=metadata)


def no_part_metadata() -> Metadata:
    """Tagged adaptively, and this provider is not asked so far."""
    return {"state": dg.MetadataValue.text("nothing to ask of this provider in this wave")}


def wave_metadata(state: WaveState | None) -> Metadata:
    """How far a palette is that is tagged adaptively; nothing for any other."""
    return {} if state is None else {"wave": dg.MetadataValue.text(wave_words(state))}


def over_budget_metadata(sentences: Sequence[str]) -> Metadata:
    """Wanted, and there is no money for some of it."""
    return {"state": dg.MetadataValue.text("over budget"), "why": dg.MetadataValue.text(" ".join(sentences)[:1000])}


def asked_metadata(asked: AskedOf, submit_runs: Mapping[str, str | None]) -> Metadata:
    """How many requests there are, how far they are, in which batches, sent by which run."""
    found: Metadata = {
        "state": dg.MetadataValue.text(_state(asked)),
        "requests": dg.MetadataValue.int(asked.requests),
        "answered": dg.MetadataValue.int(asked.answered),
        "unusable": dg.MetadataValue.int(asked.unusable),
    }
    if asked.stopped:
        found["stopped"] = dg.MetadataValue.int(asked.stopped)
        found["why"] = dg.MetadataValue.text((asked.reason or "no reason given")[:1000])
    if asked.batches or not asked.due:
        found["batches"] = dg.MetadataValue.text(", ".join(asked.batches) or "none: answered before")
    runs = dict.fromkeys(run for batch in asked.batches if (run := submit_runs.get(batch)))
    if runs:
        found["sent by"] = dg.MetadataValue.dagster_run(next(iter(runs)))
    return found


def _state(asked: AskedOf) -> str:
    if asked.due:
        return "asked; the sensor tagging_due sends it together with what else is asked"
    if asked.carried:
        return "with the provider"
    if not asked.stopped:
        return "answered"
    return "answered in part, the rest is stopped" if asked.answered else "stopped"


def tags_metadata(tagged: Tagged, palette: PaletteRecord) -> Metadata:
    """How many answers came, how many cannot be used, and what they cost."""
    found: Metadata = {
        "palette": picture(palette),
        "answers": dg.MetadataValue.int(tagged.answers),
        "unusable": dg.MetadataValue.int(tagged.failures),
        "models": dg.MetadataValue.int(tagged.models),
        "cost_usd": dg.MetadataValue.float(float(tagged.cost_usd)),
    }
    if tagged.error:
        found["why unusable"] = dg.MetadataValue.text(tagged.error[:300])
    return found


def consensus_metadata(record: ConsensusRecord, palette: PaletteRecord, withheld: Withheld | None = None) -> Metadata:
    """The votes of each field, strongest first, and the computed fact beside it; and what keeps it from refinement."""
    votes = json.loads(record.votes)
    facts = json.loads(record.facts)
    rows: list[str] = []
    for field, said in votes.items():
        words = ", ".join(f"{escaped(vote['value'])} {vote['models']}" for vote in said[:SHOWN_WORDS])
        rows.append(f"| {field} | {words} | {escaped(_fact(facts, field))} |")
    return {
        "palette": picture(palette),
        **({"refinement": dg.MetadataValue.text(explained(withheld))} if withheld else {}),
        "models": dg.MetadataValue.int(record.models),
        "answers": dg.MetadataValue.int(record.answers),
        "votes": dg.MetadataValue.md("\n".join(["| field | votes (models) | computed |", "|---|---|---|", *rows])),
    }


def _fact(facts: Mapping[str, object], field: str) -> str:
    value = facts.get("harmonies" if field == "harmony" else field, "")
    return ", ".join(value) if isinstance(value, list) else str(value)
