"""A simulated origin whose object changes, lawful caches before it, and an agent that looks at both.

Nothing here is wrong unless a test makes it so: whoever is accused in it is accused falsely. What a cache stores, for
how long, what it says of itself and how it rounds is drawn for each world. Caches are simple: each has one copy,
forwards where that is not fresh (RFC 9111 section 4.2), and passes on what the origin said. Times are seconds since
`EPOCH_S` unless named otherwise.

`python -m tests.core.content.changing 340000` makes so many comparisons and ends with 1 if anybody is accused.
"""

from __future__ import annotations

import math
import random
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import formatdate

from probe.core.caching.cache_status import with_caches
from probe.core.content.history import with_reply
from probe.core.model.times import utc_text
from probe.core.model.value import replace
from probe.core.nodes.propagation_tracker import PropagationTracker
from probe.core.records.observation import Comparison, Observation, Relation, Role
from probe.core.records.origin import OriginVersion, Reference
from probe.core.records.response import Response
from probe.core.records.transport import ResourceTiming
from probe.core.records.verdict import Evidence
from probe.core.verdict.comparisons import with_comparisons
from tests.support.build import ORIGIN, host, resolution, task

EPOCH_S = 1_795_000_000.0
# What the origin declares, and for how long a cache of ours keeps it by that; None: for as long as it likes.
LIFETIMES: tuple[tuple[tuple[tuple[str, str], ...], float | None, float], ...] = (
    ((), None, 0.0),
    ((("cache-control", "public"),), None, 0.0),
    ((("cache-control", "no-store"),), 0.0, 0.0),
    ((("cache-control", "max-age=0, must-revalidate"),), 0.0, 0.0),
    ((("cache-control", "max-age=5"),), 5.0, 0.0),
    ((("cache-control", "s-maxage=30, max-age=0"),), 30.0, 0.0),
    ((("cache-control", "max-age=3600"),), 3600.0, 0.0),
    ((("cache-control", "max-age=2, stale-while-revalidate=20"),), 2.0, 20.0),
)
PERIODS_S = (1.0, 1.0, 1.0, 1.0, 7.0, 45.0, 400.0)
INTERVALS_S = (1.0, 5.0, 10.0, 60.0)
SLOTS = 24
SLOT_S = 0.5  # no slot takes longer
TASK = task()


@dataclass(slots=True)
class Origin:
    """Its object is another every `period_s`; the digest is the number of the version."""

    period_s: float
    begin_s: float
    declares: tuple[tuple[str, str], ...]
    etag: str | None  # strong, weak
    dated: bool  # Last-Modified
    skew_s: float

    def version_at(self, at_s: float) -> int:
        return math.floor((at_s - self.begin_s) / self.period_s)

    def reply(self, at_s: float) -> tuple[int, tuple[tuple[str, str], ...]]:
        number = self.version_at(at_s)
        fields = [("date", self.date(at_s)), *self.declares]
        if self.etag is not None:
            fields.append(("etag", f'{"W/" if self.etag == "weak" else ""}"{number}"'))
        if self.dated:
            fields.append(("last-modified", self.date(self.begin_s + number * self.period_s)))
        return number, tuple(fields)

    def date(self, at_s: float) -> str:
        return formatdate(math.floor(EPOCH_S + at_s + self.skew_s), usegmt=True)


@dataclass(slots=True)
class Copy:
    """A stored response: when it was asked for, and how old it was when it came; None: it did not say."""

    version: int
    fields: tuple[tuple[str, str], ...]
    asked_s: float
    age_s: int | None


@dataclass(slots=True)
class Cache:
    """One cache. `says`: how it names hits and misses; `behind`: another cache, or the origin itself.

    `sends_age`: as RFC 9111 section 5.1 demands; without it, as nginx, it also writes a Date of its own.
    """

    behind: Cache | Origin
    lifetime_s: float
    stale_s: float
    says: str | None
    sends_age: bool
    clock: Origin
    copy: Copy | None = None

    def reply(self, at_s: float) -> tuple[int, tuple[tuple[str, str], ...]]:
        """What it answers to a request that comes at `at_s`."""
        copy = self.copy
        age_s = 0.0 if copy is None else (copy.age_s or 0) + (at_s - copy.asked_s)
        # It counts whole seconds, as many do.
        fresh = copy is not None and self.lifetime_s > 0 and math.floor(age_s) < self.lifetime_s
        if copy is not None and not fresh and 0 < self.lifetime_s <= age_s < self.lifetime_s + self.stale_s:
            self.copy = self._asked(at_s)  # in the background: this request gets the old one
            return self._stored(copy, age_s, at_s)
        if fresh and copy is not None:
            return self._stored(copy, age_s, at_s)
        made = self._asked(at_s)
        self.copy = made if self.lifetime_s > 0 else None
        return made.version, self._passed_on(made, made.age_s, at_s, hit=False)

    def _asked(self, at_s: float) -> Copy:
        number, fields = self.behind.reply(at_s + 0.004)
        age = next((int(value) for name, value in fields if name == "age"), None)
        return Copy(number, tuple(f for f in fields if f[0] != "age"), at_s, age)

    def _stored(self, copy: Copy, age_s: float, at_s: float) -> tuple[int, tuple[tuple[str, str], ...]]:
        return copy.version, self._passed_on(copy, math.floor(age_s), at_s, hit=True)

    def _passed_on(
        self, copy: Copy, age_s: int | None, at_s: float, *, hit: bool
    ) -> tuple[tuple[str, str], ...]:
        fields = [f for f in copy.fields if self.sends_age or f[0] != "date"]
        if self.sends_age and age_s is not None:
            fields.append(("age", str(age_s)))
        if not self.sends_age:
            fields.append(("date", self.clock.date(at_s)))
        if self.says == "cache-status":
            fields.append(("cache-status", "edge; hit" if hit else "edge; fwd=miss; stored"))
        elif self.says == "x-cache":
            fields.append(("x-cache", "HIT" if hit else "MISS"))
        return tuple(fields)


@dataclass(slots=True)
class World:
    """One origin, one or two edges and the agent's looks at them."""

    seed: int
    random: random.Random = field(init=False)
    origin: Origin = field(init=False)
    edges: dict[str, Cache] = field(init=False)
    interval_s: float = field(init=False)
    now_s: float = 100_000.0
    versions: tuple[OriginVersion, ...] = ()
    tracker: PropagationTracker = field(default_factory=PropagationTracker)

    def __post_init__(self) -> None:
        draw = self.random = random.Random(self.seed)
        declares, bound_s, stale_s = draw.choice(LIFETIMES)
        self.origin = Origin(
            draw.choice(PERIODS_S), draw.uniform(0, 1), declares, draw.choice(("strong", "weak", None)),
            draw.random() < 0.5, draw.choice((0.0, 0.0, -3.0, 3.0)),
        )  # fmt: skip
        lifetime_s = draw.choice((0.0, 10.0, 600.0)) if bound_s is None else bound_s
        age, says = draw.random() < 0.7, draw.choice((None, "cache-status", "x-cache"))
        if not age and bound_s is None and self.origin.etag is None and not self.origin.dated:
            says = says or "x-cache"  # one that shows nothing at all would break RFC 9111 section 5.1

        def cache(behind: Cache | Origin, speaks: str | None) -> Cache:
            return Cache(behind, lifetime_s, stale_s, speaks, age, self.origin)

        # A cache that keeps quiet behind another shows itself by its Age, or it would break RFC 9111 section 5.1.
        shield: Cache | Origin = cache(self.origin, None) if age and draw.random() < 0.3 else self.origin
        self.edges = {f"192.0.2.{n}": cache(shield, says) for n in range(1, 1 + draw.choice((1, 6, 12)))}
        self.interval_s = draw.choice(INTERVALS_S) * draw.uniform(0.9, 1.1)

    def compared(self) -> Iterator[tuple[Observation, Comparison]]:
        """All comparisons of `SLOTS` slots."""
        for _ in range(SLOTS):
            self.now_s += self.interval_s
            for cache in self.edges.values():  # other users ask too
                room_s = min(self.interval_s - SLOT_S, 5.0)
                for ago_s in sorted(
                    (self.random.uniform(0, room_s) for _ in range(self.random.choice((0, 1, 3)))),
                    reverse=True,
                ):
                    cache.reply(self.now_s - ago_s)
            yield from self._slot()

    def slot_of_all(self) -> list[tuple[Observation, Comparison]]:
        """One more slot, without other users."""
        self.now_s += self.interval_s
        return list(self._slot())

    def _slot(self) -> Iterator[tuple[Observation, Comparison]]:
        start_s = self.now_s
        asked = [self._ask_origin(start_s, self.random.uniform(0, 0.08))]
        asked += [self._ask_edge(start_s, self.random.uniform(0, 0.05), address) for address in self.edges]
        before = self.versions[-1].content_digest
        evidence = self._evidence(start_s, asked, changed=False)
        if any(self._is_doubtful(o) for o in evidence.observations):
            late_s = 0.2
            asked += [
                self._ask_edge(start_s, late_s, o.address, Role.CONFIRM, of=i)
                for i, o in enumerate(evidence.observations)
                if self._is_doubtful(o)
            ]
            asked.append(self._ask_origin(start_s, late_s + self.random.uniform(0, 0.1)))
            evidence = self._evidence(start_s, asked, changed=before != self.versions[-1].content_digest)
        evidence = replace(evidence, observations=self.tracker.placed(TASK, evidence))
        for observation in evidence.observations:
            if observation.comparison is not None:
                yield observation, observation.comparison

    @staticmethod
    def _is_doubtful(observation: Observation) -> bool:
        found = observation.comparison
        return found is not None and found.relation.value != "equal"

    def _evidence(self, start_s: float, asked: list[Observation], *, changed: bool) -> Evidence:
        known = Reference(configured=True, versions=self.versions, changed_during_slot=changed)
        known = self.tracker.with_served(TASK, known, self.edges)
        at = utc_text(EPOCH_S + start_s)
        made = Evidence(
            scheduled_at=at, started_at=at, resolution=resolution(), observations=tuple(asked),
            reference=known, host=host(),
        )  # fmt: skip
        return with_comparisons(TASK, made)

    def _ask_origin(self, start_s: float, after_s: float) -> Observation:
        taken_s = self.random.uniform(0.005, 0.05)
        at_s = start_s + after_s
        number, fields = self.origin.reply(at_s + self.random.uniform(0, taken_s))
        made = _observation(Role.ORIGIN, ORIGIN, number, fields, after_s, taken_s)
        assert made.response is not None
        found = with_reply(
            self.versions,
            made.response,
            asked=utc_text(EPOCH_S + at_s),
            seen=utc_text(EPOCH_S + at_s + taken_s),
        )
        assert found is not None
        self.versions = found
        return made

    def _ask_edge(
        self, start_s: float, after_s: float, address: str, role: Role = Role.EDGE, of: int | None = None
    ) -> Observation:
        taken_s = self.random.uniform(0.01, 0.06)
        number, fields = self.edges[address].reply(
            start_s + after_s + self.random.uniform(0.001, taken_s - 0.005)
        )
        return replace(_observation(role, address, number, fields, after_s, taken_s), of=of)


def _observation(
    role: Role, address: str, number: int, fields: tuple[tuple[str, str], ...], after_s: float, taken_s: float
) -> Observation:
    begin_us, end_us = round(after_s * 1e6), round((after_s + taken_s) * 1e6)
    digest = f"{number:064x}"
    response = Response(
        status_code=200,
        fields=fields,
        digest=digest,
        content_digest=digest,
        body_complete=True,
        age_s=next((int(value) for name, value in fields if name == "age"), None),
    )
    made = Observation(
        role=role,
        address=address,
        port=443,
        url=TASK.request.url,
        timing=ResourceTiming(request_start_us=begin_us, response_start_us=end_us, response_end_us=end_us),
        response=response,
    )
    return replace(made, **with_caches(made))


def accuses(found: Comparison) -> bool:
    """Whether the integrity check holds it against the edge."""
    return found.relation is Relation.UNKNOWN_VERSION or (
        found.relation is Relation.OLDER and found.within_lifetime is False
    )


def simulated(comparisons: int, first_seed: int = 0) -> Iterator[tuple[World, Observation, Comparison]]:
    """At least so many, world by world."""
    made, seed = 0, first_seed
    while made < comparisons:
        world = World(seed)
        for observation, found in world.compared():
            made += 1
            yield world, observation, found
        seed += 1


if __name__ == "__main__":
    total, accused, seen = int(sys.argv[1]), 0, Counter[str]()
    for world, observation, found in simulated(total):
        seen[found.relation.value] += 1
        if accuses(found):
            accused += 1
            print(f"seed {world.seed}: {found.relation} {found.detail} {observation.address} {world.origin}")
    print(f"{sum(seen.values())} comparisons, {accused} accuse: {dict(seen)}")
    sys.exit(accused > 0)
