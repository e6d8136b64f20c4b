"""Rule: a report names what it was made of, and how far that is proved: each stream by its last number and digest.

What was verified -> the inputs as a report has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from probe.core.proof.findings import StreamReport
from probe.core.sla.report.values import Input
from probe.seal.proofs import Stream
from probe.services.verification import Verification


def inputs_of(proofs: Iterable[Verification]) -> dict[Stream, Input]:
    """What was proved of each stream; of several inputs the one that reaches furthest."""
    made: dict[Stream, Input] = {}
    for one in proofs:
        for stream in sorted(one.streams, key=lambda s: s.last_seq or 0):
            made[stream.agent, stream.customer] = _input(stream, one)
    return made


def inputs_shown(proofs: Iterable[Verification], customer: str) -> Iterator[Input]:
    """In order of streams, and as they were given; a path is no part of it, so that a moved copy gives the same."""
    found = [(stream, one) for one in proofs for stream in one.streams if stream.customer == customer]
    for stream, one in sorted(
        found, key=lambda pair: (pair[0].agent, pair[0].source, pair[0].first_seq or 0)
    ):
        yield _input(stream, one)


def _input(stream: StreamReport, of: Verification) -> Input:
    head: Any = stream.signed_head
    problems: Sequence[Any] = (*of.problems, *stream.problems)
    gaps = tuple(f"{gap.first_seq} to {gap.last_seq} are gone: {gap.reason}" for gap in stream.gaps)
    return Input(
        agent=stream.agent,
        customer=stream.customer,
        source=stream.source,
        records=stream.records,
        first_seq=stream.first_seq,
        last_seq=stream.last_seq,
        last_digest=stream.last_digest,
        signed_up_to=stream.signed_up_to,
        signed_at=None if head is None else head.at,
        key=None if head is None else head.key,
        heads=stream.heads,
        stamps=stream.stamps,
        vouched=tuple((v.first_seq, v.last_seq, v.not_earlier, v.not_later) for v in stream.vouched),
        witnessed=of.independent,
        notes=(*stream.notes, *gaps),
        problems=tuple(problem.words for problem in problems),
    )
