"""A wish of the request builder as a program: curl, Python and TypeScript."""

import json
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from ringback.console.views.wish import BY_NAME, Option, Wish, path, wire_headers


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
        named = ", ".join(f"{name}={_python_value(value)}" for name, value in _flow(wish).items())
        options["flow_control"] = f"FlowControl({named})"
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
        option = BY_NAME[key]
        if name(option):
            found[name(option)] = value(int(text) if option.number else text)
    return found


def _flow(wish: Wish) -> dict[str, Any]:
    found: dict[str, Any] = {"key": wish.options["flow_key"]}
    for name in ("parallelism", "rate", "period"):
        if name in wish.options:
            found[name] = int(wish.options[name]) if BY_NAME[name].number else wish.options[name]
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
