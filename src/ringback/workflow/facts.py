"""What one delivery tells about its run."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import httpx

from ringback.client.messages import RunRef
from ringback.wire.http import Headers
from ringback.workflow.delivery import visible_headers


@dataclass(frozen=True)
class Facts:
    """What one delivery tells about its run.

    Attributes:
        run: the run's id, URL and depth of invocation.
        created_at: when the run was created, in milliseconds since the epoch; 0 when the broker does not say.
        lines: all the header lines of the delivery.
        labels: the run's labels.
        message_id: the message that is delivered.
        attempt: how often it was tried before: 0 for the first time.
        env: where settings are read.
    """

    run: RunRef
    created_at: int = 0
    lines: Headers = field(default_factory=list, repr=False)
    labels: tuple[str, ...] = ()
    message_id: str = ""
    attempt: int = 0
    env: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    @cached_property
    def headers(self) -> httpx.Headers:
        """What the run was triggered with, without the headers of transport and protocol."""
        return visible_headers(self.lines)
