"""Rule: what the DNS advertises is asked after what is measured, and stands with each edge that it is said of.

HTTPS records (RFC 9460) of the slot's name: nothing that they say is followed, none is kept for the next slot. Under
`protocol: h1` nobody asks, as clients of HTTP/1.1 alone do not, unless a check wants to know. A question adds to what a
slot costs, so that without the check it is asked now and then.
"""

from __future__ import annotations

from probe.core.http.alternatives import of_records
from probe.core.model.protocols import H1
from probe.core.model.task import Task
from probe.core.model.value import replace
from probe.core.records.observation import Role
from probe.measure.slot import Slot
from probe.resolver.lookups import Lookups

CHECK = "advertised"


def asks_https_records(task: Task, lookups: Lookups, start_ns: int) -> bool:
    """Whether the slot that begins at `start_ns` asks: each one for the check, else one in ten minutes."""
    if task.request.scheme != "https":
        return False
    if any(spec.kind == CHECK for spec in task.checks):
        return True
    return task.request.protocol != H1 and lookups.https_records_are_due(task, start_ns)


async def note_https_records(slot: Slot, lookups: Lookups) -> None:
    """Ask for the records, and note with each edge of the slot what they say."""
    task, resolution = slot.task, slot.resolution
    if resolution is None or not asks_https_records(task, lookups, slot.start_ns):
        return
    slot.resolution = found = await lookups.with_https_records(resolution, task, slot.start_ns)
    own = {task.domain, found.canonical_name, *(link.target for link in found.cname_chain)}
    told = of_records(found.https_records, own, task.request.port)
    for index, seen in enumerate(slot.observations):
        if told and seen.role is Role.EDGE:
            slot.observations[index] = replace(seen, advertised=(*seen.advertised, *told))
