"""Objects behind an S3 API: the real client against moto's server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES, DEFAULT_S3_CONFIG_VARS
from moto.server import ThreadedMotoServer
from pytest_httpserver import HTTPServer
from pytest_httpserver.httpserver import METHOD_ALL
from werkzeug import Request, Response

from grabient_assets.errors import StoreError, StoreUnusableError
from grabient_assets.resources.objects import open_store
from grabient_assets.settings import load_settings
from grabient_assets.store.objects import ObjectStore, check_store
from grabient_assets.store.s3 import S3Store


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="id", aws_secret_access_key="secret"
    ).create_bucket(Bucket="pictures")
    yield url
    server.stop()


def store(endpoint: str, **more: str) -> ObjectStore:
    r2 = {
        "R2_BUCKET": "pictures",
        "R2_ENDPOINT": endpoint,
        "R2_ACCESS_KEY_ID": "id-4711",
        "R2_SECRET_ACCESS_KEY": "secret-4712",
    }
    return open_store(load_settings({**r2, **more}))


def test_put_get_exists(endpoint: str) -> None:
    found = store(endpoint)
    assert isinstance(found, S3Store) and found.name == "s3:pictures"
    assert not found.exists("images/a.png")
    found.put("images/a.png", b"one", "image/png")
    found.put("images/a.png", b"two \x00\xff", "image/png")
    assert found.get("images/a.png") == b"two \x00\xff" and found.exists("images/a.png")
    client: Any = boto3.client(
        "s3", endpoint_url=endpoint, region_name="auto", aws_access_key_id="id", aws_secret_access_key="secret"
    )
    assert client.head_object(Bucket="pictures", Key="images/a.png")["ContentType"] == "image/png"


def test_public_addresses(endpoint: str) -> None:
    assert store(endpoint).public_url("images/a.png") is None
    public = store(endpoint, R2_PUBLIC_URL="https://images.example/p/")
    assert public.public_url("images/a.png") == "https://images.example/p/images/a.png"


def test_a_missing_object(endpoint: str) -> None:
    with pytest.raises(StoreError, match=r"Object images/no.png is not in bucket pictures\. Materialize"):
        store(endpoint).get("images/no.png")


def test_a_missing_bucket(endpoint: str) -> None:
    lost = store(endpoint, R2_BUCKET="lost")
    for call in (lambda: lost.put("a", b"x", "text/plain"), lambda: lost.get("a")):
        with pytest.raises(StoreError, match=r"There is no bucket lost at R2_ENDPOINT\. Make it, or correct"):
            call()


def test_bad_keys_are_never_sent() -> None:
    nowhere = store("http://127.0.0.1:9")
    for call in (
        lambda: nowhere.put("../a", b"x", "text/plain"),
        lambda: nowhere.get("../a"),
        lambda: nowhere.exists("../a"),
    ):
        with pytest.raises(StoreError, match="is not allowed"):
            call()


def test_nobody_there() -> None:
    with pytest.raises(StoreError, match="R2 cannot be reached for object a in bucket pictures"):
        store("http://127.0.0.1:9").get("a")


def answering(server: HTTPServer, status: int, code: str | None, method: str = "", uri: str | None = None) -> None:
    """Whatever is asked, this is the answer; HEAD has no body, and so no code."""

    def handle(request: Request) -> Response:
        body = "" if code is None or request.method == "HEAD" else f"<Error><Code>{code}</Code></Error>"
        return Response(body, status, content_type="application/xml")

    chosen = server.expect_request(uri or re.compile(".*"), method=method or METHOD_ALL)
    chosen.respond_with_handler(handle)


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        (403, "AccessDenied", r"refuses this token for bucket pictures \(AccessDenied\)\. Check R2_ACCESS_KEY_ID"),
        (403, "InvalidAccessKeyId", r"refuses this token .* \(InvalidAccessKeyId\)"),
        (403, "SignatureDoesNotMatch", r"refuses this token .* \(SignatureDoesNotMatch\)"),
        (401, "Unauthorized", r"refuses this token .* \(Unauthorized\)"),
        (403, "RequestTimeTooSkewed", "the clock of this machine is wrong"),
        (404, "NoSuchBucket", "There is no bucket pictures at R2_ENDPOINT"),
        (501, "NotImplemented", "R2 answered NotImplemented .* useless: check R2_ENDPOINT"),
        (400, "InvalidArgument", "R2 answered InvalidArgument .* useless"),
        (301, "PermanentRedirect", "R2_ENDPOINT answers with redirections"),
    ],
)
def test_what_another_try_cannot_change_is_told_from_the_rest(
    status: int, code: str, says: str, httpserver: HTTPServer
) -> None:
    answering(httpserver, status, code)
    found = store(httpserver.url_for("/"))
    for call in (lambda: check_store(found), lambda: found.get("a")):
        with pytest.raises(StoreUnusableError, match=says):
            call()


@pytest.mark.parametrize("status", [400, 402, 404, 413])
def test_an_answer_without_a_code_is_named_by_its_status(status: int, httpserver: HTTPServer) -> None:
    page = httpserver.expect_request(re.compile(".*"))
    page.respond_with_data("<html>no</html>", status, content_type="text/html")
    with pytest.raises(StoreUnusableError, match=f"R2 answered {status} for object palettes/store-check.txt"):
        check_store(store(httpserver.url_for("/")))


def test_what_another_try_may_change(httpserver: HTTPServer) -> None:
    answering(httpserver, 503, "SlowDown")
    with pytest.raises(StoreError, match=r"R2 answered SlowDown for object a .*\. That may pass: run") as caught:
        S3Store(quick_client(httpserver), "pictures", None, str).get("a")
    assert not isinstance(caught.value, StoreUnusableError)


def quick_client(server: HTTPServer) -> Any:
    """Without the pauses between attempts."""
    return boto3.client(
        "s3",
        endpoint_url=server.url_for("/"),
        region_name="auto",
        aws_access_key_id="id",
        aws_secret_access_key="secret",
        config=Config(retries={"max_attempts": 0}),
    )


def test_a_store_that_answers_with_something_else_is_unusable(httpserver: HTTPServer) -> None:
    httpserver.expect_request(re.compile(".*"), method="PUT").respond_with_data("")
    httpserver.expect_request(re.compile(".*"), method="GET").respond_with_data("what was there yesterday")
    with pytest.raises(StoreUnusableError, match="answers with other bytes than were written to palettes/store-check"):
        check_store(store(httpserver.url_for("/")))


def test_a_store_that_works_is_checked_with_an_object_below_each_prefix(endpoint: str) -> None:
    found = store(endpoint)
    check_store(found)
    assert all(found.exists(f"{prefix}/store-check.txt") for prefix in ("palettes", "batches", "exports"))


@pytest.mark.parametrize(
    ("answer", "there"), [((404, "NoSuchKey"), False), ((403, "AccessDenied"), False), ((206, None), True)]
)
def test_a_token_that_may_not_list_is_answered_with_403_for_what_is_not_there(
    answer: tuple[int, str | None], there: bool, httpserver: HTTPServer
) -> None:
    answering(httpserver, 403, None, "HEAD")
    answering(httpserver, *answer, "GET")
    assert store(httpserver.url_for("/")).exists("a") is there


def test_a_refused_key_is_no_missing_object(httpserver: HTTPServer) -> None:
    answering(httpserver, 403, None, "HEAD")
    answering(httpserver, 403, "SignatureDoesNotMatch", "GET")
    with pytest.raises(StoreUnusableError, match="SignatureDoesNotMatch"):
        store(httpserver.url_for("/")).exists("a")


def test_whether_something_exists_in_a_missing_bucket_is_an_error(endpoint: str) -> None:
    with pytest.raises(StoreUnusableError, match="There is no bucket lost"):
        store(endpoint, R2_BUCKET="lost").exists("a")


def test_a_bucket_that_may_not_be_asked_about_is_there(httpserver: HTTPServer) -> None:
    answering(httpserver, 403, None, "HEAD", "/pictures")
    answering(httpserver, 404, None, "HEAD", "/pictures/a")
    found = store(httpserver.url_for("/"))
    assert not found.exists("a") and not found.exists("a")
    assert [request.path for request, _ in httpserver.log] == ["/pictures/a", "/pictures", "/pictures/a"]


def test_no_checksum_is_added_as_a_trailer(httpserver: HTTPServer) -> None:
    """Servers that do not know trailers store the checksum as a part of the object, or refuse it."""
    httpserver.expect_request(re.compile(".*"), method="PUT").respond_with_data("")
    httpserver.expect_request(re.compile(".*"), method="GET").respond_with_data(
        "data", headers={"x-amz-checksum-crc32": "AAAAAA=="}
    )
    found = store(httpserver.url_for("/"))
    found.put("a", b"data", "text/plain")
    sent = httpserver.log[0][0]
    assert sent.get_data() == b"data"
    assert [name for name in dict(sent.headers) if re.search("trailer|checksum|decoded", name, re.IGNORECASE)] == []
    assert "aws-chunked" not in sent.headers.get("Content-Encoding", "")
    assert found.get("a") == b"data", "a checksum that a server made up is not looked at"


def test_nothing_that_the_environment_says_of_aws_matters(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "config"
    broken.write_text("[no end\nprofile = \x00 = [\n")
    (tmp_path / ".aws").mkdir()
    for name in ("config", "credentials"):
        (tmp_path / ".aws" / name).write_bytes(broken.read_bytes())
    monkeypatch.setenv("HOME", str(tmp_path))
    for _, names, *_ in BOTOCORE_DEFAUT_SESSION_VARIABLES.values():
        for name in [names] if isinstance(names, str) else names or []:
            if name != "AWS_CA_BUNDLE":
                monkeypatch.setenv(name, str(broken) if "FILE" in name else "nonsense")
    for _, name, *_ in DEFAULT_S3_CONFIG_VARS.values():
        if isinstance(name, str):
            monkeypatch.setenv(name, "nonsense")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_REGION"):
        monkeypatch.setenv(name, "nonsense")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    check_store(store(endpoint))
    client = getattr(store(endpoint), "_client")  # noqa: B009 - what it signs with is nowhere else to be seen
    credentials = client._request_signer._credentials
    assert (credentials.access_key, credentials.secret_key, credentials.token) == ("id-4711", "secret-4712", None)
    assert client.meta.region_name == "auto" and client.meta.endpoint_url == endpoint


def test_a_token_in_an_address_or_in_an_answer_is_not_repeated() -> None:
    token = {"R2_ACCESS_KEY_ID": "an-id-of-a-token", "R2_SECRET_ACCESS_KEY": "the-secret-of-a-token"}
    found = store("http://127.0.0.1:1/the-secret-of-a-token", **token)
    with pytest.raises(StoreError) as caught:
        found.get("a")
    assert "R2 cannot be reached" in str(caught.value) and "(hidden)" in str(caught.value)
    assert not any(word in str(caught.value) for word in token.values())
    assert caught.value.__cause__ is None and caught.value.__suppress_context__, "a log of the run shows no cause"
