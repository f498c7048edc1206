"""The payload of a run: from the text it came as to the type the workflow asks for."""

import json
import logging
import typing
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ringback.workflow.annotations import resolved, written
from ringback.workflow.blocking import BlockingContext
from ringback.workflow.context import Context
from ringback.workflow.definition import Workflow
from ringback.workflow.errors import NonRetryableError, NotSerializable
from ringback.workflow.steps import lenient
from ringback.workflow.values import decode

logger = logging.getLogger("ringback.workflow")

_OURS = {"Context": Context, "BlockingContext": BlockingContext}
"""What may be imported for type checkers only, since every workflow names it."""


def payload_of(workflow: Workflow, raw: bytes) -> Any:
    """Return a run's payload as its workflow wants it.

    Raises:
        NonRetryableError: it does not fit; a further try cannot change that.
    """
    schema = workflow.options.get("schema") or payload_type(workflow.function)
    return read_payload(text_of(raw), schema, workflow.options.get("payload_parser"))


def text_of(raw: bytes) -> str:
    """Return a payload as text.

    Raises:
        NonRetryableError: it is not UTF-8.
    """
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise NonRetryableError("the request payload must be UTF-8 text") from None


@lru_cache(maxsize=1000)
def payload_type(function: Callable[..., Any]) -> Any:
    """Return P for a function whose first argument is a `Context[P]`, or else `Any`."""
    try:
        first = next(name for name in written(function) if name != "return")
        context = resolved(function, first, _OURS)
    except NameError as error:
        logger.warning(
            "the payload of %s stays plain JSON, for the annotation of its context cannot be read: %s. Import what it "
            "names outside of TYPE_CHECKING, or give the option `schema`",
            getattr(function, "__qualname__", function),
            error,
        )
        return Any
    except (StopIteration, TypeError, AttributeError):
        return Any
    return (typing.get_args(context) or (Any,))[0]


def read_payload(text: str, schema: Any, parser: Callable[[str], Any] | None) -> Any:
    """Return the payload.

    Text that is no JSON stays text, and none is None, unless a schema wants it otherwise.

    Raises:
        NonRetryableError: it does not fit; a further try cannot change that.
    """
    if parser is not None:
        return parser(text)
    if schema in (Any, None):
        return lenient(text) if text else None
    if schema is str and not _is_json_text(text):
        return text
    try:
        return decode(text or "null", schema, "the request payload")
    except NotSerializable as error:
        raise NonRetryableError(str(error)) from error


def _is_json_text(text: str) -> bool:
    try:
        return isinstance(json.loads(text), str)
    except ValueError:
        return False
