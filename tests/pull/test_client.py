"""What aiohttp may raise while a host is asked becomes: it may pass, it will not, it was cut.

A fake is better than a server here: several of these cannot be provoked from the wire at will. It gives exceptions
only: with this version of aiohttp aioresponses makes no replies.
"""

from __future__ import annotations

import ssl

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from aioresponses import aioresponses

from probe.pull.client import Client, RefusedError, Source, TransientError
from probe.pull.page import TruncatedError

HOST = "https://agent.example"
PLACE = ConnectionKey("agent.example", 443, True, True, None, None, None)


@pytest.mark.parametrize(
    ("raised", "kind", "words"),
    [
        (TimeoutError(), TransientError, "no answer in time"),
        (aiohttp.ServerTimeoutError(), TransientError, "no answer in time"),
        (aiohttp.ServerDisconnectedError(), TransientError, "not reached: closed without a reply.*--cert"),
        (
            aiohttp.ClientConnectorError(PLACE, ConnectionResetError()),  # so over TLS 1.2
            TransientError,
            "not reached: closed without a reply.*--cert",
        ),
        (aiohttp.ClientOSError(104, "Connection reset by peer"), TransientError, "not reached"),
        (ConnectionRefusedError(111, "Connection refused"), TransientError, "not reached"),
        (aiohttp.ClientPayloadError("half a page"), TruncatedError, "the transfer was cut: half a page"),
        (
            aiohttp.ClientConnectorCertificateError(PLACE, ssl.SSLCertVerificationError(1, "self-signed")),
            RefusedError,
            "TLS: .*give --ca",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_what_aiohttp_raises(
    raised: Exception, kind: type[RefusedError | TransientError | TruncatedError], words: str
) -> None:
    with aioresponses() as faked:
        faked.get(f"{HOST}/v1/streams", exception=raised)
        async with Client(Source(url=HOST, token=lambda: "secret-token")) as client:
            with pytest.raises(kind, match=words) as told:
                await client.streams()
    assert "secret-token" not in str(told.value)
