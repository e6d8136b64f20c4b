"""Rule: what a reader may not see is answered as what does not exist.

Who looks, and what of the sums is theirs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from probe.api.http.problem import not_found
from probe.api.request.auth import Caller
from probe.page.domain import DomainView
from probe.page.incident import IncidentView
from probe.page.model.board import GRAIN_US
from probe.page.model.facts import DomainFacts
from probe.page.model.feed import Feed
from probe.page.model.values import Looking, Standing, Trouble
from probe.page.overview import Overview


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks. `caller` None: anybody, at the domains of `anonymous`."""

    caller: Caller | None
    anonymous: frozenset[str] = frozenset()

    @property
    def customers(self) -> frozenset[str] | None:
        """Whose; None: everybody's, of whom `anonymous` names domains where nobody signed in."""
        if self.caller is None or self.caller.sees_all:
            return None
        return frozenset(self.caller.token.customers)

    @property
    def rights(self) -> tuple[object, ...]:
        """Who has the same sees the same."""
        if self.caller is None:
            return (self.anonymous,)
        return (self.customers, frozenset(self.caller.token.may))

    def sees(self, customer: str | None, domain: str | None) -> bool:
        """Whether the state of a domain of a customer may be shown; `customer` None: a vantage point's own."""
        if self.caller is None:
            return domain in self.anonymous
        return self.caller.sees_all if customer is None else self.caller.sees(customer)

    def sees_rows(self, customer: str) -> bool:
        """Whether rows of a customer may be shown."""
        return self.caller is not None and self.caller.sees(customer)

    def may(self, verb: str) -> bool:
        """Whether its token may ask for this."""
        return self.caller is not None and verb in self.caller.token.may

    def looking(self, asked: Looking) -> Looking:
        """As it is asked, by this viewer."""
        reader = None if self.caller is None else self.caller.token.name
        return replace(asked, may_evidence=self.may("evidence"), reader=reader)

    def standing(self, of: Standing, feed: Feed) -> Standing:
        """With the sources that are theirs."""
        return replace(of, sources=() if self.caller is None else feed.sources(self.customers))

    def troubles(self, feed: Feed) -> tuple[Trouble, ...]:
        """Incidents that are theirs."""
        return tuple(one for one in feed.book.troubles() if self.sees(one.customer, one.domain))

    def overview(self, feed: Feed, now_us: int) -> Overview:
        """What the overview shows."""
        domains = (one for one in feed.board.of(self.customers) if self.sees(one.customer, one.domain))
        return Overview(
            domains=tuple(domains),
            troubles=self.troubles(feed),
            end=_end(feed, now_us),
            detailed_from=feed.board.detailed_from,
        )

    def domain(self, feed: Feed, customer: str, name: str, now_us: int) -> DomainView:
        """One domain. Raises Refused (404)."""
        sums = feed.board.domains.get((customer, name)) if self.sees(customer, name) else None
        if sums is None:
            raise not_found()
        own = (
            self.caller is not None
        )  # anybody sees states, and nothing that names nodes' certificates or contents
        return DomainView(
            sums=sums,
            facts=(feed.facts.get((customer, name)) if own else None) or DomainFacts(),
            troubles=tuple(t for t in self.troubles(feed) if (t.customer, t.domain) == (customer, name)),
            end=_end(feed, now_us),
        )

    def incident(self, feed: Feed, identifier: str, now_us: int) -> IncidentView:
        """One incident. Raises Refused (404)."""
        found = next((one for one in self.troubles(feed) if one.id == identifier), None)
        if found is None:
            raise not_found()
        own = self.caller is not None
        return IncidentView(
            trouble=found if own else replace(found, keys=()),
            sums=feed.board.domains.get((found.customer or "", found.domain or "")),
            briefs={name: feed.book.briefs[name] for name in found.keys if name in feed.book.briefs},
            end=_end(feed, now_us),
            pages=frozenset(name for name in found.keys if self.sees_rows(name[1])),
        )


def _end(feed: Feed, now_us: int) -> int:
    return max(now_us // GRAIN_US, feed.board.last)
