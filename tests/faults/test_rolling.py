"""A cluster is upgraded while it works: the schema is expanded beneath it, then its nodes are replaced one by one."""

import signal
import threading
from contextlib import ExitStack

import pytest

from faults.test_nodes import all_settled, ends_of, missing, publish_until
from ringback.broker.stores.postgres import schema
from support.endpoint import eventually, listening
from support.nodes import NodeProcess, start
from support.postgres import Server

_NEXT = """
CREATE TABLE ringback.of_the_next_release (id bigint PRIMARY KEY, record bytea NOT NULL);
ALTER TABLE ringback.messages ADD COLUMN of_the_next_release text;
ALTER TABLE ringback.deliveries ADD COLUMN of_the_next_release bigint DEFAULT 0;
ALTER TABLE ringback.events ADD COLUMN of_the_next_release text;
CREATE INDEX ON ringback.deliveries (of_the_next_release);
INSERT INTO ringback.migrations VALUES (999, 'of the next release', 1);
"""


def test_nodes_are_replaced_one_by_one_on_a_schema_that_was_expanded_beneath_them(postgres: Server) -> None:
    address = postgres.fresh()
    acknowledged: list[str] = []
    done = threading.Event()
    with listening() as endpoint, ExitStack() as held:
        nodes: list[NodeProcess] = []
        threads: list[threading.Thread] = []

        def begin() -> None:
            node = start(address)
            held.callback(node.end)
            nodes.append(node)
            thread = threading.Thread(target=publish_until, args=(done.is_set, node, endpoint, acknowledged))
            threads.append(thread)
            thread.start()

        def goes_on() -> None:
            before = len(acknowledged)
            eventually(lambda: len(acknowledged) > before + 60, 30)

        held.callback(done.set)
        begin()
        begin()
        goes_on()
        postgres.query(address.rpartition("/")[2], f"BEGIN; {_NEXT} COMMIT")
        goes_on()
        for number in range(2):
            nodes[number].signal(signal.SIGTERM)
            assert nodes[number].process.wait(30) == 0
            begin()
            goes_on()
        done.set()
        for thread in threads:
            thread.join()
        eventually(lambda: not missing(acknowledged, endpoint), 30)
        eventually(lambda: all_settled(postgres, address), 30)
    assert set(ends_of(postgres, address).values()) == {1}


@pytest.mark.parametrize(
    "one", [one for one in schema.migrations() if one.oldest < one.number], ids=lambda one: one.name
)
def test_a_migration_that_former_brokers_work_on_only_expands(one: schema.Migration) -> None:
    text = " ".join(one.statements.upper().split())
    for forbidden in ("DROP ", "RENAME ", " TYPE ", "SET NOT NULL", "TRUNCATE "):
        assert forbidden not in text, f"{forbidden.strip()} breaks the statements of brokers for schema {one.oldest}"
    added = [part for part in text.split("ADD COLUMN")[1:] if "NOT NULL" in part.split(";")[0].split(",")[0]]
    assert all("DEFAULT" in part.split(";")[0] for part in added), "former brokers do not fill a new column"
