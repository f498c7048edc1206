"""Results that are more than JSON: what the annotations promise comes back."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum

from pydantic import BaseModel

from ringback.workflow import Context
from workflow.catalogue.entry import Entry


class Size(Enum):
    SMALL = "s"
    LARGE = "l"


@dataclass(frozen=True)
class Photo:
    taken_at: datetime
    size: Size
    pixels: bytes
    tags: frozenset[str]


class Invoice(BaseModel):
    total: Decimal
    due: date
    sizes: list[Size]


PHOTO = Photo(datetime(2026, 1, 2, tzinfo=UTC), Size.LARGE, b"\x00\xff", frozenset({"b", "a"}))


def photo() -> Photo:
    return PHOTO


async def invoice(one: Photo) -> Invoice:
    return Invoice(total=Decimal("1.10"), due=date(2026, 2, 3), sizes=[one.size])


def plan() -> dict[int, tuple[Size, timedelta] | None]:
    return {1: (Size.SMALL, timedelta(seconds=90)), 2: None}


async def rich_results(context: Context[None]) -> Invoice:
    one = await context.run("photo", photo)
    assert one == PHOTO
    assert await context.run("plan", plan) == plan()
    assert await context.step(result=Photo).run("unannotated", lambda: PHOTO) == PHOTO
    bill = await context.run("invoice", invoice, one)
    assert bill.total == Decimal("1.10")
    return bill


ENTRY = Entry(
    rich_results,
    result={
        "total": "1.10",
        "due": "2026-02-03",
        "sizes": ["l"],
    },
    steps=("photo", "plan", "unannotated", "invoice"),
    deliveries=5,
)
