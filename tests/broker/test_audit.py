"""What administrators do is written down in the transaction that does it, and nothing secret with it."""

import json
from typing import Any

from support.inprocess import OTHER, READ_ONLY, InProcess

URL = "https://api.example.com/in"


async def entries(ringed: InProcess, query: str = "") -> list[dict[str, Any]]:
    answer = await ringed.call("GET", f"/v2/audit{query}")
    return list(answer.json["entries"])


async def test_administration_is_noted_with_what_it_was_about(ringed: InProcess) -> None:
    await ringed.call("POST", "/v2/queues", {"queueName": "clips", "parallelism": 2})
    await ringed.call("POST", "/v2/queues/clips/pause")
    paused, made = await entries(ringed)
    assert paused["call"] == "POST /v2/queues/{queue}/pause"
    assert paused["target"] == [{"name": "queue", "value": "clips"}]
    assert json.loads(made["body"]) == {"queueName": "clips", "parallelism": 2}
    assert made["time"] <= paused["time"]


async def test_everyday_traffic_and_refusals_are_not_noted(ringed: InProcess) -> None:
    await ringed.publish(URL)
    await ringed.call("POST", "/v2/queues/none/pause")
    await ringed.call("DELETE", "/v2/queues/none", token=READ_ONLY)
    assert await entries(ringed) == []


async def test_neither_payloads_nor_tokens_are_noted(ringed: InProcess) -> None:
    target = f"/v2/schedules/{URL}?x=1&qstash_token=token-one"
    await ringed.call("POST", target, {"secret": "payload"}, token=None, upstash_cron="* * * * *")
    await ringed.call("PATCH", "/v2/topics/g", {"headers": {"Upstash-Forward-Authorization": "secret"}})
    [made] = await entries(ringed)
    assert made["target"] == [{"name": "destination", "value": f"{URL}?x=1"}]
    assert "body" not in made


async def test_pages_and_accounts_are_kept_apart(ringed: InProcess) -> None:
    for name in ("a", "b", "c"):
        await ringed.call("POST", f"/v2/flowControl/{name}/pause")
    first = (await ringed.call("GET", "/v2/audit?count=2")).json
    rest = (await ringed.call("GET", f"/v2/audit?count=2&cursor={first['cursor']}")).json
    assert [one["target"][0]["value"] for one in first["entries"] + rest["entries"]] == ["c", "b", "a"]
    assert "cursor" not in rest
    assert (await ringed.call("GET", "/v2/audit", token=OTHER)).json["entries"] == []
    assert (await ringed.call("GET", "/v2/audit?cursor=?")).status == 400
    assert (await ringed.call("GET", "/v2/audit?count=x")).status == 400
