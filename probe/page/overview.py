"""What is wrong first, then everything: open incidents in a sentence each, and a map with a row a domain.

In: sums of domains, incidents. Out: the overview. A row opens to vantage points and nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from htpy import (
    Element,
    Node,
    a,
    b,
    button,
    details,
    div,
    form,
    h2,
    h3,
    label,
    li,
    nav,
    p,
    section,
    span,
    strong,
    summary,
    ul,
)
from htpy import (
    input as input_,
)
from markupsafe import Markup

from probe.core.sla.figures import Figures, GrainRule, Judged, View, Word, figures
from probe.core.sla.periods import Span as Period
from probe.core.sla.report.shown import percent
from probe.page.links import Links, file_part
from probe.page.look.clock import Clock
from probe.page.look.heat import CLASSES, Strips
from probe.page.look.pieces import lasted, linked, newest, plain, sentence, sign, state_of_trouble
from probe.page.look.shell import document
from probe.page.look.words import Tongue
from probe.page.model.board import GRAIN_US, SPANS, DomainSums, Place, Span, Track
from probe.page.model.states import MARKS, TROUBLE, UNKNOWN, State, state_of
from probe.page.model.values import Looking, Standing, Trouble

DOMAINS_A_PAGE = 25
NODES_SHOWN = 12
OVER_SHOWN = 20
NOW_GRAINS = 3  # what holds now: the newest that is known of the last quarter of an hour
RULE = GrainRule()
_WORD = {
    Word.KEPT_SHOWN: "99.9 % kept",
    Word.BREACH_SHOWN: "below 99.9 %, shown",
    Word.NOT_DECIDED: "not decided",
}  # of the usual objective: no contract is spoken of here
_WORDS = {"24h": "24 hours", "7d": "7 days", "30d": "30 days"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What is shown. `end`: the newest grain; `domains`: in the order of their names.

    `detailed_from`: the grain from which vantage points and nodes are known; None: as far as anything is.
    """

    domains: tuple[DomainSums, ...]
    troubles: tuple[Trouble, ...]
    end: int
    detailed_from: int | None = None


def overview(of: Overview, looking: Looking, standing: Standing) -> str:
    """The page."""
    say, clock, links = Tongue(looking.language), Clock(looking.zone), Links(looking)
    strips = Strips(SPANS[looking.span], of.end, say, clock)
    rows = _wanted(of, looking)
    pages = max(1, -(-len(rows) // DOMAINS_A_PAGE))
    page = min(max(1, looking.page), pages)
    shown = rows[(page - 1) * DOMAINS_A_PAGE : page * DOMAINS_A_PAGE]
    return document(
        say("Overview"),
        [
            _incidents(of.troubles, say, clock, links),
            h2[say("Domains")],
            _choices(looking, say, links),
            _board(shown, of, strips, links),
            _since(of, strips),
            _pages(page, pages, say, links) if pages > 1 else None,
            _legend(say),
            p(".dim.small")[f"{say('Availability is that of')} {say(_HOW)}"],
            _over(of.troubles, say, clock, links),
        ],
        looking,
        standing,
        to_language=lambda language: links.overview(language=language),
        to_zone=None if looking.static else links.zoned("/"),
    )  # fmt: skip


_HOW = (
    "five-minute grains with more than 0.05 % errors by the CDN's fault, in runs of ten minutes or longer: by the"
    " literal count, as far as chance does not explain it, and between the best and the worst that may have been. What"
    " an agreement says is computed by `cdn-probe sla report`."
)


def pages_of(of: Overview, looking: Looking) -> int:
    """How many pages the overview has."""
    return max(1, -(-len(_wanted(of, looking)) // DOMAINS_A_PAGE))


def _wanted(of: Overview, looking: Looking) -> list[DomainSums]:
    """Those asked for, the gravest first."""
    wanted = looking.wanted.lower()
    kept = [(now_of(one.whole, of.end), one) for one in of.domains if wanted in one.domain.lower()]
    if looking.only_trouble:
        kept = [pair for pair in kept if pair[0] in TROUBLE]
    order = {state: number for number, state in enumerate(TROUBLE)}
    return [one for _, one in sorted(kept, key=lambda pair: order.get(pair[0], len(order)))]


def now_of(track: Track, end: int) -> State:
    """The newest that is known."""
    for number in range(end, end - NOW_GRAINS, -1):
        state, _ = state_of(track.fine.get(number))
        if state is not State.NONE:
            return state
    return State.NONE


def _incidents(troubles: Sequence[Trouble], say: Tongue, clock: Clock, links: Links) -> Element:
    opened = [one for one in troubles if one.is_open]
    return section(aria_labelledby="open")[
        h2(id="open")[f"{say('Open incidents')} ({len(opened)})"],
        ul(".incidents")[(incident_item(one, say, clock, links) for one in opened)]
        if opened
        else p[say("No incident is open.")],
    ]


def _over(troubles: Sequence[Trouble], say: Tongue, clock: Clock, links: Links) -> Node:
    over = [one for one in troubles if not one.is_open][:OVER_SHOWN]
    if not over:
        return None
    return section(aria_labelledby="over")[
        h2(id="over")[say("Incidents that are over")],
        ul(".incidents")[(incident_item(one, say, clock, links) for one in over)],
    ]


def incident_item(one: Trouble, say: Tongue, clock: Clock, links: Links) -> Element:
    """One incident in a list."""
    state = state_of_trouble(one)
    return li(class_=one.outcome.value)[
        span(".sign", aria_hidden="true")[MARKS.get(state, "!")],
        linked(links.incident(one.id), strong[sentence(one, say)]),
        div(".small.dim")[
            f"{say('since')} ",
            clock.shown(one.first_us),
            f" · {lasted(one, say)} · {one.rows} {say('rows')}",
            f" · {plain(one.customer)}" if one.customer is not None else None,
        ],
        div(".small")[newest(one, say)] if one.is_open and one.summary else None,
    ]


def _choices(looking: Looking, say: Tongue, links: Links) -> Element:
    spans = [
        a(href=links.overview(span=name), aria_current="true" if name == looking.span else None)[
            say(_WORDS[name])
        ]
        for name in SPANS
    ]
    search = input_(
        type="search", name="q", id="q", value=looking.wanted, autocomplete="off", maxlength="100"
    )
    asked: list[Node] = [label(for_="q")[say("Show domains with")], " ", search]
    if looking.static:
        narrowed: Node = span(".filter")[asked]
    else:
        kept = {"lang": looking.language, "zone": looking.zone, "span": looking.span}
        narrowed = form(method="get", action="/", role="search")[
            (input_(type="hidden", name=name, value=value) for name, value in kept.items()),
            asked,
            " ",
            label[
                input_(type="checkbox", name="only", value="trouble", checked=looking.only_trouble),
                " ",
                say("only those with trouble"),
            ],
            " ",
            button(type="submit")[say("Show")],
        ]
    return div(".bar")[nav(aria_label=say("Domains"))[_spaced(spans)], narrowed]


def _spaced(nodes: Iterable[Element]) -> list[Element | str]:
    return [part for node in nodes for part in (node, " ")]


def _board(rows: Sequence[DomainSums], of: Overview, strips: Strips, links: Links) -> Node:
    say = strips.say
    none = p(".none-so-called", hidden=bool(rows))[
        say("No domain is so called." if of.domains else "Nothing was measured yet.")
    ]
    if not rows:
        return none
    return [
        div(".board", tabindex="0", role="group", aria_label=say("Domains"))[
            div(".row")[span(".name"), strips.axis()],
            (_domain(one, of, strips, links) for one in rows),
        ],
        none,
    ]


def _since(of: Overview, strips: Strips) -> Node:
    """Of parts that are known for less time than is shown: that is no missing data."""
    if of.detailed_from is None or of.detailed_from * GRAIN_US <= strips.from_us + strips.span.column_us:
        return None
    if strips.span.grains == 1:
        return None
    since = strips.clock.shown(of.detailed_from * GRAIN_US)
    return p(".small.dim")[strips.say("Vantage points, nodes and HTTP versions are shown since"), " ", since]


def _domain(one: DomainSums, of: Overview, strips: Strips, links: Links) -> Element:
    say = strips.say
    nodes = sorted(one.nodes)[:NODES_SHOWN]
    more = len(one.nodes) - len(nodes)
    return details(id=f"d-{file_part(one.customer)}-{file_part(one.domain)}", data_name=one.domain.lower())[
        summary[_named(one, of, say), _strip(one.whole, strips)],
        div(".inside")[
            p[linked(links.domain(one.customer, one.domain), _more(one, say))],
            [_row(say(name), track, of, strips) for name, track in one.versions()],
            [
                _row(_place(one.declared[name]), track, of, strips)
                for name, track in sorted(one.places.items())
            ],
            [_row(f"{say('node')} {plain(name)}", one.nodes[name], of, strips) for name in nodes],
            p(".dim.small")[f"+{more} ", say("nodes more, on the domain's page")] if more else None,
        ],
    ]


def _more(one: DomainSums, say: Tongue) -> Element:
    return span[plain(one.customer), " ", plain(one.domain), ": ", say("times, nodes, certificate")]


def _place(place: Place) -> str:
    said = " ".join(part for part in (place.region, place.carrier) if part)
    return f"{plain(place.name)} {plain(said)}".strip()


def _named(one: DomainSums, of: Overview, say: Tongue) -> Element:
    told = availability(one.whole, SPANS["24h"], of.end)
    return span(".name")[
        b[plain(one.domain)],
        div(".small")[sign(now_of(one.whole, of.end), say), _whose(one, of)],
        div(".small.dim")[_figures(told, say)],
    ]


def _whose(one: DomainSums, of: Overview) -> Node:
    """Whose domain it is, where several customers have it."""
    several = sum(other.domain == one.domain for other in of.domains) > 1
    return span(".dim")[f" · {plain(one.customer)}"] if several else None


def _row(name: str, track: Track, of: Overview, strips: Strips) -> Element:
    now = now_of(track, of.end)
    mark = MARKS.get(now)
    signs = span(".sign", aria_label=strips.say.state(now), role="img")[mark] if mark else None
    return div(".row")[span(".name")[signs, name], _strip(track, strips)]


def _strip(track: Track, strips: Strips) -> Markup:
    return strips.strip(track.cells(strips.span, strips.end))


def availability(track: Track, span: Span, end: int, up_to_us: int | None = None) -> Figures:
    """The evaluator's figures of the columns that are over."""
    first = end + 1 - span.columns * span.grains
    period = Period(first * GRAIN_US, end * GRAIN_US)
    since = period.from_us if track.first is None else max(period.from_us, track.first * GRAIN_US)
    service = Period(min(since, period.to_us), period.to_us)
    judged = Judged(period=period, service=service, complete_up_to_us=up_to_us)
    return figures(track.grains(first, end), RULE, judged)


def _figures(told: Figures, say: Tongue) -> str:
    if not told.total:
        return say("not decided")
    literal, shown, best, worst = (
        percent(told.availability(view), 2) for view in (View.LITERAL, View.SHOWN, View.BEST, View.WORST)
    )
    parts = (
        f"{say('literal')} {literal} %",
        f"{say('shown')} {shown} %",
        f"{say('bounds')} {worst}–{best} %: {say(_WORD[told.word])}",
    )
    return " · ".join(parts)


def _pages(page: int, pages: int, say: Tongue, links: Links) -> Element:
    return nav(".bar", aria_label=say("page"))[
        a(href=links.overview(page=page - 1), rel="prev")[say("previous page")] if page > 1 else None,
        span[f"{say('page')} {page} {say('of')} {pages}"],
        a(href=links.overview(page=page + 1), rel="next")[say("next page")] if page < pages else None,
    ]


def _legend(say: Tongue) -> Element:
    order = (State.OK, State.PARTLY, *reversed(TROUBLE), *UNKNOWN)
    return section(aria_labelledby="legend")[
        h3(id="legend")[say("Legend")],
        ul(".legend.small")[
            (li[_sample(CLASSES.get(state, ""), MARKS.get(state, "")), say.state(state)] for state in order),
            li[_sample("C", ""), say("half height: less than half of the requests")],
            li[_sample("x", ""), say("declared beforehand (excluded)")],
        ],
    ]


def _sample(class_: str, mark: str) -> Markup:
    box = f'<rect class="{class_}" width="22"></rect>' if class_ else ""
    return Markup(  # noqa: S704 - ours
        f'<svg class="h one" viewBox="0 0 22 27" aria-hidden="true"><text x="7" y="8">{mark}</text>{box}</svg>'
    )
