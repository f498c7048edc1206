"""The whole surface of the API on one page: which call goes where."""

from typing import Literal, NamedTuple
from urllib.parse import unquote

from ringback.broker.api import (
    account,
    attempts,
    audit,
    bulk,
    dead_letters,
    flow_control,
    groups,
    history,
    keys,
    messages,
    preflight,
    queues,
    run_letters,
    schedules,
    statistics,
    waiting,
    why,
    workflows,
)
from ringback.broker.api.call import Answer, Call, Respond, json_response
from ringback.broker.api.openapi import describe
from ringback.errors import Refused
from ringback.wire.batch import Item, Letter
from ringback.wire.remembered import remembered


class Route(NamedTuple):
    """One call: method, path, and who answers.

    `audit` says whether it is written into the audit log: what is administration, and no everyday traffic.
    `publishes` lets tokens in that may only publish; `secret` keeps tokens out that may only read.
    In a path, `{name}` is one segment, percent-decoded once; `{name*}` is one or more segments, decoded;
    `{name...}` is all the rest, raw and with its query. Fixed segments match in any case.
    """

    method: str
    path: str
    respond: Respond
    public: bool = False
    body: type | None = None
    audit: Literal["no", "yes", "with its body"] = "no"
    publishes: bool = False
    secret: bool = False


def _document(_: Call) -> Answer:
    """Show the description of this API."""
    return json_response(200, describe(ROUTES))


ROUTES: tuple[Route, ...] = (
    Route("POST", "/v2/publish/{destination...}", messages.publish, publishes=True),
    Route("POST", "/v2/enqueue/{queue}/{destination...}", messages.enqueue, publishes=True),
    Route("POST", "/v2/batch", messages.batch, body=list[Item], publishes=True),
    Route("GET", "/v2/messages/{message}", messages.get),
    Route("GET", "/v2/messages/{message}/attempts", attempts.list_attempts),
    Route("DELETE", "/v2/messages/{message}", messages.cancel, audit="yes"),
    Route("POST", "/v2/messages/{message}/again", messages.again, audit="yes"),
    Route("DELETE", "/v2/messages", bulk.cancel_many, audit="yes"),
    Route("GET", "/v2/bulkActions", bulk.list_actions),
    Route("GET", "/v2/bulkActions/{action}", bulk.get_action),
    Route("POST", "/v2/queues", queues.upsert, body=queues.Upsert, audit="with its body"),
    Route("GET", "/v2/queues", queues.list_all),
    Route("GET", "/v2/queues/{queue}", queues.get),
    Route("DELETE", "/v2/queues/{queue}", queues.delete, audit="yes"),
    Route("POST", "/v2/queues/{queue}/pause", queues.pause, audit="yes"),
    Route("POST", "/v2/queues/{queue}/resume", queues.resume, audit="yes"),
    Route("GET", "/v2/schedules", schedules.list_all),
    Route("GET", "/v2/schedules/{schedule}", schedules.get),
    Route("DELETE", "/v2/schedules/{schedule}", schedules.delete, audit="yes"),
    Route("PATCH", "/v2/schedules/{schedule}/pause", schedules.pause, audit="yes"),
    Route("POST", "/v2/schedules/{schedule}/pause", schedules.pause, audit="yes"),
    Route("PATCH", "/v2/schedules/{schedule}/resume", schedules.resume, audit="yes"),
    Route("POST", "/v2/schedules/{schedule}/resume", schedules.resume, audit="yes"),
    Route("POST", "/v2/schedules/{schedule}/run", schedules.run, audit="yes"),
    Route("POST", "/v2/schedules/{destination...}", schedules.create, audit="yes"),
    Route("GET", "/v2/topics", groups.list_all),
    Route("GET", "/v2/topics/{group}", groups.get),
    Route("DELETE", "/v2/topics/{group}", groups.delete, audit="yes"),
    Route("PATCH", "/v2/topics/{group}", groups.set_defaults, body=groups.Defaults, audit="yes"),
    Route(
        "POST", "/v2/topics/{group}/endpoints", groups.upsert_endpoints, body=groups.Endpoints, audit="with its body"
    ),
    Route(
        "DELETE", "/v2/topics/{group}/endpoints", groups.remove_endpoints, body=groups.Endpoints, audit="with its body"
    ),
    Route("GET", "/v2/flowControl", flow_control.list_all),
    Route("POST", "/v2/flowControl/{key*}/pause", flow_control.pause, audit="yes"),
    Route("POST", "/v2/flowControl/{key*}/resume", flow_control.resume, audit="yes"),
    Route("POST", "/v2/flowControl/{key*}/pin", flow_control.pin, audit="yes"),
    Route("POST", "/v2/flowControl/{key*}/unpin", flow_control.unpin, audit="yes"),
    Route("POST", "/v2/flowControl/{key*}/resetRate", flow_control.reset_rate, audit="yes"),
    Route("POST", "/v2/flowControl/{key*}/reset", flow_control.reset_rate, audit="yes"),
    Route("GET", "/v2/flowControl/{key*}", flow_control.get),
    Route("GET", "/v2/globalParallelism", flow_control.global_parallelism),
    Route("GET", "/v2/events", history.events),
    Route("GET", "/v2/logs", history.logs),
    Route("GET", "/v2/dlq", dead_letters.list_all),
    Route("POST", "/v2/dlq", dead_letters.add_many, body=list[Letter], audit="yes"),
    Route("DELETE", "/v2/dlq", dead_letters.delete_many, audit="yes"),
    Route("POST", "/v2/dlq/retry", dead_letters.retry_many, audit="yes"),
    Route("POST", "/v2/dlq/retry/{dead_letter}", dead_letters.retry, audit="yes"),
    Route("GET", "/v2/dlq/{dead_letter}", dead_letters.get),
    Route("DELETE", "/v2/dlq/{dead_letter}", dead_letters.delete, audit="yes"),
    Route("POST", "/v2/trigger/{destination...}", workflows.trigger, publishes=True),
    Route("POST", "/v2/batch/trigger", workflows.trigger_batch, body=list[Item], publishes=True),
    Route("POST", "/v2/wait/{event...}", waiting.wait),
    Route("POST", "/v2/notify/{event...}", waiting.notify),
    Route("GET", "/v2/waiters/{event...}", waiting.waiters),
    Route("ANY", "/v2/workflows/hooks/{user}/{run*}/{event}", waiting.hook, public=True),
    Route("GET", "/v2/workflows/logs", workflows.logs),
    Route("GET", "/v2/workflows/events", workflows.events),
    Route("GET", "/v2/workflows/runs/{run*}", workflows.entries),
    Route("DELETE", "/v2/workflows/runs/{run*}", workflows.end),
    Route("DELETE", "/v2/workflows/runs", workflows.cancel_many, audit="yes"),
    Route("POST", "/v2/workflows/runs/{run*}/heartbeat", workflows.heartbeat),
    Route("GET", "/v2/workflows/dlq", run_letters.list_all),
    Route("DELETE", "/v2/workflows/dlq", run_letters.delete_many, audit="yes"),
    Route("POST", "/v2/workflows/dlq/resume", run_letters.resume_many, audit="yes"),
    Route("POST", "/v2/workflows/dlq/resume/{dead_letter}", run_letters.resume, audit="yes"),
    Route("POST", "/v2/workflows/dlq/restart", run_letters.restart_many, audit="yes"),
    Route("POST", "/v2/workflows/dlq/restart/{dead_letter}", run_letters.restart, audit="yes"),
    Route("POST", "/v2/workflows/dlq/callback", run_letters.rerun_failure_functions, audit="yes"),
    Route("POST", "/v2/workflows/dlq/callback/{dead_letter}", run_letters.rerun_failure_function, audit="yes"),
    Route("DELETE", "/v2/workflows/dlq/callback/{dead_letter}", run_letters.cancel_failure_function, audit="yes"),
    Route("GET", "/v2/workflows/dlq/{dead_letter}", run_letters.get),
    Route("DELETE", "/v2/workflows/dlq/{dead_letter}", run_letters.delete, audit="yes"),
    Route("GET", "/v2/account", account.get, publishes=True),
    Route("GET", "/v2/settings", account.settings_in_force),
    Route("GET", "/v2/statistics", statistics.get),
    Route("GET", "/v2/audit", audit.list_all),
    Route("GET", "/v2/preflight", preflight.known),
    Route("POST", "/v2/preflight", preflight.look, body=preflight.Look),
    Route("GET", "/v2/why/{id}", why.why),
    Route("GET", "/v2/stalled", why.list_stalled),
    Route("GET", "/v2/openapi.json", _document),
    Route("GET", "/v2/keys", keys.get, secret=True),
    Route("POST", "/v2/keys/rotate", keys.rotate, audit="yes"),
    Route("POST", "/v2/rotate", keys.rotate, audit="yes"),
)


class Match(NamedTuple):
    """Who answers a request, and the variable parts of its path."""

    route: Route
    names: dict[str, str]


class Router:
    """Finds the route of a request."""

    def __init__(self, routes: tuple[Route, ...] = ROUTES) -> None:
        ends = ((route.method, route.path.rpartition("/")) for route in routes)
        of_one = {(method, before) for method, (before, _, last) in ends if last.startswith("{")}
        self._of_all = {route for route in routes if (route.method, route.path) in of_one}
        self._by_first: dict[str, list[tuple[Route, list[str]]]] = {}
        for route in routes:
            segments = route.path.split("/")[2:]
            self._by_first.setdefault(segments[0].lower(), []).append((route, segments[1:]))
        self.find = remembered(4096)(self._find)

    def _find(self, target: str, method: str) -> Match:
        """Return who answers.

        Raises:
            Refused: 404 for an unknown path, 405 for a known one with another method; 400 where an empty id would mean all.
        """
        path = target.partition("?")[0]
        version, _, rest = path[1:].partition("/")
        first, slash, tail = rest.partition("/")
        allowed: set[str] = set()
        if version.lower() == "v2":
            for route, segments in self._by_first.get(first.lower(), ()):
                names = _names(segments, tail, slash, target)
                if names is None:
                    continue
                if route.method in (method, "ANY"):
                    if path.endswith("/") and method != "GET" and route in self._of_all:
                        raise Refused(400, f"missing id behind {path}; without the last slash it is a call for all")
                    return Match(route, names)
                allowed.add(route.method)
        if allowed:
            expected = ", ".join(sorted(allowed))
            raise Refused(405, f"method {method} is not allowed here, use {expected}", (("Allow", expected),))
        if version == "llm":
            raise Refused(404, "the LLM proxy is not available on this server, publish to the provider's own address")
        raise Refused(404, f"there is nothing at {method} {path}")


def _names(segments: list[str], tail: str, slash: str, target: str) -> dict[str, str] | None:
    """Match the rest of a path against segments; None if it does not fit. A trailing slash is no difference."""
    names: dict[str, str] = {}
    for position, segment in enumerate(segments):
        if segment.endswith("...}"):
            if position == 0 and not slash:
                return None
            query = target.partition("?")[2]
            names[segment[1:-4]] = f"{tail}?{query}" if query else tail
            return names
        if segment.endswith("*}"):
            given, tail = _spanning(tail, len(segments) - position - 1)
        else:
            given, _, tail = tail.partition("/")
        if not given:
            return None
        if segment[0] == "{":
            names[segment[1:-1].rstrip("*")] = unquote(given)
        elif segment.lower() != given.lower():
            return None
    return None if tail else names


def _spanning(tail: str, kept: int) -> tuple[str, str]:
    """Split a path before its last `kept` segments."""
    parts = tail.rstrip("/").rsplit("/", kept) if kept else [tail.rstrip("/")]
    return parts[0], "/".join(parts[1:])
