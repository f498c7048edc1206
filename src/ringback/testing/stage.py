"""What a test sets up and looks at: who is served, what fails, which events come, and what has happened."""

import copy
import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Unpack

from ringback import clock as wall
from ringback.broker.records import Run
from ringback.broker.settings import DEVELOPMENT_TENANTS, Settings
from ringback.broker.stores.contract import Query
from ringback.broker.stores.memory import MemoryStore
from ringback.client import AsyncTransport
from ringback.client import Broker as Address
from ringback.client.calls import Call, nothing
from ringback.client.events import notify
from ringback.errors import Refused
from ringback.testing.answers import Stub
from ringback.testing.apps import deliver_to_app, deliver_to_workflow, is_asgi
from ringback.testing.attempts import Delivered, KnowingBroker
from ringback.testing.disturbances import NONE, Disturbance
from ringback.testing.lifespan import Lifespan
from ringback.testing.places import Places
from ringback.testing.planned import Plan, Planned
from ringback.testing.postman import Postman, under_way
from ringback.testing.seen import SeenRun
from ringback.testing.wires import Door, connect
from ringback.wire.guard import Policy
from ringback.wire.steps import dump
from ringback.workflow.definition import ServeOptions, Workflow, WorkflowFunction, as_workflow
from ringback.workflow.endpoint import Endpoint

ROOM = 1000
"""Most attempts in flight at once."""

_BASE = "https://workflows.test"
_numbers = itertools.count(1)


class Stage:
    """The part of a test broker that needs no event loop.

    Args:
        at: where its clock begins; now unless given.
        disturbance: what goes wrong; for the crash matrix.

    Attributes:
        url, token, signing_keys: of this broker.
    """

    __test__ = False  # pytest: this is no test class

    def __init__(self, *, at: datetime | None = None, disturbance: Disturbance = NONE) -> None:
        tenant = DEVELOPMENT_TENANTS[0]
        self.url = f"http://broker-{next(_numbers)}.ringback.test"
        self.token = tenant.token
        self.signing_keys = (tenant.keys.current, tenant.keys.next)
        self._at = wall.now() if at is None else int(at.timestamp() * 1000)
        self._store = MemoryStore()
        self._places = Places()
        self._postman = Postman(self._places, self._clock, disturbance)
        anywhere = Policy(allow_private=True)
        settings = Settings(
            "",
            0,
            Path("-"),
            (tenant,),
            destinations=anywhere,
            in_flight=ROOM,
            in_flight_per_host=ROOM,
            in_flight_bytes=1 << 62,
        )
        self._broker = KnowingBroker(settings, self._store, self._postman, self._clock)
        self._door = Door(self._broker, _note)
        self.planned = Planned(self._store, self._send_planned, disturbance)
        self._lifespans: list[Lifespan] = []
        self._siblings: dict[str, Workflow] = {}
        self._served: dict[Callable[..., Any], str] = {}

    @property
    def delivered(self) -> list[Delivered]:
        """Every request it has made, oldest first."""
        return self._postman.delivered

    @property
    def now(self) -> datetime:
        """The time on its clock."""
        return datetime.fromtimestamp(self._at / 1000, UTC)

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that name it."""
        names = ("QSTASH_URL", "QSTASH_TOKEN", "QSTASH_CURRENT_SIGNING_KEY", "QSTASH_NEXT_SIGNING_KEY")
        return dict(zip(names, (self.url, self.token, *self.signing_keys), strict=True))

    @property
    def runs(self) -> list[SeenRun]:
        """All runs, oldest first."""
        found = self._store.look(lambda tx: tx.find(Run, Query(order=("seq",), limit=10_000)))
        return [SeenRun(self._store, run.seq, self._executions, self._clock) for run in found]

    def serve(
        self, workflow: WorkflowFunction | Workflow, *, name: str | None = None, **options: Unpack[ServeOptions]
    ) -> str:
        """Serve a workflow and return its URL; workflows that are served together can invoke each other.

        Args:
            workflow: the function.
            name: the last part of its URL; the function's name unless given.
            **options: see `ServeOptions`; the broker and its keys are this one's, whatever they say.
        """
        given = as_workflow(workflow, options)
        name = name or str(getattr(given.function, "__name__", "workflow"))
        url = f"{_BASE}/{name}"
        mine = ServeOptions(transport=AsyncTransport(self.address()), signing_keys=self.signing_keys, url=url)
        served = Workflow(given.function, ServeOptions(**{**given.options, **mine}))
        self._siblings[name] = served
        self._served[given.function] = url
        self._places.serve(url, deliver_to_workflow(Endpoint(served, self._siblings)))
        return url

    def mount(self, app: Any, base: str = "https://app.test") -> str:
        """Let an ASGI or WSGI application answer at all URLs that begin with `base`; return `base`.

        The lifespan of an ASGI application begins before its first request and ends with the broker.

        Raises:
            TypeError: `app` is no application, or `base` no URL.
        """
        if not callable(app) or not isinstance(base, str):
            raise TypeError("mount(app, base): give the application first, then the URL at which it answers")
        lifespan = Lifespan(app) if is_asgi(app) else None
        if lifespan is not None:
            self._lifespans.append(lifespan)
        self._places.mount(base, deliver_to_app(app, lifespan))
        return base

    def stub(self, where: str, *answers: Any) -> Stub:
        """Say what comes back from a service: for `context.call` and for messages to others.

        Args:
            where: the name of the step that calls, or the beginning of a URL.
            *answers: in turn, the last one ever after: a value (sent as JSON), an `Answer`, an exception (nobody answers), or
                a function of the request that returns one of these.
        """
        return self._places.stub(where, answers)

    def fail(self, step: str, times: int = 1, error: Exception | None = None) -> None:
        """Let the next calls of a step's function fail with an error instead of happening."""
        wrong = error or RuntimeError(f"step {step!r} is made to fail by the test")
        self._postman.failures.setdefault(step, []).extend(copy.copy(wrong) for _ in range(times))

    def plan_event(self, event_id: str, data: object = None) -> None:
        """Send an event as soon as a run waits for it; the crash matrix lets it come at other times too."""
        self.planned.add(Plan(event_id, data))

    def plan_webhook(self, step: str, body: object = None) -> None:
        """Call a webhook as soon as the run waits for it; the crash matrix calls it at other times too.

        Args:
            step: name of the step that makes the webhook (`create_webhook`).
            body: text and bytes as they are, anything else as JSON.
        """
        self.planned.add(Plan(step, body, is_webhook=True))

    def connect(self, client: Any) -> None:
        """Let a client of the official `qstash` package (`QStash`, `AsyncQStash`) reach this broker without a socket."""
        connect(client, self._door)

    def address(self) -> Address:
        """Return where clients find it."""
        return Address(self.url, self.token, self.signing_keys)

    def _clock(self) -> int:
        return self._at

    def _url_of(self, workflow: WorkflowFunction | Workflow) -> str:
        function = workflow.function if isinstance(workflow, Workflow) else workflow
        return self._served.get(function) or self.serve(workflow)

    def _executions(self, run_id: str) -> Mapping[str, int]:
        return Counter(step for one in self.delivered if one.run_id == run_id for step in one.ran)

    def _send_planned(self, plan: Plan) -> None:
        if not plan.is_webhook:
            self._door.send(notify(plan.name, plan.data, plan.run_id or None), self.token)
            return
        path = self.address().webhook_url(plan.run_id, plan.event_id).removeprefix(self.url)
        try:
            self._door.send(Call("POST", path, nothing, body=as_body(plan.data)), self.token)
        except Refused as error:
            if error.status != 404:  # the run has ended: who calls now is told so
                raise


def as_body(value: object) -> bytes:
    """Return a body: text and bytes as they are, anything else as JSON."""
    if value is None or isinstance(value, bytes):
        return value or b""
    return (value if isinstance(value, str) else dump(value)).encode()


def _note(call: str) -> None:
    """Write down which delivery has called the broker."""
    record = under_way.get()
    if record is not None:
        record.asked.append(call)
