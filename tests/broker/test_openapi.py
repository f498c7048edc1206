"""The description of the API, checked against a running server by schemathesis: no input causes a 500 or a hang."""

from collections.abc import Callable, Iterator

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from ringback.broker.api.openapi import describe
from ringback.broker.api.routes import ROUTES
from ringback.broker.settings import DEVELOPMENT_TENANTS
from support.process import BrokerProcess, running

DESCRIPTION = describe(ROUTES)
SCHEMA = schemathesis.openapi.from_dict(DESCRIPTION)
CALLS = [call["operationId"] for path in DESCRIPTION["paths"].values() for call in path.values()]
CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def broker() -> Iterator[BrokerProcess]:
    with running() as process:
        yield process


def _test_of(call: str) -> Callable[..., None]:
    @SCHEMA.include(operation_id=call).parametrize()
    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    def answers_as_described(case: schemathesis.Case, broker: BrokerProcess) -> None:
        headers = {"Authorization": f"Bearer {DEVELOPMENT_TENANTS[2].token}"}
        case.call_and_validate(base_url=broker.url, headers=headers, checks=CHECKS, timeout=20)

    return answers_as_described


# A function each: all calls of one would have the same id, and tests that run side by side are told apart by theirs
globals().update({f"test_{call}_answers_as_described": _test_of(call) for call in CALLS})


def test_the_description_is_served(broker: BrokerProcess) -> None:
    headers = {"Authorization": f"Bearer {broker.token}"}
    served = httpx.get(f"{broker.url}/v2/openapi.json", headers=headers).json()
    assert served == DESCRIPTION
    assert len(set(CALLS)) == len(CALLS) == len([route for route in ROUTES if route.method != "ANY"])
