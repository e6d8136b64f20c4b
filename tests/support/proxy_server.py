"""Proxies on loopback as tests want them: honest ones that relay, and any that say whatever a script says.

`Proxy` speaks SOCKS5 or CONNECT and relays to wherever it is told; what it is asked and by whom is kept. Its answer
can be cut into single bytes, glued to the server's first bytes, or be given another bound address.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from probe.core.model.task import ProxySpec, SecretRef
from tests.support.http_server import Script, serve

PASSWORD = "pr0xy-Passw0rd/+ x"
SECRETS = {"PROXY_PASSWORD": PASSWORD}
BOUND_V4 = b"\x05\x00\x00\x01" + bytes(4) + b"\x00\x00"
BOUND_V6 = b"\x05\x00\x00\x04" + bytes(16) + b"\x00\x00"
BOUND_NAME = b"\x05\x00\x00\x03\x05proxy\x00\x00"
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


@dataclass
class Proxy:
    """What the proxy does and what it saw. `names`: where names lead that it is given."""

    scheme: str
    port: int = 0
    user: str | None = None
    password: str = PASSWORD
    success: bytes | None = None
    bytewise: bool = False
    glued: bool = False
    names: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)  # of our own connections to servers
    live: list[asyncio.StreamWriter] = field(default_factory=list)

    def spec(self, **changes: Any) -> ProxySpec:
        """How a vantage point names it."""
        credentials: dict[str, Any] = {}
        if self.user is not None:
            credentials = {"user": self.user, "password": SecretRef(scheme="env", name="PROXY_PASSWORD")}
        return ProxySpec(
            **{"scheme": self.scheme, "host": "127.0.0.1", "port": self.port, **credentials, **changes}
        )

    def hang_up(self) -> None:
        """End every connection, as a proxy that dies does."""
        for writer in self.live:
            writer.transport.abort()


def spec_of(scheme: str, port: int, **changes: Any) -> ProxySpec:
    """A proxy at a port on loopback."""
    return ProxySpec(scheme=scheme, host="127.0.0.1", port=port, **changes)


@contextlib.asynccontextmanager
async def proxy(scheme: str, **how: Any) -> AsyncIterator[Proxy]:
    """An honest proxy, for as long as the context lasts."""
    made = Proxy(scheme=scheme, **how)

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.live.append(writer)
        where = await (_socks5 if scheme == "socks5" else _connect)(made, reader, writer)
        if where is not None:
            await _relay(made, reader, writer, where)

    async with serve(script, read=False) as server:
        made.port = server.port
        yield made


async def _socks5(
    made: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> tuple[str, int] | None:
    _, count = await reader.readexactly(2)
    offered = await reader.readexactly(count)
    wanted = 0 if made.user is None else 2
    if wanted not in offered:
        await _say(made, writer, b"\x05\xff")
        return None
    await _say(made, writer, bytes((5, wanted)))
    if wanted == 2:
        user, password = [await reader.readexactly((await reader.readexactly(n))[-1]) for n in (2, 1)]
        made.users.append(user.decode())
        good = (user.decode(), password.decode()) == (made.user, made.password)
        await _say(made, writer, b"\x01\x00" if good else b"\x01\x01")
        if not good:
            return None
    kind = (await reader.readexactly(4))[3]
    length = {1: 4, 4: 16}.get(kind) or (await reader.readexactly(1))[0]
    raw = await reader.readexactly(length)
    host = raw.decode() if kind == 3 else str(ip_address(raw))
    where = host, int.from_bytes(await reader.readexactly(2), "big")
    made.asked.append(where)
    return where


async def _connect(
    made: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> tuple[str, int] | None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    fields = dict(line.split(": ", 1) for line in head[1:] if line)
    method, target, _ = head[0].split(" ")
    assert (method, fields["Host"]) == ("CONNECT", target)
    if made.user is not None:
        given = base64.b64decode(fields.get("Proxy-Authorization", "Basic ").split(" ")[1]).decode()
        made.users.append(given.partition(":")[0])
        if given != f"{made.user}:{made.password}":
            await _say(made, writer, b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            return None
    host, _, port = target.rpartition(":")
    where = host.strip("[]"), int(port)
    made.asked.append(where)
    return where


async def _relay(
    made: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, where: tuple[str, int]
) -> None:
    success = made.success or (BOUND_V4 if made.scheme == "socks5" else ESTABLISHED)
    failure = b"\x05\x05\x00\x01" + bytes(6) if made.scheme == "socks5" else b"HTTP/1.1 502 No\r\n\r\n"
    try:
        up_reader, up_writer = await asyncio.open_connection(made.names.get(where[0], where[0]), where[1])
    except OSError:
        await _say(made, writer, failure)
        return
    made.sources.append("{}:{}".format(*up_writer.get_extra_info("sockname")))
    if made.glued:  # one segment: the answer and the first bytes of a server that speaks first
        writer.write(success + await up_reader.read(65536))
    else:
        await _say(made, writer, success)
    try:
        await asyncio.gather(_pump(reader, up_writer), _pump(up_reader, writer))
    finally:
        up_writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


async def _say(made: Proxy, writer: asyncio.StreamWriter, data: bytes) -> None:
    """At once, or each byte as a segment of its own."""
    if not made.bytewise:
        writer.write(data)
        return await writer.drain()
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for at in range(len(data)):
        writer.write(data[at : at + 1])
        await writer.drain()
        await asyncio.sleep(0.001)
    return None


def says(*steps: bytes | Callable[[asyncio.StreamWriter], None] | None) -> Script:
    """Reads something, says the step, and so on; then waits for the other side to go.

    A function is called with the writer in place of saying something; None closes in good order.
    """

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for step in steps:
            if not await reader.read(65536) or step is None:
                return
            if callable(step):
                step(writer)
                return
            writer.write(step)
            await writer.drain()
        await reader.read()

    return script
