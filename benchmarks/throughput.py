"""Accept, deliver, settle: how many messages a second one broker process carries, and what each costs.

`python -m benchmarks.throughput` starts a broker on one core with a fresh SQLite file, an endpoint that answers 200 at once and a
publisher on the other, and prints what was measured. `--json` ends with one line of JSON.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httptools

BODY = json.dumps({"order": 7781, "note": "x" * 270}).encode()


class Requests(asyncio.Protocol):
    """The endpoint: answers each request with 200 and notes when it came."""

    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    def __init__(self, arrived: dict[bytes, float], done: asyncio.Event, expected: int) -> None:
        self._arrived, self._done, self._expected = arrived, done, expected

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        if name == b"Upstash-Message-Id":
            self._arrived[value] = time.perf_counter()

    def on_message_complete(self) -> None:
        self._transport.write(self.answer)  # type: ignore[attr-defined]
        if len(self._arrived) >= self._expected:
            self._done.set()


class Publisher(asyncio.Protocol):
    """One keep-alive connection that publishes one message after the other."""

    def __init__(self, run: "Run") -> None:
        self._run = run
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._next()

    def _next(self) -> None:
        if self._run.left <= 0:
            self._transport.close()
            return
        wait = self._run.wait()
        if wait > 0:
            asyncio.get_running_loop().call_later(wait, self._send)
        else:
            self._send()

    def _send(self) -> None:
        if self._run.left <= 0:
            self._transport.close()
            return
        self._run.left -= self._run.batch
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._transport.write(self._run.request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        now = time.perf_counter()
        if self._parser.get_status_code() != 200:
            raise SystemExit(f"publish failed: {self._body!r}")
        answer = json.loads(self._body)
        for one in answer if isinstance(answer, list) else [answer]:
            self._run.accepted[one["messageId"].encode()] = now
        self._next()


class Run:
    """What is published, and when it was acknowledged."""

    def __init__(self, url: str, token: str, target: str, messages: int, rate: float | None, batch: int) -> None:
        self.left = messages
        self.batch = batch
        self.accepted: dict[bytes, float] = {}
        self._interval = batch / rate if rate else 0.0
        self._at = time.perf_counter()
        path, body = f"/v2/publish/{target}", BODY
        if batch > 1:
            headers = {"Content-Type": "application/json"}
            item = {"destination": target, "headers": headers, "body": BODY.decode()}
            path, body = "/v2/batch", json.dumps([item] * batch).encode()
        host = url.removeprefix("http://")
        self.request = (
            f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            "Accept: */*\r\nUser-Agent: bench\r\nUpstash-Method: POST\r\nUpstash-Retries: 3\r\n\r\n"
        ).encode() + body

    def wait(self) -> float:
        """Return the seconds until the next message is to be published."""
        self._at += self._interval
        return self._at - time.perf_counter() if self._interval else 0.0


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def quantile(values: list[float], q: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * q))] * 1000 if values else 0.0


async def measure(broker: dict[str, str], pid: int, options: argparse.Namespace, rate: float | None, messages: int) -> dict[str, float]:
    arrived: dict[bytes, float] = {}
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Requests(arrived, done, messages), "127.0.0.1", 0, backlog=2048)
    target = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    run = Run(broker["QSTASH_URL"], broker["QSTASH_TOKEN"], target, messages, rate, options.batch)
    host, port = broker["QSTASH_URL"].removeprefix("http://").split(":")
    before, own, begun = cpu_seconds(pid), time.process_time(), time.perf_counter()
    for _ in range(options.connections):
        await loop.create_connection(lambda: Publisher(run), host, int(port))
    await asyncio.wait_for(done.wait(), 600)
    took = time.perf_counter() - begun
    cpu, own = cpu_seconds(pid) - before, time.process_time() - own
    server.close()
    delays = [at - run.accepted[name] for name, at in arrived.items() if name in run.accepted]
    return {
        "messages_per_s": round(messages / took),
        "broker_cpu_us_per_message": round(cpu / messages * 1e6, 1),
        "load_cpu_us_per_message": round(own / messages * 1e6, 1),
        "p50_ms": round(quantile(delays, 0.5), 2),
        "p99_ms": round(quantile(delays, 0.99), 2),
        "broker_rss_mib": round(rss_mib(pid), 1),
    }


def start(folder: str, core: int | None) -> tuple[subprocess.Popen[str], dict[str, str]]:
    pin = ["taskset", "-c", str(core)] if core is not None else []
    command = [*pin, sys.executable, "-m", "ringback", "dev", "--port", "0", "--db", f"{folder}/bench.db"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    told: dict[str, str] = {}
    assert process.stdout
    for line in process.stdout:
        name, separator, value = line.strip().partition("=")
        if separator:
            told[name] = value
        if name == "QSTASH_NEXT_SIGNING_KEY":
            return process, told
    raise SystemExit("the broker did not start")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=60_000)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--batch", type=int, default=1, help="messages in one request")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--profile", help="write a py-spy flame graph of the broker to this file")
    options = parser.parse_args()
    cores = os.cpu_count() or 1
    if cores > 1:
        os.sched_setaffinity(0, {0})
    with tempfile.TemporaryDirectory(dir=".") as folder:
        process, told = start(folder, 1 if cores > 1 else None)
        try:
            asyncio.run(measure(told, process.pid, options, None, 5_000))
            spy = None
            if options.profile:
                spy = subprocess.Popen(["py-spy", "record", "-d", "8", "-r", "500", "-f", "speedscope" if options.profile.endswith("json") else "raw", "-o", options.profile, "-p", str(process.pid)])
            full = asyncio.run(measure(told, process.pid, options, None, options.messages))
            if spy:
                spy.wait()
            half = asyncio.run(measure(told, process.pid, options, full["messages_per_s"] / 2, options.messages // 4))
        finally:
            process.terminate()
            process.wait(30)
    result = full | {"p50_ms": half["p50_ms"], "p99_ms": half["p99_ms"], "half_load_cpu_us": half["broker_cpu_us_per_message"]}
    if options.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:28} {value:>12,}")


if __name__ == "__main__":
    main()
