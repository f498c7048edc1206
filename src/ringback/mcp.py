"""A read-only MCP server: an assistant looks at runs, failures and dead letters through the broker's API.

Nothing here writes; a read-only token is enough, and the best one to give.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal, TypeVar

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field

from ringback import __version__
from ringback.client import AsyncTransport, Broker, LogFilter, Page, dead_letters, management, runs
from ringback.client.calls import Call
from ringback.client.insight import attempts
from ringback.errors import RingbackError

T = TypeVar("T")

_MOST_BODY = 4096

_INSTRUCTIONS = """\
Looks at a ringback broker, a push queue with durable workflows: which runs and messages there are, why they failed, what waits.
Times are milliseconds since the epoch. A list is newest first; give its cursor back for the next page."""

Count = Annotated[int, Field(ge=1, le=100, description="How many at most.")]
Cursor = Annotated[str | None, Field(description="Where the last page ended.")]
RunState = Literal["RUN_STARTED", "RUN_SUCCESS", "RUN_FAILED", "RUN_CANCELED"]


def server(broker: Broker) -> MCPServer:
    """Return the server for one broker; `run()` serves it over standard input and output."""
    made = MCPServer("ringback", instructions=_INSTRUCTIONS, version=__version__)
    for tool in _Tools(AsyncTransport(broker)).all():
        made.tool(annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False))(tool)
    return made


class _Tools:
    """What the assistant may ask; the docstrings are what it reads."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    def all(self) -> list[Callable[..., Awaitable[Any]]]:
        return [
            self.list_runs,
            self.show_run,
            self.list_failed_runs,
            self.list_events,
            self.show_message,
            self.show_attempts,
            self.list_dead_letters,
            self.show_dead_letter,
            self.list_queues,
            self.list_schedules,
            self.list_url_groups,
            self.list_flow_control_keys,
        ]

    async def list_runs(
        self,
        state: RunState | None = None,
        workflow_url: str | None = None,
        label: str | None = None,
        count: Annotated[int, Field(ge=1, le=10)] = 10,
        cursor: Cursor = None,
    ) -> dict[str, Any]:
        """List runs of workflows with their steps, results and errors."""
        only = LogFilter(state=state, workflow_url=workflow_url, labels=[label] if label else [])
        return _page(await self._ask(runs.logs(only, cursor=cursor, count=count)))

    async def show_run(self, workflow_run_id: str) -> dict[str, Any]:
        """Show one run: its steps in order, what each returned, every failed attempt, and its dead letter if it failed."""
        found = (await self._ask(runs.logs(LogFilter(workflow_run_id=workflow_run_id), count=1))).items
        return found[0] if found else {"error": f"there is no run {workflow_run_id}"}

    async def list_failed_runs(self, count: Count = 20, cursor: Cursor = None) -> dict[str, Any]:
        """List runs that failed for good and can be resumed or restarted, with the last answer of their endpoint."""
        return _page(await self._ask(dead_letters.dead_letters(cursor=cursor, count=count)))

    async def list_events(
        self,
        message_id: str | None = None,
        state: str | None = None,
        url: str | None = None,
        label: str | None = None,
        count: Count = 50,
        cursor: Cursor = None,
    ) -> dict[str, Any]:
        """List what happened to messages: CREATED, ACTIVE, RETRY, ERROR, DELIVERED, FAILED, CANCELED; bodies are base64."""
        given = {"messageId": message_id, "state": state, "url": url, "label": label}
        which = {name: value for name, value in given.items() if value}
        return _page(await self._ask(management.events(which, cursor=cursor, count=count)))

    async def show_message(self, message_id: str) -> dict[str, Any]:
        """Show a message that has not ended, or has ended within the last minute."""
        return await self._ask(management.message(message_id))

    async def show_attempts(self, message_id: str) -> dict[str, Any]:
        """Show every attempt to deliver a message: its request, how long it took, the answer or what went wrong."""
        return await self._ask(attempts(message_id, trim=_MOST_BODY, trim_response=_MOST_BODY))

    async def list_dead_letters(
        self, url: str | None = None, status: int | None = None, count: Count = 20, cursor: Cursor = None
    ) -> dict[str, Any]:
        """List messages that failed for good, with the last answer."""
        given = {"url": url, "responseStatus": status}
        which = {name: value for name, value in given.items() if value is not None}
        return _page(await self._ask(management.dead_letters(which, cursor=cursor, count=count)))

    async def show_dead_letter(self, dlq_id: str) -> dict[str, Any]:
        """Show one dead letter."""
        return await self._ask(management.dead_letter(dlq_id))

    async def list_queues(self) -> list[dict[str, Any]]:
        """List the queues: parallelism, how many messages wait (lag), whether they are paused."""
        return await self._ask(management.queues())

    async def list_schedules(self) -> list[dict[str, Any]]:
        """List the schedules: cron, destination, last and next tick."""
        return await self._ask(management.schedules())

    async def list_url_groups(self) -> list[dict[str, Any]]:
        """List the URL groups and their endpoints."""
        return await self._ask(management.url_groups())

    async def list_flow_control_keys(self, search: str | None = None) -> list[dict[str, Any]]:
        """List the flow-control keys: limits, what is used of them, how many messages wait."""
        return await self._ask(management.flow_keys(search))

    async def _ask(self, call: Call[T]) -> T:
        try:
            return await self._transport.send(call)
        except RingbackError as error:
            raise ToolError(str(error)) from error


def _page(page: Page) -> dict[str, Any]:
    return {"items": page.items} | ({"cursor": page.cursor} if page.cursor else {})
