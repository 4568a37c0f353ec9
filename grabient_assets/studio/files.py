"""Stored images, as the object store holds them."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from grabient_assets.errors import StoreError
from grabient_assets.studio.pages import Routes, Studio

TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}
"""What is served, by the ending of its key. HTML and SVG are not: they could hold a program."""


async def stored_image(request: Request) -> Response:
    """The image under the key, with the type that its ending says, whatever its bytes are."""
    key = request.path_params["key"]
    kind = next((kind for ending, kind in TYPES.items() if key.endswith(ending)), None)
    if kind is None:
        raise HTTPException(404)
    studio: Studio = request.app.state.studio
    try:
        data = await run_in_threadpool(_read, studio, key)
    except StoreError as error:
        raise HTTPException(404) from error
    return Response(data, media_type=kind, headers={"Cache-Control": "private, max-age=31536000, immutable"})


def _read(studio: Studio, key: str) -> bytes:
    from grabient_assets.resources.objects import open_store
    from grabient_assets.store.objects import checked_key

    return open_store(studio.settings).get(checked_key(key))


ROUTES: Routes = [Route("/files/{key:path}", stored_image, methods=["GET"])]
