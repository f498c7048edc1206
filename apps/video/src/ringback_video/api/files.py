"""Photos and videos: those that come in, and the way to those that are there."""

from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, UploadFile
from fastapi.responses import FileResponse, RedirectResponse

from ringback_video.api.described import LINK, content, problems
from ringback_video.api.shapes import Uploaded
from ringback_video.photos import MOST_BYTES, PhotoRefused, prepare
from ringback_video.problems import Problem
from ringback_video.settings import PHOTOS
from ringback_video.storage import FolderStorage, Storage, StorageUnavailable
from ringback_video.studio import Studio

_BYTES = {"type": "string", "format": "binary"}
_UPLOAD = {"requestBody": {"content": {"multipart/form-data": {"example": {"photo": "a JPEG, PNG or WebP"}}}}}
_JPEG = content("image/jpeg", _BYTES, "the photo")
_FILE = content("video/mp4", _BYTES, "the video")


def routes(studio: Studio, known: Any) -> APIRouter:
    """Return the routes; `known` finds out who asks."""
    router = APIRouter(tags=["files"])

    @router.post(
        "/api/uploads", status_code=201, dependencies=[known], responses=problems(401, 422), openapi_extra=_UPLOAD
    )
    def upload(photo: Annotated[UploadFile, File()]) -> Uploaded:
        """Keep a photo; the answer has the address to order with."""
        data = photo.file.read(MOST_BYTES + 1)
        try:
            prepared = prepare(data, "The photo")
        except PhotoRefused as error:
            raise Problem(422, "Photo refused", str(error), "photo") from error
        with NamedTemporaryFile(suffix=".jpg") as file:
            file.write(prepared)
            file.flush()
            name = studio.uploads.keep(Path(file.name), ".jpg", "image/jpeg")
        return Uploaded(url=f"{studio.settings.public_url}/uploads/{name}")

    @router.head("/uploads/{name}", include_in_schema=False)
    @router.get("/uploads/{name}", response_class=RedirectResponse, responses=LINK | problems(404, 422, 503))
    def get_upload(name: str) -> RedirectResponse:
        """An uploaded photo: leads to a link that is good for ten minutes."""
        return _link(studio.uploads, name, "image/jpeg")

    @router.get("/photos/{name}", response_class=FileResponse, responses=_JPEG | problems(404, 422))
    def get_photo(name: str) -> FileResponse:
        """A sample photo."""
        samples = {path.name: path for path in PHOTOS.glob("*.jpg")}
        return _file(samples.get(name), "image/jpeg")

    @router.head("/videos/{name}", include_in_schema=False)
    @router.get("/videos/{name}", response_class=RedirectResponse, responses=LINK | problems(404, 422, 503))
    def get_video(name: str) -> RedirectResponse:
        """A finished video: leads to a link that is good for ten minutes."""
        return _link(studio.videos, name, "video/mp4")

    @router.head("/files/{kind}/{name}", include_in_schema=False)
    @router.get("/files/{kind}/{name}", response_class=FileResponse, responses=_FILE | problems(404, 422))
    def get_file(kind: Literal["uploads", "videos"], name: str, until: int, signature: str) -> FileResponse:
        """A file in our own folder, for whoever has a link; ranges are served, so that players can seek."""
        storage = studio.uploads if kind == "uploads" else studio.videos
        if not isinstance(storage, FolderStorage):
            raise Problem(404, "Not found", "There is no such file.")
        return _file(storage.served(name, until, signature), "image/jpeg" if kind == "uploads" else "video/mp4")

    return router


def _file(path: Path | None, media_type: str) -> FileResponse:
    if path is None:
        raise Problem(404, "Not found", "There is no such file.")
    return FileResponse(path, media_type=media_type, headers={"Cache-Control": "private, max-age=3600"})


def _link(storage: Storage, name: str, media_type: str) -> RedirectResponse:
    try:
        link = storage.link(name, media_type)
    except StorageUnavailable as error:
        raise Problem(503, "Storage not reachable", str(error)) from error
    if link is None:
        raise Problem(404, "Not found", "There is no such file.")
    return RedirectResponse(link, 307, {"Cache-Control": "no-store"})
