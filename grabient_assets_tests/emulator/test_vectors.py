"""Vectors: single calls and batches, through the real SDKs and our own clients."""

from __future__ import annotations

import base64
import json
import math
from array import array
from collections.abc import Callable, Iterator
from typing import Any

import groq
import openai
import pytest
from google.genai import errors, types

from grabient_assets.emulator import batch_documents
from grabient_assets.providers.connect import connect
from grabient_assets.providers.contract import BatchFile, BatchProvider, Result, VectorSpec
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model
from grabient_assets_tests.emulator.running import (
    FLASH,
    LARGE,
    MINI,
    NOMIC,
    ONE,
    SMALL,
    TWO,
    Running,
    chat_batch,
    chat_line,
    chat_results,
    gemini_upload,
    lines_of,
    polled,
)
from grabient_assets_tests.providers.faces import KEY
from grabient_assets_tests.providers.image_and_vector_bodies import NOMIC as NOMIC_MODEL

REGISTRY = load_registry()
EMBEDDERS = (
    REGISTRY.model("openai", SMALL),
    REGISTRY.model("openai", LARGE),
    REGISTRY.model("google", ONE),
    REGISTRY.model("google", TWO),
)
Open = Callable[[Model], BatchProvider]


@pytest.fixture
def open_for(emulator: Running) -> Iterator[Open]:
    opened: list[BatchProvider] = []

    def open_it(model: Model) -> BatchProvider:
        opened.append(connect(model.provider, KEY, emulator.bases[model.provider]))
        return opened[-1]

    yield open_it
    for provider in opened:
        provider.close()


def length(vector: Any) -> float:
    return math.sqrt(sum(number * number for number in vector))


def embedding_line(key: str, text: Any = "calm sea", model: str = SMALL, **body: Any) -> dict[str, Any]:
    body = {"model": model, "input": text, **body}
    return {"custom_id": key, "method": "POST", "url": "/v1/embeddings", "body": body}


def direct(provider: BatchProvider, model: Model, spec: VectorSpec) -> Result:
    return provider.read_line(provider.send_directly(provider.request_line(spec, model), model))


def batched(provider: BatchProvider, model: Model, *specs: VectorSpec) -> dict[str | None, Result]:
    keys = [spec.custom_id for spec in specs]
    batch = BatchFile("lab-1", model, [provider.request_line(spec, model) for spec in specs], keys)
    accepted = provider.submit(batch)
    while provider.poll(accepted.provider_batch_id).state != "ended":
        pass
    results = [provider.read_line(line) for line in provider.results(accepted.provider_batch_id).lines]
    return {result.custom_id: result for result in results}


# our own clients --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", EMBEDDERS, ids=lambda model: model.id)
def test_a_batch_and_a_call_give_the_same_vector(open_for: Open, model: Model) -> None:
    provider = open_for(model)
    specs = [VectorSpec("a-1", "calm sea"), VectorSpec("a-2", "neon city", 256), VectorSpec("a-3", "calm sea", 256)]
    found = batched(provider, model, *specs)
    assert sorted(str(key) for key in found) == ["a-1", "a-2", "a-3"]
    for spec in specs:
        alone, of_batch = direct(provider, model, spec), found[spec.custom_id]
        assert alone.fate == of_batch.fate == "answered"
        assert alone.vector == of_batch.vector and alone.vector is not None
        assert len(alone.vector) == (spec.dimensions or 1536)
        assert alone.usage is not None and alone.usage == of_batch.usage and alone.usage.input_tokens > 0
        assert not alone.usage.unpriced
    assert found["a-2"].vector != found["a-3"].vector


@pytest.mark.parametrize("model", EMBEDDERS, ids=lambda model: model.id)
def test_vectors_are_of_unit_length_where_the_model_makes_them_so(open_for: Open, model: Model) -> None:
    rules = model.vectors
    assert rules is not None
    provider = open_for(model)
    whole, short = (direct(provider, model, VectorSpec("a-1", "calm sea", n)).vector for n in (rules.most, 256))
    assert whole is not None and short is not None
    assert length(whole) == pytest.approx(1, abs=1e-6)
    assert (length(short) == pytest.approx(1, abs=1e-6)) is rules.unit_length
    ratio = length(short)
    assert [n / ratio for n in short] == pytest.approx([n / length(whole[:256]) for n in whole[:256]], abs=1e-6)


@pytest.mark.parametrize("model", EMBEDDERS[2:], ids=lambda model: model.id)
def test_the_task_is_part_of_the_question_at_google(open_for: Open, model: Model) -> None:
    provider = open_for(model)
    document, query = (
        direct(provider, model, VectorSpec("a-1", "calm sea", 128, task)).vector for task in ("document", "query")
    )
    assert document != query


def test_groq_embeds_call_by_call(open_for: Open) -> None:
    result = direct(open_for(NOMIC_MODEL), NOMIC_MODEL, VectorSpec("a-1", "calm sea"))
    assert result.vector is not None and len(result.vector) == 768


@pytest.mark.parametrize("model", [*EMBEDDERS[:1], *EMBEDDERS[2:], NOMIC_MODEL], ids=lambda model: model.id)
@pytest.mark.parametrize("do", ["wrong_dimensions", "short_vectors", "empty"])
def test_faults_of_single_vectors(emulator: Running, open_for: Open, model: Model, do: str) -> None:
    provider, spec = open_for(model), VectorSpec("a-1", "calm sea")
    good = direct(provider, model, spec)
    emulator.faults({"match": {"route": "vectors", "times": 1}, "action": {"do": do}})
    bad = direct(provider, model, spec)
    assert direct(provider, model, spec).vector == good.vector
    if do == "empty":
        assert bad.fate == "errored"
        return
    assert good.vector is not None and bad.vector is not None
    if do == "wrong_dimensions":
        assert len(bad.vector) == len(good.vector) - 1
    else:
        assert length(bad.vector) == pytest.approx(length(good.vector) / 2, abs=1e-6)


@pytest.mark.parametrize("model", [EMBEDDERS[0], EMBEDDERS[3]], ids=lambda model: model.id)
def test_faults_of_vectors_in_a_batch(emulator: Running, open_for: Open, model: Model) -> None:
    emulator.faults(
        {"action": {"do": "wrong_dimensions", "custom_ids": ["a-1"]}},
        {"action": {"do": "short_vectors", "custom_ids": ["a-2"]}},
        {"action": {"do": "errored", "custom_ids": ["a-3"]}},
    )
    found = batched(open_for(model), model, *(VectorSpec(f"a-{n}", f"text {n}") for n in range(1, 5)))
    vectors = {key: result.vector for key, result in found.items()}
    one, two, four = vectors["a-1"], vectors["a-2"], vectors["a-4"]
    assert one is not None and two is not None and four is not None
    assert (len(one), len(two), len(four)) == (1535, 1536, 1536)
    assert [round(length(vector), 3) for vector in (one, two, four)] == [1, 0.5, 1]
    assert found["a-3"].fate == "errored"


# OpenAI and Groq --------------------------------------------------------------------------------------------------


def test_base64_and_lists_say_the_same(emulator: Running) -> None:
    client = emulator.openai()
    read = client.embeddings.create(model=SMALL, input=["calm sea", "neon city"], encoding_format="float")
    raw = client.post(
        "/embeddings", cast_to=object, body=embedding_line("a", "neon city", encoding_format="base64")["body"]
    )
    packed = array("f", base64.b64decode(raw["data"][0]["embedding"]))  # type: ignore[index]
    assert packed.tolist() == read.data[1].embedding
    assert [one.index for one in read.data] == [0, 1]
    assert read.usage.prompt_tokens == read.usage.total_tokens == 5
    sdk = client.embeddings.create(model=SMALL, input="neon city").data[0].embedding
    assert sdk == pytest.approx(packed.tolist())


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"dimensions": 1537}, "less than or equal to 1536"),
        ({"dimensions": 0}, "greater than or equal to 1"),
        ({"dimensions": "8"}, "expected an integer"),
        ({"encoding_format": "hex"}, "Supported values"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a", ""]}, "input"),
        ({"input": ["a"] * 2049}, "input"),
        ({"input": None}, "must provide an input"),
        ({"input": "word " * 7000}, "maximum context length"),
        ({"input": ["word " * 6000] * 41}, "max 300000 tokens"),
        ({"task": "document"}, "Unrecognized"),
    ],
)
def test_openai_refuses(emulator: Running, body: dict[str, Any], words: str) -> None:
    with pytest.raises(openai.BadRequestError, match=words):
        emulator.openai().post("/embeddings", cast_to=object, body=embedding_line("a")["body"] | body)


def test_models_do_what_they_are_made_for(emulator: Running) -> None:
    client = emulator.openai()
    with pytest.raises(openai.PermissionDeniedError, match="not allowed to generate embeddings"):
        client.embeddings.create(model=MINI, input="a")
    with pytest.raises(openai.NotFoundError, match="not a chat model"):
        client.chat.completions.create(**chat_line("a", SMALL)["body"])
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.embeddings.create(model="text-embedding-9", input="a")
    with pytest.raises(groq.BadRequestError, match="specifying dimensions"):
        emulator.groq().post(
            "/openai/v1/embeddings", cast_to=object, body={"model": NOMIC, "input": "a", "dimensions": 8}
        )
    for embeds, model in ((TWO, "generate_content"), (FLASH, "embed_content")):
        with pytest.raises(errors.ClientError, match="is not supported for"):
            getattr(emulator.google().models, model)(model=embeds, contents="a")


def test_a_batch_has_one_endpoint_that_its_lines_name(emulator: Running) -> None:
    client = emulator.openai()
    good = polled(client, chat_batch(client, [embedding_line("a")], endpoint="/v1/embeddings"))
    assert (good.status, good.endpoint) == ("completed", "/v1/embeddings")
    assert good.usage is not None and good.usage.input_tokens == 2
    for rows in ([embedding_line("a"), chat_line("b", MINI)], [chat_line("b", MINI)]):
        failed = polled(client, chat_batch(client, rows, endpoint="/v1/embeddings"))
        assert failed.status == "failed"
        assert "url_mismatch" in [problem.code for problem in failed.errors.data]
    with pytest.raises(openai.BadRequestError, match="This emulation serves"):
        chat_batch(client, [embedding_line("a")], endpoint="/v1/audio/speech")
    with pytest.raises(groq.BadRequestError, match="This emulation serves"):
        chat_batch(emulator.groq(), [embedding_line("a", model=NOMIC)], endpoint="/v1/embeddings")


def test_a_line_that_cannot_be_embedded_fails_alone(emulator: Running) -> None:
    client = emulator.openai()
    rows = [embedding_line("a"), embedding_line("b", dimensions=5000), embedding_line("c", "")]
    found = chat_results(client, polled(client, chat_batch(client, rows, endpoint="/v1/embeddings")))
    assert {key: row["response"]["status_code"] for key, row in found.items()} == {"a": 200, "b": 400, "c": 400}


def test_a_batch_takes_at_most_50000_inputs() -> None:
    def problems(inputs: int) -> list[str]:
        whole, rest = divmod(inputs, 2000)
        rows = [embedding_line(f"a-{n}", ["a"] * count) for n, count in enumerate([2000] * whole + [rest] * bool(rest))]
        return [
            one["code"] for one in batch_documents.inspect(lines_of(rows), "/v1/embeddings", one_model=True).problems
        ]

    assert (problems(50_000), problems(50_001)) == ([], ["too_many_inputs"])


# Google -----------------------------------------------------------------------------------------------------------


def test_google_embeds_each_content(emulator: Running) -> None:
    client = emulator.google()
    config = types.EmbedContentConfig(task_type="RETRIEVAL_DOCUMENT", output_dimensionality=256)
    embeddings = client.models.embed_content(model=ONE, contents=["calm sea", "neon city"], config=config).embeddings
    assert embeddings is not None and [len(one.values or []) for one in embeddings] == [256, 256]
    assert embeddings[0].values != embeddings[1].values


def test_a_model_that_reads_the_task_in_the_text_knows_no_other(emulator: Running) -> None:
    def vectors(model: str) -> list[Any]:
        tasks = (types.EmbedContentConfig(task_type=task) for task in ("RETRIEVAL_DOCUMENT", "RETRIEVAL_QUERY"))
        made = [emulator.google().models.embed_content(model=model, contents="calm sea", config=task) for task in tasks]
        return [one.embeddings[0].values for one in made if one.embeddings]

    assert vectors(TWO)[0] == vectors(TWO)[1] and vectors(ONE)[0] != vectors(ONE)[1]


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"outputDimensionality": 64}, "between 128 and 3072"),
        ({"outputDimensionality": 4000}, "between 128 and 3072"),
        ({"taskType": "PAINTING"}, "task_type"),
        ({"content": {"parts": []}}, "content"),
        ({"content": {"parts": [{"text": ""}]}}, "empty"),
        ({"content": {"parts": [{"inlineData": {}}]}}, "texts only"),
        ({"content": {"parts": [{"text": "word " * 2000}]}}, "at most 2048"),
        ({"model": "models/another"}, "the model"),
        ({"instances": 1}, "Unknown name"),
        ({"title": "A", "taskType": "CLUSTERING"}, "title"),
    ],
)
def test_google_refuses(emulator: Running, request_: dict[str, Any], words: str) -> None:
    request = {"model": f"models/{ONE}", "content": {"parts": [{"text": "calm"}]}, **request_}
    with pytest.raises(errors.ClientError, match=words):
        emulator.google()._api_client.request("post", f"models/{ONE}:batchEmbedContents", {"requests": [request]})


def test_google_takes_a_hundred_contents_and_not_one_more(emulator: Running) -> None:
    client = emulator.google()
    assert len(client.models.embed_content(model=ONE, contents=["a"] * 100).embeddings or []) == 100  # type: ignore[arg-type]
    with pytest.raises(errors.ClientError, match="at most 100"):
        client.models.embed_content(model=ONE, contents=["a"] * 101)  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore:batches.create_embeddings")
def test_google_embeds_files_by_key(emulator: Running) -> None:
    client = emulator.google()
    lines: list[dict[str, Any]] = [
        {"key": f"k{n}", "request": {"content": {"parts": [{"text": f"text {n}"}]}, "outputDimensionality": 128}}
        for n in range(8)
    ]
    lines[3]["request"]["outputDimensionality"] = 1
    source = types.EmbeddingsBatchJobSource(file_name=gemini_upload(client, lines_of(lines)))
    job = client.batches.create_embeddings(model=TWO, src=source, config={"display_name": "lab"})
    for _ in range(2):
        job = client.batches.get(name=job.name or "")
    assert job.dest is not None and job.dest.file_name
    rows = [json.loads(line) for line in client.files.download(file=job.dest.file_name).splitlines()]
    assert sorted(row["key"] for row in rows) == [f"k{n}" for n in range(8)] and rows[0]["key"] != "k0"
    found = {row["key"]: row for row in rows}
    assert "between 128 and 3072" in found.pop("k3")["error"]["message"]
    assert all(len(row["response"]["embedding"]["values"]) == 128 for row in found.values())


@pytest.mark.filterwarnings("ignore:batches.create_embeddings")
def test_google_takes_embedding_batches_as_files_of_an_embedder_only(emulator: Running) -> None:
    client = emulator.google()
    inline = types.EmbeddingsBatchJobSource(
        inlined_requests=types.EmbedContentBatch(contents=[types.Content(parts=[types.Part(text="a")])])
    )
    with pytest.raises(errors.ClientError, match="as files only"):
        client.batches.create_embeddings(model=TWO, src=inline)
    source = types.EmbeddingsBatchJobSource(file_name=gemini_upload(client, b'{"key": "a", "request": {}}\n'))
    with pytest.raises(errors.ClientError, match="not supported for asyncBatchEmbedContent"):
        client.batches.create_embeddings(model=FLASH, src=source)
    with pytest.raises(errors.ClientError, match="not supported for batchGenerateContent"):
        client.batches.create(model=TWO, src=source.file_name or "")
