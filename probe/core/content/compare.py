"""Rule: content is judged by its bytes against every version that the origin was seen to serve.

Equal content under another coding is equal. An older version is stale or still fresh by its own lifetime.
Content that no known version explains convicts only where the edge cannot have got it from the origin before we
began to look: we did not see every version, and a cache may lawfully keep one that we missed. Where the origin
itself changed while we looked, or cannot be asked, nobody is accused.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

from probe.core.caching.cache_status import fetched_for_us
from probe.core.caching.freshness import current_age_s, declared
from probe.core.caching.staleness import UNDECLARED_LIFETIME_S, allowed, slack_s
from probe.core.content.unreadable import NOT_READ
from probe.core.http.fields import first_value
from probe.core.model.times import epoch_s, http_date_s
from probe.core.model.value import replace
from probe.core.records.observation import Comparison, Observation, Relation
from probe.core.records.origin import OriginVersion, Reference, identity, undecoded
from probe.core.records.response import Response

# Of an age in seconds: Age and Date tell whole ones, so that a thousandth is more than they vouch for.
_AGE_DIGITS = 3


def compare(
    observation: Observation,
    reference: Reference,
    at: str,
    *,
    origin_failing: bool,
    origin_words: Mapping[str, int] | None = None,
    asked_after: bool = False,
) -> Comparison | None:
    """One edge observation beside the origin's versions, at its own time `at` (RFC 3339).

    None where there is no complete successful body to compare. `origin_failing`: the origin could not be
    asked in this slot, so that stale-if-error (RFC 5861 section 4) counts. `origin_words`: how many caches speak in
    the origin's own replies, by field: what they say is no word of the edge's. `asked_after`: the origin was asked
    again in this slot after the edge had answered.
    """
    response, longer = observation.response, _longer_than_any(observation, reference)
    if response is None or not (longer or (observation.failure is None and response.body_complete)):
        return None
    if not 200 <= response.status_code < 300 or observation.method == "HEAD":
        return None
    if identity(response) is None and not longer:
        return _unreadable(response)
    if not reference.versions or reference.self_comparison:
        detail = "the origin answered from the CDN itself" if reference.self_comparison else None
        return Comparison(mode="exact", relation=Relation.UNVERIFIED, detail=detail)
    at_s = epoch_s(at)
    look = _Look(observation, response, reference, at_s, origin_failing, origin_words or {}, asked_after)
    found = replace(look.compared(), age_s=look.age_s)
    if not longer or found.relation is not Relation.UNKNOWN_VERSION or found.detail is not None:
        return found
    most = max(version.decoded_body_bytes or 0 for version in reference.versions)
    return replace(found, detail=f"over {most} bytes, the most that the origin was seen to serve")


def _longer_than_any(observation: Observation, reference: Reference) -> bool:
    """Not read whole, for a limit of ours, and already longer than every version of the origin: none of them it is."""
    response, versions = observation.answer, reference.versions
    if not observation.over_our_limit or response is None or response.decoded_body_bytes is None:
        return False
    sizes = [v.decoded_body_bytes for v in versions if v.content is None and v.decoded_body_bytes is not None]
    return bool(sizes) and len(sizes) == len(versions) and response.decoded_body_bytes > max(sizes)


def _unreadable(response: Response) -> Comparison:
    """Whole, and yet nothing that can be held against another."""
    if response.content is not None and response.content.flags:
        flags = response.content.flags
        own = "not read: the agent's own reading of contents failed"
        words = own if NOT_READ in flags else f"cannot be read as declared: {', '.join(flags)}"
        return Comparison(mode="normalised", relation=Relation.UNVERIFIED, detail=words)
    return Comparison(mode="exact", relation=Relation.UNVERIFIED, detail="content coding not understood")


@dataclass(slots=True)
class _Look:
    """One complete body beside a reference with at least one version."""

    observation: Observation
    response: Response
    reference: Reference
    at_s: float
    origin_failing: bool
    origin_words: Mapping[str, int]
    asked_after: bool
    newest: OriginVersion = field(init=False)
    age_s: float | None = field(init=False)

    def __post_init__(self) -> None:
        self.newest = self.reference.versions[-1]
        timing = self.observation.timing
        taken_us = (timing.response_start_us or 0) - (timing.request_start_us or 0)
        date = first_value(self.response.fields, "date")
        answered_s = self.at_s + max(0, taken_us) / 1e6
        age_s = current_age_s(self.response.age_s, date, self.at_s, answered_s)
        self.age_s = None if age_s is None else round(age_s, _AGE_DIGITS)

    def compared(self) -> Comparison:
        """The relation, and for an older version how old."""
        if identity(self.response) == identity(self.newest):
            return self._relation(Relation.EQUAL)
        pair = _last_pair(identity(self.response), self.reference.versions)
        if pair is not None:
            return self._older(*pair)
        unsure = self._coding_hides_it()
        if unsure is not None:
            return replace(self._relation(Relation.UNVERIFIED), detail=unsure)
        if self._unasked:
            return self._relation(Relation.UNVERIFIED)
        if self.reference.changed_during_slot:
            return self._relation(Relation.ORIGIN_CHANGING)
        after_present = self._after_the_present_version()
        if after_present is not None:
            return replace(self._relation(Relation.UNKNOWN_VERSION), detail=after_present)
        recent = self._unchanged_since() and (self._claims_nothing() or self._got_since())
        if recent or self._claims_known_version():
            return self._relation(Relation.UNKNOWN_VERSION)
        unseen = self._aged(Relation.UNSEEN_VERSION, self.newest, self.newest, UNDECLARED_LIFETIME_S)
        if unseen.within_lifetime is False and self._modified_after():
            detail = "modified after the origin's present version"
            return replace(self._relation(Relation.UNKNOWN_VERSION), detail=detail)
        return unseen

    def _coding_hides_it(self) -> str | None:
        """In words: under a content coding there may be the same content.

        A label of the edge's own that nobody asked for hides nothing: browsers show the bytes as they came.
        """
        if self.newest.undecoded and undecoded(self.response) != self.newest.undecoded:
            return (
                f"the origin's content coding is not to be undone surely: {', '.join(self.newest.undecoded)}"
            )
        flags = self.response.flags
        if self.newest.undecoded or "unknown_coding" not in flags or "unrequested_coding" in flags:
            return None
        return f"a content coding that we cannot undo: {', '.join(self.response.content_codings)}"

    @property
    def _unasked(self) -> bool:
        """We do not know what the origin serves at this moment."""
        return self.origin_failing or self.reference.left_out

    def _relation(self, relation: Relation) -> Comparison:
        mode = "exact" if self.response.content is None else "normalised"
        return Comparison(mode=mode, relation=relation, origin_content_digest=identity(self.newest))

    def _older(self, version: OriginVersion, successor: OriginVersion) -> Comparison:
        """An old version; where the origin may have returned to it unseen, only a copy of its first time convicts."""
        found = self._aged(Relation.OLDER, version, successor, None)
        if found.within_lifetime is False and self._unasked and not self._from_before(successor):
            return replace(found, relation=Relation.UNVERIFIED, within_lifetime=None)
        return found

    def _from_before(self, successor: OriginVersion) -> bool:
        """By its age the copy was got before the origin changed."""
        return self.age_s is not None and self.at_s - self.age_s <= epoch_s(successor.first_seen)

    def _aged(
        self,
        relation: Relation,
        version: OriginVersion,
        successor: OriginVersion,
        undeclared_s: float | None,
    ) -> Comparison:
        """The successor was first seen at or after the true change, so `behind_s` never overstates."""
        behind_s = max(0.0, self.at_s - epoch_s(successor.first_seen))
        found = allowed(
            self.response.fields,
            version.declared,
            behind_s,
            origin_failing=self.origin_failing,
            undeclared_s=undeclared_s,
            received_s=self.at_s - behind_s,
        )
        return replace(
            self._relation(relation),
            superseded_at=successor.first_seen,
            behind_s=behind_s,
            freshness_lifetime_s=found.fresh.lifetime_s,
            freshness_source=found.fresh.source,
            freshness_by=found.by,
            stale_while_revalidate_s=found.fresh.stale_while_revalidate_s,
            stale_if_error_s=found.fresh.stale_if_error_s,
            within_lifetime=found.within,
            allowance=found.allowance,
        )

    # --- what proves that no version explains the bytes ---------------------------------------------

    def _claims_known_version(self) -> bool:
        """The edge names a version that we know by its strong validator, and sends other bytes.

        An origin that gave one validator to two versions, as one made of size and second may be, names nothing.
        """
        etag = first_value(self.response.fields, "etag")
        if etag is None or etag.startswith("W/"):
            return False
        tags = [version.etag for version in self.reference.versions if version.etag is not None]
        return etag in tags and len(set(tags)) == len(tags)

    def _unchanged_since(self) -> bool:
        """The origin was asked once more after the edge had answered: it did not change just before that."""
        timing, last_asked = self.observation.timing, self.newest.last_asked
        if self.asked_after or last_asked is None:
            return True
        taken_us = (timing.response_end_us or 0) - (timing.request_start_us or 0)
        return epoch_s(last_asked) >= self.at_s + max(0, taken_us) / 1e6

    def _claims_nothing(self) -> bool:
        """No validator and no lifetime: it does not even pretend to be a stored version of something.

        Of what the origin names none for, a cache keeps a copy by its own rules and has none to pass on: then it
        pretends where its Age, its Date or a cache's word says that it was stored.
        """
        fields, newest = self.response.fields, self.newest
        if "fields_cut" in self.response.flags:
            return False  # what it claims may be in what we did not keep
        if self.at_s < epoch_s(newest.first_seen):
            return False  # it may have come before the origin changed
        unnamed = (newest.etag, newest.last_modified, newest.declared) == (None, None, None)
        if unnamed and self._says_it_was_stored():
            return False
        validators = first_value(fields, "etag"), first_value(fields, "last-modified")
        return validators == (None, None) and declared(fields, self.at_s).lifetime_s is None

    def _says_it_was_stored(self) -> bool:
        said = (self.observation.cache_status, *self.observation.caches)
        aged = self.age_s is not None and self.age_s > slack_s(self.response.fields)
        return self.response.age_s is not None or aged or any(word is not None and word.hit for word in said)

    def _got_since(self) -> bool:
        """The edge got its copy after the origin was first seen to serve its present version.

        Proof is its age (RFC 9111 section 4.2.3), or the caches' own word that they forwarded this request. Whoever
        sends Age served what was stored, be it in a cache that keeps quiet (section 5.1): then its age alone
        counts. A missing Age proves nothing: several caches never send it.
        """
        known_for_s = self.at_s - epoch_s(self.newest.first_seen)
        slack = slack_s(self.response.fields)
        if self.response.age_s is not None:
            return self.age_s is not None and self.age_s + slack <= known_for_s
        made_now = self.age_s is None or self.age_s <= slack
        return known_for_s >= 0 and made_now and fetched_for_us(self.observation, self.origin_words)

    def _after_the_present_version(self) -> str | None:
        """This node served the present version before, and the origin still has it: what it sends now is no older one.

        In words, with when that was; None where it was not seen to.
        """
        served = next((at for node, at in self.reference.served_by if node == self.observation.address), None)
        if served is None or not self._unchanged_since() or epoch_s(served) < epoch_s(self.newest.first_seen):
            return None
        return f"this node served the origin's present version at {served}"

    def _modified_after(self) -> bool:
        edge = http_date_s(first_value(self.response.fields, "last-modified"), self.at_s)
        origin = http_date_s(self.newest.last_modified, self.at_s)
        return edge is not None and origin is not None and edge > origin


def _last_pair(
    digest: str | None, versions: tuple[OriginVersion, ...]
) -> tuple[OriginVersion, OriginVersion] | None:
    """The last version with this digest and the one that replaced it; None if there is none."""
    for older, newer in reversed(list(itertools.pairwise(versions))):
        if identity(older) == digest:
            return older, newer
    return None
