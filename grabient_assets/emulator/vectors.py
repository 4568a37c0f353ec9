"""Embeddings as OpenAI, Groq and Google serve them. A vector is a pure function of the model, the task and the text.

Vectors mean nothing: like texts have other ones. As with the real models, a vector of fewer dimensions is the beginning
of the longest one, made of unit length again where the model does so.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import struct
import sys
from array import array
from collections.abc import Sequence
from typing import Any

from grabient_assets.emulator.answering import Ending, tokens
from grabient_assets.emulator.file_batches import invalid as invalid_chat
from grabient_assets.emulator.google_requests import invalid as invalid_gemini
from grabient_assets.emulator.wire import Line, Refused, ServedModel
from grabient_assets.registry.model import VectorRules

SHORT = 0.5
"""How long a vector is that a fault shortens."""
OPENAI_FIELDS = ("model", "input", "dimensions", "encoding_format", "user")
OPENAI_INPUTS = 2_048
OPENAI_TOKENS = 300_000
GOOGLE_FIELDS = ("model", "content", "taskType", "title", "outputDimensionality")
GOOGLE_TASKS = (
    *("TASK_TYPE_UNSPECIFIED", "RETRIEVAL_QUERY", "RETRIEVAL_DOCUMENT", "SEMANTIC_SIMILARITY", "CLASSIFICATION"),
    *("CLUSTERING", "QUESTION_ANSWERING", "FACT_VERIFICATION", "CODE_RETRIEVAL_QUERY"),
)
GOOGLE_REQUESTS = 100


def vector_of(
    model: str, task: str, text: str, rules: VectorRules, dimensions: int, ending: Ending | None = None
) -> array[float]:
    """The vector, in float32."""
    if ending == "wrong_dimensions":
        dimensions = dimensions - 1 or 2
    seed = "\x1f".join((model, task, text)).encode("utf-8", "surrogatepass")
    most = max(rules.most, dimensions)
    drawn = struct.unpack(f"<{most}i", hashlib.shake_256(seed).digest(4 * most))
    wanted = drawn[:dimensions]
    length = _length(wanted if rules.unit_length else drawn) / (SHORT if ending == "short_vectors" else 1)
    return array("f", [number / length for number in wanted])


def _length(numbers: Sequence[int]) -> float:
    return math.sqrt(math.fsum(number * number for number in numbers)) or 1.0


def in_base64(vector: array[float]) -> str:
    """The float32 numbers, lowest byte first."""
    if sys.byteorder == "big":
        vector = vector[:]
        vector.byteswap()
    return base64.b64encode(vector.tobytes()).decode("ascii")


def openai_embeddings(model: ServedModel, key: str, body: dict[str, Any], forced: Ending | None) -> Line:
    """The answer to one body. Raises Refused."""
    rules = model.vectors
    if rules is None:
        raise Refused(403, "invalid_request_error", "You are not allowed to generate embeddings from this model")
    body = {name: value for name, value in body.items() if value is not None}
    for name in body:
        if name not in OPENAI_FIELDS:
            raise invalid_chat(f"Unrecognized request argument supplied: {name}", name)
    dimensions, form = _openai_dimensions(body, rules), body.get("encoding_format", "float")
    if form not in ("float", "base64"):
        raise invalid_chat(f"Invalid value: {form!r}. Supported values are: 'float' and 'base64'.", "encoding_format")
    texts = _openai_texts(body.get("input"), rules)
    read = sum(count for _, count in texts)
    if read > OPENAI_TOKENS:
        message = f"Requested {read} tokens, max {OPENAI_TOKENS} tokens per request"
        raise Refused(400, "max_tokens_per_request", message, code="max_tokens_per_request", param="input")
    vectors = [vector_of(model.id, "", text, rules, dimensions, forced) for text, _ in texts]
    data = [
        {
            "object": "embedding",
            "index": place,
            "embedding": in_base64(vector) if form == "base64" else vector.tolist(),
        }
        for place, vector in enumerate([] if forced == "empty" else vectors)
    ]
    usage = {"prompt_tokens": read, "total_tokens": read}
    return Line(key, True, {"body": {"object": "list", "data": data, "model": model.id, "usage": usage}}, (read, 0, 0))


def _openai_dimensions(body: dict[str, Any], rules: VectorRules) -> int:
    asked = body.get("dimensions", rules.dimensions)
    if "dimensions" in body and rules.least == rules.most:
        raise invalid_chat("This model does not support specifying dimensions.", "dimensions")
    if type(asked) is not int:
        raise invalid_chat("Invalid type for 'dimensions': expected an integer.", "dimensions", "invalid_type")
    if asked < rules.least:
        message = f"Invalid value for 'dimensions' = {asked}. Must be greater than or equal to {rules.least}."
        raise invalid_chat(message, "dimensions")
    if asked > rules.most:
        message = f"Invalid value for 'dimensions' = {asked}. Must be less than or equal to {rules.most}."
        raise invalid_chat(message, "dimensions")
    return asked


def _openai_texts(given: Any, rules: VectorRules) -> list[tuple[str, int]]:
    """The inputs and their tokens. An input is a text, or a list of tokens."""
    if given is None:
        raise invalid_chat("you must provide an input", "input")
    if isinstance(given, str) or (isinstance(given, list) and given and _are_tokens(given)):
        given = [given]
    if not isinstance(given, list) or not 0 < len(given) <= OPENAI_INPUTS:
        raise _unreadable()
    found = []
    for one in given:
        if isinstance(one, str) and one:
            text, count = one, tokens(one)
        elif isinstance(one, list) and one and _are_tokens(one):
            text, count = json.dumps(one), len(one)
        else:
            raise _unreadable()
        if count > rules.most_input_tokens:
            most = rules.most_input_tokens
            message = f"This model's maximum context length is {most} tokens, however you requested {count} tokens."
            raise invalid_chat(message, "input", "context_length_exceeded")
        found.append((text, count))
    return found


def _are_tokens(given: list[Any]) -> bool:
    return all(type(one) is int and one >= 0 for one in given)


def _unreadable() -> Refused:
    return invalid_chat("'$.input' is invalid. Please check the API reference.", "input")


def google_embeddings(model: ServedModel, body: Any, ending: Ending | None) -> dict[str, Any]:
    """The answer to a call with several requests, a vector for each. Raises Refused."""
    requests = body.get("requests") if isinstance(body, dict) else None
    if not isinstance(requests, list) or not requests:
        raise invalid_gemini("* BatchEmbedContentsRequest.requests: requests is not specified")
    for name in body:
        if name != "requests":
            raise invalid_gemini(f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.')
    if len(requests) > GOOGLE_REQUESTS:
        raise invalid_gemini(
            f"* BatchEmbedContentsRequest.requests: at most {GOOGLE_REQUESTS} requests can be in one batch"
        )
    for request in requests:
        if not isinstance(request, dict) or request.get("model") != f"models/{model.id}":
            raise invalid_gemini("* BatchEmbedContentsRequest.requests: the model is not that of the batch")
    found = [_google_vector(model, request, ending) for request in requests]
    embeddings = [] if ending == "empty" else [{"values": values} for values, _ in found]
    return {"embeddings": embeddings, "usageMetadata": {"promptTokenCount": sum(count for _, count in found)}}


def google_embedding(model: ServedModel, request: Any, ending: Ending | None) -> dict[str, Any]:
    """The answer to one request of a batch. Raises Refused."""
    values, count = _google_vector(model, request, ending)
    return {"embedding": {"values": [] if ending == "empty" else values}, "tokenCount": count}


def _google_vector(model: ServedModel, request: Any, ending: Ending | None) -> tuple[list[float], int]:
    """The numbers and the tokens that were read. Several parts of one content are one text."""
    rules = model.vectors
    if rules is None:
        raise invalid_gemini(f"models/{model.id} does not embed.")
    if not isinstance(request, dict):
        raise invalid_gemini("request must be an object")
    for name in request:
        if name not in GOOGLE_FIELDS:
            raise invalid_gemini(f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.')
    text, task = _google_text(request.get("content")), request.get("taskType") or GOOGLE_TASKS[0]
    if task not in GOOGLE_TASKS:
        raise invalid_gemini(f"Invalid value at 'task_type' (type.googleapis.com/TaskType), {task!r}")
    if request.get("title") is not None and task != "RETRIEVAL_DOCUMENT":
        raise invalid_gemini("The title may only be specified for the task type RETRIEVAL_DOCUMENT.")
    if rules.task != "parameter":
        task = ""  # such a model reads the task in the text
    count = tokens(text)
    if count > rules.most_input_tokens:
        raise invalid_gemini(f"The input has {count} tokens; the model takes at most {rules.most_input_tokens}.")
    vector = vector_of(model.id, task, text, rules, _google_dimensions(request, rules), ending)
    return vector.tolist(), count


def _google_text(content: Any) -> str:
    parts = content.get("parts") if isinstance(content, dict) else None
    if not isinstance(parts, list) or not parts:
        raise invalid_gemini("* EmbedContentRequest.content: contents is not specified")
    for part in parts:
        if not isinstance(part, dict) or set(part) != {"text"} or not isinstance(part["text"], str):
            raise invalid_gemini("content.parts: this emulation embeds texts only.")
    text = "\n".join(part["text"] for part in parts)
    if not text:
        raise invalid_gemini("* EmbedContentRequest.content: content is empty")
    return text


def _google_dimensions(request: dict[str, Any], rules: VectorRules) -> int:
    asked = request.get("outputDimensionality")
    if asked is None:
        return rules.dimensions
    if type(asked) is not int:
        raise invalid_gemini("Invalid value at 'output_dimensionality' (TYPE_INT32)")
    if not rules.least <= asked <= rules.most:
        raise invalid_gemini(f"output_dimensionality must be between {rules.least} and {rules.most}, not {asked}.")
    return asked
