"""Rule: what is in a dispute file is read when it is asked for, and asked for again rather than held.

So memory grows with the number of members, and not with what is in them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from probe.dispute.container import Container
from probe.dispute.contents import BUNDLE


class Members(Mapping[str, bytes]):
    """The members of a file, read when they are asked for. `sha256`: of each. Raises DisputeFileError."""

    def __init__(self, container: Container) -> None:
        """Reads all of them once, to their ends."""
        self._container = container
        self.sha256: dict[str, str] = {}
        for name in container.names:
            digest = hashlib.sha256()
            for piece in container.pieces(name):
                digest.update(piece)
            self.sha256[name] = digest.hexdigest()

    def __getitem__(self, name: str) -> bytes:
        """Raises KeyError."""
        if name not in self.sha256:
            raise KeyError(name)
        return b"".join(self._container.pieces(name))

    def __contains__(self, name: object) -> bool:
        """Without reading it."""
        return name in self.sha256

    def __iter__(self) -> Iterator[str]:
        return iter(self.sha256)

    def __len__(self) -> int:
        return len(self.sha256)

    def lines(self, name: str) -> MemberLines:
        """A member's lines, to be gone through again and again."""
        return MemberLines(self._container, name)


@dataclass(frozen=True, slots=True)
class MemberLines:
    """Lines that are read while they are gone through."""

    container: Container
    name: str

    def __iter__(self) -> Iterator[bytes]:
        return self.container.lines(self.name)


class MemberEvidence(Mapping[str, tuple[int, bytes]]):
    """Id -> (record, text) of each bundle, in the order of the records. `names`: id -> (record, member)."""

    def __init__(self, members: Members, place: str, named: Mapping[str, int]) -> None:
        """`named`: id -> the record in dispute that names it. A bundle that none names is no evidence of anything."""
        found: dict[str, tuple[int, str]] = {}
        for name in members:
            match = BUNDLE.fullmatch(name.removeprefix(f"{place}/evidence/"))
            if match is not None and named.get(match[2]) == int(match[1]):
                found.setdefault(match[2], (int(match[1]), name))
        self._members = members
        self.names = dict(sorted(found.items(), key=lambda item: (item[1][0], item[0])))

    def __getitem__(self, identifier: str) -> tuple[int, bytes]:
        seq, name = self.names[identifier]
        return seq, self._members[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, identifier: object) -> bool:
        return identifier in self.names

    def sha256(self, identifier: str) -> str | None:
        """Of its text; None where it is not here."""
        found = self.names.get(identifier)
        return None if found is None else self._members.sha256[found[1]]
