"""Rule: a row written as text reads back as the same row.

Rows as lines of CSV (RFC 4180) and of NDJSON. Instants are RFC 3339 in UTC, digests hexadecimal, lists and maps JSON.
In CSV null is an empty cell and an empty text is `""`; and what others sent is never a formula: text that a spreadsheet
would calculate gets an apostrophe before it, and so does text that begins with one, so that it can be taken off again.
"""

from __future__ import annotations

import msgspec

from probe.core.model.times import utc_text_us
from probe.core.tables.columns import Cell, Row, Table, Type

LINE_END = "\r\n"
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
_QUOTED = frozenset(',"\r\n')
_JSON = msgspec.json.Encoder()


def csv_head(table: Table) -> str:
    """The line of names."""
    return ",".join(table.columns) + LINE_END


def csv_line(table: Table, row: Row) -> str:
    """One row."""
    cells = (_cell(kind, row[name]) for name, kind in table.columns.items())
    return ",".join(cells) + LINE_END


def json_line(table: Table, row: Row) -> bytes:
    """One row as an object, every column in order, with a line feed."""
    return _JSON.encode({name: _plain(kind, row[name]) for name, kind in table.columns.items()}) + b"\n"


def _cell(kind: Type, value: Cell) -> str:
    value = _plain(kind, value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | dict):
        return _quoted(_JSON.encode(value).decode())
    if isinstance(value, str):
        return _quoted("'" + value if value.startswith(FORMULA) else value)
    return repr(value)


def _quoted(text: str) -> str:
    if text and _QUOTED.isdisjoint(text):
        return text
    return '"' + text.replace('"', '""') + '"'


def _plain(kind: Type, value: Cell) -> Cell:
    """As JSON can hold it."""
    if isinstance(value, bytes):
        return value.hex()
    if kind is Type.TIME and isinstance(value, int):
        return utc_text_us(value)
    return value
