"""Rule: a record that only says who has seen the records before it is no news.

Events that witness a stream are in it themselves; each of them would be seen, stamped and pulled in its turn, for ever.
"""

from __future__ import annotations

from collections.abc import Iterable

from probe.core.proof.stamp import STAMPED

FIRST_PULLED = "reader.first_pulled"
_MARKS = tuple(f'"event":"{event}"'.encode() for event in (STAMPED, FIRST_PULLED))


def any_news(lines: Iterable[bytes]) -> bool:
    """Whether any of these lines is more than a witness of those before."""
    return any(not any(mark in line for mark in _MARKS) for line in lines)
