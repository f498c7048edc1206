"""Many nodes: how many messages a second brokers on one PostgreSQL carry, and what a second node costs.

`python -m benchmarks.nodes` starts a PostgreSQL server of its own (fsync on, in a temporary folder), then brokers on it, with an
endpoint that answers 200 at once and publishers in this process. Everything shares the machine's cores. Each number of nodes
is measured several times in turn, and the median is printed, so that a disturbance hits all of them.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from benchmarks.load import Endpoint, Run
from benchmarks.process import Broker, broker, cpu_seconds, rss_mib
from benchmarks.report import quantile
from support.postgres import Server, serving

WARM_UP = 3_000


def server_cpu(server: Server) -> float:
    """Return the processor time of PostgreSQL and all its processes, ended ones included."""
    assert server.process is not None
    pid = server.process.pid
    children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=True).stdout.split()
    total = cpu_seconds(pid, ended=True)
    for child in children:
        with suppress(FileNotFoundError):  # a sweeper that has ended meanwhile
            total += cpu_seconds(int(child))
    return total


async def measure(
    brokers: list[Broker],
    server: Server,
    messages: int,
    connections: int,
    rate: float | None = None,
) -> dict[str, float]:
    """Publish to all brokers in equal parts, and wait until everything has arrived and is settled."""
    endpoint = Endpoint(messages)
    target = await endpoint.listen()
    share = messages // len(brokers)
    pids = [one.pid for one in brokers]
    before, before_server = sum(map(cpu_seconds, pids)), server_cpu(server)
    own, begun = time.process_time(), time.perf_counter()
    runs = []
    for one in brokers:
        part = rate / len(brokers) if rate else None
        run = Run(one.url, one.token, target, share, part, 1, lambda _: "")
        runs.append(run)
        await run.begin(connections // len(brokers))
    await asyncio.wait_for(endpoint.done.wait(), 600)
    while server.query("bench", "SELECT count(*) FROM ringback.deliveries") != "0":
        await asyncio.sleep(0.01)
    took = time.perf_counter() - begun
    used, used_server = sum(map(cpu_seconds, pids)) - before, server_cpu(server) - before_server
    endpoint.close()
    accepted = {name: at for run in runs for name, at in run.accepted.items()}
    delays = [at - accepted[name] for name, at in endpoint.arrived.items() if name in accepted]
    return {
        "messages_per_s": round(messages / took),
        "brokers_cpu_us_per_message": round(used / messages * 1e6, 1),
        "postgres_cpu_us_per_message": round(used_server / messages * 1e6, 1),
        "load_cpu_us_per_message": round((time.process_time() - own) / messages * 1e6, 1),
        "p50_ms": round(quantile(delays, 0.5), 2),
        "p99_ms": round(quantile(delays, 0.99), 2),
        "broker_rss_mib": round(max(map(rss_mib, pids)), 1),
    }


def main() -> None:
    """Measure one node and two, in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000, help="in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=128)
    parser.add_argument("--nodes", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--rate", type=float, help="messages a second in all; as fast as they are taken without")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    with ExitStack() as stack:
        server = stack.enter_context(serving(durable=True))
        server.query("postgres", "CREATE DATABASE bench")
        brokers = [stack.enter_context(broker(server.address("bench"))) for _ in range(max(options.nodes))]
        results: dict[int, list[dict[str, float]]] = {nodes: [] for nodes in options.nodes}
        for nodes in options.nodes:
            asyncio.run(measure(brokers[:nodes], server, WARM_UP, options.connections))
        for _ in range(options.rounds):
            for nodes in options.nodes:
                found = asyncio.run(
                    measure(brokers[:nodes], server, options.messages, options.connections, options.rate)
                )
                results[nodes].append(found)
    medians = {
        nodes: {name: statistics.median(one[name] for one in found) for name in found[0]}
        for nodes, found in results.items()
    }
    if options.json:
        print(json.dumps(medians))
        return
    print(f"{'nodes':28}" + "".join(f"{nodes:>12}" for nodes in medians))
    for name in next(iter(medians.values())):
        print(f"{name:28}" + "".join(f"{median[name]:>12,}" for median in medians.values()))


if __name__ == "__main__":
    main()
