"""The crash matrix: correct workflows pass, and each kind of mistake is found and told."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI, Request

from ringback.testing import AsyncTestBroker, CrashMatrixFailed, TestBroker, async_crash_matrix, crash_matrix
from ringback.workflow import Context, NonRetryableError

State = Callable[[], Any]


def careful(broker: TestBroker) -> State:
    """A shop whose every step may happen twice."""
    charged: set[str] = set()

    async def order(context: Context[dict[str, str]]) -> str:
        order_id = context.request_payload["id"]
        await context.run("charge", lambda: charged.add(order_id))
        await context.parallel(context.run("pack", str), context.run("invoice", str), context.run("thank", str))
        await context.sleep("return period", "14d")
        event = await context.wait_for_event("review", f"reviewed:{order_id}", timeout="30d")
        return "reviewed" if event.data else "not reviewed"

    broker.plan_event("reviewed:7", {"stars": 5})
    run = broker.trigger(order, {"id": "7"})
    return lambda: (charged, run.result)


def test_a_workflow_whose_steps_may_happen_twice_passes() -> None:
    report = crash_matrix(careful)
    kinds = {one.disturbance.kind for one in report.endings}
    assert kinds == {
        *("delivered twice", "reply lost", "killed before", "killed after", "reordered"),
        *("event early", "event at the last moment", "event twice", "event after the time-out"),
    }
    assert report.calm.end == ({"7"}, "reviewed")
    assert f"{len(report.endings)} runs" in str(report)


def test_a_charge_that_counts_twice_is_found_and_its_story_told() -> None:
    def scene(broker: TestBroker) -> State:
        charges: list[str] = []

        async def order(context: Context[None]) -> None:
            await context.run("charge", lambda: charges.append("7"))

        broker.trigger(order)
        return lambda: charges

    with pytest.raises(CrashMatrixFailed) as caught:
        crash_matrix(scene)
    words = [one.disturbance.words for one in caught.value.report.differing]
    assert words == [
        "the delivery that runs step 'charge' comes twice",
        "the answer to the delivery that runs step 'charge' is lost",
        "the process dies just after step 'charge'",
    ]
    text = str(caught.value)
    assert text.startswith("3 of 6 runs came to another end when something went wrong.")
    assert "end state  ['7', '7']\n  expected   ['7']" in text
    assert "ran 'charge', the process died" in text
    assert "! killed after step 'charge'" in text


def test_a_workflow_that_counts_on_the_order_of_its_parallel_steps_is_found() -> None:
    def scene(broker: TestBroker) -> State:
        done: dict[str, None] = {}

        async def order(context: Context[None]) -> None:
            await context.parallel(
                context.run("a", lambda: done.setdefault("a")), context.run("b", lambda: done.setdefault("b"))
            )

        broker.trigger(order)
        return lambda: list(done)

    with pytest.raises(CrashMatrixFailed) as caught:
        crash_matrix(scene)
    kinds = [one.disturbance.kind for one in caught.value.report.differing]
    assert "reordered" in kinds
    assert "the 2 parallel steps of order from step 1 on are done in reverse order" in str(caught.value)


def test_state_that_one_process_keeps_in_memory_is_found() -> None:
    def scene(broker: TestBroker) -> State:
        memory: dict[str, str] = {}

        async def order(context: Context[None]) -> str:
            await context.run("remember", lambda: memory.setdefault("key", "a"))
            return await context.run("use and forget", lambda: memory.pop("key"))

        run = broker.trigger(order)
        return lambda: run.result

    with pytest.raises(CrashMatrixFailed, match="KeyError: 'key'"):
        crash_matrix(scene)


async def test_an_event_that_is_handled_only_once_is_found() -> None:
    async def scene(broker: AsyncTestBroker) -> State:
        answers: list[Any] = []

        async def order(context: Context[None]) -> None:
            event = await context.wait_for_event("payment", "paid", timeout="1d")
            if event.timed_out:
                raise NonRetryableError("never paid")
            second = await context.wait_for_event("delivery", "paid", timeout="1d")
            answers.append(second.timed_out)

        broker.plan_event("paid")
        await broker.trigger(order)
        return lambda: answers[-1:]

    with pytest.raises(CrashMatrixFailed) as caught:
        await async_crash_matrix(scene)
    assert [one.disturbance.kind for one in caught.value.report.differing] == ["event twice"]


def test_a_run_that_gets_stuck_is_told() -> None:
    def scene(broker: TestBroker) -> State:
        tries: list[int] = []

        async def order(context: Context[None]) -> None:
            tries.append(1)
            await context.run("charge", str)
            while len(tries) > 2:
                await context.sleep("for ever", "30d")

        broker.trigger(order)
        return lambda: None

    with pytest.raises(CrashMatrixFailed, match="it comes to no end"):
        crash_matrix(scene)


def test_plain_messages_are_delivered_twice_too() -> None:
    def scene(broker: TestBroker) -> State:
        app, counted = FastAPI(), []

        @app.post("/count")
        async def count(request: Request) -> None:
            counted.append(await request.json())

        broker.publish(f"{broker.mount(app)}/count", 1)
        return lambda: counted

    with pytest.raises(CrashMatrixFailed, match=r"message 1 to https://app\.test/count comes twice"):
        crash_matrix(scene)


def test_a_scene_that_does_not_end_undisturbed_is_no_matrix() -> None:
    def scene(broker: TestBroker) -> State:
        async def order(context: Context[None]) -> None:
            while True:
                await context.sleep("for ever", "30d")

        broker.trigger(order)
        return lambda: None

    with pytest.raises(CrashMatrixFailed, match="nothing goes wrong"):
        crash_matrix(scene)


def test_a_long_workflow_is_sampled_and_the_report_says_so() -> None:
    def scene(broker: TestBroker) -> State:
        async def order(context: Context[None]) -> int:
            return len([await context.run(f"step {number}", str) for number in range(10)])

        run = broker.trigger(order)
        return lambda: run.result

    report = crash_matrix(scene, most=7)
    assert (len(report.endings), report.left_out) == (7, 35)
    assert "35 more were left out" in str(report)


def test_a_webhook_is_called_early_late_twice_and_too_late() -> None:
    def scene(broker: TestBroker) -> State:
        async def render(context: Context[None]) -> Any:
            hook = await context.create_webhook("address")
            await context.call("start", url="https://render.test/jobs", method="POST", body={"notify": hook.url})
            call = await context.wait_for_webhook("finished", hook, timeout="1h")
            return call.request.json() if call.request else "looked myself"

        broker.stub("start", {"id": 1})
        broker.plan_webhook("address", {"video": "a.mp4"})
        run = broker.trigger(render)
        return lambda: run.result

    report = crash_matrix(scene)
    assert report.calm.end == {"video": "a.mp4"}
    ends = {one.disturbance.kind: one.end for one in report.endings if one.disturbance.event}
    assert ends == {
        "event early": {"video": "a.mp4"},
        "event at the last moment": {"video": "a.mp4"},
        "event twice": {"video": "a.mp4"},
        "event after the time-out": "looked myself",
    }
