"""Connecting: which address, which key, and nothing out of the environment."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer

from grabient_assets.errors import CredentialsError, ModelUnavailableError, UsageError
from grabient_assets.providers.connect import connect
from grabient_assets.providers.contract import BatchProvider
from grabient_assets.secrets import hide, redact
from grabient_assets_tests.providers.conftest import Open
from grabient_assets_tests.providers.faces import ANTHROPIC, GOOGLE, GROQ, KEY, OPENAI, Face

HOSTILE = {
    "ANTHROPIC_API_KEY": "sk-from-the-environment",
    "ANTHROPIC_AUTH_TOKEN": "token-from-the-environment",
    "ANTHROPIC_BASE_URL": "http://localhost:1",
    "ANTHROPIC_CUSTOM_HEADERS": "X-Evil: 1\nAuthorization: Bearer evil\nAnthropic-Version: 2023-06-01",
    "ANTHROPIC_PROFILE": "evil",
    "OPENAI_API_KEY": "sk-from-the-environment",
    "OPENAI_ADMIN_KEY": "sk-admin-from-the-environment",
    "OPENAI_BASE_URL": "http://localhost:1",
    "OPENAI_ORG_ID": "org-evil",
    "OPENAI_PROJECT_ID": "proj-evil",
    "OPENAI_CUSTOM_HEADERS": "X-Evil: 1\nAuthorization: Bearer evil",
    "GROQ_API_KEY": "gsk_from_the_environment",
    "GROQ_BASE_URL": "http://localhost:1",
    "GROQ_CUSTOM_HEADERS": "X-Evil: 1\nAuthorization: Bearer evil",
    "GOOGLE_API_KEY": "AIza-from-the-environment",
    "GEMINI_API_KEY": "AIza-from-the-environment",
    "GOOGLE_GENAI_USE_VERTEXAI": "true",
    "GOOGLE_GENAI_USE_ENTERPRISE": "true",
    "GOOGLE_CLOUD_PROJECT": "evil",
    "GOOGLE_CLOUD_LOCATION": "evil",
    "GOOGLE_GENAI_API_VERSION": "beta",
    "GOOGLE_GEMINI_BASE_URL": "http://localhost:1",
}


@pytest.fixture
def hostile() -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(HOSTILE)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.usefixtures("hostile")
def test_nothing_comes_from_the_environment(face: Face, httpserver: HTTPServer, open_at: Open) -> None:
    provider = open_at(face, httpserver.url_for(""))
    httpserver.expect_request(face.retrieve).respond_with_json(face.body())
    httpserver.expect_request(face.models).respond_with_json(face.model_list("m-1"))
    provider.poll(face.batch)
    assert provider.available_models() == {"m-1"}
    for request, _ in httpserver.log:
        sent = {name.lower(): value for name, value in request.headers.items()}
        assert "evil" not in str(sent) and "environment" not in str(sent) and "x-evil" not in sent
        if face.name == "google":
            assert sent["x-goog-api-key"] == KEY and "authorization" not in sent
        else:
            assert sent["authorization"] == f"Bearer {KEY}" and "x-goog-api-key" not in sent
        if face.name == "anthropic":
            assert sent["anthropic-version"] == "2026-10-21"


@pytest.mark.parametrize("tail", ["", "/", "/openai/v1", "/openai/v1/"])
def test_groq_takes_its_address_with_and_without_the_path(tail: str, httpserver: HTTPServer) -> None:
    httpserver.expect_request(GROQ.retrieve).respond_with_json(GROQ.body())
    provider = connect("groq", KEY, httpserver.url_for("").rstrip("/") + tail)
    assert provider.poll("batch_1").state == "running"
    provider.close()


@pytest.mark.parametrize(
    ("face", "tail"), [(ANTHROPIC, "/"), (OPENAI, "/"), (GOOGLE, "/")], ids=["anthropic", "openai", "google"]
)
def test_a_slash_at_the_end_does_no_harm(face: Face, tail: str, httpserver: HTTPServer) -> None:
    httpserver.expect_request(face.retrieve).respond_with_json(face.body())
    provider = connect(face.name, KEY, httpserver.url_for("").rstrip("/") + face.suffix + tail)
    assert provider.poll(face.batch).state == "running"
    provider.close()


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("anthropic", "https://api.anthropic.com"),
        ("openai", "https://api.openai.com/v1/"),
        ("groq", "https://api.groq.com"),
        ("google", "https://generativelanguage.googleapis.com"),
    ],
)
def test_without_an_address_it_is_the_providers_own(name: str, address: str) -> None:
    provider = connect(name, KEY, None)
    client = provider._client  # pyright: ignore[reportAttributeAccessIssue]
    base = client._api_client._http_options.base_url if name == "google" else client.base_url
    assert str(base).rstrip("/") == address.rstrip("/")
    provider.close()


@pytest.mark.parametrize("key", ["", "  ", "sk-with blank", "sk-\u00e9", "sk-a\nb"])
def test_a_key_that_cannot_be_one(key: str, face: Face) -> None:
    with pytest.raises(CredentialsError, match=f"The API key of {face.name}") as caught:
        connect(face.name, key)
    assert not key.strip() or key not in str(caught.value)


def test_blanks_around_a_key_are_cut(face: Face, httpserver: HTTPServer, open_at: Open) -> None:
    httpserver.expect_request(face.retrieve).respond_with_json(face.body())
    open_at(face, httpserver.url_for(""), key=f" {KEY}\n").poll(face.batch)
    [(request, _)] = httpserver.log
    assert request.headers.get("authorization", f"Bearer {request.headers.get('x-goog-api-key')}") == f"Bearer {KEY}"


def test_an_unknown_provider() -> None:
    with pytest.raises(UsageError, match="no provider 'mistral'"):
        connect("mistral", KEY)


def test_limits_come_from_the_registry(provider: BatchProvider, face: Face) -> None:
    expected = {"anthropic": 256_000_000, "openai": 200_000_000, "groq": 100_000_000, "google": 2_000_000_000}
    assert (provider.name, provider.limits.max_bytes) == (face.name, expected[face.name])


def test_no_sdk_is_imported_before_it_is_needed() -> None:
    code = (
        "import sys, grabient_assets.providers.connect, grabient_assets.registry.prices;"
        "import grabient_assets.providers.anthropic, grabient_assets.providers.google, grabient_assets.providers.groq;"
        "print([m for m in ('anthropic','openai','groq','google.genai','httpx','httpx2','genai_prices')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_key_of_any_shape_is_hidden() -> None:
    assert redact("denied for emulator-key: emulator-key!", "emulator-key") == "denied for [key]: [key]!"


@given(st.text(alphabet="abcgm 0.,-", max_size=11), st.text(alphabet="abcgm 0.,-"))
def test_no_key_is_taken_out_of_the_middle_of_a_word(key: str, text: str) -> None:
    """Whatever is taken out stood by itself and was long enough to be a secret."""
    clean = hide(text, key)
    assert clean == text or (len(key) >= 8 and re.search(rf"(?<![\w-]){re.escape(key)}(?![\w-])", text))
    assert hide(f"x{key}x", key) == f"x{key}x"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (f"key {KEY}!", "key [key]!"),
        ("Incorrect API key provided: sk-proj-ab***********yz. Find it", "Incorrect API key provided: [key]. Find it"),
        ("authorization: bearer abcdef123456", "authorization: bearer [key]"),
        ("a key" + KEY + "0 of another", "a key" + KEY + "0 of another"),
        ("The bearer tokens are missing", "The bearer tokens are missing"),
        ("AQ.Ab8RN6Lxyz and AIzaSyA1b2C3", "[key] and [key]"),
        ("task-force and risk-free are words", "task-force and risk-free are words"),
    ],
)
def test_redaction(text: str, clean: str) -> None:
    assert redact(text, KEY) == clean


def test_a_model_that_is_not_served(httpserver: HTTPServer, open_at: Open) -> None:
    message = "models/gemini-2.5-flash-lite is not found for API version v1, or is not supported"
    httpserver.expect_request(GOOGLE.create).respond_with_json(GOOGLE.error(404, "NOT_FOUND", message), status=404)
    provider = open_at(GOOGLE, httpserver.url_for(""))
    with pytest.raises(ModelUnavailableError, match="choose another in the registry"):
        provider.submit(GOOGLE.file(provider))
