"""Rule: what a check wants to know beyond the object itself is asked in the open: an observation of its own each time.

Further requests of checks (`CheckKind.asks`) to edges of the slot, and where wanted the same to the origin. Only
edges that answered are asked: of a dead one nothing is learned twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from ipaddress import ip_address

from probe.core.kinds import Ask, Kinds
from probe.core.records import Failure, Observation, Role
from probe.core.redaction import without_secret_query
from probe.core.task import OriginSpec, Request, Task
from probe.io.fetch import Fetcher
from probe.io.target import target_of
from probe.slot import Slot
from probe.stagger import Staggered

Lookup = Callable[[str, Task, int], Awaitable[str | Failure]]


def asked_request(request: Request, ask: Ask) -> Request:
    """The object's request as the check wants it; header fields are compared without regard to case."""
    replaced = {name.lower() for name, _ in ask.fields}
    kept = tuple((name, value) for name, value in request.fields if name.lower() not in replaced)
    added = tuple((name, value) for name, value in ask.fields if value is not None)
    return replace(
        request,
        method=ask.method or request.method,
        path=ask.path or request.path,
        fields=(*kept, *added),
    )


async def ask_further(slot: Slot, kinds: Kinds, fetcher: Fetcher, lookup: Lookup) -> None:
    """Make the further requests that the task's checks want, and append what was seen to the slot."""
    asks = [
        replace(ask, name=f"{spec.kind}.{ask.name}")
        for spec in slot.task.checks
        for ask in kinds[spec.kind].asks(spec.params, slot.task, slot.number)
    ]
    if not asks:
        return
    edges = [o.address for o in slot.observations if o.role is Role.EDGE and o.response is not None]
    for ask in asks:
        chosen = edges if ask.edges == "all" else edges[slot.number % len(edges) :][:1] if edges else []
        request = asked_request(slot.task.request, ask)
        async with Staggered() as staggered:
            made = [
                await staggered.start(_of_edge(slot, ask, request, address, fetcher)) for address in chosen
            ]
            control = (
                await staggered.start(_of_origin(slot, ask, slot.task.origin, fetcher, lookup))
                if ask.origin and slot.task.origin is not None
                else None
            )
        for task in made:
            slot.append_asked(task.result(), request)
        if control is not None:
            slot.append([control.result()])


async def _of_edge(slot: Slot, ask: Ask, request: Request, address: str, fetcher: Fetcher) -> Observation:
    target = target_of(slot.task, Role.CHECK, address, slot.start_ns, request=request)
    return replace(await fetcher.fetch(target), ask=ask.name)


async def _of_origin(
    slot: Slot, ask: Ask, origin: OriginSpec, fetcher: Fetcher, lookup: Lookup
) -> Observation:
    request = asked_request(origin.request, ask)
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
    return replace(await fetcher.fetch(target), ask=ask.name)
