"""Rule: an incident in one sentence: what, since when, whose fault, from where it is seen; no more than was seen."""

from __future__ import annotations

from probe.core.incidents.incident import Ending, Incident, Kind
from probe.core.model.times import utc_text_us
from probe.core.records.verdict import Fault, Outcome

_WHAT = {
    Outcome.FAILED: ("fails", "failed"),
    Outcome.STALE: ("serves outdated content", "served outdated content"),
    Outcome.SLOW: ("is slow", "was slow"),
    Outcome.INCONCLUSIVE: ("cannot be judged", "could not be judged"),
}
_WHOSE = {
    Fault.CDN: "the CDN's fault",
    Fault.ORIGIN: "the origin's fault",
    Fault.CUSTOMER: "the customer's own configuration",
    Fault.PATH: "the network's fault on the way",
    Fault.UNKNOWN: "nobody can say whose fault",
}
SHOWN = 3


def sentence(incident: Incident) -> str:
    """English, one line, UTC."""
    since = _at(incident.first_failing_us)
    if incident.kind is Kind.VANTAGE_POINT:
        words = f"Vantage point {incident.vantage_point} {'is' if incident.is_open else 'was'} in trouble"
        words += f" since {since}: {incident.reason}"
        words += "; nobody else is accused"
    else:
        what = _WHAT[incident.outcome][0 if incident.is_open else 1]
        whose = _WHOSE.get(incident.fault, incident.fault.value)
        words = f"{incident.domain} {what} since {since}: {incident.reason}, {whose}"
        words += f"; seen from {len(incident.vantage_points)} of {incident.looking} vantage points"
        words += f" ({_some(incident.vantage_points)})"
        if incident.nodes:
            words += f", at {_some(incident.nodes)}"
    if not incident.is_open:
        words = words.replace(" since ", " from ", 1) + _over(incident)
    if incident.excluded:
        words += f"; within a declared exclusion ({_some(incident.exclusions)})"
    return words + "."


def _over(incident: Incident) -> str:
    if incident.ending is Ending.WELL and incident.well_after_us is not None:
        least = span(incident.last_failing_us - incident.first_failing_us)
        lasted = f"at least {least}"
        if incident.well_before_us is not None:
            lasted = f"{least} to {span(incident.well_after_us - incident.well_before_us)}"
        return f"; well again by {_at(incident.well_after_us)}, it lasted {lasted}"
    return f"; last seen at {_at(incident.last_failing_us)}, and nobody knows whether it is over"


def span(lasted_us: int) -> str:
    """`42 s`, `12 min`, `3 h 05 min`, `2 d 4 h`."""
    seconds = max(0, round(lasted_us / 1e6))
    if seconds < 120:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 120:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def _at(time_us: int) -> str:
    return f"{utc_text_us(time_us)[:19]}Z"


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
