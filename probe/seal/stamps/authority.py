"""Rule: an authority is asked once, briefly, and what it answers is bounded; nothing that it says leads elsewhere.

The Time-Stamp Protocol over HTTP (RFC 3161 section 3.4): the request as the body of a POST, the reply as the body of a
200. A redirect is refused: another address is another authority, and is for the operator to name.
"""

from __future__ import annotations

from typing import Protocol

import aiohttp

from probe.core.proof.stamp import RESPONSE_MOST_BYTES
from probe.host.posting import PostError, posted

QUERY, REPLY = "application/timestamp-query", "application/timestamp-reply"
CONNECT_S, TOTAL_S = 10.0, 20.0


class AuthorityError(Exception):
    """The authority gave no reply; the message says why."""


class Asked(Protocol):
    """A time-stamping authority."""

    async def ask(self, request: bytes) -> bytes:
        """Its reply (TimeStampResp, DER) to a request (TimeStampReq, DER). Raises AuthorityError."""
        ...


class HttpAuthority:
    """Asks one address, with a connection for each request."""

    def __init__(self, url: str, *, total_s: float = TOTAL_S) -> None:
        self._url = url
        self._timeout = aiohttp.ClientTimeout(total=total_s, connect=min(CONNECT_S, total_s))

    async def ask(self, request: bytes) -> bytes:
        """Its reply. Raises AuthorityError."""
        fields = {"Content-Type": QUERY, "Accept": REPLY}
        try:
            async with posted(self._url, request, fields, self._timeout) as response:
                _refuse(response)
                return await _bounded(response)
        except PostError as error:
            raise AuthorityError(str(error)) from None


def _refuse(response: aiohttp.ClientResponse) -> None:
    """Raises AuthorityError unless it is the reply that was asked for."""
    if 300 <= response.status < 400:
        raise AuthorityError(
            f"HTTP {response.status}: it points elsewhere; name the address that answers itself"
        )
    if response.status != 200:
        raise AuthorityError(f"HTTP {response.status}")
    if response.content_type != REPLY:
        raise AuthorityError(f"its answer is {response.content_type[:100]}, not {REPLY}")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise AuthorityError("its answer has a content coding, and none was asked for")


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    data = bytearray()
    async for piece in response.content.iter_any():
        data += piece
        if len(data) > RESPONSE_MOST_BYTES:
            raise AuthorityError(f"its answer is longer than {RESPONSE_MOST_BYTES} bytes")
    return bytes(data)
