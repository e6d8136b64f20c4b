"""Rule: an anchor tells whether this vantage point's own line works; any complete reaction of it will do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from ipaddress import ip_address

from probe.core.records import Failure, Observation, Role
from probe.core.task import AnchorSpec, Request, Task, TlsPolicy
from probe.io.fetch import Fetcher
from probe.io.target import target_of

Lookup = Callable[[str, Task, int], Awaitable[str | Failure]]


async def ask_anchors(
    task: Task, slot_start_ns: int, fetcher: Fetcher, lookup: Lookup
) -> tuple[Observation, ...]:
    """All anchors of the task's vantage point at once, on fresh connections. Certificates are not judged."""
    asked = (_ask(anchor, task, slot_start_ns, fetcher, lookup) for anchor in task.vantage_point.anchors)
    return tuple(await asyncio.gather(*asked))


async def _ask(
    anchor: AnchorSpec, task: Task, slot_start_ns: int, fetcher: Fetcher, lookup: Lookup
) -> Observation:
    address = await _address(anchor.host, task, slot_start_ns, lookup)
    if isinstance(address, Failure):
        return Observation(
            role=Role.ANCHOR, address=anchor.host, port=anchor.port, url=str(anchor), failure=address
        )
    scheme = "http" if anchor.scheme == "tcp" else anchor.scheme
    request = Request(scheme=scheme, host=anchor.host, port=anchor.port, path=anchor.path)
    target = target_of(
        task, Role.ANCHOR, address, slot_start_ns, request=request, tls=TlsPolicy(verify=False)
    )
    return await (fetcher.connect_only(target) if anchor.scheme == "tcp" else fetcher.fetch(target))


async def _address(host: str, task: Task, slot_start_ns: int, lookup: Lookup) -> str | Failure:
    try:
        return str(ip_address(host))
    except ValueError:
        return await lookup(host, task, slot_start_ns)
