"""Rule: every message sent becomes one DnsQuery on record, also the one that was repeated.

One walk at one resolver: `probe.core.dns.chain.ChainWalk` names the next question, this loop sends it by the resolver's
transport: as often as that transport says (UDP: twice), by another one after a truncated response (UDP: TCP, RFC
7766), once more without EDNS where the resolver does not support it (RFC 6891). Gives the `WalkEnd` and the queries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from probe.core.dns import control
from probe.core.dns.chain import ChainWalk, WalkEnd, improper
from probe.core.dns.message import Question, Reply, build_question
from probe.core.model.task import ResolverSpec, VantagePoint
from probe.core.records.dns import DnsQuery, Resolution
from probe.core.records.failure import Failure, FailureType, Phase
from probe.evidence.capture import CapturedMessages, collector
from probe.host.clock import Clock
from probe.resolver.exchange import ExchangeError
from probe.resolver.transports import Transport

_REPEATED = (FailureType.DNS_TIMED_OUT, FailureType.DNS_MALFORMED)
_HEARD = (FailureType.DNS_MALFORMED, FailureType.DNS_TRUNCATED_TCP_FAILED, FailureType.DNS_HTTPS_FAILED)
_EDNS_UNWANTED = ("FORMERR", "REFUSED", "NOTIMP", "BADVERS")


@dataclass(slots=True, kw_only=True)
class ResolverWalk:
    """Questions to one resolver from one vantage point, until `end_s`; one of several tries takes at most `try_s`.

    `end_s` is a time of the running loop's clock; the records' times come from `clock`. `transports`
    by scheme. `queries`, `flags`, `transport`, `ecs_source` and `ecs_scope` hold what happened so far.
    """

    resolver: ResolverSpec
    vantage: VantagePoint
    clock: Clock
    slot_start_ns: int
    try_s: float
    end_s: float
    purpose: str
    transports: Mapping[str, Transport]
    queries: list[DnsQuery] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    transport: str | None = None
    ecs_source: str | None = None
    ecs_scope: int | None = None
    recurse: bool = True  # False: a zone's own server is asked, which knows its zone alone
    _edns: bool = True

    async def run(self, qname: str, qtype: str) -> WalkEnd:
        """Walk from `qname` to its end. Raises nothing for what the network does."""
        walk = ChainWalk(qname, qtype)
        while (name := walk.ask) is not None:
            try:
                reply = await self.ask(name, qtype)
            except ExchangeError as error:
                walk.give_up(error.failure)
            else:
                walk.feed(reply.answer, str(self.resolver))
        return walk.end

    async def control(self) -> str | None:
        """How it takes the control question (`core.dns.control`); None where our own host stood in the way."""
        try:
            reply = await self.ask(*control.QUESTION)
        except ExchangeError as error:
            if error.failure.phase is Phase.HOST:
                return None
            return control.FAILED if error.failure.type in _HEARD else control.SILENT
        return control.PASSED if control.passes(reply.answer) else control.FAILED

    async def ask(self, name: str, qtype: str) -> Reply:
        """One question alone, nothing followed. Raises ExchangeError."""
        reply = await self._whole(name, qtype)
        if self._edns and reply.answer.rcode in _EDNS_UNWANTED:
            reply = await self._without_edns(name, qtype, reply)
        return reply

    async def _without_edns(self, name: str, qtype: str, first: Reply) -> Reply:
        """The response to the same question without EDNS; the first one if none comes. Later questions go without, too.

        Flagged where the plain question is answered: then EDNS was what the resolver refused.
        """
        self._edns = False
        try:
            second = await self._whole(name, qtype)
        except ExchangeError:
            second = first
        if improper(second.answer) is None:
            self._flag("ecs_dropped" if self.vantage.client_subnet else "edns_dropped")
        return second

    async def _whole(self, name: str, qtype: str) -> Reply:
        """One response that is not truncated."""
        reply = await self._tries(name, qtype)
        if not reply.truncated:
            return reply
        fallback = self._own_transport.after_truncation
        if fallback is None:
            raise ExchangeError(_failure(FailureType.DNS_MALFORMED, "TC set over a stream"))
        try:
            reply = await self._once(name, qtype, self.transports[fallback], self.end_s)
        except ExchangeError as error:
            if error.failure.phase is Phase.HOST:
                raise
            words = f"{error.failure.type}: {error.failure.detail}"
            raise ExchangeError(_failure(FailureType.DNS_TRUNCATED_TCP_FAILED, words)) from error
        if reply.truncated:
            raise ExchangeError(_failure(FailureType.DNS_TRUNCATED_TCP_FAILED, "TC set over TCP"))
        return reply

    async def _tries(self, name: str, qtype: str) -> Reply:
        transport = self._own_transport
        loop = asyncio.get_running_loop()
        for left in reversed(range(transport.tries)):
            until_s = self.end_s if transport.tries == 1 else min(loop.time() + self.try_s, self.end_s)
            try:
                return await self._once(name, qtype, transport, until_s)
            except ExchangeError as error:
                if not left or error.failure.type not in _REPEATED or loop.time() >= self.end_s:
                    raise
        raise AssertionError("unreachable")

    @property
    def _own_transport(self) -> Transport:
        return self.transports[self.resolver.transport]

    async def _once(self, name: str, qtype: str, transport: Transport, until_s: float) -> Reply:
        """One message sent, one DnsQuery on record."""
        start_us = self._now_us()
        try:
            question = build_question(
                name,
                qtype,
                self.vantage.client_subnet,
                edns=self._edns,
                number=transport.message_id,
                recurse=self.recurse,
            )
        except ValueError as error:
            raise ExchangeError(
                Failure(phase=Phase.HOST, type=FailureType.AGENT_INTERNAL_ERROR, detail=str(error))
            ) from error
        try:
            reply = await transport.exchange(question, self.resolver, self.vantage, until_s)
        except ExchangeError as error:
            self._record(question, transport.scheme, start_us, None, error.failure)
            raise
        self._record(question, transport.scheme, start_us, reply, _rcode_failure(reply))
        self.transport, self.ecs_source, self.ecs_scope = transport.scheme, question.ecs, reply.ecs_scope
        if question.ecs and reply.ecs_scope is None and not reply.truncated and not improper(reply.answer):
            self._flag("ecs_ignored")
        return reply

    def _record(
        self, question: Question, transport: str, start_us: int, reply: Reply | None, failure: Failure | None
    ) -> None:
        sent_us = self._known_us(reply.sent_s if reply else None, start_us)
        query = DnsQuery(
            qname=question.qname,
            qtype=question.qtype,
            resolver=str(self.resolver),
            transport=transport,
            purpose=self.purpose,
            rcode=reply.answer.rcode if reply else None,
            flags=reply.answer.flags if reply else (),
            start_us=sent_us,
            end_us=max(sent_us, self._known_us(reply.came_s if reply else None, self._now_us())),
            ecs_source=question.ecs,
            ecs_scope=reply.ecs_scope if reply else None,
            ecs_dropped=not question.edns,
            nsid=reply.nsid if reply else None,
            extended_errors=reply.extended_errors if reply else (),
            failure=failure,
        )
        self.queries.append(query)
        if (collected := collector()) is not None:
            received = reply.wire if reply else None
            collected.messages.append(CapturedMessages(query=query, sent=question.wire, received=received))

    def _known_us(self, instant_s: float | None, else_us: int) -> int:
        """`instant_s` of the loop's clock on the record's scale; `else_us` where it is None or not the kernel's."""
        if instant_s is None or not getattr(self.clock, "is_the_kernels", False):
            return else_us
        return round(instant_s * 1e6 - self.slot_start_ns / 1000)

    def _now_us(self) -> int:
        return (self.clock.monotonic_ns() - self.slot_start_ns) // 1000

    def _flag(self, flag: str) -> None:
        if flag not in self.flags:
            self.flags.append(flag)


class MakeWalk(Protocol):
    """Prepares a walk with a purpose at a resolver."""

    def __call__(self, purpose: str, spec: ResolverSpec) -> ResolverWalk: ...


ToResolution = Callable[[ResolverWalk, WalkEnd], Resolution]


def _failure(kind: FailureType, detail: str) -> Failure:
    return Failure(phase=Phase.DNS, type=kind, operation="read", detail=detail)


def _rcode_failure(reply: Reply) -> Failure | None:
    kind = improper(reply.answer)
    return None if kind is None else _failure(kind, f"rcode {reply.answer.rcode}")
