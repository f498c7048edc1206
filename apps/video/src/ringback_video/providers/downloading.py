"""Finished files on their way from a provider to a file of ours: in pieces, and of a bounded size."""

import io
from pathlib import Path
from typing import BinaryIO

import httpx

from ringback_video.providers.contract import NotThere, Refused, Unreachable
from ringback_video.providers.sending import TIMEOUT

MOST_BYTES = 200 * 1024 * 1024
"""Of a video; ours last some seconds, and a serverless platform has half a gigabyte for files."""
_MOST_TEXT = 1024 * 1024
_MOST_REDIRECTS = 4


def download(url: str, provider: str, target: Path, headers: dict[str, str] | None = None) -> None:
    """Fetch a finished file from where a provider keeps it; no more than a piece of it is in memory.

    Args:
        url: may redirect; the headers are sent to the first address only.
        provider: its name, for the texts of errors.
        target: is written anew.
        headers: keys, where the file is not public.

    Raises:
        NotThere: it is gone, which links to results are after a while.
        Unreachable: try again.
        Refused: it is larger than any video of ours.
    """
    with target.open("wb") as out:
        _pass_on(url, provider, out, MOST_BYTES, headers)


def read_text(url: str, provider: str) -> bytes:
    """Return a small document of a provider's, such as its public keys; raises what `download` does."""
    out = io.BytesIO()
    _pass_on(url, provider, out, _MOST_TEXT, None)
    return out.getvalue()


def _pass_on(url: str, provider: str, out: BinaryIO, most_bytes: int, headers: dict[str, str] | None) -> None:
    try:
        with httpx.Client(timeout=TIMEOUT) as client:
            for _ in range(_MOST_REDIRECTS):
                with client.stream("GET", url, headers=headers) as response:
                    if response.next_request is None:
                        return _write(response, provider, out, most_bytes)
                    url, headers = str(response.next_request.url), None
    except httpx.HTTPError as error:
        raise Unreachable(f"The video could not be fetched from {provider}: {type(error).__name__}.") from error
    raise NotThere(f"The video cannot be found at {provider}: too many redirects.")


def _write(response: httpx.Response, provider: str, out: BinaryIO, most_bytes: int) -> None:
    if response.status_code >= 500 or response.status_code == 429:
        raise Unreachable(f"The video could not be fetched from {provider}: {response.status_code}.")
    if response.status_code >= 400:
        raise NotThere(f"The video is gone from {provider}: {response.status_code}.")
    size = 0
    for part in response.iter_bytes():
        size += len(part)
        if size > most_bytes:
            raise Refused(f"The video from {provider} is larger than {most_bytes // 1024 // 1024} MB.")
        out.write(part)
