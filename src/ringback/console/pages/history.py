"""Messages and events: found by filters, followed as they come, one looked at from its beginning to its end."""

import asyncio

from ringback.client import Page
from ringback.client.insight import attempts, publish_again
from ringback.client.management import cancel_message, cancel_messages, dead_letters, events, message
from ringback.console.pages.causes import causes_of
from ringback.console.screens import ROOT, Deed, Done, Screen, Section, Values, Visit
from ringback.console.views import attempts as of_attempts
from ringback.console.views import history as views
from ringback.console.views.words import body_of

_NAMES = (*(name for name, _ in views.FILTERS), "state", "fromDate", "toDate", "order")
_CANCEL = (
    "url",
    "host",
    "path",
    "queueName",
    "topicName",
    "label",
    "flowControlKey",
    "scheduleId",
    "callerIp",
    "fromDate",
    "toDate",
)
_PAGE = 50
_MOST_EVENTS = 500
_NO_BODIES = "-1"
BODY_BYTES, ANSWER_BYTES = 100_000, 20_000
"""How much of a body is shown: a page is sent again whenever it has changed."""
_MOST_ROUNDS = 50


async def load_messages(visit: Visit) -> Values:
    """Messages by their newest event."""
    found = await _page(visit, _PAGE * 2)
    return {**_shown(visit, found), "events": views.newest_of_each(found.items)}


async def load_events(visit: Visit) -> Values:
    """Everything that happened, line by line."""
    found = await _page(visit, _PAGE)
    return {**_shown(visit, found), "events": found.items}


async def _page(visit: Visit, count: int) -> Page:
    which = {**views.api_filter(visit.given, _NAMES), "trimBody": _NO_BODIES}
    return await visit.ask(events(which, cursor=visit.one("cursor") or None, count=count))


def _shown(visit: Visit, found: Page) -> Values:
    which = views.api_filter(visit.given, _NAMES)
    return {
        "filters": views.FILTERS,
        "states": views.STATES,
        "given": which,
        "cursor": found.cursor,
        "paged": bool(visit.one("cursor")),
        "cancelable": _cancelable(which),
    }


def _cancelable(which: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return the filter if a cancel can be asked for just what it shows: it must not reach further for want of a field."""
    asked = {name: values for name, values in which.items() if name != "order"}
    return asked if asked.keys() <= set(_CANCEL) else {}


async def load_life(visit: Visit) -> Values:
    """One message."""
    id_ = visit.path["message"]
    which = {"messageId": id_, "order": "earliestFirst"}
    told, made, causes = await asyncio.gather(
        visit.ask(events({**which, "trimBody": _NO_BODIES}, count=_MOST_EVENTS)),
        visit.ask(attempts(id_, trim=BODY_BYTES, trim_response=ANSWER_BYTES)),
        causes_of(visit, id_),
    )
    more = told.cursor is not None or bool(made.get("more"))
    life = views.life(told.items, made["attempts"], more=more)
    if life is None:
        known = await visit.ask(message(id_))  # its history may have been forgotten before it
        created = {**known, "time": known["createdAt"], "state": "CREATED"}
        life = views.life([created], made["attempts"], more=False)
    letters = await visit.ask(dead_letters({"messageId": id_}, count=1)) if life and life.state == "FAILED" else None
    return {
        "id": id_,
        "letter": letters.items[0] if letters and letters.items else None,
        "life": life,
        "causes": causes,
        "made": made,
        "sent": body_of(made, "body"),
        "most": BODY_BYTES,
        "note": of_attempts.answer_note,
        "curl": of_attempts.curl(made),
        "builder": of_attempts.builder_query(life.about, made) if life and not made.get("workflowRunId") else None,
    }


async def cancel(visit: Visit) -> Done:
    """Cancel one message."""
    id_ = visit.path["message"]
    await visit.ask(cancel_message(id_))
    return Done("The message is canceled; an attempt in flight is the last.", f"{ROOT}/messages/{id_}")


async def again(visit: Visit) -> Done:
    """Publish one message once more."""
    new = await visit.ask(publish_again(visit.path["message"]))
    return Done("Published again, as this new message.", f"{ROOT}/messages/{new}")


async def cancel_all(visit: Visit) -> Done:
    """Cancel what fits a filter."""
    which = views.api_filter(visit.given, _CANCEL)
    if not which:
        raise ValueError("The filter is empty: name what to cancel.")
    total = 0
    for _ in range(_MOST_ROUNDS):
        canceled = await visit.ask(cancel_messages(which))
        total += canceled
        if not canceled:
            break
    return Done(f"{total} messages are canceled.", f"{ROOT}/messages")


SECTION = Section(
    (
        Screen("/messages", "messages.html", load_messages, "Messages", "Watch", live=True),
        Screen("/events", "events.html", load_events, "Events", "Watch", live=True),
        Screen("/messages/{message}", "message.html", load_life, "Message", live=True),
    ),
    (
        Deed("/messages/cancel", cancel_all),
        Deed("/messages/{message}/cancel", cancel),
        Deed("/messages/{message}/again", again),
    ),
)
