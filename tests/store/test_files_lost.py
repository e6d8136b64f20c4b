"""A file of the store that is taken away, replaced or cut while it is open: known at once, nothing given out twice."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from probe.core.proof.chain import line_digest
from probe.host.clock import SystemClock
from probe.store.base.ends import SKIPPED, KnownEnd, shortfalls
from probe.store.base.parts import ASIDE, StreamEnd
from probe.store.base.schema import catalogue_file
from probe.store.read.reader import Reader
from probe.store.store import Store
from probe.store.write.files import Limits
from tests.store.base.test_parts import chained, lines_of
from tests.support.rows import newest_part, slot

Harm = Callable[[Path], None]


def delete(part: Path) -> None:
    part.unlink()


def delete_with_its_log(part: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        Path(f"{part}{ending}").unlink()


def move(part: Path) -> None:
    part.rename(part.with_name("elsewhere"))


def replace_by_an_empty_file(part: Path) -> None:
    part.unlink()
    part.touch()


def replace_by_a_copy(part: Path) -> None:
    other = part.with_name("copy")
    shutil.copy(part, other)
    os.replace(other, part)


def delete_the_log(part: Path) -> None:
    Path(f"{part}-wal").unlink()


def move_the_directory(part: Path) -> None:
    part.parent.rename(part.parent.with_name("elsewhere"))


def cut_to_nothing(part: Path) -> None:
    for ending in ("", "-wal"):
        os.truncate(f"{part}{ending}", 0)


TAKEN = [
    delete, delete_with_its_log, move, replace_by_an_empty_file, replace_by_a_copy, delete_the_log, move_the_directory,
]  # fmt: skip


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "r"


def opened(directory: Path, **how: object) -> Store:
    return Store.open(directory, "a1", SystemClock(), **how)  # type: ignore[arg-type]


@pytest.mark.parametrize("harm", [*TAKEN, cut_to_nothing])
async def test_harm_to_the_newest_part_is_known_with_the_next_look(directory: Path, harm: Harm) -> None:
    store = opened(directory)
    await store.append([slot(0)])
    assert store.look() is None
    assert store.health.alarm is None
    harm(newest_part(directory))
    problem = store.look()
    assert problem is not None
    assert "interferes" in problem
    assert store.health.alarm == problem, "in status and readiness"
    await store.append([slot(1)])
    assert store.health.alarm == problem, "it stands, also when all is put back"
    await store.close()


@pytest.mark.parametrize("harm", TAKEN)
async def test_what_was_taken_away_is_put_back_and_not_a_row_is_lost(directory: Path, harm: Harm) -> None:
    store = opened(directory)
    await store.append([slot(i, customer=name) for i in range(50) for name in ("acme", "other")])
    harm(newest_part(directory))
    (row,) = await store.append([slot(50)])  # nobody looked before
    assert row.seq == 51
    (notice,) = store.take_notices()
    assert notice.event == "store.damaged"
    assert "put back" in notice.detail["problem"]
    await store.close()
    lines = lines_of(directory)
    assert [json.loads(line)["seq"] for line in lines] == list(range(1, 52))
    assert chained(lines)
    assert len(lines_of(directory, "other")) == 50
    assert not opened(directory).take_notices()


async def test_an_untouched_store_raises_no_alarm_while_it_turns_to_new_parts(directory: Path) -> None:
    store = opened(directory, limits=Limits(size_bytes=40_000))
    for i in range(40):
        await store.append([slot(5 * i + j) for j in range(5)])
        assert store.look() is None
    await store.close()
    assert not store.take_notices()


async def test_what_was_cut_off_goes_on_record_and_its_numbers_are_not_used_again(directory: Path) -> None:
    store = opened(directory)
    await store.append([slot(i) for i in range(50)])
    cut_to_nothing(newest_part(directory))
    (row,) = await store.append([slot(50)])
    assert row.seq == 51, "its end was known: no number is left free"
    notices = store.take_notices()
    spans = [(n.detail["first_seq"], n.detail["last_seq"]) for n in notices if "first_seq" in n.detail]
    assert spans == [("1", "50")]
    assert [n.customer for n in notices if "first_seq" in n.detail] == ["acme"]
    await store.close()
    lines = lines_of(directory)
    assert [json.loads(line)["kind"] for line in lines] == ["dropped", "slot"]
    assert chained(lines)


@pytest.mark.parametrize("what", ["catalogue", "evidence"])
async def test_the_other_files_are_put_back_too(directory: Path, what: str) -> None:
    store = opened(directory)
    await store.append([slot(0)])
    lost = catalogue_file(directory) if what == "catalogue" else next((directory / "_evidence").glob("*.db"))
    lost.unlink()
    assert store.look() is not None
    await store.append([slot(1)])
    assert lost.exists()
    await store.close()
    assert len(lines_of(directory)) == 2
    assert list((directory / ASIDE).rglob("*-wal")), "what lay beside it is kept for people"


async def test_a_catalogue_that_is_begun_anew_says_whose_store_it_is(directory: Path) -> None:
    """A disk that failed to read it once left a store in which readers that named no agent found nothing."""
    store = opened(directory)
    await store.append([slot(0)])
    cut_to_nothing(catalogue_file(directory))
    assert store.look() is not None
    await store.append([slot(1)])
    with Reader.open(directory) as reader:
        assert [line.seq for line in reader.lines("acme", 0, 10)] == [1, 2]
    await store.close()


# --- at the next start --------------------------------------------------------------------------------


async def gone_between_two_runs(directory: Path, rows: int = 50) -> list[str]:
    """The only part is taken away while no agent runs; gives the lines that were in it."""
    store = opened(directory)
    await store.append([slot(i) for i in range(rows)])
    await store.close()
    lines = lines_of(directory)
    newest_part(directory).unlink()
    return lines


async def test_a_part_that_is_gone_at_the_next_start_is_on_record_and_no_number_comes_twice(
    directory: Path,
) -> None:
    lines = await gone_between_two_runs(directory)
    store = opened(directory)
    (row,) = await store.append([slot(60)])
    assert (row.seq, row.previous) == (51, line_digest(lines[-1].encode())), "the store was closed properly"
    (notice,) = store.take_notices()
    assert (notice.event, notice.customer, notice.agent) == ("store.damaged", "acme", "a1")
    assert (notice.detail["first_seq"], notice.detail["last_seq"]) == ("1", "50")
    await store.close()
    assert chained(lines_of(directory))


async def test_what_others_know_counts_where_the_catalogue_is_gone_as_well(directory: Path) -> None:
    await gone_between_two_runs(directory)
    catalogue_file(directory).unlink()
    known = [KnownEnd(agent="a1", customer="acme", seq=40, digest="d" * 64, source="reader x")]
    store = opened(directory, known=known)
    (row,) = await store.append([slot(60)])
    assert row.seq == 40 + SKIPPED + 1, "there may have been more than the reader had"
    (notice,) = store.take_notices()
    assert notice.detail["last_seq"] == str(40 + SKIPPED)
    assert "reader x" in notice.detail["problem"]
    await store.close()
    with Reader.open(directory) as reader:
        (gone,) = reader.lines("acme", 40, 1)
        assert gone.seq == 40 + SKIPPED, "who has 40 lines is told of those between"


def end(head: int) -> StreamEnd:
    return StreamEnd(agent="a", customer="c", head=head, digest="1" * 64, complete_up_to="2026")


def known(seq: int, **more: object) -> KnownEnd:
    return KnownEnd(agent="a", customer="c", seq=seq, source="x", digest="2" * 64, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("here", "told", "expected"),
    [
        (10, [known(10)], None),
        (10, [known(9)], None),
        (10, [known(12)], (11, 12 + SKIPPED)),
        (10, [known(12, exact=True)], (11, 12)),
        (10, [known(12), known(12, exact=True)], (11, 12)),
        (10, [known(12, exact=True), known(14)], (11, 14 + SKIPPED)),
        (0, [known(3)], (1, 3 + SKIPPED)),
        (0, [], None),
    ],
)
def test_where_a_stream_goes_on(here: int, told: list[KnownEnd], expected: tuple[int, int] | None) -> None:
    found = shortfalls({("a", "c"): end(here)} if here else {}, told)
    assert [(each.first, each.end.head) for each in found] == ([] if expected is None else [expected])
    for each in found:
        assert each.end.complete_up_to == ("2026" if here else None), "it never falls"
