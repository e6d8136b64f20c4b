"""Rule: a large object is checked by ranges that cannot be predicted and can be requested again.

Offsets come from a seed that is on record (task, slot, number of the range), so that a cache cannot keep just those
bytes right. Edge and origin are asked for the same range; only replies that name the range they give are compared
(RFC 9110 sections 14.4 and 15.3.7), and only where both speak of the same version.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from probe.core.http.fields import field_values
from probe.core.records.observation import Observation, Role
from probe.core.records.response import Response
from probe.core.records.verdict import Evidence

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One range as edge and origin gave it. `index` of the edge's observation; `says` is why it is off, None: equal.

    says: `mismatch` (other bytes of the same version), `range_wrong` (not the range asked for), `other_version`,
    `unverified` (one of them gave no such range).
    """

    ask: str
    index: int
    says: str | None
    detail: str


def byte_range(seed: str, size_bytes: int, length_bytes: int) -> tuple[int, int]:
    """First and last byte of the range that the seed stands for; the whole object where it is shorter."""
    room = size_bytes - length_bytes
    if room <= 0:
        return 0, max(0, size_bytes - 1)
    first = int(hashlib.blake2b(seed.encode(), digest_size=8).hexdigest(), 16) % (room + 1)
    return first, first + length_bytes - 1


def size_of(response: Response) -> int | None:
    """The object's size as a reply to HEAD or GET declares it, or as a Content-Range does."""
    for text in field_values(response.fields, "content-range"):
        parsed = parse_content_range(text)
        return None if parsed is None else parsed[2]
    for text in field_values(response.fields, "content-length"):
        return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None
    return None


def parse_content_range(text: str) -> tuple[int, int, int | None] | None:
    """(first, last, size) of `bytes 0-99/1000`; size None for `*`; None for anything that is no range."""
    match = _CONTENT_RANGE.fullmatch(text.strip())
    if match is None:
        return None
    first, last = int(match[1]), int(match[2])
    size = None if match[3] == "*" else int(match[3])
    return None if last < first or (size is not None and last >= size) else (first, last, size)


def samples(evidence: Evidence, prefix: str) -> Iterator[Sample]:
    """The ranges that were asked in this slot under `prefix` (`integrity.range`), each held against the origin's."""
    for index, observation in enumerate(evidence.observations):
        if observation.role is Role.CHECK and (observation.ask or "").startswith(prefix):
            controls = [
                o
                for o in evidence.observations
                if o.role is Role.CONTROL and o.ask == observation.ask and o.failure is None
            ]
            yield _sample(index, observation, controls)


def _sample(index: int, edge: Observation, controls: Sequence[Observation]) -> Sample:
    ask = edge.ask or ""

    def told(says: str | None, detail: str) -> Sample:
        return Sample(ask=ask, index=index, says=says, detail=detail)

    given = edge.answer
    if given is None:
        return told("unverified", "the edge gave no whole reply")
    if given.status_code != 206:
        return told("unverified", f"status {given.status_code} where 206 was due")
    if edge.failure is not None:
        return told("unverified", "the edge gave more than the range")
    place = _place(given)
    if place is None:
        return told("range_wrong", "206 without a Content-Range that can be read")
    asked = _asked(edge)
    if asked is not None and place[:2] != asked:
        return told("range_wrong", f"bytes {place[0]}-{place[1]} given, {asked[0]}-{asked[1]} asked for")
    if given.encoded_body_bytes != place[1] - place[0] + 1:
        return told("range_wrong", f"{given.encoded_body_bytes} bytes for {place[0]}-{place[1]}")
    return _against(given, place, [c.response for c in controls if c.response is not None], told)


def _against(
    given: Response,
    place: tuple[int, int, int | None],
    origins: Sequence[Response],
    told: Callable[[str | None, str], Sample],
) -> Sample:
    same = [o for o in origins if o.status_code == 206 and _place(o) is not None]
    if not same or len({o.digest for o in same}) > 1:
        return told("unverified", "the origin gave no such range" if not same else "the origin is changing")
    origin = same[-1]
    where = _place(origin)
    assert where is not None, "only ranges that can be read were taken"
    if _another_version(given, origin):
        return told("other_version", "the edge names another version than the origin")
    if where[:2] != place[:2]:
        return told("unverified", "the origin gave another range")
    if origin.digest == given.digest:
        return told(None, f"bytes {place[0]}-{place[1]} equal")
    if where[2] != place[2] and _strong_tag(given) is None:
        return told("other_version", f"{place[2]} bytes at the edge, {where[2]} at the origin")
    return told("mismatch", f"bytes {place[0]}-{place[1]} differ from the origin's")


def _place(response: Response) -> tuple[int, int, int | None] | None:
    values = field_values(response.fields, "content-range")
    return parse_content_range(values[0]) if len(values) == 1 else None


def _another_version(given: Response, origin: Response) -> bool:
    """Both name their version, and not the same one; weak tags say nothing about bytes (RFC 9110 section 8.8.1)."""
    tags = _strong_tag(given), _strong_tag(origin)
    if None not in tags:
        return tags[0] != tags[1]
    dates = [field_values(r.fields, "last-modified") for r in (given, origin)]
    return all(dates) and dates[0] != dates[1]


def _strong_tag(response: Response) -> str | None:
    tag = next(iter(field_values(response.fields, "etag")), None)
    return None if tag is None or tag.startswith("W/") else tag


def _asked(observation: Observation) -> tuple[int, int] | None:
    """The range that was asked for, as the name of the ask has it: `integrity.range:0-99`."""
    match = re.search(r":([0-9]+)-([0-9]+)$", observation.ask or "")
    return None if match is None else (int(match[1]), int(match[2]))
