"""What a browser tells of where a request comes from."""

import pytest

from ringback.wire.browsers import is_known_here, is_of_another_site


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1:8080", "[::1]:8080", "192.0.2.7", "localhost", "LOCALHOST:8080", "app.localhost:1", "localhost."),
        *("ringback:8080", "host.docker.internal:8080", "laptop.local", "broker-1.ringback.test", "", "me.example:80"),
    ],
)
def test_names_that_only_we_can_be_meant_by(host: str) -> None:
    assert is_known_here(host, {"me.example"})


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:8080",
        "evil.example.",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "[::1",
        "not-me.example",
    ],
)
def test_names_that_any_site_could_lead_here(host: str) -> None:
    assert not is_known_here(host, {"me.example"})


@pytest.mark.parametrize(
    ("headers", "is_another"),
    [
        ({}, False),
        ({"host": "127.0.0.1:8080", "sec-fetch-mode": "cors"}, False),  # Node's fetch says that much
        ({"sec-fetch-site": "same-origin", "origin": "https://a.example", "host": "127.0.0.1"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"sec-fetch-site": "same-site"}, True),
        ({"sec-fetch-site": "cross-site"}, True),
        ({"origin": "http://127.0.0.1:8080", "host": "127.0.0.1:8080"}, False),
        ({"origin": "http://127.0.0.1:3000", "host": "127.0.0.1:8080"}, True),
        ({"origin": "https://evil.example", "host": "127.0.0.1:8080"}, True),
        ({"origin": "null", "host": "127.0.0.1:8080"}, True),
        ({"origin": "null"}, True),
    ],
)
def test_requests_of_other_sites(headers: dict[str, str], is_another: bool) -> None:
    assert is_of_another_site(headers.get) is is_another
