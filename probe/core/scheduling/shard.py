"""Rule: which host measures a task follows from the task's id; one host more moves only the tasks that it takes.

Rendezvous (highest random weight) hashing, Thaler and Ravishankar 1998: every host has a weight for every task, and
the heaviest measures it. From n to n+1 hosts a task stays where it is or goes to the new host.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

MOST_HOSTS = 1_000


@dataclass(frozen=True, slots=True)
class Shard:
    """`index` of `hosts`, from 1."""

    index: int
    hosts: int

    def __str__(self) -> str:
        return f"{self.index}/{self.hosts}"

    def takes(self, task_id: str) -> bool:
        """Whether this host measures the task."""
        return self.hosts == 1 or owner(task_id, self.hosts) == self.index


def owner(task_id: str, hosts: int) -> int:
    """The host, 1 to `hosts`, that measures a task."""
    return max(range(1, hosts + 1), key=lambda host: (_weight(task_id, host), host))


def parse_shard(text: str) -> Shard:
    """`2/5` -> Shard(2, 5). Raises ValueError with words for a person."""
    index, slash, hosts = text.partition("/")
    if not (slash and _number(index) and _number(hosts)):
        raise ValueError("a shard is written i/n, such as 2/5: the second of five hosts")
    shard = Shard(int(index), int(hosts))
    if shard.hosts > MOST_HOSTS:
        raise ValueError(f"a shard is one of at most {MOST_HOSTS} hosts")
    if shard.index > shard.hosts:
        raise ValueError(f"there is no host {index} among {hosts}: hosts count from 1")
    return shard


def _number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 6 and not text.startswith("0")


def _weight(task_id: str, host: int) -> bytes:
    return hashlib.blake2b(b"shard %d " % host + task_id.encode(), digest_size=8).digest()
