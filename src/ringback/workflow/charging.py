"""Charge-once steps: calls that cost money are sent once, looked up in doubt, and never sent again on a guess.

Between sending a charge and recording its result anything can be lost: the provider's answer, our process, our answer to
the broker. The steps of a charge are therefore:

1. `<name>: intent` records the key of the charge, before anything is sent.
2. `<name>` looks the key up at the provider, and sends the charge only when it is not there.
3. Where nobody can tell whether it was sent, `<name>: unclear` waits for a person.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from ringback.client.durations import Duration
from ringback.client.ids import random_name
from ringback.workflow.context import Context
from ringback.workflow.errors import ChargeRefused, ChargeUnclear, StepFailed, Unclear
from ringback.workflow.executing import run_plainly
from ringback.workflow.promises import promised
from ringback.workflow.values import convert, encode

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ParkedCharge:
    """A charge that waits for a person.

    Attributes:
        workflow_run_id: the run that waits.
        name: name of the step.
        key: the charge's key at the provider.
        event_id: the event that carries the decision.
        reason: why nobody can tell.
    """

    workflow_run_id: str
    name: str
    key: str
    event_id: str
    reason: str


async def charge_once(
    context: Context[Any],
    name: str,
    send: Callable[[str], Awaitable[T]] | Callable[[str], T],
    *,
    look_up: Callable[[str], Any] | None = None,
    key: str | None = None,
    tell: Callable[[ParkedCharge], Any] | None = None,
    decide_within: Duration = "7d",
) -> T:
    """Make a call that costs money, once.

    >>> receipt = await charge_once(context, "pay", pay, look_up=find_payment, tell=mail_the_owner)

    A person decides about an unclear charge by an event of the run, with one of these as its data:
    `{"charged": <the result>}` when it was made, `{"send": true}` when it was not and shall be, `{"abandon": "why"}`
    when the run shall fail.

    Args:
        context: the run's context.
        name: name of the step.
        send: makes the charge; gets its key, to be given to the provider as idempotency key or reference. It must not
            try again by itself: switch the retries of the provider's client off.
        look_up: gets the key and returns the charge's result, None when there is certainly no such charge, or raises
            `Unclear`. Without it every doubt goes to a person.
        key: a key that outlives the run, such as the order's id; a random one, recorded with the run, unless given.
        tell: called as a step of its own when a person is needed.
        decide_within: how long to wait for the decision.

    Raises:
        ChargeRefused: raised by `send`: the provider said no, and nothing was charged.
        ChargeUnclear: nobody decided in time, or the person gave up.
    """
    key = await context.run(f"{name}: intent", _intent, key)
    charge = _Charge(context, name, key, send, look_up)
    reason = await charge.attempt(name)
    while reason is not None:
        parked = ParkedCharge(context.workflow_run_id, name, key, f"charge:{key}", reason)
        if tell is not None:
            await context.run(f"{name}: tell", tell, parked)
        event = await context.wait_for_event(f"{name}: unclear", parked.event_id, timeout=decide_within)
        decision = event.data if isinstance(event.data, dict) else {}
        if event.timed_out or "abandon" in decision:
            raise ChargeUnclear(f"{name}: {decision.get('abandon', 'nobody decided in time')} (key {key}; {reason})")
        if "charged" in decision:
            charge.result = decision["charged"]
            break
        if decision.get("send") is True:
            reason = await charge.attempt(f"{name}: again")
    return cast("T", convert(charge.result, promised(send)))


class _Charge:
    """One charge and what is known of it."""

    def __init__(
        self,
        context: Context[Any],
        name: str,
        key: str,
        send: Callable[[str], Any],
        look_up: Callable[[str], Any] | None,
    ) -> None:
        self._context = context
        self._name = name
        self._key = key
        self._send = send
        self._look_up = look_up
        self._type = promised(send)
        self.result: Any = None

    async def attempt(self, step: str) -> str | None:
        """Try it as a step; returns why it is unclear, or None when it was made."""
        try:
            outcome = await self._context.step(raises=ChargeRefused).run(step, self._once)
        except StepFailed as error:
            raise ChargeRefused(error.message) from None
        self.result = outcome.get("charged")
        reason: str | None = outcome.get("unclear")
        return reason

    async def _once(self) -> dict[str, Any]:
        if self._look_up is not None:
            try:
                found = await run_plainly(self._look_up, self._key)
            except Unclear as error:
                return {"unclear": str(error) or "the provider cannot tell"}
            if found is not None:
                return self._made(found)
        elif self._context.attempt > 0:
            return {"unclear": "an earlier try was interrupted, and there is no look-up"}
        await self._context.heartbeat()  # a broker that has given this try up refuses it here, before money moves
        try:
            return self._made(await run_plainly(self._send, self._key))
        except ChargeRefused:
            raise
        except Exception as error:
            if self._look_up is None:
                return {"unclear": f"{type(error).__name__}: {error}"}
            raise  # the next try looks it up first

    def _made(self, result: object) -> dict[str, Any]:
        return {"charged": json.loads(encode(result, self._type, f"the result of charge {self._name!r}"))}


def _intent(key: str | None) -> str:
    return key or random_name(24)
