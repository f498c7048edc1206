"""What the API takes and answers, each with an example."""

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from ringback_video.jobs import Job
from ringback_video.studio import DEMO_SHOP
from ringback_video.templates import SIZES, Template, in_format

_ID = "3f0c2f4e-6f4b-4a53-9a51-2f1d7e0c9a11"
_PHOTO = "https://shop.example/photos/cup.jpg"


class Shape(BaseModel):
    """Python's names here, the wire's names there."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    def wire(self) -> dict[str, Any]:
        """Return it as the API shows it; what is not known is left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class GenerateRequest(Shape):
    """An order."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "shopId": DEMO_SHOP,
                    "templateId": "showcase",
                    "sourceImageUrls": [_PHOTO],
                    "caption": "New in our shop",
                }
            ]
        }
    )

    shop_id: str = Field("", max_length=64, description="Whose order it is; the caller's own unless given.")
    template_id: str = Field(max_length=64)
    source_image_urls: list[str] = Field(description="One to ten photos, in the order of the film.")
    caption: str | None = Field(None, description="The template's own unless given.")


class Accepted(Shape):
    """An order was written down."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"jobId": _ID, "status": "queued"}]})

    job_id: str
    status: str


class ChangeShape(Shape):
    """One line of a job's history."""

    at: str
    status: str
    reason: str


class JobShape(Shape):
    """A job with its history."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "jobId": _ID,
                    "shopId": DEMO_SHOP,
                    "templateId": "showcase",
                    "caption": "New in our shop",
                    "sourceImageUrls": [_PHOTO],
                    "status": "done",
                    "provider": "local",
                    "step": "save-result",
                    "progress": 100,
                    "createdAt": "2026-03-02T12:30:00.000+00:00",
                    "updatedAt": "2026-03-02T12:30:09.250+00:00",
                    "history": [
                        {"at": "2026-03-02T12:30:00.000+00:00", "status": "queued", "reason": "ordered"},
                        {"at": "2026-03-02T12:30:00.410+00:00", "status": "processing", "reason": "work has begun"},
                        {"at": "2026-03-02T12:30:09.250+00:00", "status": "done", "reason": "the video is finished"},
                    ],
                    "videoUrl": f"https://studio.example/videos/{_ID}.mp4",
                }
            ]
        }
    )

    job_id: str
    shop_id: str
    template_id: str
    caption: str
    source_image_urls: list[str]
    status: str = Field(description="`queued`, `processing`, `done`, `failed` or `canceled`.")
    provider: str | None = None
    step: str = Field(description="The step that was done last; empty before the first.")
    progress: int = Field(description="Per cent.", ge=0, le=100)
    created_at: str
    updated_at: str
    history: list[ChangeShape]
    waiting_for: str | None = Field(None, description="What it waits for, where it makes no progress.")
    reason: str | None = Field(None, description="Why it failed or was canceled.")
    video_url: str | None = Field(None, description="Where the finished video is.")


class TemplateShape(Shape):
    """A template."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "showcase",
                    "name": "Showcase",
                    "description": "Photos come closer and fade into each other.",
                    "format": "landscape",
                    "width": 1280,
                    "height": 720,
                    "seconds": 6.0,
                    "caption": "New in our shop",
                    "formats": {"landscape": "showcase", "square": "showcase-square", "portrait": "showcase-portrait"},
                }
            ]
        }
    )

    id: str
    name: str
    description: str
    format: str
    width: int
    height: int
    seconds: float
    caption: str = Field(description="What is written where an order has no caption.")
    formats: dict[str, str] = Field(description="The id to order it with in each format.")


class ShopShape(Shape):
    """A shop's usage and quota."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "shopId": DEMO_SHOP,
                    "videosUsed": 12,
                    "inProgress": 1,
                    "quota": 50,
                    "centsToday": 80,
                    "centsADay": 500,
                }
            ]
        }
    )

    shop_id: str
    videos_used: int
    in_progress: int
    quota: int
    cents_today: int
    cents_a_day: int | None = Field(None, description="Most that a day may cost; null for no limit.")


class Uploaded(Shape):
    """A photo was kept."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"url": "https://studio.example/uploads/9rXo2mF1cJ0yqk3Zb7sVt5aE.jpg"}]}
    )

    url: str = Field(description="The address to order with.")


def job_shape(job: Job, public_url: str) -> JobShape:
    """Return a job as the API shows it."""
    return JobShape(
        job_id=job.id,
        shop_id=job.shop_id,
        template_id=job.template_id,
        caption=job.caption,
        source_image_urls=job.source_image_urls,
        status=job.status,
        provider=job.provider,
        step=job.step,
        progress=job.progress,
        created_at=time_text(job.created_at),
        updated_at=time_text(job.updated_at),
        history=[
            ChangeShape(at=time_text(change.at), status=change.status, reason=change.reason) for change in job.history
        ],
        waiting_for=job.waiting_for or None,
        reason=job.reason or None,
        video_url=f"{public_url}/videos/{job.video}" if job.video else None,
    )


def template_shape(template: Template) -> TemplateShape:
    """Return a template as the API shows it."""
    return TemplateShape(
        id=template.id,
        name=template.name,
        description=template.description,
        format=template.format,
        width=template.width,
        height=template.height,
        seconds=template.seconds,
        caption=template.caption,
        formats={name: in_format(template, name).id for name in SIZES},
    )


def time_text(at: datetime) -> str:
    """Return a time of the database as the API shows it."""
    return at.replace(tzinfo=UTC).isoformat(timespec="milliseconds")
