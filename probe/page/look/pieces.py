"""Pieces of all pages: text from outside as what it is, tables, the sentence of an incident, the sign of a state."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from htpy import Element, Node, a, caption, div, span, table, tbody, td, th, thead, tr

from probe.core.records.verdict import Fault, Outcome
from probe.core.sla.report.shown import duration, duration_up
from probe.page.look.words import Tongue
from probe.page.model.states import MARKS, State, failed_by
from probe.page.model.values import Trouble

# Control characters, and those that change the direction of text or have no width (Unicode, Bidi_Control and Cf).
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
LONGEST = 4_000


def plain(text: str, most: int = LONGEST) -> str:
    """Text from outside: what cannot be seen is written as its number, and what is endless is cut."""
    shown = _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text[:most])
    return shown if len(text) <= most else f"{shown}… (+{len(text) - most})"


def sign(state: State, say: Tongue) -> list[Node]:
    """The sign, where a state has one, and its words."""
    mark = MARKS.get(state)
    return [span(".sign", aria_hidden="true")[mark] if mark else None, say.state(state)]


def made_table(
    heads: Sequence[str], rows: Iterable[Node], label: str, *, right: Sequence[int] = (), titled: bool = False
) -> Element:
    """A table that scrolls by itself where it is too wide. `right`: columns of numbers; `titled`: `label` is seen."""
    cells = [
        th(class_="n" if number in right else None, scope="col")[head] for number, head in enumerate(heads)
    ]
    return div(".wide", tabindex="0", role="group", aria_label=label)[
        table[caption(".dim.small")[label] if titled else None, thead[tr[cells]], tbody[rows]]
    ]


def linked(href: str | None, inside: Element) -> Element:
    """A link, where there is something to lead to."""
    return inside if href is None else a(href=href)[inside]


def figure(text: object) -> Element:
    """A cell with a number."""
    return td(".n")[str(text)]


_BLAME = {
    Fault.CDN: "the fault of the CDN",
    Fault.ORIGIN: "the fault of the origin",
    Fault.CUSTOMER: "the fault of the customer",
    Fault.PATH: "a fault of the path",
    Fault.VANTAGE: "by our own line",
    Fault.AGENT: "by our own host",
    Fault.UNKNOWN: "and nobody can say by whose fault",
}
_DOES = {Outcome.STALE: "is stale", Outcome.SLOW: "is slow"}


def state_of_trouble(one: Trouble) -> State:
    """By which it is drawn."""
    if one.outcome is Outcome.STALE:
        return State.STALE
    return State.SLOW if one.outcome is Outcome.SLOW else failed_by(one.fault)


def sentence(one: Trouble, say: Tongue) -> str:
    """What, whose fault, seen from where: one sentence, without its times."""
    comma = "，" if say.zh else ", "
    if one.domain is None:
        offline = not one.reasons or one.reasons[0][0] == "vantage.offline"
        does = say("is down" if offline else "does not serve us")
        parts = [f"{say('The line of vantage point')} {plain(one.vantage_point or '?')} {does}"]
    else:
        parts = [f"{plain(one.domain)} {say(_DOES.get(one.outcome, 'fails'))}", say(_BLAME[one.fault])]
    if one.reasons:
        parts.append(named(one.reasons[0][0], say))
    if one.looking and one.domain is not None:
        seen = f"{len(one.vantage_points)}/{one.looking}"
        parts.append(f"{say('seen by')} {seen} {say('of vantage points')}")
    if one.domain is None:
        parts.append(say("nobody else is accused"))
    if one.confirmed_us is None:
        parts.append(say("not confirmed"))
    if one.excluded:
        parts.append(say("within a declared exclusion"))
    return comma.join(parts) + say.stop


def named(reason: str, say: Tongue) -> str:
    """A reason by its code, and where no English sentence may stand in what it says."""
    said = say.reason(reason)
    return plain(reason) if said is None else f"{plain(reason)}（{said}）"


def told(reason: str | None, summary: str | None, say: Tongue, most: int) -> Node:
    """A row's own sentence, which is kept in English; in Chinese what its reason says stands before it."""
    text = plain(summary or "", most)
    said = None if reason is None else say.reason(reason)
    if not say.zh:
        return text
    return [said, span(".dim", lang="en")[f" {text}"] if text else None]


def newest(one: Trouble, say: Tongue) -> Node:
    """The newest row's own sentence, called so: it may speak of other trouble than the whole does. English as it is."""
    if not one.summary:
        return None
    words = span(lang="en" if say.zh else None)[plain(one.summary, 400)]
    return [span(".dim")[say("newest row"), "：" if say.zh else ": "], words]


def lasted(one: Trouble, say: Tongue) -> str:
    """Bounds of how long it was there."""
    least = f"{say('lasted at least')} {duration(one.last_us - one.first_us)}"
    if one.well_before_us is None or one.well_after_us is None:
        return least
    return f"{least} {say('and at most')} {duration_up(one.well_after_us - one.well_before_us)}"
