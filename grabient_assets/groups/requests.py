"""The request about a palette, by purpose: what it says, and how large it is before it is written.

It stands beside the groups because money is set aside for all requests of a palette at once: whoever sends tags has to
know what its refinement will take.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from grabient_assets.errors import GrabientError, RequestRejectedError
from grabient_assets.groups.refinement.refiner import refiner
from grabient_assets.groups.tagging.consensus import consensus_for_prompt
from grabient_assets.groups.tagging.tallying import stored_consensus
from grabient_assets.groups.tagging.wave_numbers import step_shares
from grabient_assets.ledger.estimates import DollarRange, measured_tokens
from grabient_assets.ledger.plan import mean_colour_bytes
from grabient_assets.ledger.planning import Lines, sending
from grabient_assets.ledger.reservation import request_shape
from grabient_assets.ledger.tag_consensus import some_consensus
from grabient_assets.ledger.unfinished import RequestSize, record_request_sizes, record_wave_shares, wanted_targets
from grabient_assets.ledger.wave_states import wave_counts
from grabient_assets.prompting.load import load_prompt_set
from grabient_assets.prompting.palette_prompts import refinement_message, system_text, tagging_message
from grabient_assets.prompting.prompt import Prompt, PromptSet
from grabient_assets.providers.connect import request_line
from grabient_assets.providers.contract import ImageInput, RequestSpec
from grabient_assets.providers.request_rules import json_line
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model
from grabient_assets.settings import PROMPTS_DIR

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TAGGING, REFINEMENT = "tagging", "refinement"

CONSENSUS_BYTES = 2_500
"""The votes of ten models in a request, as the emulator's answers make them; stored ones replace this."""
SAMPLE = 100
"""So many stored consensus are measured."""
SOME_COLOURS: Mapping[str, Sequence[object]] = {"hex": [], "rgb": [], "hsl": [], "lch": [], "color_names": []}
SOME_ID = "0" * 61
"""As long as every custom_id: 37 of colours, 20 of the request, 2 of the analysis, and two dashes."""


def tagging_spec(custom_id: str, colours: Mapping[str, Sequence[object]], prompt: Prompt) -> RequestSpec:
    """The request for tags of these colours."""
    return RequestSpec(
        custom_id=custom_id,
        system=system_text(prompt),
        text=tagging_message(custom_id, colours),
        schema=prompt.schema,
        schema_name="palette_tags",
        **prompt.parameters,  # pyright: ignore[reportArgumentType] checked when the prompt was loaded
    )


def refinement_spec(
    custom_id: str,
    colours: Mapping[str, Sequence[object]],
    counts: Mapping[str, object],
    prompt: Prompt,
    image: ImageInput | None,
) -> RequestSpec:
    """The request about these colours, this picture and the votes as `consensus_for_prompt` makes them."""
    return RequestSpec(
        custom_id=custom_id,
        system=system_text(prompt),
        text=refinement_message(custom_id, colours, counts),
        images=() if image is None else (image,),
        schema=prompt.schema,
        schema_name="refined_tags",
        **prompt.parameters,  # pyright: ignore[reportArgumentType] checked when the prompt was loaded
    )


def tagging_bytes(prompt: Prompt, model: Model) -> int:
    """The bytes of a tagging line without those of the palette's colours. Raises RequestRejectedError when the model
    does not take such a request."""
    line = request_line(tagging_spec(SOME_ID, SOME_COLOURS, prompt), model)
    return len(line) - len(json_line(json_line(SOME_COLOURS).decode())) + 2


def refinement_bytes(connection: DuckDBPyConnection, prompt: Prompt, model: Model) -> int:
    """The bytes of a refinement line without those of colours and picture: the votes are as long as stored ones."""
    fixed = len(request_line(refinement_spec(SOME_ID, SOME_COLOURS, {}, prompt, None), model))
    stored = some_consensus(connection, SAMPLE)
    if not stored:
        return fixed + CONSENSUS_BYTES
    texts = (json_line(consensus_for_prompt(stored_consensus(one))).decode() for one in stored)
    return fixed + round(sum(len(json_line(text)) for text in texts) / len(stored))


def requests_usd(
    connection: DuckDBPyConnection, purpose: str, model: Model, version: str, count: int, on: date
) -> DollarRange | None:
    """What so many requests of a mean size cost; None at an unknown price, or when the model takes no such request."""
    import numpy

    prompts, colours, pictures = load_prompt_set(PROMPTS_DIR, version), mean_colour_bytes(connection), 0
    try:
        if purpose == TAGGING:
            prompt, size = prompts.tagging, tagging_bytes(prompts.tagging, model)
        else:
            prompt, size, pictures = prompts.refinement, refinement_bytes(connection, prompts.refinement, model), 1
    except RequestRejectedError:
        return None
    measured = measured_tokens(connection).get((model.provider, model.id, prompt.digest))
    lines = Lines(numpy.asarray([count]), numpy.asarray([size + colours]), pictures)
    return sending(model, lines, prompt.parameters, measured, load_registry().limits[model.provider], on).usd


def keep_request_sizes(connection: DuckDBPyConnection, usable: Sequence[str], on: date) -> None:
    """Record what a request takes of everybody who was asked, and of the refiner, as far as they can be asked on the
    day `on`; and the part of the palettes that goes from wave to wave.

    Refinement follows by itself when all of the `usable` providers were asked.
    """
    wanted = wanted_targets(connection)
    versions = _prompt_sets(version for _, _, version in wanted)
    colours = mean_colour_bytes(connection)
    sizes: list[RequestSize] = []
    for provider, model_id, version in wanted:
        model = _model(provider, model_id, on)
        if model is None or version not in versions:
            continue
        prompt = versions[version].tagging
        try:
            size = tagging_bytes(prompt, model) + colours
        except RequestRejectedError:  # its asks are stopped when they are sent
            continue
        sizes.append(_size(TAGGING, model, version, prompt, size))
    model = _model(refiner().provider, refiner().id, on)
    if model is not None and (not usable or model.provider in usable):
        for version, prompts in versions.items():
            size = refinement_bytes(connection, prompts.refinement, model) + colours
            sizes.append(_size(REFINEMENT, model, version, prompts.refinement, size, pictures=1, follows=usable))
    record_request_sizes(connection, sizes)
    shares = {version: step_shares(wave_counts(connection, version)) for version in versions}
    record_wave_shares(connection, shares)


def _size(
    purpose: str,
    model: Model,
    version: str,
    prompt: Prompt,
    text_bytes: int,
    pictures: int = 0,
    follows: Sequence[str] = (),
) -> RequestSize:
    shape = request_shape(text_bytes, pictures, prompt.parameters, model)
    return RequestSize(
        purpose,
        model.provider,
        model.id,
        version,
        prompt.digest,
        shape.text_bytes,
        shape.pictures,
        shape.max_output_tokens,
        shape.thinking_budget,
        shape.effort,
        tuple(sorted(follows)),
    )


def _model(provider: str, model_id: str, on: date) -> Model | None:
    """None when it cannot be asked: what is wanted of it is stopped when it is sent."""
    registry = load_registry()
    try:
        model = registry.model(provider, model_id)
        registry.usable(model, on)
    except GrabientError:
        return None
    return model


def _prompt_sets(versions: Iterable[str]) -> dict[str, PromptSet]:
    found: dict[str, PromptSet] = {}
    for version in dict.fromkeys(versions):
        try:
            found[version] = load_prompt_set(PROMPTS_DIR, version)
        except GrabientError:
            continue
    return found
