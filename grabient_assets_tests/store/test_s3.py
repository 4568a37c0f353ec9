"""Objects behind an S3 API: the real client against moto's server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from grabient_assets.errors import StoreError
from grabient_assets.resources.objects import open_store
from grabient_assets.settings import load_settings
from grabient_assets.store.objects import ObjectStore
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
        "R2_ACCESS_KEY_ID": "id",
        "R2_SECRET_ACCESS_KEY": "secret",
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


class Refusing:
    """A client whose every call ends with the code."""

    def __init__(self, code: str) -> None:
        self.code = code

    def get_object(self, **_: str) -> None:
        raise ClientError({"Error": {"Code": self.code, "Message": "no"}}, "GetObject")


@pytest.mark.parametrize("code", ["403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"])
def test_a_refused_token(code: str) -> None:
    with pytest.raises(StoreError, match=rf"refuses this token for bucket b \({code}\)\. Check R2_ACCESS_KEY_ID"):
        S3Store(Refusing(code), "b", None, str).get("a")


def test_any_other_answer_is_named() -> None:
    with pytest.raises(StoreError, match="R2 answered SlowDown for object a in bucket b"):
        S3Store(Refusing("SlowDown"), "b", None, str).get("a")


def test_a_token_in_an_address_or_in_an_answer_is_not_repeated() -> None:
    token = {"R2_ACCESS_KEY_ID": "an-id-of-a-token", "R2_SECRET_ACCESS_KEY": "the-secret-of-a-token"}
    found = store("http://somebody:a-password@127.0.0.1:1/the-secret-of-a-token", **token)
    with pytest.raises(StoreError) as caught:
        found.get("a")
    assert "R2 cannot be reached" in str(caught.value) and "(hidden)" in str(caught.value)
    assert not any(word in str(caught.value) for word in ("somebody", "a-password", *token.values()))
    assert caught.value.__cause__ is None and caught.value.__suppress_context__, "a log of the run shows no cause"
