"""Where a message goes: the raw tail of a request target, cut into destination and options (protocol 2.1)."""

from typing import NamedTuple
from urllib.parse import quote, unquote_plus, urlsplit

from ringback.errors import Refused
from ringback.wire.remembered import remembered

Query = dict[str, str]

LONGEST = 8192
"""Most characters of a destination. HTTP recommends that at least 8,000 are supported (RFC 9110, 4.1)."""
_BAD_SCHEME = "invalid destination url: endpoint has invalid scheme, add http:// or https://"


class Destination(NamedTuple):
    """A URL as it was written, without a fragment, blanks and what is outside ASCII percent-encoded; or a URL group's name."""

    text: str
    is_group: bool


def split(tail: str) -> tuple[str, Query]:
    """Cut the tail of a request target into the destination and the options given in its query.

    `qstash_token` and every parameter that begins with `upstash-` are taken out; all else stays as it was written, in order.

    Returns:
        The destination, and the options by lower-case name, decoded.
    """
    path, mark, query = tail.partition("?")
    if not mark:
        return path, {}
    if "upstash-" not in query.lower() and "qstash_token" not in query:
        return tail, {}
    options: Query = {}
    kept = []
    for parameter in query.split("&"):
        name, _, value = parameter.partition("=")
        name = unquote_plus(name).lower()
        if name.startswith("upstash-"):
            options.setdefault(name, unquote_plus(value))
        elif name != "qstash_token":
            kept.append(parameter)
    return (f"{path}?{'&'.join(kept)}" if kept else path), options


@remembered(4096)
def classify(text: str) -> Destination:
    """Return what a destination is.

    Raises:
        Refused: 400 for one that is empty or too long, has another scheme, no host, or names an API that is not served.
    """
    if not text or text[0] == "?":
        raise Refused(400, "a non-empty destination must be provided")
    if len(text) > LONGEST:
        raise Refused(400, f"invalid destination url: longer than {LONGEST} characters")
    lower = text[:10].lower()
    if lower.startswith(("http:/", "https:/")):
        return Destination(_checked_url(as_requested(_repaired(text))), is_group=False)
    if lower.startswith(("http%3a", "https%3a")) or "://" in text:
        raise Refused(400, _BAD_SCHEME)
    if text == "api/llm":
        raise Refused(400, "api/llm is not available on this server")
    if text.startswith("api/"):
        raise Refused(400, f"unknown api {text}: expected a URL or the name of a URL group")
    return Destination(text, is_group=True)


def check_url(field: str, text: str) -> str:
    """Return an absolute http or https URL as it was written, or percent-encoded outside ASCII.

    Raises:
        Refused: 400, naming the field.
    """
    try:
        destination = classify(text)
    except Refused as error:
        raise Refused(
            error.status, f"invalid {field}: {error.text.removeprefix('invalid destination url: ')}"
        ) from error
    if destination.is_group:
        raise Refused(400, f"invalid {field}: endpoint has invalid scheme, add http:// or https://")
    return destination.text


def as_requested(url: str) -> str:
    """Return a URL with path and query as they will be requested: what is signed has to be what the receiver sees.

    In a request target only ASCII comes in, and no blanks; in the JSON of a batch, in headers and in filters any character may.
    What follows a `#` is for clients, and is never requested.
    """
    front, tail = cut_at_path(url.partition("#")[0])
    return front + escaped(tail)


def escaped(path: str) -> str:
    """Return a path, or a path and a query, percent-encoded where it has blanks or is outside ASCII."""
    if path.isascii() and " " not in path:
        return path
    return "".join(one if one.isascii() and one != " " else quote(one, errors="surrogatepass") for one in path)


def cut_at_path(url: str) -> tuple[str, str]:
    """Return an absolute URL in two parts: scheme and authority, and all that follows."""
    start = url.find("://") + 3
    end = min((at for mark in "/?#" if (at := url.find(mark, start)) >= 0), default=len(url))
    return url[:end], url[end:]


def _repaired(text: str) -> str:
    """Give back the slash that some reverse proxies take away: `http:/x` becomes `http://x`."""
    scheme, _, rest = text.partition(":")
    return text if rest.startswith("//") else f"{scheme}:/{rest}"


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Refused(400, f"invalid destination url: {error}") from error
    if not parts.hostname:
        raise Refused(400, "invalid destination url: endpoint has no host")
    if parts.username is not None:
        raise Refused(
            400, "invalid destination url: endpoint carries a user name, send it as Upstash-Forward-Authorization"
        )
    if port == 0:
        raise Refused(400, "invalid destination url: endpoint has an invalid port")
    if len(url) > LONGEST:
        raise Refused(400, f"invalid destination url: longer than {LONGEST} characters")
    if any(character <= " " or character == "\x7f" for character in url):
        raise Refused(400, "invalid destination url: endpoint has spaces or control characters")
    return url
