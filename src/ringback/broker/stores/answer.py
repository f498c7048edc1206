"""What a job is answered with when its transaction is durable."""

import asyncio
from typing import Any, NamedTuple


class Answer(NamedTuple):
    """A job's result or its own error; both may rest on what jobs before it in the same transaction have written."""

    future: "asyncio.Future[Any]"
    result: Any = None
    error: Exception | None = None

    def tell(self) -> None:
        """Answer whoever waits."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)
