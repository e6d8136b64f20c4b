"""Freshness and age of a response for a shared cache, written anew from RFC 9111, RFC 9213, RFC 5861 and RFC 9110.

Nothing of the product is used and no pattern: fields are read character by character as the grammars have them. Where
the RFC leaves a choice to the cache, it is made as docs/freshness.md says.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

TCHAR = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
DIGITS = frozenset("0123456789")
LOWER, KEY_MORE = frozenset("abcdefghijklmnopqrstuvwxyz"), frozenset("0123456789_-.*")
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Fields = list[tuple[str, str]]


class NotThatError(Exception):
    """The text is not of the grammar that it is read by."""


class Text:
    """What is left of a text to be read."""

    def __init__(self, text: str) -> None:
        self.left = text

    def take(self, literal: str) -> None:
        if not self.left.startswith(literal):
            raise NotThatError
        self.left = self.left[len(literal) :]

    def digits(self, count: int) -> int:
        taken = self.left[:count]
        if len(taken) < count or not set(taken) <= DIGITS:
            raise NotThatError
        self.left = self.left[count:]
        return int(taken)

    def one_of(self, names: list[str]) -> int:
        for place, name in enumerate(names):
            if self.left.startswith(name):
                self.take(name)
                return place
        raise NotThatError

    def over(self) -> None:
        if self.left:
            raise NotThatError


# --- RFC 9110 section 5.6.7 -------------------------------------------------------------------------


def moment(text: str, now: datetime | None) -> datetime | None:
    """An HTTP-date; None where it is none."""
    for form in (_fixdate, _rfc850, _asctime):
        try:
            return form(Text(text), now)
        except (NotThatError, ValueError):
            continue
    return None


def _time_of_day(text: Text) -> tuple[int, int, int]:
    hour = text.digits(2)
    text.take(":")
    minute = text.digits(2)
    text.take(":")
    second = text.digits(2)
    if hour > 23 or minute > 59 or second > 60:
        raise NotThatError
    return hour, minute, second


def _made(year: int, month: int, day: int, time: tuple[int, int, int]) -> datetime:
    return datetime(year, month + 1, day, time[0], time[1], tzinfo=UTC) + timedelta(seconds=time[2])


def _fixdate(text: Text, now: datetime | None) -> datetime:
    text.one_of([day[:3] for day in DAYS])
    text.take(", ")
    day = text.digits(2)
    text.take(" ")
    month = text.one_of(MONTHS)
    text.take(" ")
    year = text.digits(4)
    text.take(" ")
    time = _time_of_day(text)
    text.take(" GMT")
    text.over()
    if year < 100:
        raise NotThatError  # a cache cannot represent it
    return _made(year, month, day, time)


def _rfc850(text: Text, now: datetime | None) -> datetime:
    text.one_of(DAYS)
    text.take(", ")
    day = text.digits(2)
    text.take("-")
    month = text.one_of(MONTHS)
    text.take("-")
    short = text.digits(2)
    text.take(" ")
    time = _time_of_day(text)
    text.take(" GMT")
    text.over()
    if now is None:
        return _made(1900 + short if short >= 70 else 2000 + short, month, day, time)
    century = now.year // 100 * 100
    # "more than 50 years in the future": the same last two digits in the past.
    later = (century + short - 50, month + 1, day, *time)
    if later > (now.year, now.month, now.day, now.hour, now.minute, now.second):
        century -= 100
    return _made(century + short, month, day, time)


def _asctime(text: Text, now: datetime | None) -> datetime:
    text.one_of([day[:3] for day in DAYS])
    text.take(" ")
    month = text.one_of(MONTHS)
    text.take(" ")
    if text.left[:1] == " ":
        text.take(" ")
        day = text.digits(1)
    else:
        day = text.digits(2)
    text.take(" ")
    time = _time_of_day(text)
    text.take(" ")
    year = text.digits(4)
    text.over()
    if year < 100:
        raise NotThatError
    return _made(year, month, day, time)


# --- directives -------------------------------------------------------------------------------------


def directives(lines: list[str]) -> list[tuple[str, str]]:
    """RFC 9111 section 5.2: each directive with its argument, "" without one; what is no token is left out."""
    found: list[tuple[str, str]] = []
    for line in lines:
        for member in _members(line):
            name, equals, argument = member.partition("=")
            name = name.strip(" \t")
            if name and set(name) <= TCHAR:
                found.append((name.lower(), _plain(argument.strip(" \t")) if equals else ""))
    return found


def _members(line: str) -> list[str]:
    """Split at commas that stand in no quoted string."""
    members, now, quoted, escaped = [], "", False, False
    for character in line:
        if quoted:
            now += character
            quoted, escaped = (character != '"' or escaped), (character == "\\" and not escaped)
        elif character == ",":
            members.append(now)
            now = ""
        else:
            now += character
            quoted = character == '"'
    return [*members, now]


def _plain(argument: str) -> str:
    if len(argument) < 2 or argument[0] != '"' or argument[-1] != '"':
        return argument
    plain, escaped = "", False
    for character in argument[1:-1]:
        if character == "\\" and not escaped:
            escaped = True
        else:
            plain, escaped = plain + character, False
    return plain


def seconds(argument: str) -> int | None:
    """Delta-seconds (section 1.2.2); what is greater than 2^31 is that."""
    if not argument or not set(argument) <= DIGITS:
        return None
    return min(int(argument), 2**31)


def targeted(lines: list[str]) -> list[tuple[str, str]] | None:
    """RFC 9213 section 2.1, a Dictionary of RFC 9651 of the simple kinds; None: absent, empty or invalid."""
    found: dict[str, str] = {}
    text = Text(", ".join(lines).strip(" "))
    if not text.left:
        return None
    try:
        while True:
            key = ""
            while text.left and (text.left[0] in LOWER or (key and text.left[0] in KEY_MORE)):
                key, text.left = key + text.left[0], text.left[1:]
            if not key:
                return None
            found[key] = ""
            if text.left[:1] == "=":
                text.take("=")
                found[key] = _bare(text)
            text.left = text.left.lstrip(" \t")
            if not text.left:
                return list(found.items())
            text.take(",")
            text.left = text.left.lstrip(" \t")
    except NotThatError:
        return None


def _bare(text: Text) -> str:
    """An Integer as it is; "?" for a value of any other type, which no directive of seconds has; "" for true."""
    first = text.left[:1]
    if first == "?":
        text.take("?")
        return ("?", "")[text.digits(1)]
    if first == '"':
        end = text.left.index('"', 1) if '"' in text.left[1:] else -1
        if end < 0:
            raise NotThatError
        text.left = text.left[end + 1 :]
        return "?"
    taken = ""
    while text.left and (text.left[0] in TCHAR or text.left[0] in ":/"):
        taken, text.left = taken + text.left[0], text.left[1:]
    if taken and set(taken.removeprefix("-")) <= DIGITS and 0 < len(taken.removeprefix("-")) <= 15:
        return str(int(taken))
    whole, point, rest = taken.removeprefix("-").partition(".")
    if point and 0 < len(whole) <= 12 and 0 < len(rest) <= 3 and set(whole + rest) <= DIGITS:
        return "?"
    if taken[:1].isalpha() or taken[:1] == "*":
        return "?"
    raise NotThatError


# --- RFC 9111 section 4.2 ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Fresh:
    """Seconds; `lifetime` None: nothing says. `binds`: the origin said so itself, validly."""

    lifetime: float | None
    source: str | None
    binds: bool
    while_revalidate: float | None
    if_error: float | None
    no_stale: bool


def freshness(fields: Fields, received: datetime | None) -> Fresh:
    """Section 4.2.1 for a shared cache."""
    own = targeted([value for name, value in fields if name == "cdn-cache-control"])
    said = directives([value for name, value in fields if name == "cache-control"]) if own is None else own
    lifetime, source, binds = _lifetime(fields, said, received, hidden=own is not None)
    names = [name for name, _ in said]
    no_stale = bool({"must-revalidate", "proxy-revalidate", "no-cache"} & set(names))
    no_stale |= source in ("no-store", "private", "no-cache")
    no_stale |= source == "s-maxage" and not {"stale-while-revalidate", "stale-if-error"} & set(names)
    if own is not None and source is not None and source != "heuristic":
        source += " of cdn-cache-control"
    return Fresh(
        lifetime,
        source,
        binds,
        _first(said, "stale-while-revalidate"),
        _first(said, "stale-if-error"),
        no_stale,
    )


def _first(said: list[tuple[str, str]], wanted: str) -> float | None:
    """Section 4.2.1: of several the first; an invalid one is stale at once."""
    for name, argument in said:
        if name == wanted:
            return float(seconds(argument) or 0)
    return None


def _lifetime(
    fields: Fields, said: list[tuple[str, str]], received: datetime | None, *, hidden: bool
) -> tuple[float | None, str | None, bool]:
    for name in ("no-store", "private", "no-cache"):  # the most restrictive one first
        if (name, "") in said and not (name == "no-store" and any(n == "must-understand" for n, _ in said)):
            return 0.0, name, True
    for name in ("s-maxage", "max-age"):
        arguments = [argument for n, argument in said if n == name]
        if arguments:
            return float(seconds(arguments[0]) or 0), name, seconds(arguments[0]) is not None
    values = dict(reversed(fields))  # the first of each
    date = moment(values["date"], received) if "date" in values else None
    if "expires" in values and not hidden:
        since = date if date is not None else received
        if date is None and received is not None:
            since = received.replace(microsecond=0)
        until = moment(values["expires"], since)
        if until is None:
            return 0.0, "expires", True  # section 5.3: in the past
        if since is None:
            return None, "expires", False
        return max(0.0, (until - since).total_seconds()), "expires", True
    if "last-modified" in values and date is not None:
        modified = moment(values["last-modified"], date)
        if modified is not None and modified < date:
            return (date - modified).total_seconds() * 0.1, "heuristic", False
    return None, None, False


def initial_age(age: int | None, date: str | None, asked: datetime, answered: datetime) -> float | None:
    """Section 4.2.3, corrected_initial_age; None where neither field says."""
    found = []
    value = None if date is None else moment(date, answered)
    if value is not None:
        found.append(max(0.0, (answered - value).total_seconds()))
    if age is not None:
        found.append(age + max(0.0, (answered - asked).total_seconds()))
    return max(found, default=None)
