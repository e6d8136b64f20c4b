"""The heads of one response whose version codes its fields: interim ones are counted, the final one is kept."""

from __future__ import annotations

from probe.core.http.head import Head
from probe.core.http.stream_fields import (
    HTTP_3,
    FieldLines,
    PartialHeadError,
    as_text,
    check_interim,
    check_trailer,
    final_head,
    read_status,
    request_lines,
)
from probe.core.http.tolerance import Breaches
from probe.core.model.task import Limits


class StreamHeads:
    """`final`: once it came. `begun`: what is kept of one that passed a limit."""

    def __init__(self, version: str, method: str, limits: Limits) -> None:
        """`version`: as people read it, HTTP/3."""
        self.final: Head | None = None
        self.begun: Head | None = None
        self._version, self._method, self._limits = version, method, limits
        self._interim: list[int] = []
        self._sections: list[FieldLines] = []

    @property
    def raw(self) -> bytes:
        """The heads as text: on the wire they are coded."""
        return b"".join(as_text(self._version, section) for section in self._sections)

    def take_interim(self, section: FieldLines) -> None:
        """Raises HeadError."""
        self._sections.append(section)
        self._interim.append(read_status(section, HTTP_3))
        check_interim(self._interim)

    def take_final(self, section: FieldLines) -> Head:
        """Raises HeadError."""
        self._sections.append(section)
        try:
            self.final = final_head(section, self._method, self._limits, self._interim, Breaches(), HTTP_3)
        except PartialHeadError as error:
            self.begun = error.head
            raise
        return self.final

    @staticmethod
    def take_trailer(section: FieldLines) -> tuple[str, ...]:
        """Trailer fields are read and dropped; words for what is odd of them. Raises HeadError."""
        breaches = Breaches()
        check_trailer(section, breaches)
        return breaches.words


def request_as_text(version: str, method: str, path: str, fields: list[tuple[str, str]]) -> list[str]:
    """As people write it: the pseudo-header fields as a request line and Host. Raises ValueError as `request_lines`."""
    lines = [(name.decode(), value.decode()) for name, value in request_lines(method, "https", path, fields)]
    host = next(value for name, value in lines if name == ":authority")
    named = [("host", host), *((name, value) for name, value in lines if not name.startswith(":"))]
    return [f"{method} {path} {version}", *(f"{name}: {value}" for name, value in named)]
