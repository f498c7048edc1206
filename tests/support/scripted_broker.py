"""A broker in memory for tests of the SDK: it appends, delivers and answers as the protocol says, with virtual time.

It knows the protocol from its description and not from our broker, so that the SDK is checked against something that is
neither of the two.
"""

import heapq
import json
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import httpx

from ringback import clock
from ringback.client.settings import DEV_KEYS, DEV_TOKEN, Broker
from ringback.client.transport import AsyncTransport
from ringback.wire.http import Request, Response
from ringback.wire.signing import sign

Answer = Callable[[Request, str], Awaitable[Response]]
URL = "http://broker.test"


@dataclass
class Entry:
    id: str
    body: str
    call_type: str = "step"
    seq: int = -1


@dataclass
class Run:
    id: str
    url: str
    headers: dict[str, str]
    state: str = "RUN_STARTED"
    result: str | None = None
    entries: list[Entry] = field(default_factory=list)
    seen: dict[tuple[str, int], str] = field(default_factory=dict)
    invoker: dict[str, Any] | None = None
    waiting: list[dict[str, Any]] = field(default_factory=list)
    failure: dict[str, Any] | None = None
    failure_said: Response | None = None
    retries: int = 0
    errors: list[dict[str, Any]] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """Names of the recorded results, in order of arrival."""
        steps = [json.loads(entry.body) for entry in self.entries[1:] if entry.call_type == "step"]
        return [step["stepName"] for step in steps if not step.get("targetStep")]


class ScriptedBroker:
    """Answers API calls through `transport`, and makes deliveries when told to `drain`.

    Args:
        takes_results: whether it offers that results ride on the response.
        lazy: whether deliveries come with an empty body.

    Attributes:
        choose: which of the deliveries that are due comes next, given their number.
        lose: whether the reply to delivery number n is lost, so that it is made again.
        refuse: which status and text the API answers instead of doing what is asked.
    """

    def __init__(self, *, takes_results: bool = False, lazy: bool = False) -> None:
        self.takes_results = takes_results
        self.lazy = lazy
        self.broker = Broker(URL, DEV_TOKEN, DEV_KEYS)
        self.transport = AsyncTransport(self.broker, httpx.MockTransport(self._api))
        self.endpoints: dict[str, Answer] = {}
        self.vendor: Callable[[str, dict[str, str], str], tuple[int, str]] | None = None
        self.runs: dict[str, Run] = {}
        self.deliveries: list[str] = []
        self.api_calls: list[str] = []
        self.beats: list[dict[str, Any]] = []
        self.refuse: Callable[[str, str], tuple[int, str] | None] = lambda method, path: None
        self.lose: Callable[[int], bool] = lambda number: False
        self.choose: Callable[[int], int] = lambda waiting: 0
        self.slept: list[str] = []
        self._due: deque[Callable[[], Awaitable[None]]] = deque()
        self._later: list[tuple[float, int, Callable[[], Awaitable[None]]]] = []
        self._now = 0.0
        self._count = 0

    # Starting and running

    def trigger(self, url: str, payload: object = None, run_id: str = "wfr_test", **headers: str) -> Run:
        """Start a run as a trigger with all headers does."""
        body = payload if isinstance(payload, str) else json.dumps(payload)
        self._publish(
            url, {"upstash-workflow-init": "true", "upstash-workflow-runid": run_id, **_failure(url)} | headers, body
        )
        return self.runs[run_id]

    async def post(self, url: str, body: bytes = b"", **headers: str) -> Response:
        """Send a request to an endpoint, signed, as a plain publish does."""
        return await self._request(url, headers, body)

    async def drain(self, limit: int = 300) -> None:
        """Make all deliveries, those of later moments included, until nothing is left to do."""
        for _ in range(limit):
            if self._due:
                index = self.choose(len(self._due))
                job = self._due[index]
                del self._due[index]
                await job()
            elif self._later:
                self._now, _, then = heapq.heappop(self._later)
                await then()
            else:
                return
        raise AssertionError(f"the run does not end: {self.deliveries[-5:]}")

    # The API

    def _api(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        self.api_calls.append(f"{request.method} {path}")
        assert request.headers["authorization"] == f"Bearer {DEV_TOKEN}"
        refusal = self.refuse(request.method, path)
        if refusal:
            return httpx.Response(refusal[0], json={"error": refusal[1]})
        try:
            return self._route(request, path, request.content.decode())
        except _Refused as no:
            return httpx.Response(no.status, json={"error": str(no)})

    def _route(self, request: httpx.Request, path: str, body: str) -> httpx.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        if path == "/v2/batch":
            return httpx.Response(200, json=[self._item(item) for item in json.loads(body)])
        if path.startswith("/v2/publish/"):
            return httpx.Response(200, json=self._publish(path[12:], headers, body))
        if path.startswith("/v2/wait/"):
            self._wait(unquote(path[9:]), headers, json.loads(body))
            return httpx.Response(200, json={"messageId": "msg_w"})
        if path.startswith("/v2/notify/"):
            parts = path[11:].split("/")
            run_id = unquote(parts[0]) if len(parts) == 2 else None
            return httpx.Response(201, json=self.notify(unquote(parts[-1]), body, run_id))
        run_id = unquote(path.split("/")[4].partition("?")[0])
        if path.endswith("/heartbeat"):
            self.beats.append(json.loads(body))
            return httpx.Response(200, json={})
        run = self._running(run_id, 404 if request.method == "GET" else 400)
        if request.method == "GET":
            return httpx.Response(200, json=[_raw(entry) for entry in run.entries])
        self._finish(run, "RUN_CANCELED" if "cancel=true" in path else "RUN_SUCCESS", body or None)
        return httpx.Response(200, json={})

    def _item(self, item: dict[str, Any]) -> dict[str, Any]:
        headers = {name.lower(): value for name, value in item["headers"].items()}
        return self._publish(item["destination"], headers, item.get("body") or "")

    def _publish(self, url: str, headers: dict[str, str], body: str) -> dict[str, Any]:
        run_id = headers["upstash-workflow-runid"]
        if headers.get("upstash-workflow-init") == "true":
            return self._create(url, headers, body)
        run = self._running(run_id, 400)
        if headers.get("upstash-workflow-calltype") == "toCallback":
            self._third_party(run, url, headers, body)
            return {"messageId": self._id()}
        step = json.loads(body)
        key = ("plan", step["targetStep"]) if step.get("targetStep") else ("result", step["stepId"])
        if key in run.seen:
            return {"messageId": run.seen[key], "deduplicated": True}
        entry = Entry(self._id(), body)
        run.seen[key] = entry.id
        wait = headers.get("upstash-delay") or headers.get("upstash-not-before")
        if wait:
            self.slept.append(wait)
        self._at(_delay_s(headers), lambda: self._append(run, entry))
        return {"messageId": entry.id}

    def _create(self, url: str, headers: dict[str, str], body: str) -> dict[str, Any]:
        run_id = headers["upstash-workflow-runid"]
        if headers.get("upstash-workflow-trigger-by-sdk") == "true":
            run = self.runs[run_id]
            self._soon(lambda: self._deliver(run, run.entries[0]))
            return {"messageId": self._id()}
        if run_id in self.runs:
            return {"messageId": self.runs[run_id].entries[0].id, "deduplicated": True}
        envelope = json.loads(body) if headers.get("upstash-workflow-invoke") == "true" else None
        payload = envelope.get("body", "") if envelope else body
        run = Run(run_id, url, headers, invoker=envelope, retries=int(headers.get("upstash-retries", 3)))
        self.runs[run_id] = run
        entry = Entry(self._id(), payload)
        self._at(_delay_s(headers), lambda: self._append(run, entry))
        run.entries = []
        return {"messageId": entry.id}

    def _third_party(self, run: Run, url: str, headers: dict[str, str], body: str) -> None:
        forwarded = {name[16:]: value for name, value in headers.items() if name.startswith("upstash-forward-")}
        prefix = "upstash-callback-forward-"
        marks = {name[len(prefix) :]: value for name, value in headers.items() if name.startswith(prefix)}
        retries = int(headers["upstash-retries"])

        async def call() -> None:
            assert self.vendor is not None
            status, text = self.vendor(url, forwarded, body)
            retried = 0
            while not 200 <= status < 300 and retried < retries:
                status, text = self.vendor(url, forwarded, body)
                retried += 1
            said = {
                "status": status,
                "header": {"Content-Type": ["application/json"]},
                "body": b64encode(text.encode()).decode(),
                "retried": retried,
                "maxRetries": retries,
            }
            sent = {"upstash-workflow-runid": run.id, "upstash-message-id": self._id(), **marks}
            await self._until_accepted(run, "callback", sent, json.dumps(said).encode())

        run.entries.append(Entry(self._id(), body, "toCallback"))
        self._soon(call)

    def _wait(self, event_id: str, headers: dict[str, str], body: dict[str, Any]) -> None:
        run = self._running(headers["upstash-workflow-runid"], 400)
        waiter = {"event": event_id, "step": body["step"], "timeout": body["timeout"], "done": False}
        run.waiting.append(waiter)

        async def give_up() -> None:
            if not waiter["done"]:
                waiter["done"] = True
                await self._append_step(run, waiter["step"] | {"waitTimeout": True})

        self._at(_seconds(body["timeout"]), give_up)

    def notify(self, event_id: str, data: str, run_id: str | None = None) -> list[dict[str, Any]]:
        """Wake the runs that wait for an event."""
        woken = []
        for run in self.runs.values():
            for waiter in run.waiting:
                if waiter["event"] == event_id and not waiter["done"] and run_id in (None, run.id):
                    waiter["done"] = True
                    step = waiter["step"] | {"waitEventId": event_id, "out": b64encode(data.encode()).decode()}
                    self._soon(lambda run=run, step=step: self._append_step(run, step))  # type: ignore[misc]
                    woken.append({"waiter": {"url": run.url}, "messageId": self._id(), "workflowRunId": run.id})
        return woken

    # Deliveries

    async def _append_step(self, run: Run, step: dict[str, Any]) -> None:
        await self._append(run, Entry(self._id(), json.dumps(step)))

    async def _append(self, run: Run, entry: Entry) -> None:
        if run.state == "RUN_STARTED":
            run.entries.append(entry)
            self._soon(lambda: self._deliver(run, entry))

    async def _deliver(self, run: Run, entry: Entry) -> None:
        if run.state != "RUN_STARTED":
            return
        upto = run.entries[: run.entries.index(entry) + 1]
        body = b"" if self.lazy else json.dumps([_raw(e) for e in upto], separators=(",", ":")).encode()
        headers = {"upstash-message-id": entry.id, "upstash-workflow-sdk-version": "1", **self._of(run)}
        await self._until_accepted(run, "step", headers, body)

    def _of(self, run: Run) -> dict[str, str]:
        user = {
            name[16:]: value
            for name, value in run.headers.items()
            if name.startswith("upstash-forward-")
            and not name.startswith(("upstash-forward-upstash-workflow-runid", "upstash-forward-upstash-workflow-sdk"))
        }
        own = {"upstash-workflow-runid": run.id, "upstash-workflow-createdat": "1795493627534"}
        return user | own

    async def _until_accepted(self, run: Run, kind: str, headers: dict[str, str], body: bytes) -> None:
        for attempt in range(run.retries + 1):
            offer = {"ringback-accept-result": "1"} if self.takes_results else {}
            sent = {**headers, **offer, "upstash-retried": str(attempt), "upstash-workflow-runid": run.id}
            number = len(self.deliveries)
            self.deliveries.append(f"{kind} {run.id}")
            response = await self._request(run.url, sent, body)
            if run.state != "RUN_STARTED":
                return
            if self.lose(number):
                continue
            if response.status == 200:
                self._take_answer(run, response)
                return
            run.errors.append({"status": response.status, **json.loads(response.body)})
            if response.status == 489:
                break
        await self._fail(run, response)

    def _take_answer(self, run: Run, response: Response) -> None:
        names = {name.lower() for name, _ in response.headers}
        assert "upstash-workflow-sdk-version" in names
        if "ringback-result" not in names:
            return
        said = json.loads(response.body)
        for item in said.get("submit", []):
            self._item(item)
        if "finish" in said:
            self._finish(run, "RUN_SUCCESS", said["finish"]["result"])
        if said.get("cancel"):
            self._finish(run, "RUN_CANCELED", None)

    async def _fail(self, run: Run, response: Response) -> None:
        self._finish(run, "RUN_FAILED", None)
        run.failure = {
            "status": response.status,
            "header": {"Content-Type": ["application/json"]},
            "body": b64encode(response.body).decode(),
            "sourceBody": b64encode(run.entries[0].body.encode()).decode(),
            "dlqId": "1-0",
            "url": run.url,
            "workflowRunId": run.id,
        }
        if "upstash-failure-callback" in run.headers:
            marks = {"upstash-workflow-is-failure": "true", "upstash-workflow-failure-callback": "true"}
            headers = {**self._of(run), **marks, "upstash-message-id": self._id()}
            self.deliveries.append(f"failure {run.id}")
            run.failure_said = await self._request(run.url, headers, json.dumps(run.failure).encode())

    def _finish(self, run: Run, state: str, result: str | None) -> None:
        if run.state != "RUN_STARTED":
            return
        run.state, run.result = state, result
        if run.invoker is not None:
            out = {"isFailed": state == "RUN_FAILED", "isCanceled": state == "RUN_CANCELED"}
            step = run.invoker["step"] | {"out": json.dumps(out | ({"body": result} if result is not None else {}))}
            parent = self.runs[run.invoker["workflowRunId"]]
            self._soon(lambda: self._append_step(parent, step))

    async def _request(self, url: str, headers: dict[str, str], body: bytes) -> Response:
        key = self.broker.signing_keys[0]
        signature = sign(url, body, key, clock.now(), self._id())
        lines = [("content-type", "application/json"), ("upstash-signature", signature)]
        lines += [(name.replace("_", "-").lower(), value) for name, value in headers.items()]
        path = "/" + url.split("/", 3)[3]
        return await self.endpoints[url](Request("POST", path, lines, body, "127.0.0.1"), url)

    def _running(self, run_id: str, status: int) -> Run:
        run = self.runs.get(run_id)
        if run is None or run.state != "RUN_STARTED":
            raise _Refused(status, "failed to publish to url: can not append to a a cancelled workflow")
        return run

    def _id(self) -> str:
        self._count += 1
        return f"msg_{self._count}"

    def _soon(self, then: Callable[[], Awaitable[None]]) -> None:
        self._due.append(then)

    def _at(self, delay_s: float, then: Callable[[], Awaitable[None]]) -> None:
        if not delay_s:
            return self._soon(then)
        self._count += 1
        heapq.heappush(self._later, (self._now + delay_s, self._count, then))
        return None


class _Refused(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def _raw(entry: Entry) -> dict[str, str]:
    body = b64encode(entry.body.encode()).decode()
    return {"messageId": entry.id, "body": body, "callType": entry.call_type}


def _failure(url: str) -> dict[str, str]:
    return {"upstash-failure-callback": url}


def _delay_s(headers: dict[str, str]) -> float:
    if "upstash-not-before" in headers:
        return max(0.0, float(headers["upstash-not-before"]) - clock.now() / 1000)
    return _seconds(headers.get("upstash-delay", "0s"))


def _seconds(text: str) -> float:
    return float(text[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[text[-1]]


def decoded(text: str) -> str:
    """Return base64 as text."""
    return b64decode(text).decode()
