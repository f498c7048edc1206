"""What happens is told in its order: an answer that a caller has comes before the deployment that the caller asks for next."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from ringback.simulate.deployment import Deployment
from ringback.simulate.exchange import Call, Exchange
from ringback.simulate.happenings import Answered, Changed, Happening
from ringback.simulate.instance import Application
from ringback.simulate.platforms import platform


@pytest.mark.parametrize("turns", range(6))
async def test_an_answer_is_told_before_the_deployment_that_follows_it(
    turns: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The deployment comes so many turns of the loop after the caller had the answer."""
    told: list[Happening] = []
    application = Application("shop:app", tmp_path, {}, inherits=False, writable=(), host="127.0.0.1:1")
    deployment = Deployment(application, platform("vercel"), told.append)
    has_answer = asyncio.Event()

    async def take(_: Exchange) -> object:
        return object()

    async def carry(exchange: Exchange, _: object) -> None:
        exchange.complete = True
        has_answer.set()

    async def send(_: dict[str, Any]) -> None:
        pass

    monkeypatch.setattr(deployment.fleet, "take", take)
    monkeypatch.setattr(deployment, "_carry", carry)
    answering = asyncio.create_task(deployment.answer(Exchange(Call("POST", "/orders", [], b""), send)))
    await has_answer.wait()
    for _ in range(turns):
        await asyncio.sleep(0)
    await deployment.redeploy()
    await answering
    await deployment.close()
    assert [type(one) for one in told] == [Answered, Changed]
