"""Rule: the origin is fetched from its own address, never through the CDN, and every version that it served is kept.

One reference per customer and origin object, however many tasks ask. A kept version is trusted for the origin's
interval, then revalidated conditionally (RFC 9110 section 13); on any disagreement it is fetched whole. Over the
ceiling of requests a minute it is not asked, and the reference says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

from probe.core.content.history import updated, with_reply
from probe.core.content.origin_keys import history_key, origin_key
from probe.core.content.origin_standing import with_ask
from probe.core.content.reading import Reading
from probe.core.model.task import OriginSpec, Request, Task
from probe.core.model.value import replace
from probe.core.records.failure import Failure
from probe.core.records.observation import Observation, Role
from probe.core.records.origin import OriginStanding, OriginVersion, Reference
from probe.core.scheduling.rate_ceiling import Ceiling
from probe.core.text.redaction import without_secret_query
from probe.fetch.fetcher import Fetcher
from probe.fetch.redirects import ended, follow
from probe.fetch.target import FetchTarget, target_of
from probe.host.clock import Clock, rfc3339

Keep = Callable[[str, str, OriginVersion], None]
KeepStanding = Callable[[str, str, OriginStanding], None]
Lookup = Callable[[str, Task, int], Awaitable[str | Failure]]


@dataclass(slots=True)
class _Known:
    """What is known of one origin object."""

    versions: list[OriginVersion] = field(default_factory=list)
    verified_ns: int | None = None
    verified_at: str | None = None
    fields: tuple[tuple[str, str], ...] = ()  # as last given with the present version
    redirected: bool = False  # the content stood behind redirects: its validators are of another URL
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A reference, and the observation if one was made to get it, with the hops that were followed from it.

    The hops' `of` is for the slot to set.
    """

    reference: Reference
    observation: Observation | None = None
    hops: tuple[Observation, ...] = ()


class OriginReferences:
    """The version histories of all origin objects of this agent."""

    def __init__(
        self,
        fetcher: Fetcher,
        clock: Clock,
        *,
        lookup: Lookup,
        keep: Keep,
        keep_standing: KeepStanding = lambda customer, origin, standing: None,
    ) -> None:
        """`lookup` resolves an origin given by name; `keep` is called with each new or re-seen version.

        `keep_standing` is called after each request with how the origin answered so far, under its `origin_key`.
        """
        self.wanted_fields: Callable[[Task], frozenset[str]] = lambda task: frozenset()  # of the references
        self._fetcher = fetcher
        self._clock = clock
        self._lookup = lookup
        self._keep = keep
        self._keep_standing = keep_standing
        self._standings: dict[tuple[str, str], OriginStanding] = {}
        self._known: dict[tuple[str, str], _Known] = {}
        self._ceilings: dict[tuple[str, str], Ceiling] = {}

    def restore(self, kept: Iterable[tuple[str, str, OriginVersion]]) -> None:
        """Histories as the store has them, instead of what was known: (customer, url, version), oldest first."""
        found: dict[tuple[str, str], list[OriginVersion]] = {}
        for customer, url, version in kept:
            found.setdefault((customer, url), []).append(version)
        for key, versions in found.items():
            known = self._known.setdefault(key, _Known())
            known.versions[:] = versions
            known.verified_ns = known.verified_at = None
            known.fields = ()

    def restore_standings(self, kept: Iterable[tuple[str, str, OriginStanding]]) -> None:
        """What the store knows of how origins answered: (customer, `origin_key`, standing)."""
        self._standings.update({(customer, key): standing for customer, key, standing in kept})

    @property
    def standings(self) -> Mapping[tuple[str, str], OriginStanding]:
        """(customer, `origin_key`) -> how that origin answered so far."""
        return self._standings

    async def look(
        self, task: Task, slot_start_ns: int, *, force: bool = False, reading: Reading | None = None
    ) -> Look:
        """The reference for a slot; asks the origin if the kept version is due, or whole if `force`.

        `reading`: what is wanted of its content. Versions read by different rules have histories of their own.
        """
        origin = task.origin
        if origin is None:
            return Look(reference=Reference(configured=False))
        key = history_key(origin, reading)
        known = self._known.setdefault((task.customer, key), _Known())
        async with known.lock:
            if not force and self._trusted(known, origin):
                return Look(reference=self._reference(task, known))
            if not self._ceiling(task.customer, origin).admit(self._clock.monotonic_ns()):
                return Look(reference=replace(self._reference(task, known), left_out=True))
            asked = rfc3339(self._clock.time_ns())
            observation, target = await self._ask(
                task, origin, known, slot_start_ns, whole=force, reading=reading
            )
            hops = () if target is None else await self._follow(task, origin, observation, target)
            self._update_standing(task, origin, observation, asked)
            self._learn(task, key, known, hops[-1] if hops else observation, asked)
            known.redirected = bool(hops)
            return Look(reference=self._reference(task, known), observation=observation, hops=hops)

    def kept(self, task: Task, reading: Reading | None = None) -> Look | None:
        """What `look` would give at once, without asking anybody; None where it might have to ask, or to wait."""
        if task.origin is None:
            return Look(reference=Reference(configured=False))
        known = self._known.get((task.customer, history_key(task.origin, reading)))
        if known is None or known.lock.locked() or not self._trusted(known, task.origin):
            return None
        return Look(reference=self._reference(task, known))

    def _ceiling(self, customer: str, origin: OriginSpec) -> Ceiling:
        ceiling = self._ceilings.setdefault(
            (customer, origin.address), Ceiling(per_minute=origin.requests_per_minute)
        )
        ceiling.per_minute = origin.requests_per_minute
        return ceiling

    def _trusted(self, known: _Known, origin: OriginSpec) -> bool:
        if known.verified_ns is None:
            return False
        return self._clock.monotonic_ns() - known.verified_ns < origin.interval_us * 1000

    async def _ask(
        self,
        task: Task,
        origin: OriginSpec,
        known: _Known,
        slot_start_ns: int,
        *,
        whole: bool,
        reading: Reading | None,
    ) -> tuple[Observation, FetchTarget | None]:
        """The origin's reply, and what was fetched; None where its name led to no address."""
        address = await self._address(task, origin, slot_start_ns)
        if isinstance(address, Failure):
            unresolved = Observation(
                role=Role.ORIGIN,
                address=origin.address,
                port=origin.request.port,
                url=without_secret_query(origin.request.url),
                failure=address,
            )
            return unresolved, None
        # A version kept from an earlier run is not this run's knowledge until it was seen whole once.
        first_time = known.verified_ns is None or known.redirected
        target = target_of(
            task,
            Role.ORIGIN,
            address,
            slot_start_ns,
            request=origin.request,
            tls=origin.tls,
            validators=() if whole or first_time else _validators(known),
            reading=reading,
        )
        return await self._fetcher.fetch(target), target

    async def _follow(
        self, task: Task, origin: OriginSpec, first: Observation, target: FetchTarget
    ) -> tuple[Observation, ...]:
        """What the origin's own redirects lead to, as the edge's are followed; its own host at its own address."""
        if task.redirects.limit == 0 or first.failure is not None:
            return ()
        public, own = task.request, origin.request

        async def lookup(request: Request) -> str | Failure:
            if request.host == own.host:
                return target.address
            return await self._lookup(request.host, task, target.slot_start_ns)

        def at_own_place(request: Request) -> Request:
            same = (request.scheme, request.host, request.port) == (public.scheme, own.host, public.port)
            return replace(request, scheme=own.scheme, port=own.port) if same else request

        hops, failure = await follow(first, 0, target, task.redirects, self._fetcher, lookup, at_own_place)
        return ended(first, 0, hops, failure)

    async def _address(self, task: Task, origin: OriginSpec, slot_start_ns: int) -> str | Failure:
        try:
            return str(ip_address(origin.address))
        except ValueError:
            return await self._lookup(origin.address, task, slot_start_ns)

    def _update_standing(self, task: Task, origin: OriginSpec, observation: Observation, asked: str) -> None:
        key = task.customer, origin_key(origin)
        before = self._standings.get(key, OriginStanding())
        after = self._standings[key] = with_ask(before, observation, asked)
        if after is not before:
            self._keep_standing(*key, after)

    def _reference(self, task: Task, known: _Known) -> Reference:
        assert task.origin is not None, "only asked of a task with an origin"
        wanted = self.wanted_fields(task)
        return Reference(
            configured=True,
            versions=tuple(known.versions),
            verified_at=known.verified_at,
            standing=self._standings.get((task.customer, origin_key(task.origin))),
            fields=tuple([field for field in known.fields if field[0] in wanted]) if wanted else (),
        )

    def _learn(self, task: Task, key: str, known: _Known, observation: Observation, asked: str) -> None:
        response = observation.response
        if observation.failure is not None or response is None or task.origin is None:
            return
        seen = rfc3339(self._clock.time_ns())
        keep_s = task.origin.history_us / 1e6
        versions = with_reply(known.versions, response, asked=asked, seen=seen, keep_s=keep_s)
        if versions is None:
            return
        known.versions[:] = versions
        known.fields = updated(known.fields, response)
        known.verified_ns, known.verified_at = self._clock.monotonic_ns(), seen
        self._keep(task.customer, key, versions[-1])


def _validators(known: _Known) -> tuple[tuple[str, str], ...]:
    if not known.versions:
        return ()
    newest = known.versions[-1]
    if newest.etag:
        return (("If-None-Match", newest.etag),)
    return (("If-Modified-Since", newest.last_modified),) if newest.last_modified else ()
