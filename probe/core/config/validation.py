"""Rule: what one value alone cannot show (references, doubles, secrets in the open) is checked here, all of it.

The functions read the file's plain content, which may still be wrong in any way, so that one run reports every problem.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from pydantic import ValidationError

from probe.core.content.check_kind import Kinds, Params
from probe.core.model.task import SecretRef
from probe.core.syntax.messages import problems_of, redact, unknown
from probe.core.syntax.problem import Problem
from probe.core.syntax.values import has_userinfo, is_credential_field, parse_field_value
from probe.core.syntax.yaml import Document, Loc

Complaint = tuple[Loc, str]
Place = tuple[int | str, ...]


class ParamsReader:
    """Validates parameters of checks, each distinct one once."""

    def __init__(self, kinds: Kinds) -> None:
        self.kinds = kinds
        self._known: dict[tuple[str, str], Params | list[Any]] = {}

    def read(self, kind: str, value: Any) -> Params | list[Any]:
        """The parameters of a known kind, or pydantic's errors."""
        text = json.dumps(value)
        if (kind, text) not in self._known:
            self._known[kind, text] = self._read(kind, text)
        return self._known[kind, text]

    def _read(self, kind: str, text: str) -> Params | list[Any]:
        try:
            model = self.kinds[kind].params
            return model.model_validate_json(text, strict=True, by_alias=True, by_name=False)
        except ValidationError as error:
            return list(error.errors(include_url=False))
        except re.error as error:  # of a check that uses `re` itself
            return _refusal(f"not a regular expression: {error}")
        except Exception as error:
            # A check kind is a plug-in: what its own validation raises is reported as a problem, not raised.
            return _refusal(f"the check {kind} cannot use this: {type(error).__name__}: {error}")


def _refusal(words: str) -> list[Any]:
    return [{"loc": (), "type": "value_error", "ctx": {"error": words}}]


def customer_problems(
    document: Document, file: str, reader: ParamsReader, vantage_points: Collection[str]
) -> Iterator[Problem]:
    """Everything wrong in a customer's file that its models do not see."""
    data = document.plain()
    for place, site in _sites(data):
        yield from _check_problems(place, site, document, file, reader)
    complaints = [
        *_references(data, vantage_points),
        *_headers(data),
        *_doubles(data),
        *_userinfo((), data),
        *_never_judged(data, reader),
        *_over_plain_http(data),
    ]
    yield from _placed(complaints, document, file)


def agent_problems(document: Document, file: str) -> Iterator[Problem]:
    """Everything wrong in agent.yaml that its models do not see."""
    data = document.plain()
    tokens = _mapping(data.get("api")).get("tokens")
    complaints = [
        *_repeated(("vantage_points",), _mappings(data.get("vantage_points")), ("name",), "vantage point"),
        *_repeated(("api", "tokens"), _mappings(tokens), ("name",), "token"),
        *_repeated(("calls",), _mappings(data.get("calls")), ("name",), "call"),
        *_userinfo((), data),
    ]
    yield from _placed(complaints, document, file)


def _placed(complaints: Iterable[Complaint], document: Document, file: str) -> Iterator[Problem]:
    for loc, message in complaints:
        yield Problem(file, *document.mark(loc), redact(message))


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _mappings(value: Any) -> list[dict[str, Any]]:
    return [_mapping(item) for item in _list(value)]


def _sites(data: dict[str, Any]) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Every mapping that may hold inherited keys: defaults, domains, objects."""
    yield ("defaults",), _mapping(data.get("defaults"))
    for d, domain in enumerate(_mappings(data.get("domains"))):
        yield ("domains", d), domain
        for o, item in enumerate(_mappings(domain.get("objects"))):
            yield ("domains", d, "objects", o), item


def _check_problems(
    place: Place, site: dict[str, Any], document: Document, file: str, reader: ParamsReader
) -> Iterator[Problem]:
    for kind, value in _mapping(site.get("checks")).items():
        loc = (*place, "checks", kind)
        if kind not in reader.kinds:
            mark = document.mark(loc, at_key=True)
            yield Problem(file, *mark, unknown("check", kind, list(reader.kinds)))
        elif value is not None and isinstance(outcome := reader.read(kind, value), list):
            yield from problems_of(outcome, reader.kinds[kind].params, document, file, under=loc)


def _references(data: dict[str, Any], vantage_points: Collection[str]) -> Iterator[Complaint]:
    for place, site in _sites(data):
        for key in ("vantage_points", "ip", "protocol"):
            seen: list[Any] = []
            for index, value in enumerate(_list(site.get(key))):
                if value in seen:
                    yield (*place, key, index), f"{value} is given twice in one list"
                elif (
                    key == "vantage_points"
                    and isinstance(value, str)
                    and vantage_points  # none: agent.yaml itself is wrong, and says so
                    and value not in vantage_points
                ):
                    yield (*place, key, index), unknown("vantage point", value, vantage_points)
                seen.append(value)


def _headers(data: dict[str, Any]) -> Iterator[Complaint]:
    for place, site in _sites(data):
        for loc, holder in ((place, site), ((*place, "origin"), _mapping(site.get("origin")))):
            seen: dict[str, str] = {}
            for name, value in _mapping(holder.get("headers")).items():
                if name.lower() in seen:
                    yield (*loc, "headers", name), f"the header {name} is given twice ({seen[name.lower()]})"
                seen[name.lower()] = name
                if is_credential_field(name) and isinstance(value, str) and not _is_reference(value):
                    yield (
                        (*loc, "headers", name),
                        f"{name} carries a secret: write a reference in its place, "
                        "env:NAME, file:/path or credential:NAME",
                    )


def _is_reference(value: str) -> bool:
    try:
        return isinstance(parse_field_value(value), SecretRef)
    except ValueError:
        return True  # a damaged reference; reported where values are parsed


def _doubles(data: dict[str, Any]) -> Iterator[Complaint]:
    domains = []
    for d, domain in enumerate(_mappings(data.get("domains"))):
        scheme = domain.get("scheme", "https")
        port = domain.get("port", {"http": 80, "https": 443}.get(str(scheme)))
        domains.append({"domain": str(domain.get("domain")).lower(), "scheme": scheme, "port": port})
        objects = [
            {"method": item.get("method", "GET"), "path": item.get("path")}
            for item in _mappings(domain.get("objects"))
        ]
        yield from _repeated(("domains", d, "objects"), objects, ("method", "path"), "object")
    yield from _repeated(("domains",), domains, ("domain", "scheme", "port"), "domain")


def _repeated(
    place: Place, items: list[dict[str, Any]], keys: tuple[str, ...], what: str
) -> Iterator[Complaint]:
    first: dict[str, int] = {}
    for index, item in enumerate(items):
        name = " ".join(str(item.get(key)) for key in keys)
        if name in first and item.get(keys[-1]) is not None:
            yield (
                (*place, index, keys[-1]),
                f"{what} {name} is given twice; the first is number {first[name] + 1}",
            )
        first.setdefault(name, index)


def _never_judged(data: dict[str, Any], reader: ParamsReader) -> Iterator[Complaint]:
    """Checks that compare with an origin, of objects that have none: they would be silent for ever."""
    reported: set[Place] = set()
    for d, domain in enumerate(_mappings(data.get("domains"))):
        if domain.get("origin") is not None:
            continue
        for o, item in enumerate(_mappings(domain.get("objects"))):
            place, site = _where_given(data, d, domain, o, item, "checks")
            for kind, value in _mapping(site.get("checks")).items():
                loc = (*place, "checks", kind)
                what = _needs_origin(kind, value, reader)
                if what is not None and loc not in reported:
                    reported.add(loc)
                    name = f"{domain.get('domain')} {item.get('path')}"
                    yield (
                        loc,
                        f"{what} compares with the origin, and {name} has none: name its origin, or leave it out",
                    )


def _where_given(
    data: dict[str, Any], d: int, domain: dict[str, Any], o: int, item: dict[str, Any], key: str
) -> tuple[Place, dict[str, Any]]:
    """Where an object's `key` is written: with itself, its domain or the defaults; else the object itself."""
    levels: tuple[tuple[Place, dict[str, Any]], ...] = (
        (("domains", d, "objects", o), item),
        (("domains", d), domain),
        (("defaults",), _mapping(data.get("defaults"))),
    )
    return next((level for level in levels if level[1].get(key) is not None), levels[0])


def _over_plain_http(data: dict[str, Any]) -> Iterator[Complaint]:
    """HTTP/2 and HTTP/3 of a domain that is asked over plain HTTP, where clients speak HTTP/1.1."""
    reported: set[Place] = set()
    for d, domain in enumerate(_mappings(data.get("domains"))):
        if domain.get("scheme", "https") != "http":
            continue
        for o, item in enumerate(_mappings(domain.get("objects"))):
            place, site = _where_given(data, d, domain, o, item, "protocol")
            wanted = site.get("protocol")
            for index, value in enumerate(wanted if isinstance(wanted, list) else [wanted]):
                loc = (*place, "protocol", *((index,) if isinstance(wanted, list) else ()))
                if value in ("h2", "h3", "auto") and loc not in reported:
                    reported.add(loc)
                    yield (
                        loc,
                        f"{domain.get('domain')} is asked over plain HTTP, where clients speak HTTP/1.1 alone:"
                        f" write `protocol: h1` there, or `scheme: https` in place of {value} over http",
                    )


def _needs_origin(kind: str, value: Any, reader: ParamsReader) -> str | None:
    if kind not in reader.kinds or value is None:
        return None
    params = reader.read(kind, value)
    return None if isinstance(params, list) else reader.kinds[kind].needs_origin(params)


def _userinfo(place: Place, value: Any) -> Iterator[Complaint]:
    if isinstance(value, str):
        if "@" in value and has_userinfo(value, resolver="resolvers" in place):
            yield place, "a URL holds no user name or password: use headers with a reference (env:NAME)"
    elif isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for step, item in items:
            if isinstance(item, dict | list) or (isinstance(item, str) and "@" in item):
                yield from _userinfo((*place, step), item)
