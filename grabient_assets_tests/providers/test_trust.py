"""Which certificates the clients take: those of authorities that the machine, or the environment, trusts."""

from __future__ import annotations

import datetime
import re
import ssl
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pytest_httpserver import HTTPServer

from grabient_assets.errors import ProviderUnreachableError
from grabient_assets.providers.client import ssl_context
from grabient_assets.providers.deadlines import Timeouts
from grabient_assets_tests.providers.conftest import Open
from grabient_assets_tests.providers.faces import Face

ONCE = Timeouts(attempts=1)


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    """A process reads the authorities once; these tests change them."""
    ssl_context.cache_clear()
    yield
    ssl_context.cache_clear()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that 127.0.0.1 has signed for itself, with its key."""
    file: Path = tmp_path_factory.mktemp("trust") / "authority.pem"
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "provider.example")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    shape = serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(serialization.Encoding.PEM, shape, serialization.NoEncryption())
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + secret)
    return file


@pytest.fixture
def secure(authority: Path, face: Face) -> Iterator[HTTPServer]:
    """A provider behind TLS that says of every batch that it runs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    with HTTPServer(host="127.0.0.1", ssl_context=context) as server:
        server.expect_request(re.compile(".*")).respond_with_json(face.body())
        yield server


def test_a_stranger_is_not_believed(secure: HTTPServer, face: Face, open_at: Open):
    with pytest.raises(ProviderUnreachableError, match="certificate verify failed"):
        open_at(face, secure.url_for(""), ONCE).poll(face.batch)
    assert secure.log == []


def test_an_authority_of_the_environment_is_believed(
    secure: HTTPServer, face: Face, open_at: Open, authority: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    assert open_at(face, secure.url_for(""), ONCE).poll(face.batch).state == "running"


def test_the_authorities_are_read_once_for_all_providers(face: Face, open_at: Open):
    before = ssl_context.cache_info().misses
    for _ in range(2):
        open_at(face, "https://provider.example")
    assert ssl_context.cache_info().misses == before + 1
