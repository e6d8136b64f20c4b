"""Time down by spans, and incidents: bounds from both sides, several vantage points, exclusions, periods."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.core.records.verdict import Fault
from probe.core.sla.credits import CreditRule, credit
from probe.core.sla.episodes import Look, Sight, episodes
from probe.core.sla.figures import Word
from probe.core.sla.incidents import Seen, incidents
from probe.core.sla.periods import Span, union
from probe.core.sla.spans import SpanRule, TimeDown, common, of_any, possible_spans, time_down, without

MINUTE = 60 * 1_000_000
PERIOD = Span(0, 120 * MINUTE)
EVERY = SpanRule(gap_us=2 * MINUTE)
LONG = SpanRule(over_us=10 * MINUTE, strict=True, gap_us=2 * MINUTE)
ALLOWED = Fraction(44 * MINUTE)
spans = st.lists(
    st.tuples(st.integers(-50, 100), st.integers(0, 40)).map(lambda s: Span(s[0], s[0] + s[1])), max_size=6
)
MARKS = {".": Sight.WELL, "x": Sight.TROUBLE, "?": Sight.UNKNOWN}


def track(marks: str) -> list[Look]:
    """A look a minute; a blank is a minute without one."""
    return [Look(at_us=i * MINUTE, sight=MARKS[m]) for i, m in enumerate(marks) if m != " "]


def minutes(spans: tuple[Span, ...]) -> list[tuple[int, int]]:
    return [(span.from_us // MINUTE, span.to_us // MINUTE) for span in spans]


def down(
    *tracks: str, rule: SpanRule = EVERY, excluded: tuple[Span, ...] = (), period: Span = PERIOD
) -> TimeDown:
    named = {str(i): track(f"{marks:.<121}") for i, marks in enumerate(tracks)}
    return time_down(named, rule, period, excluded)


def test_what_is_well_all_the_time_leaves_nothing_possible() -> None:
    assert down("") == TimeDown(shown=(), possible=())
    assert down("").word(Fraction(0)) is Word.KEPT_SHOWN


def test_trouble_is_bounded_from_both_sides() -> None:
    found = down("..xxx..")
    assert (minutes(found.shown), minutes(found.possible)) == ([(2, 4)], [(1, 5)])


def test_unknown_looks_and_silences_are_possible_and_not_shown() -> None:
    assert minutes(down("..??..").possible) == [(1, 4)]
    assert minutes(down("..    ..").possible) == [(1, 6)]
    assert down("..    ..").shown == ()
    assert minutes(down(".. ..").possible) == [], "one look less is within what was agreed"


def test_a_span_must_be_long_enough_by_its_whole_length() -> None:
    ten = down("." + "x" * 11, rule=LONG)
    assert (ten.shown, minutes(ten.possible)) == ((), [(0, 12)])
    eleven = down("." + "x" * 12, rule=LONG)
    assert minutes(eleven.shown) == [(1, 12)]
    at_end = down("." + "x" * 12, rule=LONG, period=Span(0, 5 * MINUTE))
    assert minutes(at_end.shown) == [(1, 5)], "it lasted eleven minutes; four of them lie in the period"


def test_down_is_down_from_all_vantage_points() -> None:
    both = down(".xxxxx.", "...xxxxxx.")
    assert (minutes(both.shown), minutes(both.possible)) == ([(3, 5)], [(2, 6)])
    assert down("xxxxx.", "").possible == ()
    assert time_down({}, EVERY, PERIOD) == TimeDown(shown=(), possible=(PERIOD,))


def test_an_excluded_span_is_cut_out_and_changes_nothing_else() -> None:
    plain = down("..xxxxxxxx..")
    cut = down("..xxxxxxxx..", excluded=(Span(3 * MINUTE, 5 * MINUTE), Span(4 * MINUTE, 6 * MINUTE)))
    assert minutes(plain.shown) == [(2, 9)]
    assert minutes(cut.shown) == [(2, 3), (6, 9)]
    assert minutes(cut.possible) == [(1, 3), (6, 10)]


def test_the_network_agreement_decides_by_what_is_shown() -> None:
    """44 minutes may be missed in every month; 46 looks in trouble show 45."""
    kept, open_, broken = (down("." + "x" * looks + ".") for looks in (43, 44, 46))
    assert [one.shown_us // MINUTE for one in (kept, open_, broken)] == [42, 43, 45]
    words = [one.word(ALLOWED) for one in (kept, open_, broken)]
    assert words == [Word.KEPT_SHOWN, Word.NOT_DECIDED, Word.BREACH_SHOWN]
    rule = CreditRule(over_us=44 * MINUTE)
    assert credit(broken.shown_us, Fraction(30_000), rule) == 1_000


def test_several_regions_are_counted_once() -> None:
    north, south = down(".xxx..."), down("..xxxx.")
    assert minutes(of_any([north, south]).shown) == [(1, 5)]


@given(st.lists(st.text("x.? ", max_size=60), min_size=1, max_size=3))
def test_what_is_shown_is_possible(tracks: list[str]) -> None:
    found = down(*tracks)
    assert common(found.possible, found.shown) == found.shown
    assert found.shown_us <= found.possible_us <= PERIOD.length_us


@given(st.text("x.? ", max_size=60), st.integers(0, 59))
def test_a_look_that_says_nothing_never_narrows_the_bounds(marks: str, at: int) -> None:
    worse = f"{marks:.<60}"
    worse = worse[:at] + "?" + worse[at + 1 :]
    before, after = down(marks), down(worse)
    if f"{marks:.<60}"[at] != " ":  # else nobody looked there before, and somebody was to look now
        assert after.shown_us <= before.shown_us
        assert after.possible_us >= before.possible_us


def test_spans_by_hand() -> None:
    assert without([Span(0, 10)], []) == (Span(0, 10),)
    assert without([Span(0, 10)], [Span(0, 10)]) == ()
    assert without([Span(0, 10), Span(20, 30)], [Span(5, 25)]) == (Span(0, 5), Span(25, 30))
    assert possible_spans([], None, Span(0, 5)) == (Span(0, 5),)


# --- incidents ------------------------------------------------------------------------------------------


def seen(marks: str, vantage_point: str, **more: Any) -> list[Seen]:
    looks = [
        Look(
            at_us=look.at_us,
            sight=look.sight,
            confirmed=look.at_us >= 3 * MINUTE,
            key=f"acme/{vantage_point}{look.at_us // MINUTE}",
            nodes=("192.0.2.1",) if vantage_point == "bj" else ("192.0.2.2",),
            fault=Fault.CDN,
            reason="tcp.refused",
            evidence_id="e1",
        )
        for look in track(marks)
    ]
    return [
        Seen(episode=e, customer="acme", domain="www", vantage_point=vantage_point, **more)
        for e in episodes(looks)
    ]


def test_what_several_saw_at_once_is_one_incident() -> None:
    here = seen("..xxxx..", "bj", region="CN-BJ", carrier="China Telecom")
    there = seen("....xxxxx.", "sh", region="CN-SH", carrier="China Unicom")
    (one,) = incidents([*there, *here])
    assert (one.first_failing_us, one.first_confirmed_us) == (2 * MINUTE, 3 * MINUTE)
    assert (one.well_before_us, one.last_failing_us, one.well_after_us) == (MINUTE, 8 * MINUTE, 9 * MINUTE)
    assert (one.vantage_points, one.regions) == (("bj", "sh"), ("CN-BJ", "CN-SH"))
    assert (one.nodes, one.evidence_ids) == (("192.0.2.1", "192.0.2.2"), ("e1",))
    assert (one.faults, one.reasons) == (((Fault.CDN, 9),), (("tcp.refused", 9),))
    assert one.keys[:3] == ("acme/bj2", "acme/bj3", "acme/bj4")
    assert incidents(here + there) == incidents(there + here), "whoever is merged first"


def test_trouble_that_was_over_between_is_two_incidents() -> None:
    found = incidents([*seen("..x..x..", "bj"), *seen("..x.....", "sh")])
    assert [(one.first_failing_us // MINUTE, len(one.vantage_points)) for one in found] == [(2, 2), (5, 1)]
    assert len(incidents(seen("..x..x..", "bj"), apart_us=5 * MINUTE)) == 1


def test_what_goes_on_has_no_end() -> None:
    (one,) = incidents([*seen("..xx", "bj"), *seen("..x.", "sh")])
    assert one.well_after_us is None


@pytest.mark.timeout(60)
def test_a_month_of_trouble_takes_as_long_as_it_has_looks() -> None:
    """Two vantage points that see it come and go all the time; and one that sees nothing else."""
    month = Span(0, 43_200 * MINUTE)
    coming = [
        Look(at_us=i * MINUTE, sight=(Sight.WELL, Sight.UNKNOWN, Sight.TROUBLE)[i % 3]) for i in range(43_200)
    ]
    found = time_down({"a": coming, "b": coming, "c": coming}, EVERY, month)
    assert (found.shown_us, found.possible_us) == (0, 43_200 * MINUTE)
    lasting = [Look(at_us=i * MINUTE, sight=Sight.TROUBLE, key=f"acme/{i}") for i in range(200_000)]
    assert [len(one.looks) for one in episodes(lasting)] == [200_000]


@given(spans, spans)
def test_what_both_have_in_common_is_in_both(one: list[Span], other: list[Span]) -> None:
    instants = range(-60, 160)
    shared = common(one, other)
    for at in instants:
        held = any(s.holds(at) for s in one) and any(s.holds(at) for s in other)
        assert any(s.holds(at) for s in shared) == held
        left = any(s.holds(at) for s in without(one, union(other)))
        assert left == (any(s.holds(at) for s in one) and not any(s.holds(at) for s in other))
