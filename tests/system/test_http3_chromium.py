"""HTTP/3 as Chromium takes it: what it delivers whole to a page is no outage, whatever the server did on the way."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("qh3")
pytest.importorskip("aioquic")

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from probe.core.records.observation import Observation
from tests.fetch.test_http3 import SEEN, fetched
from tests.support.browser import Tab, browser
from tests.support.http_server import HOST, Pki, make_fetcher, make_target
from tests.support.quic_server import pem, serve_quic, well
from tests.system.caddy import caddy
from tests.system.programs import find, need

pytestmark = [pytest.mark.system, pytest.mark.long]

SIZES = {"/empty": 0, "/small": 10_000, "/large": 1 << 20}
# Chromium waits for as long as a user does; a case that is over by then is over for both.
_FETCH = """(async url => {
  try {
    const reply = await fetch(url, {cache: 'no-store', signal: AbortSignal.timeout(WAIT)});
    const bytes = new Uint8Array(await reply.arrayBuffer());
    const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
    return [reply.status, bytes.length, [...hash].map(b => b.toString(16).padStart(2, '0')).join('')];
  } catch (error) { return String(error); }
})"""


def arguments(*chains: bytes) -> tuple[str, ...]:
    """HTTP/3 alone for every origin, these leaves are trusted, and a page may read what another origin gives."""
    keys = []
    for chain in chains:
        key = x509.load_pem_x509_certificate(chain).public_key()
        der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        keys.append(base64.b64encode(hashlib.sha256(der).digest()).decode())
    return (
        "--origin-to-force-quic-on=*",
        f"--ignore-certificate-errors-spki-list={','.join(dict.fromkeys(keys))}",
        f"--host-resolver-rules=MAP {HOST} 127.0.0.1",
        "--disable-web-security",
    )


async def by_chromium(tab: Tab, urls: dict[str, str], wait_ms: int) -> dict[str, Any]:
    """What each fetch gave: status, bytes and digest; a string where it failed."""
    script = _FETCH.replace("WAIT", str(wait_ms))
    each = ", ".join(f"{script}({json.dumps(url)})" for url in urls.values())
    return dict(zip(urls, await tab.run(f"Promise.all([{each}])"), strict=True))


async def by_us(port: int, pki: Pki, path: str = "/object") -> Observation:
    target = make_target(port, scheme="https", protocol="h3", tls=pki.policy(), path=path)
    return await make_fetcher().fetch(target)


def by_libcurl(ca: str, port: int) -> Any:
    """What libcurl with ngtcp2 makes of it: status, bytes, digest; its words where it fails."""
    pycurl = pytest.importorskip("pycurl")
    body, handle = bytearray(), pycurl.Curl()
    handle.setopt(pycurl.URL, f"https://{HOST}:{port}/object")
    handle.setopt(pycurl.RESOLVE, [f"{HOST}:{port}:127.0.0.1"])
    handle.setopt(pycurl.CAINFO, ca)
    handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_3ONLY)
    handle.setopt(pycurl.ACCEPT_ENCODING, "")
    handle.setopt(pycurl.WRITEFUNCTION, body.extend)
    handle.setopt(pycurl.TIMEOUT_MS, 4_000)
    handle.setopt(pycurl.NOSIGNAL, 1)
    try:
        handle.perform()
    except pycurl.error as error:
        return f"error {error.args[0]} after {len(body)} bytes"
    else:
        return [handle.getinfo(pycurl.RESPONSE_CODE), len(body), hashlib.sha256(body).hexdigest()]
    finally:
        handle.close()


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


async def test_what_caddy_serves_is_what_chromium_gets(pki: Pki, tmp_path: Path) -> None:
    need("chromium", "caddy")
    with caddy(tmp_path, pki) as server:
        for name, size in SIZES.items():
            (server.root / name[1:]).write_bytes(os.urandom(size))
        (server.root / "page.html").write_text("<!doctype html><title>a page</title>")
        flags = arguments((tmp_path / "chain.pem").read_bytes())
        async with browser(tmp_path / "chromium", str(find("chromium")), flags, quic=True) as tab:
            await tab.open(f"https://{HOST}:{server.port}/page.html")
            spoken = await tab.run("performance.getEntriesByType('navigation')[0].nextHopProtocol")
            paths = {path: f"https://{HOST}:{server.port}{path}" for path in (*SIZES, "/absent")}
            told = await by_chromium(tab, paths, 10_000)
        seen = {path: await by_us(server.port, pki, path) for path in paths}
    assert spoken == "h3"
    for path, observation in seen.items():
        response = observation.response
        assert response is not None, observation.failure
        assert [response.status_code, response.decoded_body_bytes, response.content_digest] == told[path], (
            path
        )


# Where what Chromium delivers is not what we say, and why.
_PART = "part of the content is delivered: it is not the origin's"
_BY_CURL = "libcurl delivers it, if Chromium does not"
DECIDED: dict[str, str] = {
    "end within content, no length": _PART,
    "less than declared": _PART,
    "gzip cut": _PART,
    "more than declared": "what is meant is ambiguous, and libcurl refuses it",
    "a pseudo-header in trailers": "Chromium may have delivered the content before; libcurl refuses it",
    "too many interim heads": "a bound of ours, a thousand: what goes on without end is none of a server's",
    "closed after the response": "all of it came; whether a client has read it before the close is chance",
    "content where none may be": "the same response: 204 has no content",
    "a line break in a value": _BY_CURL,
    "a name that none may be": _BY_CURL,
    "versions announced that we speak": _BY_CURL,
    "no end behind the declared length": "all content came; whether the stream ends later changes none of it",
}


async def test_what_chromium_delivers_we_take_as_delivered(pki: Pki, tmp_path: Path) -> None:
    """Each server of tests/fetch/test_http3.py whose certificate is good, asked by both."""
    need("chromium")
    names = [name for name, case in SEEN.items() if case.kind == "good" and not case.target]
    ports: dict[str, int] = {}
    leaf = pem(pki)
    async with AsyncExitStack() as stack:
        for number, name in enumerate(names):
            (directory := tmp_path / str(number)).mkdir()
            server = serve_quic(pki, directory, SEEN[name].how, leaf, **SEEN[name].settings)
            ports[name] = (await stack.enter_async_context(server)).port
        page = await stack.enter_async_context(serve_quic(pki, tmp_path, well, leaf))
        flags = arguments(leaf.chain)
        async with browser(tmp_path / "chromium", str(find("chromium")), flags, quic=True) as tab:
            await tab.open(f"https://{HOST}:{page.port}/")
            told: dict[str, Any] = {}
            for at in range(0, len(names), 12):
                some = {name: f"https://{HOST}:{ports[name]}/object" for name in names[at : at + 12]}
                told |= await by_chromium(tab, some, 4_000)
        seen = {name: await fetched(ports[name], pki) for name in names}
        answers = [asyncio.to_thread(by_libcurl, pki.ca, ports[name]) for name in names]
        curled = dict(zip(names, await asyncio.gather(*answers), strict=True))
    odd = {}
    for name in names:
        response = seen[name].response
        ours = None
        if seen[name].failure is None and response is not None:
            ours = [response.status_code, response.decoded_body_bytes, response.content_digest]
        theirs = told[name] if isinstance(told[name], list) else None
        if DECIDED.get(name) == _BY_CURL:
            assert curled[name] == ours, name
        elif ours != theirs and name not in DECIDED:
            failed = seen[name].failure
            odd[name] = (failed and failed.type.value, ours, told[name], curled[name])
    assert not odd, "\n".join(f"{name}: {what}" for name, what in odd.items())
