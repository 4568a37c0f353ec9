"""What a person sees of tagging in the UI, per partition. Kept small: every event is stored for ever."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from grabient_assets.asking.purpose_assets import Metadata
from grabient_assets.groups.markdown import escaped, picture
from grabient_assets.groups.palettes.tables import PaletteRecord, palettes
from grabient_assets.groups.tagging.collection import Completed
from grabient_assets.groups.tagging.tag_consensus import ConsensusRecord
from grabient_assets.groups.tagging.tags import Tagged
from grabient_assets.groups.tagging.waves import WaveState, wave_states, wave_words
from grabient_assets.groups.tagging.withheld import Withheld, explained, withheld_palettes
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.partitions import partition_key
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SHOWN_WORDS = 6


def completed_events(warehouse: Warehouse, completed: Completed) -> Iterator[dg.AssetMaterialization]:
    """A materialization for each palette that has usable answers, and for each consensus."""
    partitions = [tagged.partition for tagged in completed.tagged]
    with warehouse.read() as connection:
        colours = {record.seed: record for record in palettes(connection, {p.subject for p in partitions})}
        withheld = {one.partition: one for one in withheld_palettes(connection, partitions)}
        waves = wave_states(connection, partitions)
    for tagged in completed.tagged:
        if tagged.answers:
            metadata = tags_metadata(tagged, colours[tagged.partition.subject])
            key = partition_key(tagged.partition)
            yield dg.AssetMaterialization("palette_tags", partition=key, metadata=metadata)
    for record in completed.consensus:
        partition = SubjectVersion(record.prompt_version, record.seed)
        metadata = consensus_metadata(record, colours[record.seed], withheld.get(partition))
        metadata |= wave_metadata(waves.get(partition))
        yield dg.AssetMaterialization("tag_consensus", partition=partition_key(partition), metadata=metadata)


def wave_metadata(state: WaveState | None) -> Metadata:
    """How far a palette is that is tagged adaptively; nothing for any other."""
    return {} if state is None else {"wave": dg.MetadataValue.text(wave_words(state))}


def wave_notes(connection: DuckDBPyConnection, partitions: Sequence[SubjectVersion]) -> dict[SubjectVersion, Metadata]:
    """How far those of the palettes are that are tagged adaptively."""
    return {one: wave_metadata(state) for one, state in wave_states(connection, partitions).items()}


def tags_metadata(tagged: Tagged, palette: PaletteRecord) -> Metadata:
    """How many answers came, how many cannot be used, and what they cost."""
    found: Metadata = {
        "palette": picture(palette.seed, palette.hex),
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
    for field, counted in votes.items():
        words = ", ".join(f"{escaped(vote['value'])} {vote['models']}" for vote in counted[:SHOWN_WORDS])
        rows.append(f"| {field} | {words} | {escaped(_fact(facts, field))} |")
    return {
        "palette": picture(palette.seed, palette.hex),
        **({"refinement": dg.MetadataValue.text(explained(withheld))} if withheld else {}),
        "models": dg.MetadataValue.int(record.models),
        "answers": dg.MetadataValue.int(record.answers),
        "votes": dg.MetadataValue.md("\n".join(["| field | votes (models) | computed |", "|---|---|---|", *rows])),
    }


def _fact(facts: Mapping[str, object], field: str) -> str:
    value = facts.get("harmonies" if field == "harmony" else field, "")
    return ", ".join(value) if isinstance(value, list) else str(value)
