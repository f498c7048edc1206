"""Preflight: what stands between the broker and an endpoint is noticed at its first deliveries, or by a look of its own."""

import asyncio
import logging
from collections import OrderedDict
from urllib.parse import urlsplit, urlunsplit

from ringback.broker.changes import Handed
from ringback.broker.engine.dispatcher import Sender
from ringback.broker.engine.keyring import Keyring
from ringback.broker.ids import NewId
from ringback.broker.rules.preflight import Verdict, judge
from ringback.clock import Clock
from ringback.wire.http import Outbound, Outcome
from ringback.wire.signing import sign

_log = logging.getLogger("ringback.preflight")

_MOST_KNOWN = 1000
_MOST_LOOKS = 8
_PATIENCE_MS = 10_000


class Preflights:
    """Knows what is in the way to which endpoint; kept in memory, the oldest forgotten.

    Args:
        sender: sends requests.
        keyring: signs them.
        new_id: makes fresh numbers.
        clock: tells the time.
    """

    def __init__(self, sender: Sender, keyring: Keyring, new_id: NewId, clock: Clock) -> None:
        self._sender = sender
        self._keyring = keyring
        self._new_id = new_id
        self._clock = clock
        self._known: OrderedDict[tuple[str, str], Verdict] = OrderedDict()
        self._looks = asyncio.Semaphore(_MOST_LOOKS)

    def see(self, handed: Handed, outcome: Outcome) -> None:
        """Learn from an attempt; costs nothing to speak of where all is well."""
        message = handed.message
        key = (message.tenant, message.url)
        known = self._known.get(key)
        if 200 <= outcome.status < 300 and (known.is_good if known else message.kind != "step"):
            return
        if message.kind == "call":
            return  # its answers are the workflow's business
        findings = judge(outcome, self._clock(), "message" if message.run is None else "workflow")
        self._learn(key, Verdict(_bare(message.url), self._clock(), "delivery", tuple(findings)))

    def known(self, tenant: str, url: str) -> Verdict | None:
        """Return what is known of an endpoint."""
        return self._known.get((tenant, url))

    async def look(self, tenant: str, url: str, *, is_workflow: bool) -> Verdict:
        """Ask an endpoint, without consequences there.

        A workflow is asked with a signed delivery of a run that does not exist: SDKs check the signature, fetch the run from
        their broker, are told that it is over, and do nothing. Anything else is asked with GET.
        """
        outbound = self._delivery_of_nothing(tenant, url) if is_workflow else _harmless(url)
        async with self._looks:
            outcome = await self._sender.send(outbound)
        findings = judge(outcome, self._clock(), "workflow" if is_workflow else "get")
        verdict = Verdict(_bare(url), self._clock(), "look", tuple(findings))
        self._learn((tenant, url), verdict)
        return verdict

    def _learn(self, key: tuple[str, str], verdict: Verdict) -> None:
        before = self._known.pop(key, None)
        self._known[key] = verdict
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)
        news = [
            one for one in verdict.findings if one.state == "bad" and (before is None or one not in before.findings)
        ]
        if before is None and verdict.is_good:
            _log.info("%s: nothing stands in the way", verdict.url)
        for finding in news:
            _log.warning("%s: %s: %s -> %s", verdict.url, finding.subject, finding.text, finding.remedy)

    def _delivery_of_nothing(self, tenant: str, url: str) -> Outbound:
        number = self._new_id()
        token = sign(url, b"", self._keyring.current(tenant), now_ms=self._clock(), jti=f"jwt_{number:016x}")
        run_id = f"wfr_preflight_{number:x}"
        headers = [
            ("Content-Type", "application/json"),
            ("User-Agent", "Upstash-QStash"),
            ("Upstash-Message-Id", f"msg_{number:016x}"),
            ("Upstash-Retried", "0"),
            ("Upstash-Workflow-RunId", run_id),
            ("Upstash-Workflow-CreatedAt", str(self._clock())),
            ("Upstash-Workflow-Url", url),
            ("Upstash-Workflow-Init", "false"),
            ("Upstash-Workflow-CallType", "step"),
            ("Upstash-Workflow-Sdk-Version", "1"),
            ("Upstash-Signature", token),
        ]
        return Outbound("POST", url, headers, b"", _PATIENCE_MS)


def _harmless(url: str) -> Outbound:
    return Outbound("GET", url, [("User-Agent", "ringback-preflight")], b"", _PATIENCE_MS)


def _bare(url: str) -> str:
    """Return a URL without its query, which may hold secrets."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
