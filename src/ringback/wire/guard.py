"""Which addresses the broker may connect to: nobody may use it to reach what only it can reach (protocol 4.2)."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from ringback.wire.remembered import remembered

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_METADATA = {
    ipaddress.ip_address("169.254.169.254"),
    ipaddress.ip_address("fd00:ec2::254"),
    ipaddress.ip_address("fd20:ce::254"),
    ipaddress.ip_address("100.100.100.200"),
    ipaddress.ip_address("168.63.129.16"),
    ipaddress.ip_address("192.0.0.192"),
}
_PRIVATE = tuple(map(ipaddress.ip_network, ("100.64.0.0/10", "192.0.0.0/24", "fec0::/10")))
"""Networks that not every Python calls private."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Policy:
    """Where requests may go.

    Attributes:
        allow_private: loopback and private addresses too; for development.
        allowed_hosts: names, in lower case, that may resolve to any address.
        allowed_networks: networks that are allowed although they are private.
        denied_networks: networks that are refused whatever else is allowed.
    """

    allow_private: bool = False
    allowed_hosts: frozenset[str] = frozenset()
    allowed_networks: tuple[Network, ...] = ()
    denied_networks: tuple[Network, ...] = ()


@remembered(4096)
def literal_refusal(url: str, policy: Policy) -> str | None:
    """Return why a URL that names an address itself, or this machine, is refused; names are looked up when connecting."""
    host = (urlsplit(url).hostname or "").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return refusal(host, "::1", policy)
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return None
    return refusal(host, host, policy)


def refusal(host: str, address: str, policy: Policy) -> str | None:
    """Return why a host's address must not be connected to, None if it may.

    Args:
        host: the name in the URL, in lower case.
        address: what it resolved to.
        policy: where requests may go.
    """
    ip = _plain(ipaddress.ip_address(address.partition("%")[0]))
    if _in(ip, policy.denied_networks):
        return f"endpoint resolves to a denied address: {address}"
    if host in policy.allowed_hosts or _in(ip, policy.allowed_networks):
        return None
    if ip in _METADATA:
        return f"endpoint resolves to a metadata address: {address}"
    kind = _kind(ip)
    if kind is None or (policy.allow_private and kind in ("loopback", "private")):
        return None
    return f"endpoint resolves to a {kind} address: {address}"


def _plain(ip: Address) -> Address:
    """Return the IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped:
            return ip.ipv4_mapped
        if ip.sixtofour:
            return ip.sixtofour
        if ip.teredo:
            return ip.teredo[1]
        if ip in _NAT64:
            return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip


def _kind(ip: Address) -> str | None:
    for name, applies in (
        ("loopback", ip.is_loopback),
        ("unspecified", ip.is_unspecified),
        ("link-local", ip.is_link_local),
        ("multicast", ip.is_multicast),
        ("private", ip.is_private or _in(ip, _PRIVATE)),
        ("reserved", ip.is_reserved),
    ):
        if applies:
            return name
    return None


def _in(ip: Address, networks: tuple[Network, ...]) -> bool:
    return any(ip.version == network.version and ip in network for network in networks)
