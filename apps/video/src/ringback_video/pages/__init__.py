"""The page: rendered here, kept alive by a little script."""

from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates

from ringback_video.api import template_shape
from ringback_video.settings import PHOTOS
from ringback_video.studio import DEMO_SHOP, Studio
from ringback_video.templates import TEMPLATES

_FOLDER = Path(__file__).parent
STATIC = _FOLDER / "static"


def routes(studio: Studio) -> APIRouter:
    """Return the routes of the page."""
    router = APIRouter(include_in_schema=False)
    pages = Jinja2Templates(_FOLDER)

    @router.get("/")
    def index(request: Request) -> HTMLResponse:
        """The studio."""
        photos = [
            {"url": f"{studio.settings.public_url}/photos/{path.name}", "name": path.stem.capitalize()}
            for path in sorted(PHOTOS.glob("*.jpg"))
        ]
        templates = [template_shape(template) for template in TEMPLATES.values()]
        return pages.TemplateResponse(
            request, "index.html", {"templates": templates, "photos": photos, "shop": DEMO_SHOP}
        )

    return router
