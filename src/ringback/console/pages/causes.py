"""Why something waits, for the pages that show one thing."""

from typing import Any

from ringback.client.diagnosis import why
from ringback.console.screens import Visit
from ringback.errors import Refused


async def causes_of(visit: Visit, id_: str) -> list[dict[str, Any]]:
    """Return what a message or a run waits for; nothing for what the broker does not know, or a broker without an answer."""
    try:
        return list((await visit.ask(why(id_)))["causes"])
    except Refused as error:
        if error.status == 404:
            return []
        raise
