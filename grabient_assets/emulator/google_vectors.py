"""Gemini's embeddings: `:batchEmbedContents`, and one request of an `:asyncBatchEmbedContent` batch."""

from __future__ import annotations

from typing import Any

from grabient_assets.emulator.answering import Ending, tokens
from grabient_assets.emulator.google_requests import invalid
from grabient_assets.emulator.vectors import vector_of
from grabient_assets.emulator.wire import ServedModel
from grabient_assets.registry.model import VectorRules

FIELDS = ("model", "content", "taskType", "title", "outputDimensionality")
TASKS = (
    *("TASK_TYPE_UNSPECIFIED", "RETRIEVAL_QUERY", "RETRIEVAL_DOCUMENT", "SEMANTIC_SIMILARITY", "CLASSIFICATION"),
    *("CLUSTERING", "QUESTION_ANSWERING", "FACT_VERIFICATION", "CODE_RETRIEVAL_QUERY"),
)
MAX_REQUESTS = 100


def embed_response(model: ServedModel, body: Any, ending: Ending | None) -> dict[str, Any]:
    """The answer to a call with several requests, a vector for each. Raises Refused."""
    requests = body.get("requests") if isinstance(body, dict) else None
    if not isinstance(requests, list) or not requests:
        raise invalid("* BatchEmbedContentsRequest.requests: requests is not specified")
    for name in body:
        if name != "requests":
            raise invalid(f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.')
    if len(requests) > MAX_REQUESTS:
        raise invalid(f"* BatchEmbedContentsRequest.requests: at most {MAX_REQUESTS} requests can be in one batch")
    for request in requests:
        if not isinstance(request, dict) or request.get("model") != f"models/{model.id}":
            raise invalid("* BatchEmbedContentsRequest.requests: the model is not that of the batch")
    found = [_embedded(model, request, ending) for request in requests]
    embeddings = [] if ending == "empty" else [{"values": values} for values, _ in found]
    return {"embeddings": embeddings, "usageMetadata": {"promptTokenCount": sum(count for _, count in found)}}


def embedding_response(model: ServedModel, request: Any, ending: Ending | None) -> dict[str, Any]:
    """The answer to one request of a batch. Raises Refused."""
    values, count = _embedded(model, request, ending)
    return {"embedding": {"values": [] if ending == "empty" else values}, "tokenCount": count}


def _embedded(model: ServedModel, request: Any, ending: Ending | None) -> tuple[list[float], int]:
    """The numbers and the tokens that were read. Several parts of one content are one text."""
    rules = model.vectors
    if rules is None:
        raise invalid(f"models/{model.id} does not embed.")
    if not isinstance(request, dict):
        raise invalid("request must be an object")
    for name in request:
        if name not in FIELDS:
            raise invalid(f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.')
    text, task = _text(request.get("content")), request.get("taskType") or TASKS[0]
    if task not in TASKS:
        raise invalid(f"Invalid value at 'task_type' (type.googleapis.com/TaskType), {task!r}")
    if request.get("title") is not None and task != "RETRIEVAL_DOCUMENT":
        raise invalid("The title may only be specified for the task type RETRIEVAL_DOCUMENT.")
    if rules.task != "parameter":
        task = ""  # such a model reads the task in the text
    count = tokens(text)
    if count > rules.most_input_tokens:
        raise invalid(f"The input has {count} tokens; the model takes at most {rules.most_input_tokens}.")
    vector = vector_of(model.id, task, text, rules, _dimensions(request, rules), ending)
    return vector.tolist(), count


def _text(content: Any) -> str:
    parts = content.get("parts") if isinstance(content, dict) else None
    if not isinstance(parts, list) or not parts:
        raise invalid("* EmbedContentRequest.content: contents is not specified")
    for part in parts:
        if not isinstance(part, dict) or set(part) != {"text"} or not isinstance(part["text"], str):
            raise invalid("content.parts: this emulation embeds texts only.")
    text = "\n".join(part["text"] for part in parts)
    if not text:
        raise invalid("* EmbedContentRequest.content: content is empty")
    return text


def _dimensions(request: dict[str, Any], rules: VectorRules) -> int:
    asked = request.get("outputDimensionality")
    if asked is None:
        return rules.dimensions
    if type(asked) is not int:
        raise invalid("Invalid value at 'output_dimensionality' (TYPE_INT32)")
    if not rules.least <= asked <= rules.most:
        raise invalid(f"output_dimensionality must be between {rules.least} and {rules.most}, not {asked}.")
    return asked
