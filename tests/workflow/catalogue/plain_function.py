"""A workflow as a plain function: its steps return their results at once, and groups go through `pending`."""

from ringback.workflow import BlockingContext
from workflow.catalogue.entry import Entry


def half(n: int) -> int:
    return n // 2


def plain_function(context: BlockingContext[int]) -> int:
    try:
        n = context.run("half", half, context.request_payload)
        context.sleep("nap", "1s")
        a, b = context.parallel(context.pending.run("a", half, n), context.pending.run("b", half, n + 2))
    except Exception as error:
        raise AssertionError("what ends a delivery must not look like an error") from error
    return a + b


ENTRY = Entry(plain_function, payload=20, result=11, steps=("half", "nap", "a", "b"), deliveries=3 + 4)
