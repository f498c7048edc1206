"""A job whose video somebody else makes: polled until it is there, checked, kept; and never ordered twice."""

from pathlib import Path
from urllib.parse import unquote

import httpx
import imageio_ffmpeg
import pytest

from ringback import clock
from ringback.workflow import NonRetryableError, RetryAfterError
from ringback_video import making
from ringback_video.providers.contract import Ambiguous, Busy, Look, NotThere, ProviderError, Refused, Unreachable
from ringback_video.rendering.operation import Order
from support.endpoint import eventually
from support.process import BrokerProcess
from video.conftest import world
from video.provider_cases import REPLICATE, standard
from video.standin import Answer, stand_in


def film(folder: Path) -> bytes:
    """A real MP4 of another size than the template's, of its shape and length."""
    target = folder / "film.mp4"
    frames = imageio_ffmpeg.write_frames(str(target), (640, 360), fps=5, macro_block_size=None)
    frames.send(None)
    for _ in range(30):
        frames.send(bytes(640 * 360 * 3))
    frames.close()
    return target.read_bytes()


def test_a_job_is_done_by_a_provider_that_is_slow_and_larger_than_life(tmp_path: Path, broker: BrokerProcess) -> None:
    with stand_in() as standing, world(tmp_path, broker, lambda _: REPLICATE.make(standing)) as studio:
        standing.say("POST", REPLICATE.submit, Answer({"detail": "resets in ~1s"}, 429), REPLICATE.accepted)
        done = Answer(REPLICATE.states["done"].body | {"output": f"{standing.url}/files/film.mp4"})
        standing.say(*REPLICATE.poll, REPLICATE.states["queued"], Answer({}, 502), REPLICATE.unknown, done)
        standing.say("GET", "/files/film.mp4", Answer(film(tmp_path)))
        job = studio.finished(studio.order(studio.sample("coffee"), template="showcase").json()["jobId"])
        assert (job["status"], studio.used()) == ("done", 1)
        assert len(standing.posted(REPLICATE.submit)) == 2  # the one that was turned away, and the one that was taken


def test_a_webhook_wakes_the_run_that_waits(tmp_path: Path, broker: BrokerProcess) -> None:
    with stand_in() as standing, world(tmp_path, broker, lambda _: REPLICATE.make(standing)) as studio:
        done = Answer(REPLICATE.states["done"].body | {"output": f"{standing.url}/files/film.mp4"})
        standing.say("POST", REPLICATE.submit, REPLICATE.accepted)
        standing.say(*REPLICATE.poll, REPLICATE.states["queued"])
        standing.say("GET", "/files/film.mp4", Answer(film(tmp_path)))
        job_id = studio.order(studio.sample("coffee"), template="showcase").json()["jobId"]
        headers = {"Authorization": f"Bearer {broker.token}"}
        eventually(lambda: httpx.get(f"{broker.url}/v2/waiters/video-{job_id}", headers=headers).json())
        standing.say(*REPLICATE.poll, done)
        address = unquote(standing.posted(REPLICATE.submit)[0].json()["webhook"])
        body = b'{"id": "p1", "status": "succeeded"}'
        for _ in range(2):  # as a provider may
            answer = httpx.post(address, content=body, headers=standard("e1", body, clock.now() // 1000))
            assert (answer.status_code, answer.json()) == (200, {"status": "heard"})
        assert studio.finished(job_id)["status"] == "done"
        runs = httpx.get(f"{broker.url}/v2/workflows/logs", headers=headers).json()["runs"]
        [run] = [one for one in runs if job_id in str(one["steps"][0])]
        waits = [step for group in run["steps"] for step in group["steps"] if step["stepName"] == "wait for the video"]
        assert [step.get("waitTimeout", False) for step in waits].count(False) >= 1
        forged = httpx.post(
            address, content=body, headers={**standard("e2", body, clock.now() // 1000), "webhook-id": "e3"}
        )
        assert forged.status_code == 401
        unknown = httpx.post(
            f"{studio.url}/api/webhooks/none", content=body, headers=standard("e4", body, clock.now() // 1000)
        )
        assert (unknown.status_code, unknown.json()["field"]) == (404, "jobId")
        assert studio.used() == 1


class Saying:
    """A provider that answers everything with one thing."""

    def __init__(self, says: Look | ProviderError) -> None:
        self.says = says
        self.restarted = 0

    def start(self, *_: object) -> str:
        return self._say() and "op"

    def poll(self, _: str) -> Look:
        return self._say()

    def fetch(self, *_: object) -> None:
        self._say()

    def restart(self, _: str) -> None:
        self.restarted += 1

    def _say(self) -> Look:
        if isinstance(self.says, ProviderError):
            raise self.says
        return self.says


@pytest.mark.parametrize(
    ("look", "reason"),
    [
        (Look("failed", error="out of memory"), "could not be rendered: out of memory"),
        (Look("filtered", error="a person"), "moderation kept the video back: a person"),
        (Look("canceled", error="Canceled at Runway."), "Canceled at Runway"),
        (Look("canceled"), "canceled at the provider"),
    ],
)
def test_a_bad_end_at_the_provider_ends_the_job_with_its_reason(look: Look, reason: str) -> None:
    with pytest.raises(NonRetryableError, match=reason):
        making.judge(Saying(look), "op", look)  # type: ignore[arg-type]


def test_what_is_lost_is_begun_again_and_what_goes_on_is_left_alone() -> None:
    lost, running = Saying(Look("lost")), Saying(Look("running", 40))
    for provider in (lost, running):
        making.judge(provider, "op", making.look(provider, "op"))  # type: ignore[arg-type]
    assert (lost.restarted, running.restarted) == (1, 0)


@pytest.mark.parametrize("call", ["start", "look", "fetch"])
def test_errors_of_a_provider_become_words_of_a_step(call: str) -> None:
    def ask(error: ProviderError) -> None:
        provider = Saying(error)
        if call == "start":
            making.start(provider, "job", Order("story", ""), [])  # type: ignore[arg-type]
        else:
            getattr(making, call)(provider, "op", *([Path("none")] if call == "fetch" else []))

    with pytest.raises(NonRetryableError, match="no account"):
        ask(Refused("no account"))
    with pytest.raises(RetryAfterError) as busy:
        ask(Busy("full", 7))
    assert busy.value.retry_after == 7
    with pytest.raises(Unreachable):
        ask(Unreachable("asleep"))
    if call == "start":
        with pytest.raises(NonRetryableError, match="no such model"):
            ask(NotThere("no such model"))
        with pytest.raises(Ambiguous):
            ask(Ambiguous("?"))
    if call == "fetch":
        with pytest.raises(NonRetryableError, match="gone"):
            ask(NotThere("gone"))
