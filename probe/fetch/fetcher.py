"""Rule: one call, one request on the wire, one observation; nothing is raised, retried or followed.

The public face of fetching. `HttpFetcher` checks the address against the policy at the very moment of
connecting, reveals secrets for the time of one request, and turns its own defects into `agent.internal_error`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from probe.core.model.addresses import refusal
from probe.core.model.task import SecretRef
from probe.core.model.value import replace
from probe.core.proxy.dialogue import is_literal
from probe.core.records.failure import Phase
from probe.core.records.observation import Observation
from probe.core.text.redaction import secret_query_values
from probe.fetch.attempt import Attempt, report_defect
from probe.fetch.connector import Dial, connect_tcp
from probe.fetch.proxy import ProxyAddresses, ProxyWay, proxy_secrets
from probe.fetch.request_fields import blocked, check_path, request_fields, unsent
from probe.fetch.target import FetchTarget
from probe.host.clock import Clock
from probe.net.failures import failure_of
from probe.sandbox.content_reader import ContentReader
from probe.settings.redactor import Redactor

__all__ = ["FetchTarget", "Fetcher", "HttpFetcher"]


class Fetcher(Protocol):
    """Whatever makes an observation of a target."""

    async def fetch(self, target: FetchTarget) -> Observation:
        """Ask once. Raises CancelledError only."""
        ...

    async def connect_only(self, target: FetchTarget) -> Observation:
        """Connect and close. Raises CancelledError only."""
        ...

    async def close(self) -> None:
        """Let go of what is held."""
        ...


class HttpFetcher:
    """Fetches over HTTP, every request on its own fresh connection.

    `reveal` gives a secret's value; `allow_addresses`: prefixes that may be connected to although special. `seen` is
    shown every observation with the zero of its offsets (monotonic).
    """

    def __init__(
        self,
        clock: Clock,
        reveal: Callable[[SecretRef], str],
        allow_addresses: tuple[str, ...] = (),
        seen: Callable[[Observation, int], None] = lambda observation, start_ns: None,
    ) -> None:
        self._seen = seen
        self._clock = clock
        self._reveal = reveal
        self._allowed = allow_addresses
        self._proxies = ProxyAddresses(clock)
        self._contents = ContentReader()

    def allow(self, addresses: tuple[str, ...]) -> None:
        """Other prefixes from the next request on."""
        self._allowed = addresses

    async def fetch(self, target: FetchTarget) -> Observation:
        """One HTTP request and its response. Raises CancelledError only."""
        observation = await self._observe(target, Attempt.fetch)
        self._seen(observation, target.slot_start_ns)
        return observation

    async def connect_only(self, target: FetchTarget) -> Observation:
        """A TCP connection, made and closed: for anchors that speak no HTTP. Raises CancelledError only."""
        return await self._observe(target, Attempt.connect_only)

    async def close(self) -> None:
        """No connection outlives a fetch; what reads contents is let go."""
        await self._contents.close()

    async def _observe(
        self, target: FetchTarget, step: Callable[[Attempt], Awaitable[Observation]]
    ) -> Observation:
        redact, operation = Redactor(), "prepare request"
        proxy = target.vantage.proxy
        through = None if proxy is None else str(proxy)
        try:
            fields = [(name, value, self._shown(value)) for name, value in target.request.fields]
            revealed = [shown for _, value, shown in fields if isinstance(value, SecretRef)]
            password = None if proxy is None or proxy.password is None else self._reveal(proxy.password)
            revealed += proxy_secrets(proxy, password)
            redact = Redactor([*revealed, *secret_query_values(target.request.path)])
            own = [(name, shown) for name, _, shown in fields]
            reason = self._refusal(target)
            if reason is not None:
                return unsent(target, blocked(reason, target), redact)
            check_path(target.request.path)
            dial: Dial = connect_tcp
            if proxy is not None:
                operation = "find proxy"
                at = await self._proxies.find(target.vantage, proxy, target.deadlines.connect_us)
                dial = ProxyWay(proxy=proxy, at=at, password=password, redact=redact).connect
            fields_sent = request_fields(target, own)
            attempt = Attempt(target, self._clock, fields_sent, redact, self._contents, dial, through)
            return await step(attempt)
        except Exception as exc:
            failure = failure_of(exc, Phase.HOST, operation)
            failure = replace(failure, detail=redact(failure.detail or ""))
            report_defect(failure, exc, redact)
            return replace(unsent(target, failure, redact), proxy=through)

    def _refusal(self, target: FetchTarget) -> str | None:
        """Why the address policy does not let us connect there. What a proxy looks up, only the proxy sees."""
        proxy = target.vantage.proxy
        if proxy is not None and proxy.resolve == "proxy" and not is_literal(target.address):
            return None
        return refusal(target.address, self._allowed)

    def _shown(self, value: str | SecretRef) -> str:
        return self._reveal(value) if isinstance(value, SecretRef) else value
