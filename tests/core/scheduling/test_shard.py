"""Which host measures a task: evenly spread, and one host more moves its share only, to itself only."""

from __future__ import annotations

from collections import Counter

import pytest

from probe.core.config.plan import phase_us
from probe.core.scheduling.shard import MOST_HOSTS, Shard, owner, parse_shard

IDS = [f"{n:016x}" for n in range(0, 10_000 * 7919, 7919)]


@pytest.mark.parametrize("hosts", [1, 2, 3, 4, 5, 9])
def test_one_host_more_moves_its_share_of_10000_tasks_and_to_itself_only(hosts: int) -> None:
    moved = [task for task in IDS if owner(task, hosts) != owner(task, hosts + 1)]
    assert {owner(task, hosts + 1) for task in moved} == {hosts + 1}
    assert len(moved) / len(IDS) == pytest.approx(1 / (hosts + 1), abs=0.015)


@pytest.mark.parametrize("hosts", [2, 5, 10])
def test_every_task_has_one_host_and_hosts_have_alike(hosts: int) -> None:
    shards = [Shard(index, hosts) for index in range(1, hosts + 1)]
    taken = Counter(shard for task in IDS for shard in shards if shard.takes(task))
    assert sum(taken.values()) == len(IDS)
    assert all(count / len(IDS) == pytest.approx(1 / hosts, abs=0.015) for count in taken.values())
    assert len(taken) == hosts


def test_known_owners_so_that_hosts_of_different_versions_agree() -> None:
    assert [owner(task, 5) for task in IDS[:12]] == KNOWN


KNOWN = [5, 5, 4, 1, 5, 1, 2, 3, 1, 1, 1, 1]


def test_alone_it_takes_everything() -> None:
    assert all(Shard(1, 1).takes(task) for task in IDS[:50])


def test_the_phase_knows_nothing_of_shards() -> None:
    """A task that moves keeps its times: they follow from its id."""
    phases = {phase_us(task, 60_000_000) for task in IDS[:100]}
    assert len(phases) == 100


def test_reading() -> None:
    assert parse_shard("2/5") == Shard(2, 5)
    assert str(parse_shard("1/1000")) == "1/1000"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "written i/n"),
        ("2", "written i/n"),
        ("2/", "written i/n"),
        ("2/5/7", "written i/n"),
        (" 2/5", "written i/n"),
        ("02/5", "written i/n"),
        ("0/5", "written i/n"),
        ("-1/5", "written i/n"),
        ("2/²", "written i/n"),
        ("6/5", "no host 6 among 5"),
        (f"1/{MOST_HOSTS + 1}", f"at most {MOST_HOSTS}"),
    ],
)
def test_what_is_no_shard_is_told_in_words(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_shard(text)
