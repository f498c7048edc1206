"""The endpoint of a workflow: lets the broker's deliveries in, and answers them in no framework's words."""

import logging
from collections.abc import Mapping
from functools import cached_property
from urllib.parse import urlsplit, urlunsplit

from ringback import clock
from ringback.client.addresses import check_address
from ringback.client.settings import Broker, SettingMissing
from ringback.client.transport import AsyncTransport
from ringback.errors import RingbackError
from ringback.wire.http import Request, Response
from ringback.wire.signing import verify
from ringback.workflow import answers
from ringback.workflow.dealer import Dealer
from ringback.workflow.definition import Workflow
from ringback.workflow.delivery import read_delivery
from ringback.workflow.middleware import Middlewares
from ringback.workflow.rehearsal import rehearsal

logger = logging.getLogger("ringback.workflow")

_LONGEST_TEXT = 500
_MOST_REGIONS = 16
"""Most regions whose broker is remembered: anybody can send the header that names one."""


class Endpoint:
    """One workflow at one URL. What its environment says is read when it is first needed, and then kept.

    Args:
        workflow: what is served.
        siblings: the workflows served beside it by name, for invocations.
    """

    def __init__(self, workflow: Workflow, siblings: Mapping[str, Workflow] | None = None) -> None:
        self.workflow = workflow
        self._siblings = siblings or {}
        self._middlewares = Middlewares(workflow.options.get("middlewares", ()))
        self._transports: dict[str, AsyncTransport] = {}
        self._by_region: dict[str | None, AsyncTransport] = {}

    async def answer(self, request: Request, url: str) -> Response:
        """Return the answer to one request; never raises an `Exception`.

        Args:
            request: as it came in.
            url: its absolute URL as far as the framework knows it.
        """
        if request.method != "POST":
            return answers.answer(405, {"error": "MethodNotAllowed", "message": "send POST"}, ("Allow", "POST"))
        dealer = None
        try:
            transport = self._transport(request)
            url = self._public_url(self._signed_url(request, transport.broker) or url)
            delivery = read_delivery(request)
            dealer = Dealer(self.workflow, self._siblings, self._middlewares, transport, delivery, request, url)
            return await dealer.deal()
        except Exception as error:  # noqa: BLE001 - whatever goes wrong, the broker is told
            played = rehearsal.get()
            if played is not None:
                played.error = error
                return answers.failed(error)
            return await self._failed(dealer, error)

    async def close(self) -> None:
        """Give back the connections of the running event loop."""
        given = self.workflow.options.get("transport")
        for transport in [given] if given else self._transports.values():
            await transport.close()

    async def _failed(self, dealer: Dealer | None, error: Exception) -> Response:
        run_id = dealer.delivery.run_id if dealer else ""
        turn = dealer.turn if dealer else None
        step = turn.step if turn else None
        decisive = answers.decisive(error)
        logger.warning(
            "%s failed: %s: %s",
            ", ".join([run_id or "a delivery", *([f"step {step!r}"] if step else [])]),
            type(decisive).__name__,
            " ".join(str(decisive).split())[:_LONGEST_TEXT],
            extra={"run": run_id, "step": step},
            exc_info=None
            if isinstance(decisive, RingbackError)
            else (type(error), error, answers.theirs(error.__traceback__)),
        )
        await self._middlewares.tell("failed", run_id, error)
        if dealer is None:  # nobody has shown who they are
            return answers.failed(error.with_traceback(None))
        return answers.failed(error, step, turn.retry_after if turn else None)

    def _transport(self, request: Request) -> AsyncTransport:
        """Return the way to the broker that sent this; in several regions it says which one it is."""
        played = rehearsal.get()
        given = self.workflow.options.get("transport") if played is None else played.transport
        if given is not None:
            return given
        region = request.header("upstash-region")
        known = self._by_region.get(region)
        if known is None:
            broker = Broker.from_env(self.workflow.env, region)
            if broker.url not in self._transports:
                self._transports[broker.url] = AsyncTransport(broker)
            known = self._transports[broker.url]
            if len(self._by_region) < _MOST_REGIONS:
                self._by_region[region] = known
        return known

    def _signed_url(self, request: Request, broker: Broker) -> str | None:
        """Return the URL the broker signed for; None where signatures are not asked for."""
        if rehearsal.get() is not None:
            return None
        keys = self.workflow.options.get("signing_keys")
        if keys is None:
            keys = broker.signing_keys
            if not keys:
                raise SettingMissing(
                    "set QSTASH_CURRENT_SIGNING_KEY and QSTASH_NEXT_SIGNING_KEY to the broker's signing keys, so that "
                    "nobody else can run this workflow (or serve it with signing_keys=() to accept everybody)"
                )
        if not keys:
            return None
        return verify(request.header("upstash-signature") or "", request.body, keys, clock.now()).url

    @cached_property
    def _base_url(self) -> str | None:
        told = self.workflow.env.get("UPSTASH_WORKFLOW_URL")
        if told:
            check_address(told, "UPSTASH_WORKFLOW_URL")
        return self.workflow.options.get("base_url") or told

    def _public_url(self, url: str) -> str:
        options = self.workflow.options
        if "url" in options:
            return options["url"]
        if not self._base_url:
            return url
        there, here = urlsplit(self._base_url), urlsplit(url)
        return urlunsplit((there.scheme, there.netloc, here.path, here.query, ""))
