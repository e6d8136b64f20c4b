"""One incident: what, by whose fault, since when in a sentence; its course, where it is seen, the rows that show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from htpy import Element, Node, div, h2, li, ol, p, section, span, strong, td, tr

from probe.core.records.verdict import Outcome
from probe.page.domain import board_of, parts_of
from probe.page.links import Links
from probe.page.look.clock import Clock
from probe.page.look.heat import Strips
from probe.page.look.pieces import (
    lasted,
    linked,
    made_table,
    newest,
    plain,
    sentence,
    sign,
    state_of_trouble,
    told,
)
from probe.page.look.shell import document
from probe.page.look.words import Tongue
from probe.page.model.board import GRAIN_US, SPANS, DomainSums, Track
from probe.page.model.book import Brief
from probe.page.model.states import MARKS, NOTHING, Counts, State, added, count, failed_by, found, state_of
from probe.page.model.values import Looking, RowName, Standing, Trouble

MOST_NODES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentView:
    """What is shown. `sums` None: nothing is kept of its domain. `pages`: rows that have a page; None: all."""

    trouble: Trouble
    sums: DomainSums | None
    briefs: Mapping[RowName, Brief]
    end: int
    pages: frozenset[RowName] | None = None


def incident(of: IncidentView, looking: Looking, standing: Standing) -> str:
    """The page."""
    say, clock, links = Tongue(looking.language), Clock(looking.zone), Links(looking, of.pages)
    one = of.trouble
    name = one.domain or one.vantage_point or "?"
    return document(
        f"{say('Incident')}: {plain(name)}",
        [
            p[span(".sign", aria_hidden="true")[_mark(one)], strong[sentence(one, say)]],
            p[say("open") if one.is_open else say("over"), f" · {lasted(one, say)}"],
            p[newest(one, say)] if one.summary else None,
            _course(one, say, clock),
            _where(of, say, clock),
            _matrix(of, say),
            _rows(of, say, clock, links),
        ],
        looking,
        standing,
        home=links.overview(),
        to_language=lambda language: links.incident(one.id, language=language) or "",
        to_zone=None if looking.static else links.zoned(f"/incident/{one.id}"),
    )


def _mark(one: Trouble) -> str:
    return MARKS.get(state_of_trouble(one), "!")


def _course(one: Trouble, say: Tongue, clock: Clock) -> Element:
    steps = (
        ("seen well for the last time before", one.well_before_us),
        ("first row that shows it", one.first_us),
        ("confirmed", one.confirmed_us),
        ("last row that shows it", one.last_us),
        ("seen well again by", one.well_after_us),
        ("closed", one.closed_us),
    )
    return section(aria_labelledby="course")[
        h2(id="course")[say("Timeline")],
        ol[(li[f"{say(words)}: ", clock.shown(at_us)] for words, at_us in steps if at_us is not None)],
        p(".small")[
            ", ".join(f"{say.state(failed_by(fault))} {number}" for fault, number in one.faults),
            " · ",
            plain(", ".join(f"{reason} {number}" for reason, number in one.reasons), 600),
        ],
    ]


def _where(of: IncidentView, say: Tongue, clock: Clock) -> Node:
    if of.sums is None:
        return None
    end = max(min(of.end, (of.trouble.last_us + 3_600_000_000) // GRAIN_US), of.trouble.first_us // GRAIN_US)
    strips = Strips(SPANS["24h"], end, say, clock)
    return section(aria_labelledby="around")[
        h2(id="around")[say("Around it")], board_of(parts_of(of.sums, say), strips, say("Around it"))
    ]


def _matrix(of: IncidentView, say: Tongue) -> Node:
    """Nodes × vantage points, within the incident."""
    if of.sums is None or not of.sums.pairs:
        return None
    first, end = of.trouble.first_us // GRAIN_US, of.trouble.last_us // GRAIN_US + 1
    cells = {key: _within(track, first, end) for key, track in of.sums.pairs.items()}
    nodes = sorted({node for (node, _), cell in cells.items() if found(cell)})[:MOST_NODES]
    places = sorted({place for (_, place), cell in cells.items() if found(cell)})
    if not nodes:
        return None
    rows = [
        tr[td(".mono")[plain(node)], [_cell(cells.get((node, place), NOTHING), say) for place in places]]
        for node in nodes
    ]
    return section(aria_labelledby="matrix")[
        h2(id="matrix")[say("Nodes and vantage points")],
        made_table(
            (say("node"), *map(plain, places)),
            rows,
            say("requests within the incident: in trouble, of all"),
            titled=True,
        ),
    ]


def _within(track: Track, first: int, end: int) -> Counts:
    sums = NOTHING
    for _, cell in track.fine.items(first, end):
        sums = added(sums, cell)
    return sums


def _cell(cell: Counts, say: Tongue) -> Element:
    if not found(cell):
        return td(".dim")["–"]
    state, _ = state_of(cell)
    bad = found(cell) - count(cell, "ok")
    return td[sign(state, say), div(".small.dim")[f"{bad}/{found(cell)}"]]


def _rows(of: IncidentView, say: Tongue, clock: Clock, links: Links) -> Node:
    rows = []
    for name in of.trouble.keys:
        brief = of.briefs.get(name)
        if brief is None and len(of.trouble.keys) > of.trouble.rows:
            continue  # of another agent
        link = linked(links.row(name), span[f"{name[1]}/{name[2]}"])
        if brief is None:
            rows.append(tr[td[link], td[plain(name[0])], td, td, td, td])
            continue
        rows.append(
            tr[
                td[link],
                td[clock.shown(brief.at_us)],
                td[plain(brief.vantage_point)],
                td[plain(brief.path, 120)],
                td[sign(_state(brief), say), div(".small.dim")[plain(brief.reason or "")]],
                td(".small")[told(brief.reason, brief.summary, say, 300)],
            ]
        )
    if not rows:
        return None
    more = of.trouble.rows - len(rows)
    heads = (say("row"), say("due"), say("from"), say("object"), say("verdict"), say("in words"))
    return section(aria_labelledby="rows")[
        h2(id="rows")[f"{say('rows')} ({of.trouble.rows})"],
        made_table(heads, rows, say("rows that show it")),
        p(".dim.small")[f"+{more} {say('rows')}"] if more > 0 else None,
    ]


def _state(brief: Brief) -> State:
    if brief.outcome is Outcome.FAILED:
        return failed_by(brief.fault)
    return State.INCONCLUSIVE if brief.outcome is None else State(brief.outcome.value)


def rows_of(troubles: Sequence[Trouble]) -> frozenset[RowName]:
    """All that some incidents name."""
    return frozenset(name for one in troubles for name in one.keys)
