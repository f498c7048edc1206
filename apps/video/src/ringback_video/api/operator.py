"""For the operator: orders of which nobody knows whether they were taken, and the decision about each."""

from fastapi import APIRouter, Depends
from pydantic import ConfigDict, Field

from ringback_video.api.described import problems
from ringback_video.api.shapes import JobShape, Shape, job_shape, time_text
from ringback_video.jobs import Job, load
from ringback_video.operators import operator_of
from ringback_video.parking import Decision, ParkedOrder, decide, undecided
from ringback_video.studio import Studio


class ParkedShape(Shape):
    """An order of which nobody knows whether the provider has taken it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "jobId": "3f0c2f4e-6f4b-4a53-9a51-2f1d7e0c9a11",
                    "shopId": "flowers",
                    "status": "processing",
                    "provider": "fal",
                    "reason": "The order was sent, and its answer was lost.",
                    "sentAt": "2026-03-02T12:30:01.000+00:00",
                    "parkedAt": "2026-03-02T12:30:04.000+00:00",
                }
            ]
        }
    )

    job_id: str
    shop_id: str
    status: str = Field(description="Of the job; one that has ended waits for its cost to be known.")
    provider: str | None = None
    reason: str
    sent_at: str | None = Field(None, description="When the order was sent: what to look for at the provider.")
    parked_at: str


class DecisionRequest(Shape):
    """What a person has found out at the provider."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"decision": "made", "operationId": "764cabcf-b745-4b3e-ae38-1200304cf45b"},
                {"decision": "order again"},
                {"decision": "give up"},
            ]
        }
    )

    decision: Decision
    operation_id: str | None = Field(None, description="With `made`: the provider's id of what was made.")


def routes(studio: Studio) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["operator"], dependencies=[Depends(operator_of(studio))])

    @router.get("/api/operator/orders", response_model_exclude_none=True, responses=problems(401, 403))
    def list_parked() -> list[ParkedShape]:
        """Parked orders of all shops, the oldest first; look for each at the provider, and decide."""
        with studio.database.transaction() as session:
            return [_shape(order, job) for order, job in undecided(session)]

    @router.post(
        "/api/operator/orders/{job_id}", response_model_exclude_none=True, responses=problems(401, 403, 404, 409, 422)
    )
    def decide_order(job_id: str, body: DecisionRequest) -> JobShape:
        """Decide: it was `made`, `order again`, or `give up`. The same decision twice is one."""
        decide(studio, job_id, body.decision, body.operation_id)
        with studio.database.transaction() as session:
            return job_shape(load(session, job_id), studio.settings.public_url)

    return router


def _shape(order: ParkedOrder, job: Job) -> ParkedShape:
    """Return a parked order as the API shows it."""
    return ParkedShape(
        job_id=job.id,
        shop_id=job.shop_id,
        status=job.status,
        provider=job.provider,
        reason=order.reason,
        sent_at=time_text(job.sent_at) if job.sent_at else None,
        parked_at=time_text(order.at),
    )
