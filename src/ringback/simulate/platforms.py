"""A platform as the simulator plays it: this file puts the limits, the environment and the request headers together."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ringback.errors import RingbackError
from ringback.simulate.limits import LIMITS

API_GATEWAY_S = 30
"""An HTTP API gives up on a function after this many seconds, while the function works on: integration timeout of API Gateway
(docs.aws.amazon.com/apigateway/latest/developerguide/limits.html). The status 503 is believed."""


class PlatformUnknown(RingbackError):
    """There is no such platform, or it has no such limit; the text says what there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """The rules of one platform; `limits.LIMITS` explains those it does not explain here.

    Attributes:
        name: as given on the command line.
        ends_with: what ends a request for the instance: the response's last byte, or the application's return.
        front: what stands before a Lambda function; it decides the events and who gives up first.
    """

    name: str
    ends_with: Literal["response", "return"]
    front: Literal["function-url", "api-gateway"] = "function-url"
    duration_s: float
    timeout_status: int
    kills: bool
    request_bytes: int
    response_bytes: int
    response_status: int
    streams: bool
    concurrency: int
    instances: int
    queue_s: float
    idle_s: float
    start_s: float
    memory_mb: int
    memory_status: int
    open_files: int
    read_only: bool

    @property
    def patience(self) -> tuple[float, int] | None:
        """Seconds after which the caller gets a status while the instance works on; None where it is killed instead."""
        if self.name == "lambda" and self.front == "api-gateway" and self.duration_s > API_GATEWAY_S:
            return API_GATEWAY_S, 503
        return None if self.kills else (self.duration_s, self.timeout_status)

    def environment(self, host: str, instance: str) -> dict[str, str]:
        """Return the variables that the platform sets.

        Args:
            host: host and port at which the deployment is reached.
            instance: the instance's name.
        """
        match self.name:
            case "vercel":
                return {
                    "VERCEL": "1",
                    "VERCEL_ENV": "production",
                    "VERCEL_TARGET_ENV": "production",
                    "VERCEL_REGION": "dev1",
                    "VERCEL_URL": host,
                    "VERCEL_PROJECT_PRODUCTION_URL": host,
                    "VERCEL_DEPLOYMENT_ID": "dpl_simulated",
                }
            case "lambda":
                return {
                    "AWS_REGION": "eu-central-1",
                    "AWS_DEFAULT_REGION": "eu-central-1",
                    "AWS_EXECUTION_ENV": "AWS_Lambda_python3",
                    "AWS_LAMBDA_FUNCTION_NAME": "app",
                    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.memory_mb),
                    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
                    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/app",
                    "AWS_LAMBDA_LOG_STREAM_NAME": instance,
                }
            case _:
                return {"K_SERVICE": "app", "K_REVISION": "app-00001", "K_CONFIGURATION": "app", "PORT": "8080"}

    def headers(self, host: str, caller: str, request_id: str) -> list[tuple[str, str]]:
        """Return the headers that the platform adds to a request."""
        common = [("x-forwarded-for", caller), ("x-forwarded-proto", "http")]
        match self.name:
            case "vercel":
                return [
                    *common,
                    ("x-forwarded-host", host),
                    ("x-real-ip", caller),
                    ("x-vercel-id", f"dev1::{request_id}"),
                    ("x-vercel-deployment-url", host),
                ]
            case "lambda":
                return [
                    *common,
                    ("x-forwarded-port", host.rpartition(":")[2]),
                    ("x-amzn-trace-id", f"Root={request_id}"),
                ]
            case _:
                return [*common, ("x-cloud-trace-context", f"{request_id.replace('-', '')}/1;o=0")]


NAMES = ("vercel", "lambda", "cloudrun")
"""The platforms."""


def platform(name: str, **different: Any) -> Platform:
    """Return a platform, some of its limits set differently.

    Args:
        name: one of `NAMES`.
        different: limits by name (`duration_s=2`), or `front`.

    Raises:
        PlatformUnknown: there is no such platform or limit.
    """
    if name not in NAMES:
        raise PlatformUnknown(f"there is no platform {name!r}; there are {', '.join(NAMES)}")
    limits: Mapping[str, Any] = {limit.name: limit.values[name].value for limit in LIMITS}
    unknown = set(different) - set(limits) - {"front"}
    if unknown:
        raise PlatformUnknown(f"{name} has no limit {', '.join(sorted(unknown))}; it has {', '.join(limits)}")
    return Platform(name=name, ends_with="return" if name == "vercel" else "response", **{**limits, **different})
