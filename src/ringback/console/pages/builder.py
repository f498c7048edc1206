"""The request builder, and the look at an endpoint before anything depends on it."""

from ringback.client.calls import Call, record, segment
from ringback.client.diagnosis import look
from ringback.client.management import enqueue, publish, set_schedule
from ringback.console.screens import ROOT, Deed, Done, Screen, Section, Values, Visit
from ringback.console.views import programs
from ringback.console.views.wish import KINDS, METHODS, OPTIONS, Wish, missing, path, read_wish, wire_headers
from ringback.errors import Refused


async def load(visit: Visit) -> Values:
    """The form, and the request it describes so far."""
    problem, wish = "", Wish("publish", "")
    try:
        wish = read_wish(visit.given)
        problem = missing(wish) or ""
    except ValueError as error:
        problem = str(error)
    broker = visit.broker
    return {
        "wish": wish,
        "header_lines": visit.one("headers"),
        "problem": problem,
        "kinds": KINDS,
        "methods": METHODS,
        "options": OPTIONS,
        "begun": bool(visit.given),
        "texts": {}
        if problem
        else {
            "curl": programs.curl(wish, broker),
            "Python": programs.python(wish, broker),
            "TypeScript": programs.typescript(wish, broker),
        },
    }


async def send(visit: Visit) -> Done:
    """Send it."""
    wish = read_wish(visit.given)
    lack = missing(wish)
    if lack:
        raise ValueError(lack)
    headers, body = wire_headers(wish), wish.body.encode()
    headers.pop("Upstash-Cron", None)
    if wish.kind == "schedule":
        made = await visit.ask(set_schedule(wish.destination, wish.cron, body, headers))
        return Done("The schedule is made.", f"{ROOT}/schedules/{segment(made)}")
    if wish.kind == "trigger":
        run = await visit.ask(Call("POST", path(wish), record, (), headers, body, repeatable=False))
        return Done("The run has started.", f"{ROOT}/runs/{segment(run['workflowRunId'])}")
    if wish.kind == "enqueue":
        answer = await visit.ask(enqueue(wish.queue, wish.destination, body, headers))
    else:
        answer = await visit.ask(publish(wish.destination, body, headers))
    if isinstance(answer, list):
        return Done(f"Published to {len(answer)} endpoints.", f"{ROOT}/messages")
    told = "It was published before: this is that message." if answer.get("deduplicated") else "Published."
    return Done(told, f"{ROOT}/messages/{segment(answer['messageId'])}")


async def load_preflight(visit: Visit) -> Values:
    """The form; the look itself is a deed, for the broker calls the endpoint."""
    return {"url": visit.one("url"), "verdict": None, "problem": ""}


async def preflight(visit: Visit) -> Values:
    """Have the broker look at an endpoint."""
    url = visit.one("url").strip()
    if not url:
        return {"url": "", "verdict": None, "problem": "Name the URL of the endpoint."}
    try:
        verdict = await visit.ask(look(url, is_workflow=True if visit.one("workflow") else None))
    except Refused as error:
        return {"url": url, "verdict": None, "problem": error.text}
    return {"url": url, "verdict": verdict, "problem": ""}


SECTION = Section(
    (
        Screen("/builder", "builder.html", load, "Request builder", "Try"),
        Screen("/preflight", "preflight.html", load_preflight, "Preflight", "Try", answer=preflight),
    ),
    (Deed("/builder", send),),
)
