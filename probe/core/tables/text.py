"""Rule: a row written as text reads back as the same row.

Rows as lines of CSV (RFC 4180) and of NDJSON. Instants are RFC 3339 in UTC, digests hexadecimal, lists and maps JSON.
In CSV null is an empty cell and an empty text is `""`; and what others sent is never a formula: text that a spreadsheet
would calculate gets an apostrophe before it, and so does text that begins with one, so that it can be taken off again.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from probe.core.model.times import utc_text_us
from probe.core.tables.columns import Cell, Row, Table, Type

LINE_END = "\r\n"
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
_QUOTED = frozenset(',"\r\n')
_CONVERTED = frozenset({Type.TIME, Type.SHA256})
_JSON = msgspec.json.Encoder()


def csv_head(table: Table) -> str:
    """The line of names."""
    return ",".join(table.columns) + LINE_END


def csv_line(table: Table, row: Row) -> str:
    """One row."""
    cells = [
        "" if (value := row[name]) is None else _cell(kind, value) for name, kind in table.columns.items()
    ]
    return ",".join(cells) + LINE_END


def json_line(table: Table, row: Row) -> bytes:
    """One row as an object, every column in order, with a line feed."""
    plain = {
        name: _plain(kind, row[name]) if kind in _CONVERTED else row[name]
        for name, kind in table.columns.items()
    }
    return _JSON.encode(plain) + b"\n"


def _cell(kind: Type, value: Cell) -> str:
    """Of what is not null; the likely ones first: a table has some forty columns."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and kind is not Type.TIME:
        return repr(value)
    value = _plain(kind, value)
    if isinstance(value, tuple | dict):
        return _quoted(_JSON.encode(value).decode())
    return value if isinstance(value, str) else repr(value)


@lru_cache(maxsize=4096)
def _text(value: str) -> str:
    """The same words come again and again."""
    return _quoted("'" + value if value.startswith(FORMULA) else value)


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
