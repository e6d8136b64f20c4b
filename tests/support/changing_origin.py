"""A world with an object that changes every second, lawful caches in front of it, and an agent that looks at both.

Pure: times are numbers, nothing sleeps. The agent is the project's own: history, comparison, symptoms, judge.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime

from probe.checks import CHECKS
from probe.core.caching.cache_status import with_caches
from probe.core.content.history import with_reply
from probe.core.model.times import utc_text
from probe.core.model.value import replace
from probe.core.records.observation import Observation, Role
from probe.core.records.origin import OriginVersion, Reference
from probe.core.records.response import Response
from probe.core.records.transport import ResourceTiming
from probe.core.records.verdict import Evidence, Verdict
from probe.core.verdict.comparisons import with_comparisons
from probe.core.verdict.judge import judge
from probe.core.verdict.symptoms import examine, suspicious
from tests.support.build import EDGE, ORIGIN, checks, host, resolution, task

START_S = 1_795_341_600.0
TASK = task(checks=checks(availability={}, integrity={}))
CONTROLS = (
    ("", 0, 0),
    ("no-store", 0, 0),
    ("no-cache", 0, 0),
    ("max-age=1", 1, 0),
    ("max-age=7", 7, 0),
    ("s-maxage=20, max-age=0", 20, 0),
    ("max-age=60", 60, 0),
    ("max-age=5, stale-while-revalidate=10", 5, 10),
)


def _moment(at_s: float) -> datetime:
    return datetime.fromtimestamp(START_S + int(at_s), UTC)


@dataclass(slots=True, kw_only=True)
class Cache:
    """One cache. It serves what it has while that is young enough, else what comes from behind it.

    `over_s`: for how long beyond the lifetime it goes on, which is not lawful. Ages are whole seconds.
    """

    lifetime_s: float
    over_s: float = 0.0
    kept: tuple[int, float, float, int] | None = None  # version, made at, stored at, age then

    def stored(self, at_s: float) -> tuple[int, float, int] | None:
        """Version, when it was made, and its age, if that is young enough."""
        if self.kept is None:
            return None
        version, made_s, since_s, age = self.kept
        now = age + at_s - since_s
        return (version, made_s, int(now)) if now < self.lifetime_s + self.over_s else None


@dataclass(slots=True, kw_only=True)
class World:
    """One object, its caches from the edge inwards, and what the agent knows of it."""

    dice: random.Random
    control: str
    caches: list[Cache]
    speaking: int = 9  # so many caches, from the edge inwards, send Cache-Status
    sends_age: bool = True
    dated: bool = True  # Date is the origin's
    tagged: bool = True
    hidden: bool = False  # the edge keeps what concerns shared caches to itself
    tampering: bool = False
    compared: int = 0
    versions: tuple[OriginVersion, ...] = ()
    verified_s: float = -1e9

    # --- the servers -------------------------------------------------------------------------------

    def _fields(self, version: int) -> list[tuple[str, str]]:
        fields = [("etag", f'"{version}"')]
        if self.control:
            fields.append(("cache-control", self.control))
        return fields

    def _from_caches(self, at_s: float) -> tuple[int, float, int, list[str]]:
        """Version, when the origin made the reply, its age, and each cache's word from the origin outwards."""
        found = [cache.stored(at_s) for cache in self.caches]
        depth = next((i for i, stored in enumerate(found) if stored is not None), len(found))
        stored = found[depth] if depth < len(found) else None
        kept = stored if stored is not None else (int(at_s), at_s, 0)
        words = [] if stored is None else [f"c{depth}; hit"]
        for outer in reversed(self.caches[:depth]):
            outer.kept = (kept[0], kept[1], at_s, kept[2])
        words += [f"c{number}; fwd=miss" for number in reversed(range(depth))]
        return *kept, words

    def edge_reply(self, at_s: float) -> tuple[Response, float]:
        """What the edge answers to a request that reaches it then, and when the answer is complete."""
        at_s += self.dice.uniform(0, 0.05)
        version, made_s, age, words = self._from_caches(at_s)
        fields = [("last-modified", format_datetime(_moment(version), usegmt=True))]
        if self.tagged:
            fields.append(("etag", f'"{version}"'))
        if self.dated:
            fields.append(("date", format_datetime(_moment(made_s), usegmt=True)))
        shown = "max-age=0" if self.hidden and self.control else self.control
        if shown:
            fields.append(("cache-control", shown))
        if self.speaking:
            fields.append(("cache-status", ", ".join(words[-self.speaking :])))
        aged = age if self.sends_age and "hit" in words[0] else None
        if aged is not None:
            fields.append(("age", str(age)))
        content = f"tampered {version}" if self.tampering else str(version)
        return self._response(fields, content, aged), at_s + self.dice.uniform(0.001, 0.3)

    def _response(self, fields: list[tuple[str, str]], content: str, age_s: int | None = None) -> Response:
        return Response(
            status_code=200,
            fields=tuple(fields),
            digest=content,
            content_digest=content,
            body_complete=True,
            age_s=age_s,
        )

    # --- the agent ---------------------------------------------------------------------------------

    def look(self, slot_s: float, at_s: float) -> tuple[Observation, float]:
        """The origin asked directly: the observation, and when it was complete."""
        served_s = at_s + self.dice.uniform(0, 0.1)
        until_s = served_s + self.dice.uniform(0.001, 0.1)
        version = int(served_s)
        response = self._response(self._fields(version), str(version))
        asked, seen = utc_text(START_S + at_s), utc_text(START_S + until_s)
        self.versions = with_reply(self.versions, response, asked=asked, seen=seen) or self.versions
        self.verified_s = until_s
        return self._observation(Role.ORIGIN, slot_s, at_s, until_s, response), until_s

    def edge(self, role: Role, slot_s: float, at_s: float) -> tuple[Observation, float]:
        """The edge asked, and when it was complete."""
        response, until_s = self.edge_reply(at_s)
        made = self._observation(
            role, slot_s, at_s, until_s, response, of=0 if role is Role.CONFIRM else None
        )
        return replace(made, **with_caches(made)), until_s

    def _observation(
        self,
        role: Role,
        slot_s: float,
        at_s: float,
        until_s: float,
        response: Response,
        of: int | None = None,
    ) -> Observation:
        def offset(moment_s: float) -> int:
            return round((moment_s - slot_s) * 1e6)

        timing = ResourceTiming(
            connect_start_us=offset(at_s),
            connect_end_us=offset(at_s),
            request_start_us=offset(at_s),
            response_start_us=offset(until_s),
            response_end_us=offset(until_s),
        )
        address = ORIGIN if role is Role.ORIGIN else EDGE
        return Observation(
            role=role, address=address, port=443, url="https://www.acme.example/now", timing=timing,
            response=response, of=of,
        )  # fmt: skip

    def slot(
        self, slot_s: float, *, interval_s: float, meanwhile: bool = False, denied: bool = False
    ) -> Verdict:
        """One slot as the pipeline measures it. `meanwhile`: another slot asks the origin between the rounds."""
        observations: list[Observation] = []
        asked_s = slot_s + self.dice.uniform(0, 0.02)
        look_s = slot_s + self.dice.uniform(0, 0.02)
        due = slot_s - self.verified_s >= interval_s
        if due and not denied:
            looked, look_s = self.look(slot_s, look_s)
        first, until_s = self.edge(Role.EDGE, slot_s, asked_s)
        observations.append(first)
        if due and not denied:
            observations.append(looked)
        reference = self._reference(left_out=due and denied)
        evidence = self._evidence(slot_s, observations, reference)
        if suspicious(examine(TASK, evidence, CHECKS), evidence):
            again_s = max(until_s, look_s) + 0.001
            if meanwhile:
                self.look(slot_s, again_s)
            again, _ = self.edge(Role.CONFIRM, slot_s, again_s)
            before = reference.newest_digest
            observations.append(again)
            if not denied:
                looked, _ = self.look(slot_s, again_s)
                observations.append(looked)
            reference = self._reference(left_out=denied)
            changed = before is not None and before != reference.newest_digest
            evidence = self._evidence(slot_s, observations, replace(reference, changed_during_slot=changed))
        self.compared += sum(o.comparison is not None for o in evidence.observations)
        return judge(TASK, evidence, CHECKS)

    def _reference(self, *, left_out: bool) -> Reference:
        return Reference(configured=True, versions=self.versions, left_out=left_out)

    def _evidence(self, slot_s: float, observations: list[Observation], reference: Reference) -> Evidence:
        at = utc_text(START_S + slot_s)
        made = Evidence(
            scheduled_at=at,
            started_at=at,
            resolution=resolution(),
            observations=tuple(observations),
            reference=reference,
            host=host(),
        )
        return with_comparisons(TASK, made)


@dataclass(slots=True)
class Run:
    """A world run for some slots: what was made of them."""

    world: World
    verdicts: list[Verdict] = field(default_factory=list)

    def run(self, slots: int) -> None:
        """Slots at random distances, some of them with races."""
        dice, now_s = self.world.dice, self.world.dice.uniform(0, 10)
        interval_s = dice.choice((0.0, 5.0, 60.0))
        for _ in range(slots):
            now_s += dice.choice((0.3, 1.0, 5.0, 30.0)) * dice.uniform(0.5, 1.5)
            self.verdicts.append(
                self.world.slot(
                    now_s,
                    interval_s=interval_s,
                    meanwhile=dice.random() < 0.2,
                    denied=bool(self.world.versions) and dice.random() < 0.1,
                )
            )


def made_world(seed: int, *, over_s: float = 0.0, tampering: bool = False) -> World:
    """A lawful world by chance; `over_s` and `tampering` make its edge an unlawful one."""
    dice = random.Random(seed)
    control, lifetime_s, stale_s = dice.choice(CONTROLS)
    tiers = dice.choice((1, 1, 2))
    inner = [Cache(lifetime_s=dice.uniform(0, lifetime_s)) for _ in range(tiers - 1)]
    outer = Cache(lifetime_s=dice.uniform(0, lifetime_s) if dice.random() < 0.5 else lifetime_s)
    outer.over_s = over_s or dice.uniform(0, stale_s)
    return World(
        dice=dice,
        control=control,
        caches=[outer, *inner],
        speaking=dice.choice((0, 1, 9)),
        sends_age=tiers > 1 or dice.random() < 0.5,
        dated=dice.random() < 0.5,
        tagged=dice.random() < 0.5,
        hidden=dice.random() < 0.3,
        tampering=tampering,
    )
