"""Rule: a POST of ours goes to one address that the operator named, once, and why it failed is said in words.

For what is not measured: time-stamping authorities, Alertmanagers, webhooks. Each on a connection of its own; a
redirect is not followed: another address is for the operator to name.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp

from probe import __version__


class PostError(Exception):
    """No whole reply; the message says why."""


@asynccontextmanager
async def posted(
    url: str,
    body: bytes,
    fields: Mapping[str, str],
    timeout: aiohttp.ClientTimeout,
    tls: ssl.SSLContext | bool = True,
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The reply, whose body may be read within. `tls`: whom to trust; True: as the system does. Raises PostError."""
    named = {"User-Agent": f"cdn-probe/{__version__}", **fields}
    try:
        async with (
            aiohttp.ClientSession(
                auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout
            ) as session,
            session.post(url, data=body, headers=named, allow_redirects=False, ssl=tls) as response,
        ):
            yield response
    except TimeoutError:
        raise PostError("it did not answer in time") from None
    except aiohttp.ClientConnectorCertificateError:
        raise PostError("its TLS certificate is not trusted by this host") from None
    except aiohttp.ClientConnectorError as error:
        raise PostError(f"it was not reached: {error.os_error.strerror or error.os_error}") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise PostError(f"its answer was cut off or is no HTTP: {type(error).__name__}") from None
