"""Calls that the broker makes: an answer is an answer, whatever its status, and retries are the broker's."""

from ringback.workflow import Context
from workflow.catalogue.entry import Entry


async def third_party(context: Context[str]) -> list[object]:
    url = context.request_payload
    made = await context.call(
        "make jöb ✓", url=url, method="POST", body={"q": "é"}, headers={"X-Key": "k"}, retries=1, retry_delay="100"
    )
    gone, there = await context.parallel(
        context.call("gone", url=f"{url}/gone"),
        context.call("there", url=f"{url}/there", timeout="30s"),
    )
    return [made.status, made.body, made.headers["content-type"], gone.status, there.body]


_tried: list[str] = []


def vendor(path: str, headers: dict[str, str], body: str) -> tuple[int, str]:
    """Fail every other time to make a job."""
    if path.endswith("/gone"):
        return 404, "no such job"
    if path.endswith("/there"):
        return 200, "plain text"
    assert (headers["x-key"], body) == ("k", '{"q":"é"}')
    _tried.append(path)
    return (500, "busy") if len(_tried) % 2 else (201, '{"job":"ü"}')


ENTRY = Entry(
    third_party,
    result=[201, {"job": "ü"}, "application/json", 404, "plain text"],
    steps=("make jöb ✓", "gone", "there"),
    deliveries=3 + 2 * 3,
    vendor=vendor,
)
