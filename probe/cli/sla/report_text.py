"""Rule: the word comes first, then what it rests on, then what it does not show; within 80 columns.

A report in words. Reads values, decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from probe.cli.render.layout import Table, Text, drawn
from probe.core.sla.report.shown import duration, duration_up, quantiles
from probe.core.sla.report.values import Input, Report, Slice, Subject
from probe.core.sla.report.words import (
    DEADLINES,
    DIMENSIONS,
    KEPT,
    KINDS,
    REFUSED,
    SOURCES,
    VERDICTS,
    VIEWS,
    WHY,
    Said,
    declared_in_words,
)

COLUMNS = 80
STYLES = {"breach shown": "bold red", "kept shown": "bold green", "not decided": "bold yellow"}
MOST_LINES = 8
Part = Text | Table


def report_text(
    report: Report, language: str, styles: frozenset[str] = frozenset(), columns: int = COLUMNS
) -> str:
    """The whole. `language`: en or zh. `columns`: fewer where it is read at a narrow terminal."""
    return drawn(_parts(report, Said(language)), min(columns, COLUMNS), styles=styles)


def _parts(report: Report, say: Said) -> Iterator[Part]:
    contract = report.contract
    yield Text(say.of(contract.title), "bold")
    yield Text(
        say("agreement") + f" {contract.agreement}, {contract.customer}, "
        f"{contract.profile} {say('version')} {contract.profile_version}"
    )
    for one in contract.overrides:
        told = f"  {say('agreed')}: {one.key} {one.agreed}"
        yield Text(told + ("" if one.profile is None else f" ({say('profile')}: {one.profile})"), "yellow")
    if report.unverified is not None:
        words = say("UNVERIFIED INPUT, taken all the same:")
        yield Text(f"{words} {report.unverified}", "bold red")
    for subject in report.subjects:
        yield Text("")
        yield from _subject(subject, say)
    yield Text("")
    yield from _footer(report, say)


def _subject(subject: Subject, say: Said) -> Iterator[Part]:
    title = Text(f"{subject.domain}, {subject.period.name}: ", "bold")
    title.append(say.code(VERDICTS, subject.word), STYLES[subject.word])
    why = "; ".join(say.code(WHY, code) for code in subject.why)
    yield title.append(f": {say('because')} {why}" if why else "")
    yield Text(f"  {subject.period.begin} {say('to')} {subject.period.end}", "dim")
    if not subject.final:
        until = subject.complete_up_to or say("nobody knows when")
        yield Text(f"  {say('rows are complete up to')} {until}", "dim")
    yield from _figures(subject, say)
    yield from _down(subject, say)
    yield from _runs(subject, say)
    yield from _beside(subject, say)
    yield from _slices(subject.slices, say)
    yield from _times(subject, say)
    for part in subject.apart:
        words = say("shown apart, not counted")
        yield Text(
            f"  {part.name} ({words}): {part.requests} {say('requests')}, {part.errors} {say('errors')}"
        )


def _figures(subject: Subject, say: Said) -> Iterator[Part]:
    if not subject.figures:
        return
    table = Table("", say("bad grains"), say("unavailable"), "%", "")
    for figure in subject.figures:
        met = say("kept") if figure.met else say("missed")
        table.add_row(
            "  " + say.of(VIEWS[figure.view]),
            str(figure.bad_grains),
            duration(figure.unavailable_us),
            figure.percent,
            met,
        )
    yield table
    if (grains := subject.grains) is not None:
        yield Text(
            f"  {grains.total} {say('grains of')} {duration(grains.length_us)}: "
            f"{grains.unknown} {say('unknown')}, {grains.excluded} {say('excluded')}; "
            f"{grains.requests} {say('requests')}, {grains.errors} {say('errors')}, "
            f"{grains.unknown_requests} {say('unknown')}; "
            f"{grains.measured}/{grains.due} {say('slots measured')}"
        )
        if grains.clock_unsure:
            yield Text(f"  {grains.clock_unsure} {say('of the unknown: nobody vouched for their clock')}")
    if (resolution := subject.resolution) is not None:
        yield Text(
            f"  {say('requests a grain')}: {resolution.per_grain}; {say('without an error they show at most')}"
            f" {resolution.no_error_shows} %; {say('for the rate of the contract needed')}: {resolution.wanted}",
            "dim",
        )
    if (interval := subject.interval) is not None:
        yield Text(
            f"  {say('error rate')} {interval.rate} %, 95 %: {interval.low} {say('to')}"
            f" {interval.high} % ({interval.days} {say('days as blocks')})",
            "dim",
        )


def _down(subject: Subject, say: Said) -> Iterator[Part]:
    for down in subject.down:
        yield Text(
            f"  {say.code(KINDS, down.kind)}: {say('at least')} {duration(down.shown_us)},"
            f" {say('at most')} {duration_up(down.possible_us)}"
        )
        for begin, end in down.spans[:MOST_LINES]:
            yield Text(f"    {begin} {say('to')} {end}")
    if subject.together_us is not None and len(subject.down) > 1:
        least, most = subject.together_us
        yield Text(
            f"  {say('together')}: {say('at least')} {duration(least)}, {say('at most')} {duration_up(most)}"
        )
    for begin, end in subject.unreported[:MOST_LINES]:
        yield Text(f"  {say('not reported in time, and not counted')}: {begin} {say('to')} {end}")
    if subject.allowed_us is not None:
        yield Text(f"  {say('allowed')}: {duration(subject.allowed_us)}")


def _runs(subject: Subject, say: Said) -> Iterator[Part]:
    if not subject.runs:
        return
    runs = [run for run in subject.runs if run.view == "shown"] or list(subject.runs)
    shown = runs[0].view == "shown"
    yield Text("  " + (say("bad time, shown") if shown else say("bad time, literal")))
    for run in runs[:MOST_LINES]:
        more = f" +{run.more_rows}" if run.more_rows else ""
        rows = ", ".join(run.rows[:3]) + (", ..." if len(run.rows) > 3 or more else "")
        yield Text(f"    {run.begin} {say('to')} {run.end[11:]}  {duration(run.in_period_us)}  {rows}")
    if len(runs) > MOST_LINES:
        yield Text(f"    {say('and')} {len(runs) - MOST_LINES} {say('more')}")


def _beside(subject: Subject, say: Said) -> Iterator[Part]:
    for one in subject.exclusions:
        what = say.of(one.words)
        told = (
            f"{say('leaves out')} {duration(one.excluded_us)}"
            if one.refused is None
            else f"{say('refused')}: {say.code(REFUSED, one.refused)}"
        )
        yield Text(
            f"  {say('exclusion')}: {what}, {one.begin} {say('to')} {one.end}: {told};"
            f" {'; '.join(declared_in_words(one, say))}"
        )
    for incident in subject.incidents[:MOST_LINES]:
        faults = ", ".join(f"{fault} {count}" for fault, count in incident.faults)
        reasons = ", ".join(reason for reason, _ in incident.reasons[:3])
        most = "?" if incident.at_most_us is None else duration_up(incident.at_most_us)
        yield Text(
            f"  {say('incident')} {incident.first_failing}: {duration(incident.at_least_us)} {say('to')} {most};"
            f" {faults}; {reasons}; {', '.join(incident.rows[:2])}; {incident.name}"
        )
    if len(subject.incidents) > MOST_LINES:
        yield Text(f"  {say('and')} {len(subject.incidents) - MOST_LINES} {say('incidents more')}")
    for deadline in subject.deadlines:
        yield Text(
            f"  {say.code(DEADLINES, deadline.name)} ({duration(deadline.within_us)}) {deadline.begin}:"
            f" {say.code(KEPT, deadline.word)}; {deadline.source}"
        )
    for one_of in subject.criteria:
        why = "; ".join(say.code(WHY, code) for code in one_of.why)
        what = " ".join(filter(None, (one_of.name, one_of.part)))
        told = " / ".join(filter(None, (one_of.value, one_of.bound)))
        line = Text(f"  {what}: {told} ({one_of.samples}): ")
        yield line.append(say.code(VERDICTS, one_of.word), STYLES[one_of.word]).append(
            f", {why}" if why else ""
        )
    if (file := subject.traffic) is not None:
        yield Text(
            f"  {say('traffic file of the')} {say(file.by)}: {file.requests} {say('requests')}, {file.errors}"
            f" {say('errors')}, {say('lost to dead nodes')} {file.lost}; {duration(file.unavailable_us)}"
            f" {say('unavailable')}, {file.percent} %, {say('kept') if file.met else say('missed')};"
            f" {file.unknown_grains} {say('grains')} {say('unknown')}; {say('beside the word')}"
        )
    if (credit := subject.credit) is not None:
        yield Text(
            f"  {say('credit')}: {credit.currency} {credit.shown} ({say('at worst')} {credit.possible}),"
            f" {say.of(credit.how)}",
            "bold",
        )
    for lost in subject.lost:
        yield Text(f"  {say('lost')}: {lost}", "red")
    for words in subject.not_measured:
        yield Text(f"  {say('not computed')}: {say.of(words)}", "dim")


def _slices(slices: tuple[Slice, ...], say: Said) -> Iterator[Part]:
    if not slices:
        return
    table = Table(
        "  " + say("by"),
        "",
        say("requests"),
        say("errors"),
        say("unavailable"),
        say("shown"),
    )
    for part in slices:
        table.add_row(
            "  " + say.code(DIMENSIONS, part.dimension),
            part.name,
            str(part.requests),
            str(part.errors),
            duration(part.unavailable_us),
            duration(part.shown_unavailable_us),
        )
    yield table


def _times(subject: Subject, say: Said) -> Iterator[Part]:
    for one in subject.times:
        told = ", ".join(
            f"p{name} <= {duration_up(bounds[1])}"
            for name, bounds in (("50", one.p50_us), ("95", one.p95_us), ("99", one.p99_us))
        )
        yield Text(f"  {say('first byte')}: {one.part} ({one.samples}): {told}", "dim")
    for of in subject.quantiles:
        told = ", ".join(
            f"p{name} {bounds}" for name, bounds in zip(("5", "50", "95"), quantiles(of), strict=True)
        )
        yield Text(f"  {say(of.quantity)}: {of.part} ({of.samples}): {told}", "dim")


def _footer(report: Report, say: Said) -> Iterator[Part]:
    for one in report.inputs:
        yield Text("  ".join(_input(one, say)), "dim")
        for problem in one.problems[:MOST_LINES]:
            yield Text(f"  {problem}", "red")
        for note in one.notes[:MOST_LINES]:
            yield Text(f"  {note}", "dim")
    contract = report.contract
    if contract.ours:
        yield Text(f"{say('readings that are ours')}: {', '.join(contract.ours)}", "dim")
    yield Text(
        f"{say('agreement')} {contract.agreement_digest[:16]}, {say('profile')}"
        f" {contract.profile_digest[:16]}; "
        + ", ".join(f"{name} {version}" for name, version in report.versions),
        "dim",
    )


def _input(one: Input, say: Said) -> Iterator[str]:
    yield f"{say.code(SOURCES, one.source)}: {one.customer} {say('of')} {one.agent},"
    yield f"{one.records} {say('records')} {one.first_seq}–{one.last_seq},"
    if one.signed_up_to is None:
        yield say("signed by nobody")
    else:
        yield f"{say('signed up to')} {one.signed_up_to} {say('at')} {one.signed_at} {say('by key')} {one.key}"
        if not one.witnessed:
            yield say("(the key lies beside the files: give yours with --key)")
    for first, last, earlier, later in one.vouched:
        yield f"{say('stamped')} {first}–{last}: {earlier or '?'} {say('to')} {later or '?'}"
