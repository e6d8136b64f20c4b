"""Requests of a slot as bars below each other, in the order in which they were made, on one scale of time."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from probe.core.records.dns import Resolution
from probe.core.records.observation import Observation
from probe.core.records.transport import ResourceTiming
from probe.page.look.words import Tongue

WIDTH, HEIGHT = 420, 14
_PARTS = (
    ("connect", "connect_start_us", "secure_connection_start_us", "connect_end_us", "TCP"),
    ("tls", "secure_connection_start_us", "connect_end_us", None, "TLS"),
    ("wait", "request_start_us", "response_start_us", None, "waiting"),
    ("body", "response_start_us", "response_end_us", None, "transfer"),
)


def end_us(resolution: Resolution | None, seen: Sequence[Observation]) -> int:
    """When the last of all ended, from the slot's start."""
    ends = [at for one in seen for at in _instants(one.timing) if at is not None]
    ends += [query.end_us for query in resolution.queries if query.end_us is not None] if resolution else []
    return max([*ends, 1])


def bar(one: Observation, whole_us: int, say: Tongue) -> Markup:
    """One request."""
    parts = []
    for name, begin, end, otherwise, words in _PARTS:
        from_us = getattr(one.timing, begin)
        to_us = getattr(one.timing, end)
        if to_us is None and otherwise is not None:
            to_us = getattr(one.timing, otherwise)
        if from_us is not None and to_us is not None and to_us >= from_us:
            parts.append(_box(name, from_us, to_us, whole_us, say(words)))
    known = [at for at in _instants(one.timing) if at is not None]
    if not parts and known:
        parts.append(_box("wait", min(known), max(known), whole_us, say("waiting")))
    return _svg(parts, f"{say.term(one.role.value)} {one.address}")


def lookup_bar(resolution: Resolution, whole_us: int, say: Tongue) -> Markup:
    """The look-up of the name: each question."""
    parts = [
        _box("dns", query.start_us, query.end_us, whole_us, f"{query.qname} {query.qtype}")
        for query in resolution.queries
        if query.start_us is not None and query.end_us is not None
    ]
    return _svg(parts, say("name look-up"))


def _instants(timing: ResourceTiming) -> list[int | None]:
    return [
        timing.connect_start_us,
        timing.connect_end_us,
        timing.request_start_us,
        timing.response_start_us,
        timing.response_end_us,
    ]


def _box(name: str, from_us: int, to_us: int, whole_us: int, words: str) -> str:
    x, width = WIDTH * from_us / whole_us, max(1.0, WIDTH * (to_us - from_us) / whole_us)
    told = escape(f"{words} {(to_us - from_us) / 1000:.1f} ms")
    return (
        f'<rect class="{name}" x="{x:.1f}" width="{width:.1f}" height="{HEIGHT}"><title>{told}</title></rect>'
    )


def _svg(parts: Sequence[str], label: str) -> Markup:
    return Markup(  # noqa: S704 - numbers, and words that are escaped
        f'<svg class="fall" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )
