"""Rule: one attempt is four steps, each with its phase, its deadline and its own kind of failure; it runs once.

In: a `FetchTarget`, the request's fields and how to connect. Out: an `Observation`. The steps are connect (tcp),
handshake (tls), ask (http) and read (body); whatever was learnt before a failure is kept. How bytes are carried is
`probe.fetch.connection`'s part, what they mean is the exchange's (`probe.fetch.exchange`): here is the order, the
deadlines and the record.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import traceback

from probe.core.http.alternatives import alternatives
from probe.core.http.content_coding import DecodedTooLargeError, decodable
from probe.core.http.head import Framing, Head
from probe.core.model.protocols import H1
from probe.core.model.value import replace
from probe.core.records.failure import OWN_LIMITS, Failure, FailureType, Phase
from probe.core.records.observation import Observation
from probe.core.records.response import Response
from probe.core.records.transport import Tls
from probe.core.text.redaction import without_secret_query
from probe.evidence.capture import Captured, collector, cut
from probe.fetch.body import Body
from probe.fetch.connector import Dial, connect_tcp
from probe.fetch.exchange import EXCHANGES, Exchange, carrier_of
from probe.fetch.request_fields import tcp_url
from probe.fetch.response import begun_response, codings_of, response_of
from probe.fetch.target import FetchTarget
from probe.host.clock import Clock
from probe.net.failures import BodyTooLargeError, failure_of
from probe.net.stopwatch import Stopwatch
from probe.net.tcp_info import parse_tcp_info
from probe.sandbox.content_reader import ContentReader
from probe.settings.redactor import Redactor

_log = logging.getLogger("probe.fetch")


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
        self._connection = carrier_of(target, self._watch, dial)
        self._exchange: Exchange | None = None
        self._collector = collector()
        self._examined: tuple[Tls, tuple[bytes, ...]] | None = None  # of a second connection
        self._complete = False

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
            without_frames(exc)
        finally:
            self._connection.close()
        await self._read_content()
        observation = self._observation(failure, whole=whole)
        self._connection.forget()
        if self._exchange is not None:
            self._exchange.forget()
        return observation

    async def _steps(self) -> None:
        await self._connect()
        await self._handshake()
        exchange = self._exchange = self._new_exchange()
        head = await self._ask(exchange)
        await self._read(exchange, head)

    async def _connect(self) -> None:
        self.phase, self.operation = Phase.HOST, "read CA file"
        self._connection.prepare()
        self.phase = Phase.TCP
        self.operation = "connect" if self._target.vantage.proxy is None else "proxy connect"
        await self._connection.connect(self._until(self._target.deadlines.connect_us))

    async def _handshake(self) -> None:
        self.phase, self.operation = Phase.TLS, "handshake"
        seconds = self._until(self._target.deadlines.tls_us) - self._loop.time()
        await self._connection.handshake(seconds)

    def _new_exchange(self) -> Exchange:
        new = EXCHANGES[self._connection.protocol]
        return new(self._connection, self._target.limits, self._target.request.method, self._body_of)

    async def _ask(self, exchange: Exchange) -> Head:
        self.phase, self.operation = Phase.HTTP, "read head"
        request, first_byte_us = self._target.request, self._target.deadlines.first_byte_us
        return await exchange.ask(
            request.method,
            request.path,
            self._fields,
            first_byte_at_s=self._until(first_byte_us),
            total_at_s=self._total_at,
        )

    def _body_of(self, head: Head) -> Body:
        codings = codings_of(head)
        return Body(
            codings if decodable(codings) else (),  # as browsers take it: the bytes are the content
            self._target.limits,
            self._target.body_sink,
            self._target.reading,
            keep_bytes=self._collector.body_bytes if self._collector is not None else 0,
            first_bytes=self._target.first_bytes,
        )

    async def _read(self, exchange: Exchange, head: Head) -> None:
        self.phase, self.operation = Phase.BODY, "read body"
        await exchange.read(self._total_at)
        self._connection.close()
        assert exchange.body is not None, "made with the head"
        await _take_rest(exchange.body)
        self._complete = True
        if head.framing is not Framing.NONE:
            self.operation = "decode body"
            exchange.body.finish()

    async def _read_content(self) -> None:
        """What a check wants to know of it; after everything that is timed."""
        exchange = self._exchange
        body = exchange.body if exchange is not None else None
        wanted = body.to_read if body is not None and self._complete else None
        if wanted is not None and body is not None and exchange is not None and exchange.head is not None:
            body.facts = await self._contents.read(*wanted, exchange.head.fields)

    def _until(self, limit_us: int) -> float:
        return min(self._loop.time() + limit_us / 1e6, self._total_at)

    # --- failing ---------------------------------------------------------------------------------

    async def _failure(self, exc: Exception) -> Failure:
        failure = failure_of(exc, self.phase, self.operation)
        self._connection.close()
        if isinstance(exc, ssl.SSLCertVerificationError):
            tls, type_, chain = await self._connection.examine(exc, self._total_at)
            self._examined = tls, chain
            failure = replace(failure, type=type_ or failure.type)
        elif self._exchange is not None and self._exchange.body is not None:
            await self._keep_what_came(self._exchange.body)
        if failure.type is FailureType.AGENT_PROTOCOL_UNSUPPORTED:
            failure = self._of_another_protocol(failure)
        failure = replace(failure, detail=self._redact(failure.detail or ""))
        report_defect(failure, exc, self._redact)
        return failure

    def _of_another_protocol(self, failure: Failure) -> Failure:
        """A server that does not speak what was offered. Ours is it where HTTP/1.1 alone was offered over TLS."""
        request = self._target.request
        if self.phase is Phase.TLS and request.protocol != H1:
            return replace(failure, phase=Phase.TLS, type=FailureType.TLS_NO_APPLICATION_PROTOCOL)
        if request.protocol != H1 or request.scheme != "https":
            # Over plain HTTP browsers speak HTTP/1.1 too: nobody gets anything from this server.
            return replace(failure, phase=Phase.HTTP, type=FailureType.HTTP_PROTOCOL_VIOLATION)
        return failure

    @staticmethod
    async def _keep_what_came(body: Body) -> None:
        """Of a body that broke off: its figures are of all bytes that came before. The first failure stands."""
        with contextlib.suppress(BodyTooLargeError, DecodedTooLargeError):
            await _take_rest(body)

    # --- the record ------------------------------------------------------------------------------

    def _captured(self) -> Captured:
        """What crossed the wire, without secrets."""
        source, target, exchange = self._connection.source, self._target, self._exchange
        assert source is not None
        path = without_secret_query(target.request.path)
        lines = exchange.shown(target.request.method, path, self._fields) if exchange is not None else []
        body = exchange.body if exchange is not None else None
        kept = bytes(body.kept.data) if body is not None else b""
        return Captured(
            source=source,
            address=target.address,
            port=target.request.port,
            request_head=self._redact("\r\n".join((*lines, "", ""))) if exchange is not None else "",
            response_head=cut(self._redacted(exchange.raw_head if exchange is not None else b"")),
            body=self._redacted(kept),
            whole=body is not None and body.kept.whole and self._complete,
            certificates=self._presented()[1],
        )

    def _redacted(self, data: bytes) -> bytes:
        return self._redact(data.decode("latin-1")).encode("latin-1", "replace")

    def _presented(self) -> tuple[Tls | None, tuple[bytes, ...]]:
        """What was agreed and the certificates: of our connection, or of the second look after a failed one."""
        return self._examined or (self._connection.tls, self._connection.certificates)

    def _observation(self, failure: Failure | None, *, whole: bool) -> Observation:
        collected, self._collector = self._collector, None  # it refers to us from now on
        if collected is not None and self._connection.source is not None:
            collected.keep(self._captured)
        target, quic, response = self._target, self._connection.quic_info, self._response(failure)
        frames = () if self._exchange is None else self._exchange.altsvc
        return Observation(
            role=target.role,
            address=target.address,
            port=target.request.port,
            url=self._redact(without_secret_query(target.request.url) if whole else tcp_url(target)),
            method=target.request.method if whole else "CONNECT",
            source=self._connection.source,
            proxy=self._through,
            timing=self._watch.timing(complete=self._complete),
            response=response,
            advertised=() if response is None else alternatives(response.fields, frames),
            failure=failure,
            tls=self._presented()[0],
            tcp_info=parse_tcp_info(self._connection.tcp_info),
            quic_info=quic,
            tainted=quic is not None and quic.datagrams_dropped_here > 0,
            of=target.of,
        )

    def _response(self, failure: Failure | None) -> Response | None:
        exchange = self._exchange
        if exchange is None:
            return None
        if exchange.head is None and failure is not None and failure.type in OWN_LIMITS:
            return begun_response(exchange.begun_head, exchange.protocol, self._redact)
        if exchange.head is None or exchange.body is None:
            return None
        return response_of(
            exchange.head,
            exchange.body,
            protocol=exchange.protocol,
            accept_encoding=self._target.request.accept_encoding,
            complete=self._complete,
            clean_close=self._connection.tls is None or self._connection.close_notify,
            redact=self._redact,
            breaches=exchange.breaches,
        )


async def _take_rest(body: Body) -> None:
    for _ in body.take_rest():
        await asyncio.sleep(0)


def report_defect(failure: Failure, exc: BaseException, redact: Redactor) -> None:
    """Log a failure of our own with its traceback, redacted; others are facts and belong to the record only."""
    if failure.type is FailureType.AGENT_INTERNAL_ERROR:
        trace = "".join(traceback.format_exception(exc))
        _log.error("fetch failed by our own fault: %s\n%s", failure.detail, redact(trace))


def without_frames(exc: BaseException) -> None:
    """Let go of the frames that an error was raised through.

    Who met it first keeps it, to raise it again; its frames refer to him, and he to all that was read. Such a circle
    waits for the collector, which comes seldom (`probe.host.gc`).
    """
    seen: set[int] = set()
    error: BaseException | None = exc
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
