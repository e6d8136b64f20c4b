"""Rule: an HTTP version is one module and one row here; nothing else of a fetch knows which version was spoken.

`Exchange`: one request and its response over a `probe.fetch.connection.Connection`. In: the request and the two
deadlines. Out: the final head, the body's bytes into a `probe.fetch.body.Body`, and the exceptions that
`probe.net.failures` knows. A further version needs a module with such a class, a row in `EXCHANGES` under the name that
ALPN has for it, and that name among what `probe.tls.client` offers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from probe.core.http.head import Head
from probe.core.model.task import Limits
from probe.fetch.body import Body
from probe.fetch.connection import Connection
from probe.fetch.http1 import Http1Exchange

BodyFactory = Callable[[Head], Body]


class Exchange(Protocol):
    """One request, sent once, and its response.

    `head`: the final one, once it came. `begun_head`: what was read of one that was not read to its end. `body`: made
    by the factory for that head. `protocol`: as ALPN names the version (RFC 7301). `raw_head`: the heads as they
    crossed the wire. `breaches`: of the protocol, as far as they were tolerated, in words of `core.http.tolerance`.
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

        Raises HeadError, TimeoutError, ClosedError, OSError (ssl.SSLError among them); ValueError for what cannot stand
        in a request.
        """
        ...

    async def read(self, until_s: float) -> None:
        """Read the body to its end and see that nothing follows. Raises the same, and what the body raises."""
        ...

    def forget(self) -> None:
        """Let go of what refers back to the exchange, once its results were taken."""
        ...


EXCHANGES: dict[str, Callable[[Connection, Limits, str, BodyFactory], Exchange]] = {
    "http/1.1": Http1Exchange,
}
