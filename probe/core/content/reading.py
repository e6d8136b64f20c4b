"""Rule: content is read by declared rules alone, within bounds, the same way on both sides and on every machine.

Pages carry what changes with each request (a nonce, a time, an advertisement). What a customer declares to change is
taken out of the edge's and of the origin's content, and the rest must be equal. Whatever the content is, reading ends:
what is over a bound gives a flag (`too_large`, `too_costly`) in place of a digest, and is nobody's fault. The bounds
are in bytes, nodes and steps, never in seconds: the same content gives the same flag everywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from probe.core.content.html_elements import without_elements
from probe.core.content.json_paths import without_paths
from probe.core.content.unreadable import TOO_COSTLY, UnreadableError
from probe.core.records.response import ContentFacts
from probe.core.text.pattern_syntax import compiled_for_bytes

READ_AT_MOST_BYTES = 4 * 1024 * 1024
PASS_STEPS = 1_000_000_000  # bytes times instructions of a pattern, over all patterns: each goes through once
SEARCHED_BYTES = 1_000_000_000  # after each match the search may look to the end: 10,000 in 200 KB
_READ_AS = 2  # counts up where the same rules read the same content otherwise than an earlier version did


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What is wanted of one object's content.

    `patterns`: regular expressions over the decoded bytes; `json_paths`: RFC 9535; `selectors`: CSS, for HTML. What
    they match is taken out, in this order. `markers`: texts to look for, as UTF-8; without anything to take out they
    alone stand for the content. `fields`: where given, these header
    fields stand for the content, whose bytes are then not compared.
    """

    patterns: tuple[str, ...] = ()
    json_paths: tuple[str, ...] = ()
    selectors: tuple[str, ...] = ()
    markers: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    limit_bytes: int = READ_AT_MOST_BYTES

    @property
    def rules(self) -> str:
        """32 hexadecimal digits that stand for these rules, and for how this version reads by them."""
        described = (_READ_AS, self) if self.needs_parser else self
        return hashlib.blake2b(msgspec.json.encode(described), digest_size=16).hexdigest()

    @property
    def needs_parser(self) -> bool:
        """Markers and fields are looked for in one pass; everything else may cost much."""
        return not self.fields and bool(self.patterns or self.json_paths or self.selectors)


def read_content(
    reading: Reading, body: bytes | None, fields: Iterable[tuple[str, str]] = ()
) -> ContentFacts:
    """The facts wanted of a whole decoded body (None: it was over the limit) and its header fields."""
    if reading.fields:
        return ContentFacts(rules=reading.rules, normalised_digest=_of_fields(reading.fields, fields))
    if body is None:
        return ContentFacts(rules=reading.rules, flags=("too_large",))
    found = tuple(marker for marker in reading.markers if marker.encode() in body)
    if reading.markers and not (reading.patterns or reading.json_paths or reading.selectors):
        digest = hashlib.sha256(msgspec.json.encode(found)).hexdigest()
        return ContentFacts(rules=reading.rules, normalised_digest=digest, found=found)
    try:
        normalised = normalise(reading, body)
    except UnreadableError as error:
        return ContentFacts(rules=reading.rules, found=found, flags=(error.flag,))
    digest = hashlib.sha256(normalised).hexdigest()
    return ContentFacts(rules=reading.rules, normalised_digest=digest, found=found)


def _of_fields(wanted: Iterable[str], fields: Iterable[tuple[str, str]]) -> str:
    """SHA-256 over the wanted fields with their values, absent ones too."""
    given = list(fields)
    values = [(name, [value for key, value in given if key == name]) for name in sorted(wanted)]
    return hashlib.sha256(msgspec.json.encode(values)).hexdigest()


def normalise(reading: Reading, body: bytes) -> bytes:
    """The content without what the rules take out. Raises UnreadableError."""
    if reading.patterns:
        body = _without_matches(reading.patterns, body)
    if reading.json_paths:
        body = without_paths(reading.json_paths, body)
    if reading.selectors:
        body = without_elements(reading.selectors, body)
    return body


def _without_matches(patterns: Iterable[str], body: bytes) -> bytes:
    """Each pattern in turn over what the one before has left. Raises UnreadableError.

    One search takes time that grows with the bytes. Many may not: where `a.*b|a` is looked for, each search goes to the
    end and comes back with one letter. So every further search counts all bytes that it could look at.
    """
    passes, searched = PASS_STEPS, SEARCHED_BYTES
    for pattern in patterns:
        compiled = compiled_for_bytes(pattern)
        passes -= len(body) * compiled.programsize
        if passes < 0:
            raise UnreadableError(TOO_COSTLY)
        kept, end = [], 0
        for match in compiled.finditer(body):
            kept.append(body[end : match.start()])
            end = match.end()
            searched -= len(body) - end
            if searched < 0:
                raise UnreadableError(TOO_COSTLY)
        body = b"".join((*kept, body[end:]))
    return body


def check_pattern(text: str) -> str:
    """The text, if it is a regular expression that matches something else than nothing. Raises ValueError."""
    if compiled_for_bytes(text).fullmatch(b""):
        raise ValueError("this pattern matches nothing at all: it would take nothing out")
    return text
