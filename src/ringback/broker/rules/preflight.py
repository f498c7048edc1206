"""What an answer of an endpoint tells of the way to it: a pure reading, with the remedy for what stands in it."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Literal

from ringback.clock import Instant
from ringback.wire.http import Outcome

Subject = Literal[
    "reachable", "protection", "route", "signature", "way back", "clock", "body limit", "time limit", "platform"
]
State = Literal["good", "bad", "unknown"]
Asked = Literal["workflow", "message", "get"]
"""What was sent: a delivery of a workflow, another signed message, or a GET without a signature."""

_KEYS = (
    "set QSTASH_CURRENT_SIGNING_KEY and QSTASH_NEXT_SIGNING_KEY where it runs to those that `ringback keys show` prints"
)
_SKEW_MS = 10_000
_SIGNATURE_LIVES_MS = 300_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is known of the way to an endpoint.

    Attributes:
        subject: what it is about.
        state: how it is.
        text: in words.
        remedy: what to do, "" where nothing need be done.
    """

    subject: Subject
    state: State
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of the way to an endpoint.

    Attributes:
        url: without its query.
        at: when it was found out.
        how: by a delivery, or by a look of its own.
    """

    url: str
    at: Instant
    how: Literal["delivery", "look"]
    findings: tuple[Finding, ...]

    @property
    def is_good(self) -> bool:
        """Whether nothing stands in the way."""
        return all(finding.state != "bad" for finding in self.findings)


def judge(outcome: Outcome, now: Instant, asked: Asked) -> list[Finding]:
    """Return what an answer tells.

    Args:
        outcome: what came back.
        now: the broker's time.
        asked: what was sent.
    """
    unreachable = _unreachable(outcome)
    if unreachable is not None:
        return [unreachable]
    found = [Finding("reachable", "good", f"it answers ({outcome.status})")]
    blocked = _protection(outcome) or _platform_error(outcome) or _route(outcome, asked)
    found += [blocked] if blocked else _READERS[asked](outcome)
    found += [one for one in (_clock(outcome, now), _platform(outcome)) if one is not None]
    return found


def _unreachable(outcome: Outcome) -> Finding | None:
    if outcome.error is None:
        return None
    error = outcome.error
    remedies = (
        ("denied address|metadata address", "no broker calls this address"),
        (
            r"resolves to a \w+ address",
            "allow it by name: RINGBACK_ALLOWED_HOSTS, RINGBACK_ALLOWED_NETWORKS or RINGBACK_ALLOW_PRIVATE=true",
        ),
        ("cannot resolve", "check the host name; the broker's own DNS must know it"),
        (
            "refused",
            "start the application there, or open the port for the broker; localhost is the broker's own machine",
        ),
        ("TLS certificate", "serve the full chain of a certificate that is valid for this host"),
        ("no complete response|no connection", "let the endpoint answer faster, or open the firewall for the broker"),
    )
    remedy = next((text for pattern, text in remedies if re.search(pattern, error)), "look at the endpoint's logs")
    return Finding("reachable", "bad", f"it does not answer: {error}", remedy)


def _protection(outcome: Outcome) -> Finding | None:
    """Find a page that a platform puts in front of the application."""
    body = outcome.body[:20_000]
    vercel = outcome.header("X-Vercel-Id") is not None or (outcome.header("Server") or "").lower() == "vercel"
    sso = b"vercel.com/sso" in body or "_vercel_sso_nonce" in " ".join(_all(outcome, "set-cookie"))
    if outcome.status in (401, 403, 302, 307) and (sso or (vercel and b"Authentication Required" in body)):
        return Finding(
            "protection",
            "bad",
            "Vercel's Deployment Protection answers instead of the application",
            "turn it off for this deployment, call the production domain, or forward the bypass secret with each message "
            "and trigger: Upstash-Forward-X-Vercel-Protection-Bypass",
        )
    if outcome.header("Cf-Mitigated") == "challenge":
        text = "Cloudflare answers with a challenge for browsers"
        return Finding("protection", "bad", text, "make a rule that lets the broker's address pass on this path")
    if outcome.header("Ngrok-Error-Code") is not None:
        text = f"ngrok answers by itself ({outcome.header('Ngrok-Error-Code')})"
        return Finding("protection", "bad", text, "start the tunnel and the application behind it")
    if outcome.status in (401, 403) and (outcome.header("Www-Authenticate") or "").lower().startswith("basic"):
        text = "a password is asked for in front of the application"
        return Finding("protection", "bad", text, "let this path pass: deliveries are signed")
    return None


def _platform_error(outcome: Outcome) -> Finding | None:
    """Find what a platform says in the application's place."""
    code = outcome.header("X-Vercel-Error") or ""
    if outcome.status == 413 or code == "FUNCTION_PAYLOAD_TOO_LARGE":
        remedy = "send less: keep large things in a store of your own and send their address"
        return Finding("body limit", "bad", "the request was too large for it (413)", remedy)
    if code.endswith("_TIMEOUT") or (outcome.status == 504 and not outcome.header("Upstash-Workflow-Sdk-Version")):
        text = f"it was cut off at its longest time ({code or outcome.status})"
        return Finding(
            "time limit", "bad", text, "split the work into steps, raise the platform's limit, or use context.call"
        )
    if code in ("DEPLOYMENT_NOT_FOUND", "NOT_FOUND"):
        return Finding("route", "bad", f"Vercel knows no such page or deployment ({code})", "check the address")
    return None


def _route(outcome: Outcome, asked: Asked) -> Finding | None:
    if outcome.status in (301, 302, 303, 307, 308):
        where = (outcome.header("Location") or "elsewhere").partition("?")[0]
        text = f"it redirects to {where}; redirects are not followed"
        return Finding("route", "bad", text, "give the address it redirects to; often only https or a slash at the end")
    if outcome.status in (404, 410):
        return Finding("route", "bad", f"nothing is served at this path ({outcome.status})", "check the path")
    if outcome.status == 405 and asked != "get":
        return Finding("route", "bad", "the path does not take the method (405)", "serve it for POST")
    return None


def _workflow(outcome: Outcome) -> Iterator[Finding]:
    """Read what a workflow SDK answers, or notice that none did."""
    text = outcome.body[:20_000].decode("utf-8", "replace")
    is_sdk = outcome.header("Upstash-Workflow-Sdk-Version") is not None
    if outcome.status >= 400 and re.search(r"(?i)signature", text):
        aged = re.search(r"(?i)expired|not valid yet|exp\b|nbf\b", text)
        remedy = "set the clocks of broker and endpoint right (NTP)" if aged else _KEYS
        yield Finding("signature", "bad", f"it refuses the broker's signature: {_short(text)}", remedy)
    elif outcome.status >= 400 and re.search(
        r"(?i)unable to authenticate|no answer from the broker|qstash_token", text
    ):
        remedy = "set QSTASH_URL and QSTASH_TOKEN where it runs to this broker's"
        yield Finding("way back", "bad", f"it cannot call the broker: {_short(text)}", remedy)
    elif not is_sdk and 200 <= outcome.status < 300:
        remedy = "check the path: something else answers there than a workflow"
        yield Finding("route", "bad", "no workflow SDK answers there", remedy)
    elif is_sdk:
        yield Finding("route", "good", "a workflow SDK answers there")
        if 200 <= outcome.status < 300:
            yield Finding("signature", "good", "it accepts the broker's signature")
    elif outcome.status >= 500:
        yield Finding("route", "unknown", f"it answers {outcome.status}: {_short(text)}", "look at its logs")


def _get(outcome: Outcome) -> Iterator[Finding]:
    """Read the answer to a GET: one that is refused shows as well as one that is taken that something is there."""
    if outcome.status < 500:
        yield Finding("route", "good", f"something is served at this path (it answers GET with {outcome.status})")
    else:
        yield Finding("route", "unknown", f"it answers GET with {outcome.status}", "look at its logs")


def _message(outcome: Outcome) -> Iterator[Finding]:
    text = outcome.body[:20_000].decode("utf-8", "replace")
    if outcome.status in (400, 401, 403, 500) and re.search(r"(?i)signature", text):
        yield Finding("signature", "bad", f"it refuses the broker's signature: {_short(text)}", _KEYS)
    elif outcome.status in (401, 403):
        remedy = "let signed deliveries pass, or forward credentials: Upstash-Forward-Authorization"
        yield Finding("protection", "bad", f"it refuses the broker ({outcome.status})", remedy)


_READERS: Mapping[Asked, Callable[[Outcome], Iterator[Finding]]] = {
    "workflow": _workflow,
    "message": _message,
    "get": _get,
}


def _clock(outcome: Outcome, now: Instant) -> Finding | None:
    """Compare clocks by the answer's date, which counts whole seconds."""
    try:
        there = parsedate_to_datetime(outcome.header("Date") or "").timestamp() * 1000
    except (ValueError, TypeError):
        return None
    ahead = there - now
    if abs(ahead) <= _SKEW_MS:
        return Finding("clock", "good", "its clock is right")
    words = f"its clock is {abs(ahead) / 1000:.0f} s {'ahead' if ahead > 0 else 'behind'}"
    broken = ahead < 0 or ahead > _SIGNATURE_LIVES_MS - _SKEW_MS
    remedy = "set the clocks of broker and endpoint right (NTP): signatures hold for five minutes"
    return Finding("clock", "bad" if broken else "unknown", words, remedy)


def _platform(outcome: Outcome) -> Finding | None:
    told = outcome.header("Ringback-Platform")
    if told is None and outcome.header("X-Vercel-Id") is not None:
        told = "vercel"
    if told is None and outcome.header("X-Amzn-Requestid") is not None:
        told = "lambda"
    return None if told is None else Finding("platform", "good", told)


def _all(outcome: Outcome, name: str) -> list[str]:
    return [value for key, value in outcome.headers if key.lower() == name]


def _short(text: str) -> str:
    """Return what an answer says of its error; SDKs answer with JSON."""
    with suppress(ValueError, KeyError, TypeError, RecursionError):
        text = str(json.loads(text)["message"])
    return " ".join(text.split())[:200]
