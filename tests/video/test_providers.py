"""Every adapter against a stand-in that also misbehaves: nothing is ordered twice, everything ends in a defined way."""

import json
import socket
import sys
import tracemalloc
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from ringback_video.providers import downloading, sending
from ringback_video.providers.contract import Ambiguous, BadSignature, Busy, NotThere, Provider, Refused, Unreachable
from ringback_video.providers.downloading import download
from ringback_video.providers.google_omni import GoogleOmni
from ringback_video.providers.google_veo import credentials_in
from ringback_video.providers.local import LocalProvider
from ringback_video.providers.registry import PROVIDERS, make_provider
from ringback_video.rendering.operation import Order
from ringback_video.settings import PHOTOS
from video.provider_cases import CASES, FAL, OMNI, REPLICATE, SECRET, Case, standard
from video.standin import LOST, VIDEO, Answer, StandIn, stand_in

NOW = 1_795_000_000
ORDER = Order("showcase", "Fresh bread")
CALLBACK = "https://shop.example/api/webhooks/x?job=job-1"
PHOTO = (PHOTOS / "coffee.jpg").read_bytes()
Sign = Callable[[str, bytes, int], dict[str, str]]


@pytest.fixture
def standing() -> Iterator[StandIn]:
    with stand_in() as running:
        yield running


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param  # type: ignore[no-any-return]


def fetched(provider: Provider, operation_id: str, folder: Path) -> bytes:
    provider.fetch(operation_id, folder / "video.mp4")
    return (folder / "video.mp4").read_bytes()


def order(provider: Provider) -> str:
    return provider.start("job-1", ORDER, [PHOTO], CALLBACK)


class TestOrders:
    def test_one_order_is_one_request_with_photo_and_words(self, case: Case, standing: StandIn) -> None:
        standing.say("POST", case.submit, case.accepted)
        assert order(case.make(standing)) == case.operation_id
        (sent,) = standing.posted(case.submit)
        assert b"Fresh bread" in sent.body
        assert b"/9j/" in sent.body  # a JPEG in base64
        assert len(sent.body) < 1_000_000
        assert any("key" in value or "token" in value.lower() for value in sent.headers.values())

    def test_a_reply_lost_after_acceptance_is_never_repeated(self, case: Case, standing: StandIn) -> None:
        standing.say("POST", case.submit, LOST, case.accepted)
        with pytest.raises(Ambiguous):
            order(case.make(standing))
        assert len(standing.posted(case.submit)) == 1

    @pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
    def test_an_error_that_may_hide_an_acceptance_is_never_repeated(
        self, case: Case, standing: StandIn, status: int
    ) -> None:
        standing.say("POST", case.submit, Answer({"detail": "nginx"}, status), case.accepted)
        with pytest.raises(Ambiguous):
            order(case.make(standing))
        assert len(standing.posted(case.submit)) == 1

    @pytest.mark.parametrize(
        ("body", "headers"),
        [
            ({"detail": "Request was throttled. Your rate limit resets in ~7s."}, {}),
            ({"error": {"message": "quota", "details": [{"retryDelay": "7s"}]}}, {}),
            ({"error": "slow down"}, {"retry-after": "7"}),
        ],
    )
    def test_too_many_requests_say_when_to_come_again(
        self, case: Case, standing: StandIn, body: object, headers: dict[str, str]
    ) -> None:
        standing.say("POST", case.submit, Answer(body, 429, headers), case.accepted)
        with pytest.raises(Busy) as busy:
            order(case.make(standing))
        assert busy.value.retry_after_s == 7
        assert len(standing.posted(case.submit)) == 1

    @pytest.mark.parametrize("status", [400, 401, 402, 403, 409, 422])
    def test_a_refusal_is_told_in_the_provider_s_words(self, case: Case, standing: StandIn, status: int) -> None:
        standing.say("POST", case.submit, Answer({"detail": "the image is too small"}, status))
        with pytest.raises(Refused, match="the image is too small"):
            order(case.make(standing))
        assert len(standing.posted(case.submit)) == 1

    def test_where_nobody_listens_nothing_was_ordered(self, case: Case) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            nowhere = StandIn(f"http://127.0.0.1:{free.getsockname()[1]}")
        with pytest.raises(Unreachable):
            order(case.make(nowhere))

    def test_a_format_that_it_does_not_make_is_refused_before_it_is_asked(self, case: Case, standing: StandIn) -> None:
        provider = case.make(standing)
        if "square" in provider.capabilities.formats:
            pytest.skip("it makes every format")
        with pytest.raises(Refused, match="not square"):
            provider.start("job-1", Order("spotlight", "x"), [PHOTO])
        assert standing.asked == []


class TestLooks:
    def test_a_slow_start_is_waited_for_and_then_the_video_is_fetched(
        self, case: Case, standing: StandIn, tmp_path: Path
    ) -> None:
        provider = case.make(standing)
        slow = [case.states[stage] for stage in ("queued", "queued", "running") if stage in case.states]
        standing.say(*case.poll, *slow, case.states["running"])
        seen = [provider.poll(case.operation_id).stage for _ in slow]
        assert seen == [stage for stage in ("queued", "queued", "running") if stage in case.states]
        case.done(standing)
        look = provider.poll(case.operation_id)
        assert (look.stage, look.progress) == ("done", 100)
        assert fetched(provider, case.operation_id, tmp_path) == VIDEO

    def test_progress_is_told_by_who_tells_it(self, case: Case, standing: StandIn) -> None:
        standing.say(*case.poll, case.states["running"])
        look = case.make(standing).poll(case.operation_id)
        assert look.progress == (40 if case.name in ("replicate", "runway") else 0)

    @pytest.mark.parametrize("stage", ["failed", "filtered", "canceled"])
    def test_a_bad_end_has_a_kind_and_a_reason(self, case: Case, standing: StandIn, stage: str) -> None:
        if stage not in case.states:
            pytest.skip("it has no such state")
        standing.say(*case.poll, case.states[stage])  # type: ignore[index]
        look = case.make(standing).poll(case.operation_id)
        assert look.stage == stage
        assert look.error

    def test_an_unknown_state_is_waited_out_and_noted(self, case: Case, standing: StandIn) -> None:
        standing.say(*case.poll, case.unknown)
        look = case.make(standing).poll(case.operation_id)
        assert look.stage == "running"
        assert case.name == "google-veo" or "contemplating" in look.note.lower()

    def test_a_vanished_output_is_said_to_be_gone(self, case: Case, standing: StandIn, tmp_path: Path) -> None:
        case.gone(standing)
        with pytest.raises(NotThere):
            fetched(case.make(standing), case.operation_id, tmp_path)

    def test_an_operation_that_it_no_longer_knows_is_lost_and_not_ordered_again(
        self, case: Case, standing: StandIn
    ) -> None:
        provider = case.make(standing)
        assert provider.poll(case.operation_id).stage == "lost"
        with pytest.raises(Refused, match="a new order"):
            provider.restart(case.operation_id)
        assert standing.posted(case.submit) == []

    def test_a_look_that_fails_may_be_repeated(self, case: Case, standing: StandIn) -> None:
        provider = case.make(standing)
        for broken, expected in ((Answer({}, 502), Unreachable), (LOST, Unreachable), (Answer({}, 429), Busy)):
            standing.say(*case.poll, broken)
            with pytest.raises(expected):
                provider.poll(case.operation_id)

    def test_giving_up_is_passed_on_and_too_late_is_no_error(self, case: Case, standing: StandIn) -> None:
        provider = case.make(standing)
        if case.cancel is None:
            provider.cancel(case.operation_id)
            assert standing.asked == []
            return
        standing.say(*case.poll, case.states["running"])
        for answer in (case.states["running"], Answer({"detail": "it has ended"}, 400), Answer({}, 404)):
            standing.say(*case.cancel, answer)
            provider.cancel(case.operation_id)
        calls = [asked for asked in standing.asked if asked.method == case.cancel[0] and asked.path == case.cancel[1]]
        assert len(calls) == 3


def test_a_link_to_a_result_is_followed_without_handing_on_the_key(standing: StandIn, tmp_path: Path) -> None:
    target = tmp_path / "video.mp4"
    with stand_in() as elsewhere:
        standing.say("GET", "/v", Answer(b"", 302, {"location": f"{elsewhere.url}/files/video.mp4"}))
        download(f"{standing.url}/v", "x", target, {"x-goog-api-key": "secret"})
        assert target.read_bytes() == VIDEO
        assert standing.asked[0].headers["x-goog-api-key"] == "secret"
        assert "x-goog-api-key" not in elsewhere.asked[0].headers
    standing.say("GET", "/round", Answer(b"", 302, {"location": "/round"}))
    for path, expected in (("/round", NotThere), ("/gone", NotThere)):
        with pytest.raises(expected):
            download(f"{standing.url}{path}", "x", target)
    standing.say("GET", "/ill", Answer({}, 503))
    with pytest.raises(Unreachable):
        download(f"{standing.url}/ill", "x", target)


def test_a_video_is_never_in_memory_as_a_whole(standing: StandIn, tmp_path: Path) -> None:
    large = bytes(24 * 1024 * 1024)
    standing.say("GET", "/large.mp4", Answer(large))
    tracemalloc.start()
    try:
        download(f"{standing.url}/large.mp4", "x", tmp_path / "video.mp4")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (tmp_path / "video.mp4").stat().st_size == len(large)
    assert peak < len(large) / 4


def test_what_is_larger_than_any_video_of_ours_is_refused(
    standing: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloading, "MOST_BYTES", 2 * 1024 * 1024)
    monkeypatch.setattr(sending, "MOST_ANSWER", 1024 * 1024)
    standing.say("GET", "/large.mp4", Answer(bytes(3 * 1024 * 1024)))
    with pytest.raises(Refused, match="larger than 2 MB"):
        download(f"{standing.url}/large.mp4", "x", tmp_path / "video.mp4")
    standing.say(*REPLICATE.poll, Answer(bytes(3 * 1024 * 1024)))
    with pytest.raises(Refused, match="more than 1 MB"):
        REPLICATE.make(standing).poll("p1")


@pytest.fixture(scope="module")
def ed25519() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture(scope="module")
def rsa() -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


@pytest.fixture(params=["replicate", "fal", "google-omni with a secret", "google-omni with keys"])
def caller(
    request: pytest.FixtureRequest, standing: StandIn, ed25519: Ed25519PrivateKey, rsa: RSAPrivateKey
) -> tuple[Provider, bytes, str, Sign]:
    """A provider that calls back, the body of its call, the operation in it, and how it signs."""
    if request.param == "replicate":
        return REPLICATE.make(standing), b'{"id": "p1", "status": "succeeded"}', "p1", standard
    if request.param == "google-omni with a secret":
        return OMNI.make(standing), b'{"type": "video.generated", "data": {"id": "i1"}}', "i1", standard
    if request.param == "fal":
        raw = ed25519.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        x = urlsafe_b64encode(raw).decode().rstrip("=")
        standing.say("GET", "/keys", Answer({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x}]}))

        def by_ed25519(event_id: str, body: bytes, at: int) -> dict[str, str]:
            signature = ed25519.sign(f"{event_id}\nu1\n{at}\n{sha256(body).hexdigest()}".encode()).hex()
            names = {"request-id": event_id, "user-id": "u1", "timestamp": str(at), "signature": signature}
            return {f"x-fal-webhook-{name}": value for name, value in names.items()}

        return FAL.make(standing), b'{"request_id": "e1", "status": "OK"}', "e1", by_ed25519
    key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(rsa.public_key())) | {"kid": "k1", "use": "sig"}
    standing.say("GET", "/keys", Answer({"keys": [key]}))

    def by_rsa(event_id: str, body: bytes, at: int) -> dict[str, str]:
        token = jwt.encode({"iss": "google"}, rsa, "RS256", {"kid": "k1"})
        return {"webhook-id": event_id, "webhook-timestamp": str(at), "webhook-signature": token}

    provider = GoogleOmni("key", "m", keys_url=f"{standing.url}/keys", url=standing.url)
    return provider, b'{"type": "video.generated", "data": {"id": "i1"}}', "i1", by_rsa


class TestWebhooks:
    def test_a_call_names_its_operation_and_twice_is_the_same_event(
        self, caller: tuple[Provider, bytes, str, Sign]
    ) -> None:
        provider, body, operation_id, sign = caller
        first = provider.verify_webhook(sign("e1", body, NOW), body, NOW)
        assert first == provider.verify_webhook(sign("e1", body, NOW + 20), body, NOW + 20)
        assert (first.id, first.operation_id) == ("e1", operation_id)

    def test_a_call_that_is_old_or_from_the_future_is_refused(self, caller: tuple[Provider, bytes, str, Sign]) -> None:
        provider, body, _, sign = caller
        for at in (NOW - 301, NOW + 301):
            with pytest.raises(BadSignature):
                provider.verify_webhook(sign("e1", body, at), body, NOW)

    def test_a_call_of_somebody_else_is_refused(self, caller: tuple[Provider, bytes, str, Sign]) -> None:
        provider, body, _, sign = caller
        right = sign("e1", body, NOW)
        for name, value in right.items():
            if name.endswith("signature"):
                for wrong in ("", "v1,bm8=", "zz", value[:-4]):
                    with pytest.raises(BadSignature):
                        provider.verify_webhook({**right, name: wrong}, body, NOW)
        with pytest.raises(BadSignature):
            provider.verify_webhook({}, body, NOW)

    def test_a_call_whose_body_was_changed_is_refused(self, caller: tuple[Provider, bytes, str, Sign]) -> None:
        provider, body, operation_id, sign = caller
        changed = body + b" "
        headers = sign("e1", body, NOW)
        if headers.get("webhook-signature", "").startswith("ey"):
            # this token is not bound to the body: it says only that Google calls, and so a call is only a reason to look
            assert provider.verify_webhook(headers, changed, NOW).operation_id == operation_id
            return
        with pytest.raises(BadSignature):
            provider.verify_webhook(headers, changed, NOW)

    def test_a_call_with_nothing_in_it_is_refused(self, caller: tuple[Provider, bytes, str, Sign]) -> None:
        provider, _, _, sign = caller
        if provider.capabilities.name == "fal":
            pytest.skip("fal names the request in its headers")
        with pytest.raises(BadSignature):
            provider.verify_webhook(sign("e1", b"[]", NOW), b"[]", NOW)

    def test_a_call_may_come_before_the_reply_to_the_order(self, standing: StandIn, tmp_path: Path) -> None:
        standing.say("POST", REPLICATE.submit, LOST)
        provider = REPLICATE.make(standing)
        with pytest.raises(Ambiguous):
            order(provider)
        assert unquote(standing.posted(REPLICATE.submit)[0].json()["webhook"]) == CALLBACK
        body = b'{"id": "p1", "status": "succeeded"}'
        told = provider.verify_webhook(standard("e1", body, NOW), body, NOW)
        REPLICATE.done(standing)
        assert fetched(provider, told.operation_id, tmp_path) == VIDEO

    def test_who_does_not_call_back_has_sent_nothing(self, case: Case, standing: StandIn) -> None:
        provider = case.make(standing)
        if provider.capabilities.webhooks:
            pytest.skip("it calls back")
        with pytest.raises(BadSignature, match="does not call back"):
            provider.verify_webhook({}, b"", NOW)

    def test_the_secret_is_asked_for_where_it_is_not_given(self, standing: StandIn) -> None:
        standing.say("GET", "/v1/webhooks/default/secret", Answer({"key": SECRET}))
        provider = type(REPLICATE.make(standing))("token", "m/m", url=standing.url)
        body = b'{"id": "p1"}'
        assert provider.verify_webhook(standard("e1", body, NOW), body, NOW).operation_id == "p1"

    def test_keys_that_cannot_be_had_are_no_bad_signature(self, standing: StandIn) -> None:
        headers = {f"x-fal-webhook-{name}": "e1" for name in ("request-id", "user-id", "signature")}
        with pytest.raises(Unreachable):
            FAL.make(standing).verify_webhook(headers | {"x-fal-webhook-timestamp": str(NOW)}, b"{}", NOW)


class TestRegistry:
    def test_each_is_made_from_the_environment(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("google.auth.default", lambda **_: (None, "shop"))
        for name, entry in PROVIDERS.items():
            provider = make_provider(name, dict.fromkeys(entry.needs, "x"), tmp_path)
            assert provider.capabilities.name == name
            assert provider.capabilities.contract
        assert isinstance(make_provider("local", {}, tmp_path), LocalProvider)

    def test_google_s_credentials_come_from_a_file_or_from_the_environment(
        self, rsa: RSAPrivateKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pem = rsa.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        given = {
            "type": "service_account",
            "client_email": "studio@shop.iam.gserviceaccount.com",
            "token_uri": "https://oauth2.googleapis.com/token",
            "private_key": pem,
            "project_id": "shop",
        }
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        environment = {"GOOGLE_CLOUD_PROJECT": "shop", "GOOGLE_APPLICATION_CREDENTIALS_JSON": json.dumps(given)}
        assert make_provider("google-veo", environment, tmp_path).capabilities.name == "google-veo"
        credentials = credentials_in(environment)
        assert credentials.service_account_email == given["client_email"]
        assert credentials.scopes == ["https://www.googleapis.com/auth/cloud-platform"]
        identity = {
            "type": "external_account",
            "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/aws",
            "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
            "token_url": "https://sts.googleapis.com/v1/token",
            "credential_source": {
                "environment_id": "aws1",
                "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
            },
        }
        found = credentials_in({"GOOGLE_APPLICATION_CREDENTIALS_JSON": json.dumps(identity)})
        assert type(found).__module__ == "google.auth.aws"
        assert credentials_in({}) is None
        for wrong in ("{", "[]", '{"type": "somebody"}', json.dumps(given | {"private_key": "none"})):
            with pytest.raises(ValueError, match="GOOGLE_APPLICATION_CREDENTIALS_JSON") as refused:
                make_provider("google-veo", environment | {"GOOGLE_APPLICATION_CREDENTIALS_JSON": wrong}, tmp_path)
            assert "none" not in str(refused.value)

    def test_what_is_missing_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(ValueError, match="it must be one of: local, google-veo"):
            make_provider("sora", {}, tmp_path)
        with pytest.raises(ValueError, match="FAL_KEY is not set"):
            make_provider("fal", {}, tmp_path)
        monkeypatch.delitem(sys.modules, "ringback_video.providers.fal", raising=False)
        monkeypatch.setitem(sys.modules, "fal_client", None)
        with pytest.raises(ValueError, match=r'pip install "ringback-video\[fal\]"'):
            make_provider("fal", {"FAL_KEY": "x"}, tmp_path)

    def test_the_guide_names_each_with_what_it_needs(self) -> None:
        guide = (Path(__file__).parents[2] / "docs" / "guides" / "video-providers.md").read_text()
        for name, entry in PROVIDERS.items():
            row = next(line for line in guide.splitlines() if line.startswith(f"| `{name}` | `ringback-video"))
            assert f"[{entry.extra}]" in row
            assert all(f"`{variable}`" in row for variable in entry.needs)
