"""Who answers at which URL in a test: workflows, applications, and stubs for everybody else."""

from typing import Any
from urllib.parse import urlsplit

from ringback.testing.answers import Stub
from ringback.testing.apps import Deliver
from ringback.testing.attempts import Attempt
from ringback.testing.lifespan import LifespanFailed
from ringback.wire.http import Outbound, Outcome


class NobodyThere(AssertionError):
    """A request went where nothing is served and no stub stands."""


class Places:
    """Everything that answers."""

    def __init__(self) -> None:
        self._workflows: dict[str, Deliver] = {}
        self._apps: dict[str, Deliver] = {}
        self._stubs: list[tuple[str, Stub]] = []
        self._not_started: LifespanFailed | None = None
        self.unanswered: list[str] = []

    def serve(self, url: str, deliver: Deliver) -> None:
        """Let a workflow answer at a URL."""
        self._workflows[url] = deliver

    def mount(self, base: str, deliver: Deliver) -> None:
        """Let an application answer at all URLs that begin with `base`."""
        parts = urlsplit(base)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"an application is mounted at an absolute URL such as https://app.test, not at {base!r}")
        self._apps[base.rstrip("/")] = deliver

    def stub(self, where: str, answers: tuple[Any, ...]) -> Stub:
        """Let a stub answer; the one named last goes first."""
        stub = Stub(answers)
        self._stubs.insert(0, (where, stub))
        return stub

    async def answer(self, attempt: Attempt) -> Outcome:
        """Return what comes back for a request."""
        step = _step_of(attempt)
        for where, stub in self._stubs:
            if where == step or ("://" in where and attempt.url.startswith(where)):
                return stub.answer(attempt)
        if self._served(attempt.url) is None:
            what = f"step {step!r} calls {attempt.method} {attempt.url}" if step else f"{attempt.method} {attempt.url}"
            self.unanswered.append(what)
        return await self.deliver(attempt)

    async def deliver(self, sent: Outbound) -> Outcome:
        """Return what a workflow or an application answers."""
        deliver = self._served(sent.url)
        if deliver is None:
            return Outcome(0, error="nobody answers there in this test")
        try:
            return await deliver(sent)
        except LifespanFailed as error:
            self._not_started = error
            return Outcome(0, error="the application did not start")

    def check(self) -> None:
        """Fail when somebody was asked who is not there.

        Raises:
            LifespanFailed: an application could not start.
            NobodyThere: which request it was, and what to do.
        """
        if self._not_started is not None:
            raise self._not_started
        if self.unanswered:
            what = self.unanswered.pop(0)
            self.unanswered.clear()
            raise NobodyThere(
                f"{what}, and nobody answers there in this test: serve the workflow, mount the application, or say what "
                "comes back with stub(URL or name of the step, answer)"
            )

    def _served(self, url: str) -> Deliver | None:
        return self._workflows.get(url.partition("?")[0]) or self._app(url)

    def _app(self, url: str) -> Deliver | None:
        fitting = [base for base in self._apps if url == base or url.startswith((f"{base}/", f"{base}?"))]
        return self._apps[max(fitting, key=len)] if fitting else None


def _step_of(attempt: Attempt) -> str | None:
    """Return the name of the step that makes a call to a third party."""
    message = attempt.handed.message
    if message.kind != "call" or message.run is None or message.run.callback is None:
        return None
    return dict(message.run.callback.options.headers).get("Upstash-Workflow-Stepname")
