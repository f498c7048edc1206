"""The clock of a broker is set hours ahead and hours back while it works: nothing is lost, twice, or held up for hours."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx

from support.clock import HOUR, set_clock
from support.endpoint import Answer, Endpoint, Received, eventually, listening
from support.nodes import NodeProcess, two_nodes
from support.postgres import Server
from support.process import running


def publish(url: str, headers: dict[str, str], endpoint: Endpoint, path: str, **options: str) -> None:
    more = {name.replace("_", "-"): value for name, value in options.items()}
    assert httpx.post(f"{url}/v2/publish/{endpoint.url}{path}", headers=headers | more, timeout=20).status_code == 200


def paths(endpoint: Endpoint) -> Counter[str]:
    return Counter(one.path for one in endpoint.received)


def retried(*statuses: int) -> Callable[[Received], Answer]:
    """Return an endpoint that answers these statuses in turn under `/retried`, and 200 under all else."""
    left = iter(statuses)
    return lambda request: Answer(next(left) if request.path == "/retried" else 200)


def eventually_came(endpoint: Endpoint, *expected: tuple[str, int]) -> None:
    """Wait until so many requests have come under each path."""
    for path, count in expected:
        eventually(lambda path=path, count=count: paths(endpoint)[path] == count, 60)  # type: ignore[misc]


def test_a_clock_that_is_set_back_and_ahead_holds_nothing_up_and_repeats_nothing(tmp_path: Path) -> None:
    with set_clock(tmp_path) as clock, listening(retried(500, 500, 200)) as endpoint:
        clock.set(6 * HOUR)
        with running(tmp_path / "ringback.db") as broker:
            headers = {"Authorization": f"Bearer {broker.token}"}
            publish(broker.url, headers, endpoint, "/delayed", Upstash_Delay="4s")
            publish(broker.url, headers, endpoint, "/retried", Upstash_Retry_Delay="1000")
            flow = {"Upstash_Flow_Control_Key": "key", "Upstash_Flow_Control_Value": "rate=1,period=3s"}
            for number in range(2):
                publish(broker.url, headers, endpoint, f"/rated{number}", **flow)
            endpoint.wait_for(1, "/retried")
            endpoint.wait_for(1, "/rated0")
            clock.set(0)  # six hours back
            publish(broker.url, headers, endpoint, "/hour", Upstash_Delay="1h")
            publish(broker.url, headers, endpoint, "/now")
            publish(broker.url, headers, endpoint, "/soon", Upstash_Delay="1s")
            eventually_came(endpoint, ("/now", 1), ("/soon", 1), ("/retried", 3), ("/rated1", 1), ("/delayed", 1))
            assert paths(endpoint)["/hour"] == 0
            clock.set(2 * HOUR)  # two hours ahead
            publish(broker.url, headers, endpoint, "/after", Upstash_Delay="1s")
            endpoint.wait_for(1, "/after")
            endpoint.wait_for(1, "/hour")
            assert set((paths(endpoint) - Counter({"/retried": 2})).values()) == {1}


def test_a_clock_that_is_set_back_while_a_broker_is_down_holds_nothing_up_and_repeats_nothing(tmp_path: Path) -> None:
    with set_clock(tmp_path) as clock, listening(retried(500, 200)) as endpoint:
        clock.set(6 * HOUR)
        with running(tmp_path / "ringback.db") as broker:
            headers = {"Authorization": f"Bearer {broker.token}"}
            publish(broker.url, headers, endpoint, "/delayed", Upstash_Delay="5s")
            publish(broker.url, headers, endpoint, "/hour", Upstash_Delay="1h")
            publish(broker.url, headers, endpoint, "/retried", Upstash_Retry_Delay="5000")
            endpoint.wait_for(1, "/retried")
            broker.kill()
        clock.set(0)
        with running(tmp_path / "ringback.db") as broker:
            eventually_came(endpoint, ("/retried", 2), ("/delayed", 1))
            assert paths(endpoint)["/hour"] == 0


def test_nodes_whose_clock_is_set_back_go_on_and_are_not_taken_for_dead(tmp_path: Path, postgres: Server) -> None:
    address = postgres.fresh()
    name = address.rpartition("/")[2]

    def known() -> str:
        return postgres.query(name, "SELECT string_agg(slot::text, ',' ORDER BY slot) FROM ringback.nodes")

    with set_clock(tmp_path) as clock, listening() as endpoint:
        clock.set(6 * HOUR)
        with two_nodes(address) as nodes:

            def through(node: NodeProcess, path: str) -> None:
                publish(node.url, node.headers, endpoint, path, Upstash_Delay="1s")
                endpoint.wait_for(1, path)

            before = known()
            for step, ahead in enumerate((0, 3 * HOUR, 0)):
                clock.set(ahead)
                for number, node in enumerate(nodes):
                    through(node, f"/{step}{number}")
            eventually(lambda: postgres.query(name, "SELECT count(*) FROM ringback.deliveries") == "0")
            assert known() == before
            assert set(paths(endpoint).values()) == {1}
