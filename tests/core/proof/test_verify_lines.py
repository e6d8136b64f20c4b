"""The pure check: which line is named, and what is no fault of anybody."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.core.model.value import replace
from probe.core.proof.chain import GENESIS, Head, line_digest
from probe.core.proof.findings import Problem, StreamReport
from probe.core.proof.gaps import Gaps
from probe.core.proof.signed_head import SignedHead
from probe.core.proof.signers import KnownHeads
from probe.core.proof.verify import Check
from probe.core.records.codec import encode, encode_any
from tests.seal.made import rows_of
from tests.support.sizes import scaled


def chain(count: int, *, unproven: int = 0) -> list[bytes]:
    """A stream; its first lines without `previous`, as an earlier version wrote them."""
    lines: list[bytes] = []
    for seq, row in enumerate(rows_of("acme", 0, count), 1):
        previous = line_digest(lines[-1]) if lines else GENESIS
        lines.append(encode(replace(row, seq=seq, previous=None if seq <= unproven else previous)))
    return lines


def head(lines: Sequence[bytes], seq: int, at: str = "T") -> SignedHead:
    made = Head(agent="a1", customer="acme", seq=seq, digest=line_digest(lines[seq - 1]))
    return SignedHead.unsigned(made, at=at, synchronised=True, max_error_us=1, key="k")


def checked(lines: Iterable[bytes], heads: Iterable[SignedHead] = (), **how: Any) -> StreamReport:
    known_heads = KnownHeads(partial=how.pop("partial", False))
    check = Check("a1", "acme", "lines", known_heads, **how)
    for each in heads:
        if (problem := known_heads.add(each)) is not None:
            check.problems.add(problem)
    for number, line in enumerate(lines, 1):
        check.feed(line, "f", number)
    return check.finish()


def changed(line: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    told = json.loads(line)
    change(told)
    return json.dumps(told, separators=(",", ":")).encode()


def first(report: StreamReport) -> Problem:
    assert report.problems
    return report.problems[0]


def gone(lines: Sequence[bytes], low: int, high: int, reason: str = "retention") -> bytes:
    told = {
        "kind": "dropped",
        "first_seq": low,
        "last_seq": high,
        "previous": line_digest(lines[low - 2]) if low > 1 else GENESIS,
        "digest": line_digest(lines[high - 1]),
        "reason": reason,
    }
    return json.dumps(told).encode()


# --- nobody is accused ----------------------------------------------------------------------------


@settings(max_examples=scaled(30), deadline=None)
@given(st.integers(1, 25), st.integers(0, 25), st.sets(st.integers(1, 25)), st.integers(0, 24))
def test_what_is_as_written_is_never_accused(count: int, unproven: int, heads: set[int], begin: int) -> None:
    lines = chain(count, unproven=min(unproven, count))
    known = [head(lines, seq) for seq in heads if seq <= count]
    assert checked(lines, known).problems == ()
    begin = min(begin, count - 1)
    digest = line_digest(lines[begin - 1]) if begin else GENESIS
    assert checked(lines[begin:], known, after=begin, digest=digest).problems == ()
    assert checked(lines[begin:], known, after=begin, digest=None).problems == ()


def test_lines_of_a_version_without_a_chain_are_called_unproven() -> None:
    lines = chain(9, unproven=4)
    report = checked(lines, [head(lines, 9)])
    assert (report.problems, report.unproven_up_to, report.signed_up_to) == ((), 4, 9)
    lines[3] = changed(lines[3], lambda told: told.update(path="/x"))
    assert first(checked(lines)).seq == 4, "the last of them is named by the first that is chained"


def test_a_copy_in_the_making_ends_before_its_head() -> None:
    lines = chain(9)
    report = checked(lines[:5], [head(lines, 9)], partial=True)
    assert report.problems == ()
    assert "record 9" in report.notes[0]
    assert first(checked(lines[:5], [head(lines, 9)])).kind == "truncated"


# --- the right one is named -----------------------------------------------------------------------


@pytest.mark.parametrize("seq", [1, 2, 5, 8])
@pytest.mark.parametrize("key", ["path", "previous", "customer", "finished_at"])
def test_the_changed_line_is_named_and_no_other(seq: int, key: str) -> None:
    lines = chain(9)
    lines[seq - 1] = changed(lines[seq - 1], lambda told: told.update({key: "f" * 64}))
    report = checked(lines)
    assert [(problem.seq, problem.line) for problem in report.problems] == [(seq, seq)], report.problems


def test_any_byte_that_changes_is_found_where_it_is() -> None:
    lines = chain(12)
    rng = random.Random(7)
    for _ in range(400):
        at = rng.randrange(11)
        line = bytearray(lines[at])
        line[rng.randrange(len(line))] ^= rng.randrange(1, 256)
        report = checked([*lines[:at], bytes(line), *lines[at + 1 :]], [head(lines, 12)])
        assert first(report).line in (at + 1, at + 2), (line, report.problems)
        assert (first(report).seq or 0) <= at + 1, (line, report.problems)


def test_the_last_line_is_held_against_its_head() -> None:
    lines = chain(9)
    whole = [head(lines, 8), head(lines, 9)]
    lines[8] = changed(lines[8], lambda told: told.update(path="/x"))
    report = checked(lines, whole)
    assert [(p.kind, p.seq) for p in report.problems] == [("changed", 9)]


def test_a_chain_made_anew_lies_between_two_heads() -> None:
    lines = chain(20)
    heads = [head(lines, 5), head(lines, 15)]
    for at in range(9, 20):
        named = {"previous": line_digest(lines[at - 1]), "path": "/x"}
        lines[at] = encode_any({**json.loads(lines[at]), **named})
    (problem,) = checked(lines, heads).problems
    assert (problem.kind, problem.since_seq, problem.seq) == ("rewritten", 6, 15)


def test_two_heads_that_disagree_prove_it_against_the_signer() -> None:
    lines, others = chain(5), chain(5, unproven=1)
    report = checked(lines, [head(lines, 4), head(others, 4, "U")])
    assert "forked" in {problem.kind for problem in report.problems}


def test_a_flood_of_problems_is_cut_and_counted() -> None:
    report = checked(chain(100)[::-1])
    assert len(report.problems) == 20
    assert report.more_problems > 50


# --- what is gone ---------------------------------------------------------------------------------


def declared(event: str, first_seq: int, last_seq: int, **more: Any) -> Callable[[dict[str, Any]], None]:
    detail = {"first_seq": str(first_seq), "last_seq": str(last_seq), "rows": "3", **more}
    return lambda told: told.update(event=event, detail=detail)


def with_event(event: str, low: int, high: int, **more: Any) -> list[bytes]:
    """Twelve lines, the tenth an event that names a span."""
    lines = chain(9)
    row = replace(rows_of("acme", 5, 1)[0], seq=10, previous=line_digest(lines[-1]))
    lines.append(changed(encode(row), declared(event, low, high, **more)))
    for seq in (11, 12):
        row = replace(rows_of("acme", 0, 1)[0], seq=seq, previous=line_digest(lines[-1]))
        lines.append(encode(row))
    return lines


@pytest.mark.parametrize(("event", "what"), [("retention.dropped", "healthy"), ("store.damaged", "")])
def test_a_span_on_record_as_dropped_is_a_gap_and_no_fault(event: str, what: str) -> None:
    lines = with_event(event, 3, 5, what=what)
    report = checked([*lines[:2], gone(lines, 3, 5), *lines[5:]], [head(lines, 12)])
    assert (report.problems, [(g.first_seq, g.last_seq) for g in report.gaps]) == ((), [(3, 5)])


def test_more_than_what_is_on_record_is_a_fault() -> None:
    lines = with_event("retention.dropped", 3, 5, what="healthy", rows="2")
    report = checked([*lines[:2], gone(lines, 3, 5), *lines[5:]])
    assert [(p.kind, p.seq, p.last_seq) for p in report.problems] == [("undeclared_gap", 3, 5)]
    lines = with_event("retention.dropped", 3, 4, what="all")
    report = checked([*lines[:2], gone(lines, 3, 5), *lines[5:]])
    assert [(p.kind, p.seq, p.last_seq) for p in report.problems] == [("undeclared_gap", 5, 5)]


def test_a_span_that_nothing_names_is_a_fault_and_may_wait_in_a_copy_in_the_making() -> None:
    lines = chain(9)
    some = [*lines[:2], gone(lines, 3, 5), *lines[5:]]
    assert [(p.kind, p.seq, p.line) for p in checked(some).problems] == [("undeclared_gap", 3, 3)]
    assert checked(some[:-1], [head(lines, 9)], partial=True).problems == ()


def test_of_a_lost_beginning_the_newest_has_to_be_on_record() -> None:
    """The events that named older spans went with them."""
    lines = with_event("retention.dropped", 4, 6, what="all", digest="x")
    assert checked([gone(lines, 1, 6), *lines[6:]]).problems[0].kind == "undeclared_gap", "another digest"
    lines = with_event("retention.dropped", 4, 6, what="all", digest=line_digest(chain(6)[5]))
    assert checked([gone(lines, 1, 6), *lines[6:]]).problems == ()
    beyond = checked([gone(lines, 1, 7), *lines[7:]])
    assert [(p.kind, p.seq, p.last_seq) for p in beyond.problems] == [("undeclared_gap", 7, 7)]


@pytest.mark.parametrize(
    ("event", "more"),
    [
        ("store.damaged", {}),
        ("retention.dropped", {"what": "healthy"}),
        ("retention.dropped", {"what": "all", "oldest": "no"}),
    ],
)
def test_only_retention_of_the_oldest_speaks_for_what_was_before(event: str, more: dict[str, str]) -> None:
    """One row lost and on record must not license whoever takes all before it."""
    lines = with_event(event, 6, 6, rows="1", **more)
    report = checked([gone(lines, 1, 6), *lines[6:]])
    assert [(p.kind, p.seq, p.last_seq) for p in report.problems] == [("undeclared_gap", 1, 5)]


def test_what_a_signed_manifest_names_is_declared() -> None:
    lines = chain(9)
    gaps = Gaps()
    gaps.vouch(3, 5, line_digest(lines[4]))
    assert checked([*lines[:2], gone(lines, 3, 5), *lines[5:]], gaps=gaps).problems == ()


def test_a_gap_with_a_digest_that_is_not_that_of_its_last_line_breaks_the_chain() -> None:
    lines = with_event("store.damaged", 3, 5)
    false = gone(lines, 3, 5).replace(line_digest(lines[4]).encode(), b"0" * 64)
    assert first(checked([*lines[:2], false, *lines[5:]])).line == 3
