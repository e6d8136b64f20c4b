"""Rule: directives are read in one pass over the text, what does not parse is skipped, and the unusual has a flag.

Cache-Control (RFC 9111 section 5.2) and the fields targeted at caches of one kind (RFC 9213).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from probe.core.http.fields import Fields, field_values, structured_dictionary

Directives = Mapping[str, list[str]]
# RFC 9111 section 1.2.2: what is greater than a cache can represent counts as 2^31.
GREATEST_S = 2**31
_MEMBER = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*"?)+', re.DOTALL)  # its parts exclude each other: linear
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_SECONDS = re.compile(r"[0-9]+")


def cache_control(fields: Fields) -> dict[str, list[str]]:
    """Directive name (lower case) -> its arguments in order; "" where it has none. Garbage is skipped."""
    return parse_directives(field_values(fields, "cache-control"))


def parse_directives(lines: Iterable[str]) -> dict[str, list[str]]:
    """As `cache_control`, of any field of that grammar. Each line stands for itself."""
    directives: dict[str, list[str]] = {}
    for line in lines:
        for member in _MEMBER.findall(line):
            name, _, argument = member.partition("=")
            if _TOKEN.fullmatch(name.strip()):
                directives.setdefault(name.strip().lower(), []).append(_unquoted(argument.strip()))
    return directives


def targeted_directives(fields: Fields, name: str) -> dict[str, list[str]] | None:
    """The directives of a targeted field; None where it is absent, empty or does not parse, and so ignored.

    RFC 9213 section 2.1: a Dictionary; a value of another type than the directive's is not taken for one, so that
    it is invalid here as `max-age=soon` is.
    """
    members = structured_dictionary(fields, name)
    return None if members is None else {key: [_argument(value)] for key, value in members.items()}


def _argument(value: Any) -> str:
    if value is True:
        return ""
    if isinstance(value, int):
        return str(value)
    return value if isinstance(value, str) and not _SECONDS.fullmatch(value) else "?"


def _unquoted(argument: str) -> str:
    quoted = _QUOTED.fullmatch(argument)
    return re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else argument


@dataclass(slots=True)
class Seconds:
    """Reads delta-seconds out of directives and collects what was odd."""

    directives: Directives
    flags: list[str] = field(default_factory=list)

    def of(self, name: str) -> float | None:
        """The first value of a directive (RFC 9111 section 4.2.1); 0 where it is no number of seconds.

        None where the directive is absent. Flags: `max_age_repeated` where another value contradicts the first,
        `max_age_invalid` where the first is none.
        """
        values = self.directives.get(name)
        if not values:
            return None
        if len(set(values)) > 1:
            self.flags.append(f"{name.replace('-', '_')}_repeated")
        seconds = delta_seconds(values[0])
        if seconds is None:
            self.flags.append(f"{name.replace('-', '_')}_invalid")
        return 0.0 if seconds is None else seconds


def delta_seconds(text: str) -> float | None:
    """`60` -> 60.0, at most 2^31 (RFC 9111 section 1.2.2); None for anything else, a sign or a fraction too."""
    if not _SECONDS.fullmatch(text):
        return None
    digits = text.lstrip("0")
    return float(GREATEST_S) if len(digits) > 10 else float(min(int(digits or "0"), GREATEST_S))
