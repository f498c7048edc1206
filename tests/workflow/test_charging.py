"""A charge is made once, whatever breaks where; what stays unclear waits for a person."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from ringback.wire.http import Response
from ringback.workflow import ChargeRefused, Context, ParkedCharge, Unclear, charge_once
from support.scripted_broker import Run, ScriptedBroker
from workflow.one import URL, serve_one


@dataclass
class Receipt:
    key: str
    number: int


class Killed(BaseException):
    """The process is gone: nothing after this point of the code happens."""


@dataclass
class Provider:
    """A payment provider that counts, and breaks as it is told.

    Attributes:
        breaks: what happens at the n-th sending: "before" and "after" money moves it fails, "killed" ends the process
            after money moved, "refuses" is a clear no.
        blind: how often it cannot tell whether a charge was made.
    """

    breaks: dict[int, str] = field(default_factory=dict)
    blind: int = 0
    charges: list[Receipt] = field(default_factory=list)
    sent: int = 0

    def send(self, key: str) -> Receipt:
        self.sent += 1
        how = self.breaks.get(self.sent)
        if how == "before":
            raise ConnectionError("connection refused")
        if how == "refuses":
            raise ChargeRefused("card declined")
        self.charges.append(Receipt(key, len(self.charges) + 1))
        if how == "after":
            raise TimeoutError("no answer")
        if how == "killed":
            raise Killed
        return self.charges[-1]

    async def look_up(self, key: str) -> Receipt | None:
        if self.blind:
            self.blind -= 1
            raise Unclear("the provider's archive is down")
        return next((charge for charge in self.charges if charge.key == key), None)


async def pay(
    provider: Provider,
    *,
    with_look_up: bool = True,
    decide: object = None,
    lose: Callable[[int], bool] = lambda number: False,
    **options: Any,
) -> tuple[Run, ScriptedBroker]:
    """Run a workflow with one charge; `decide` is what the person says when asked."""
    broker = ScriptedBroker()

    def tell(parked: ParkedCharge) -> None:
        broker.decisions.append(parked)

    async def code(context: Context[None]) -> int:
        look_up = provider.look_up if with_look_up else None
        told = {} if decide is None else {"tell": tell}
        receipt = await charge_once(context, "pay", provider.send, look_up=look_up, **told, **options)
        return receipt.number

    broker.decisions = []  # type: ignore[attr-defined]
    endpoint = serve_one(broker, code)
    answer = endpoint.answer

    async def answer_or_die(request: Any, url: str) -> Any:
        try:
            return await answer(request, url)
        except Killed:
            return Response(502, [], b'{"error": "Bad Gateway"}')
        finally:
            if decide is not None and broker.decisions:
                for run in broker.runs.values():
                    if any(not waiter["done"] for waiter in run.waiting):
                        broker.notify(broker.decisions[-1].event_id, json.dumps(decide), run.id)

    broker.endpoints[URL] = answer_or_die
    broker.lose = lose
    run = broker.trigger(URL)
    await broker.drain()
    return run, broker


# Each row is something that breaks; with a look-up all of them end with one charge and no person


@pytest.mark.parametrize(
    "broken", [{}, {1: "before"}, {1: "after"}, {1: "killed"}, {1: "before", 2: "after"}, {1: "before", 2: "before"}]
)
@pytest.mark.parametrize("lost", [None, 0, 1, 2, 3])
async def test_with_a_look_up_a_charge_is_made_once_whatever_breaks(broken: dict[int, str], lost: int | None) -> None:
    provider = Provider(broken)
    run, _ = await pay(provider, lose=lambda number: number == lost)
    assert run.state == "RUN_SUCCESS"
    assert run.result == "1"
    assert len(provider.charges) == 1


async def test_the_intent_is_recorded_before_anything_is_sent() -> None:
    provider = Provider()
    run, _ = await pay(provider)
    intent = json.loads(json.loads(run.entries[1].body)["out"])
    assert run.names == ["pay: intent", "pay"]
    assert [charge.key for charge in provider.charges] == [intent]


async def test_a_key_that_is_given_is_used() -> None:
    provider = Provider()
    await pay(provider, key="order-7")
    assert [charge.key for charge in provider.charges] == ["order-7"]


async def test_a_refusal_charges_nothing_and_ends_the_run_with_the_providers_words() -> None:
    provider = Provider({1: "refuses"})
    run, _ = await pay(provider)
    assert run.state == "RUN_FAILED"
    assert (run.errors[0]["status"], run.errors[0]["message"]) == (489, "card declined")
    assert (provider.charges, provider.sent) == ([], 1)


# Without a look-up, and where the look-up cannot tell, a person decides


@pytest.mark.parametrize("broken", ["before", "after"])
async def test_without_a_look_up_a_doubt_is_parked_and_nothing_is_sent_again(broken: str) -> None:
    provider = Provider({1: broken})
    run, broker = await pay(provider, with_look_up=False, decide={"charged": {"key": "k", "number": 7}})
    assert run.result == "7"
    assert provider.sent == 1
    (parked,) = broker.decisions  # type: ignore[attr-defined]
    assert (parked.workflow_run_id, parked.name) == (run.id, "pay")
    assert "refused" in parked.reason or "no answer" in parked.reason


async def test_without_a_look_up_a_try_after_a_killed_process_is_a_doubt() -> None:
    provider = Provider({1: "killed"})
    run, broker = await pay(provider, with_look_up=False, decide={"abandon": "ask the bank"})
    assert (provider.sent, len(provider.charges)) == (1, 1)
    assert run.state == "RUN_FAILED"
    (parked,) = broker.decisions  # type: ignore[attr-defined]
    assert "interrupted" in parked.reason


async def test_a_person_who_knows_that_nothing_was_charged_has_it_sent_again() -> None:
    provider = Provider({1: "before"})
    run, _ = await pay(provider, with_look_up=False, decide={"send": True})
    assert run.result == "1"
    assert (provider.sent, len(provider.charges)) == (2, 1)
    assert run.names == ["pay: intent", "pay", "pay: tell", "pay: unclear", "pay: again"]


async def test_a_person_can_give_it_up() -> None:
    provider = Provider(blind=1)
    run, _ = await pay(provider, decide={"abandon": "customer called"})
    assert run.state == "RUN_FAILED"
    assert "customer called" in run.errors[0]["message"]
    assert provider.sent == 0


async def test_when_nobody_decides_in_time_the_run_fails_and_nothing_is_sent() -> None:
    provider = Provider(blind=1)
    run, _ = await pay(provider, decide_within="1h")
    assert run.state == "RUN_FAILED"
    assert run.errors[0]["error"] == "ChargeUnclear"
    assert "nobody decided in time" in run.errors[0]["message"]
    assert provider.sent == 0


@pytest.mark.parametrize("nonsense", ["yes", {"send": "yes"}, [], 1])
async def test_a_decision_that_says_nothing_is_asked_for_again(nonsense: object) -> None:
    asked: list[int] = []
    broker = ScriptedBroker()
    provider = Provider(blind=1)

    async def code(context: Context[None]) -> int:
        return (await charge_once(context, "pay", provider.send, look_up=provider.look_up)).number

    answer = serve_one(broker, code).answer

    async def answer_and_decide(request: Any, url: str) -> Any:
        said = await answer(request, url)
        for waiter in run.waiting:
            if not waiter["done"]:
                asked.append(1)
                decision = nonsense if len(asked) == 1 else {"send": True}
                broker.notify(waiter["event"], json.dumps(decision), run.id)
        return said

    broker.endpoints[URL] = answer_and_decide
    run = broker.trigger(URL)
    await broker.drain()
    assert run.result == "1"
    assert len(asked) == 2


async def test_a_try_that_the_broker_has_given_up_sends_nothing() -> None:
    provider = Provider()
    broker = ScriptedBroker()

    async def code(context: Context[None]) -> int:
        return (await charge_once(context, "pay", provider.send, look_up=provider.look_up)).number

    serve_one(broker, code)
    broker.refuse = lambda method, path: (409, "another try is under way") if path.endswith("heartbeat") else None
    run = broker.trigger(URL)
    await broker.drain()
    assert run.state == "RUN_FAILED"
    assert provider.sent == 0
