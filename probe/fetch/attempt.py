"""Rule: one attempt is four steps, each with its phase, its deadline and its own kind of failure; it runs once.

connect (tcp) -> handshake (tls) -> ask (http) -> read (body). Whatever was learnt before a failure is kept.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from time import monotonic_ns

from aiohttp import (
    ClientError,
    ClientPayloadError,
)
from aiohttp.http_exceptions import HttpProcessingError

from probe.core.http.head import Framing, Head, HeadScanner, violation
from probe.core.model.value import replace
from probe.core.records.failure import Failure, Phase
from probe.core.records.observation import Observation
from probe.core.records.response import Response
from probe.core.records.transport import Tls
from probe.core.text.redaction import without_secret_query
from probe.evidence.capture import Captured, collector, cut
from probe.fetch.body import Body
from probe.fetch.connector import Dial, Opening, attach, attach_tls, connect_tcp
from probe.fetch.direct_body import Take
from probe.fetch.http1 import WireProtocol
from probe.fetch.request_fields import tcp_url
from probe.fetch.response import codings_of, response_of
from probe.fetch.send_request import ask
from probe.fetch.target import FetchTarget
from probe.fetch.tls_diagnosis import examine, report_defect
from probe.host.clock import Clock
from probe.net.deadline import Alarm
from probe.net.failures import BodyTruncatedError, ClosedError, failure_of
from probe.net.stopwatch import Stopwatch
from probe.net.tcp_info import handshake_us, parse_tcp_info, read_tcp_info
from probe.sandbox.content_reader import ContentReader
from probe.settings.redactor import Redactor
from probe.tls.client import client_for, describe
from probe.tls.session import TlsClient

_LINGER_S = 0.05  # for the server's own close after a complete response
_OF_THE_CONNECTION = (ClientError, HttpProcessingError, OSError)


class Attempt:
    """One observation in the making."""

    def __init__(
        self,
        target: FetchTarget,
        clock: Clock,
        fields: list[tuple[str, str]],
        redact: Redactor,
        contents: ContentReader,
        dial: Dial = connect_tcp,
        through: str | None = None,
    ) -> None:
        """`fields`: of the request, secrets revealed. `dial`: how connections to the target are made.

        `contents` reads what a check wants. `through`: the proxy, as the record shows it.
        """
        self.phase = Phase.TCP
        self.operation = "connect"
        self._dial = dial
        self._through = through
        self._contents = contents
        self._target = target
        self._fields = fields
        self._redact = redact
        self._watch = Stopwatch(clock, target.slot_start_ns)
        self._loop = asyncio.get_running_loop()
        self._total_at = self._loop.time() + target.deadlines.total_us / 1e6
        self._client: TlsClient | None = None
        self._sock: socket.socket | None = None
        self._local: str | None = None
        self._wire: WireProtocol | None = None
        self._tls: Tls | None = None
        self._body: Body | None = None
        self._collector = collector()
        self._certificates: tuple[bytes, ...] = ()
        self._complete = False
        self._tcp_info = b""

    # --- running ---------------------------------------------------------------------------------

    async def fetch(self) -> Observation:
        """All four steps. Raises CancelledError only."""
        return await self._run(whole=True)

    async def connect_only(self) -> Observation:
        """The first step alone, for targets that speak no HTTP."""
        return await self._run(whole=False)

    async def _run(self, *, whole: bool) -> Observation:
        failure: Failure | None = None
        try:
            await (self._steps() if whole else self._connect())
        except Exception as exc:
            failure = await self._failure(exc)
        finally:
            self._end()
        await self._have_read()
        observation = self._observation(failure, whole=whole)
        if self._wire is not None:
            self._wire.forget()
        return observation

    async def _have_read(self) -> None:
        """After everything that is timed."""
        wanted = self._body.to_read if self._body is not None and self._complete else None
        if wanted is not None and self._body is not None:
            assert self._wire is not None
            assert self._wire.head is not None
            self._body.facts = await self._contents.read(*wanted, self._wire.head.fields)

    async def _steps(self) -> None:
        await self._connect()
        wire = await self._handshake()
        try:
            await self._ask(wire)
            await self._read(wire)
        finally:
            wire.hang_up()

    async def _connect(self) -> None:
        if self._target.request.scheme == "https":
            self.phase, self.operation = Phase.HOST, "read CA file"
            self._client = client_for(self._target.tls)
        self.phase = Phase.TCP
        self.operation = "connect" if self._target.vantage.proxy is None else "proxy connect"
        self._watch.connect_start_us = self._watch.now_us()
        opening, until = Opening(), self._until(self._target.deadlines.connect_us)
        try:
            self._sock = await self._dial(self._target, until, opening)
        finally:
            self._watch.began(opening.began_ns)
        self._tcp_info = read_tcp_info(self._sock)
        direct = self._target.vantage.proxy is None
        self._watch.connected(opening.took(handshake_us(self._tcp_info)) if direct else (monotonic_ns(), 0))
        host, port, *_ = self._sock.getsockname()
        self._local = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def _handshake(self) -> WireProtocol:
        assert self._sock is not None
        target = self._target
        scanner = HeadScanner(target.limits, target.request.method)
        wire = WireProtocol(self._loop, self._sock, scanner, self._watch)
        if self._client is None:
            attach(self._sock, wire)
            self._wire = wire
            return wire
        self.phase, self.operation = Phase.TLS, "handshake"
        seconds = self._until(target.deadlines.tls_us) - self._loop.time()
        self._watch.shakes()
        conduit = await attach_tls(self._sock, wire, self._client, target.server_name, seconds)
        self._watch.shook(conduit.hello_ns, (conduit.shaken_ns, conduit.shaking_unsure_ns))
        self._wire = wire
        self._certificates = conduit.session.chain()
        self._tls = describe(conduit.session, target.server_name, self._certificates)
        return wire

    async def _ask(self, wire: WireProtocol) -> None:
        self.phase, self.operation = Phase.HTTP, "read head"
        first_byte_at = self._until(self._target.deadlines.first_byte_us)
        alarm, late = Alarm(self._loop), wire.late
        wire.on_begun = lambda begun: alarm.set(self._total_at if begun else first_byte_at, late)
        wire.on_head = self._headed
        alarm.set(first_byte_at, late)
        try:
            request = self._target.request
            await ask(self._loop, wire, request.method, request.path, self._fields)
        finally:
            wire.on_begun = wire.on_head = None
            alarm.end()

    def _headed(self, head: Head) -> Take | None:
        """What the body may go to straight, as it comes."""
        if head.framing is not Framing.LENGTH or codings_of(head):
            return None
        self._body = self._body_of(head)
        return self._body.add

    def _body_of(self, head: Head) -> Body:
        return Body(
            codings_of(head),
            self._target.limits,
            self._target.body_sink,
            self._target.reading,
            keep_bytes=self._collector.body_bytes if self._collector is not None else 0,
        )

    async def _read(self, wire: WireProtocol) -> None:
        head = wire.head
        assert head is not None
        self.phase, self.operation = Phase.BODY, "read body"
        self._body = body = self._body or self._body_of(head)
        if wire.straight is not None:
            await wire.straight.whole(self._total_at)
        elif head.framing is not Framing.NONE:
            while chunk := await self._chunk(wire):
                wire.took(len(chunk))
                for _ in body.take(chunk):
                    await asyncio.sleep(0)
        if head.framing is Framing.CLOSE and wire.ended_by is not None:
            raise wire.ended_by
        await wire.linger(min(_LINGER_S, max(self._total_at - self._loop.time(), 0)))
        if wire.surplus:
            if head.framing is Framing.LENGTH:
                raise BodyTruncatedError(f"{wire.surplus} bytes after the declared length")
            raise violation("bytes after the end of the response")
        self._complete = True
        if head.framing is not Framing.NONE:
            self.operation = "decode body"
            body.finish()

    async def _chunk(self, wire: WireProtocol) -> bytes:
        assert wire.content is not None
        if not wire.waits:
            return await wire.content.readany()
        async with asyncio.timeout_at(self._total_at):
            return await wire.content.readany()

    def _until(self, limit_us: int) -> float:
        return min(self._loop.time() + limit_us / 1e6, self._total_at)

    # --- failing ---------------------------------------------------------------------------------

    async def _failure(self, exc: Exception) -> Failure:
        failure = failure_of(self._cause(exc), self.phase, self.operation)
        if isinstance(exc, ssl.SSLCertVerificationError):
            self._tls, type_, self._certificates = await examine(
                exc, self._target, self._total_at, self._dial
            )
            failure = replace(failure, type=type_ or failure.type)
        failure = replace(failure, detail=self._redact(failure.detail or ""))
        report_defect(failure, exc, self._redact)
        return failure

    def _cause(self, exc: Exception) -> Exception:
        """What ended the connection says more than what aiohttp made of it."""
        wire = self._wire
        if wire is None or isinstance(exc, TimeoutError) or not isinstance(exc, _OF_THE_CONNECTION):
            return exc
        if wire.ended_by is not None and (self.phase is Phase.HTTP or not self._all_read()):
            return wire.ended_by
        if isinstance(exc, ClientPayloadError):
            due = wire.head.length_bytes if wire.head is not None else None
            missing = "the final chunk did not come" if due is None else f"{due} were declared"
            return BodyTruncatedError(f"closed after {wire.consumed} bytes, {missing}")
        if self.phase is Phase.HTTP and wire.closed_event.is_set() and not wire.closed_by_us:
            return ClosedError("the server closed the connection without a whole reply")
        return exc

    def _all_read(self) -> bool:
        return self._wire is not None and self._wire.all_came()

    # --- ending ----------------------------------------------------------------------------------

    def _end(self) -> None:
        if self._wire is not None:
            self._tcp_info = self._wire.tcp_info or self._tcp_info
            self._wire.hang_up()
        elif self._sock is not None and self.phase is Phase.TCP:
            self._sock.close()  # no transport owns it

    def _captured(self) -> Captured:
        """What crossed the wire, without secrets."""
        assert self._local is not None
        target, wire, body = self._target, self._wire, self._body
        path = without_secret_query(target.request.path)
        lines = [f"{target.request.method} {path} HTTP/1.1", *(f"{n}: {v}" for n, v in self._fields)]
        head = wire.raw_head if wire is not None else b""
        kept = bytes(body.kept.data) if body is not None else b""
        return Captured(
            source=self._local,
            address=target.address,
            port=target.request.port,
            request_head=self._redact("\r\n".join((*lines, "", ""))) if wire is not None else "",
            response_head=cut(self._redacted(head)),
            body=self._redacted(kept),
            whole=body is not None and body.kept.whole and self._complete,
            certificates=self._certificates,
        )

    def _redacted(self, data: bytes) -> bytes:
        return self._redact(data.decode("latin-1")).encode("latin-1", "replace")

    def _observation(self, failure: Failure | None, *, whole: bool) -> Observation:
        collected, self._collector = self._collector, None  # it refers to us from now on
        if collected is not None and self._local is not None:
            collected.keep(self._captured)
        target = self._target
        return Observation(
            role=target.role,
            address=target.address,
            port=target.request.port,
            url=self._redact(without_secret_query(target.request.url) if whole else tcp_url(target)),
            method=target.request.method if whole else "CONNECT",
            source=self._local,
            proxy=self._through,
            timing=self._watch.timing(complete=self._complete),
            response=self._response(),
            failure=failure,
            tls=self._tls,
            tcp_info=parse_tcp_info(self._tcp_info),
            of=target.of,
        )

    def _response(self) -> Response | None:
        wire = self._wire
        if wire is None or wire.head is None or self._body is None:
            return None
        return response_of(
            wire.head,
            self._body,
            accept_encoding=self._target.request.accept_encoding,
            complete=self._complete,
            clean_close=self._tls is None or wire.close_notify,
            redact=self._redact,
        )
