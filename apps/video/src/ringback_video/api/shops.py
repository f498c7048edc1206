"""What there is to choose from, and what a shop has used."""

from typing import Any

from fastapi import APIRouter

from ringback_video.access import Caller, check_shop
from ringback_video.api.described import problems
from ringback_video.api.shapes import ShopShape, TemplateShape, template_shape
from ringback_video.jobs import Shop
from ringback_video.ledger import cents_today, videos_reserved, videos_used
from ringback_video.problems import Problem
from ringback_video.studio import Studio
from ringback_video.templates import GALLERY


def routes(studio: Studio, known: Any) -> APIRouter:
    """Return the routes; `known` finds out who asks."""
    router = APIRouter(tags=["shops"])

    @router.get("/api/templates")
    def list_templates() -> list[TemplateShape]:
        """The templates to choose from; `formats` has the id to order each of them with in another format."""
        return [template_shape(template) for template in GALLERY.values()]

    @router.get("/api/shops/{shop_id}", responses=problems(401, 403, 404, 422))
    def get_shop(shop_id: str, caller: Caller = known) -> ShopShape:
        """A shop's usage and quota: finished videos, those under way, and what the orders of today (UTC) cost."""
        check_shop(studio, caller, shop_id)
        with studio.database.transaction() as session:
            shop = session.get(Shop, shop_id)
            if shop is None:
                raise Problem(404, "Unknown shop", f"There is no shop {shop_id!r}.", "shopId")
            return ShopShape(
                shop_id=shop_id,
                videos_used=videos_used(session, shop_id),
                in_progress=videos_reserved(session, shop_id),
                quota=shop.quota,
                cents_today=cents_today(session, shop_id),
                cents_a_day=studio.settings.daily_cents,
            )

    return router
