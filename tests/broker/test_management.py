"""What the console asks for beyond the reference: counts, the account, the settings, once more, now."""

import json

import pytest

from ringback.broker.stores.memory import MemoryStore
from ringback.wire.http import Outcome
from support.inprocess import PUBLISH_ONLY, READ_ONLY, TOKEN, InProcess, answering, inprocess


async def test_counts_tell_what_happened_to_messages_and_how_long_attempts_took(ringed: InProcess) -> None:
    ringed.respond = answering(500, 200)
    await ringed.publish("http://shop.example/a")
    await ringed.turn(60_000)
    ringed.respond = answering(400)
    await ringed.publish("http://shop.example/b", upstash_retries="0")
    await ringed.settle()
    await ringed.broker.counter.tick()
    told = (await ringed.call("GET", "/v2/statistics?minutes=5")).json
    sums = {name: sum(one[name] for one in told["minutes"]) for name in ("accepted", "delivered", "failed", "retries")}
    assert sums == {"accepted": 2, "delivered": 1, "failed": 1, "retries": 1}
    assert sum(sum(one["attempts"]) for one in told["minutes"]) == 3
    assert (told["pending"], told["inFlight"], told["deadLetters"]) == (0, 0, 1)


async def test_counts_of_one_account_are_not_another_s(ringed: InProcess) -> None:
    await ringed.publish("http://shop.example/a")
    await ringed.settle()
    await ringed.broker.counter.tick()
    assert (await ringed.call("GET", "/v2/statistics", token="token-two")).json["minutes"] == []


async def test_old_counts_are_forgotten(ringed: InProcess) -> None:
    await ringed.publish("http://shop.example/a")
    await ringed.settle()
    await ringed.broker.counter.tick()
    ringed.at += 49 * 3_600_000
    await ringed.broker.janitor.tick()
    assert (await ringed.call("GET", "/v2/statistics?minutes=2880")).json["minutes"] == []


async def test_a_message_is_published_once_more_although_it_has_ended(ringed: InProcess) -> None:
    first = await ringed.publish("http://shop.example/a", b"same", upstash_forward_x="1")
    await ringed.settle()
    again = await ringed.call("POST", f"/v2/messages/{first}/again")
    await ringed.settle()
    assert again.status == 201
    assert again.json["messageId"] != first
    assert [one.body for one in ringed.sent] == [b"same", b"same"]
    assert (await ringed.call("POST", f"/v2/messages/{first}/again", token="token-two")).status == 404


async def test_a_schedule_runs_now_and_its_next_tick_stays(ringed: InProcess) -> None:
    await ringed.call(
        "POST", "/v2/schedules/http://shop.example/a", b"tick", upstash_cron="0 0 1 1 *", upstash_schedule_id="yearly"
    )
    before = (await ringed.call("GET", "/v2/schedules/yearly")).json["nextScheduleTime"]
    made = await ringed.call("POST", "/v2/schedules/yearly/run")
    await ringed.settle()
    after = (await ringed.call("GET", "/v2/schedules/yearly")).json
    assert (made.status, len(made.json["messageIds"]), after["nextScheduleTime"]) == (200, 1, before)
    assert ringed.sent[0].body == b"tick"


async def test_a_publish_only_token_publishes_and_does_nothing_else() -> None:
    async with inprocess(MemoryStore()) as ringed:
        ringed.respond = lambda _: Outcome(200)
        token = PUBLISH_ONLY
        assert (await ringed.call("POST", "/v2/publish/http://shop.example/a", token=token)).status == 200
        assert (await ringed.call("POST", "/v2/enqueue/q/http://shop.example/a", token=token)).status == 200
        assert (await ringed.call("POST", "/v2/trigger/http://shop.example/w", token=token)).status == 200
        cron = await ringed.call("POST", "/v2/publish/http://shop.example/a", token=token, upstash_cron="* * * * *")
        refused = [
            cron,
            *[await ringed.call("GET", path, token=token) for path in ("/v2/events", "/v2/keys", "/v2/dlq")],
            await ringed.call("DELETE", "/v2/queues/q", token=token),
            await ringed.call("POST", "/v2/schedules/http://shop.example/a", token=token, upstash_cron="* * * * *"),
        ]
        assert {one.status for one in refused} == {403}


async def test_the_account_says_what_a_token_may_do_and_shows_no_token(ringed: InProcess) -> None:
    full = await ringed.call("GET", "/v2/account")
    assert [one["role"] for one in full.json["tokens"]] == ["full", "publish", "read"]
    assert "token-one" not in json.dumps(full.json)
    assert (await ringed.call("GET", "/v2/account", token=READ_ONLY)).json["role"] == "read"
    assert (await ringed.call("GET", "/v2/account", token=PUBLISH_ONLY)).json["role"] == "publish"


async def test_settings_in_force_hide_their_secrets() -> None:
    async with inprocess(MemoryStore(), llm_url="https://user:secret@llm.example/v1?key=secret") as ringed:
        told = await ringed.call("GET", "/v2/settings", token=READ_ONLY)
    assert told.json["limits.default_retries"] == 3
    assert "secret" not in json.dumps(told.json)
    assert TOKEN not in json.dumps(told.json)


async def test_events_are_told_with_as_much_of_the_bodies_as_is_wanted(ringed: InProcess) -> None:
    ringed.respond = answering(500)
    await ringed.publish("http://shop.example/a", b"0123456789", upstash_retries="0")
    await ringed.settle()

    async def bodies(query: str) -> set[tuple[str | None, str | None]]:
        told = (await ringed.call("GET", f"/v2/events?state=ERROR{query}")).json["events"]
        return {(one.get("body"), one.get("responseBody")) for one in told}

    assert await bodies("") == {("MDEyMzQ1Njc4OQ==", "YW5zd2Vy")}
    assert await bodies("&trimBody=3") == {("MDEy", "YW5z")}
    assert await bodies("&trimBody=-1") == {(None, None)}
    assert (await ringed.call("GET", "/v2/events?trimBody=few")).status == 400


async def test_settings_whose_signing_keys_have_been_rotated_away_are_named_at_the_next_start(
    ringed: InProcess, caplog: pytest.LogCaptureFixture
) -> None:
    await ringed.broker.keyring.load(ringed.broker.desk)
    assert not caplog.records
    await ringed.call("POST", "/v2/keys/rotate")
    await ringed.broker.keyring.load(ringed.broker.desk)
    [told] = caplog.records
    assert "account one have been rotated" in told.getMessage()
    assert "sig_" not in told.getMessage()
