"""Rule: a proxy is spoken with on a socket of the vantage point's line, and not one byte of the tunnel is read.

What it answers is looked at before it is taken from the socket (MSG_PEEK), so that a server which speaks first loses
nothing. Whatever keeps us from the proxy is our side's trouble (`vantage.proxy_*`), never the target's.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass

from probe.core.model.task import ProxySpec, VantagePoint
from probe.core.proxy.connect import HttpConnect, basic_credentials
from probe.core.proxy.dialogue import Dialogue, ProxyError, is_literal, printable, unreachable
from probe.core.proxy.socks5 import Socks5
from probe.core.records.dns import AddressRecord, Resolution
from probe.core.records.failure import FailureType, Phase
from probe.fetch.connector import Opening, open_connection
from probe.fetch.request_fields import USER_AGENT
from probe.fetch.target import FetchTarget
from probe.host.clock import Clock
from probe.net.failures import failure_of
from probe.resolver.resolver import Resolver
from probe.settings.redactor import Redactor

_PEEKED_BYTES = 4096
_EVERYWHERE = ("0.0.0.0/0", "::/0")  # the operator named the proxy; the policy guards what names lead to
_KEPT_S = 60  # the longest that an address is kept, whatever its TTL


def proxy_secrets(proxy: ProxySpec | None, password: str | None) -> tuple[str, ...]:
    """The password in every way in which it is sent, for the redactor."""
    if proxy is None or password is None:
        return ()
    return password, basic_credentials(proxy.user or "", password)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyWay:
    """One way through a proxy, made for one request: `at` is the proxy's IP address.

    `redact` is what the proxy's words pass through before anybody sees them.
    """

    proxy: ProxySpec
    at: str
    password: str | None
    redact: Redactor

    def __repr__(self) -> str:
        return f"ProxyWay({self.proxy}, at={self.at})"

    async def connect(
        self, target: FetchTarget, until: float, opening: Opening | None = None
    ) -> socket.socket:
        """A tunnel to the target, until the loop's time `until` at the latest. Raises ProxyError, SourceError, OSError.

        OSError only for what is our own host's: no route, no descriptors.
        """
        opening = opening or Opening()
        try:
            dialogue = self._dialogue(target.address, target.request.port)
            sock = await self._reach(target.vantage, until, opening)
            try:
                await speak(sock, dialogue, until + opening.socket_s)
            except BaseException:
                sock.close()
                raise
        except ProxyError as error:
            raise ProxyError(error.type, printable(self.redact(str(error)))) from None
        return sock

    def _dialogue(self, address: str, port: int) -> Dialogue:
        if self.proxy.scheme == "socks5":
            return Socks5(address, port, self.proxy.user, self.password)
        return HttpConnect(address, port, self.proxy.user, self.password, agent=USER_AGENT)

    async def _reach(self, vantage: VantagePoint, until: float, opening: Opening) -> socket.socket:
        try:
            return await open_connection(vantage, self.at, self.proxy.port, opening, until)
        except TimeoutError:
            raise unreachable(f"{self.proxy} did not answer in time") from None
        except OSError as error:
            _raise_if_ours(error)
            raise unreachable(f"{self.proxy}: {_words(error)}") from error


async def speak(sock: socket.socket, dialogue: Dialogue, until: float) -> None:
    """The whole dialogue, on a connected non-blocking socket. Raises ProxyError, and OSError as `ProxyWay.connect`.

    Silence after the request is what a target looks like that swallows everything: `tcp.timed_out`. Any other
    silence is the proxy's own.
    """
    try:
        async with asyncio.timeout_at(until):
            while not dialogue.done:
                await asyncio.get_running_loop().sock_sendall(sock, dialogue.outgoing())
                await _listen(sock, dialogue)
    except TimeoutError:
        if dialogue.asked:
            raise ProxyError(
                FailureType.TCP_TIMED_OUT, "the proxy was asked to connect and gave no answer in time"
            ) from None
        raise unreachable("the proxy stopped speaking before it was done") from None
    except OSError as error:
        _raise_if_ours(error)
        raise unreachable(f"while speaking with the proxy: {_words(error)}") from error


async def _listen(sock: socket.socket, dialogue: Dialogue) -> None:
    """Take from the socket what belongs to the dialogue, and leave the rest there."""
    await _readable(sock)
    try:
        data = sock.recv(_PEEKED_BYTES, socket.MSG_PEEK)
    except BlockingIOError:
        return
    if not data:
        raise unreachable("the proxy closed the connection before it was done")
    sock.recv(dialogue.take(data))


async def _readable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(sock.fileno(), lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(sock.fileno())


def _raise_if_ours(error: OSError) -> None:
    """What our own host lacks (a route, descriptors) stays what it is."""
    if failure_of(error, Phase.TCP, "proxy connect").phase is Phase.HOST:
        raise error


def _words(error: OSError) -> str:
    return error.strerror or error.__class__.__name__


class ProxyAddresses:
    """Finds proxies that are given by name, over the resolvers of their own vantage point.

    An address is kept for its TTL, at most a minute: a request is not to wait for the DNS each time, and a proxy
    that moved is found again.
    """

    def __init__(self, clock: Clock, resolver: Resolver | None = None) -> None:
        """`resolver`: one that refuses no address; default: its own."""
        self._clock = clock
        self._resolver = resolver or Resolver(clock, _EVERYWHERE)
        self._found: dict[tuple[str, str], tuple[str, int]] = {}

    async def find(self, vantage: VantagePoint, proxy: ProxySpec, deadline_us: int) -> str:
        """The proxy's IP address. Raises ProxyError: it was not found within `deadline_us`."""
        if is_literal(proxy.host):
            return proxy.host
        now_ns = self._clock.monotonic_ns()
        address, until_ns = self._found.get((vantage.name, proxy.host), ("", 0))
        if now_ns < until_ns:
            return address
        record = await self._look_up(vantage, proxy.host, now_ns, deadline_us)
        until_ns = now_ns + min(record.ttl_s, _KEPT_S) * 1_000_000_000
        self._found[vantage.name, proxy.host] = record.address, until_ns
        return record.address

    async def _look_up(
        self, vantage: VantagePoint, host: str, now_ns: int, deadline_us: int
    ) -> AddressRecord:
        """Over IPv4 before IPv6, of those that the line carries; both within the deadline."""
        versions = vantage.ip_versions or (4, 6)
        answers: list[Resolution] = []
        for version in versions:
            qtype = "AAAA" if version == 6 else "A"
            share_us = deadline_us // len(versions)
            answer = await self._resolver.resolve(
                host, qtype, vantage, slot_start_ns=now_ns, deadline_us=share_us
            )
            if answer.failure is None:
                return answer.addresses[0]
            answers.append(answer)
        raise _not_found(host, answers[0])


def _not_found(host: str, answer: Resolution) -> ProxyError:
    failure = answer.failure
    assert failure is not None, "only look-ups that failed come here"
    own = failure.phase is Phase.HOST
    kind = failure.type if own else FailureType.VANTAGE_PROXY_UNREACHABLE
    return ProxyError(kind, f"the proxy {host} was not found: {failure.type}, {failure.detail}")
