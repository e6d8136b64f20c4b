"""Rule: each line is held against the line before, the line after and every signed head; the first bad one is named.

Theory of operation. `Check` is fed the lines of one stream in order (`feed`) and gives a `StreamReport` (`finish`).
It keeps one line (`_last`), so that a stream of any length can be verified.

1. Place: the line's `seq` must be the next number. A jump forward is reported as missing lines; a number that was
   passed already as an extra line, which is then ignored.
2. Link: the line's `previous` must be the digest of the kept line. If not, one of the two was changed, and two lines
   alone do not say which: the new line becomes the kept one, with the line before it attached (`before`, "broken").
3. The next line decides (`_decide_last`): if it names the kept line as it is, the line before that was changed. If
   the kept line would fit once its `previous` is put right, it is the changed one. Else both are named.
4. Signed heads: a line that a head confirms is beyond doubt, and so are the lines linked to it. A line that a head
   contradicts was changed itself, or, if everything fits, the lines since the last confirmed one were rewritten
   together.
5. End: heads beyond the last line show that the end was cut off; gaps must have been declared by an event.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from probe.core.proof.chain import GENESIS, line_digest
from probe.core.proof.findings import Kind, Problem, Problems, StreamReport
from probe.core.proof.gaps import DECLARING, Gaps
from probe.core.proof.line import ReadLine, decode_line, detail_of
from probe.core.proof.signers import Claim, KnownHeads
from probe.core.proof.stamp import STAMPED
from probe.core.proof.vouching import Vouching


@dataclass(slots=True)
class _Held:
    """The line looked at last. `broken`: it does not name `before`, and which of the two is wrong is not known yet."""

    seq: int
    digest: str
    previous: str | None
    data: bytes
    file: str
    line: int
    gone: bool = False
    reported: bool = False
    confirmed: bool = False
    contradicted_by: Claim | None = None  # what says that it was another line
    before: _Held | None = None

    @property
    def broken(self) -> bool:
        return self.before is not None


@dataclass(slots=True)
class Check:
    """One stream. Feed it all lines in order, then `finish`.

    `after`, `digest`: the line before the first; the digest is None where nobody knows it. `unread`: the disk did not
    give all of it, so that nothing is said of the end.
    """

    agent: str
    customer: str
    source: str
    known_heads: KnownHeads
    after: int = 0
    digest: str | None = GENESIS
    gaps: Gaps = field(default_factory=Gaps)
    vouching: Vouching = field(default_factory=Vouching)
    problems: Problems = field(default_factory=Problems)
    lines: int = 0
    records: int = 0
    unread: bool = False
    _next: int = 0
    _last: _Held | None = None
    _unproven: int = 0
    _chained: bool = False
    _confirmed: int = 0
    _complete_up_to: str | None = None

    def __post_init__(self) -> None:
        self._next = self.after + 1

    @property
    def last_seq(self) -> int:
        """The end as far as it was read."""
        return self._next - 1

    @property
    def last_digest(self) -> str | None:
        """Digest of the line at the end."""
        return self.digest if self._last is None else self._last.digest

    def jump(self, seq: int, digest: str | None) -> None:
        """What comes next is the line `seq`, whatever came before; `digest`: of the line before it, if known."""
        self._decide_last(None)
        self._last, self.digest, self._next = None, digest, seq

    def feed(self, data: bytes, file: str, line: int) -> None:
        """The next line, without its line feed, and where it is."""
        self.lines += 1
        digest = line_digest(data)
        try:
            seen = decode_line(data)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            self._unreadable(data, digest, file, line)
            return
        if seen.kind == "dropped":
            self._dropped(seen, data, file, line)
            return
        seq = seen.seq
        if seq is None or seq < 1:
            self._unreadable(data, digest, file, line)
            return
        held = _Held(seq, digest, seen.previous, data, file, line)
        if not self._check_position(held, seq, seq):
            return
        self.records += 1
        whose = seen.agent if seen.host is None else seen.host.agent
        if seen.customer != self.customer or whose != self.agent:
            words = f"belongs to customer {seen.customer} of agent {whose}, not to this stream"
            self._report(Kind.FOREIGN, held, words)
        if seen.complete_up_to is not None:
            self._complete_up_to = seen.complete_up_to
        if seen.event in DECLARING or seen.event == STAMPED:
            self._declared(seen, seq)
        self._accept(held)

    def finish_chain(self) -> list[Problem]:
        """What does not fit together in the lines themselves, gaps and signed heads beyond the end apart."""
        self._decide_last(None)
        return self.problems.found

    def finish(self) -> StreamReport:
        """What was found. Call it once."""
        self._decide_last(None)
        notes = []
        claim = None if self.unread else self.known_heads.missing_after(self.last_seq)
        if claim is not None:
            self.problems.add(
                Problem(
                    kind=Kind.TRUNCATED,
                    seq=self._next,
                    since_seq=min(self._confirmed + 1, self._next),
                    last_seq=claim.seq,
                    words=f"the stream ends at {self.last_seq}, and record {claim.seq} {claim.words}:"
                    " the end is cut off",
                )
            )
        elif (claim := self.known_heads.further_than(self.last_seq)) is not None:
            notes.append(
                f"not the whole: record {claim.seq} {claim.words}, and this copy ends at {self.last_seq}, where by its"
                " own account the last pull ended; pull on to have the rest"
            )
        declared, undeclared = self.gaps.finish()
        for problem in undeclared:
            if self.known_heads.further_than(self.last_seq) is None and not self.unread:
                self.problems.add(problem)
            else:  # what declares it comes after it, and may not be here yet
                notes.append(f"{problem.words}; what says so may come with the rest")
        newest = self.known_heads.matched
        vouched = self.vouching.finish(
            self.known_heads.fitting, self.after + 1, self.last_seq, whole=self.problems.hold_together
        )
        for problem in vouched.problems:
            self.problems.add(problem)
        return StreamReport(
            agent=self.agent,
            customer=self.customer,
            source=self.source,
            lines=self.lines,
            records=self.records,
            first_seq=self.after + 1 if self.lines else None,
            last_seq=self.last_seq if self.lines else None,
            last_digest=self.last_digest if self.lines else None,
            complete_up_to=self._complete_up_to,
            unproven_up_to=self._unproven or None,
            signed_up_to=None if newest is None else newest.seq,
            signed_head=newest,
            heads=self.known_heads.heads,
            stamps=vouched.stamps,
            vouched=vouched.spans,
            notes=(*notes, *vouched.notes),
            gaps=declared,
            problems=self.problems.in_order(),
            more_problems=self.problems.left_out,
        )

    # --- a line's place -----------------------------------------------------------------------------

    def _check_position(self, held: _Held, first: int, last: int) -> bool:
        """Whether the line comes after the one before; says what is missing, or that this one is too many."""
        if first == self._next:
            return True
        if first > self._next:
            missing = self._next
            self.jump(first, None)
            self.problems.add(
                Problem(
                    kind=Kind.MISSING,
                    seq=missing,
                    last_seq=first - 1,
                    file=held.file,
                    line=held.line,
                    words=f"{_span(missing, first - 1)} missing: {first} stands in that place",
                )
            )
            return True
        again = self._last is not None and self._last.seq == last and self._last.digest == held.digest
        words = "is here twice" if again else f"is out of order: {self._next} belongs in that place"
        self._report(Kind.EXTRA, held, words)
        return False

    def _accept(self, held: _Held) -> None:
        """A line in its place: does it name the one before, and do the signed heads name it."""
        if held.previous is not None:
            self._chained = True
        elif not self._chained:
            self._unproven = held.seq
        elif not held.gone:
            self._report(Kind.UNCHAINED, held, "does not name the line before it, as those before it do")
        before, reference = self._last, self.last_digest
        fits = held.previous is None or reference is None or held.previous == reference
        if not fits and (before is None or before.confirmed):
            self._report(
                Kind.CHANGED, held, "was changed: it does not name the line before it, which is as signed"
            )
        elif (
            not fits
            and before is not None
            and not before.reported
            and not before.broken
            and not held.reported
        ):
            held.before = before
        self._decide_last(held if held.previous is not None else None)
        if (claims := self.known_heads.at(held.seq)) is not None:
            self._compare(held, claims)
        self._last, self._next = held, held.seq + 1

    def _compare(self, held: _Held, claims: tuple[Claim, ...]) -> None:
        for claim in claims:
            if claim.digest != held.digest:
                held.contradicted_by = claim
                return
        held.confirmed = True
        self._confirmed = held.seq
        self.known_heads.match(claims)
        if held.before is not None:
            self._report(
                Kind.CHANGED, held.before, "was changed: the line after it, which is as signed, names another"
            )
            held.before = None

    def _decide_last(self, after: _Held | None) -> None:
        """Decide what was left open of the line held, now that the line after it is known (None: there is none)."""
        last = self._last
        if last is None or last.reported or not (last.broken or last.contradicted_by):
            if last is not None and after is not None and last.reported:
                after.before = None  # what does not fit is reported already
            return
        named = after.previous if after is not None else None
        intact = named == last.digest and last.contradicted_by is None
        if last.before is not None:
            wanted = {named} if last.contradicted_by is None else {named, last.contradicted_by.digest}
            self._report_broken_link(last.before, last, intact, wanted)
            if after is not None:
                after.before = None
            last.reported = True
        elif last.contradicted_by is not None:
            self._report_contradicted(last, last.contradicted_by, named)
            if after is not None:
                after.before = None

    def _report_broken_link(self, before: _Held, last: _Held, intact: bool, wanted: set[str | None]) -> None:
        """`last` does not name `before`: which of them was changed."""
        if not intact and last.previous is not None:
            mended = last.data.replace(last.previous.encode(), before.digest.encode(), 1)
            if line_digest(mended) in wanted:
                self._report(
                    Kind.CHANGED, last, "was changed: with the right digest of the line before it, it fits"
                )
                return
        words = "was changed: the line after it names another"
        if not intact:
            words = f"was changed, or {last.seq} after it was: they do not fit together"
        self._report(Kind.CHANGED, before, words)

    def _report_contradicted(self, last: _Held, claim: Claim, named: str | None) -> None:
        since = self._confirmed + 1
        if (named is not None and named != last.digest) or since == last.seq:
            self._report(Kind.CHANGED, last, f"was changed: it is not the line that {claim.words}")
        else:
            words = f"is not the line that {claim.words}: it, or one from {since} on, was changed"
            self._report(Kind.REWRITTEN, last, f"{words}, and those after that made to fit", since)

    # --- other lines ----------------------------------------------------------------------------------

    def _dropped(self, seen: ReadLine, data: bytes, file: str, line: int) -> None:
        first, last = seen.first_seq, seen.last_seq
        if first is None or last is None or not 1 <= first <= last or seen.digest is None:
            self._unreadable(data, line_digest(data), file, line)
            return
        held = _Held(last, seen.digest, seen.previous or None, data, file, line, gone=True)
        if self._check_position(held, first, last):
            self.gaps.add(first, last, seen.digest, seen.reason or "", file, line)
            self._chained = True
            self._accept(held)

    def _unreadable(self, data: bytes, digest: str, file: str, line: int) -> None:
        held = _Held(self._next, digest, None, data, file, line)
        self._decide_last(None)
        self._report(Kind.UNREADABLE, held, "cannot be read: it is no record")
        self._last, self._next = held, self._next + 1

    def _declared(self, seen: ReadLine, seq: int) -> None:
        try:
            if seen.event == STAMPED:
                self.vouching.name(seq, detail_of(seen))
            else:
                self.gaps.declare(seen.event or "", detail_of(seen))
        except (msgspec.DecodeError, ValueError, KeyError):
            return  # an event without a span declares none, one without a stamp names none

    def _report(self, kind: Kind, held: _Held, words: str, since: int | None = None) -> None:
        held.reported = True
        self.problems.add(
            Problem(
                kind=kind,
                seq=held.seq,
                since_seq=since,
                file=held.file,
                line=held.line,
                words=f"record {held.seq} {words}",
            )
        )


def _span(first: int, last: int) -> str:
    return f"record {first} is" if first == last else f"records {first} to {last} are"
