"""The object store as a Dagster resource: the local folder, or R2 through dagster-aws."""

from __future__ import annotations

import dagster as dg

from grabient_assets.settings import Settings, load_settings
from grabient_assets.store.folder import FolderStore
from grabient_assets.store.objects import ObjectStore


class ObjectsResource(dg.ConfigurableResource):
    """Where pictures and raw batch files lie. R2 when R2_BUCKET is set, otherwise `objects/` in the data folder."""

    def open(self) -> ObjectStore:
        """The store. Nothing is contacted before it is used."""
        return open_store(load_settings())


def open_store(settings: Settings) -> ObjectStore:
    """The store that the settings name."""
    if settings.r2 is None:
        return FolderStore(settings.objects_dir)
    from dagster_aws.s3 import S3Resource

    from grabient_assets.store.s3 import S3Store

    # R2 knows one region, "auto". Attempts are botocore's own, with backoff.
    s3 = S3Resource(
        endpoint_url=settings.r2.endpoint,
        region_name="auto",
        aws_access_key_id=settings.r2.access_key_id,
        aws_secret_access_key=settings.r2.secret_access_key,
        max_attempts=4,
    )
    return S3Store(s3.get_client(), settings.r2.bucket, settings.r2.public_url, settings.without_secrets)
