"""Rule: content is read by declared rules alone, within bounds, the same way on both sides.

Pages carry what changes with each request (a nonce, a time, an advertisement). What a customer declares to change is
taken out of the edge's and of the origin's content, and the rest must be equal. Whatever the content is, reading ends:
bodies over the limit and patterns that run away give a flag in place of a digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
import regex
from jsonpath_rfc9535 import JSONPathError
from jsonpath_rfc9535 import compile as compile_path
from selectolax.lexbor import LexborHTMLParser, SelectolaxError

from probe.core.records.response import ContentFacts

READ_AT_MOST_BYTES = 4 * 1024 * 1024
PATTERNS_WITHIN_S = 0.25


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
        """32 hexadecimal digits that stand for these rules."""
        return hashlib.blake2b(msgspec.json.encode(self), digest_size=16).hexdigest()


class UnreadableError(Exception):
    """The content is not of the kind that the rules are for; `flag` says which."""

    def __init__(self, flag: str) -> None:
        super().__init__(flag)
        self.flag = flag


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
    for pattern in reading.patterns:
        try:
            body = regex.sub(pattern.encode(), b"", body, timeout=PATTERNS_WITHIN_S)
        except TimeoutError:
            raise UnreadableError("patterns_timed_out") from None
    if reading.json_paths:
        body = _without_paths(reading.json_paths, body)
    if reading.selectors:
        body = _without_elements(reading.selectors, body)
    return body


def _without_paths(paths: Iterable[str], body: bytes) -> bytes:
    """The JSON value without what the paths lead to, written canonically: the order of keys says nothing."""
    try:
        value = json.loads(body)
        for path in paths:
            places = [node.location for node in compile_path(path).find(value)]
            for place in sorted(places, key=_deepest_last, reverse=True):
                _take_out(value, place)
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        raise UnreadableError("not_json") from None
    except JSONPathError:
        raise UnreadableError("not_json") from None


def _deepest_last(place: tuple[int | str, ...]) -> tuple[int, list[tuple[bool, int, str]]]:
    """Later items of a list go before earlier ones, so that places stay right while others are taken out."""
    steps = [
        (isinstance(s, int), s if isinstance(s, int) else 0, "" if isinstance(s, int) else s) for s in place
    ]
    return len(place), steps


def _take_out(value: Any, place: tuple[int | str, ...]) -> None:
    if not place:
        return  # the root itself: nothing would be left to compare
    for step in place[:-1]:
        value = value[step]
    del value[place[-1]]


def _without_elements(selectors: Iterable[str], body: bytes) -> bytes:
    if b"\x00" in body[:1024]:
        raise UnreadableError("not_html")
    try:
        tree = LexborHTMLParser(body)
    except SelectolaxError:
        raise UnreadableError("not_html") from None
    for selector in selectors:
        for node in tree.css(selector):
            node.decompose()
    html = tree.html
    if html is None:  # too large to be written again: not the same as nothing
        raise UnreadableError("not_html")
    return html.encode()


def check_pattern(text: str) -> str:
    """The text, if it is a regular expression that matches something else than nothing. Raises ValueError."""
    try:
        compiled = regex.compile(text.encode())
    except regex.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    if compiled.fullmatch(b""):
        raise ValueError("this pattern matches nothing at all: it would take nothing out")
    return text


def check_json_path(text: str) -> str:
    """The text, if it is a JSONPath (RFC 9535). Raises ValueError."""
    try:
        compile_path(text)
    except JSONPathError as error:
        raise ValueError(f"not a JSONPath (RFC 9535): {error}") from None
    return text


def check_selector(text: str) -> str:
    """The text, if it is a CSS selector. Raises ValueError."""
    try:
        LexborHTMLParser(b"<p></p>").css(text)
    except SelectolaxError as error:
        raise ValueError(f"not a CSS selector: {error}") from None
    return text
