"""Rule: what one fetch needs is one value; it names the address, so that nothing is looked up again."""

from __future__ import annotations

from collections.abc import Callable

from probe.core.content.reading import Reading
from probe.core.model.task import Deadlines, Limits, Request, Task, TlsPolicy, VantagePoint
from probe.core.model.value import Value
from probe.core.records.observation import Role


class FetchTarget(Value, frozen=True, kw_only=True):
    """One request to be made to one address.

    `address`: IP literal, connected to as it stands; a name only where a proxy is to look it up. `vantage`: the
    line it goes out by.
    `slot_start_ns`: monotonic zero of the observation's offsets. `of`: index of the observation this one follows.
    `validators`: further fields such as If-None-Match. `body_sink` gets the decoded body piece by piece. `reading`:
    what is wanted of the content itself. `first_bytes`: of how many at the beginning of the body a digest is wanted.
    """

    role: Role
    address: str
    request: Request
    tls: TlsPolicy
    deadlines: Deadlines
    limits: Limits
    vantage: VantagePoint
    slot_start_ns: int
    of: int | None = None
    validators: tuple[tuple[str, str], ...] = ()
    body_sink: Callable[[bytes], None] | None = None
    reading: Reading | None = None
    first_bytes: int = 0

    @property
    def server_name(self) -> str:
        """The name (or IP literal) that the certificate must be for."""
        return self.tls.server_name or self.request.host


def target_of(
    task: Task,
    role: Role,
    address: str,
    slot_start_ns: int,
    *,
    request: Request | None = None,
    tls: TlsPolicy | None = None,
    of: int | None = None,
    validators: tuple[tuple[str, str], ...] = (),
    reading: Reading | None = None,
) -> FetchTarget:
    """A fetch as the task's vantage point makes it, with the task's deadlines and limits.

    `request` and `tls` are the task's own unless given.
    """
    return FetchTarget(
        role=role,
        address=address,
        request=request or task.request,
        tls=tls or task.tls,
        deadlines=task.deadlines,
        limits=task.limits,
        vantage=task.vantage_point,
        slot_start_ns=slot_start_ns,
        of=of,
        validators=validators,
        reading=reading,
        first_bytes=max((spec.params.first_bytes for spec in task.checks), default=0),
    )
