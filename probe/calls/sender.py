"""Rule: a target is told once a try, briefly; nothing that it says leads elsewhere, and no secret is in any message.

The addresses are those that the operator wrote into agent.yaml: like a time-stamping authority's, they may lie
anywhere, on loopback too. A redirect is refused: another address is for the operator to name. Secrets are read at each
request.
"""

from __future__ import annotations

import ssl
from typing import Protocol

import aiohttp

from probe.core.calls.messages import alerts, signature, webhook
from probe.core.calls.queue import Delivery
from probe.core.calls.target import Target, Via
from probe.core.model.times import retry_after_s
from probe.host.posting import PostError, posted
from probe.settings.secrets import SecretError, reveal

CONNECT_S, TOTAL_S = 5.0, 15.0
ALERTS = "/api/v2/alerts"
PAUSE_MOST_S = 60.0
_NOT_NOW = frozenset(
    (401, 403, 404, 408, 425, 429)
)  # for the operator, or for later; all other 4xx are refusals


class CallError(Exception):
    """It was not taken; the message says why. `refused`: not only not now; `pause_us`: it asks to be left alone."""

    def __init__(self, words: str, *, refused: bool = False, pause_us: int = 0) -> None:
        super().__init__(words)
        self.refused = refused
        self.pause_us = pause_us


class Sends(Protocol):
    """Tells a target."""

    async def __call__(self, delivery: Delivery, now_us: int) -> None:
        """Once. Raises CallError."""
        ...


class HttpSender:
    """A connection for each request."""

    def __init__(self, agent: str, *, total_s: float = TOTAL_S) -> None:
        """`agent`: who calls."""
        self._agent = agent
        self._timeout = aiohttp.ClientTimeout(total=total_s, connect=min(CONNECT_S, total_s))

    async def __call__(self, delivery: Delivery, now_us: int) -> None:
        """Once. Raises CallError."""
        to = delivery.target
        made = alerts if to.via is Via.ALERTMANAGER else webhook
        body = made(delivery, self._agent, now_us)
        url = to.url.rstrip("/") + ALERTS if to.via is Via.ALERTMANAGER else to.url
        try:
            fields = self._fields(delivery, body, now_us)
            tls = ssl.create_default_context(cafile=to.ca) if to.ca is not None else True
        except SecretError as error:
            raise CallError(str(error)) from None
        except (OSError, ssl.SSLError) as error:
            raise CallError(f"its `ca` cannot be used: {error.strerror or type(error).__name__}") from None
        try:
            async with posted(url, body, fields, self._timeout, tls) as response:
                _judge(response)
        except PostError as error:
            raise CallError(str(error)) from None

    @staticmethod
    def _fields(delivery: Delivery, body: bytes, now_us: int) -> dict[str, str]:
        """Raises SecretError."""
        to = delivery.target
        fields = {"Content-Type": "application/json"}
        if to.via is Via.WEBHOOK:
            fields["CDN-Probe-Delivery"] = delivery.id
        if to.secret is not None:
            timestamp_s = now_us // 1_000_000
            fields["CDN-Probe-Timestamp"] = str(timestamp_s)
            fields["CDN-Probe-Signature"] = signature(reveal(to.secret).encode(), timestamp_s, body)
        if (authorization := _authorization(to)) is not None:
            fields["Authorization"] = authorization
        return fields


def _authorization(to: Target) -> str | None:
    if to.bearer is not None:
        return f"Bearer {reveal(to.bearer)}"
    if to.user is not None and to.password is not None:
        return aiohttp.encode_basic_auth(to.user, reveal(to.password), encoding="utf-8")
    return None


def _judge(response: aiohttp.ClientResponse) -> None:
    """Raises CallError unless it was taken."""
    status = response.status
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise CallError(f"HTTP {status}: it points elsewhere; name the address that answers itself")
    headers = response.headers
    asked_s = retry_after_s(headers.get("Retry-After"), headers.get("Date"), PAUSE_MOST_S)
    refused = 400 <= status < 500 and status not in _NOT_NOW
    raise CallError(f"HTTP {status}", refused=refused, pause_us=round((asked_s or 0) * 1e6))
