"""Calls that the broker makes: an answer is an answer, whatever its status, and retries are the broker's."""

from ringback.workflow import Context
from support.scripted_broker import ScriptedBroker
from workflow.catalogue.entry import Entry

URL = "https://vendor.test/jobs"


async def third_party(context: Context[None]) -> list[object]:
    made = await context.call("make jöb ✓", url=URL, method="POST", body={"q": "é"}, headers={"X-Key": "k"}, retries=1)
    gone, there = await context.parallel(
        context.call("gone", url=f"{URL}/gone"),
        context.call("there", url=f"{URL}/there", timeout="30s"),
    )
    return [made.status, made.body, made.headers["content-type"], gone.status, there.body]


def world(broker: ScriptedBroker) -> None:
    tried: list[int] = []

    def make(headers: dict[str, str], body: str) -> tuple[int, str]:
        tried.append(1)
        assert (headers["x-key"], headers["method"], body) == ("k", "POST", '{"q":"é"}')
        return (500, "busy") if len(tried) == 1 else (201, '{"job":"ü"}')

    broker.third_parties = {
        URL: make,
        f"{URL}/gone": lambda headers, body: (404, "no such job"),
        f"{URL}/there": lambda headers, body: (200, "plain text"),
    }


ENTRY = Entry(
    third_party,
    result=[201, {"job": "ü"}, "application/json", 404, "plain text"],
    steps=("make jöb ✓", "gone", "there"),
    deliveries=3 + 2 * 3,
    world=world,
)
