"""Rule: one edge gives one content, whichever HTTP version it is asked by; the origin says which one is right.

Pure. The object itself is asked for once more by another HTTP version, of one edge in turn, and its content held
against the origin's as the edge's own is. Where no origin can say which of two contents is right, nobody is accused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from probe.core.content.check_kind import FollowUpRequest, SymptomKind
from probe.core.content.comparison_notes import detail_of, meaning_of, plainest
from probe.core.model.protocols import ALPN, SHOWN
from probe.core.model.times import epoch_s, utc_text
from probe.core.model.value import replace
from probe.core.records.observation import Observation, Relation, Role
from probe.core.records.origin import Reference, identity
from probe.core.records.verdict import SECOND_LOOKS, Evidence
from probe.core.vantage.refusals import says_nothing

_CHECK, _BY = "integrity", "by"
_ASKED = f"{_CHECK}.{_BY}:"
Said = tuple[SymptomKind, str, int, str]


def asked_by_protocol(observation: Observation) -> bool:
    """A further request for the object itself by another HTTP version, or a second look at one."""
    return observation.ask is not None and observation.ask.startswith(_ASKED)


def requests(protocols: Iterable[str]) -> Iterator[FollowUpRequest]:
    """One for each version that the edge's own reply did not come by."""
    for protocol in dict.fromkeys(protocols):
        yield FollowUpRequest(
            name=f"{_BY}:{protocol}", protocol=protocol, compared=True, settle=partial(_settled, protocol)
        )


def _settled(protocol: str, edge: Observation) -> FollowUpRequest | None:
    response = edge.answer
    if response is None or response.next_hop_protocol in ALPN[protocol]:
        return None
    if not edge.url.startswith("https:"):
        return None
    return FollowUpRequest(name=f"{_BY}:{protocol}", protocol=protocol, compared=True)


def differing(evidence: Evidence) -> Iterator[Said]:
    """Kind, reason, index and words, for each such request whose content is not that of the edge's own reply."""
    for index, seen in enumerate(evidence.observations):
        if seen.role is not Role.CHECK or not asked_by_protocol(seen):
            continue
        own = next(
            (o for o in evidence.observations if o.role is Role.EDGE and o.address == seen.address), None
        )
        if own is not None and own.answer is not None and not says_nothing(seen):
            yield from _beside(evidence, index, seen, own)


def _looked_again(evidence: Evidence, index: int) -> bool:
    """Or nobody will be: for the edge's pace."""
    again = any(o.role is Role.CONFIRM and o.of == index for o in evidence.observations)
    return again or SECOND_LOOKS in evidence.left_out


def with_own_reply(evidence: Evidence, seen: Observation) -> Reference:
    """The reference; where the same node gave the origin's present version just before, as its own reply, that too.

    Then what it gives by another version of HTTP is no older copy: a node that has the present version got it last.
    """
    reference, begun_us = evidence.reference, seen.timing.request_start_us
    own = next((o for o in evidence.observations if o.role is Role.EDGE and o.address == seen.address), None)
    if own is None or own.response is None or own.timing.response_end_us is None or begun_us is None:
        return reference
    present = reference.newest_digest is not None and identity(own.response) == reference.newest_digest
    if not present or own.timing.response_end_us > begun_us:
        return reference
    served_at = utc_text(epoch_s(evidence.started_at) + own.timing.response_end_us / 1e6)
    others = tuple(pair for pair in reference.served_by if pair[0] != own.address)
    return replace(reference, served_by=(*others, (own.address, served_at)))


def _beside(evidence: Evidence, index: int, seen: Observation, own: Observation) -> Iterator[Said]:
    version = SHOWN[(seen.ask or "").removeprefix(_ASKED)]
    if seen.answer is None or seen.over_our_limit or own.over_our_limit:
        why = "cut by a limit of ours" if seen.failure is None else str(seen.failure.type)
        yield SymptomKind.NOTE, "integrity.unverified", index, f"over {version}: {why}"
        return
    theirs, ours = seen.answer, own.answer
    assert ours is not None, "asked only beside a reply"
    statuses = f"status {ours.status_code} over {ours.next_hop_protocol}, {theirs.status_code} over {version}"
    if theirs.status_code != ours.status_code:
        kind = SymptomKind.NOTE if theirs.status_code >= 500 else SymptomKind.CONTENT
        right = own.comparison is not None and own.comparison.relation is Relation.EQUAL
        yield kind if right else SymptomKind.NOTE, "content.protocols_differ", index, statuses
        return
    if not 200 <= theirs.status_code < 300 or theirs.content_digest == ours.content_digest:
        return
    words = f"over {version}; over {ours.next_hop_protocol} "
    comparison = plainest(evidence, index, seen.comparison)
    if comparison is None or comparison.relation is Relation.UNVERIFIED:
        told = f"{words}other content, and no origin that says which is right"
        yield SymptomKind.NOTE, "content.protocols_differ", index, told
        return
    if comparison.relation is Relation.EQUAL or own.comparison is None:
        return  # what the edge itself gave is compared by itself
    kind, reason = meaning_of(comparison)
    if own.comparison.relation is Relation.EQUAL:
        if comparison.relation is Relation.UNSEEN_VERSION and not _looked_again(evidence, index):
            kind = SymptomKind.CONTENT  # worth a second look, beside which the origin is asked again
        told = detail_of(comparison) or reason
        said = "content.protocols_differ" if kind is SymptomKind.CONTENT else reason
        yield kind, said, index, f"{words}the origin's content; {told}"
    elif own.comparison.relation is not comparison.relation:
        yield kind, reason, index, f"{words}{own.comparison.relation}"
