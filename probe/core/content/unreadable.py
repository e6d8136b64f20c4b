"""Rule: content that cannot be read as declared gives a flag, and a flag accuses nobody."""

from __future__ import annotations

TOO_COSTLY = "too_costly"  # over a bound in nodes or steps, the same on every machine
NOT_READ = "not_read"  # by our own fault: says nothing about the content


class UnreadableError(Exception):
    """The content is not of the kind that the rules are for, or over a bound; `flag` says which."""

    def __init__(self, flag: str) -> None:
        super().__init__(flag)
        self.flag = flag
