"""The object store behind an S3 API: Cloudflare R2, or any other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from grabient_assets.errors import StoreError
from grabient_assets.store.objects import checked_key

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class S3Store:
    """Objects in one bucket. `client` is a boto3 S3 client; dagster-aws makes it (resources/objects.py).

    `hide` takes keys out of what the server and boto3 say, which name tokens and addresses; their own exceptions are
    never chained to ours, for the same reason.
    """

    def __init__(self, client: Any, bucket: str, public_url: str | None, hide: Callable[[str], str]) -> None:
        self._client = client
        self._bucket = bucket
        self._public_url = public_url
        self._hide = hide

    @property
    def name(self) -> str:
        return f"s3:{self._bucket}"

    def put(self, key: str, data: bytes, content_type: str) -> None:
        checked_key(key)
        self._call(
            key, lambda: self._client.put_object(Bucket=self._bucket, Key=key, Body=data, ContentType=content_type)
        )

    def get(self, key: str) -> bytes:
        checked_key(key)
        return self._call(key, lambda: self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read())

    def exists(self, key: str) -> bool:
        checked_key(key)
        try:
            self._call(key, lambda: self._client.head_object(Bucket=self._bucket, Key=key))
        except _MissingObjectError:
            return False
        return True

    def uri(self, key: str) -> str:
        return f"s3://{self._bucket}/{checked_key(key)}"

    def public_url(self, key: str) -> str | None:
        return f"{self._public_url}/{checked_key(key)}" if self._public_url else None

    def _call(self, key: str, call: Callable[[], T]) -> T:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return call()
        except ClientError as error:
            code = self._hide(str(error.response.get("Error", {}).get("Code", "")))[:100]
            if code in {"404", "NoSuchKey", "NotFound"}:
                raise _MissingObjectError(
                    f"Object {key} is not in bucket {self._bucket}. Materialize what made it again."
                ) from None
            if code == "NoSuchBucket":
                raise StoreError(
                    f"There is no bucket {self._bucket} at R2_ENDPOINT. Make it, or correct R2_BUCKET."
                ) from None
            if code in {"403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"}:
                raise StoreError(
                    f"R2 refuses this token for bucket {self._bucket} ({code}). Check R2_ACCESS_KEY_ID and "
                    "R2_SECRET_ACCESS_KEY; the token needs Object Read & Write on the bucket."
                ) from None
            raise StoreError(f"R2 answered {code} for object {key} in bucket {self._bucket}.") from None
        except BotoCoreError as error:
            raise StoreError(
                f"R2 cannot be reached for object {key} in bucket {self._bucket}: {self._hide(str(error))}."
            ) from None


class _MissingObjectError(StoreError):
    """No object lies under the key."""
