"""Rule: a server may omit what HTTP lets it omit; wrong is only what would mislead a client.

Replies to HEAD, to ranges and to conditional requests beside the reply to GET, all of one edge. RFC 9110 sections
9.3.2 (HEAD), 13 (conditional requests), 14 and 15.3.7 (ranges). Where the object may have changed between two
replies, they prove nothing against each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from probe.core.http.fields import field_values, first_value
from probe.core.http.ranges import parse_content_range
from probe.core.records.response import Response


class Says(StrEnum):
    """What a reply amounts to."""

    WRONG = "wrong"  # it would mislead a client
    IGNORED = "ignored"  # the server did not do what it need not do
    CHANGED = "changed"  # it may be of another version: it proves nothing


@dataclass(frozen=True, slots=True)
class Finding:
    """What is to be said of a reply; `words` for people."""

    words: str
    says: Says = Says.WRONG


GONE = frozenset({404, 410})


def judge_head(own: Response, reply: Response) -> Finding | None:
    """HEAD beside GET: the same status, and where both give them the same type, validators and length.

    Fields may be missing in a reply to HEAD. Another validator may be another version.
    """
    if reply.status_code != own.status_code:
        return Finding(f"status {reply.status_code}, GET gave {own.status_code}")
    if another_version(own, reply):
        return Finding("validators of another version than GET gave", Says.CHANGED)
    known = Says.WRONG if same_version(own, reply) else Says.CHANGED
    types = first_value(own.fields, "content-type"), first_value(reply.fields, "content-type")
    if None not in types and _type(types[0]) != _type(types[1]):
        return Finding(f"content-type {types[1]}, GET gave {types[0]}", known)
    same_coding = field_values(own.fields, "content-encoding") == field_values(
        reply.fields, "content-encoding"
    )
    lengths = _length(own), _length(reply)
    if same_coding and None not in lengths and lengths[0] != lengths[1]:
        return Finding(f"content-length {lengths[1]}, GET gave {lengths[0]}", known)
    return None


def judge_range(own: Response, reply: Response, first: int, last: int) -> Finding | None:
    """A satisfiable range: 206 with just these bytes, or the whole object with 200."""
    if reply.status_code == 200:
        return _whole(own, reply)
    if reply.status_code == 416 and field_values(reply.fields, "content-range") == ["bytes */0"]:
        return Finding("416: the object is empty by now", Says.CHANGED)
    if reply.status_code != 206:
        return Finding(f"status {reply.status_code}, 206 or 200 was due")
    if (first_value(reply.fields, "content-type") or "").lower().startswith("multipart/byteranges"):
        return Finding("several parts where one range was asked for")
    places = field_values(reply.fields, "content-range")
    place = parse_content_range(places[0]) if len(places) == 1 else None
    if place is None:
        return Finding("206 without a Content-Range that can be read")
    shrunk = place[2] is not None and place[1] == place[2] - 1 < last  # the object is shorter than that
    if place[0] != first or (place[1] != last and not shrunk):
        return Finding(f"bytes {place[0]}-{place[1]} given, {first}-{last} asked for")
    if reply.encoded_body_bytes != place[1] - place[0] + 1:
        return Finding(f"{reply.encoded_body_bytes} bytes for {place[0]}-{place[1]}")
    if place[2] not in (None, own.encoded_body_bytes) and _comparable(own, reply):
        return Finding(f"Content-Range says {place[2]} bytes, GET gave {own.encoded_body_bytes}")
    return None


def range_differs(own: Response, reply: Response, first_bytes: int) -> bool:
    """The range of just those `first_bytes`, as many of them as there are, with other bytes than the whole reply."""
    if reply.status_code != 206 or not reply.body_complete or own.first_bytes_digest is None:
        return False
    coded = field_values(own.fields, "content-encoding"), field_values(reply.fields, "content-encoding")
    if coded[0] != coded[1] or reply.encoded_body_bytes != min(first_bytes, own.encoded_body_bytes or 0):
        return False
    return reply.digest is not None and reply.digest != own.first_bytes_digest


def _whole(own: Response, reply: Response) -> Finding:
    short = reply.body_complete and reply.encoded_body_bytes != own.encoded_body_bytes
    if short and _comparable(own, reply):
        return Finding(f"200 with {reply.encoded_body_bytes} of {own.encoded_body_bytes} bytes")
    return Finding("200: the range was ignored", Says.IGNORED)


def judge_beyond(reply: Response, first: int) -> Finding | None:
    """A range that begins after the object's end: 416, or the whole object with 200."""
    if reply.status_code == 416:
        return None
    if reply.status_code == 200:
        return Finding("200: the range was ignored", Says.IGNORED)
    places = field_values(reply.fields, "content-range")
    place = parse_content_range(places[0]) if len(places) == 1 else None
    if reply.status_code == 206 and place is not None and place[0] == first:
        return None  # the object has grown
    return Finding(f"status {reply.status_code}, 416 was due")


def judge_match(own: Response, reply: Response) -> Finding | None:
    """If-None-Match with the tag just seen: 304, or 200 with another version (RFC 9110 section 13.1.2)."""
    tags = _opaque(first_value(own.fields, "etag")), _opaque(first_value(reply.fields, "etag"))
    if reply.status_code == 304 and tags[1] not in (None, tags[0]):
        return Finding(f"304 for {tags[0]} with the tag {tags[1]}")
    return _not_modified(reply, changed=None not in tags and tags[0] != tags[1])


def judge_since(own: Response, reply: Response) -> Finding | None:
    """If-Modified-Since with the date just seen: 304, or 200 with another date (section 13.1.3)."""
    return _not_modified(reply, changed=another_version(own, reply))


def _not_modified(reply: Response, *, changed: bool) -> Finding | None:
    if reply.status_code == 304 or (reply.status_code == 200 and changed):
        return None
    if reply.status_code == 200:
        return Finding("200 with the version that the condition named", Says.IGNORED)
    return Finding(f"status {reply.status_code}, 304 or 200 was due")


def judge_unmatched(reply: Response) -> Finding | None:
    """If-None-Match with a tag that no version has: 304 would keep a client on what it does not have."""
    if reply.status_code == 304:
        return Finding("304 for a tag that no version has")
    return None if reply.status_code == 200 else Finding(f"status {reply.status_code}, 200 was due")


# --- versions -------------------------------------------------------------------------------------


def another_version(own: Response, reply: Response) -> bool:
    """Both name their version, and not the same one. Tags by weak comparison (RFC 9110 section 8.8.3.2)."""
    for name in ("etag", "last-modified"):
        values = first_value(own.fields, name), first_value(reply.fields, name)
        if None not in values and _opaque(values[0]) != _opaque(values[1]):
            return True
    return False


def same_version(own: Response, reply: Response) -> bool:
    """Both give the same strong tag."""
    tags = first_value(own.fields, "etag"), first_value(reply.fields, "etag")
    return tags[0] is not None and tags[0] == tags[1] and not tags[0].startswith("W/")


def dated_alike(own: Response, reply: Response) -> bool:
    """Both name the same Last-Modified, and no different tags."""
    dates = first_value(own.fields, "last-modified"), first_value(reply.fields, "last-modified")
    return dates[0] is not None and dates[0] == dates[1] and not another_version(own, reply)


def _comparable(own: Response, reply: Response) -> bool:
    coded = field_values(own.fields, "content-encoding"), field_values(reply.fields, "content-encoding")
    return same_version(own, reply) and coded[0] == coded[1]


def _opaque(tag: str | None) -> str | None:
    return None if tag is None else tag.removeprefix("W/")


def _type(value: str | None) -> str:
    return "".join((value or "").lower().split())


def _length(response: Response) -> int | None:
    values = field_values(response.fields, "content-length")
    return int(values[0]) if len(values) == 1 and values[0].isdecimal() and len(values[0]) < 19 else None
