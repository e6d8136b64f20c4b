"""Rule: each resolver address answers as one carrier's resolver would, and logs every query.

One server plays the recursive resolver of a vantage point and the authorities behind it: RA is set, AA is not.
UDP and TCP on the same port (RFC 7766), EDNS client subnet with scope (RFC 7871), SOA in negative answers
(RFC 2308). The first resolver of a pair answers with the whole chain; a resolver that is not `chasing` gives the
CNAME alone, so that the client must ask for its target itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass
from ipaddress import ip_network
from typing import cast

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from probe.lab.servers.listener import Listener, bound_udp
from probe.lab.servers.world import Vantage
from probe.lab.servers.zones import ADDRESS_TTL_S, ALIAS_TTL_S, SCOPE, Network, View, Zones

LOG_LENGTH = 5_000
_LINKS_AT_MOST = 16
_PLAIN_BYTES = 512
_TCP_BYTES = 65_535
_IDLE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One line of the query log. `rcode` is None where the resolver kept silent."""

    resolver: str
    source: str
    transport: str
    qname: str
    qtype: str
    client_subnet: str | None
    rcode: str | None


class DnsServer:
    """One carrier's resolver on one address.

    `silent` makes it receive queries and not answer; `failing`, answer SERVFAIL to whatever it is asked.
    """

    def __init__(self, address: str, port: int, zones: Zones, carrier: Vantage, *, chasing: bool) -> None:
        """`chasing`: follow aliases within one answer."""
        self.address, self.port = address, port
        self.silent = self.failing = False
        self.log: deque[Asked] = deque(maxlen=LOG_LENGTH)
        self._zones = zones
        self._carrier = carrier
        self._chasing = chasing
        self._tcp = Listener(address, port, self._serve_stream)
        self._udp: asyncio.DatagramTransport | None = None

    async def open(self) -> None:
        """Listen on UDP and TCP. Raises LabError if the port is taken."""
        sock = bound_udp(self.address, self.port)
        loop = asyncio.get_running_loop()
        self._udp, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), sock=sock)
        self._tcp.open()

    async def close(self) -> None:
        """Give the port back."""
        if self._udp is not None:
            self._udp.close()
            self._udp = None
        await self._tcp.close()
        await asyncio.sleep(0)  # the datagram socket closes in the loop's next round

    def respond(self, wire: bytes, source: str, transport: str) -> bytes | None:
        """The response to one message; None where there is none to give."""
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return None
        if query.flags & dns.flags.QR or len(query.question) != 1:
            return None
        response = self.answer(query)
        self._note(query, source, transport, None if self.silent else response)
        if self.silent:
            return None
        limit = _TCP_BYTES if transport == "tcp" else max(query.payload, _PLAIN_BYTES)
        return _to_wire(response, limit)

    def answer(self, query: dns.message.Message) -> dns.message.Message:
        """The response that this resolver's zones and view give."""
        question = query.question[0]
        subnet = _client_subnet(query)
        if self.failing:
            response = dns.message.make_response(query, recursion_available=True)
            response.set_rcode(dns.rcode.SERVFAIL)
            return response
        if _text(question.name) in ("", ".") and question.rdtype == dns.rdatatype.NS:
            response = dns.message.make_response(query, recursion_available=True)
            _add(response, "", ALIAS_TTL_S, "NS", "a.root-servers.net.")
            return response
        view = View(carrier=self._carrier, client_subnet=None if subnet is None else _network(subnet))
        response = dns.message.make_response(query, recursion_available=True)
        tailored = self._fill(response, _text(question.name), dns.rdatatype.to_text(question.rdtype), view)
        if subnet is not None:
            scope = min(SCOPE, subnet.srclen) if tailored else 0
            echoed = dns.edns.ECSOption(subnet.address, subnet.srclen, scope)
            response.use_edns(0, payload=1232, options=[echoed])
        return response

    def _fill(self, response: dns.message.Message, name: str, qtype: str, view: View) -> bool:
        """Add the records for `name`; returns whether any of them depends on the client."""
        zones = self._zones
        tailored = False
        for _ in range(_LINKS_AT_MOST):
            if zones.zone_of(name) is None:
                response.set_rcode(dns.rcode.REFUSED)
                return tailored
            tailored = tailored or zones.depends_on_asker(name)
            alias = zones.alias(name)
            if alias is None or qtype == "CNAME":
                self._end(response, name, qtype, alias, view)
                return tailored
            _add(response, name, ALIAS_TTL_S, "CNAME", f"{alias}.")
            if not self._chasing:
                return tailored
            name = alias
        return tailored

    def _end(
        self, response: dns.message.Message, name: str, qtype: str, alias: str | None, view: View
    ) -> None:
        if alias is not None:
            _add(response, name, ALIAS_TTL_S, "CNAME", f"{alias}.")
            return
        addresses = self._zones.addresses(name, qtype, view) if qtype in ("A", "AAAA") else ()
        if addresses:
            _add(response, name, ADDRESS_TTL_S, qtype, *addresses)
            return
        if not self._zones.exists(name):
            response.set_rcode(dns.rcode.NXDOMAIN)
        zone = self._zones.zone_of(name)
        soa = f"ns.{zone}. hostmaster.{zone}. 1 3600 600 86400 5"
        response.authority.append(dns.rrset.from_text(f"{zone}.", ADDRESS_TTL_S, "IN", "SOA", soa))

    def _note(
        self, query: dns.message.Message, source: str, transport: str, response: dns.message.Message | None
    ) -> None:
        question, subnet = query.question[0], _client_subnet(query)
        self.log.append(
            Asked(
                resolver=self.address,
                source=source,
                transport=transport,
                qname=_text(question.name),
                qtype=dns.rdatatype.to_text(question.rdtype),
                client_subnet=None if subnet is None else str(_network(subnet)),
                rcode=None if response is None else dns.rcode.to_text(response.rcode()),
            )
        )

    async def _serve_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        source = writer.get_extra_info("peername")[0]
        with contextlib.suppress(TimeoutError):
            while True:
                async with asyncio.timeout(_IDLE_S):
                    length = int.from_bytes(await reader.readexactly(2), "big")
                    wire = await reader.readexactly(length)
                response = self.respond(wire, source, "tcp")
                if response is not None:
                    writer.write(len(response).to_bytes(2, "big") + response)
                    await writer.drain()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Before Python 3.12 asyncio's datagram transports are no instances of this class.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        response = self._server.respond(data, addr[0], "udp")
        if response is not None and self._transport is not None:
            self._transport.sendto(response, addr)


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()


def _client_subnet(query: dns.message.Message) -> dns.edns.ECSOption | None:
    return next((option for option in query.options if isinstance(option, dns.edns.ECSOption)), None)


def _network(option: dns.edns.ECSOption) -> Network:
    return ip_network(f"{option.address}/{option.srclen}", strict=False)


def _add(response: dns.message.Message, name: str, ttl_s: int, rdtype: str, *rdata: str) -> None:
    response.answer.append(dns.rrset.from_text(f"{name}.", ttl_s, "IN", rdtype, *rdata))


def _to_wire(response: dns.message.Message, limit: int) -> bytes:
    try:
        return response.to_wire(max_size=limit)
    except dns.exception.TooBig:
        response.flags |= dns.flags.TC
        for section in (response.answer, response.authority, response.additional):
            section.clear()
        return response.to_wire(max_size=limit)
