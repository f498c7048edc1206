"""The request builder: one wish, told as curl, Python and TypeScript, and as the call itself."""

import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["publish", "enqueue", "schedule", "trigger"]
KINDS: dict[str, str] = {
    "publish": "Publish a message",
    "enqueue": "Enqueue it",
    "schedule": "Publish on a schedule",
    "trigger": "Start a workflow run",
}
METHODS = ("POST", "GET", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a request.

    Attributes:
        name: field of the form.
        title, hint: how it is told.
        header: how it goes over the wire.
        python, script: its name in the official clients; "" where the client of that kind has none.
        kinds: where it may be given.
        number: whether clients take it as a number.
    """

    name: str
    title: str
    hint: str
    header: str
    python: str
    script: str
    kinds: Sequence[str] = ("publish", "enqueue", "schedule", "trigger")
    number: bool = False


_MESSAGES = ("publish", "enqueue", "schedule")
_ONCE = ("publish", "enqueue")
OPTIONS = (
    Option("delay", "Delay", "10s, 2m, 3d", "Upstash-Delay", "delay", "delay", ("publish", "schedule", "trigger")),
    Option("retries", "Retries", "3 unless given", "Upstash-Retries", "retries", "retries", number=True),
    Option(
        "retry_delay", "Wait before a retry", "1000 * (1 + retried)", "Upstash-Retry-Delay", "retry_delay", "retryDelay"
    ),
    Option("timeout", "Time-out of an attempt", "30s", "Upstash-Timeout", "timeout", "timeout", _MESSAGES),
    Option("callback", "Callback URL", "gets each answer", "Upstash-Callback", "callback", "callback", _MESSAGES),
    Option(
        "failure_callback",
        "Failure callback URL",
        "gets the last one",
        "Upstash-Failure-Callback",
        "failure_callback",
        "failureCallback",
        _MESSAGES,
    ),
    Option("label", "Label", "to find it by", "Upstash-Label", "label", "label"),
    Option(
        "deduplication_id",
        "Deduplication id",
        "once in ten minutes",
        "Upstash-Deduplication-Id",
        "deduplication_id",
        "deduplicationId",
        _ONCE,
    ),
    Option(
        "flow_key",
        "Flow-control key",
        "limits share it",
        "Upstash-Flow-Control-Key",
        "",
        "",
        ("publish", "schedule", "trigger"),
    ),
    Option("parallelism", "At once", "under this key", "", "", "", ("publish", "schedule", "trigger"), number=True),
    Option("rate", "Starts per period", "under this key", "", "", "", ("publish", "schedule", "trigger"), number=True),
    Option("period", "Period", "1s unless given", "", "", "", ("publish", "schedule", "trigger")),
    Option(
        "schedule_id",
        "Schedule id",
        "replaces the one it names",
        "Upstash-Schedule-Id",
        "schedule_id",
        "scheduleId",
        ("schedule",),
    ),
)
_BY_NAME = {one.name: one for one in OPTIONS}


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be sent.

    Attributes:
        kind: which call.
        destination: a URL, or the name of a URL group.
        method: what the destination is called with.
        headers: what the destination gets.
        options: by the names of `OPTIONS`, those that fit the kind.
    """

    kind: Kind
    destination: str
    method: str = "POST"
    body: str = ""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    queue: str = ""
    cron: str = ""

    @property
    def is_url(self) -> bool:
        """Whether the destination is a URL and no URL group."""
        return self.destination.lower().startswith(("http://", "https://"))


def read_wish(given: Mapping[str, Sequence[str]]) -> Wish:
    """Return what a form asks for.

    Raises:
        ValueError: a field is not what it should be; the text names it.
    """

    def one(name: str) -> str:
        return given.get(name, ("",))[0].strip()

    kind = one("kind") or "publish"
    if kind not in KINDS:
        raise ValueError(f"kind: expected one of {', '.join(KINDS)}")
    method = one("method") or "POST"
    if method not in METHODS:
        raise ValueError(f"method: expected one of {', '.join(METHODS)}")
    options = {name: one(name) for name in _BY_NAME if one(name) and kind in _BY_NAME[name].kinds}
    for name, value in options.items():
        if _BY_NAME[name].number and not (value.isascii() and value.isdigit()):
            raise ValueError(f"{_BY_NAME[name].title}: expected a whole number, found {value[:40]!r}")
        if any(character in value for character in "\r\n"):
            raise ValueError(f"{_BY_NAME[name].title}: expected one line")
    return Wish(
        kind,  # type: ignore[arg-type]
        one("destination"),
        method,
        given.get("body", ("",))[0].replace("\r\n", "\n"),
        one("content_type") or "application/json",
        _headers(given.get("headers", ("",))[0]),
        options,
        one("queue"),
        one("cron"),
    )


_HEADER = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*(.*)")


def _headers(text: str) -> dict[str, str]:
    found = {}
    for line in text.splitlines():
        if line.strip():
            match = _HEADER.fullmatch(line.strip())
            if match is None:
                raise ValueError(f"Headers: expected lines such as X-Tenant: shop-7, found {line[:60]!r}")
            found[match[1]] = match[2]
    return found


def missing(wish: Wish) -> str | None:
    """Return what still has to be filled in, None if the wish is whole."""
    if not wish.destination:
        return "Name a destination."
    if wish.kind == "trigger" and not wish.is_url:
        return "A workflow is served at a URL: begin it with http:// or https://."
    if wish.kind == "enqueue" and not wish.queue:
        return "Name a queue."
    if wish.kind == "schedule" and not wish.cron:
        return "Give a cron expression."
    if set(wish.options) & {"parallelism", "rate", "period"} and "flow_key" not in wish.options:
        return "Limits need a flow-control key."
    if "flow_key" in wish.options and not set(wish.options) & {"parallelism", "rate"}:
        return "A flow-control key needs a limit: at once, or starts per period."
    return None


def wire_headers(wish: Wish) -> dict[str, str]:
    """Return the headers of the call."""
    found = {"Content-Type": wish.content_type} if wish.body else {}
    if wish.method != "POST" and wish.kind != "trigger":
        found["Upstash-Method"] = wish.method
    if wish.kind == "schedule":
        found["Upstash-Cron"] = wish.cron
    found |= {_BY_NAME[name].header: value for name, value in wish.options.items() if _BY_NAME[name].header}
    limits = [f"{name}={wish.options[name]}" for name in ("parallelism", "rate", "period") if name in wish.options]
    if limits:
        found["Upstash-Flow-Control-Value"] = ", ".join(limits)
    return found | {f"Upstash-Forward-{name}": value for name, value in wish.headers.items()}


def path(wish: Wish) -> str:
    """Return the path of the call."""
    first = {"publish": "publish", "enqueue": f"enqueue/{wish.queue}", "schedule": "schedules", "trigger": "trigger"}
    return f"/v2/{first[wish.kind]}/{wish.destination}"


def curl(wish: Wish, broker: str) -> str:
    """Return the wish as a curl command; the token comes from the environment."""
    lines = [f"curl -X POST {shlex.quote(broker + path(wish))}", '  -H "Authorization: Bearer $QSTASH_TOKEN"']
    lines += [f"  -H {shlex.quote(f'{name}: {value}')}" for name, value in wire_headers(wish).items()]
    if wish.body:
        lines.append(f"  --data-raw {shlex.quote(wish.body)}")
    return " \\\n".join(lines)


def python(wish: Wish, broker: str) -> str:
    """Return the wish as a program with the official `qstash` package, or with ringback's client for runs."""
    if wish.kind == "trigger":
        return _python_trigger(wish, broker)
    arguments = _arguments(wish, lambda option: option.python, _python_value)
    names = {"content_type": _python_value(wish.content_type)} if wish.body else {}
    method = {"method": _python_value(wish.method)} if wish.method != "POST" else {}
    headers = {"headers": _python_value(dict(wish.headers))} if wish.headers else {}
    flow = {"flow_control": _python_value(_flow(wish))} if "flow_key" in wish.options else {}
    body = {"body": _python_value(wish.body)} if wish.body else {}
    if wish.kind == "schedule":
        where = {"destination": _python_value(wish.destination), "cron": _python_value(wish.cron)}
    else:
        where = {"url" if wish.is_url else "url_group": _python_value(wish.destination)}
    if wish.kind == "enqueue":
        where = {"queue": _python_value(wish.queue), **where}
    call = {"publish": "message.publish", "enqueue": "message.enqueue", "schedule": "schedule.create"}[wish.kind]
    lines = _lines({**where, **body, **names, **method, **headers, **arguments, **flow}, "=")
    return (
        "import os\n\nfrom qstash import QStash\n\n"
        f'client = QStash(os.environ["QSTASH_TOKEN"], base_url={_python_value(broker)})\n'
        f"answer = client.{call}(\n{lines})\nprint(answer)\n"
    )


def _python_trigger(wish: Wish, broker: str) -> str:
    options = _arguments(wish, lambda option: option.python if option.name != "label" else "", _python_value)
    if "label" in wish.options:
        options["labels"] = _python_value([wish.options["label"]])
    if "flow_key" in wish.options:
        flow = {"key": wish.options["flow_key"], **{k: v for k, v in _flow(wish).items() if k != "key"}}
        options["flow_control"] = "FlowControl(" + ", ".join(f"{k}={_python_value(v)}" for k, v in flow.items()) + ")"
    if wish.headers:
        options["headers"] = _python_value(dict(wish.headers))
    given = (
        f"    options=RunOptions({', '.join(f'{name}={value}' for name, value in options.items())}),\n"
        if options
        else ""
    )
    body = f"    body={_python_value(_payload(wish.body))},\n" if wish.body else ""
    names = ["Broker", *(["FlowControl"] if "flow_key" in wish.options else []), *(["RunOptions"] if options else [])]
    return (
        f"import os\n\nfrom ringback.client import {', '.join([*names, 'WorkflowClient'])}\n\n"
        f'with WorkflowClient(Broker({_python_value(broker)}, os.environ["QSTASH_TOKEN"])) as client:\n'
        + _indented(
            f"run = client.trigger(\n    url={_python_value(wish.destination)},\n{body}{given})\nprint(run.workflow_run_id)\n"
        )
    )


def typescript(wish: Wish, broker: str) -> str:
    """Return the wish as a program with the official JavaScript packages."""
    where = {
        "destination" if wish.kind == "schedule" else ("url" if wish.is_url else "urlGroup"): _script(wish.destination)
    }
    if wish.kind == "schedule":
        where["cron"] = _script(wish.cron)
    headers = dict(wish.headers)
    if wish.body and wish.kind != "trigger":
        headers = {"Content-Type": wish.content_type, **headers}
    more = {"body": _script(_payload(wish.body) if wish.kind == "trigger" else wish.body)} if wish.body else {}
    more |= {"method": _script(wish.method)} if wish.method != "POST" and wish.kind != "trigger" else {}
    more |= {"headers": _script(headers)} if headers else {}
    more |= _arguments(wish, lambda option: option.script, _script)
    more |= {"flowControl": _script(_flow(wish))} if "flow_key" in wish.options else {}
    lines = _lines(where | more, ": ", indent="  ")
    package = "@upstash/workflow" if wish.kind == "trigger" else "@upstash/qstash"
    calls = {
        "publish": "client.publish",
        "enqueue": f"client.queue({{ queueName: {_script(wish.queue)} }}).enqueue",
        "schedule": "client.schedules.create",
        "trigger": "client.trigger",
    }
    return (
        f'import {{ Client }} from "{package}";\n\n'
        f"const client = new Client({{ baseUrl: {_script(broker)}, token: process.env.QSTASH_TOKEN }});\n"
        f"const answer = await {calls[wish.kind]}({{\n{lines}}});\nconsole.log(answer);\n"
    )


def _arguments(wish: Wish, name: Callable[[Option], str], value: Callable[[Any], str]) -> dict[str, str]:
    found = {}
    for key, text in wish.options.items():
        option = _BY_NAME[key]
        if name(option):
            found[name(option)] = value(int(text) if option.number else text)
    return found


def _flow(wish: Wish) -> dict[str, Any]:
    found: dict[str, Any] = {"key": wish.options["flow_key"]}
    for name in ("parallelism", "rate", "period"):
        if name in wish.options:
            found[name] = int(wish.options[name]) if _BY_NAME[name].number else wish.options[name]
    return found


def _payload(body: str) -> Any:
    """Return a body as a value where it is JSON: clients encode it again."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body


def _lines(given: Mapping[str, str], between: str, indent: str = "    ") -> str:
    return "".join(f"{indent}{name}{between}{value},\n" for name, value in given.items())


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())


def _python_value(value: Any) -> str:
    """Text in double quotes, as JSON writes it, which Python reads the same; other values as Python writes them."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_python_value(str(k))}: {_python_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_python_value, value)) + "]"
    return repr(value)


def _script(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
