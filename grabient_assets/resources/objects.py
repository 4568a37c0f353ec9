"""The object store as a Dagster resource: the local folder, or R2 through dagster-aws."""

from __future__ import annotations

from typing import Any

import dagster as dg

from grabient_assets.r2_settings import R2Settings
from grabient_assets.settings import Settings, load_settings
from grabient_assets.store.folder import FolderStore
from grabient_assets.store.objects import ObjectStore, check_store


class ObjectsResource(dg.ConfigurableResource):
    """Where pictures and raw batch files lie. R2 when R2_BUCKET is set, otherwise `objects/` in the data folder."""

    def open(self) -> ObjectStore:
        """The store. Nothing is contacted before it is used."""
        return open_store(load_settings())

    def open_for_sending(self) -> ObjectStore:
        """The store, once it was seen to work. Raises StoreError: without it nothing is intended and nothing sent."""
        store = self.open()
        check_store(store)
        return store


def open_store(settings: Settings) -> ObjectStore:
    """The store that the settings name."""
    if settings.r2 is None:
        return FolderStore(settings.objects_dir, shared_tables=settings.postgres is not None)
    from grabient_assets.store.s3 import S3Store

    return S3Store(_s3_client(settings.r2), settings.r2.bucket, settings.r2.public_url, settings.without_secrets)


def _s3_client(r2: R2Settings) -> Any:
    """A client for these settings alone, whatever the environment and ~/.aws say of AWS.

    dagster-aws would make it in a session of boto3 that reads them: a profile that is not there, a broken file or an
    AWS_* variable would then break explicit keys. AWS_CA_BUNDLE stands, as the proxies do: it is about the network.
    """
    import os

    from botocore.config import Config
    from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES, ConstantProvider
    from botocore.session import Session
    from dagster_aws.s3 import S3Resource

    resource = S3Resource(
        endpoint_url=r2.endpoint,
        region_name="auto",  # the one that R2 knows
        aws_access_key_id=r2.access_key_id,
        aws_secret_access_key=r2.secret_access_key,
        max_attempts=4,
    )
    deaf = {name: (None, None, *rest) for name, (_, _, *rest) in BOTOCORE_DEFAUT_SESSION_VARIABLES.items()}
    nowhere = dict.fromkeys(("config_file", "credentials_file"), (None, None, os.devnull, None))
    del deaf["ca_bundle"]
    session = Session(session_vars={**deaf, **nowhere})
    for section in ("s3", "proxies_config"):  # these variables are no session variables
        session.get_component("config_store").set_config_provider(section, ConstantProvider({}))
    return session.create_client(
        "s3",
        endpoint_url=resource.endpoint_url,
        region_name=resource.region_name,
        aws_access_key_id=resource.aws_access_key_id,
        aws_secret_access_key=resource.aws_secret_access_key,
        config=Config(
            retries={"mode": "standard", "max_attempts": resource.max_attempts},  # botocore's own, with backoff
            # R2 and others refuse the checksums that boto3 has added to everything since 1.36, as trailers.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path"},
        ),
    )
