"""What a page says of one domain in one period, section by section; a section without anything to say is left out."""

from __future__ import annotations

from datetime import datetime

from htpy import (
    Node,
    code,
    div,
    h2,
    h3,
    i,
    p,
    span,
    strong,
    td,
    tr,
)

from probe.core.sla.report.shown import duration, duration_up, quantiles
from probe.core.sla.report.values import Subject
from probe.core.sla.report.words import (
    DEADLINES,
    DIMENSIONS,
    KEPT,
    KINDS,
    REFUSED,
    STATES,
    VIEWS,
    WHY,
    Said,
    declared_in_words,
)
from probe.sla.html.charts import bounds, strip
from probe.sla.html.pieces import between, evidence_of, keys_of, made_table, right, time_of, word_of
from probe.sla.html.style import COLOURS, swatch


def subject_of(subject: Subject, say: Said) -> Node:
    why = "; ".join(say.code(WHY, one) for one in subject.why)
    return [
        h2[f"{subject.domain} · {subject.period.name}"],
        p[word_of(subject.word, say), f" {say('because')} {why}" if why else ""],
        p(".dim.small")[between(subject.period.begin, subject.period.end, say)],
        _complete(subject, say),
        _strip(subject, say),
        _figures(subject, say),
        _down(subject, say),
        _runs(subject, say),
        _incidents(subject, say),
        _exclusions(subject, say),
        _deadlines(subject, say),
        _criteria(subject, say),
        _slices(subject, say),
        _times(subject, say),
        _quantiles(subject, say),
        _remarks(subject, say),
    ]


def _complete(subject: Subject, say: Said) -> Node:
    if subject.final:
        return None
    return p(".dim.small")[
        f"{say('rows are complete up to')} {subject.complete_up_to or say('nobody knows when')}"
    ]


def _strip(subject: Subject, say: Said) -> Node:
    if not subject.strip:
        return None
    names = {state: say.code(STATES, state) for state in COLOURS}
    total = sum(count for _, count in subject.strip)
    legend = [span[i(style=swatch(state)), names[state]] for state in COLOURS]
    return [strip(subject.strip, _labels(subject, total), names), p(".legend.small")[legend]]


def _labels(subject: Subject, total: int) -> list[tuple[int, str]]:
    """Begin, end, and the quarters between them."""
    begin, end = (datetime.fromisoformat(text) for text in (subject.period.begin, subject.period.end))
    days = (end - begin).days >= 2
    return [
        (total * part // 4, f"{begin + (end - begin) * part / 4:{'%m-%d' if days else '%H:%M:%S'}}")
        for part in range(5)
    ]


def _figures(subject: Subject, say: Said) -> Node:
    if not subject.figures:
        return None
    rows = [
        tr(class_="main" if figure.view == "shown" else None)[
            td[say.code(VIEWS, figure.view)],
            td(".n")[figure.bad_grains],
            td(".n")[duration(figure.unavailable_us)],
            td(".n")[f"{figure.percent} %"],
            td(".key")[figure.availability],
            td[say("kept") if figure.met else say("missed")],
        ]
        for figure in subject.figures
    ]
    made: list[Node] = [made_table(("", *right(say("bad grains"), say("unavailable"), "%"), "", ""), rows)]
    if (grains := subject.grains) is not None:
        unsure = f"; {grains.clock_unsure} {say('of the unknown: nobody vouched for their clock')}"
        made.append(
            p(".small")[
                f"{grains.total} {say('grains of')} {duration(grains.length_us)}: {grains.unknown} {say('unknown')},"
                f" {grains.excluded} {say('excluded')}; {grains.requests} {say('requests')}, {grains.errors}"
                f" {say('errors')}, {grains.unknown_requests} {say('unknown')}; {grains.measured}/{grains.due}"
                f" {say('slots measured')}{unsure if grains.clock_unsure else ''}"
            ]
        )
    if (resolution := subject.resolution) is not None:
        made.append(
            p(".small.dim")[
                f"{say('requests a grain')}: {resolution.per_grain}; {say('without an error they show at most')}"
                f" {resolution.no_error_shows} %; {say('for the rate of the contract needed')}: {resolution.wanted}"
            ]
        )
    if (interval := subject.interval) is not None:
        made.append(
            p(".small.dim")[
                f"{say('error rate')} {interval.rate} %, 95 %: {interval.low} {say('to')} {interval.high} %"
                f" ({interval.days} {say('days as blocks')})"
            ]
        )
    return made


def _down(subject: Subject, say: Said) -> Node:
    if not subject.down:
        return None
    bars = [(say.code(KINDS, part.kind), part.shown_us, part.possible_us) for part in subject.down]
    allowed = subject.allowed_us
    rows = [
        tr[
            td[say.code(KINDS, part.kind)],
            td(".n")[duration(part.shown_us)],
            td(".n")[duration_up(part.possible_us)],
            td(".small")[[div[between(begin, end, say)] for begin, end in part.spans]],
        ]
        for part in subject.down
    ]
    words = "" if allowed is None else f"{say('allowed')} {duration(allowed)}"
    unreported = [
        p[f"{say('not reported in time, and not counted')}: ", between(begin, end, say)]
        for begin, end in subject.unreported
    ]
    if subject.together_us is not None and len(subject.down) > 1:
        least, most = subject.together_us
        rows.append(
            tr(".main")[td[say("together")], td(".n")[duration(least)], td(".n")[duration_up(most)], td]
        )
    table = made_table(("", *right(say("at least"), say("at most")), ""), rows)
    return [bounds(bars, allowed, words), table, unreported]


def _runs(subject: Subject, say: Said) -> Node:
    if not subject.runs:
        return None
    told = {(run.begin, run.end) for run in subject.runs if run.view == "shown"}
    rows = [
        tr[
            td[say.code(VIEWS, run.view)],
            td[between(run.begin, run.end, say)],
            td(".n")[duration(run.in_period_us)],
            td(".key")[keys_of(run.rows, run.more_rows), evidence_of(run.evidence, say)],
        ]
        for run in subject.runs
        if run.view == "shown" or (run.begin, run.end) not in told
    ]
    return [h3[say("bad time")], made_table(("", "", *right(say("unavailable")), say("rows")), rows)]


def _incidents(subject: Subject, say: Said) -> Node:
    if not subject.incidents:
        return None
    rows = [
        tr[
            td[
                time_of(one.first_failing),
                div(".dim.small")[
                    f"{duration(one.at_least_us)} {say('to')}"
                    f" {'?' if one.at_most_us is None else duration_up(one.at_most_us)}"
                ],
                div(".dim.small")[f"{say('confirmed')} ", time_of(one.first_confirmed)]
                if one.first_confirmed
                else None,
            ],
            td[
                ", ".join(f"{fault} {count}" for fault, count in one.faults),
                div(".small")[", ".join(f"{reason} {count}" for reason, count in one.reasons)],
            ],
            td(".small")[", ".join(one.vantage_points), (div(".key.whole")[node] for node in one.nodes)],
            td(".key")[
                keys_of(one.rows, one.more_rows), evidence_of(one.evidence, say), div(".dim")[one.name]
            ],
        ]
        for one in subject.incidents
    ]
    return [
        h3[say("incidents")],
        made_table((say("first seen"), say("fault"), say("seen from"), say("rows")), rows),
    ]


def _exclusions(subject: Subject, say: Said) -> Node:
    if not subject.exclusions:
        return None
    rows = [
        tr[
            td[say.of(one.words)],
            td[between(one.begin, one.end, say)],
            td[
                f"{say('leaves out')} {duration(one.excluded_us)}"
                if one.refused is None
                else f"{say('refused')}: {say.code(REFUSED, one.refused)}"
            ],
            td(".small.dim")["; ".join(declared_in_words(one, say))],
        ]
        for one in subject.exclusions
    ]
    return [h3[say("exclusion")], made_table(("", "", "", ""), rows)]


def _deadlines(subject: Subject, say: Said) -> Node:
    if not subject.deadlines:
        return None
    rows = [
        tr[
            td[say.code(DEADLINES, one.name)],
            td[time_of(one.begin)],
            td[time_of(one.declared or "")],
            td(".n")[duration(one.within_us)],
            td[say.code(KEPT, one.word)],
            td(".small.dim")[one.source],
        ]
        for one in subject.deadlines
    ]
    made = made_table(("", say("from"), say("declared"), *right(say("within")), "", ""), rows)
    return [h3[say("deadlines")], made]


def _criteria(subject: Subject, say: Said) -> Node:
    if not subject.criteria:
        return None
    rows = [
        tr[
            td[one.name, div(".small.dim")[one.part]],
            td(".n")[one.value],
            td(".n")[one.bound],
            td(".n")[one.samples],
            td[word_of(one.word, say), div(".small")["; ".join(say.code(WHY, why) for why in one.why)]],
            td(".key")[keys_of(one.rows, 0)],
        ]
        for one in subject.criteria
    ]
    return [h3[say("criteria")], made_table(("", *right("", "", ""), "", say("rows")), rows)]


def _slices(subject: Subject, say: Said) -> Node:
    parts = [*subject.slices, *subject.apart]
    if not parts:
        return None
    rows = [
        tr[
            td(".dim")[say.code(DIMENSIONS, part.dimension)],
            td(".key.long")[part.name],
            td(".n")[part.requests],
            td(".n")[part.errors],
            td(".n")[part.unknown_requests],
            td(".n")[duration(part.unavailable_us)],
            td(".n")[duration(part.shown_unavailable_us)],
        ]
        for part in parts
    ]
    heads = right(say("requests"), say("errors"), say("unknown"), say("unavailable"), say("shown"))
    return [h3[say("by")], made_table(("", "", *heads), rows)]


def _times(subject: Subject, say: Said) -> Node:
    if not subject.times:
        return None
    rows = [
        tr[
            td[one.part],
            td(".n")[one.samples],
            (td(".n")[f"<= {duration_up(bounds[1])}"] for bounds in (one.p50_us, one.p95_us, one.p99_us)),
        ]
        for one in subject.times
    ]
    return [h3[say("first byte")], made_table(("", *right(say("requests"), "p50", "p95", "p99")), rows)]


def _quantiles(subject: Subject, say: Said) -> Node:
    made: list[Node] = []
    for quantity in ("throughput", "propagation"):
        rows = [
            tr[td[one.part], td(".n")[one.samples], [td(".n")[each] for each in quantiles(one)]]
            for one in subject.quantiles
            if one.quantity == quantity
        ]
        if rows:
            heads = right(say("requests"), "p5", "p50", "p95")
            made += [h3[say(quantity)], made_table(("", *heads), rows)]
    return made


def _remarks(subject: Subject, say: Said) -> Node:
    lines: list[Node] = []
    if (told := subject.traffic) is not None:
        lines.append(
            p[
                f"{say('traffic file of the')} {say(told.by)}: {told.requests} {say('requests')}, {told.errors}"
                f" {say('errors')}, {say('lost to dead nodes')} {told.lost}; {duration(told.unavailable_us)}"
                f" {say('unavailable')}, {told.percent} %, {say('kept') if told.met else say('missed')};"
                f" {told.unknown_grains} {say('grains')} {say('unknown')}; {say('beside the word')} ",
                code(".key")[told.digest],
            ]
        )
    if (credit := subject.credit) is not None:
        worst = f"({say('at worst')} {credit.possible})"
        lines.append(
            p[strong[f"{say('credit')}: {credit.currency} {credit.shown}"], f" {worst}, {say.of(credit.how)}"]
        )
    lines += [p(".alarm")[f"{say('lost')}: {lost}"] for lost in subject.lost]
    if subject.not_measured:
        lines.append(p(".dim")[f"{say('not computed')}: ", "; ".join(map(say.of, subject.not_measured))])
    return lines
