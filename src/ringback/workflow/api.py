"""Calls to the APIs people use most, made by the broker, so that no function waits for a slow model."""

from collections.abc import Mapping
from typing import Any, Protocol, Unpack

from ringback.workflow.pending import PendingStep
from ringback.workflow.steps import CallOptions, Response


class Calls(Protocol):
    """What can make a call: `Context.call`."""

    def __call__(
        self,
        name: str,
        *,
        url: str,
        method: str = "GET",
        body: object = None,
        headers: Mapping[str, str] | None = None,
        **how: Unpack[CallOptions],
    ) -> PendingStep[Response]: ...


class Api:
    """The providers, each with the address and the credentials' form of its API (protocol workflow 7.3)."""

    def __init__(self, call: Calls) -> None:
        self.openai = OpenAI(call)
        self.anthropic = Anthropic(call)
        self.resend = Resend(call)


class OpenAI:
    """OpenAI, and everything that speaks its language."""

    def __init__(self, call: Calls) -> None:
        self._call = call

    def chat(
        self,
        name: str,
        *,
        token: str,
        body: Mapping[str, Any],
        base_url: str = "https://api.openai.com",
        organization: str | None = None,
        headers: Mapping[str, str] | None = None,
        **how: Unpack[CallOptions],
    ) -> PendingStep[Response]:
        """Ask for a chat completion.

        >>> answer = await context.api.openai.chat("ask", token=token, body={"model": "gpt-4.1", "messages": [...]})
        >>> answer.body["choices"][0]["message"]["content"]
        """
        known = {} if organization is None else {"OpenAI-Organization": organization}
        url = f"{base_url.rstrip('/')}/v1/chat/completions"
        asked = _bearer(token, known | dict(headers or {}))
        return self._call(name, url=url, method="POST", body=dict(body), headers=asked, **how)


class Anthropic:
    """Anthropic."""

    def __init__(self, call: Calls) -> None:
        self._call = call

    def messages(
        self,
        name: str,
        *,
        token: str,
        body: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
        **how: Unpack[CallOptions],
    ) -> PendingStep[Response]:
        """Ask for a message.

        >>> answer = await context.api.anthropic.messages("ask", token=token, body={"model": model, "messages": [...]})
        >>> answer.body["content"][0]["text"]
        """
        known = {"x-api-key": token, "anthropic-version": "2023-06-01"}
        url = "https://api.anthropic.com/v1/messages"
        return self._call(name, url=url, method="POST", body=dict(body), headers=known | dict(headers or {}), **how)


class Resend:
    """Resend."""

    def __init__(self, call: Calls) -> None:
        self._call = call

    def send(
        self,
        name: str,
        *,
        token: str,
        body: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
        **how: Unpack[CallOptions],
    ) -> PendingStep[Response]:
        """Send one mail.

        >>> await context.api.resend.send("mail", token=token, body={"from": "a@b.c", "to": ["d@e.f"], "subject": "Hi"})
        """
        return self._post(name, "emails", dict(body), _bearer(token, headers), how)

    def send_batch(
        self,
        name: str,
        *,
        token: str,
        mails: list[Mapping[str, Any]],
        headers: Mapping[str, str] | None = None,
        **how: Unpack[CallOptions],
    ) -> PendingStep[Response]:
        """Send many mails at once."""
        return self._post(name, "emails/batch", [dict(mail) for mail in mails], _bearer(token, headers), how)

    def _post(
        self, name: str, path: str, body: object, headers: Mapping[str, str], how: CallOptions
    ) -> PendingStep[Response]:
        return self._call(name, url=f"https://api.resend.com/{path}", method="POST", body=body, headers=headers, **how)


def _bearer(token: str, headers: Mapping[str, str] | None) -> dict[str, str]:
    return {"authorization": f"Bearer {token}", **(headers or {})}
