"""Several workflows side by side, chosen by the last part of the path."""

from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from ringback.wire.http import Request, Response
from ringback.workflow import answers
from ringback.workflow.definition import ServeOptions, Workflow, WorkflowFunction, as_workflow
from ringback.workflow.endpoint import Endpoint


class Endpoints:
    """Workflows by name.

    Args:
        workflows: functions, or workflows with options of their own.
        options: for all of them.

    Raises:
        TypeError, ValueError: they are no mapping, or a name or an option is wrong; the text says which.
    """

    def __init__(self, workflows: Mapping[str, WorkflowFunction | Workflow], options: ServeOptions) -> None:
        if not isinstance(workflows, Mapping):
            raise TypeError(f'the workflows must be a mapping of names, such as {{"order": order}}, not {workflows!r}')
        for name in workflows:
            if not name or "/" in name:
                raise ValueError(f"a workflow's name is the last part of its path and cannot be {name!r}")
        siblings = {name: as_workflow(function, options) for name, function in workflows.items()}
        self._endpoints = {name: Endpoint(workflow, siblings) for name, workflow in siblings.items()}

    async def answer(self, request: Request, url: str) -> Response:
        """Return the answer of the workflow that the URL names."""
        name = unquote(urlsplit(url).path.rstrip("/").rpartition("/")[2])
        endpoint = self._endpoints.get(name)
        if endpoint is None:
            known = ", ".join(sorted(self._endpoints))
            return answers.answer(
                404, {"error": "NotFound", "message": f"no workflow {name!r} here; there are: {known}"}
            )
        return await endpoint.answer(request, url)

    async def close(self) -> None:
        """Give back the connections of the running event loop."""
        for endpoint in self._endpoints.values():
            await endpoint.close()
