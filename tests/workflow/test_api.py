"""The well-known APIs are called at their address, with their form of credentials."""

from typing import Any

import httpx

from ringback.workflow import Context
from support.scripted_broker import ScriptedBroker
from workflow.one import URL, serve_one


async def test_each_provider_is_asked_as_its_reference_says() -> None:
    asked: list[tuple[str, dict[str, str], str]] = []

    def vendor(url: str, headers: dict[str, str], body: str) -> tuple[int, str]:
        asked.append((url, headers, body))
        return 200, '{"ok": true}'

    async def code(context: Context[None]) -> list[Any]:
        api, body = context.api, {"model": "m"}
        answers = [
            await api.openai.chat("a", token="t1", body=body, organization="org"),
            await api.openai.chat("b", token="t2", body=body, base_url="https://other.test/"),
            await api.anthropic.messages("c", token="t3", body=body, retries=2, headers={"Anthropic-Beta": "b"}),
            await api.resend.send("d", token="t4", body={"to": ["x"]}),
            await api.resend.send_batch("e", token="t5", mails=[{"to": ["x"]}]),
        ]
        return [answer.body["ok"] for answer in answers]

    broker = ScriptedBroker()
    broker.vendor = vendor
    serve_one(broker, code)
    run = broker.trigger(URL)
    await broker.drain()
    assert run.result == "[true,true,true,true,true]"
    assert [(url, dict(httpx.Headers(headers)), body) for url, headers, body in asked] == [
        (
            "https://api.openai.com/v1/chat/completions",
            {"authorization": "Bearer t1", "openai-organization": "org"},
            '{"model":"m"}',
        ),
        ("https://other.test/v1/chat/completions", {"authorization": "Bearer t2"}, '{"model":"m"}'),
        (
            "https://api.anthropic.com/v1/messages",
            {"x-api-key": "t3", "anthropic-version": "2023-06-01", "anthropic-beta": "b"},
            '{"model":"m"}',
        ),
        ("https://api.resend.com/emails", {"authorization": "Bearer t4"}, '{"to":["x"]}'),
        ("https://api.resend.com/emails/batch", {"authorization": "Bearer t5"}, '[{"to":["x"]}]'),
    ]
