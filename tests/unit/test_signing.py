"""A signature holds for its key, its body, its URL and its time, and for nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jwt import decode as pyjwt_decode
from qstash import Receiver

from ringback import clock
from ringback.errors import SignatureInvalid
from ringback.wire.signing import sign, verify

KEY = "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r"
NEXT = "sig_5ZB6DVzB1wjE8S6rZ7eenA8Pdnhs"
URL = "https://api.example.com/hook"
NOW = 1_767_225_600_000
BODY = b'{"n":1}'
VECTOR = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJVcHN0YXNoIiwic3ViIjoiaHR0cHM6Ly9hcGkuZXhhbXBsZS5jb20vaG9vayIsI"
    "mV4cCI6MTc2NzIyNTkwMCwibmJmIjoxNzY3MjI1NjAwLCJpYXQiOjE3NjcyMjU2MDAsImp0aSI6Imp3dF9leGFtcGxlIiwiYm9keSI6IktfMFU5"
    "RDBYX0h6cUpPQ1Jlb2g1dExMNGdMaTY3c0c1MlEtNnJXVmVjYjA9In0.A5547BGaYDQ_Bnz05vWybK5bC7MC4ktjXYILXqfU9Fg"
)


def test_the_published_test_vector_verifies() -> None:
    claims = verify(VECTOR, BODY, [KEY], NOW, url=URL)
    assert (claims.url, claims.issued_at, claims.id) == (URL, 1_767_225_600, "jwt_example")


def test_the_claims_are_those_of_the_protocol() -> None:
    options = {"verify_exp": False, "verify_iat": False}
    claims = pyjwt_decode(sign(URL, BODY, KEY, NOW + 999, "jwt_1"), KEY, ["HS256"], options=options)
    assert claims == {
        "iss": "Upstash",
        "sub": URL,
        "exp": 1_767_225_900,
        "nbf": 0,
        "iat": 1_767_225_600,
        "jti": "jwt_1",
        "body": "K_0U9D0X_HzqJOCReoh5tLL4gLi67sG52Q-6rWVecb0=",
    }


def test_the_official_receiver_accepts_what_we_sign() -> None:
    receiver = Receiver(current_signing_key="sig_old", next_signing_key=KEY)
    receiver.verify(signature=sign(URL, BODY, KEY, clock.now(), "jwt_1"), body=BODY.decode(), url=URL)


@given(url=st.text(max_size=60), body=st.binary(max_size=60), key=st.text(min_size=1, max_size=90))
def test_what_is_signed_verifies_whatever_it_is(url: str, body: bytes, key: str) -> None:
    key = key.encode(errors="replace").decode()
    assert verify(sign(url, body, key, NOW, "j"), body, [key], NOW, url=url).url == url


def test_the_next_key_is_tried_after_the_current_one() -> None:
    verify(sign(URL, BODY, NEXT, NOW, "j"), BODY, [KEY, NEXT], NOW)


@pytest.mark.parametrize("keys", [["", ""], [KEY, ""], ("",), KEY])
def test_a_key_that_anybody_can_sign_with_is_refused(keys: list[str] | str) -> None:
    """An empty key, of a variable that is not set say, or the letters of a key one by one."""
    forged = sign(URL, BODY, keys[0], NOW, "j")
    with pytest.raises(ValueError, match="signing keys: expected a sequence of keys, none of them empty"):
        verify(forged, BODY, keys, NOW)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"keys": [NEXT]}, "another key"),
        ({"keys": []}, "another key"),
        ({"body": b'{"n":2}'}, "another body"),
        ({"url": URL + "?"}, "another URL"),
        ({"now_ms": NOW + 310_000}, "expired"),
        ({"now_ms": NOW - 11_000}, "not valid yet"),
    ],
)
def test_a_signature_for_something_else_is_refused(change: dict[str, object], reason: str) -> None:
    facts: dict[str, object] = {"body": BODY, "keys": [KEY], "now_ms": NOW, "url": URL} | change
    with pytest.raises(SignatureInvalid, match=reason):
        verify(sign(URL, BODY, KEY, NOW, "j"), **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize("now", [NOW - 10_000, NOW + 309_999])
def test_clocks_may_differ_by_the_tolerance(now: int) -> None:
    verify(sign(URL, BODY, KEY, NOW, "j"), BODY, [KEY], now)


@given(st.text(max_size=200) | st.text("eyJ0.-_=AQ", max_size=80).map(lambda t: f"eyJhbGciOiJIUzI1NiJ9.{t}"))
def test_no_text_makes_the_check_fail_in_any_other_way(token: str) -> None:
    with pytest.raises(SignatureInvalid):
        verify(token, BODY, [KEY], NOW)


def test_a_token_without_algorithm_is_refused() -> None:
    none = "eyJhbGciOiJub25lIn0." + VECTOR.split(".")[1] + "."
    with pytest.raises(SignatureInvalid):
        verify(none + "x", BODY, [KEY], NOW)
