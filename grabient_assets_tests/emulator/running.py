"""Emulators and clients for the tests: a server in a thread on a free port, and the four real SDKs against it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib import request as http

import anthropic
import groq
import openai
from google import genai
from google.genai import types

from grabient_assets.emulator.server import EmulatorServer
from grabient_assets.emulator.wire import ServedModel
from grabient_assets.providers.contract import BatchFile, BatchProvider, Result, Spec
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model, VectorRules
from grabient_assets_tests.hanging import HANGING_SECONDS

HAIKU, OPUS = "claude-haiku-4-5-20251001", "claude-opus-5-5"
MINI, NANO, LUNA = "gpt-4o-mini", "gpt-5-nano", "gpt-6-luna"
OSS, QWEN = "openai/gpt-oss-20b", "qwen/qwen3.8-27b"
FLASH, FLASH3 = "gemini-2.5-flash-lite", "gemini-3.5-flash-lite"
SMALL, LARGE, NOMIC = "text-embedding-3-small", "text-embedding-3-large", "nomic-embed-text-v1_5"
ONE, TWO = "gemini-embedding-001", "gemini-embedding-2"
FLARE, BANANA, LITE = "gpt-image-2.5-flare", "gemini-nano-banana-2.1", "gemini-3.1-flash-lite-image"
RETIRED = {
    "anthropic": "claude-3-5-haiku-20241022",
    "openai": "gpt-3.5-turbo",
    "groq": "qwen/qwen3-32b",
    "google": "gemini-2.0-flash",
}
LONG_AGO = date(2026, 2, 19)
MAKERS = tuple(
    ServedModel(made.provider, made.id, images=made.images, vectors=made.vectors)
    for made in load_registry().models
    if made.id in (SMALL, LARGE, ONE, TWO, FLARE, BANANA, LITE)
)
"""Models that make images or vectors, with the rules of the registry."""
MODELS = (
    *MAKERS,
    ServedModel("groq", NOMIC, vectors=VectorRules(768, 768, 768, 768, 8192, True, "prefix", False, "d: ", "q: ")),
    *(ServedModel("anthropic", model) for model in (HAIKU, OPUS, "claude-opus-4-5-20251101", "claude-opus-5")),
    *(ServedModel("openai", model) for model in (MINI, NANO, LUNA)),
    *(ServedModel("groq", model) for model in (OSS, QWEN)),
    *(ServedModel("google", model) for model in (FLASH, FLASH3)),
    *(ServedModel(provider, model, retires_on=LONG_AGO) for provider, model in RETIRED.items()),
)
PALETTE = (
    *("#ba0058", "#d6003b", "#ce0050", "#a6008a", "#7300cc", "#5100f2"),
    *("#5300e9", "#7700b5", "#ab0072", "#d10543", "#d51340"),
)


@dataclass(frozen=True)
class Running:
    """A running emulator with one client per provider. SDK retries are off: one call is one request."""

    server: EmulatorServer
    kept: list[genai.Client] = field(default_factory=list)
    """A Gemini client closes itself when nothing refers to it, in the middle of a call if need be."""

    @property
    def url(self) -> str:
        return self.server.endpoint.url

    @property
    def bases(self) -> dict[str, str]:
        return self.server.endpoint.base_urls

    def anthropic(self, key: str = "test", **options: Any) -> anthropic.Anthropic:
        return anthropic.Anthropic(
            **({"api_key": key, "base_url": self.bases["anthropic"], "max_retries": 0} | options)
        )

    def openai(self, key: str = "test", **options: Any) -> openai.OpenAI:
        return openai.OpenAI(**self._options("openai", key, options))

    def groq(self, key: str = "test", **options: Any) -> groq.Groq:
        return groq.Groq(**self._options("groq", key, options))

    def _options(self, provider: str, key: str, options: dict[str, Any]) -> dict[str, Any]:
        return {"api_key": key, "base_url": self.bases[provider], "max_retries": 0, **options}

    def google(self, key: str = "test", version: str = "v1") -> genai.Client:
        options = types.HttpOptions(base_url=self.bases["google"], api_version=version, timeout=20_000)
        client = genai.Client(api_key=key, http_options=options)
        self.kept.append(client)
        return client

    def control(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with http.urlopen(
            http.Request(f"{self.url}/_emulator/{path}", data, method=method), timeout=HANGING_SECONDS
        ) as answer:
            return json.load(answer)

    def faults(self, *rules: dict[str, Any]) -> None:
        self.control("POST", "faults", {"rules": list(rules)})

    def calls(self, provider: str) -> dict[str, int]:
        return self.control("GET", "calls")["counts"].get(provider, {})


@contextmanager
def running(folder: Path, **options: Any) -> Iterator[Running]:
    """An emulator in a thread; `options` are those of EmulatorServer."""
    listening = threading.Event()
    server = EmulatorServer(folder, **({"models": MODELS, "announce": lambda endpoint: listening.set()} | options))
    thread = threading.Thread(target=server.run)
    thread.start()
    assert listening.wait(10)
    try:
        yield Running(server)
    finally:
        server.stop()
        thread.join(10)
        assert not thread.is_alive()


def asked(ref: str, palette: Sequence[str] = PALETTE, **more: Any) -> str:
    """The user message of a tagging request."""
    return json.dumps({"ref": ref, "hex": list(palette), "color_names": ["crimson", "purple", "blue"], **more})


def anthropic_request(key: str, model: str = HAIKU, **params: Any) -> Any:
    message = {"role": "user", "content": asked(key)}
    return {"custom_id": key, "params": {"model": model, "max_tokens": 4000, "messages": [message], **params}}


def chat_line(key: str, model: str, **body: Any) -> dict[str, Any]:
    messages = [{"role": "system", "content": "Answer in JSON."}, {"role": "user", "content": asked(key)}]
    body = {"model": model, "messages": messages, **body}
    return {"custom_id": key, "method": "POST", "url": "/v1/chat/completions", "body": body}


def lines_of(rows: Sequence[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def rows_of(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines()]


def chat_batch(client: Any, rows: Sequence[dict[str, Any]], **create: Any) -> Any:
    """Uploads lines and creates a batch, at OpenAI or Groq."""
    file = client.files.create(file=("batch.jsonl", lines_of(rows), "application/jsonl"), purpose="batch")
    window = {"completion_window": "24h", "endpoint": "/v1/chat/completions"}
    return client.batches.create(**(window | {"input_file_id": file.id} | create))


def polled(client: Any, batch: Any, times: int = 2) -> Any:
    """The batch after so many retrieve calls (OpenAI, Groq)."""
    for _ in range(times):
        batch = client.batches.retrieve(batch.id)
    return batch


def chat_results(client: Any, batch: Any) -> dict[str, dict[str, Any]]:
    """Rows of output and error file by custom id."""
    files = [file_id for file_id in (batch.output_file_id, batch.error_file_id) if file_id]
    return {row["custom_id"]: row for file_id in files for row in rows_of(client.files.content(file_id).read())}


def anthropic_batch(client: anthropic.Anthropic, requests: Sequence[Any], polls: int = 2) -> Any:
    """A batch created and polled."""
    batch = client.messages.batches.create(requests=list(requests))
    for _ in range(polls):
        batch = client.messages.batches.retrieve(batch.id)
    return batch


def anthropic_results(client: anthropic.Anthropic, batch: Any) -> dict[str, Any]:
    return {line.custom_id: line.result for line in client.messages.batches.results(batch.id)}


def gemini_request(key: str | None, **config: Any) -> types.InlinedRequest:
    content = types.Content(role="user", parts=[types.Part(text=asked(key or "none"))])
    options = types.GenerateContentConfig(system_instruction="Tag.", response_mime_type="application/json", **config)
    metadata = None if key is None else {"key": key}
    return types.InlinedRequest(contents=[content], config=options, metadata=metadata)


def gemini_batch(client: genai.Client, requests: Sequence[Any], polls: int = 2, model: str = FLASH) -> Any:
    job = client.batches.create(model=model, src=list(requests), config={"display_name": "batch"})
    return gemini_polled(client, job, polls)


def gemini_polled(client: genai.Client, job: Any, polls: int = 2) -> Any:
    for _ in range(polls):
        job = client.batches.get(name=job.name)
    return job


def gemini_upload(client: genai.Client, content: bytes, name: str | None = None) -> str:
    config = types.UploadFileConfig(display_name="up", mime_type="application/jsonl", name=name)
    uploaded = client.files.upload(file=BytesIO(content), config=config).name
    assert uploaded
    return uploaded


def direct(provider: BatchProvider, model: Model, spec: Spec) -> Result:
    """What one of our clients gets when it asks at once."""
    return provider.read_line(provider.send_directly(provider.request_line(spec, model), model))


def batched(provider: BatchProvider, model: Model, *specs: Spec) -> dict[str | None, Result]:
    """What one of our clients gets in a batch, by custom id."""
    keys = [spec.custom_id for spec in specs]
    accepted = provider.submit(BatchFile("lab-1", model, [provider.request_line(spec, model) for spec in specs], keys))
    while provider.poll(accepted.provider_batch_id).state != "ended":
        pass
    results = [provider.read_line(line) for line in provider.results(accepted.provider_batch_id).lines]
    return {result.custom_id: result for result in results}
