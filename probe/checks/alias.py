"""Rule: a name that no longer leads through the CDN is the customer's doing, and said so before anything else.

Contract B: domains are served by alias; an unannounced change of the alias is not counted against the CDN.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from probe.core.content.check_kind import CheckKind, Params, Symptom, SymptomKind
from probe.core.dns.fault_zone import passes_suffix
from probe.core.model.task import Task
from probe.core.nodes.eligibility import BY_PROXY
from probe.core.records.verdict import Evidence


class Alias(Params):
    """`suffixes`: beside the domain's own `cdn.suffixes`, names under which the chain may pass."""

    suffixes: tuple[str, ...] = Field(
        default=(), description="Further suffixes, beside the domain's cdn.suffixes"
    )


def examine(params: Alias, task: Task, evidence: Evidence) -> Iterator[Symptom]:
    """An ALIAS symptom if the name resolved and its chain passes none of the expected suffixes."""
    resolution = evidence.resolution
    expected = task.cdn_suffixes + params.suffixes
    if resolution is None or resolution.failure is not None or not expected:
        return
    if BY_PROXY in resolution.flags:
        yield Symptom(
            check=KIND.name,
            kind=SymptomKind.NOTE,
            reason="alias.unverified",
            detail=f"{resolution.qname} was looked up by the proxy, which tells no chain",
        )
        return
    if not passes_suffix(resolution, expected):
        chain = " -> ".join([resolution.qname, *(link.target for link in resolution.cname_chain)])
        yield Symptom(
            check=KIND.name,
            kind=SymptomKind.ALIAS,
            reason="dns.alias_changed",
            detail=f"{chain}; expected a name under {', '.join(expected)}",
        )


KIND = CheckKind(
    name="alias",
    params=Alias,
    examine=examine,
    summary="the CNAME chain passes a name of the CDN",
)
