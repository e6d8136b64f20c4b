"""Every tampering of a page is refused, and the first number at which it shows is named."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probe.core.proof.chain import GENESIS, Head, line_digest
from probe.pull.chain import START, Cursor, StreamName, TamperedError, Witnessed
from probe.pull.heads import WrongKeyError, read_key
from probe.pull.page import Page, PageReader, PageTooLargeError, TruncatedError
from tests.pull.server import Signing, make_lines
from tests.support.rows import at
from tests.support.sizes import scaled

SIGNING = Signing()
KEY = read_key(SIGNING.pem)
STREAM = StreamName("a1", "acme")
LINES = make_lines(30)


def head_of(lines: list[str], signing: Signing = SIGNING, **changes: object) -> dict[str, object]:
    seq = len(lines)
    digest = line_digest(lines[-1].encode()) if lines else GENESIS
    complete = at(seq) if lines else None
    made = Head(agent="a1", customer="acme", seq=seq, digest=digest, complete_up_to=complete)
    return {**signing.head(made), **changes}


def end_of(lines: list[str], all_lines: list[str], after: int = 0, **changes: object) -> str:
    told = {
        "kind": "page", "agent": "a1", "customer": "acme", "after": after, "next": after + len(lines),
        "rows": len(lines), "complete_up_to": at(len(all_lines)), "head": head_of(all_lines), **changes,
    }  # fmt: skip
    return json.dumps(told, separators=(",", ":"))


def page_of(lines: list[str]) -> list[str]:
    return [*lines, end_of(lines, lines)]


def read(lines: list[str], cursor: Cursor = START, witnessed: Witnessed | None = None, step: int = 0) -> Page:
    reader = PageReader(STREAM, cursor, KEY, witnessed)
    data = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
    for begin in range(0, len(data), step or len(data)):
        reader.feed(data[begin : begin + (step or len(data))])
    return reader.finish()


def cursor_at(seq: int) -> Cursor:
    digest = line_digest(LINES[seq - 1].encode()) if seq else GENESIS
    return Cursor(seq, digest, seq > 0)


def texts(page: Page) -> list[str]:
    return [line.text.decode() for line in page.lines]


def test_a_whole_page_is_its_lines() -> None:
    page = read(page_of(LINES))
    assert texts(page) == LINES
    assert (page.cursor.seq, page.cursor.complete_up_to, page.head.proved) == (30, at(30), True)


def test_a_line_without_a_witness_is_held_back() -> None:
    page = read([*LINES[:10], end_of(LINES[:10], LINES)])
    assert (texts(page), page.held_back, page.cursor) == (LINES[:9], True, _ending(9))
    again = read([*LINES[9:], end_of(LINES[9:], LINES, 9)], page.cursor)
    assert texts(again) == LINES[9:]


def _ending(seq: int) -> Cursor:
    return Cursor(seq, line_digest(LINES[seq - 1].encode()), True, at(seq))


@settings(max_examples=scaled(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(step=st.integers(1, 2000), first=st.integers(0, 29))
def test_however_the_bytes_are_cut_up_the_page_is_the_same(step: int, first: int) -> None:
    lines = LINES[first:]
    assert texts(read([*lines, end_of(lines, LINES, first)], cursor_at(first), step=step)) == lines


@settings(max_examples=scaled(150), deadline=None)
@given(end=st.integers(0, 20_000))
def test_a_page_that_is_cut_anywhere_keeps_only_what_is_vouched_for(end: int) -> None:
    data = "".join(f"{line}\n" for line in page_of(LINES)).encode()
    end = min(end, len(data) - 1)
    reader = PageReader(STREAM, Cursor(), KEY)
    reader.feed(data[:end])
    with pytest.raises(TruncatedError):
        reader.finish()
    kept = [line.text.decode() for line in reader.vouched()]
    assert kept == LINES[: max(0, data[:end].count(b"\n") - 1)]


Spoil = Callable[[list[str], int], list[str]]


def _edit(lines: list[str], at_: int) -> list[str]:
    return [*lines[:at_], lines[at_].replace('"kind":"slot"', '"kind":"slet"'), *lines[at_ + 1 :]]


def _swap(lines: list[str], at_: int) -> list[str]:
    return [*lines[:at_], lines[at_ + 1], lines[at_], *lines[at_ + 2 :]]


def _rechain(lines: list[str], at_: int) -> list[str]:
    """An edit after which everything is made to fit again: only the signed head tells."""
    made = list(lines[:at_])
    for number, line in enumerate(lines[at_:]):
        value = json.loads(line)
        value["previous"] = line_digest(made[-1].encode()) if made else GENESIS
        if number == 0:
            value["scheduled_at"] = at(999)
        made.append(json.dumps(value, separators=(",", ":")))
    return made


TAMPERINGS: dict[str, tuple[Spoil, Callable[[int], int]]] = {
    # what is done to line `n` (counted from 1), and the number that is named
    "edited": (_edit, lambda n: n),
    "taken out": (lambda lines, i: lines[:i] + lines[i + 1 :], lambda n: n),
    "doubled": (lambda lines, i: [*lines[: i + 1], *lines[i:]], lambda n: n + 1),
    "put in": (lambda lines, i: [*lines[:i], "{}", *lines[i:]], lambda n: n),
    "emptied": (lambda lines, i: [*lines[:i], "", *lines[i + 1 :]], lambda n: n),
    "swapped": (_swap, lambda n: n),
    "renumbered": (
        lambda lines, i: [*lines[:i], lines[i].replace(f'"seq":{i + 1},', '"seq":7777,'), *lines[i + 1 :]],
        lambda n: n,
    ),
    "another customer's": (
        lambda lines, i: [*lines[:i], lines[i].replace('"acme"', '"zeta"'), *lines[i + 1 :]],
        lambda n: n,
    ),
    "another agent's": (
        lambda lines, i: [*lines[:i], lines[i].replace('"a1"', '"b2"'), *lines[i + 1 :]],
        lambda n: n,
    ),
    "not UTF-8": (lambda lines, i: [*lines[:i], "\udcff\udcfe", *lines[i + 1 :]], lambda n: n),
    "with a line feed": (lambda lines, i: [*lines[:i], lines[i][:40], lines[i][40:], *lines[i + 1 :]], lambda n: n),
    "with a space": (lambda lines, i: [*lines[:i], lines[i] + " ", *lines[i + 1 :]], lambda n: n),
    "unchained": (
        lambda lines, i: [
            *lines[:i], json.dumps({**json.loads(lines[i]), "previous": None}), *lines[i + 1 :]
        ],
        lambda n: n,
    ),
    "said to be dropped": (
        lambda lines, i: [
            *lines[:i],
            json.dumps({"kind": "dropped", "first_seq": i + 1, "last_seq": i + 1, "digest": "0" * 64}),
            *lines[i + 1 :],
        ],
        lambda n: n,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERINGS)
def test_every_tampering_is_refused_and_named(name: str) -> None:
    spoil, named = TAMPERINGS[name]
    for place in [0, 28, *random.Random(name).sample(range(1, 28), 12)]:
        with pytest.raises(TamperedError) as caught:
            read([*spoil(LINES, place), end_of(LINES, LINES)])
        assert caught.value.seq == named(place + 1), (name, place, str(caught.value))


@pytest.mark.parametrize("place", [0, 1, 15, 28, 29])
def test_a_stream_written_anew_is_refused_by_its_signed_head(place: int) -> None:
    with pytest.raises(TamperedError, match="signed head names another line 30") as caught:
        read([*_rechain(LINES, place), end_of(LINES, LINES)])
    assert caught.value.seq == 30


def test_a_line_whose_word_of_the_one_before_was_altered_is_itself_named() -> None:
    lines = list(LINES)
    lines[9] = json.dumps({**json.loads(lines[9]), "previous": "1" * 64}, separators=(",", ":"))
    with pytest.raises(TamperedError) as caught:
        read([*lines, end_of(LINES, LINES)])
    assert caught.value.seq == 10


def test_the_last_line_edited_is_refused_by_the_head() -> None:
    with pytest.raises(TamperedError) as caught:
        read([*_edit(LINES, 29), end_of(LINES, LINES)])
    assert caught.value.seq == 30


@pytest.mark.parametrize(
    "changes",
    [
        {"next": 29}, {"next": 31}, {"next": -1}, {"rows": 29}, {"agent": "b2"}, {"customer": "zeta"},
        {"complete_up_to": "yesterday"}, {"complete_up_to": 5}, {"head": None}, {"head": {}}, {"next": None},
    ],
    ids=str,
)  # fmt: skip
def test_a_page_line_that_lies_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(TamperedError) as caught:
        read([*LINES, end_of(LINES, LINES, **changes)])
    assert caught.value.seq == 31


@pytest.mark.parametrize(
    "changes",
    [
        {"seq": 31}, {"seq": 30.0}, {"digest": "0" * 64}, {"agent": "b2"}, {"customer": "zeta"},
        {"complete_up_to": at(99)}, {"at": at(5)}, {"clock_synchronised": None}, {"clock_max_error_us": 0},
        {"signature": ""},
        {"signature": None},
        {"signature": "AAAA"}, {"more": 1},
    ],
    ids=str,
)  # fmt: skip
def test_a_head_that_was_altered_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(TamperedError):
        read([*LINES, end_of(LINES, LINES, head=head_of(LINES, **changes))])


def test_an_old_head_is_refused() -> None:
    with pytest.raises(TamperedError, match="ends at 12"):
        read([*LINES, end_of(LINES, LINES, head=head_of(LINES[:12]))])


def test_another_key_is_refused_as_such() -> None:
    with pytest.raises(WrongKeyError):
        read([*LINES, end_of(LINES, LINES, head=head_of(LINES, Signing()))])


def test_a_head_under_the_right_name_of_a_key_by_another_is_refused() -> None:
    forged = {**head_of(LINES, Signing()), "key": SIGNING.id}
    with pytest.raises(TamperedError, match="not that of the agent's key"):
        read([*LINES, end_of(LINES, LINES, head=forged)])


@pytest.mark.parametrize("more", [LINES[0], end_of(LINES, LINES), "x"])
def test_nothing_comes_after_the_end(more: str) -> None:
    with pytest.raises(TamperedError):
        read([*page_of(LINES), more])


def test_bytes_after_the_end_without_a_line_feed() -> None:
    reader = PageReader(STREAM, Cursor(), KEY)
    reader.feed("".join(f"{line}\n" for line in page_of(LINES)).encode() + b"x")
    with pytest.raises(TamperedError, match="after the end"):
        reader.finish()


def test_a_head_seen_before_binds() -> None:
    other = _rechain(LINES, 12)
    witnessed = Witnessed({20: line_digest(LINES[19].encode())})
    with pytest.raises(TamperedError) as caught:
        read([*other, end_of(other, other)], witnessed=witnessed)
    assert caught.value.seq == 20


def test_two_heads_for_one_number_are_refused() -> None:
    other = _rechain(LINES, 12)
    witnessed = Witnessed()
    read([*LINES[:10], end_of(LINES[:10], LINES)], witnessed=witnessed)
    with pytest.raises(TamperedError, match="two signed heads"):
        read([*LINES[:11], end_of(LINES[:11], other)], witnessed=witnessed)


def test_a_page_is_bounded() -> None:
    reader = PageReader(STREAM, Cursor(), KEY, most_bytes=1000)
    with pytest.raises(PageTooLargeError):
        reader.feed("".join(f"{line}\n" for line in LINES).encode())


@settings(max_examples=scaled(300), deadline=None)
@given(data=st.data())
def test_a_page_with_any_byte_changed_is_never_taken_for_another(data: st.DataObject) -> None:
    """Refused, cut, or still the same lines: never lines that were not stored."""
    whole = bytearray("".join(f"{line}\n" for line in page_of(LINES[:6])).encode())
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[place]))
    reader = PageReader(STREAM, Cursor(), KEY)
    try:
        reader.feed(bytes(whole))
        page = reader.finish()
    except (TamperedError, TruncatedError, WrongKeyError):
        kept = [line.text.decode("utf-8", "replace") for line in reader.vouched()]
        assert kept[:-1] == LINES[: max(0, len(kept) - 1)] or kept == LINES[: len(kept)]
        return
    assert texts(page) == LINES[:6]


def _fed(reader: PageReader, data: bytes) -> Page:
    reader.feed(data)
    return reader.finish()


@settings(max_examples=scaled(200), deadline=None)
@given(junk=st.binary(max_size=300))
def test_junk_is_refused_in_words(junk: bytes) -> None:
    reader = PageReader(STREAM, Cursor(), KEY)
    with pytest.raises((TamperedError, TruncatedError)):
        _fed(reader, junk)
    assert reader.vouched() == ()
