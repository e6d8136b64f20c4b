"""Rule: every hop of a redirect is an observation of its own, on its own connection, to a checked address."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from probe.core.model.task import RedirectPolicy, Request
from probe.core.model.value import replace
from probe.core.records.failure import Failure
from probe.core.records.observation import Observation, Role
from probe.core.redirects.cookies import Cookie, with_cookies, with_response
from probe.core.redirects.next_hop import next_hop
from probe.fetch.fetcher import Fetcher, FetchTarget


async def follow(
    first: Observation,
    index: int,
    target: FetchTarget,
    policy: RedirectPolicy,
    fetcher: Fetcher,
    lookup: Callable[[Request], Awaitable[str | Failure]],
    at_own_place: Callable[[Request], Request] = lambda request: request,
) -> tuple[list[Observation], Failure | None]:
    """Follow what `first` (at `index` of the slot's observations, made of `target`) redirects to.

    `lookup` gives the address for a hop's host; `at_own_place` the request as the server asked takes it: an origin that
    writes the CDN's public name is asked at its own port. Returns the hops, each with role `redirect` and `of` =
    `index`, and why following stopped before the end; None where the last reply is no redirect, or its own failure
    says why.
    Cookies that a reply sets go along with the hops after it and are forgotten then.
    """
    hops: list[Observation] = []
    visited: tuple[Request, ...] = (target.request,)
    jar: tuple[Cookie, ...] = ()
    last, request = first, target.request
    while last.answer is not None:
        jar = with_response(jar, request, last.answer.fields)
        step = next_hop(request, last.answer, policy, visited, jar)
        if not isinstance(step, Request):
            return hops, step
        step = at_own_place(step)
        address = await lookup(step)
        if isinstance(address, Failure):
            return hops, address
        sent = with_cookies(step, jar)
        last = await fetcher.fetch(_hop(target, index, sent, address))
        hops.append(last)
        request, visited = step, (*visited, sent)
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


def ended(
    first: Observation, index: int, hops: list[Observation], failure: Failure | None
) -> tuple[Observation, ...]:
    """The hops, and why following stopped as one more observation, made of the last reply."""
    if failure is None:
        return tuple(hops)
    last = hops[-1] if hops else first
    return (*hops, replace(last, role=Role.REDIRECT, of=index, response=None, failure=failure))
