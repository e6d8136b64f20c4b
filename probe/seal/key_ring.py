"""Rule: a signature counts under a key that was given, or, and then it is said, one found beside the files.

The public keys that a verification goes by. A key from elsewhere (`--key`) proves something to whoever brought it; the
one beside the files proves only that they belong together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from probe.core.proof.findings import Kind
from probe.core.proof.manifest import Manifest
from probe.core.proof.signed_head import SignedHead
from probe.seal.keys import PUBLIC, KeyFileError, PublicKey


@dataclass(slots=True)
class KeyRing:
    """`given`: from elsewhere, for all agents. `beside`: agent -> what lies with the files; "": of those not named."""

    given: dict[str, PublicKey] = field(default_factory=dict)
    beside: dict[str, PublicKey] = field(default_factory=dict)

    @classmethod
    def of(cls, files: Iterable[Path]) -> KeyRing:
        """Of the keys that were given. Raises KeyFileError."""
        ring = cls()
        for file in files:
            key = PublicKey.read(file)
            ring.given[key.id] = key
        return ring

    def read_keys_beside(self, root: Path) -> None:
        """Take up the keys that lie in a directory and in those of its agents. Raises KeyFileError."""
        for path in (root / PUBLIC, root.parent / PUBLIC, root.parent.parent / PUBLIC):
            if path.is_file():
                self.beside[""] = PublicKey.read(path)
                break
        for path in sorted(root.glob(f"*/{PUBLIC}")):
            self.beside[path.parent.name] = PublicKey.read(path)

    @property
    def independent(self) -> bool:
        """Whether the keys came from elsewhere."""
        return bool(self.given)

    def ids(self) -> list[str]:
        """Of the keys in use."""
        return sorted(self.given or {key.id for key in self.beside.values()})

    def check(self, signed: SignedHead | Manifest) -> tuple[Kind, str] | None:
        """What is wrong with a signature, in words that go on from what is signed; None: nothing.

        Raises KeyFileError where there is no key to verify with.
        """
        keys = self._for(signed.agent)
        key = keys.get(signed.key)
        if key is None:
            known = ", ".join(sorted(keys))
            before = "; if the agent had that key before, give it too: --key"
            return (
                Kind.OTHER_KEY,
                f"is signed with another key ({signed.key}); the agent's is {known}{before}",
            )
        try:
            text = signed.text()
        except ValueError as error:
            return Kind.BAD_SIGNATURE, f"holds what nobody signs: {error}"
        if not key.verifies(signed.signature, text):
            return Kind.BAD_SIGNATURE, "was changed after it was signed"
        return None

    def _for(self, agent: str) -> dict[str, PublicKey]:
        if self.given:
            return self.given
        key = self.beside.get(agent) or self.beside.get("")
        if key is None:
            raise KeyFileError(
                f"there is no public key of agent {agent} beside the files: name it with --key; the agent keeps it as"
                f" {PUBLIC} in its results directory"
            )
        return {key.id: key}
