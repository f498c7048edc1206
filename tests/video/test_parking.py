"""An order that may have been taken waits for a person, or for the provider's call; it is never sent again on a guess."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from ringback import clock
from ringback.workflow import ParkedCharge, Unclear
from ringback_video import cli, parking
from ringback_video.jobs import Job
from ringback_video.ordering import cancel_job, place_order
from ringback_video.parking import Decision
from ringback_video.problems import Problem
from ringback_video.process_video import ProcessVideo
from ringback_video.providers.contract import Ambiguous
from ringback_video.providers.local import LocalProvider
from ringback_video.studio import Studio
from support.endpoint import eventually
from support.process import BrokerProcess
from video.conftest import World, world
from video.provider_cases import REPLICATE, standard
from video.standin import LOST, Answer, stand_in
from video.stub import StubProvider
from video.test_counting import outcome, request

Build = Callable[..., Studio]
OPERATOR = "the operator's own key"


class Forgetful(StubProvider):
    """Takes each first order and dies before it has answered; it cannot be asked for orders."""

    capabilities = replace(LocalProvider.capabilities, look_up=False)

    def __init__(self, video: bytes) -> None:
        super().__init__(video)
        self.sent: list[str] = []

    def start(self, job_id: str, *_: object, **__: object) -> str:
        self.sent.append(job_id)
        self.started.add(job_id)
        if self.sent.count(job_id) == 1:
            raise Ambiguous("the connection broke off")
        return job_id


@pytest.fixture
def forgetful(video: bytes) -> Forgetful:
    return Forgetful(video)


def operator(studio: World, method: str, path: str = "", **body: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {OPERATOR}"}
    return studio.http.request(method, f"/api/operator/orders{path}", headers=headers, json=body or None)


def parked(studio: World, *jobs: str) -> bool:
    return set(jobs) <= {one["jobId"] for one in operator(studio, "GET").json()}


def on_the_command_line(studio: World, monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    told = studio.studio.settings
    for name, value in {
        "QSTASH_URL": told.qstash_url,
        "QSTASH_TOKEN": told.qstash_token,
        "QSTASH_CURRENT_SIGNING_KEY": told.signing_keys[0],
        "QSTASH_NEXT_SIGNING_KEY": told.signing_keys[1],
        "DATABASE_URL": told.database_url,
        "STUDIO_DATA": str(told.data),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["video-studio", "orders", *words])
    cli.main()


def test_a_person_decides_about_orders_that_may_have_been_taken(
    tmp_path: Path,
    broker: BrokerProcess,
    forgetful: Forgetful,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with world(tmp_path, broker, lambda _: forgetful, operator_key=OPERATOR, video_cents=40) as studio:
        made, again, dropped = (
            str(studio.order(studio.sample("coffee"), caption=caption).json()["jobId"])
            for caption in ("made", "again", "dropped")
        )
        eventually(lambda: parked(studio, made, again, dropped))
        job = studio.http.get(f"/api/jobs/{made}").json()
        assert (job["status"], forgetful.sent.count(made)) == ("processing", 1)
        assert "a person looks into it" in job["waitingFor"]
        assert operator(studio, "POST", f"/{made}", decision="made").json()["field"] == "operationId"
        answer = operator(studio, "POST", f"/{made}", decision="made", operationId=made)
        assert (answer.status_code, answer.json()["status"]) == (200, "processing")
        assert operator(studio, "POST", f"/{made}", decision="give up").status_code == 409
        on_the_command_line(studio, monkeypatch, "parked")
        assert again in capsys.readouterr().out
        on_the_command_line(studio, monkeypatch, "again", again)
        on_the_command_line(studio, monkeypatch, "give-up", dropped)
        assert [studio.finished(one)["status"] for one in (made, again, dropped)] == ["done", "done", "failed"]
        assert [forgetful.sent.count(one) for one in (made, again, dropped)] == [1, 2, 1]
        assert operator(studio, "GET").json() == []
        usage = studio.http.get("/api/shops/demo-shop").json()
        assert (usage["videosUsed"], usage["inProgress"], usage["centsToday"]) == (2, 0, 80)
        with pytest.raises(SystemExit, match="No order of a job 'none' is parked"):
            on_the_command_line(studio, monkeypatch, "again", "none")


def test_the_operators_part_is_closed_to_everybody_else(studio: World, tmp_path: Path, broker: BrokerProcess) -> None:
    assert studio.http.get("/operator").status_code == 403
    answer = operator(studio, "GET")
    assert (answer.status_code, answer.json()["title"]) == (403, "No operator")
    with world(tmp_path, broker, operator_key=OPERATOR) as other:
        for headers in ({}, {"Authorization": "Bearer vs_somebody"}, {"Authorization": f"Bearer {OPERATOR}x"}):
            assert other.http.get("/api/operator/orders", headers=headers).status_code == 401
        assert operator(other, "GET").json() == []
        assert operator(other, "POST", "/none", decision="order again").json()["field"] == "jobId"
        assert operator(other, "POST", "/none", decision="perhaps").json()["field"] == "decision"


def test_the_providers_own_call_decides(tmp_path: Path, broker: BrokerProcess) -> None:
    with (
        stand_in() as standing,
        world(tmp_path, broker, lambda _: REPLICATE.make(standing), operator_key=OPERATOR) as studio,
    ):
        standing.say("POST", REPLICATE.submit, LOST, REPLICATE.accepted)
        standing.say(*REPLICATE.poll, Answer(REPLICATE.states["failed"].body))
        job_id = str(studio.order(studio.sample("coffee"), template="showcase").json()["jobId"])
        eventually(lambda: parked(studio, job_id))
        body = b'{"id": "p1", "status": "succeeded"}'
        for number in range(2):  # as a provider may
            headers = standard(f"e{number}", body, clock.now() // 1000)
            assert httpx.post(f"{studio.url}/api/webhooks/{job_id}", content=body, headers=headers).status_code == 200
        job = studio.finished(job_id)
        assert len(standing.posted(REPLICATE.submit)) == 1
        assert any("taken the order: p1" in change["reason"] for change in job["history"])  # type: ignore[attr-defined]
        assert operator(studio, "GET").json() == []


def unanswered(studio: Studio) -> tuple[str, ProcessVideo]:
    """Bring a job to where its order may have been taken; return it, and the steps that it goes through."""
    job = place_order(studio, request())
    steps = ProcessVideo(studio)
    steps.update_status(job.id, "wfr_1")
    with pytest.raises(Ambiguous):
        steps.generate_video(job.id)
    return job.id, steps


def parked_job(studio: Studio) -> str:
    """Bring a job to where a person has to decide about its order."""
    job_id, steps = unanswered(studio)
    with pytest.raises(Unclear):
        steps.find_order(job_id)
    steps.park(ParkedCharge("wfr_1", "generate-video", job_id, f"charge:{job_id}", "lost"))
    return job_id


@pytest.fixture
def unclear(new_studio: Build, forgetful: Forgetful) -> Studio:
    return replace(new_studio(video_cents=40), provider=forgetful)


def decision_of(studio: Studio, job_id: str) -> tuple[str | None, bool]:
    with studio.database.transaction() as session:
        order = session.get_one(parking.ParkedOrder, job_id)
        return order.decision, order.told_at is not None


def test_a_decision_while_the_broker_is_away_is_kept_for_later(unclear: Studio) -> None:
    job_id = parked_job(unclear)
    for _ in range(2):
        parking.decide(unclear, job_id, Decision.MADE, "op-1")
    assert decision_of(unclear, job_id) == ("made", False)
    with unclear.database.transaction() as session:
        assert parking.untold(session) == [job_id]
        assert session.get_one(Job, job_id).operation_id == "op-1"
    with pytest.raises(Problem, match="decided before: made"):
        parking.decide(unclear, job_id, Decision.GIVE_UP)


def test_giving_up_pays_back_also_when_the_job_has_ended_before(unclear: Studio) -> None:
    job_id = parked_job(unclear)
    cancel_job(unclear, job_id)
    assert ("cost", "settled", 40) in outcome(unclear, job_id)[3]
    with pytest.raises(Problem, match="The job is canceled already"):
        parking.decide(unclear, job_id, Decision.ORDER_AGAIN)
    parking.decide(unclear, job_id, Decision.GIVE_UP)
    assert outcome(unclear, job_id) == ("canceled", 0, 0, [("cost", "released", 0), ("video", "released", 0)])


def test_a_run_that_fails_between_sending_and_answer_leaves_its_cost_to_a_person(unclear: Studio) -> None:
    job_id, steps = unanswered(unclear)
    failure: Any = SimpleNamespace(request_payload=SimpleNamespace(jobId=job_id), message="no try was left")
    for _ in range(2):
        steps.on_failure(failure)
    assert ("cost", "settled", 40) in outcome(unclear, job_id)[3]
    with unclear.database.transaction() as session:
        assert [order.reason for order, _ in parking.undecided(session)] == ["no try was left"]
    parking.decide(unclear, job_id, Decision.GIVE_UP)
    assert ("cost", "released", 0) in outcome(unclear, job_id)[3]


def test_parking_done_again_after_the_decision_does_not_ask_again(unclear: Studio) -> None:
    job_id = parked_job(unclear)
    parking.decide(unclear, job_id, Decision.ORDER_AGAIN)
    ProcessVideo(unclear).park(ParkedCharge("wfr_1", "generate-video", job_id, f"charge:{job_id}", "lost"))
    assert decision_of(unclear, job_id)[0] == "order again"
    assert ProcessVideo(unclear).find_order(job_id) is None
