"""HTTP/2 as Chromium and curl take it: what either delivers whole is no outage, whatever the server did on the way."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import browser
from tests.support.http2 import WHOLE, saying, speaking
from tests.support.http2_cases import CASES
from tests.support.http_server import HOST, Pki, Script, make_fetcher, make_target
from tests.system.programs import find, need
from tests.system.test_http3_chromium import by_chromium

pytestmark = [pytest.mark.system, pytest.mark.long]

# Where we accuse and Chromium delivers something, and why.
_PART = "part of the content is delivered: it is not the origin's"
DECIDED: dict[str, str] = {
    "different lengths": "what is meant is ambiguous, and curl refuses it",
    "less than declared": _PART,
    "nothing of what was declared": _PART,
    "RST_STREAM without an error in the body": _PART,
}


def lingering(wire: bytes, *, hang: bool) -> Script:
    """As `saying`, but it reads a little longer before it closes: else the end may overtake what was said."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await saying(wire)(reader, writer)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(reader.read(), 30 if hang else 0.5)

    return script


async def by_curl(ca: str, port: int) -> Any:
    """Status, bytes and digest; its exit code where it fails."""
    command = [
        str(find("curl")), "-sS", "--http2", "--max-time", "4", "--cacert", ca, "-o", "-", "-w", "\n%{http_code}",
        "--connect-to", f"{HOST}:{port}:127.0.0.1:{port}", f"https://{HOST}:{port}/object",
    ]  # fmt: skip
    child = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    told, _ = await child.communicate()
    body, _, status = told.rpartition(b"\n")
    if child.returncode:
        return f"error {child.returncode} after {len(body)} bytes"
    return [int(status), len(body), hashlib.sha256(body).hexdigest()]


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


async def test_what_chromium_or_curl_deliver_we_take_as_delivered(pki: Pki, tmp_path: Path) -> None:
    """Each server of tests/support/http2_cases.py, asked by all three."""
    need("chromium", "curl")
    ports: dict[str, int] = {}
    ours: dict[str, Any] = {}
    told: dict[str, Any] = {}
    async with AsyncExitStack() as stack:
        for name, case in CASES.items():
            script = lingering(case.wire, hang=case.then == "hang")
            ports[name] = (await stack.enter_async_context(speaking(pki, script))).port
        page = await stack.enter_async_context(speaking(pki, saying(WHOLE)))
        flags = (
            "--ignore-certificate-errors",
            f"--host-resolver-rules=MAP {HOST} 127.0.0.1",
            "--disable-web-security",
        )
        async with browser(tmp_path / "chromium", str(find("chromium")), flags) as tab:
            await tab.open(f"https://{HOST}:{page.port}/")
            names = list(CASES)
            for at in range(0, len(names), 12):
                some = {name: f"https://{HOST}:{ports[name]}/object" for name in names[at : at + 12]}
                told |= await by_chromium(tab, some, 4_000)
        curled = {}
        for at in range(0, len(names), 6):
            some_names = names[at : at + 6]
            answers = await asyncio.gather(*(by_curl(pki.ca, ports[name]) for name in some_names))
            curled |= dict(zip(some_names, answers, strict=True))
        for name, port in ports.items():
            target = make_target(
                port, scheme="https", tls=pki.policy(), protocol="h2", path="/object", total_us=4_000_000
            )
            seen = await make_fetcher().fetch(target)
            response = seen.response
            ours[name] = seen.failure and seen.failure.type.value
            if seen.failure is None and response is not None:
                ours[name] = [response.status_code, response.decoded_body_bytes, response.content_digest]
    odd = []
    for name in CASES:
        delivered = [each for each in (told[name], curled[name]) if isinstance(each, list)]
        agreed = ours[name] in delivered if delivered else not isinstance(ours[name], list)
        if not agreed and name not in DECIDED:
            odd.append(f"{name}: we {ours[name]}, Chromium {told[name]}, curl {curled[name]}")
    assert not odd, "\n".join(odd)
