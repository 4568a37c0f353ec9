"""The object store behind an S3 API: Cloudflare R2, or any other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from grabient_assets.errors import StoreError, StoreUnusableError
from grabient_assets.store.objects import checked_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.exceptions import BotoCoreError, ClientError

T = TypeVar("T")

_MISSING = {"404", "NoSuchKey", "NotFound"}
_REFUSED_KEYS = {"401", "Unauthorized", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"}
_REFUSED = {*_REFUSED_KEYS, "403", "AccessDenied", "Forbidden", "AllAccessDisabled", "AccountProblem"}
_WRONG_CLOCK = {"RequestTimeTooSkewed", "RequestExpired"}
_LATER = {408, 425, 429}
"""Of the answers with a 4xx, those that another try may change."""


class S3Store:
    """Objects in one bucket. `client` is a boto3 S3 client; resources/objects.py makes it.

    `hide` takes keys out of what the server and boto3 say, which name tokens and addresses; their own exceptions are
    never chained to ours, for the same reason.
    """

    def __init__(self, client: Any, bucket: str, public_url: str | None, hide: Callable[[str], str]) -> None:
        self._client = client
        self._bucket = bucket
        self._public_url = public_url
        self._hide = hide
        self._bucket_is_there = False

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
            self._find_bucket(key)
            return False
        except _RefusedError:
            return self._exists_where_nothing_is_listed(key)
        return True

    def delete(self, key: str) -> None:
        checked_key(key)
        self._call(key, lambda: self._client.delete_object(Bucket=self._bucket, Key=key))

    def uri(self, key: str) -> str:
        return f"s3://{self._bucket}/{checked_key(key)}"

    def public_url(self, key: str) -> str | None:
        return f"{self._public_url}/{checked_key(key)}" if self._public_url else None

    def _find_bucket(self, key: str) -> None:
        """Raise StoreUnusableError when there is no bucket: HEAD answers 404 for that as well as for an object."""
        if self._bucket_is_there:
            return
        try:
            self._call(key, lambda: self._client.head_bucket(Bucket=self._bucket))
        except _MissingObjectError:
            raise self._no_bucket() from None
        except _RefusedError:
            pass  # a token for objects alone may not ask about the bucket
        self._bucket_is_there = True

    def _exists_where_nothing_is_listed(self, key: str) -> bool:
        """HEAD answers 403, without a reason, for a refused token, and also for an object that is not there when the
        token may not list. GET gives the reason: only a refused key is an error here. A token that may read nothing
        fails at the next `get`."""
        try:
            self._call(key, lambda: self._client.get_object(Bucket=self._bucket, Key=key, Range="bytes=0-0"))
        except _MissingObjectError:
            return False
        except _RefusedError as error:
            if error.code in _REFUSED_KEYS:
                raise
            return False
        return True

    def _call(self, key: str, call: Callable[[], T]) -> T:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return call()
        except ClientError as error:
            raise self._answered(key, error) from None
        except (BotoCoreError, RecursionError) as error:
            # boto3 follows redirections of a bucket without end; botocore wraps the error, or does not.
            if isinstance(error, RecursionError) or "maximum recursion depth" in str(error):
                raise StoreUnusableError(
                    f"R2_ENDPOINT answers with redirections for bucket {self._bucket}. Name the S3 API itself, with "
                    "https://."
                ) from None
            raise self._unanswered(key, error) from None

    def _answered(self, key: str, error: ClientError) -> StoreError:
        """What the server refused."""
        code = str(error.response.get("Error", {}).get("Code", ""))[:100]
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        where = f"object {key} in bucket {self._bucket}"
        if code in _MISSING:
            return _MissingObjectError(f"Object {key} is not in bucket {self._bucket}. Materialize what made it again.")
        if code == "NoSuchBucket":
            return self._no_bucket()
        shown = self._hide(code) or str(status)
        if code in _WRONG_CLOCK:
            return StoreUnusableError(f"R2 refuses {where} ({shown}): the clock of this machine is wrong. Set it.")
        if code in _REFUSED:
            return _RefusedError(
                f"R2 refuses this token for bucket {self._bucket} ({shown}). Check R2_ACCESS_KEY_ID and "
                "R2_SECRET_ACCESS_KEY: they are those of an R2 API token with Object Read & Write on the bucket, and "
                "R2_ENDPOINT is its account's.",
                code,
            )
        if code == "NotImplemented" or (300 <= status < 500 and status not in _LATER):
            return StoreUnusableError(
                f"R2 answered {shown} for {where}. Sending it again is useless: check R2_ENDPOINT and R2_BUCKET."
            )
        return StoreError(f"R2 answered {shown} for {where}. That may pass: run again later.")

    def _unanswered(self, key: str, error: BotoCoreError) -> StoreError:
        """No answer, or none that boto3 can read."""
        from botocore.exceptions import SSLError

        opening = f"R2 cannot be reached for object {key} in bucket {self._bucket}: {self._hide(str(error))}."
        if isinstance(error, SSLError):
            return StoreUnusableError(
                f"{opening} R2 ends the handshake for an account that does not exist: check R2_ENDPOINT."
            )
        return StoreError(f"{opening} Check the network, then run again.")

    def _no_bucket(self) -> StoreUnusableError:
        return StoreUnusableError(f"There is no bucket {self._bucket} at R2_ENDPOINT. Make it, or correct R2_BUCKET.")


class _MissingObjectError(StoreError):
    """No object lies under the key."""


class _RefusedError(StoreUnusableError):
    """The token is refused. `code` is the server's."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code
