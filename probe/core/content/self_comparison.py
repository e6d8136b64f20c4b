"""Rule: an origin that is the CDN itself proves nothing about the CDN, however it came to be asked.

The configured address is an edge's, the origin's name leads to one, or the origin sends us on to the accelerated
domain. Then nothing is compared, and the slot says so (contract: the origin must be asked directly).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from probe.core.http.fields import field_values
from probe.core.model.task import Task
from probe.core.model.value import replace
from probe.core.records.observation import Observation, Role
from probe.core.records.origin import Reference


class Selves:
    """Which origins were found to be the CDN, as they were last asked; a kept version is no better than its look."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], bool] = {}

    def marked(
        self, task: Task, reference: Reference, edges: Iterable[str], look: Observation | None
    ) -> Reference:
        """The reference, saying so if the origin is the CDN (`look`: how it was asked in this slot, if it was)."""
        if task.origin is None:
            return reference
        key = task.customer, f"{task.origin.address} {task.origin.request.url}"
        found = is_itself(task, edges, [look])
        if look is not None:
            self._found[key] = found
        return replace(reference, self_comparison=True) if found or self._found.get(key) else reference


def is_itself(task: Task, edges: Iterable[str], looks: Sequence[Observation | None]) -> bool:
    """Whether what was asked as the origin is the CDN. `looks`: the observations made of the origin in this slot."""
    if task.origin is None:
        return False
    asked = [look for look in looks if look is not None and look.role is Role.ORIGIN]
    known = set(edges)
    addresses = {task.origin.address, *(look.address for look in asked)}
    return bool(known & addresses) or any(_leads_to(look, task) for look in asked)


def _leads_to(look: Observation, task: Task) -> bool:
    """A redirect of the same object to the accelerated domain; to another object it is the customer's own redirect."""
    response = look.response
    if response is None or not 300 <= response.status_code < 400 or response.status_code == 304:
        return False
    for location in field_values(response.fields, "location"):
        try:
            target = urlsplit(location)
            host, named = target.hostname, target.port
        except ValueError:
            continue
        if host == task.domain and target.scheme == task.request.scheme:
            port = named or {"http": 80, "https": 443}[target.scheme]
            path = (target.path or "/") + (f"?{target.query}" if target.query else "")
            if (port, path) == (task.request.port, task.request.path):
                return True
    return False
