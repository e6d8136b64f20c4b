"""An agent's API as its contract says, over lines in memory, that can cut, tamper, stall, refuse and tell lies."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import zstandard
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from probe.core.proof.chain import GENESIS, Head, line_digest
from probe.core.proof.signed_head import SignedHead, key_id
from tests.support.rows import at

TOKEN = "cdnp_a-token-of-the-tests"


def make_line(seq: int, previous: str | None, customer: str = "acme", agent: str = "a1", **more: Any) -> str:
    """A slot's line with what the chain needs; further fields as given."""
    made = {
        "schema_version": 1,
        "kind": "slot",
        "seq": seq,
        "customer": customer,
        "scheduled_at": at(seq),
        "host": {"agent": agent},
        "complete_up_to": at(seq),
        "previous": previous,
        **more,
    }
    return json.dumps(made, separators=(",", ":"))


def make_lines(count: int, customer: str = "acme", agent: str = "a1", **more: Any) -> list[str]:
    """A whole stream."""
    lines: list[str] = []
    previous = GENESIS
    for seq in range(1, count + 1):
        lines.append(make_line(seq, previous, customer, agent, **more))
        previous = line_digest(lines[-1].encode())
    return lines


class Signing:
    """A key pair."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        public = self._key.public_key()
        self.pem = public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.id = key_id(public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw))

    def head(self, head: Head) -> dict[str, Any]:
        """Signed, as it is handed out."""
        made = SignedHead.unsigned(head, at=at(0), synchronised=True, max_error_us=5, key=self.id)
        return made.signed(self._key.sign(made.text())).to_json()


@dataclass
class FakeAgent:
    """`streams`: customer -> lines. `spoil`: what becomes of a page's lines, its last one included, before they go out.

    `cut_after`: bytes after which transfers are cut, one number a transfer; `refuse`: answers given first.
    `impatient`: long-polls are answered at once.
    """

    agent: str = "a1"
    streams: dict[str, list[str]] = field(default_factory=dict)
    signing: Signing | None = field(default_factory=Signing)
    tell_key: bool = True
    token: str = TOKEN
    spoil: Callable[[list[str]], list[str]] | None = None
    cut_after: list[int] = field(default_factory=list)
    refuse: list[tuple[int, dict[str, str], str]] = field(default_factory=list)
    coding: str | None = None
    stall: bool = False
    impatient: bool = False
    piece: int = 4096
    asked: list[str] = field(default_factory=list)
    acks: list[dict[str, Any]] = field(default_factory=list)
    grown: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    def head(self, customer: str) -> dict[str, Any]:
        lines = self.streams[customer]
        made = Head(
            agent=self.agent,
            customer=customer,
            seq=_seq(lines[-1]) if lines else 0,
            digest=_digest(lines[-1]) if lines else GENESIS,
            complete_up_to=json.loads(lines[-1]).get("complete_up_to") if lines else None,
        )
        if self.signing is None:
            plain = {name: getattr(made, name) for name in Head.__dataclass_fields__}
            return {**plain, "signature": None}
        return self.signing.head(made)

    def grow(self, customer: str, lines: list[str]) -> None:
        """More lines; who waits is woken."""
        self.streams[customer].extend(lines)
        self.grown.set()

    async def streams_(self, request: web.Request) -> web.StreamResponse:
        if refused := self._refused(request):
            return refused
        told: dict[str, Any] = {
            "agent": self.agent,
            "streams": [{"customer": name, **self._end(name)} for name in self.streams],
        }
        if self.signing is not None and self.tell_key:
            told["public_key"] = self.signing.pem.decode()
        return web.json_response(told)

    def _end(self, customer: str) -> dict[str, Any]:
        head = self.head(customer)
        return {name: head[name] for name in ("seq", "digest", "complete_up_to")}

    async def results(self, request: web.Request) -> web.StreamResponse:
        if refused := self._refused(request):
            return refused
        customer, after = request.query["customer"], int(request.query["after"])
        limit, wait = int(request.query["limit"]), int(request.query.get("wait", "0"))
        if customer not in self.streams:
            return problem(404, "nothing here that this token may see")
        lines = self.streams[customer]
        if wait and not self.impatient and after >= self.head(customer)["seq"]:
            self.grown.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.grown.wait(), wait)
        if after > self.head(customer)["seq"]:
            return problem(409, f"the stream ends before your cursor {after}")
        mine = next((_digest(line) for line in lines if _seq(line) == after), None)
        if mine not in (None, "") and request.query.get("digest", mine) != mine:
            return problem(409, f"the line {after} here has another digest than yours")
        page = [line for line in lines if _seq(line) > after][:limit]
        if self.stall:
            await asyncio.sleep(3600)
        return await self._send(request, [*page, self._last(customer, page, after)])

    def _last(self, customer: str, page: list[str], after: int) -> str:
        head = self.head(customer)
        told = {
            "kind": "page",
            "agent": self.agent,
            "customer": customer,
            "next": _seq(page[-1]) if page else after,
            "complete_up_to": head["complete_up_to"],
            "head": head,
        }
        return json.dumps(told, separators=(",", ":"))

    async def _send(self, request: web.Request, lines: list[str]) -> web.StreamResponse:
        if self.spoil is not None:
            lines = self.spoil(lines)
        data = "".join(f"{line}\n" for line in lines).encode()
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        if self.coding == "gzip":
            data = gzip.compress(data)
        elif self.coding == "zstd":
            data = zstandard.compress(data)
        if self.coding is not None:
            response.headers["Content-Encoding"] = self.coding
        cut = self.cut_after.pop(0) if self.cut_after else None
        await response.prepare(request)
        for begin in range(0, len(data[:cut]), self.piece):
            await response.write(data[:cut][begin : begin + self.piece])
        if cut is not None and cut < len(data):
            assert request.transport is not None
            await asyncio.sleep(0)
            request.transport.close()
        return response

    async def ack(self, request: web.Request) -> web.StreamResponse:
        if refused := self._refused(request):
            return refused
        self.acks.append(await request.json())
        return web.json_response({})

    def _refused(self, request: web.Request) -> web.Response | None:
        self.asked.append(request.path_qs)
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return problem(401, "a bearer token is needed")
        if self.refuse:
            status, fields, detail = self.refuse.pop(0)
            return problem(status, detail, fields)
        return None


def problem(status: int, detail: str, fields: dict[str, str] | None = None) -> web.Response:
    """RFC 9457."""
    return web.Response(
        status=status,
        body=json.dumps({"title": "no", "status": status, "detail": detail}).encode(),
        headers={"Content-Type": "application/problem+json", **(fields or {})},
    )


def _seq(line: str) -> int:
    made = json.loads(line)
    seq: int = made["last_seq"] if made["kind"] == "dropped" else made["seq"]
    return seq


def _digest(line: str) -> str:
    made = json.loads(line)
    return str(made["digest"]) if made["kind"] == "dropped" else line_digest(line.encode())


@asynccontextmanager
async def serving(agent: FakeAgent, ssl: Any = None) -> AsyncIterator[FakeAgent]:
    """Serve it on loopback within."""
    app = web.Application()
    app.add_routes(
        [
            web.get("/v1/streams", agent.streams_),
            web.get("/v1/results", agent.results),
            web.post("/v1/ack", agent.ack),
        ]
    )
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl)
    await site.start()
    port = runner.addresses[0][1]
    agent.url = f"{'http' if ssl is None else 'https'}://127.0.0.1:{port}"
    try:
        yield agent
    finally:
        await runner.cleanup()
