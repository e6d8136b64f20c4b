"""Rule: the key that an agent had first is the key it has: another one is refused, whoever brings it.

Safe to use from several threads.
"""

from __future__ import annotations

import threading
from pathlib import Path

from probe.pull.copy_dir import pin
from probe.pull.heads import Key, WrongKeyError, read_key
from probe.pull.layout import known_key


class Keys:
    """The agents' keys in a copy. Methods raise CopyError and OSError where the files cannot be used."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._keys: dict[str, Key] = {}
        self._lock = threading.Lock()

    def known(self, agent: str) -> Key | None:
        """None before anything was pulled from it."""
        with self._lock:
            return self._known(agent)

    def use(self, agent: str, key: Key) -> None:
        """It is this one; kept if it was not known. Raises WrongKeyError where it is another than the one known."""
        with self._lock:
            known = self._known(agent)
            if known is not None and known.id != key.id:
                raise WrongKeyError(
                    f"{agent}: the key {key.id} is another than the one known here, {known.id}: nothing is taken. If"
                    " the agent was set up anew and its operator confirms the new key, pull into a new directory"
                )
            if known is None or (known.pem is None and key.pem is not None):
                pin(self._directory, agent, key)
                self._keys[agent] = key

    def _known(self, agent: str) -> Key | None:
        if agent not in self._keys and (found := known_key(self._directory, agent)) is not None:
            self._keys[agent] = found
        return self._keys.get(agent)


def given(pem: bytes | None) -> Key | None:
    """A key from PEM. Raises WrongKeyError."""
    return None if pem is None else read_key(pem)
