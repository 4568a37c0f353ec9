"""Fetching pages: over real sockets, from a server of this machine that stands for the internet."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from grabient_assets.sources.pages import MOST_BYTES, MOST_REDIRECTS, Fetched, PageFetcher
from grabient_assets.sources.problem import SourceProblem
from grabient_assets_tests.ports import closed_port
from grabient_assets_tests.sources.local_network import OTHER_PUBLIC, PUBLIC, LocalNetwork, names

HOST = "http://pages.example"
KNOWN = {"pages.example": [PUBLIC], "inside.example": ["10.0.0.1"], "half.example": [PUBLIC, "10.0.0.1"]}


@pytest.fixture
def network(httpserver: HTTPServer) -> LocalNetwork:
    return LocalNetwork(httpserver.port)


@pytest.fixture
def fetcher(network: LocalNetwork) -> PageFetcher:
    return PageFetcher(resolve=names(KNOWN), network=network)


def problem(fetcher: PageFetcher, url: str) -> SourceProblem:
    with pytest.raises(SourceProblem) as raised:
        fetcher.fetch(url)
    assert str(raised.value) == raised.value.sentence
    return raised.value


def test_a_page_comes_with_its_type_and_what_tells_its_version(fetcher: PageFetcher, httpserver: HTTPServer):
    tags = {"ETag": '"v1"', "Last-Modified": "Mon, 30 Nov 2026 08:00:00 GMT"}
    httpserver.expect_request("/a", query_string="b=1").respond_with_data("hé", 200, tags, "text/html")
    assert fetcher.fetch(f"{HOST}/a?b=1") == Fetched(
        body="hé".encode(),
        media_type="text/html; charset=utf-8",
        etag='"v1"',
        last_modified="Mon, 30 Nov 2026 08:00:00 GMT",
        final_url=f"{HOST}/a?b=1",
    )
    sent = httpserver.log[0][0].headers
    assert sent["Host"] == "pages.example"
    assert {"Cookie", "Authorization", "If-None-Match", "If-Modified-Since"}.isdisjoint(sent.keys())


def test_an_unchanged_page_is_not_sent_again(fetcher: PageFetcher, httpserver: HTTPServer):
    def answer(request: Request) -> Response:
        known = request.headers.get("If-None-Match") == '"v1"' or "If-Modified-Since" in request.headers
        return Response(b"" if known else b"text", 304 if known else 200, {"ETag": '"v1"'}, content_type="text/plain")

    httpserver.expect_request("/a").respond_with_handler(answer)
    first = fetcher.fetch(f"{HOST}/a")
    assert (first.body, first.unchanged) == (b"text", False)
    for again in (fetcher.fetch(f"{HOST}/a", etag=first.etag), fetcher.fetch(f"{HOST}/a", last_modified="Mon")):
        assert (again.body, again.unchanged, again.etag) == (b"", True, '"v1"')
    assert fetcher.fetch(f"{HOST}/a", etag='"other"').body == b"text"


@pytest.mark.parametrize(
    ("status", "headers", "error_class", "permanent", "retry_after"),
    [
        (429, {"Retry-After": "7"}, "blocked", False, 7.0),
        (429, {}, "blocked", False, None),
        (500, {}, "http_5xx", False, None),
        (503, {"Retry-After": "120"}, "http_5xx", False, 120.0),
        (503, {"Retry-After": "Mon, 30 Nov 2026 08:00:00 GMT"}, "http_5xx", False, None),
        (404, {}, "not_found", True, None),
        (410, {}, "not_found", True, None),
        (401, {}, "refused", True, None),
        (403, {"Retry-After": "7"}, "refused", True, None),
        (418, {}, "refused", True, None),
        (204, {}, "refused", True, None),
        (304, {}, "refused", True, None),
        (302, {}, "refused", True, None),
    ],
)
def test_every_status_has_its_class(
    fetcher: PageFetcher,
    httpserver: HTTPServer,
    status: int,
    headers: dict[str, str],
    error_class: str,
    permanent: bool,
    retry_after: float | None,
):
    httpserver.expect_request("/a").respond_with_data("no", status, headers, content_type="text/html")
    found = problem(fetcher, f"{HOST}/a")
    assert (found.error_class, found.permanent, found.retry_after) == (error_class, permanent, retry_after)
    assert f"{HOST}/a answered {status}" in found.sentence


@pytest.mark.parametrize("host", ["inside.example", "half.example"])
def test_a_name_with_any_private_address_is_not_connected_to(
    fetcher: PageFetcher, network: LocalNetwork, httpserver: HTTPServer, host: str
):
    found = problem(fetcher, f"http://{host}/a")
    assert (found.error_class, found.permanent) == ("private_address", True)
    assert "10.0.0.1" in found.sentence
    assert (network.connected, httpserver.log) == ([], [])


def test_the_connection_goes_to_the_address_that_was_checked(network: LocalNetwork, httpserver: HTTPServer):
    httpserver.expect_request("/a").respond_with_data("text", content_type="text/plain")
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return [PUBLIC] if len(asked) == 1 else ["10.0.0.1"]

    fetcher = PageFetcher(resolve=rebinding, network=network)
    assert fetcher.fetch(f"{HOST}/a").body == b"text"
    assert (asked, network.connected) == (["pages.example"], [PUBLIC])
    assert problem(fetcher, f"{HOST}/a").error_class == "private_address"
    assert network.connected == [PUBLIC]


def test_the_next_checked_address_is_tried_when_one_does_not_answer(httpserver: HTTPServer):
    httpserver.expect_request("/a").respond_with_data("text", content_type="text/plain")
    network = LocalNetwork(httpserver.port, unreachable=[OTHER_PUBLIC])
    resolve = names({"pages.example": [OTHER_PUBLIC, PUBLIC], "down.example": [OTHER_PUBLIC], "none.example": []})
    fetcher = PageFetcher(resolve=resolve, network=network)
    assert fetcher.fetch(f"{HOST}/a").body == b"text"
    assert network.connected == [OTHER_PUBLIC, PUBLIC]
    for host in ("down.example", "none.example", "unknown.example"):
        found = problem(fetcher, f"http://{host}/a")
        assert (found.error_class, found.permanent) == ("network", False)


def test_redirects_are_followed_within_limits(fetcher: PageFetcher, httpserver: HTTPServer):
    for step in range(10):
        httpserver.expect_request(f"/r{step}").respond_with_data(
            "", 302, {"Location": f"/r{step - 1}#x", "Set-Cookie": "a=b"}
        )
    httpserver.expect_request("/end").respond_with_data("text", content_type="text/plain")
    httpserver.expect_request("/r-1").respond_with_data("", 301, {"Location": f"{HOST}/end"})
    found = fetcher.fetch(f"{HOST}/r{MOST_REDIRECTS - 2}")
    assert (found.body, found.final_url) == (b"text", f"{HOST}/end")
    assert len(httpserver.log) == MOST_REDIRECTS + 1
    assert all("Cookie" not in request.headers for request, _ in httpserver.log)
    assert problem(fetcher, f"{HOST}/r{MOST_REDIRECTS - 1}").error_class == "too_many_redirects"


@pytest.mark.parametrize(
    ("location", "error_class"),
    [
        ("http://10.0.0.1/", "private_address"),
        ("http://127.0.0.1:{port}/", "private_address"),
        ("http://[::1]:{port}/", "private_address"),
        ("//localhost:{port}/", "private_address"),
        ("http://2130706433:{port}/", "private_address"),
        ("http://inside.example/", "private_address"),
        ("http://half.example/", "private_address"),
        ("file:///etc/passwd", "refused"),
        ("ftp://pages.example/", "refused"),
        ("http://user:secret@pages.example/", "refused"),
    ],
)
def test_a_redirect_to_what_is_never_fetched_is_refused(
    fetcher: PageFetcher, network: LocalNetwork, httpserver: HTTPServer, location: str, error_class: str
):
    target = location.format(port=httpserver.port)
    httpserver.expect_request("/a").respond_with_data("", 302, {"Location": target})
    assert problem(fetcher, f"{HOST}/a").error_class == error_class
    assert network.connected == [PUBLIC]
    assert len(httpserver.log) == 1


def test_only_kinds_with_text_are_taken(fetcher: PageFetcher, httpserver: HTTPServer):
    for path, kind in (("/a.png", "image/png"), ("/a.zip", "application/zip"), ("/a", "application/octet-stream")):
        httpserver.expect_request(path).respond_with_data("data", content_type=kind)
        found = problem(fetcher, f"{HOST}{path}")
        assert found.error_class == "wrong_type"
        assert kind in found.sentence
    for path, kind in (("/a.vtt", "text/vtt"), ("/b.srt", "application/x-subrip"), ("/c.pdf", "application/pdf")):
        httpserver.expect_request(path).respond_with_data("data", content_type=kind)
        assert fetcher.fetch(f"{HOST}{path}").media_type == kind


def test_a_page_above_ten_megabytes_is_not_kept(fetcher: PageFetcher, httpserver: HTTPServer):
    def stream(request: Request) -> Response:
        count = int(request.args["mb"])
        return Response((b"a" * 10**6 for _ in range(count)), content_type="text/plain")

    httpserver.expect_request("/stream").respond_with_handler(stream)
    httpserver.expect_request("/named").respond_with_data(b"a" * (MOST_BYTES + 1), content_type="text/plain")
    bomb = gzip.compress(b"a" * (MOST_BYTES + 1))
    httpserver.expect_request("/bomb").respond_with_data(
        bomb, 200, {"Content-Encoding": "gzip"}, content_type="text/plain"
    )
    assert len(fetcher.fetch(f"{HOST}/stream?mb=10").body) == MOST_BYTES
    for path in ("/stream?mb=11", "/named", "/bomb"):
        found = problem(fetcher, f"{HOST}{path}")
        assert (found.error_class, found.permanent) == ("too_large", True)


def test_packed_pages_are_unpacked_once(fetcher: PageFetcher, httpserver: HTTPServer):
    good, broken, twice = gzip.compress(b"text"), b"no gzip", gzip.compress(gzip.compress(b"text"))
    for path, body, packed in (
        ("/g", good, "gzip"),
        ("/b", broken, "gzip"),
        ("/t", twice, "gzip, gzip"),
        ("/br", b"", "br"),
    ):
        httpserver.expect_request(path).respond_with_data(
            body, 200, {"Content-Encoding": packed}, content_type="text/plain"
        )
    httpserver.expect_request("/d").respond_with_data(
        zlib.compress(b"text"), 200, {"Content-Encoding": "deflate"}, content_type="text/plain"
    )
    assert [fetcher.fetch(f"{HOST}{path}").body for path in ("/g", "/d")] == [b"text", b"text"]
    assert problem(fetcher, f"{HOST}/b").error_class == "broken"
    assert {problem(fetcher, f"{HOST}{path}").error_class for path in ("/t", "/br")} == {"wrong_type"}


def test_an_empty_page_is_tried_again(fetcher: PageFetcher, httpserver: HTTPServer):
    httpserver.expect_request("/a").respond_with_data("", content_type="text/html")
    found = problem(fetcher, f"{HOST}/a")
    assert (found.error_class, found.permanent) == ("empty_body", False)


@contextmanager
def raw_server(answer: bytes, stays: bool = True) -> Iterator[int]:
    """A server that sends these bytes to who connects first, then drops it, or says nothing until the test is over."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            listening.settimeout(10)
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                connection.recv(4096)
                connection.sendall(answer)
                if stays:
                    over.wait(10)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            over.set()
            thread.join()


class JumpingClock:
    """Seconds that pass with each look at it, not with real time."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\nsome",
    ],
)
def test_thirty_seconds_are_for_everything(answer: bytes):
    """At each look 5.9 seconds are gone: the first wait for bytes has half a second left, and ends after it."""
    with raw_server(answer) as port:
        fetcher = PageFetcher(resolve=names(KNOWN), network=LocalNetwork(port), clock=JumpingClock(5.9))
        found = problem(fetcher, f"{HOST}/a")
    assert (found.error_class, found.permanent) == ("timeout", False)


def test_a_connection_that_drops_is_tried_again():
    half = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\nsome"
    with raw_server(half, stays=False) as port:
        fetcher = PageFetcher(resolve=names(KNOWN), network=LocalNetwork(port))
        assert problem(fetcher, f"{HOST}/a").error_class == "network"
    assert problem(PageFetcher(emulator=f"http://127.0.0.1:{closed_port()}"), f"{HOST}/a").error_class == "network"


def test_an_answer_that_is_no_http_or_leads_nowhere_has_a_class():
    for answer, error_class in (
        (b"HTTP/1.1 302 Found\r\nLocation: http://[broken/\r\nContent-Length: 0\r\n\r\n", "network"),
        (b"SSH-2.0-OpenSSH\r\n", "network"),
    ):
        with raw_server(answer, stays=False) as port:
            fetcher = PageFetcher(resolve=names(KNOWN), network=LocalNetwork(port))
            assert problem(fetcher, f"{HOST}/a").error_class == error_class


def test_tls_verifies_the_name_and_not_the_address(tmp_path: Path):
    certificate, key = certificate_for("pages.example", tmp_path)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate, key)
    trusting = ssl.create_default_context(cafile=str(certificate))
    with HTTPServer(ssl_context=serving) as server:
        server.expect_request("/a").respond_with_data("text", content_type="text/plain")
        known = {"pages.example": [PUBLIC], "other.example": [PUBLIC]}
        network = LocalNetwork(server.port)
        fetcher = PageFetcher(resolve=names(known), network=network, tls=trusting)
        assert fetcher.fetch("https://pages.example/a").body == b"text"
        other = problem(fetcher, "https://other.example/a")
        assert "certificate" in other.sentence.lower()
        stranger = PageFetcher(resolve=names(known), network=network)
        assert "certificate" in problem(stranger, "https://pages.example/a").sentence.lower()
        assert len(server.log) == 1


def certificate_for(name: str, folder: Path) -> tuple[Path, Path]:
    """Certificate and key of a host, signed by itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "certificate.pem", folder / "key.pem"
    certificate_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_file, key_file


def test_with_the_emulator_nothing_leaves_the_machine(httpserver: HTTPServer):
    def never(host: str, port: int) -> list[str]:
        raise AssertionError(f"{host} was resolved")

    base = httpserver.url_for("").rstrip("/")
    fetcher = PageFetcher(resolve=never, emulator=base)
    for path in ("/web/pages.example/a", "/web/own"):
        httpserver.expect_request(path).respond_with_data(path, content_type="text/plain")
    moves = {
        "/web/pages.example/near": "/a",
        "/web/pages.example/far": "https://pages.example/a",
        "/web/pages.example/own": f"{base}/web/own",
        "/web/pages.example/rooted": "/web/own",
        "/web/pages.example/private": "http://10.0.0.1/",
        "/web/pages.example/loopback": f"{base}/_emulator/calls",
        "/web/pages.example/named": "https://a.private.example/",
    }
    for path, target in moves.items():
        httpserver.expect_request(path).respond_with_data("", 302, {"Location": target})

    found = fetcher.fetch("https://pages.example/a?x=1")
    assert (found.body, found.final_url) == (b"/web/pages.example/a", "https://pages.example/a?x=1")
    assert httpserver.log[-1][0].query_string == b"x=1"
    assert fetcher.fetch(f"{base}/web/own").body == b"/web/own"
    assert fetcher.fetch("https://pages.example/near").final_url == "https://pages.example/a"
    assert fetcher.fetch("https://pages.example/far").final_url == "https://pages.example/a"
    assert fetcher.fetch("https://pages.example/own").body == b"/web/own"
    assert fetcher.fetch("https://pages.example/rooted").body == b"/web/own"
    for path in ("private", "loopback", "named"):
        assert problem(fetcher, f"https://pages.example/{path}").error_class == "private_address"
    for url in ("http://10.0.0.1/", f"{base}/other", "https://x.private.example/a"):
        before = len(httpserver.log)
        assert problem(fetcher, url).error_class == "private_address"
        assert len(httpserver.log) == before


def test_without_the_emulator_its_address_is_a_private_one(fetcher: PageFetcher, httpserver: HTTPServer):
    assert problem(fetcher, httpserver.url_for("/web/own")).error_class == "private_address"
    assert httpserver.log == []
