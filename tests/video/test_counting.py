"""A finished job counts once: killed between any two statements, worked on by several at once, canceled while it ends."""

import threading
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import event, select

from ringback.workflow import ChargeRefused, NonRetryableError
from ringback_video.jobs import Job
from ringback_video.ledger import Entry, cents_today, videos_reserved, videos_used
from ringback_video.ordering import OrderRequest, cancel_job, place_order
from ringback_video.problems import Problem
from ringback_video.process_video import ProcessVideo
from ringback_video.providers.contract import Look, Refused
from ringback_video.settings import PHOTOS
from ringback_video.studio import DEMO_SHOP, Studio
from video.conftest import empty
from video.stub import URL, StubProvider

Build = Callable[..., Studio]


class Killed(BaseException):
    """The process is gone, in the middle of what it did."""


def request(caption: str = "once", key: str | None = None) -> OrderRequest:
    return OrderRequest(DEMO_SHOP, "runway", [f"{URL}/photos/{next(PHOTOS.glob('*.jpg')).name}"], caption, key)


def again(step: Callable[[], Any]) -> Any:
    """Do a step as a broker has it done: again, until its answer has come."""
    while True:
        try:
            return step()
        except Killed:
            continue


def work(studio: Studio, job_id: str, repeat: int = 1) -> None:
    """Do all steps of a job, each of them as often as told."""
    steps = ProcessVideo(studio)
    for _ in range(repeat):
        again(lambda: steps.update_status(job_id, "run"))
    for _ in range(repeat):
        try:
            again(lambda: steps.find_order(job_id) or steps.generate_video(job_id))
        except ChargeRefused:
            return  # another worker has finished it meanwhile
    while not again(lambda: steps.poll_completion(job_id, job_id)).done:
        pass
    for _ in range(repeat):
        again(lambda: steps.save_result(job_id, job_id))


def outcome(studio: Studio, job_id: str) -> tuple[str, int, int, list[tuple[str, str, int]]]:
    with studio.database.transaction() as session:
        entries = session.scalars(select(Entry).where(Entry.job_id == job_id))
        lines = sorted((entry.kind, entry.state, entry.settled) for entry in entries)
        status = session.get_one(Job, job_id).status
        return status, videos_used(session, DEMO_SHOP), videos_reserved(session, DEMO_SHOP), lines


COUNTED = ("done", 1, 0, [("cost", "settled", 0), ("video", "settled", 1)])


class Gun:
    """Kills once, before the statement or commit of a number."""

    def __init__(self, studio: Studio) -> None:
        self.left = -1
        engine = studio.database._engine
        event.listen(engine, "before_cursor_execute", self._shoot)
        event.listen(engine, "commit", self._shoot)

    def _shoot(self, *_: object) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed


def test_killed_between_any_two_statements_a_job_is_done_and_counts_once(new_studio: Build, video: bytes) -> None:
    first = new_studio()
    gun = Gun(first)
    killed = 0
    while True:
        studio = replace(first, provider=StubProvider(video))
        gun.left = killed + 1
        job = again(lambda studio=studio: place_order(studio, request(key="click")))
        work(studio, job.id)
        missed, gun.left = gun.left > 0, -1
        assert outcome(studio, job.id) == COUNTED, f"killed before statement {killed + 1}"
        empty(studio.database, but=("shops",))
        if missed:
            break
        killed += 1
    assert killed > 25


def test_every_step_twice_counts_once(new_studio: Build) -> None:
    studio = new_studio()
    job = place_order(studio, request())
    work(studio, job.id, repeat=2)
    assert outcome(studio, job.id) == COUNTED


def at_once(*works: Callable[[], Any]) -> list[BaseException]:
    """Do things at the same time; return what they raised."""
    start, raised = threading.Barrier(len(works)), []

    def run(one: Callable[[], Any]) -> None:
        start.wait(20)
        try:
            one()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(one,)) for one in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    return raised


def test_several_workers_on_one_job_count_it_once(new_studio: Build) -> None:
    studio = new_studio()
    job = place_order(studio, request())
    assert at_once(*[lambda: work(studio, job.id)] * 3) == []
    assert outcome(studio, job.id) == COUNTED


def test_orders_at_the_same_moment_are_one_job_and_one_reservation(new_studio: Build) -> None:
    studio = new_studio()
    assert at_once(*[lambda: place_order(studio, request(key="click"))] * 4) == []
    with studio.database.transaction() as session:
        assert videos_reserved(session, DEMO_SHOP) == 1
        assert len(session.scalars(select(Job)).all()) == 1


def test_the_last_video_of_a_quota_is_given_once(new_studio: Build) -> None:
    studio = new_studio(quota=1)
    raised = at_once(*[lambda caption=f"{n}": place_order(studio, request(caption)) for n in range(3)])
    assert [error.title for error in raised if isinstance(error, Problem)] == ["Quota used up"] * 2


def test_a_cancel_while_the_result_is_saved_is_one_or_the_other(new_studio: Build) -> None:
    studio = new_studio()
    job = place_order(studio, request())
    steps = ProcessVideo(studio)
    steps.update_status(job.id, "run")
    steps.generate_video(job.id)
    raised = at_once(lambda: cancel_job(studio, job.id), lambda: steps.save_result(job.id, job.id))
    status, used, reserved, lines = outcome(studio, job.id)
    assert (used, reserved) == (1 if status == "done" else 0, 0)
    assert ("video", "settled" if status == "done" else "released", used) in lines
    assert len(raised) <= 1


def test_what_was_reserved_comes_back_when_a_job_is_canceled_or_fails(new_studio: Build) -> None:
    studio = new_studio(video_cents=40, daily_cents=100)
    first = place_order(studio, request("first"))
    second = place_order(studio, request("second"))
    with pytest.raises(Problem, match="40 cents, and 20 are left today") as refused:
        place_order(studio, request("third"))
    assert (refused.value.status, refused.value.field) == (403, "shopId")
    cancel_job(studio, first.id)
    assert outcome(studio, first.id)[3] == [("cost", "released", 0), ("video", "released", 0)]
    place_order(studio, request("third"))
    failure = SimpleNamespace(request_payload=SimpleNamespace(jobId=second.id), message="no luck")
    for _ in range(2):
        ProcessVideo(studio).on_failure(failure)  # type: ignore[arg-type]
    assert outcome(studio, second.id) == (
        "failed",
        0,
        1,
        [("cost", "released", 0), ("video", "released", 0)],
    )


def test_what_the_provider_was_asked_for_costs_even_if_it_is_canceled(new_studio: Build) -> None:
    studio = new_studio(video_cents=40)
    job = place_order(studio, request())
    steps = ProcessVideo(studio)
    steps.update_status(job.id, "run")
    steps.generate_video(job.id)
    cancel_job(studio, job.id)
    assert outcome(studio, job.id) == ("canceled", 0, 0, [("cost", "settled", 40), ("video", "released", 0)])


def test_what_the_provider_has_charged_takes_the_place_of_the_estimate(new_studio: Build) -> None:
    studio = new_studio(video_cents=40, unit_cents=2.5)
    job = place_order(studio, request())
    plain = studio.provider.poll
    studio.provider.poll = lambda operation_id: replace(plain(operation_id), cost=25)  # type: ignore[method-assign]
    work(studio, job.id)
    with studio.database.transaction() as session:
        assert cents_today(session, DEMO_SHOP) == 62
    assert outcome(studio, job.id)[3] == [("cost", "settled", 62), ("video", "settled", 1)]


@pytest.mark.parametrize("stage", ["failed", "filtered", "canceled"])
def test_what_was_charged_for_a_video_that_failed_is_settled_too(new_studio: Build, stage: str) -> None:
    studio = new_studio(video_cents=40, unit_cents=2.5)
    job = place_order(studio, request())
    steps = ProcessVideo(studio)
    steps.update_status(job.id, "run")
    steps.generate_video(job.id)
    studio.provider.poll = lambda _: Look(stage, error="no", cost=4)  # type: ignore[method-assign,arg-type]
    with pytest.raises(NonRetryableError) as bad:
        steps.poll_completion(job.id, job.id)
    failure = SimpleNamespace(request_payload=SimpleNamespace(jobId=job.id), message=str(bad.value))
    steps.on_failure(failure)  # type: ignore[arg-type]
    assert outcome(studio, job.id) == ("failed", 0, 0, [("cost", "settled", 10), ("video", "released", 0)])


def test_what_was_charged_for_a_canceled_video_takes_the_place_of_the_estimate(new_studio: Build) -> None:
    studio = new_studio(video_cents=40, unit_cents=2.5)
    job = place_order(studio, request())
    steps = ProcessVideo(studio)
    steps.update_status(job.id, "run")
    steps.generate_video(job.id)
    cancel_job(studio, job.id)
    for cost, settled in ((None, ("cost", "settled", 40)), (6, ("cost", "settled", 15)), (0, ("cost", "released", 0))):
        studio.provider.poll = lambda _, cost=cost: Look("canceled", cost=cost)  # type: ignore[method-assign,misc]
        assert steps.poll_completion(job.id, job.id).canceled
        assert outcome(studio, job.id) == ("canceled", 0, 0, [settled, ("video", "released", 0)])


def test_an_order_that_the_provider_refuses_costs_nothing(new_studio: Build) -> None:
    studio = new_studio(video_cents=40)
    job = place_order(studio, request())
    steps = ProcessVideo(studio)
    steps.update_status(job.id, "run")

    def refuse(*_: object, **__: object) -> str:
        raise Refused("no account")

    studio.provider.start = refuse  # type: ignore[method-assign]
    with pytest.raises(NonRetryableError, match="no account"):
        steps.generate_video(job.id)
    steps.on_failure(SimpleNamespace(request_payload=SimpleNamespace(jobId=job.id), message="no account"))  # type: ignore[arg-type]
    assert outcome(studio, job.id) == ("failed", 0, 0, [("cost", "released", 0), ("video", "released", 0)])


def test_a_job_that_was_canceled_before_its_order_is_sent_orders_nothing(new_studio: Build) -> None:
    studio = new_studio(video_cents=40)
    job = place_order(studio, request())
    steps = ProcessVideo(studio)
    steps.update_status(job.id, "run")
    cancel_job(studio, job.id)
    with pytest.raises(ChargeRefused):
        steps.generate_video(job.id)
    assert studio.provider.started == set()  # type: ignore[attr-defined]
    assert ("cost", "released", 0) in outcome(studio, job.id)[3]
