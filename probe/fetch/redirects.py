"""Rule: every hop of a redirect is an observation of its own, on its own connection, to a checked address."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from probe.core.http.redirect import next_hop
from probe.core.model.task import RedirectPolicy, Request
from probe.core.model.value import replace
from probe.core.records.failure import Failure
from probe.core.records.observation import Observation, Role
from probe.fetch.fetcher import Fetcher, FetchTarget


async def follow(
    first: Observation,
    index: int,
    target: FetchTarget,
    policy: RedirectPolicy,
    fetcher: Fetcher,
    lookup: Callable[[Request], Awaitable[str | Failure]],
) -> tuple[list[Observation], Failure | None]:
    """Follow what `first` (at `index` of the slot's observations, made of `target`) redirects to.

    `lookup` gives the address for a hop's host. Returns the hops, each with role `redirect` and `of` = `index`, and
    why following stopped before the end; None where the last reply is no redirect, or its own failure says why.
    """
    hops: list[Observation] = []
    visited: tuple[str, ...] = (target.request.url,)
    last, request = first, target.request
    while last.failure is None and last.response is not None:
        step = next_hop(request, last.response, policy, visited)
        if not isinstance(step, Request):
            return hops, step
        address = await lookup(step)
        if isinstance(address, Failure):
            return hops, address
        last = await fetcher.fetch(_hop(target, index, step, address))
        hops.append(last)
        request, visited = step, (*visited, step.url)
    return hops, None


def _hop(target: FetchTarget, index: int, request: Request, address: str) -> FetchTarget:
    """Validators and the body's sink belong to the first request; so does an SNI that was given for its host."""
    same_host = request.host == target.request.host
    return replace(
        target,
        role=Role.REDIRECT,
        address=address,
        request=request,
        tls=target.tls if same_host else replace(target.tls, server_name=None),
        of=index,
        validators=(),
        body_sink=None,
    )
