"""What the OpenAPI description says beside the shapes: refusals, and answers that are no JSON, each with an example."""

from typing import Any

from ringback_video.problems import MEDIA_TYPE

Responses = dict[int | str, dict[str, Any]]

_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string", "description": "What kind of problem, the same each time."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What to do about it."},
        "field": {"type": "string", "description": "Which field of the request it is about."},
    },
}
_PROBLEMS: dict[int, tuple[str, str, str | None]] = {
    401: ("No key", "Send your shop's key as `Authorization: Bearer KEY`.", "Authorization"),
    403: ("Quota used up", "The shop has used its 50 videos.", "shopId"),
    404: ("Unknown job", "There is no job '3f0c2f4e'.", "jobId"),
    409: ("Too late", "The job is done already.", "jobId"),
    413: ("Too large", "A webhook has at most one megabyte.", None),
    422: ("Wrong number of photos", "Give 1 to 10 photos, not 0.", "sourceImageUrls"),
    503: ("Storage not reachable", "The storage cannot be reached.", None),
}

LINK: Responses = {
    307: {
        "description": "Leads to a link that is good for ten minutes.",
        "headers": {
            "Location": {
                "schema": {"type": "string"},
                "example": "/files/videos/3f0c2f4e.mp4?until=1772454600&signature=0c1d",
            }
        },
    }
}


def problems(*statuses: int) -> Responses:
    """Return the refusals of an operation as its description names them."""
    return {status: _problem(status, *_PROBLEMS[status]) for status in statuses}


def answer(example: object) -> Responses:
    """Return an example of an answer whose shape is told by its type."""
    return {200: {"content": {"application/json": {"example": example}}}}


def content(media_type: str, schema: dict[str, Any], example: object) -> Responses:
    """Return an answer that is no JSON of ours."""
    return {
        200: {"description": "Successful Response", "content": {media_type: {"schema": schema, "example": example}}}
    }


def _problem(status: int, title: str, detail: str, field: str | None) -> dict[str, Any]:
    example: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if field is not None:
        example["field"] = field
    return {"description": title, "content": {MEDIA_TYPE: {"schema": _PROBLEM, "example": example}}}
