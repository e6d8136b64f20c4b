"""Rule: an HTTP version is one module and one row here; nothing else of a fetch knows which version was spoken.

Two interfaces, and a table for each. `Carrier` is one fresh connection to a target: how bytes are carried, and what can
be seen of that; `CARRIERS` has it by the protocol that the task asks for (`probe.core.model.protocols`). `Exchange` is
one request and its response over such a carrier; `EXCHANGES` has it by the name that ALPN has for the version.

    h1, h2, auto   `probe.fetch.connection.Connection`: TCP, with TLS where the scheme asks for it
    h3             a carrier over QUIC: a module of its own with the members of `Carrier`, and a row in `CARRIERS`

A further version needs: a class with the members of `Exchange` in `probe.fetch.versions`, its row in `EXCHANGES`; what
it offers by ALPN in `probe.core.model.protocols.ALPN`; where it is not carried over TCP, a `Carrier` and its row. What
is optional to install is imported within the row's function. Exceptions are those that `probe.net.failures` knows;
bodies go to a `probe.fetch.body.Body`, times into the `Stopwatch` that the carrier was made with.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Collection
from typing import Any
from typing import Protocol as Interface

from probe.core.http.head import Head
from probe.core.model.protocols import AUTO, H1, H2, H3, HTTP_1_1, spoken
from probe.core.model.task import Limits
from probe.core.records.failure import FailureType, Phase
from probe.core.records.transport import QuicInfo, Tls
from probe.fetch.body import Body
from probe.fetch.connection import Connection
from probe.fetch.connector import Dial
from probe.fetch.quic.installed import problem
from probe.fetch.target import FetchTarget
from probe.fetch.versions.http1 import Http1Exchange
from probe.fetch.versions.http2 import Http2Exchange
from probe.net.failures import StreamError
from probe.net.stopwatch import Stopwatch

BodyFactory = Callable[[Head], Body]


class Carrier(Interface):
    """One fresh connection for one request. Its steps are taken in this order, each once; `close` ends it at any time.

    `source`: our own address and port, once there is one. `tls`, `certificates` (DER, leaf first): what was agreed on
    and presented, after the handshake. `tcp_info`: the kernel's bytes of it, empty where there is no TCP.
    `close_notify`: TLS over TCP only, the peer said that it was done. `protocol`: the version to be spoken, as ALPN
    names it, after the handshake. `quic_info`: of QUIC, None over TCP. `whole`: set where the response came to its end.
    """

    source: str | None
    tls: Tls | None
    certificates: tuple[bytes, ...]
    tcp_info: bytes
    close_notify: bool

    @property
    def quic_info(self) -> QuicInfo | None: ...

    async def examine(
        self, error: ssl.SSLCertVerificationError, total_at_s: float
    ) -> tuple[Tls, FailureType | None, tuple[bytes, ...]]:
        """What the server presented that could not be verified, a more exact type where the certificates show one,
        and the certificates (DER). `total_at_s`: the loop's time of the deadline. Raises nothing.
        """
        ...

    @property
    def protocol(self) -> str: ...

    def prepare(self) -> None:
        """What is needed of our own host, before anything is sent. Raises CaFileError, ValueError."""
        ...

    async def connect(self, until_s: float) -> None:
        """A socket to the target; over TCP, its handshake. Raises OSError, SourceError, ProxyError."""
        ...

    async def handshake(self, seconds: float) -> None:
        """The secure handshake, if there is one. Raises OSError (ssl.SSLError among them), TimeoutError, AlpnError."""
        ...

    def close(self) -> None:
        """End it at once; nobody reads any more. May be called again."""
        ...

    def forget(self) -> None:
        """After `close`, once all was taken: what refers back is let go, so that nothing goes in a circle."""
        ...


class Exchange(Interface):
    """One request, sent once, and its response.

    `head`: the final one, once it came. `begun_head`: what was read of one that was not read to its end. `body`: made
    by the factory for that head. `protocol`: as ALPN names the version (RFC 7301). `raw_head`: the heads as they
    crossed the wire; of a version that codes them, as text. `breaches`: of the protocol, as far as they were tolerated,
    in words of `core.http.tolerance`. `altsvc`: the values of ALTSVC frames (RFC 7838 section 4), where there are any.
    """

    @property
    def protocol(self) -> str: ...

    @property
    def head(self) -> Head | None: ...

    @property
    def begun_head(self) -> Head | None: ...

    @property
    def body(self) -> Body | None: ...

    @property
    def raw_head(self) -> bytes: ...

    @property
    def breaches(self) -> tuple[str, ...]: ...

    @property
    def altsvc(self) -> tuple[str, ...]: ...

    def shown(self, method: str, path: str, fields: list[tuple[str, str]]) -> list[str]:
        """The lines of a request as this version sends it, for people: what `ask` makes of the same arguments."""
        ...

    async def ask(
        self,
        method: str,
        path: str,
        fields: list[tuple[str, str]],
        *,
        first_byte_at_s: float,
        total_at_s: float,
    ) -> Head:
        """Send the request and wait for the final head. Deadlines on the loop's clock.

        `fields` are those of HTTP/1.1, Host first. Raises HeadError, TimeoutError, ClosedError, OSError
        (ssl.SSLError among them); ValueError for what cannot stand in a request.
        """
        ...

    async def read(self, until_s: float) -> None:
        """Read the body to its end and see that nothing follows. Raises the same, and what the body raises."""
        ...

    def forget(self) -> None:
        """Let go of what refers back to the exchange, once its results were taken."""
        ...


def _over_quic(target: FetchTarget, watch: Stopwatch, dial: Dial) -> Carrier:
    """Raises StreamError where the extra `http3` is not installed."""
    missing = problem()
    if missing is not None:
        raise StreamError(FailureType.AGENT_PROTOCOL_UNSUPPORTED, missing, Phase.HOST)
    from probe.fetch.quic.carrier import QuicCarrier

    return QuicCarrier(target, watch, dial)


def _http3(carrier: Any, limits: Limits, method: str, body_of: BodyFactory) -> Exchange:
    from probe.fetch.versions.http3 import Http3Exchange

    return Http3Exchange(carrier, limits, method, body_of)


# By what a task asks for: makes the carrier of one fetch.
CARRIERS: dict[str, Callable[[FetchTarget, Stopwatch, Dial], Carrier]] = {
    H1: Connection,
    H2: Connection,
    AUTO: Connection,
    H3: _over_quic,
}
# By what was agreed on (`Carrier.protocol`): makes the exchange over it. The method: the request's.
EXCHANGES: dict[str, Callable[[Any, Limits, str, BodyFactory], Exchange]] = {
    HTTP_1_1: Http1Exchange,
    "h2": Http2Exchange,
    H3: _http3,
}


def load(protocols: Collection[str]) -> None:
    """Import now what these versions need (`Task.protocols`): later it would hold up what is being measured then.

    HTTP/3's library takes some 0.2 s of processor time.
    """
    if H3 in protocols and problem() is None:
        import probe.fetch.quic.carrier
        import probe.fetch.versions.http3  # noqa: F401


def carrier_of(target: FetchTarget, watch: Stopwatch, dial: Dial) -> Carrier:
    """The carrier of a fetch. `dial`: how TCP connections to the target are made, directly or through a proxy."""
    return CARRIERS[spoken(target.request.protocol, target.request.scheme)](target, watch, dial)
