"""What cannot be made is refused clearly, at once or in the job, and never charged."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from ringback.clock import now
from ringback.wire.signing import sign
from support.endpoint import Answer, Endpoint, Received, listening
from support.process import BrokerProcess
from video.conftest import World, world


def picture(width: int, height: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), (200, 90, 60)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def sources() -> Iterator[Endpoint]:
    """A server with photos that are none."""
    pictures = {"/tiny.png": picture(1, 1), "/huge.png": picture(12_000, 80), "/text.jpg": b"not a picture"}

    def respond(request: Received) -> Answer:
        if request.path == "/broken.jpg":
            return Answer(500)
        body = pictures.get(request.path)
        return Answer(404) if body is None else Answer(200, body)

    with listening(respond) as endpoint:
        yield endpoint


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"templateId": "nope"}, 422, "templateId"),
        ({"sourceImageUrls": []}, 422, "sourceImageUrls"),
        ({"sourceImageUrls": ["https://x.example/p.jpg"] * 50}, 422, "sourceImageUrls"),
        ({"sourceImageUrls": ["ftp://x.example/p.jpg"]}, 422, "sourceImageUrls[0]"),
        ({"sourceImageUrls": ["https://x.example/p.jpg", "p.jpg"]}, 422, "sourceImageUrls[1]"),
        ({"sourceImageUrls": "https://x.example/p.jpg"}, 422, "sourceImageUrls"),
        ({"shopId": "nobody"}, 404, "shopId"),
        ({"shopId": None}, 422, "shopId"),
        ({"caption": "x" * 81}, 422, "caption"),
        ({"caption": "New \u65b0\u5546\u54c1"}, 422, "caption"),
    ],
)
def test_a_wrong_order_is_refused_at_once(studio: World, change: dict[str, object], status: int, field: str) -> None:
    body = {"shopId": "demo-shop", "templateId": "runway", "sourceImageUrls": ["https://x.example/p.jpg"]} | change
    answer = studio.http.post("/api/generate", json=body)
    assert (answer.status_code, answer.json()["field"]) == (status, field)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


def test_a_body_that_is_no_json_is_refused(studio: World) -> None:
    answer = studio.http.post("/api/generate", content=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["status"]) == (422, 422)


@pytest.mark.parametrize("path", ["/api/generate", "/api/uploads", "/api/webhooks/x"])
def test_a_request_that_is_larger_than_any_is_not_read_to_its_end(studio: World, path: str) -> None:
    """Whoever sends it, and whether it tells its length or not: it would fill memory or disk before anybody looked for a key."""
    kind = "multipart/form-data; boundary=b" if path == "/api/uploads" else "application/json"
    headers = {"Content-Type": kind, "Sec-Fetch-Site": "same-origin"}
    parts = [bytes(1_000_000)] * 17
    body = b"".join(parts) if path == "/api/uploads" else iter(parts)
    refused = studio.http.post(path, content=body, headers=headers)
    assert (refused.status_code, refused.json()["detail"]) == (413, "A request has at most 16 MB.")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/missing.jpg", "answered 404"),
        ("/text.jpg", "not a picture"),
        ("/tiny.png", "1 x 1 pixels"),
        ("/huge.png", "12000 x 80 pixels"),
        ("/broken.jpg", "answered 500"),
    ],
)
def test_a_source_that_is_no_photo_fails_the_job_with_a_reason(
    studio: World, sources: Endpoint, path: str, reason: str
) -> None:
    before = studio.used()
    job = studio.finished(studio.order([f"{sources.url}{path}"]).json()["jobId"])
    assert job["status"] == "failed"
    assert reason in str(job["reason"])
    assert studio.used() == before


def test_a_server_in_trouble_is_asked_again_one_without_the_photo_is_not(studio: World, sources: Endpoint) -> None:
    asked = [request.path for request in sources.received]
    assert asked.count("/broken.jpg") == 4
    assert asked.count("/missing.jpg") == 1


def test_the_same_click_twice_is_one_job(studio: World) -> None:
    first = studio.order(studio.sample("coffee"), key="click-1")
    again = studio.order(studio.sample("coffee"), key="click-1")
    assert first.json()["jobId"] == again.json()["jobId"]
    other = studio.order(studio.sample("dahlia"), key="click-1")
    assert (other.status_code, other.json()["field"]) == (422, "Idempotency-Key")
    studio.finished(first.json()["jobId"])
    assert studio.order(studio.sample("coffee"), key="click-1").json()["jobId"] == first.json()["jobId"]


def test_an_identical_order_is_one_job_while_it_is_under_way_and_a_new_one_after(studio: World) -> None:
    first = studio.order(studio.sample("pavilion")).json()["jobId"]
    assert studio.order(studio.sample("pavilion")).json()["jobId"] == first
    studio.finished(first)
    later = studio.order(studio.sample("pavilion")).json()["jobId"]
    assert later != first
    studio.finished(later)


def test_a_shop_over_its_quota_is_refused(tmp_path: Path, broker: BrokerProcess) -> None:
    with world(tmp_path, broker, quota=1) as small:
        first = small.order(small.sample())
        over = small.order(small.sample("pavilion"))
        assert (over.status_code, over.json()["field"]) == (403, "shopId")
        small.finished(first.json()["jobId"])
        assert small.order(small.sample("pavilion")).status_code == 403
        assert small.used() == 1


@pytest.mark.parametrize("kind", ["missing", "forged", "expired", "other body"])
def test_a_delivery_that_is_not_signed_by_the_broker_is_refused(studio: World, kind: str) -> None:
    url, body = f"{studio.url}/api/process-video", b'{"jobId":"x"}'
    key, at = studio.broker.current_key, now()
    signatures = {
        "missing": None,
        "forged": sign(url, body, "sig_somebody_else", at, "jwt_1"),
        "expired": sign(url, body, key, at - 3_600_000, "jwt_1"),
        "other body": sign(url, b'{"jobId":"y"}', key, at, "jwt_1"),
    }
    signature = signatures[kind]
    headers = {"Content-Type": "application/json"} | ({"Upstash-Signature": signature} if signature else {})
    answer = studio.http.post("/api/process-video", content=body, headers=headers)
    assert answer.status_code == 401


def test_the_next_signing_key_is_accepted_too(studio: World) -> None:
    url, body = f"{studio.url}/api/process-video", b'{"jobId":"none"}'
    signature = sign(url, body, studio.broker.next_key, now(), "jwt_1")
    headers = {"Content-Type": "application/json", "Upstash-Signature": signature, "Upstash-Message-Id": "msg_1"}
    assert studio.http.post("/api/process-video", content=body, headers=headers).status_code == 200


@pytest.mark.parametrize("token", [None, "Bearer nonsense", "Basic x"])
def test_the_broker_asks_for_a_token(studio: World, token: str | None) -> None:
    headers = {"Authorization": token} if token else {}
    answer = studio.http.post(f"{studio.broker.url}/v2/publish/{studio.url}/x", headers=headers)
    assert (answer.status_code, answer.json()) == (401, {"error": "unable to authenticate: invalid token"})
