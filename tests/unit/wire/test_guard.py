"""Which addresses may be connected to."""

import ipaddress

import pytest

from ringback.wire.guard import Policy, literal_refusal, refusal


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("10.1.2.3", "private"),
        ("172.16.0.1", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "private"),
        ("fd12::1", "private"),
        ("169.254.1.1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("169.254.169.254", "metadata"),
        ("fd00:ec2::254", "metadata"),
        ("fd20:ce::254", "metadata"),
        ("168.63.129.16", "metadata"),
        ("192.0.0.192", "metadata"),
        ("::ffff:168.63.129.16", "metadata"),
        ("192.0.0.8", "private"),
        ("fec0::1", "private"),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("224.0.0.1", "multicast"),
        ("64:ff9b::7f00:1", "loopback"),
        ("2002:7f00:1::", "loopback"),
        ("240.0.0.1", "private"),
    ],
)
def test_what_only_we_can_reach_is_refused(address: str, kind: str) -> None:
    assert refusal("h", address, Policy()) == f"endpoint resolves to a {kind} address: {address}"


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::", "64:ff9b::5db8:d822"])
def test_what_everybody_can_reach_is_allowed(address: str) -> None:
    assert refusal("h", address, Policy()) is None


def test_names_and_networks_can_be_allowed_and_denied() -> None:
    network = ipaddress.ip_network("10.0.0.0/8")
    assert refusal("svc", "10.0.0.1", Policy(allowed_hosts=frozenset({"svc"}))) is None
    assert refusal("other", "10.0.0.1", Policy(allowed_hosts=frozenset({"svc"}))) is not None
    assert refusal("h", "10.0.0.1", Policy(allowed_networks=(network,))) is None
    assert refusal("h", "10.0.0.1", Policy(allow_private=True, denied_networks=(network,))) is not None


def test_development_may_call_itself_but_no_metadata_service() -> None:
    development = Policy(allow_private=True)
    assert refusal("h", "127.0.0.1", development) is None
    assert refusal("h", "169.254.169.254", development) is not None


@pytest.mark.parametrize("url", ["http://localhost:3000/", "http://a.localhost/", "http://127.0.0.1/", "http://[::1]/"])
def test_urls_that_name_this_machine_are_refused_when_published(url: str) -> None:
    assert "loopback address" in str(literal_refusal(url, Policy()))
    assert literal_refusal("http://example.com/", Policy()) is None
