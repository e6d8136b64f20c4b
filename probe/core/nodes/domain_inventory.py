"""Rule: an address new to a settled inventory is on trial until it served as agreed: forged ones stay out.

The nodes of one (customer, domain, IP version). Each is written when new, then at most once in WRITTEN_EVERY_S for
each vantage point, so that a busy agent does not write for every look-up. Times in seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from probe.core.model.task import Task
from probe.core.model.times import epoch_s, utc_text
from probe.core.nodes.eligibility import Learned
from probe.core.nodes.values import UNSEEN_S, Changes, Learning, Sighting, in_use, trial_over

# Settled: after an hour, so that answers cached for minutes were given anew, and after 30 look-ups from this very
# vantage point, since each has nodes of its own: an address that is in none of 30 answers is, with 95 % confidence,
# in fewer than one of ten (the rule of three, 3/n).
SETTLED_AFTER_S = 3_600
SETTLED_RESOLUTIONS = 30
# After so long without a look-up the CDN may have moved on: learning begins anew.
STALE_LEARNING_S = 86_400
WRITTEN_EVERY_S = 60


@dataclass(slots=True)
class _Seen:
    first_s: float
    last_s: float
    written_s: float | None = None


@dataclass(slots=True)
class _Node:
    suffix: str
    on_trial: bool
    by: dict[str, _Seen] = field(default_factory=dict)

    @property
    def last_s(self) -> float:
        return max(seen.last_s for seen in self.by.values())

    @property
    def first_s(self) -> float:
        return min(seen.first_s for seen in self.by.values())


@dataclass(slots=True)
class _Learning:
    since_s: float
    last_s: float
    resolutions: int
    written_s: float | None = None


class NodesOfDomain:
    """Made and held by `Inventory`. The node seen last stands last."""

    def __init__(self, customer: str, domain: str, ip_version: int, *, at_most: int) -> None:
        self._names = (customer, domain, ip_version)
        self._at_most = at_most
        self._nodes: dict[str, _Node] = {}
        self._learning: dict[str, _Learning] = {}
        self._due: dict[tuple[str, str], None] = {}  # (address, vantage point) to be written
        self._later: dict[tuple[str, str], None] = {}  # changed since, but written a moment ago

    def known(self, task: Task, now_s: float) -> dict[str, None]:
        """The nodes in use, the one seen last at the end."""
        return {
            address: None
            for address, node in self._nodes.items()
            if not _on_trial(node, now_s)
            and in_use(
                address,
                node.suffix,
                node.last_s,
                now_s,
                suffixes=task.cdn_suffixes,
                prefixes=task.cdn_prefixes,
            )
        }

    def settled(self, vantage_point: str, now_s: float) -> bool:
        """Whether this vantage point has learned for long enough that a new address is worth a word."""
        learning = self._learning.get(vantage_point)
        return (
            learning is not None
            and abs(now_s - learning.last_s) <= STALE_LEARNING_S
            and learning.last_s - learning.since_s >= SETTLED_AFTER_S
            and learning.resolutions >= SETTLED_RESOLUTIONS
        )

    def learn(self, vantage_point: str, learned: Learned, now_s: float) -> None:
        """Remember the addresses of one look-up."""
        new_is_on_trial = self.settled(vantage_point, now_s)
        for address in learned.addresses:
            node = self._nodes.pop(address, None)
            if node is None or abs(now_s - node.last_s) > UNSEEN_S:
                node = _Node(suffix=learned.suffix, on_trial=new_is_on_trial)
            else:
                node.on_trial = _on_trial(node, now_s) and new_is_on_trial
            self._nodes[address] = node
            node.suffix = learned.suffix
            self._see(address, node, vantage_point, now_s)
        self._count(vantage_point, now_s)
        self._forget(now_s)

    def vouch(self, addresses: Iterable[str]) -> None:
        """End the trial of these."""
        for address in addresses:
            node = self._nodes.get(address)
            if node is not None and node.on_trial:
                node.on_trial = False
                self._due.update(((address, name), None) for name in node.by)

    def _see(self, address: str, node: _Node, vantage_point: str, now_s: float) -> None:
        seen = node.by.setdefault(vantage_point, _Seen(now_s, now_s))
        seen.first_s = min(seen.first_s, now_s)
        seen.last_s = now_s
        key = (address, vantage_point)
        if seen.written_s is None or abs(now_s - seen.written_s) >= WRITTEN_EVERY_S:
            self._due[key] = None
            seen.written_s = now_s
        else:
            self._later[key] = None

    def _count(self, vantage_point: str, now_s: float) -> None:
        learning = self._learning.get(vantage_point)
        if learning is None or abs(now_s - learning.last_s) > STALE_LEARNING_S:
            learning = self._learning[vantage_point] = _Learning(now_s, now_s, 0)
        learning.since_s = min(learning.since_s, now_s)
        learning.last_s = now_s
        learning.resolutions += 1

    def _forget(self, now_s: float) -> None:
        """Those not in use for long, and the oldest beyond the cap: first such as are on trial."""
        while self._nodes:
            oldest = next(iter(self._nodes))
            if len(self._nodes) > self._at_most:
                oldest = next((a for a, node in self._nodes.items() if node.on_trial), oldest)
            elif abs(now_s - self._nodes[oldest].last_s) <= UNSEEN_S:
                return
            for name in self._nodes.pop(oldest).by:
                self._due.pop((oldest, name), None)
                self._later.pop((oldest, name), None)

    # --- the store ------------------------------------------------------------------------------------

    def take_changes(self, *, final: bool) -> Changes:
        """What the store has to write; each change is returned once."""
        if final:
            self._due.update(self._later)
            self._later.clear()
        due, self._due = self._due, {}
        for key in due:
            self._later.pop(key, None)
        return Changes(
            nodes=tuple(self._sighting(*key) for key in due), learning=tuple(self._learned(final=final))
        )

    def _sighting(self, address: str, vantage_point: str) -> Sighting:
        customer, domain, ip_version = self._names
        node = self._nodes[address]
        seen = node.by[vantage_point]
        return Sighting(
            customer=customer,
            domain=domain,
            ip_version=ip_version,
            address=address,
            vantage_point=vantage_point,
            suffix=node.suffix,
            first_seen=utc_text(seen.first_s),
            last_seen=utc_text(seen.last_s),
            on_trial=node.on_trial,
        )

    def _learned(self, *, final: bool) -> Iterable[Learning]:
        customer, domain, ip_version = self._names
        for name, learning in self._learning.items():
            written_s = learning.written_s
            if written_s == learning.last_s:
                continue
            if final or written_s is None or abs(learning.last_s - written_s) >= WRITTEN_EVERY_S:
                learning.written_s = learning.last_s
                yield Learning(
                    customer=customer,
                    domain=domain,
                    ip_version=ip_version,
                    vantage_point=name,
                    since=utc_text(learning.since_s),
                    last=utc_text(learning.last_s),
                    resolutions=learning.resolutions,
                )

    def restore(self, sighting: Sighting) -> None:
        """One node as an earlier run kept it."""
        node = self._nodes.pop(sighting.address, None)
        if node is None:
            node = _Node(suffix=sighting.suffix, on_trial=sighting.on_trial)
        node.suffix = sighting.suffix
        node.on_trial = node.on_trial and sighting.on_trial
        last_s = epoch_s(sighting.last_seen)
        node.by[sighting.vantage_point] = _Seen(epoch_s(sighting.first_seen), last_s, written_s=last_s)
        self._nodes[sighting.address] = node
        if len(self._nodes) > self._at_most:
            self._nodes.pop(next(iter(self._nodes)))

    def restore_learning(self, known: Learning) -> None:
        """How long an earlier run had learned."""
        last_s = epoch_s(known.last)
        self._learning[known.vantage_point] = _Learning(
            epoch_s(known.since), last_s, known.resolutions, written_s=last_s
        )


def _on_trial(node: _Node, now_s: float) -> bool:
    return node.on_trial and not trial_over(node.first_s, now_s)
