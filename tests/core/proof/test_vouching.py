"""From when to when a third party vouches for each record: by the stamps after it, and by those named before it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.core.model.times import utc_text_us
from probe.core.proof.findings import Kind, VouchedSpan
from probe.core.proof.vouching import VerifiedStamp, Vouching

S = 1_000_000


def stamp(seq: int, at_s: int, accuracy_us: int = 0) -> VerifiedStamp:
    return VerifiedStamp(
        seq=seq, digest=f"d{seq}", sha256=f"t{seq}-{at_s}", given_us=at_s * S, accuracy_us=accuracy_us
    )


def vouching(
    *stamps: VerifiedStamp, named: dict[int, VerifiedStamp] | None = None, partial: bool = False
) -> Vouching:
    """`named`: line -> the stamp that it names."""
    made = Vouching(stamps=list(stamps), asked=True, partial=partial)
    for seq, each in (named or {}).items():
        made.name(seq, {"sha256": each.sha256, "seq": str(each.seq)})
    return made


def spans(made: Vouching, first: int, last: int) -> list[tuple[int, int, int | None, int | None]]:
    fitting = {each.seq: each.digest for each in made.stamps}
    found = made.finish(fitting, first, last, whole=True)
    assert found.problems == ()
    return [(s.first_seq, s.last_seq, _s(s.not_earlier), _s(s.not_later)) for s in found.spans]


def _s(text: str | None) -> int | None:
    return None if text is None else next(s for s in range(10_000) if utc_text_us(s * S) == text)


def test_lines_up_to_a_stamped_one_are_not_newer_than_the_stamp() -> None:
    assert spans(vouching(stamp(10, 100)), 1, 15) == [(1, 10, None, 100), (11, 15, None, None)]


def test_lines_from_the_one_that_names_a_stamp_are_not_older() -> None:
    a, b = stamp(10, 100), stamp(20, 200)
    assert spans(vouching(a, b, named={12: a, 22: b}), 1, 25) == [
        (1, 10, None, 100),
        (11, 11, None, 200),
        (12, 20, 100, 200),
        (21, 21, 100, None),
        (22, 25, 200, None),
    ]


def test_of_late_stamps_the_earliest_that_covers_a_line_counts() -> None:
    """The newest head is stamped first after an outage, the sealed ones after it."""
    assert spans(vouching(stamp(30, 100), stamp(20, 101), stamp(10, 102)), 1, 30) == [
        (1, 10, None, 100), (11, 20, None, 100), (21, 30, None, 100),
    ]  # fmt: skip


def test_accuracy_widens_both_sides() -> None:
    a, b = stamp(1, 100, 2 * S), stamp(5, 200, 3 * S)
    assert spans(vouching(a, b, named={2: a}), 1, 5) == [(1, 1, None, 102), (2, 5, 98, 203)]


def test_a_stream_that_begins_later_is_vouched_for_from_there() -> None:
    a, b = stamp(10, 100), stamp(20, 200)
    assert spans(vouching(a, b), 15, 20) == [(15, 20, None, 200)], "the line that names the first is gone"


def test_a_stamp_of_another_line_proves_nothing_of_these() -> None:
    made = vouching(stamp(10, 100))
    found = made.finish({10: "another"}, 1, 10, whole=True)
    assert (found.stamps, found.spans) == (
        0,
        (VouchedSpan(first_seq=1, last_seq=10, not_earlier=None, not_later=None),),
    )


def test_where_lines_do_not_hold_together_no_times_are_given() -> None:
    found = vouching(stamp(10, 100)).finish({10: "d10"}, 1, 10, whole=False)
    assert found.spans == ()
    assert "do not hold together" in found.notes[0]


def test_a_stamp_that_the_stream_names_and_that_is_not_here_was_taken_away() -> None:
    a, b, c = stamp(10, 100), stamp(20, 200), stamp(30, 300)
    (problem,) = vouching(a, c, named={11: a, 21: b, 31: c}).finish({}, 1, 40, whole=True).problems
    assert (problem.kind, problem.seq) == (Kind.MISSING_STAMP, 21)
    assert "the time stamp of record 20, which record 21 names, is not here" in problem.words


def test_of_a_copy_the_newest_may_still_come() -> None:
    a, b, c = stamp(10, 100), stamp(20, 200), stamp(30, 300)
    named = {11: a, 21: b, 31: c}
    found = vouching(a, named=named, partial=True).finish({}, 1, 40, whole=True)
    assert found.problems == ()
    assert all("pull on to have it" in note for note in found.notes)
    assert len(found.notes) == 2
    none = vouching(named=named, partial=True).finish({}, 1, 40, whole=True)
    assert len(none.problems) == 3, "where none is here at all, they were never pulled, or taken away"
    behind = vouching(b, named=named, partial=True).finish({}, 1, 40, whole=True)
    assert [problem.seq for problem in behind.problems] == [11]


def test_stamps_that_contradict_each_other_are_told() -> None:
    """The authority's clock went back: what follows a stamp of 200 cannot have been stamped at 100."""
    a, b = stamp(10, 200), stamp(20, 100)
    found = vouching(a, b, named={11: a}).finish({10: "d10", 20: "d20"}, 1, 20, whole=True)
    assert [(p.kind, p.seq, p.last_seq) for p in found.problems] == [(Kind.BAD_STAMP, 11, 20)]


def test_without_an_authority_stamps_are_only_counted() -> None:
    assert Vouching(unverified=2).finish({}, 1, 9, whole=True).notes == (
        "2 time stamps are here and not verified: name the authority's certificates with --stamp-ca",
    )
    assert Vouching().finish({}, 1, 9, whole=True).notes == ()


@pytest.mark.parametrize("detail", [{}, {"sha256": "x"}, {"sha256": "x", "seq": "y"}])
def test_an_event_that_names_no_stamp_names_none(detail: dict[str, str]) -> None:
    made = Vouching()
    with pytest.raises((KeyError, ValueError)):
        made.name(1, detail)
    assert made.named == {}


@given(st.lists(st.integers(1, 8), min_size=1, max_size=12), st.data())
def test_true_times_always_lie_within(gaps: list[int], data: st.DataObject) -> None:
    """Whatever was stamped when, in whatever order: a record's true time is never outside what is said of it."""
    written = [sum(gaps[:n]) * 10 for n in range(1, len(gaps) + 1)]  # when line n + 1 was written, in seconds
    stamps, named = [], {}
    for seq in data.draw(st.lists(st.integers(1, len(written)), unique=True)):
        given_s = written[seq - 1] + data.draw(st.integers(0, 60))
        made = stamp(seq, given_s)
        stamps.append(made)
        after = [
            n for n in range(1, len(written) + 1) if written[n - 1] >= given_s and n > seq and n not in named
        ]
        if after and data.draw(st.booleans()):
            named[data.draw(st.sampled_from(after))] = made
    fitting = {each.seq: each.digest for each in stamps}
    found = vouching(*stamps, named=named).finish(fitting, 1, len(written), whole=True)
    assert found.problems == ()
    covered = [n for span in found.spans for n in range(span.first_seq, span.last_seq + 1)]
    assert covered == (list(range(1, len(written) + 1)) if stamps else [])
    for span in found.spans:
        for n in range(span.first_seq, span.last_seq + 1):
            true = utc_text_us(written[n - 1] * S)
            assert span.not_earlier is None or span.not_earlier <= true
            assert span.not_later is None or true <= span.not_later
