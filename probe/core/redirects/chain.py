"""Rule: an origin explains the end of an edge's chain of redirects only if it gives the same redirects up to there.

Two chains of observations, each with the first reply and every hop that was followed. Hop by hop the status and the
place must be the same; the origin's own port or scheme in a Location counts as the edge's, since a CDN that passes a
redirect on may write its own there.
"""

from __future__ import annotations

from collections.abc import Sequence

from probe.core.http.fields import field_values
from probe.core.model.value import replace
from probe.core.records.observation import Observation, Role
from probe.core.redirects.target import resolved
from probe.core.text import uri


def chain_of(observations: Sequence[Observation], index: int) -> tuple[Observation, ...]:
    """The reply `index`, and what was followed from it, in order."""
    hops = (o for o in observations if o.role is Role.REDIRECT and o.of == index)
    return (observations[index], *hops)


def counterpart(edge: Sequence[Observation], origin: Sequence[Observation]) -> Observation | None:
    """What the origin's chain has where the edge's ends; None where they part before, or nothing was followed."""
    if len(edge) < 2 or len(origin) < len(edge):
        return None
    for ours, theirs in zip(edge[:-1], origin, strict=False):
        if not _same_redirect(ours, edge[0].url, theirs, origin[0].url):
            return None
    return origin[len(edge) - 1]


def along(observations: Sequence[Observation], index: int | None) -> tuple[Observation, ...] | None:
    """The observations as they count for the end of what was followed from the edge's reply `index`.

    Each look at the origin is replaced by what the origin's own chain has at that place, where both are the same hop
    by hop up to there. None where nothing was followed.
    """
    edge = () if index is None else chain_of(observations, index)
    if len(edge) < 2:
        return None

    def at_that_place(place: int, look: Observation) -> Observation:
        end = counterpart(edge, chain_of(observations, place)) if look.role is Role.ORIGIN else None
        return look if end is None else replace(end, role=Role.ORIGIN, of=None)

    return tuple(at_that_place(place, look) for place, look in enumerate(observations))


def _same_redirect(edge: Observation, edge_first: str, origin: Observation, origin_first: str) -> bool:
    if edge.response is None or origin.response is None:
        return False
    if edge.response.status_code != origin.response.status_code:
        return False
    return bool(_places(edge, edge_first, edge_first) & _places(origin, origin_first, edge_first))


def _places(reply: Observation, own_first: str, common: str) -> set[str]:
    """Where a reply sends to; once more with the chain's own scheme, host and port written as those of `common`."""
    found = set()
    for value in field_values(reply.response.fields if reply.response is not None else (), "location"):
        place = resolved(reply.url, value)
        found.add(place)
        parts, own, other = (uri.normalised(uri.split(text)) for text in (place, own_first, common))
        if (parts.scheme, parts.authority) == (own.scheme, own.authority):
            found.add(str(parts._replace(scheme=other.scheme, authority=other.authority)))
    return found
