"""The guide's own configurations of reverse proxies, run in front of a broker, where such a proxy is on this machine."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from support.endpoint import eventually, listening
from support.ports import free_port
from support.process import BrokerProcess, running

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "self-hosting.md"
_NGINX = """daemon off;
worker_processes 1;
{user}
pid {folder}/pid;
error_log stderr;
events {{ }}
http {{
    access_log off;
    {paths}
{server}
}}
"""
_KEPT = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def _of_guide(language: str) -> str:
    """Return the configuration, without what the kernel or an authority would have to give for it: port 443, a certificate."""
    (block,) = re.findall(rf"^```{language}\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    return re.sub(r"^ *ssl_certificate.*\n", "", block, flags=re.MULTILINE)


def _replaced(text: str, *pairs: tuple[str, str]) -> str:
    for old, new in pairs:
        assert text.count(old) == 1, f"the guide does not say {old!r} once any more"
        text = text.replace(old, new)
    return text


def nginx(folder: Path, port: int, broker: str) -> list[str]:
    """Write the guide's server for nginx; return the command."""
    server = _replaced(
        _of_guide("nginx"),
        ("listen 443 ssl", f"listen 127.0.0.1:{port}"),
        ("http://127.0.0.1:8080", f"http://{broker}"),
    )
    paths = " ".join(f"{name}_temp_path {folder}/{name};" for name in _KEPT)
    user = "user root;" if os.getuid() == 0 else ""
    (folder / "conf").write_text(_NGINX.format(user=user, folder=folder, paths=paths, server=server))
    return ["nginx", "-p", str(folder), "-e", "stderr", "-c", str(folder / "conf")]


def haproxy(folder: Path, port: int, broker: str) -> list[str]:
    """Write the guide's configuration for HAProxy, with one broker; return the command."""
    text = _replaced(
        _of_guide("haproxy"),
        ("bind :443 ssl crt /etc/haproxy/queue.pem alpn h2,http/1.1", f"bind 127.0.0.1:{port}"),
        ("10.0.0.11:8080", broker),
        ("    server two 10.0.0.12:8080\n", ""),
    )
    (folder / "conf").write_text(text)
    return ["haproxy", "-db", "-f", str(folder / "conf")]


@contextmanager
def in_front(program: Callable[[Path, int, str], list[str]], folder: Path, broker: BrokerProcess) -> Iterator[str]:
    """Run a proxy for the length of a block; skips the test where there is none."""
    name = program.__name__
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not on this machine")
    port = free_port()
    process = subprocess.Popen(program(folder, port, urlsplit(broker.url).netloc))
    try:
        url = f"http://127.0.0.1:{port}"

        def is_there() -> bool:
            assert process.poll() is None, f"{name} has ended"
            try:
                return httpx.get(f"{url}/readyz").status_code == 200
            except httpx.TransportError:
                return False

        eventually(is_there)
        yield url
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def broker() -> Iterator[BrokerProcess]:
    with running() as started:
        yield started


@pytest.mark.parametrize("program", [nginx, haproxy], ids=lambda program: str(program.__name__))
def test_what_is_published_and_seen_through_a_proxy_is_as_without(
    program: Callable[[Path, int, str], list[str]], tmp_path: Path, broker: BrokerProcess
) -> None:
    large, long = os.urandom(3 << 20), "x" * 30_000
    with in_front(program, tmp_path, broker) as url, listening() as endpoint, httpx.Client(base_url=url) as http:
        headers = {"Authorization": f"Bearer {broker.token}", "Upstash-Forward-Long": long}
        target = f"{endpoint.url}/a//b%2Fc?d=%26"
        answer = http.post(f"/v2/publish/{target}", content=large, headers=headers)
        assert answer.status_code in (200, 202), answer.text
        (received,) = endpoint.wait_for(1)
        assert (received.path, received.body == large, received.headers["long"]) == ("/a//b%2Fc?d=%26", True, long)
        logged_in = http.post("/console/login", data={"token": broker.token}, headers={"Origin": url})
        assert logged_in.status_code == 303, logged_in.text
        seen_by = {"Accept": "text/event-stream", "Cookie": logged_in.headers["set-cookie"].partition(";")[0]}
        with http.stream("GET", "/console/messages", headers=seen_by) as live:
            assert next(live.iter_lines()).startswith("data: ")
