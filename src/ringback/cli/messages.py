"""`ringback publish`, `enqueue`, `batch` and `messages`: sending messages, looking at them, canceling them."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any, BinaryIO

import click

from ringback.cli.filters import ABOUT_MESSAGES, filtered
from ringback.cli.listing import Listing
from ringback.cli.output import Shape, field, moment
from ringback.cli.remote import Remote, remote
from ringback.client import insight, management
from ringback.client.durations import delay_expression
from ringback.client.options import Headers

_OPTIONS = (
    ("--method", "Upstash-Method", "HTTP method of the delivery."),
    ("--delay", "Upstash-Delay", "Deliver after this long, such as 10m."),
    ("--not-before", "Upstash-Not-Before", "Deliver at this second of the epoch."),
    ("--retries", "Upstash-Retries", "How often a failed delivery is tried again."),
    ("--retry-delay", "Upstash-Retry-Delay", "Wait before a retry, such as 10s, or an expression in milliseconds."),
    ("--timeout", "Upstash-Timeout", "How long one attempt may take, such as 30s."),
    ("--callback", "Upstash-Callback", "URL that is told the answer."),
    ("--failure-callback", "Upstash-Failure-Callback", "URL that is told when all attempts have failed."),
    ("--deduplication-id", "Upstash-Deduplication-Id", "A second message with this id is not taken."),
    ("--label", "Upstash-Label", "A name to find the message by."),
    ("--flow-key", "Upstash-Flow-Control-Key", "Key of the flow control it is under."),
    ("--flow", "Upstash-Flow-Control-Value", "Limits of that key, such as parallelism=2,rate=10,period=60."),
)


def sending(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command a body and the options of a message, as `body` and `headers`."""

    @wraps(command)
    def with_message(
        *args: Any,
        data: str | None,
        file: BinaryIO | None,
        content_type: str | None,
        header: tuple[str, ...],
        **rest: Any,
    ) -> None:
        headers = _headers(header, content_type, data)
        for flag, name, _ in _OPTIONS:
            value = rest.pop(flag.removeprefix("--").replace("-", "_"))
            if value is not None:
                headers[name] = value
        if "Upstash-Retry-Delay" in headers:
            headers["Upstash-Retry-Delay"] = _wait(headers["Upstash-Retry-Delay"])
        if file is not None and data is not None:
            raise click.UsageError("give the body with --data or with --file, not with both")
        body = file.read() if file else (data or "").encode()
        command(*args, body=body, headers=headers, **rest)

    decorated: Callable[..., None] = with_message
    for flag, _, text in reversed(_OPTIONS):
        decorated = click.option(flag, help=text)(decorated)
    for option in (
        click.option(
            "-H", "--header", multiple=True, help="`Name: value` that the delivery carries, or an Upstash option."
        ),
        click.option("--content-type", help="Type of the body; application/json when it is JSON."),
        click.option("-f", "--file", type=click.File("rb"), help="The body from a file; - for standard input."),
        click.option("-d", "--data", help="The body."),
    ):
        decorated = option(decorated)
    return decorated


def _headers(lines: tuple[str, ...], content_type: str | None, data: str | None) -> Headers:
    headers: Headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise click.BadParameter(f"{line!r} is no header: expected 'Name: value'", param_hint="--header")
        own = name.strip().lower()
        told = (
            name.strip() if own.startswith("upstash-") or own == "content-type" else f"Upstash-Forward-{name.strip()}"
        )
        headers[told] = value.strip()
    if content_type or (data and _is_json(data)):
        headers.setdefault("Content-Type", content_type or "application/json")
    return headers


def _wait(delay: str) -> str:
    try:
        return delay_expression(delay, "it")
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--retry-delay") from None


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@click.command()
@click.argument("destination")
@sending
@remote
def publish(told: Remote, destination: str, body: bytes, headers: Headers) -> None:
    """Publish a message to DESTINATION: a URL, or the name of a URL group."""
    _say(told, told.send(management.publish(destination, body, headers)))


@click.command()
@click.argument("queue")
@click.argument("destination")
@sending
@remote
def enqueue(told: Remote, queue: str, destination: str, body: bytes, headers: Headers) -> None:
    """Publish a message to DESTINATION through QUEUE."""
    _say(told, told.send(management.enqueue(queue, destination, body, headers)))


@click.command()
@click.argument("file", type=click.File("rb"))
@remote
def batch(told: Remote, file: BinaryIO) -> None:
    """Publish the messages of FILE (a JSON list as of POST /v2/batch; - for standard input), all or none."""
    _say(told, told.send(management.batch(file.read())))


def _say(told: Remote, answer: Any) -> None:
    if told.out.as_json:
        told.out.records(answer, (), none="[]") if isinstance(answer, list) else told.out.record(answer)
        return
    for one in answer if isinstance(answer, list) else [answer]:
        again = " (known already, not taken again)" if one.get("deduplicated") else ""
        click.echo(f"{one['messageId']}{again}")


def _answer(attempt: Shape) -> str:
    text = attempt.get("responseBody") or attempt.get("error") or ""
    return str(text)[:80].replace("\n", " ")


def _took(attempt: Shape) -> str | None:
    return f"{attempt['duration']} ms" if "duration" in attempt else None


_ATTEMPTS = (
    ("ATTEMPT", field("attempt")),
    ("STARTED", moment("startedAt")),
    ("TOOK", _took),
    ("STATE", field("state")),
    ("STATUS", field("responseStatus")),
    ("ANSWER", _answer),
    ("NEXT", moment("nextDeliveryTime")),
)


@click.group(cls=Listing)
def messages() -> None:
    """Look at messages and their attempts, publish them once more, or cancel them."""


@messages.command("show")
@click.argument("message")
@remote
def show(told: Remote, message: str) -> None:
    """Show one message, and where it stands."""
    made = told.send(insight.attempts(message))
    events = told.send(management.events({"messageId": message, "trimBody": -1}, count=1)).items
    # the first is told for a minute after its end, the second as long as there is history
    about = told.find(management.message(message)) or (events[0] if events else {})
    state = {"state": events[0]["state"]} if events else {}
    body: Shape = {name: made[name] for name in ("body", "bodyBase64") if name in made}
    told.out.record({"messageId": message, **state, "attempts": len(made["attempts"]), **about, **body, **state})


@messages.command("attempts")
@click.argument("message")
@remote
def list_attempts(told: Remote, message: str) -> None:
    """Show every attempt to deliver a message; --json tells requests and answers whole."""
    made = told.send(insight.attempts(message))
    if told.out.as_json:
        told.out.record(made)
        return
    told.out.records(made["attempts"], _ATTEMPTS, none="No attempt yet.")


@messages.command("again")
@click.argument("message")
@remote
def again(told: Remote, message: str) -> None:
    """Publish a new message like this one, ended or not."""
    made = told.send(insight.publish_again(message))
    told.out.done(made, messageId=made)


@messages.command("cancel")
@click.argument("ids", metavar="[MESSAGE]...", nargs=-1)
@filtered(*ABOUT_MESSAGES)
@remote
def cancel(told: Remote, ids: tuple[str, ...], which: management.Filter) -> None:
    """Cancel messages: by their ids, or all that fit the options."""
    chosen: management.Filter = {"messageIds": ids} if ids else which
    total = 0
    while count := told.send(management.cancel_messages(chosen)):
        total += count
        if ids:
            break
    told.out.done(f"{total} canceled", canceled=total)
