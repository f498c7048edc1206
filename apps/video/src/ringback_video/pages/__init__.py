"""The page: rendered here, kept alive by small scripts."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse, Response
from fastapi.templating import Jinja2Templates

from ringback_video.access import browser_of
from ringback_video.api.shapes import template_shape
from ringback_video.ordering import LONGEST_CAPTION
from ringback_video.pages.login import login_routes
from ringback_video.pages.operator import operator_routes
from ringback_video.photos import MOST_BYTES, MOST_PHOTOS
from ringback_video.problems import Problem
from ringback_video.rendering.previews import Previews, file_names
from ringback_video.settings import PHOTOS
from ringback_video.studio import Studio
from ringback_video.templates import GALLERY, SIZES, Template

_FOLDER = Path(__file__).parent
STATIC = _FOLDER / "static"


def routes(studio: Studio) -> APIRouter:
    """Return the routes of the page."""
    router = APIRouter(include_in_schema=False)
    pages = Jinja2Templates(_FOLDER)
    previews = Previews(studio.settings.previews or studio.settings.data / "previews")

    @router.get("/")
    def index(request: Request) -> Response:
        """The studio, for whoever has logged in or needs not."""
        visitor = browser_of(studio, request)
        if visitor is None:
            return RedirectResponse("/login", 303, {"Cache-Control": "no-store"})
        values = {
            "templates": [_card(template) for template in GALLERY.values()],
            "formats": list(SIZES),
            "photos": [{"url": f"/photos/{path.name}", "name": path.stem.capitalize()} for path in _samples()],
            "there": _there(previews),
            "shop": visitor.shop,
            "is_session": visitor.by == "session",
            "base": studio.settings.public_url,
            "most_photos": MOST_PHOTOS,
            "most_megabytes": MOST_BYTES // 1024 // 1024,
            "longest_caption": LONGEST_CAPTION,
        }
        return pages.TemplateResponse(request, "index.html", values, headers=_rules(studio))

    router.include_router(login_routes(studio, pages, _rules(studio)))
    router.include_router(operator_routes(studio, pages, _rules(studio)))
    router.include_router(_previews(previews))
    return router


def _previews(previews: Previews) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/previews")
    def list_previews() -> Response:
        """Addresses of the previews and stills that are there; what is not there yet is being made from now on."""
        previews.begin()
        return JSONResponse(_there(previews), headers={"Cache-Control": "no-store"})

    @router.get("/previews/{name}")
    def preview(name: str) -> Response:
        """A template's moving preview, or its still; what is not there yet is being made once somebody has asked."""
        if not previews.is_known(name):
            raise Problem(404, "Not found", "There is no such preview.")
        path = previews.path(name)
        if path is None:
            previews.begin()
            return Response(status_code=503, headers={"Retry-After": "2", "Cache-Control": "no-store"})
        return FileResponse(path, headers={"Cache-Control": "public, max-age=31536000, immutable"})

    return router


def _rules(studio: Studio) -> dict[str, str]:
    """Nothing comes from elsewhere; but where files are kept in a bucket, pictures and films are led to it."""
    bucket = " http: https:" if studio.settings.bucket else ""
    policy = (
        f"default-src 'self'; img-src 'self' blob:{bucket}; media-src 'self'{bucket}",
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }


def _samples() -> list[Path]:
    return sorted(PHOTOS.glob("*.jpg"))


def _there(previews: Previews) -> list[str]:
    return [
        f"/previews/{name}" for template in GALLERY.values() for name in file_names(template) if previews.path(name)
    ]


def _card(template: Template) -> dict[str, Any]:
    """A template as the gallery shows it."""
    film, still = file_names(template)
    return template_shape(template).wire() | {"film": f"/previews/{film}", "still": f"/previews/{still}"}
