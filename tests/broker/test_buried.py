"""Messages that failed elsewhere become dead letters here (an extension)."""

from typing import Any

from support.inprocess import InProcess

URL = "https://shop.example/jobs"


def letter(**fields: Any) -> dict[str, Any]:
    headers = {"Content-Type": "text/plain", "Upstash-Retries": "2", "Upstash-Label": "old"}
    return {"destination": URL, "headers": headers, "body": "hello", "responseBody": "no worker"} | fields


async def test_it_is_a_dead_letter_without_an_attempt(ringed: InProcess) -> None:
    answer = await ringed.call("POST", "/v2/dlq", [letter(), letter(responseStatus=503, retried=4)])
    assert answer.status == 200
    await ringed.settle()
    assert ringed.sent == []
    first, second = (await ringed.call("GET", "/v2/dlq?label=old")).json["messages"]
    assert [one["dlqId"] for one in answer.json] == [first["dlqId"], second["dlqId"]]
    assert (first["body"], first["responseStatus"], first["responseBody"]) == ("hello", 0, "no worker")
    assert (second["responseStatus"], second["maxRetries"]) == (503, 2)
    assert await ringed.events(first["messageId"]) == ["CREATED", "FAILED"]


async def test_it_can_be_sent_with_all_its_tries(ringed: InProcess) -> None:
    answer = await ringed.call("POST", "/v2/dlq", [letter()])
    retried = await ringed.call("POST", f"/v2/dlq/retry/{answer.json[0]['dlqId']}")
    assert retried.status == 201
    await ringed.settle()
    assert [(one.url, one.body) for one in ringed.sent] == [(URL, b"hello")]


async def test_the_same_deduplication_id_makes_one(ringed: InProcess) -> None:
    named = letter(headers={"Upstash-Deduplication-Id": "job-1"})
    first = (await ringed.call("POST", "/v2/dlq", [named])).json[0]
    again = (await ringed.call("POST", "/v2/dlq", [named])).json[0]
    assert again == {**first, "deduplicated": True}
    await ringed.call("DELETE", f"/v2/dlq/{first['dlqId']}")
    gone = (await ringed.call("POST", "/v2/dlq", [named])).json[0]
    assert gone == {"messageId": first["messageId"], "deduplicated": True}


async def test_one_that_cannot_be_stops_all_and_is_named(ringed: InProcess) -> None:
    refused = await ringed.call("POST", "/v2/dlq", [letter(), letter(destination="a-group")])
    assert (refused.status, refused.json["error"]) == (400, "item 1: a dead letter is of a message to one URL")
    above = await ringed.call("POST", "/v2/dlq", [letter(), letter(headers={"Upstash-Retries": "1000"})])
    assert above.status == 412
    assert (await ringed.call("GET", "/v2/dlq")).json["messages"] == []
    assert (await ringed.call("POST", "/v2/dlq", b"{")).status == 400
