"""What a browser tells of where a request comes from: pages of any site may have it call whatever listens on this machine.

Where everybody knows the token, or needs none, this is all that tells such a call from one of our own. It matters to what is
for development; elsewhere the token is what counts.
"""

from collections.abc import Callable, Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

_RESERVED = ("localhost", "test", "internal", "local")
"""Ends of names for which no public name server answers (RFC 6761, RFC 6762, and ICANN's decision on `internal`)."""

Header = Callable[[str], str | None]
"""Returns a header by its name in lower case."""


def is_known_here(host: str, names: Collection[str] = ()) -> bool:
    """Return whether a `Host` is one under which only we can be meant.

    A site can let its own name lead to this machine once its page is loaded, and the browser takes us for that site from then
    on: an address, or a name that only this machine or this network knows, is no such name.

    Args:
        host: the header, with or without a port.
        names: others, in lower case.
    """
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    return "." not in name or name in names or name.rpartition(".")[2] in _RESERVED or _is_address(name)


def is_of_another_site(header: Header) -> bool:
    """Return whether a browser says that another site's page has sent a request; programs say nothing, and are none.

    `Sec-Fetch-Site` counts first: no page can forge it, and a proxy that changes `Host` does not make it wrong.
    """
    site, origin = header("sec-fetch-site"), header("origin")
    if site is not None:
        return site not in ("same-origin", "none")
    return origin is not None and not is_page_of(origin, header("host") or "")


def is_page_of(origin: str, host: str) -> bool:
    """Return whether an `Origin` tells of a page that the `Host` has sent which was asked now."""
    return origin.lower().partition("://")[1:] == ("://", host.lower())


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
