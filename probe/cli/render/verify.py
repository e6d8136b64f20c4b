"""Rule: the first line says whether anything is wrong; then what and where, and how far the rest is proved.

A verification in words. Reads values, decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from probe.cli.render.layout import Text
from probe.core.proof.findings import Problem, StreamReport, VouchedSpan
from probe.services.verification import Verification

MOST_SPANS = 10
_OF = {
    "store": "in the store",
    "segments": "in sealed segments",
    "lines": "in files of lines",
    "tables": "in sealed tables",
    "dispute": "in a dispute file",
}


def verification_text(found: Verification) -> Text:
    """The whole report."""
    text = Text()
    count = len(found.problems) + sum(len(each.problems) + each.more_problems for each in found.streams)
    if found.good:
        text.append("nothing altered was found\n", style="bold green")
    else:
        text.append(f"ALTERED OR INCOMPLETE: {count} problem{'s' * (count != 1)}\n", style="bold red")
    for problem in found.problems:
        text.append(f"  {_place(problem)}{problem.words}\n", style="red")
    for report in found.streams:
        _stream(text, report)
    text.append("\n".join(_keys(found)))
    return text


def _stream(text: Text, report: StreamReport) -> None:
    text.append(
        f"{report.customer} of {report.agent}, {_OF.get(report.source, report.source)}: ", style="bold"
    )
    if report.first_seq is None:
        text.append("no records\n")
    else:
        text.append(f"{report.records} records, {report.first_seq} to {report.last_seq}\n")
    for problem in report.problems:
        text.append(f"  {_place(problem)}{problem.words}\n", style="red")
    if report.more_problems:
        text.append(f"  and {report.more_problems} more\n", style="red")
    for line in _proved(report):
        text.append(f"  {line}\n")


def _place(problem: Problem) -> str:
    """Where it is, as `file:line: `."""
    if problem.file is None:
        return ""
    return f"{problem.file}:{problem.line}: " if problem.line else f"{problem.file}: "


def _proved(report: StreamReport) -> Iterator[str]:
    head = report.signed_head
    if head is None:
        if report.lines:
            yield "nothing signed fits it: the records fit together, and whoever can write them can make that so"
    else:
        clock = {True: "synchronised", False: "NOT synchronised", None: "of unknown state"}
        yield (
            f"signed up to {head.seq} at {head.at} (the agent's clock was {clock[head.clock_synchronised]}),"
            f" by {report.heads} head{'s' * (report.heads != 1)}"
        )
        if report.last_seq is not None and report.last_seq > head.seq:
            yield f"{head.seq + 1} to {report.last_seq} fit together, and are not signed yet"
    yield from _vouched(report)
    if report.unproven_up_to:
        yield f"1 to {report.unproven_up_to} were written by a version without a chain: nothing proves them"
    for gap in report.gaps:
        yield f"{gap.first_seq} to {gap.last_seq} are gone, as the agent has put on record ({gap.reason})"
    yield from report.notes


def _vouched(report: StreamReport) -> Iterator[str]:
    """From when to when a third party vouches for the records; of many spans the first and the last."""
    if not report.stamps:
        return
    yield f"{report.stamps} time stamp{'s' * (report.stamps != 1)} of the authority given; these records were written:"
    spans = report.vouched
    few = spans if len(spans) <= MOST_SPANS else (*spans[: MOST_SPANS - 2], *spans[-2:])
    for number, span in enumerate(few):
        if len(few) < len(spans) and number == MOST_SPANS - 2:
            yield f"  ... {len(spans) - len(few)} spans more: --json names all"
        yield f"  {_span(span)}"


def _span(span: VouchedSpan) -> str:
    name = f"{span.first_seq}" if span.first_seq == span.last_seq else f"{span.first_seq} to {span.last_seq}"
    if span.not_earlier is None and span.not_later is None:
        return f"{name}: no stamp says when"
    if span.not_earlier is None:
        return f"{name}: not later than {span.not_later}"
    if span.not_later is None:
        return f"{name}: not earlier than {span.not_earlier}"
    return f"{name}: from {span.not_earlier} to {span.not_later}"


def _keys(found: Verification) -> Iterator[str]:
    keys = ", ".join(found.keys)
    if not keys:
        yield "no public key, and nothing signed"
    elif found.independent:
        yield f"by the key given: {keys}"
    else:
        yield (
            f"by the key that lies beside the files ({keys}): this is not independent, for whoever can alter the files"
            " can put another key there. Take agent.pub from the agent once, keep it, and give it with --key"
        )
