"""Rule: the origin decides what is right; what is known of it carries the time at which it was known.

The versions of an object that the customer's origin served, newest last, and how fresh that knowledge is. Written by
`probe.measure` from its requests to the origin; read by `core.content` (comparison) and by the judge.
"""

from __future__ import annotations

from probe.core.model.value import Value
from probe.core.records.response import ContentFacts, Freshness, Response


def identity(content: OriginVersion | Response) -> str | None:
    """What two pieces of content must share to count as the same: by the declared rules if there are any, else bytes.

    None where it is not known.
    """
    return content.content_digest if content.content is None else content.content.normalised_digest


def undecoded(response: Response) -> tuple[str, ...]:
    """The content codings of an origin's response of which nobody can say what a cache may make of them.

    Nobody knows them, or clients read less of them than a cache that undoes them by the book.
    """
    unsure = "unknown_coding" in response.flags or "several_gzip_members" in response.flags
    return response.content_codings if unsure else ()


class OriginVersion(Value, frozen=True, kw_only=True):
    """One version of an object as the origin itself served it. Times RFC 3339 UTC.

    `last_asked`: when the request was begun that `last_seen` ended; the origin still had this version after it.
    `declared`: for how long the origin lets a cache serve it, the most generous of what it said. `undecoded`: content
    codings that nobody knows, so that the digest is of the bytes as they came, or that a cache may undo otherwise.
    """

    content_digest: str
    decoded_body_bytes: int | None
    status_code: int
    etag: str | None
    last_modified: str | None
    first_seen: str
    last_seen: str
    content: ContentFacts | None = None
    last_asked: str | None = None
    declared: Freshness | None = None
    undecoded: tuple[str, ...] = ()


class OriginAsk(Value, frozen=True, kw_only=True):
    """One time that an origin was asked. `at`: RFC 3339 UTC; `address`: the one asked, None where its name led to none.

    `answered`: a response came, whatever its status. `failure`: the failure type, where none came whole.
    """

    at: str
    address: str | None
    answered: bool
    failure: str | None = None


class OriginStanding(Value, frozen=True, kw_only=True):
    """What an origin's word is worth: its last asks, oldest first, and when and at which address it last answered.

    `last_answered_at` None: it never did, as far as this agent and its store know.
    """

    asks: tuple[OriginAsk, ...] = ()
    last_answered_at: str | None = None
    last_answered_address: str | None = None

    @property
    def never_answered(self) -> bool:
        """It was asked and never answered: it protects nobody, and nothing can be compared with it."""
        return bool(self.asks) and self.last_answered_at is None


class Reference(Value, frozen=True, kw_only=True):
    """The origin's side of a slot: the versions known, newest last, and how fresh that knowledge is.

    `configured` is False where the customer named no origin. `verified_at`: when the newest version was last
    fetched or revalidated. `changed_during_slot`: two looks within this slot, or since `verified_at`,
    disagreed. `self_comparison`: the origin answered from the CDN itself. `left_out`: the origin was due to be asked
    and was not, since its ceiling of requests was reached: nothing that disagrees with it can be held against anybody.
    `standing`: whether and when it answered us at all. `served_by`: nodes off now that served its present version
    before, as (address, when they did last). `fields`: those that checks compare with, as the origin last gave them
    with its present version; a 304 brings some of them up to date (RFC 9111 section 3.2).
    """

    configured: bool
    versions: tuple[OriginVersion, ...] = ()
    verified_at: str | None = None
    changed_during_slot: bool = False
    self_comparison: bool = False
    left_out: bool = False
    standing: OriginStanding | None = None
    served_by: tuple[tuple[str, str], ...] = ()
    fields: tuple[tuple[str, str], ...] = ()

    @property
    def newest_digest(self) -> str | None:
        """What identifies the content of the origin's present version."""
        return identity(self.versions[-1]) if self.versions else None
