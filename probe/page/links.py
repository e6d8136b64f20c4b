"""Where each page lies: an address when it is served, a file beside the others when it is written."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from urllib.parse import urlencode

from probe.page.model.values import Looking, RowName

_SAFE = re.compile(r"[A-Za-z0-9_-](?:[A-Za-z0-9_-]|\.(?!\.)){0,120}")


def file_part(name: str) -> str:
    """A name as part of a file's path: itself where it is harmless, else its digest."""
    if _SAFE.fullmatch(name) and not name.endswith("."):
        return name
    return f"x{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"


def file_of(path: str, language: str) -> str:
    """The file of a page in a language: `index.html`, `index.zh.html`."""
    return f"{path}.html" if language == "en" else f"{path}.{language}.html"


def overview_path(span: str) -> str:
    """The overview's file, without its ending."""
    return "index" if span == "24h" else f"index-{span}"


def domain_path(customer: str, domain: str) -> str:
    """A domain's file, without its ending."""
    return f"domain/{file_part(customer)}/{file_part(domain)}"


def incident_path(identifier: str) -> str:
    """An incident's file, without its ending."""
    return f"incident/{file_part(identifier)}"


def row_path(row: RowName) -> str:
    """A row's file, without its ending."""
    agent, customer, seq = row
    return f"row/{file_part(agent)}/{file_part(customer)}/{seq}"


class Links:
    """Of one page, for whoever looks as `looking` says."""

    def __init__(self, looking: Looking, rows: frozenset[RowName] | None = None) -> None:
        """`rows`: those that have a page; None: all."""
        self._of = looking
        self._rows = rows

    def overview(self, *, span: str | None = None, language: str | None = None, page: int = 1) -> str:
        of = self._of
        if of.static:
            path = overview_path(span or of.span)
            path = path if page == 1 else f"{path}-{page}"
            return f"{of.root}{file_of(path, language or of.language)}"
        more = {
            "q": of.wanted,
            "only": "trouble" if of.only_trouble else "",
            "page": str(page) if page > 1 else "",
        }
        return self._served("/", span=span, language=language, more=more)

    def domain(
        self, customer: str, domain: str, *, span: str | None = None, language: str | None = None
    ) -> str | None:
        """None: it has no page here."""
        if self._of.static:
            return self._file(domain_path(customer, domain), language)
        return self._served(f"/domain/{customer}/{domain}", span=span, language=language)

    def incident(self, identifier: str, *, language: str | None = None) -> str | None:
        """None: it has no page here."""
        if self._of.static:
            return self._file(incident_path(identifier), language)
        return self._served(f"/incident/{identifier}", language=language)

    def row(self, row: RowName, *, language: str | None = None) -> str | None:
        """None: it has no page here."""
        if self._rows is not None and row not in self._rows:
            return None
        if self._of.static:
            return self._file(row_path(row), language)
        return self._served(f"/row/{row[0]}/{row[1]}/{row[2]}", language=language)

    def beside_row(self, row: RowName, name: str) -> str:
        """What can be downloaded of a row: `har`, `evidence.json`, `dispute.zip`."""
        if self._of.static:
            return f"{self._of.root}{row_path(row)}.{name}"
        return f"/row/{row[0]}/{row[1]}/{row[2]}/{name}"

    def zoned(self, path: str) -> Callable[[str], str]:
        """The same page in another zone, where it is served."""
        return lambda zone: self._served(path, zone=zone)

    def _file(self, path: str, language: str | None) -> str:
        return f"{self._of.root}{file_of(path, language or self._of.language)}"

    def _served(
        self,
        path: str,
        *,
        span: str | None = None,
        language: str | None = None,
        zone: str | None = None,
        more: dict[str, str] | None = None,
    ) -> str:
        of = self._of
        asked = {
            "lang": language or of.language,
            "zone": zone or of.zone,
            "span": span or of.span,
            **(more or {}),
        }
        usual = {"zone": "UTC", "span": "24h"}
        query = urlencode({key: value for key, value in asked.items() if value and usual.get(key) != value})
        return f"{path}?{query}" if query else path
