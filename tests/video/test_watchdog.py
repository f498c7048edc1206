"""Nobody is stuck: whatever keeps a job from getting on, the watchdog says it, and begins again or ends it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ringback.client import WorkflowClient
from ringback_video import watchdog
from ringback_video.jobs import Job
from ringback_video.process_video import ProcessVideo
from ringback_video.providers.contract import Look
from ringback_video.rendering.operation import Order
from ringback_video.settings import PHOTOS
from ringback_video.watchdog.rules import LONGEST, LONGEST_IN_LINE, MOST_REVIVALS, QUIET, decide
from ringback_video.watchdog.standing import Standing
from support.endpoint import Answer, eventually, listening
from support.process import BrokerProcess
from video.conftest import World, world
from video.stub import StubProvider

GOING = Standing("going", "step 'wait for the video' sleeps", "asleep", "wfr_1")
FAILED = Standing("failed", "no luck", run_id="wfr_1", dlq_id="1-0")
GONE = Standing("gone", "the broker knows nothing of it")


@pytest.mark.parametrize(
    ("standing", "quiet", "revived", "what"),
    [
        (GOING, QUIET, 0, "wait"),
        (GOING, LONGEST, 0, "end"),
        (Standing("going", "paused", "paused"), LONGEST, 0, "wait"),
        (Standing("going", "behind others", "in line"), LONGEST_IN_LINE, 0, "end"),
        (Standing("going", "nothing left", "nothing left"), QUIET, 0, "publish"),
        (Standing("going", "nothing left", "nothing left"), QUIET, MOST_REVIVALS, "end"),
        (FAILED, QUIET, 0, "resume"),
        (FAILED, QUIET, MOST_REVIVALS, "end"),
        (FAILED, LONGEST, 0, "end"),
        (Standing("failed", "no such photo", is_hopeless=True), QUIET, 0, "end"),
        (Standing("failed", "no such photo", is_hopeless=True, is_ending=True), QUIET, 0, "wait"),
        (GONE, QUIET, 0, "publish"),
        (GONE, QUIET, MOST_REVIVALS, "end"),
        (Standing("silent", "cannot be asked"), QUIET, 0, "wait"),
        (Standing("silent", "cannot be asked"), LONGEST, 0, "end"),
    ],
)
def test_what_follows_from_what_the_broker_says(standing: Standing, quiet: timedelta, revived: int, what: str) -> None:
    act = decide(standing, quiet, revived)
    assert act.what == what
    assert standing.text in act.why


class Moody(StubProvider):
    """Its looks fail while it is ill."""

    def __init__(self, video: bytes) -> None:
        super().__init__(video)
        self.sent: list[str] = []
        self.is_ill = True

    def start(self, job_id: str, order: Order, *_: object, **__: object) -> str:  # type: ignore[override]
        self.sent.append(job_id)
        return super().start(job_id)

    def poll(self, operation_id: str) -> Look:
        if self.is_ill:
            raise ConnectionError("the provider is ill")
        return super().poll(operation_id)


@pytest.fixture
def moody(video: bytes) -> Moody:
    return Moody(video)


@pytest.fixture
def client(broker: BrokerProcess) -> Iterator[WorkflowClient]:
    from ringback.client import Broker

    with WorkflowClient(Broker(broker.url, broker.token)) as made:
        yield made


def let_time_pass(studio: World, job_id: str, how_long: timedelta = timedelta(minutes=20)) -> None:
    with studio.studio.database.transaction() as session:
        session.get_one(Job, job_id).updated_at -= how_long


def job_of(studio: World, job_id: str) -> dict[str, Any]:
    return dict(studio.http.get(f"/api/jobs/{job_id}").json())


def run_of(client: WorkflowClient, job_id: str) -> dict[str, Any]:
    from ringback.client import LogFilter

    runs = client.logs(LogFilter(labels=(f"job-{job_id}",)), count=1).items
    return runs[0] if runs else {}


def test_a_run_that_failed_with_nobody_to_end_its_job_is_resumed_and_pays_once(
    tmp_path: Path, broker: BrokerProcess, moody: Moody, client: WorkflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_order(*_: object) -> None:
        raise RuntimeError("the database is away")

    monkeypatch.setattr(ProcessVideo, "on_failure", out_of_order)
    with world(tmp_path, broker, lambda _: moody) as studio:
        job_id = str(studio.order(studio.sample("coffee")).json()["jobId"])

        def failed() -> bool:
            [*letters] = client.dead_letters(_of(job_id)).items
            return bool(letters) and letters[0].get("failureFunctionState") == "CALLBACK_FAIL"

        eventually(failed)
        assert watchdog.look(studio.studio).resumed == []  # it is not quiet yet
        let_time_pass(studio, job_id)
        moody.is_ill = False
        assert watchdog.look(studio.studio).resumed == [job_id]
        job = studio.finished(job_id)
        assert (job["status"], studio.used(), moody.sent) == ("done", 1, [job_id])
        told = [change["reason"] for change in job["history"]]  # type: ignore[attr-defined]
        assert "Resumed where it failed: the provider is ill." in told


def _of(job_id: str) -> Any:
    from ringback.client import DeadLetterFilter

    return DeadLetterFilter(labels=(f"job-{job_id}",))


def test_a_run_that_is_gone_is_begun_again_and_finds_what_was_ordered(
    tmp_path: Path, broker: BrokerProcess, moody: Moody, client: WorkflowClient
) -> None:
    with world(tmp_path, broker, lambda _: moody) as studio:
        job_id = str(studio.order(studio.sample("coffee")).json()["jobId"])
        eventually(lambda: job_of(studio, job_id)["step"] == "generate-video")
        eventually(lambda: run_of(client, job_id))
        client.cancel(run_of(client, job_id)["workflowRunId"])
        eventually(lambda: run_of(client, job_id)["workflowState"] == "RUN_CANCELED")
        moody.is_ill = False
        let_time_pass(studio, job_id)
        assert watchdog.look(studio.studio).published == [job_id]
        job = studio.finished(job_id)
        assert (job["status"], studio.used(), moody.sent) == ("done", 1, [job_id])
        assert any("Begun again" in change["reason"] for change in job["history"])  # type: ignore[attr-defined]


def test_a_job_that_waits_says_why_and_goes_on(
    tmp_path: Path, broker: BrokerProcess, moody: Moody, client: WorkflowClient
) -> None:
    moody.is_ill = False
    with world(tmp_path, broker, lambda _: moody) as studio:
        flow = {"Authorization": f"Bearer {broker.token}"}
        key = f"{broker.url}/v2/flowControl/video-shop-demo-shop"
        studio.http.post(f"{key}/pause", headers=flow).raise_for_status()
        try:
            job_id = str(studio.order(studio.sample("coffee")).json()["jobId"])
            let_time_pass(studio, job_id, LONGEST + QUIET)
            for _ in range(2):
                assert "video-shop-demo-shop' is paused" in watchdog.look(studio.studio).waiting[job_id]
            job = job_of(studio, job_id)
            assert "is paused" in job["waitingFor"]
            assert [change["status"] for change in job["history"]] == ["queued", "queued"]
        finally:
            studio.http.post(f"{key}/resume", headers=flow).raise_for_status()
        job = studio.finished(job_id)
        assert (job["status"], "waitingFor" in job) == ("done", False)


def test_a_job_that_cannot_be_helped_is_ended_and_its_run_canceled(
    tmp_path: Path, broker: BrokerProcess, moody: Moody, client: WorkflowClient
) -> None:
    moody.is_ill = False
    moody.poll = lambda _: Look("running", 20)  # type: ignore[method-assign]
    with world(tmp_path, broker, lambda _: moody) as studio:
        job_id = str(studio.order(studio.sample("coffee")).json()["jobId"])
        eventually(lambda: job_of(studio, job_id)["step"] == "poll-completion")
        eventually(lambda: _quiet_and_ended(studio, job_id))
        job = job_of(studio, job_id)
        assert (job["status"], studio.used(), moody.started) == ("failed", 0, set())
        assert "It did not get on, in the step poll-completion: " in job["reason"]
        eventually(lambda: run_of(client, job_id)["workflowState"] in ("RUN_CANCELED", "RUN_SUCCESS"))


def _quiet_and_ended(studio: World, job_id: str) -> bool:
    """The run looks every second, and each look is progress: be quicker once."""
    let_time_pass(studio, job_id, LONGEST + QUIET)
    return watchdog.look(studio.studio).ended == [job_id]


def test_an_order_taken_while_the_queue_was_away_is_published_when_it_is_back(
    tmp_path: Path, broker: BrokerProcess, moody: Moody
) -> None:
    moody.is_ill = False
    gone = BrokerProcess(broker.process, "http://127.0.0.1:9", broker.token, broker.current_key, broker.next_key)
    photo = Answer(body=(PHOTOS / "coffee.jpg").read_bytes(), headers={"Content-Type": "image/jpeg"})
    with listening(lambda _: photo) as shop:
        with world(tmp_path, gone) as lost:
            answer = lost.order([f"{shop.url}/coffee.jpg"])
            assert (answer.status_code, answer.json()["status"]) == (202, "queued")
            job_id = str(answer.json()["jobId"])
            assert "queue does not answer" in lost.http.get(f"/api/jobs/{job_id}").json()["waitingFor"]
            with lost.studio.database.transaction() as session:
                session.get_one(Job, job_id).created_at -= timedelta(minutes=1)
        with world(tmp_path, broker, lambda _: moody) as back:
            assert watchdog.look(back.studio).published == [job_id]
            assert "waitingFor" not in back.http.get(f"/api/jobs/{job_id}").json()
            assert watchdog.look(back.studio).published == []
            assert (back.finished(job_id)["status"], back.used()) == ("done", 1)


def test_a_job_that_does_not_get_on_is_ended_with_a_reason(tmp_path: Path, broker: BrokerProcess) -> None:
    gone = BrokerProcess(broker.process, "http://127.0.0.1:9", broker.token, broker.current_key, broker.next_key)
    with world(tmp_path, gone) as lost:
        job_id = str(lost.order(lost.sample()).json()["jobId"])
        with lost.studio.database.transaction() as session:
            session.get_one(Job, job_id).updated_at -= timedelta(hours=3)
        assert watchdog.look(lost.studio).ended == [job_id]
        job = lost.http.get(f"/api/jobs/{job_id}").json()
        assert (job["status"], lost.used()) == ("failed", 0)
        assert "It did not get on, before its first step: the broker cannot be asked" in job["reason"]


def test_the_watchdog_is_called_by_the_broker_and_by_nobody_else(studio: World) -> None:
    watchdog.watch(studio.studio)
    [schedule] = [one for one in studio.studio.queue.schedule.list() if one.schedule_id == watchdog.SCHEDULE_ID]
    assert (schedule.cron, schedule.destination) == ("* * * * *", f"{studio.url}{watchdog.WATCHDOG_PATH}")
    assert studio.http.post(watchdog.WATCHDOG_PATH).status_code == 401
    called = studio.studio.queue.message.publish(url=schedule.destination, retries=0)
    studio.studio.queue.schedule.delete(watchdog.SCHEDULE_ID)

    def answered() -> list[str]:
        events = studio.studio.queue.log.list(filter={"message_id": called.message_id}).logs
        return [event.state.value for event in events if event.state.value in ("DELIVERED", "FAILED")]

    assert eventually(answered) == ["DELIVERED"]
