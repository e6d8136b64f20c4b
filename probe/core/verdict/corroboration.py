"""Rule: before the CDN is accused, somebody else must have been reachable from here at the same time.

What the other observations of the slot say about the vantage point's line, the origin and our own loop. Each
property answers one question that an attribution rule asks; unknown is None, never False.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from probe.core.caching.cache_status import asked_origin
from probe.core.content.check_kind import Symptom, SymptomKind
from probe.core.model.task import Task
from probe.core.model.value import replace
from probe.core.records.failure import Failure, FailureType, Phase
from probe.core.records.observation import Observation, Relation, Role
from probe.core.records.surroundings import LineQuality, LineState
from probe.core.records.verdict import SECOND_LOOKS, Evidence
from probe.core.redirects.chain import along, chain_of
from probe.core.vantage import loss
from probe.core.vantage.clock_standing import RESTS_ON_DATES, date_may_accuse
from probe.core.vantage.health import (
    SILENT,
    counted,
    late,
    own_fault,
    reacted,
    somebody,
    state_of,
    version_of,
)
from probe.core.vantage.line_quality import (
    FOREIGN_CERTIFICATE,
    anchors_as_slow_as,
    clean_connections,
    line_quality,
    resent,
)
from probe.core.vantage.refusals import says_nothing
from probe.core.verdict.hijack import over_verified_tls
from probe.core.verdict.proxy_reports import answered_through_proxy, is_proxy_report

# A stall of our own loop can make these; it cannot make a 503 or other bytes.
TIMEOUTS = frozenset(kind for kind in FailureType if kind.value.endswith("timed_out"))
# What a line, or somebody on it, can do to every edge: then each of them is asked over another one.
OF_THE_LINE_TOO = TIMEOUTS | FOREIGN_CERTIFICATE | {FailureType.TCP_ADDRESS_UNREACHABLE}
STALL_US = 500_000
_OF_EDGES = frozenset({Role.EDGE, Role.CONFIRM, Role.SWEEP, Role.CHECK, Role.REDIRECT})


@dataclass(frozen=True, slots=True)
class Corroboration:
    """The surroundings of one slot."""

    task: Task
    evidence: Evidence

    def along(self, index: int | None) -> Corroboration:
        """As it counts for the end of the redirects followed from `index`: see `core.redirects.chain.along`."""
        seen = along(self.evidence.observations, index)
        return self if seen is None else Corroboration(self.task, replace(self.evidence, observations=seen))

    @property
    def offline(self) -> bool:
        """Anchors were asked in this slot, or on their own schedule while it ran, and none reacted.

        Design: vantage.offline. A line that was away and is back when the slot looks again has explained the failure.
        """
        if self._heard_meanwhile:
            return False
        health = self.evidence.vantage_health
        if health is not None and health.offline_meanwhile:
            return True
        if late(self._anchors) and not self.stalled:
            return True  # the line was only coming back when they were asked
        return state_of(*counted(self._anchors)) is LineState.OFFLINE

    def proves_the_line(self, observation: Observation) -> bool:
        """A whole reply that only the CDN can have sent: over verified TLS, or a 5xx with a cache's own marks.

        Over plain HTTP anybody on the way can answer in their name.
        """
        response = observation.answer
        if response is None or observation.role not in _OF_EDGES:
            return False
        if over_verified_tls(observation, self.task.tls):
            return True
        marked = observation.cache_status is not None or bool(observation.proxy_status)
        return marked and response.status_code >= 500

    @property
    def _heard_meanwhile(self) -> bool:
        """Something that proves the line came while the slot's anchors were asked in vain: then they are at fault."""
        begun = [o.timing.connect_start_us for o in self._anchors if o.timing.connect_start_us is not None]
        if not begun or state_of(*counted(self._anchors)) is not LineState.OFFLINE:
            return False
        heard = (o for o in self.evidence.observations if self.proves_the_line(o))
        return any((o.timing.response_start_us or 0) > min(begun) for o in heard)

    @property
    def line(self) -> LineQuality | None:
        """What speaks against our own line in this slot; None: nothing does."""
        return line_quality(self.evidence.observations) if self.evidence.observations else None

    def dead_beside_loss(self, symptom: Symptom, index: int) -> bool:
        """Whether the edge of observation `index` failed or was late so often that a lossy line does not explain it."""
        if symptom.kind is SymptomKind.TIMING:
            return self._lateness(symptom, index).beside_loss
        looks = [self.evidence.observations[index], *self._looks_again(index)]
        return loss.silent_beside_loss(looks, self.task.deadlines, self.line)

    def late_by_loss(self, symptom: Symptom) -> bool:
        """Whether a packet that was lost may be all that made this edge late: it was not seen to be late again.

        Where it was not asked about that, as in rows of earlier versions, the rules of other failures hold.
        """
        index = symptom.observation
        looks, paced = self._looks_again(index), SECOND_LOOKS in self.evidence.left_out
        if index is None or not looks or (len(looks) < loss.SLOW_LOOKS and not paced):
            return self.may_be_loss(index)
        lateness = self._lateness(symptom, index)
        explained = loss.may_be_a_lost_packet(lateness.first) or resent(lateness.first)
        return explained and not lateness.is_the_edges(clean_connections(self.evidence.observations))

    def _lateness(self, symptom: Symptom, index: int) -> loss.Lateness:
        seen, looks = self.evidence.observations, [o for o in self._looks_again(index) if not says_nothing(o)]
        fetched = [asked_origin(o.cache_status) for o in (seen[index], *looks)]
        late = [seen[i] for i in symptom.again_at]
        return loss.Lateness(
            first=seen[index], looks=looks, late=late, comparable=not fetched[0] or any(fetched[1:])
        )

    def may_be_loss(self, index: int | None) -> bool:
        """Whether lost packets may be all that is wrong with this edge. What a second look showed again is not loss."""
        if index is None or self.confirmed(index):
            return False
        clean = 0 if SECOND_LOOKS in self.evidence.left_out else clean_connections(self.evidence.observations)
        first, again = self.evidence.observations[index], self._looks_again(index)
        return loss.once_by_loss(first, again, clean, self.task.deadlines)

    def _looks_again(self, index: int | None) -> list[Observation]:
        return [o for o in self.evidence.observations if o.role is Role.CONFIRM and o.of == index]

    @property
    def anchors_unasked(self) -> FailureType | None:
        """What our own host lacked when the anchors were to be asked, if that was why none was."""
        if any(map(reacted, self._anchors)) or counted(self._anchors)[0]:
            return None
        lacked = [kind for kind in map(own_fault, self._anchors) if kind is not None]
        return next((kind for kind in lacked if kind is not FailureType.TCP_ADDRESS_BLOCKED), None)

    @property
    def _anchors(self) -> list[Observation]:
        return [o for o in self.evidence.observations if o.role is Role.ANCHOR]

    @property
    def line_proven(self) -> bool:
        """Somebody reacted in this slot: an anchor, the origin or an edge, if only by a refusal.

        Through a proxy only a real reply counts: see `core.verdict.proxy_reports`.
        """
        if self.task.vantage_point.proxy is not None:
            return answered_through_proxy(self.task, self.evidence)
        others = (4, 6)[self.task.ip_version == 4]  # what IPv4 carries says nothing of IPv6
        return any(somebody(o) for o in self._own_line if version_of(o.address) != others)

    @property
    def _own_line(self) -> Iterator[Observation]:
        """What went over this vantage point's own line: a reply over another one proves nothing of it."""
        return (o for o in self.evidence.observations if o.vantage_point is None)

    def unproven(self, kind: FailureType) -> bool:
        """This failure may be our own line's or proxy's as well: nobody was seen to react."""
        return (kind in SILENT or is_proxy_report(self.task, kind)) and not self.line_proven

    @property
    def stalled(self) -> bool:
        """Our own event loop stood still long enough to make a deadline pass."""
        return (self.evidence.host.loop_lag_us or 0) >= STALL_US

    @property
    def origin_looks(self) -> tuple[Observation, ...]:
        """Every time that the origin was asked in this slot, but for those that failed through our fault."""
        asked = (o for o in self.evidence.observations if o.role is Role.ORIGIN)
        return tuple(o for o in asked if o.failure is None or not self._may_be_ours(o, o.failure))

    def _may_be_ours(self, observation: Observation, failure: Failure) -> bool:
        """Our host failed, or our clock may be why a certificate's date does not fit."""
        if failure.type in RESTS_ON_DATES:
            return not date_may_accuse(self.evidence, observation)
        return failure.phase is Phase.HOST

    def clock_may_explain(self, reason: str, index: int | None) -> bool:
        """A certificate's date does not fit, and nobody vouches closely enough for our own clock."""
        if reason not in RESTS_ON_DATES or index is None:
            return False
        looks = [self.evidence.observations[index], *self._hops_from(index)]
        return not date_may_accuse(self.evidence, looks[-1])

    def _hops_from(self, index: int) -> list[Observation]:
        return [o for o in self.evidence.observations if o.role is Role.REDIRECT and o.of == index]

    @property
    def origin(self) -> Observation | None:
        """The look that excuses most: the last one that failed, else the last one; None if there was none.

        An origin that recovers between the edge's failure and our second look is still why the edge failed.
        """
        looks = self.origin_looks
        failing = [look for look in looks if _failing(look)]
        if failing:
            return failing[-1]
        return looks[-1] if looks else None

    def origin_as_slow_as(self, edge: Observation) -> bool:
        """The origin failed, or took at least half as long as the edge, which had to wait for it."""
        edge_us = edge.timing.ttfb_us
        for look in self.origin_looks:
            own_us = look.timing.ttfb_us
            if (look.failure is not None and not look.over_our_limit) or (
                own_us is not None and edge_us is not None and own_us * 2 >= edge_us
            ):
                return True
        return False

    def anchors_as_slow_as(self, index: int) -> bool:
        """Whether the anchors, which have nothing to do with the CDN, took about as long as this edge."""
        return anchors_as_slow_as(self.evidence.observations, self.evidence.observations[index])

    def right_elsewhere(self, index: int | None) -> bool:
        """Whether the edge of observation `index` gave the origin's content by another way in this slot."""
        looks = (o for o in self.evidence.observations if o.role is Role.ELSEWHERE and o.of == index)
        return any(map(_equal, looks))

    def origin_is_in_doubt(self, index: int | None) -> bool:
        """Whether who blames the origin for the edge of observation `index` may have seen our line alone.

        Over another vantage point's line this edge gave the origin's content in this slot, and nothing that the origin
        said here came over verified TLS: somebody between who answers for the edge can answer for the origin too.
        """
        looks = (o for o in self.evidence.observations if o.role is Role.ELSEWHERE and o.of == index)
        if index is None or not any(o.vantage_point is not None and _equal(o) for o in looks):
            return False
        origin = self.task.origin
        return origin is None or not any(over_verified_tls(o, origin.tls) for o in self.origin_looks)

    def quicker_elsewhere(self, index: int) -> bool:
        """Whether this edge gave the origin's content over another line in less than half of its time here."""
        here_us = self.evidence.observations[index].timing.whole_us
        looks = (o for o in self.evidence.observations if o.role is Role.ELSEWHERE and o.of == index)
        there_us = [o.timing.whole_us for o in looks if o.vantage_point is not None and _equal(o)]
        return here_us is not None and any(us is not None and us * 2 < here_us for us in there_us)

    @property
    def origin_marks(self) -> tuple[str, ...] | None:
        """The markers in the origin's present version; None where it was not read for any."""
        versions = self.evidence.reference.versions
        return versions[-1].content.found if versions and versions[-1].content is not None else None

    def controls(self, ask: str | None) -> tuple[Observation, ...]:
        """The origin's complete replies to a check's further request."""
        asked = (o for o in self.evidence.observations if o.role is Role.CONTROL and o.ask == ask)
        return tuple(o for o in asked if ask is not None and o.failure is None and not says_nothing(o))

    def control_gave(self, ask: str | None, status_code: int | None) -> bool:
        """The origin answered a check's further request with this status."""
        given = (control.response for control in self.controls(ask))
        return any(response is not None and response.status_code == status_code for response in given)

    @property
    def origin_status(self) -> int | None:
        """Status of that look, if its reply was complete."""
        return None if self.origin is None else _status(self.origin)

    def origin_gave(self, status_code: int) -> bool:
        """Asked directly, the origin gave this status in this slot."""
        return any(_status(look) == status_code for look in self.origin_looks)

    @property
    def origin_failing(self) -> bool:
        """Asked directly, the origin once gave no complete reply or a 5xx."""
        return self.origin is not None and _failing(self.origin)

    def origin_led_there(self, index: int | None, end: Observation) -> bool:
        """A redirect that the origin gives too led to somebody else's server, which failed the origin's way as well."""
        look, edge = self.origin, self.evidence.observations[index or 0]
        if end.address == edge.address or look is None or look.failure is None or end.failure is None:
            return False
        return (look.address, look.failure.type) == (end.address, end.failure.type)

    @property
    def origin_well(self) -> bool:
        """Asked directly, the origin gave a complete reply below 500."""
        return self.origin is not None and not self.origin_failing

    @property
    def origin_reason(self) -> str:
        """`origin.` and what it suffered from: origin.tcp.refused, origin.http.error."""
        origin = self.origin
        failure = None if origin is None or origin.over_our_limit else origin.failure
        kind = "http.error" if failure is None else failure.type
        return f"origin.{kind}"

    def confirmed(self, index: int | None) -> bool | None:
        """Whether a second look at observation `index` failed again; None if nobody looked, or was let."""
        seen = self.evidence.observations
        again = [i for i, o in enumerate(seen) if o.role is Role.CONFIRM and o.of == index]
        looks = [chain_of(seen, i) for i in again if not says_nothing(seen[i])]
        if index is None or not looks:
            return None
        first = chain_of(seen, index)
        return any(_alike(first[-1] if len(look) > 1 else first[0], look[-1]) for look in looks)


def _equal(look: Observation) -> bool:
    return look.comparison is not None and look.comparison.relation is Relation.EQUAL


def _status(look: Observation) -> int | None:
    return None if look.answer is None else look.answer.status_code


def _failing(look: Observation) -> bool:
    """Where a limit of ours cut an answer, its status still counts."""
    status = _status(look)
    return (look.failure is not None and not look.over_our_limit) or (status or 0) >= 500


def _alike(first: Observation, again: Observation) -> bool:
    """Failed again, in whatever way, or gave the same wrong answer."""
    if again.failure is not None and not again.over_our_limit:
        return True
    if first.answer is None or again.answer is None:
        return False
    if first.answer.status_code != again.answer.status_code:
        return again.answer.status_code >= 500
    if first.ask is not None:
        return first.answer.digest == again.answer.digest
    if first.comparison is not None and again.comparison is not None:
        # Which of two unknown versions may be one that we have not seen depends on when the origin was looked at.
        was, now = first.comparison.relation, again.comparison.relation
        unseen = (was, now) == (Relation.UNKNOWN_VERSION, Relation.UNSEEN_VERSION)
        return now in (was, Relation.UNKNOWN_VERSION) or (
            unseen and first.answer.digest == again.answer.digest
        )
    return True
