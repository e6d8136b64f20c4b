"""Rule: each further request that a check wants is an observation of its own in the row.

Further requests of checks (`CheckKind.follow_ups`) to edges of the slot, and where wanted the same to the origin. Only
edges that answered are asked again: a dead one would give nothing new.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address

from probe.core.content.check_kind import FollowUpRequest, Kinds
from probe.core.model.task import OriginSpec, Request, Task
from probe.core.model.value import replace
from probe.core.records.failure import Failure
from probe.core.records.observation import Observation, Role
from probe.core.records.verdict import CHECK_REQUESTS
from probe.core.text.redaction import without_secret_query
from probe.fetch.fetcher import Fetcher
from probe.fetch.target import FetchTarget, target_of
from probe.measure.advertised import note_https_records
from probe.measure.edge_pace import EdgePace
from probe.measure.slot import Slot
from probe.measure.stagger import Staggered
from probe.resolver.lookups import Lookups

Lookup = Callable[[str, Task, int], Awaitable[str | Failure]]


def follow_up_request(request: Request, ask: FollowUpRequest) -> Request:
    """The object's request as the check wants it; header fields are compared without regard to case."""
    replaced = {name.lower() for name, _ in ask.fields}
    kept = tuple((name, value) for name, value in request.fields if name.lower() not in replaced)
    added = tuple((name, value) for name, value in ask.fields if value is not None)
    return replace(
        request,
        method=ask.method or request.method,
        path=ask.path or request.path,
        protocol=ask.protocol or request.protocol,
        port=ask.port or request.port,
        fields=(*kept, *added),
    )


async def ask_further(slot: Slot, kinds: Kinds, pace: EdgePace, lookups: Lookups) -> None:
    """Ask what the DNS advertises, then what the task's checks want, and append what was seen to the slot.

    What the edge's pace does not admit is left out, for the origin too.
    """
    await note_https_records(slot, lookups)
    wanted = [
        (spec.kind, ask)
        for spec in slot.task.checks
        for ask in kinds[spec.kind].follow_ups(spec.params, slot.task, slot.number)
    ]
    answered = [o for o in slot.observations if o.role is Role.EDGE and o.response is not None]
    if not wanted or not answered:
        return
    turn = [answered[slot.number % len(answered)]]
    for kind, ask in wanted:
        settled = [
            (settled, edge.address)
            for edge in (answered if ask.edges == "all" else turn)
            if (settled := _for_edge(ask, kind, edge)) is not None
        ]
        if not settled:
            continue  # as nearly always: what only a body over our limit is asked for
        asked = await _fetch_each(slot, settled, pace)
        for settled_ask in {ask.name: ask for ask in asked if ask.origin}.values():
            await ask_origin(slot, settled_ask, pace, lookups.origin_address)
    if slot.further and any(ask.compared for _, ask in wanted):
        slot.compare_all()


def _for_edge(ask: FollowUpRequest, kind: str, edge: Observation) -> FollowUpRequest | None:
    """The follow-up request for this edge, named `<kind>.<name>`; None: nothing is asked of it."""
    meant = ask if ask.settle is None else ask.settle(edge)
    return None if meant is None else replace(meant, name=f"{kind}.{meant.name}")


async def _fetch_each(
    slot: Slot, settled: Sequence[tuple[FollowUpRequest, str]], pace: EdgePace
) -> list[FollowUpRequest]:
    """What was asked; whether it may be is seen each time: the reply before may have asked to be left alone."""
    made = []
    async with Staggered() as staggered:
        for ask, address in settled:
            target = _target(slot, ask, address)
            if pace.admits(target):
                made.append((ask, target, await staggered.start(pace.fetch(target))))
            else:
                slot.leave_out(CHECK_REQUESTS)
    for ask, target, task in made:
        slot.append_asked(replace(task.result(), ask=ask.name), target, ask)
    return [ask for ask, _, _ in made]


def _target(slot: Slot, ask: FollowUpRequest, address: str) -> FetchTarget:
    request = follow_up_request(slot.task.request, ask)
    reading = slot.reading if ask.compared else None
    target = target_of(slot.task, Role.CHECK, address, slot.start_ns, request=request, reading=reading)
    return limited(target, ask)


def limited(target: FetchTarget, ask: FollowUpRequest) -> FetchTarget:
    """The target, reading no more of a body than the follow-up request wants."""
    if ask.limit_bytes is None:
        return target
    most = min(ask.limit_bytes, target.limits.body_bytes)
    return replace(target, limits=replace(target.limits, body_bytes=most))


async def ask_origin(slot: Slot, ask: FollowUpRequest, fetcher: Fetcher, lookup: Lookup) -> None:
    """The same of the origin, as role `control`; nothing without an origin."""
    if slot.task.origin is not None:
        slot.append([await _of_origin(slot, ask, slot.task.origin, fetcher, lookup)])


async def _of_origin(
    slot: Slot, ask: FollowUpRequest, origin: OriginSpec, fetcher: Fetcher, lookup: Lookup
) -> Observation:
    request = follow_up_request(origin.request, ask)
    try:
        address: str | Failure = str(ip_address(origin.address))
    except ValueError:
        address = await lookup(origin.address, slot.task, slot.start_ns)
    if isinstance(address, Failure):
        return Observation(
            role=Role.CONTROL,
            address=origin.address,
            port=request.port,
            url=without_secret_query(request.url),
            method=request.method,
            failure=address,
            ask=ask.name,
        )
    target = target_of(slot.task, Role.CONTROL, address, slot.start_ns, request=request, tls=origin.tls)
    return replace(await fetcher.fetch(limited(target, ask)), ask=ask.name)
