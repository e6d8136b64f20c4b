"""Rule: a host is asked politely and bounded: errors that may pass are tried again; the token goes to it alone.

HTTP only; nothing here knows what a page means. The token travels in the Authorization header, over TLS or on loopback,
and follows no redirect.
"""

from __future__ import annotations

import random
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

import aiohttp
import msgspec
from yarl import URL

from probe import __version__
from probe.core.http.content_coding import DecodedTooLargeError, DecodeError, Decoder, parse_codings
from probe.core.model.times import retry_after_s
from probe.core.results.bundle import BUNDLE_MOST_BYTES
from probe.pull.chain import UNKNOWN, Cursor, StreamName
from probe.pull.page import TruncatedError

NDJSON = "application/x-ndjson"
CODINGS = "zstd, gzip"
CONNECT_S, IDLE_S, PAGE_S = 15.0, 60.0, 900.0
SMALL_BYTES = 4 * 1024 * 1024
STAMPS_MOST_BYTES = 16 * 1024 * 1024
BODY_MOST_BYTES = 1 << 32
PASSING = {408, 425, 429, 500, 502, 503, 504}
FIRST_S, MOST_S = 0.5, 30.0  # before the second try, and before the last of many
ASKED_MOST_S = 300.0
CLOSED = (
    "closed without a reply, as an API with `client_ca` does where no certificate of it is shown (--cert)"
)


class RefusedError(Exception):
    """The host refused the request, and would refuse it again. `status`: of HTTP; 0 where no request was sent."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class ConflictError(RefusedError):
    """Status 409: the stream of the agent does not contain the line that our cursor names."""


class TransientError(Exception):
    """A request failed that may succeed later. `after_s`: the least wait asked for (Retry-After); `status`: of HTTP."""

    def __init__(self, detail: str, after_s: float | None = None, status: int = 0) -> None:
        super().__init__(detail)
        self.after_s = after_s
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One host to pull from. `token` gives the token at the moment of use; `key_pem`: the agent's public key."""

    url: str
    token: Callable[[], str] | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    key_pem: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A stream that a host offers. `named`: the host gave the agent's name for this stream, so requests name it."""

    stream: StreamName
    seq: int
    named: bool


class _Stream(msgspec.Struct):
    customer: str
    seq: int
    agent: str | None = None


class _Streams(msgspec.Struct):
    streams: list[_Stream]
    agent: str | None = None
    public_key: str | None = None


_STREAMS = msgspec.json.Decoder(_Streams)


def check_url(url: str, with_token: bool) -> URL:
    """The base address. Raises RefusedError if it is no URL or would leak a token; the message repeats no secret."""
    try:
        made = URL(url)
    except ValueError:
        raise RefusedError(0, "the address is no URL; write https://host:port") from None
    if made.scheme not in ("http", "https") or not made.host:
        raise RefusedError(0, f"{made.scheme or 'no scheme'}: the address of a host is https://host:port")
    if made.user is not None or made.password is not None or made.query_string or made.fragment:
        raise RefusedError(
            0, f"{made.host}: the address holds a name, a password or a query: others read command lines"
        )
    if made.scheme == "http" and with_token and not _loopback(made.host):
        raise RefusedError(
            0, f"{made.host}: over http:// the token would cross the network in the clear: use https://"
        )
    return made


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Client:
    """For one host; a context manager. Every method raises RefusedError, TransientError, and asyncio.CancelledError."""

    def __init__(self, source: Source, *, idle_s: float = IDLE_S, page_s: float = PAGE_S) -> None:
        self._source = source
        self._base = check_url(source.url, source.token is not None)
        self._idle_s = idle_s
        self._page_s = page_s
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Client:
        connector = aiohttp.TCPConnector(limit=0, ssl=True if self._source.tls is None else self._source.tls)
        self._session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"cdn-probe-pull/{__version__}"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def streams(self) -> tuple[list[Offered], bytes | None]:
        """What there is to be pulled, and the agent's public key (PEM) where the host gives it."""
        async with self._ask("GET", "/v1/streams", {}) as pieces:
            data = await _small(pieces)
        try:
            told = _STREAMS.decode(data)
            offered = [_offered(stream, told.agent) for stream in told.streams]
        except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError) as error:
            raise RefusedError(200, f"this is no list of streams: {error}") from None
        return offered, None if told.public_key is None else told.public_key.encode()

    @asynccontextmanager
    async def page(
        self, offered: Offered, cursor: Cursor, *, limit: int, wait_s: int
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The decoded body of one page, piece by piece. Also raises Conflict and TruncatedError."""
        query = {"customer": offered.stream.customer, "after": str(cursor.seq), "limit": str(limit)}
        if cursor.digest != UNKNOWN:
            query["digest"] = cursor.digest
        if offered.named:
            query["agent"] = offered.stream.agent
        if wait_s:
            query["wait"] = str(wait_s)
        async with self._ask("GET", "/v1/results", query, wait_s=wait_s, media=NDJSON) as pieces:
            yield pieces

    async def acknowledge(self, offered: Offered, cursor: Cursor) -> None:
        """Confirm that everything up to the cursor is on our disk. Also raises ConflictError."""
        body = {"customer": offered.stream.customer, "seq": cursor.seq, "digest": cursor.digest}
        if offered.named:
            body["agent"] = offered.stream.agent
        async with self._ask("POST", "/v1/ack", {}, json=body) as pieces:
            await _small(pieces)

    async def evidence(self, identifier: str) -> bytes | None:
        """The text of a bundle; None: the host has none of this id. RefusedError 500: it says that it was altered."""
        try:
            async with self._ask("GET", f"/v1/evidence/{identifier}", {}) as pieces:
                return await _small(pieces, BUNDLE_MOST_BYTES)
        except RefusedError as error:
            if error.status == 404:
                return None
            raise
        except TransientError as error:
            if error.status == 500:
                raise RefusedError(500, str(error)) from None
            raise

    async def stamps(self, offered: Offered, had: int, digest: str | None, limit: int) -> bytes | None:
        """Time stamps of a stream behind the first `had`, whose last has this digest; None: the host has no such path.

        Also raises ConflictError where the host's are other ones.
        """
        query = {"customer": offered.stream.customer, "after": str(had), "limit": str(limit)}
        if had and digest is not None:
            query["digest"] = digest
        if offered.named:
            query["agent"] = offered.stream.agent
        try:
            async with self._ask("GET", "/v1/stamps", query, media=NDJSON) as pieces:
                return await _small(pieces, STAMPS_MOST_BYTES)
        except RefusedError as error:
            if error.status == 404:
                return None
            raise

    @asynccontextmanager
    async def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        *,
        wait_s: int = 0,
        media: str | None = None,
        json: Any = None,
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        assert self._session is not None
        fields = {"Accept-Encoding": CODINGS}
        if self._source.token is not None:
            fields["Authorization"] = f"Bearer {_reveal(self._source.token)}"
        timeout = aiohttp.ClientTimeout(
            total=self._page_s + wait_s, connect=CONNECT_S, sock_read=self._idle_s + wait_s
        )
        url = self._base.with_path(self._base.path.rstrip("/") + path).with_query(dict(query))
        try:
            async with self._session.request(
                method, url, headers=fields, json=json, timeout=timeout, allow_redirects=False
            ) as response:
                await _judge(response, media)
                yield _decoded(response)
        except aiohttp.ClientConnectorCertificateError as error:
            why = getattr(error.certificate_error, "verify_message", "") or "its certificate is not trusted"
            raise RefusedError(0, f"TLS: {why}; if it has an authority of its own, give --ca") from None
        except aiohttp.ClientPayloadError as error:
            raise TruncatedError(f"the transfer was cut: {error}") from None
        except TimeoutError:
            raise TransientError("no answer in time") from None
        except (aiohttp.ClientError, OSError) as error:
            raise TransientError(f"not reached: {_words(error)}") from None


def _reveal(token: Callable[[], str]) -> str:
    """The token. Raises RefusedError with whatever the place it is kept in says, which never holds the token."""
    try:
        return token()
    except Exception as error:
        raise RefusedError(0, f"the token cannot be had: {error}") from None


def _offered(stream: _Stream, agent: str | None) -> Offered:
    name = stream.agent or agent
    if name is None:
        raise ValueError("a stream without the name of its agent")
    return Offered(stream=StreamName(name, stream.customer), seq=stream.seq, named=stream.agent is not None)


async def _judge(response: aiohttp.ClientResponse, media: str | None) -> None:
    """Raises unless it is the answer that was asked for."""
    status = response.status
    if status == 200 and (media is None or response.content_type == media):
        return
    if status == 200:
        raise RefusedError(
            status, f"the answer is {response.content_type}, not results: is this the agent's API?"
        )
    detail = f"HTTP {status}: {await _detail(response)}"
    if status in PASSING or status >= 500:
        raise TransientError(
            detail,
            retry_after_s(response.headers.get("Retry-After"), response.headers.get("Date"), ASKED_MOST_S),
            status,
        )
    if 300 <= status < 400:
        raise RefusedError(
            status, f"HTTP {status}: it points elsewhere; give the address that answers itself"
        )
    raise (ConflictError if status == 409 else RefusedError)(status, detail)


async def _detail(response: aiohttp.ClientResponse) -> str:
    """What the problem document says (RFC 9457); else the reason phrase."""
    reason = response.reason or "no reason given"
    if response.content_type != "application/problem+json":
        return reason
    try:
        told = msgspec.json.decode(await _small(_decoded(response)))
        detail = told.get("detail") or told.get("title")
    except (TruncatedError, RefusedError, AttributeError, msgspec.DecodeError, UnicodeError, RecursionError):
        return reason
    text = "".join(char if char.isprintable() else " " for char in str(detail or reason))
    return text[:500]


async def _decoded(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The body with its content coding undone. Raises TruncatedError where it ends early or is corrupt."""
    codings = parse_codings(response.headers.getall("Content-Encoding", []))
    if not codings:
        async for piece in response.content.iter_any():
            yield piece
        return
    try:
        decoder = Decoder(codings, BODY_MOST_BYTES)
    except ValueError as error:
        raise RefusedError(response.status, str(error)) from None
    try:
        async for wire in response.content.iter_any():
            for piece in decoder.feed(wire):
                yield piece
        for piece in decoder.flush():
            yield piece
        decoder.finish()
        if decoder.breaches:
            raise DecodeError(f"the content coding is off: {', '.join(decoder.breaches)}")
    except (DecodeError, DecodedTooLargeError) as error:
        raise TruncatedError(f"the transfer was cut: {error}") from None


async def _small(pieces: AsyncIterator[bytes], most_bytes: int = SMALL_BYTES) -> bytes:
    data = bytearray()
    async for piece in pieces:
        data += piece
        if len(data) > most_bytes:
            raise RefusedError(200, f"an answer of more than {most_bytes} bytes where a short one was due")
    return bytes(data)


def _words(error: BaseException) -> str:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, aiohttp.ServerDisconnectedError | ConnectionResetError):
        return CLOSED
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__


def back_off_s(
    failures: int, after_s: float | None = None, draw: Callable[[], float] = random.random
) -> float:
    """How long to wait after so many failures one after another, in seconds.

    Exponential with full jitter, half of it at least; a Retry-After is kept to, and jitter comes on top.
    """
    most: float = min(MOST_S, FIRST_S * 2.0 ** min(max(0, failures - 1), 20))
    wait = most * (0.5 + 0.5 * draw())
    return wait if after_s is None else after_s + wait * 0.25
