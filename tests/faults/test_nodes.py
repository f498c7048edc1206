"""Two brokers on one PostgreSQL: one is killed, stopped, cut off; the server itself goes away. Nothing acknowledged is lost."""

import signal
import threading
from collections import Counter
from collections.abc import Callable

import httpx

from ringback import clock
from ringback.errors import SignatureInvalid
from ringback.wire import signing
from support.endpoint import Answer, Endpoint, Received, eventually, listening
from support.nodes import NodeProcess, running, two_nodes
from support.postgres import Server
from support.proxy import way_to


def publish_until(enough: Callable[[], bool], node: NodeProcess, endpoint: Endpoint, acknowledged: list[str]) -> None:
    """Publish to one node without a break; note each message once its acknowledgement has been read."""
    headers = {**node.headers, "Upstash-Retry-Delay": "100", "Upstash-Retries": "20"}
    with httpx.Client(headers=headers, timeout=10) as http:
        while not enough():
            try:
                answer = http.post(f"{node.url}/v2/publish/{endpoint.url}/in", content=b"x" * 300)
            except httpx.HTTPError:
                if node.process.poll() is not None:
                    return
                continue
            if answer.status_code == 200:
                acknowledged.append(answer.json()["messageId"])


def publishing(
    enough: Callable[[], bool], nodes: tuple[NodeProcess, ...], endpoint: Endpoint, acknowledged: list[str]
) -> list[threading.Thread]:
    """Start four publishers, shared between the nodes."""
    threads = [
        threading.Thread(target=publish_until, args=(enough, nodes[number % len(nodes)], endpoint, acknowledged))
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    return threads


def missing(acknowledged: list[str], endpoint: Endpoint) -> set[str]:
    """Return what was acknowledged and has not arrived."""
    return set(acknowledged) - {request.headers["upstash-message-id"] for request in endpoint.received}


def all_settled(postgres: Server, address: str) -> bool:
    """Whether no message is pending."""
    return postgres.query(address.rpartition("/")[2], "SELECT count(*) FROM ringback.deliveries") == "0"


def ends_of(postgres: Server, address: str) -> Counter[str]:
    """Return how many ends each message has, by its number."""
    name = address.rpartition("/")[2]
    found = postgres.query(name, "SELECT message FROM ringback.events WHERE state IN ('DELIVERED', 'FAILED')")
    return Counter(found.split())


def test_a_killed_node_loses_nothing_and_blocks_nobody(postgres: Server) -> None:
    failures = iter(range(10**9))
    address = postgres.fresh()

    def respond(_: Received) -> Answer:
        return Answer(500 if next(failures) % 7 == 0 else 200)

    acknowledged: list[str] = []
    done = threading.Event()
    with listening(respond) as endpoint, two_nodes(address) as (first, second):
        threads = publishing(done.is_set, (first, second), endpoint, acknowledged)
        eventually(lambda: len(acknowledged) > 200)
        first.process.kill()
        before = len(acknowledged)
        eventually(lambda: len(acknowledged) > before + 200)
        done.set()
        for thread in threads:
            thread.join()
        eventually(lambda: not missing(acknowledged, endpoint), 30)
        eventually(lambda: all_settled(postgres, address), 30)
        assert set(ends_of(postgres, address).values()) == {1}
        assert second.call("GET", "/v2/dlq").json()["messages"] == []


def test_a_node_that_hangs_is_taken_over_and_settles_nothing_when_it_comes_back(postgres: Server) -> None:
    address = postgres.fresh()
    gate = threading.Event()
    attempts = iter(range(10**9))

    def respond(request: Received) -> Answer:
        if request.path == "/slow" and next(attempts) == 0:
            gate.wait(30)
            return Answer(500)  # what the node that hung gets to hear
        return Answer()

    with listening(respond) as endpoint, two_nodes(address) as (first, _):
        message = first.call("POST", f"/v2/publish/{endpoint.url}/slow").json()["messageId"]
        endpoint.wait_for(1, "/slow")
        first.signal(signal.SIGSTOP)
        both = endpoint.wait_for(2, "/slow")  # the other node takes it over
        assert {request.headers["upstash-message-id"] for request in both} == {message}
        eventually(lambda: all_settled(postgres, address))
        gate.set()
        first.signal(signal.SIGCONT)
        eventually(lambda: first.call("POST", f"/v2/publish/{endpoint.url}/after").status_code == 200)
        endpoint.wait_for(1, "/after")
        eventually(lambda: all_settled(postgres, address))
        assert set(ends_of(postgres, address).values()) == {1}
        assert postgres.query(address.rpartition("/")[2], "SELECT count(*) FROM ringback.nodes") == "2"


def test_a_node_that_is_cut_off_is_taken_over_and_finds_back(postgres: Server) -> None:
    address = postgres.fresh()
    gate = threading.Event()
    attempts = iter(range(10**9))

    def respond(request: Received) -> Answer:
        if request.path == "/slow" and next(attempts) == 0:
            gate.wait(30)
        return Answer()

    def is_ready(node: NodeProcess) -> bool:
        return node.call("GET", "/readyz").status_code == 200

    with (
        way_to(postgres.port) as way,
        listening(respond) as endpoint,
        running(address.replace(str(postgres.port), str(way.port))) as cut_off,
        running(address) as other,
    ):
        cut_off.call("POST", f"/v2/publish/{endpoint.url}/slow")
        endpoint.wait_for(1, "/slow")
        way.cut()
        endpoint.wait_for(2, "/slow")
        eventually(lambda: not is_ready(cut_off))
        assert is_ready(other)
        gate.set()
        eventually(lambda: all_settled(postgres, address))
        way.mend()
        eventually(lambda: is_ready(cut_off), 30)
        eventually(lambda: cut_off.call("POST", f"/v2/publish/{endpoint.url}/after").status_code == 200, 30)
        endpoint.wait_for(1, "/after")
        eventually(lambda: all_settled(postgres, address))
    assert set(ends_of(postgres, address).values()) == {1}


def test_lane_limits_are_exact_across_nodes(postgres: Server) -> None:
    address = postgres.fresh()
    lock = threading.Lock()
    now: Counter[str] = Counter()
    most: Counter[str] = Counter()

    def respond(request: Received) -> Answer:
        with lock:
            now[request.path] += 1
            most[request.path] = max(most[request.path], now[request.path])
        threading.Event().wait(0.002)
        with lock:
            now[request.path] -= 1
        return Answer()

    with listening(respond) as endpoint, two_nodes(address) as nodes:
        for node in nodes:
            node.call("POST", "/v2/queues", json={"queueName": "alone", "parallelism": 1})
        kept: list[str] = []

        def publish(node: NodeProcess, key: int) -> None:
            flow = {"Upstash-Flow-Control-Key": f"key{key}", "Upstash-Flow-Control-Value": f"parallelism={key}"}
            with httpx.Client(headers={**node.headers, **flow}, timeout=20) as http:
                for _ in range(40):
                    assert http.post(f"{node.url}/v2/publish/{endpoint.url}/key{key}").status_code == 200

        threads = [threading.Thread(target=publish, args=(node, key)) for node in nodes for key in (1, 2, 3)]
        for thread in threads:
            thread.start()
        for number in range(40):
            node = nodes[number % 2]
            answer = node.call("POST", f"/v2/enqueue/alone/{endpoint.url}/alone")
            kept.append(answer.json()["messageId"])
        for thread in threads:
            thread.join()
        for key in (1, 2, 3):
            endpoint.wait_for(80, f"/key{key}")
        alone = endpoint.wait_for(40, "/alone")
        eventually(lambda: all_settled(postgres, address))
    assert [request.headers["upstash-message-id"] for request in alone] == kept
    limits = {"/alone": 1, "/key1": 1, "/key2": 2, "/key3": 3}
    assert {path for path in limits if most[path] > limits[path]} == set()


def test_a_rotated_key_signs_what_the_other_node_delivers(postgres: Server) -> None:
    with listening() as endpoint, two_nodes(postgres.fresh()) as (first, second):
        rotated = first.call("POST", "/v2/keys/rotate").json()["current"]

        def is_signed_anew() -> bool:
            second.call("POST", f"/v2/publish/{endpoint.url}/in")
            last = endpoint.wait_for(len(endpoint.received) or 1)[-1]
            try:
                signing.verify(last.headers["upstash-signature"], last.body, [rotated], clock.now())
            except SignatureInvalid:
                return False
            return True

        eventually(is_signed_anew)


def test_a_server_that_is_started_again_loses_nothing(postgres: Server) -> None:
    address = postgres.fresh()
    acknowledged: list[str] = []
    done = threading.Event()
    with listening() as endpoint, two_nodes(address) as nodes:
        threads = publishing(done.is_set, nodes, endpoint, acknowledged)
        for _ in range(2):
            before = len(acknowledged)
            eventually(lambda before=before: len(acknowledged) > before + 100, 30)  # type: ignore[misc]
            postgres.stop()
            postgres.start()
        before = len(acknowledged)
        eventually(lambda: len(acknowledged) > before + 100, 30)
        done.set()
        for thread in threads:
            thread.join()
        eventually(lambda: not missing(acknowledged, endpoint), 30)
        eventually(lambda: all_settled(postgres, address), 30)
    assert set(ends_of(postgres, address).values()) == {1}
