"""Accept, deliver, settle: how many messages a second one broker process carries, and what each costs.

`python -m benchmarks.throughput` starts a broker on one core with a fresh SQLite file, an endpoint that answers 200 at once and
publishers on the other, and prints what was measured. `--json` ends with one line of JSON.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Callable

from benchmarks.load import Endpoint, Run
from benchmarks.process import Broker, broker, cpu_seconds, other_core, rss_mib, scratch
from benchmarks.report import machine, quantile

WARM_UP = 5_000


async def measure(
    running: Broker,
    rate: float | None,
    messages: int,
    connections: int = 64,
    batch: int = 1,
    headers: Callable[[int], str] = lambda _: "",
    queues: int = 0,
    port: int = 0,
) -> dict[str, float]:
    """Publish messages, as fast as they are taken or at a rate, and wait until all have arrived.

    A message to another port is of another sort, and what a sort is, is written down once: measuring in turns takes one port.
    """
    endpoint = Endpoint(messages)
    target = await endpoint.listen(port)
    run = Run(running.url, running.token, target, messages, rate, batch, headers)
    run.queues = queues
    before, own, begun = cpu_seconds(running.pid), time.process_time(), time.perf_counter()
    await run.begin(connections)
    await asyncio.wait_for(endpoint.done.wait(), 600)
    took = time.perf_counter() - begun
    cpu, own = cpu_seconds(running.pid) - before, time.process_time() - own
    endpoint.close()
    delays = [at - run.accepted[name] for name, at in endpoint.arrived.items() if name in run.accepted]
    return {
        "messages_per_s": round(messages / took),
        "broker_cpu_us_per_message": round(cpu / messages * 1e6, 1),
        "load_cpu_us_per_message": round(own / messages * 1e6, 1),
        "p50_ms": round(quantile(delays, 0.5), 2),
        "p99_ms": round(quantile(delays, 0.99), 2),
        "broker_rss_mib": round(rss_mib(running.pid), 1),
    }


def main() -> None:
    """Measure at full rate, then latency at half of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=60_000)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--batch", type=int, default=1, help="messages in one request")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    with scratch() as folder, broker(folder / "bench.db", other_core()) as running:
        asyncio.run(measure(running, None, WARM_UP, options.connections, options.batch))
        full = asyncio.run(measure(running, None, options.messages, options.connections, options.batch))
        rate = full["messages_per_s"] / 2
        half = asyncio.run(measure(running, rate, options.messages // 4, options.connections, options.batch))
    result = full | {"p50_ms": half["p50_ms"], "p99_ms": half["p99_ms"]}
    if options.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:28} {value:>12,}")
    print(machine())


if __name__ == "__main__":
    main()
