"""A shop that orders two hundred videos at once does not make another one wait."""

from pathlib import Path

from sqlalchemy import func, select

from ringback_video import keys
from ringback_video.jobs import Job
from ringback_video.ordering import OrderRequest, place_order
from support.endpoint import eventually
from support.process import running
from video.conftest import World, world
from video.stub import StubProvider

MANY = 200


def order_of(studio: World, shop: str, caption: str) -> str:
    request = OrderRequest(shop, "runway", studio.sample("coffee"), caption)
    return place_order(studio.studio, request).id


def statuses(studio: World, shop: str) -> dict[str, int]:
    with studio.studio.database.transaction() as session:
        counted = select(Job.status, func.count()).where(Job.shop_id == shop).group_by(Job.status)
        return {row.status: row[1] for row in session.execute(counted)}


def test_one_video_of_a_small_shop_is_made_while_two_hundred_of_another_wait(tmp_path: Path, video: bytes) -> None:
    with (
        running(tmp_path / "ringback.db") as broker,  # of its own: most of the orders are still there at the end
        world(tmp_path, broker, lambda _: StubProvider(video), starts_a_minute=5, parallelism=2) as studio,
    ):
        with studio.studio.database.transaction() as session:
            for shop in ("large", "small"):
                keys.add_shop(session, shop, MANY)
        for number in range(MANY):
            order_of(studio, "large", f"{number}")
        order_of(studio, "small", "only one")
        eventually(lambda: statuses(studio, "small") == {"done": 1}, 60)
        large = statuses(studio, "large")
        assert sum(large.values()) == MANY
        assert large["queued"] >= MANY - 20, large  # it waits behind its own orders, five of which begin in a minute
        assert large["queued"] < MANY, large  # and is not shut out
