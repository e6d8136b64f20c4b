"""Rule: the page says what the value says, in the same order as the text does; each figure leads to its rows."""

from __future__ import annotations

from htpy import (
    Element,
    Node,
    body,
    code,
    div,
    footer,
    h1,
    h3,
    head,
    html,
    li,
    meta,
    p,
    small,
    strong,
    style,
    td,
    title,
    tr,
    ul,
)
from markupsafe import Markup

from probe.core.sla.report.shown import duration
from probe.core.sla.report.values import Input, Report, Subject
from probe.core.sla.report.words import (
    SOURCES,
    Said,
)
from probe.sla.html.pieces import made_table, right, word_of
from probe.sla.html.sections import subject_of
from probe.sla.html.style import CSS


def as_html(report: Report, language: str) -> str:
    """One file."""
    say = Said(language)
    contract = report.contract
    name = f"{say.of(contract.title)}: {contract.agreement}"
    page = html(lang="zh-CN" if language == "zh" else "en")[
        head[
            meta(charset="utf-8"),
            meta(name="viewport", content="width=device-width, initial-scale=1"),
            meta(
                **{
                    "http-equiv": "Content-Security-Policy",
                    "content": "default-src 'none'; style-src 'unsafe-inline'",
                }
            ),
            title[name],
            style[Markup(CSS)],  # noqa: S704 - ours
        ],
        body[
            _top(report, say), (subject_of(subject, say) for subject in report.subjects), _foot(report, say)
        ],
    ]
    return f"{page}\n"


def _top(report: Report, say: Said) -> Node:
    contract = report.contract
    return [
        h1[say.of(contract.title)],
        p(".dim")[
            f"{say('agreement')} {contract.agreement} · {contract.customer} · {contract.profile}"
            f" {say('version')} {contract.profile_version}"
        ],
        div(".alarm")[say("UNVERIFIED INPUT, taken all the same:"), " ", report.unverified]
        if report.unverified is not None
        else None,
        _summary(report, say),
        _overrides(report, say),
    ]


def _summary(report: Report, say: Said) -> Element:
    return made_table(
        ("", *right(say("unavailable"), "%"), ""),
        [
            tr[
                td[strong[subject.domain], " ", small(".dim")[subject.period.name]],
                td(".n")[_headline(subject)],
                td(".n")[next((f.percent for f in subject.figures if f.view == "shown"), "")],
                td[word_of(subject.word, say)],
            ]
            for subject in report.subjects
        ],
    )


def _headline(subject: Subject) -> str:
    shown = [figure.unavailable_us for figure in subject.figures if figure.view == "shown"]
    if subject.together_us is not None:
        return duration(subject.together_us[0])
    return duration(shown[0]) if shown else ""


def _overrides(report: Report, say: Said) -> Node:
    contract = report.contract
    if not contract.overrides:
        return None
    return [
        h3[say("agreed")],
        made_table(
            ("", say("agreed"), say("profile")),
            [
                tr[td(".key")[one.key], td[one.agreed], td(".dim")[one.profile or ""]]
                for one in contract.overrides
            ],
        ),
    ]


def _foot(report: Report, say: Said) -> Element:
    contract = report.contract
    zones = ", ".join(sorted({subject.period.time_zone for subject in report.subjects}))
    clauses = [
        tr[
            td[clause.words.zh, div(".small.dim")[clause.words.en]],
            td(".key")[", ".join(clause.keys)],
            td(".key")[", ".join(clause.ours)],
        ]
        for clause in contract.clauses
    ]
    return footer[
        h3[say("clauses")],
        made_table((say("clauses"), "", say("readings that are ours")), clauses) if clauses else None,
        p(".small")[f"{say('readings that are ours')}: {', '.join(contract.ours)}"]
        if contract.ours
        else None,
        h3[say("inputs")],
        ul(".small")[(li[_input(one, say)] for one in report.inputs)],
        p(".small.dim")[
            f"{say('agreement')} ",
            code(".key")[contract.agreement_digest],
            f" · {say('profile')} ",
            code(".key")[contract.profile_digest],
        ],
        p(".small.dim")[
            " · ".join(f"{name} {version}" for name, version in report.versions),
            f" · {say('times are those of')} {zones}",
        ],
    ]


def _input(one: Input, say: Said) -> Node:
    signed = (
        say("signed by nobody")
        if one.signed_up_to is None
        else f"{say('signed up to')} {one.signed_up_to} {say('at')} {one.signed_at} {say('by key')} {one.key}"
    )
    beside = say("(the key lies beside the files: give yours with --key)")
    return [
        f"{say.code(SOURCES, one.source)}: {one.customer} {say('of')} {one.agent}, {one.records} {say('records')}"
        f" {one.first_seq}–{one.last_seq}, {signed} ",
        beside if one.signed_up_to is not None and not one.witnessed else "",
        div(".key.dim")[one.last_digest or ""],
        [
            div(".small")[f"{say('stamped')} {first}–{last}: {earlier or '?'} {say('to')} {later or '?'}"]
            for first, last, earlier, later in one.vouched
        ],
        [div(".small")[problem] for problem in one.problems],
        [div(".small.dim")[note] for note in one.notes],
    ]
