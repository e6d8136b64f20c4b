"""Rule: the private key is made once, is never readable by others, and never leaves its file.

Ed25519 (RFC 8032). In the results directory: `_agent.key` (PEM, PKCS #8, mode 0600), made at the first start, and
`agent.pub` (PEM), which is given to whoever shall verify.
"""

from __future__ import annotations

import base64
import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from probe.core.proof.chain import Head
from probe.core.proof.manifest import Manifest
from probe.core.proof.signed_head import SignedHead, key_id, signature_bytes
from probe.host.clock import Clock, rfc3339
from probe.host.files import write_whole
from probe.host.loop_lag import ClockState, clock_state

log = logging.getLogger("probe.keys")

PRIVATE, PUBLIC = "_agent.key", "agent.pub"
MAX_BYTES = 16 * 1024


class KeyFileError(OSError):
    """A key cannot be used; the message names the file, what is wrong and what to do."""


class PublicKey:
    """What anybody may have: it verifies, and signs nothing."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key
        self.id = key_id(key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw))

    @classmethod
    def read(cls, path: Path) -> PublicKey:
        """From a PEM file. Raises KeyFileError."""
        try:
            with open(path, "rb") as file:
                return cls.parse(file.read(MAX_BYTES))
        except KeyFileError as error:
            raise KeyFileError(f"{path}: {error}") from None
        except OSError as error:
            raise KeyFileError(f"{path}: the public key cannot be read: {error.strerror}") from None

    @classmethod
    def parse(cls, pem: bytes) -> PublicKey:
        """From PEM. Raises KeyFileError."""
        try:
            key = serialization.load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm):
            raise KeyFileError(
                f"this is no public key in PEM; it is the agent's {PUBLIC} that is wanted"
            ) from None
        if not isinstance(key, Ed25519PublicKey):
            raise KeyFileError(f"this is no Ed25519 key; it is the agent's {PUBLIC} that is wanted")
        return cls(key)

    def pem(self) -> bytes:
        """As it is written."""
        return self._key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def verifies(self, signature: str, text: bytes) -> bool:
        """Whether the signature (Base64) is this key's over the text."""
        raw = signature_bytes(signature)
        if raw is None:
            return False
        try:
            self._key.verify(raw, text)
        except InvalidSignature:
            return False
        return True


class Keys:
    """The agent's pair of keys, made by `Keys.open`."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = PublicKey(private.public_key())

    @property
    def id(self) -> str:
        """Which key."""
        return self.public.id

    @classmethod
    def open(cls, directory: Path) -> Keys:
        """The keys of a results directory, made there if it has none. Raises KeyFileError.

        Safe where several processes do so at once: all have the one that was there first.
        """
        path = directory / PRIVATE
        try:
            keys = cls(_read(path) or _make(path))
            keys._publish(directory / PUBLIC)
        except KeyFileError:
            raise
        except OSError as error:
            raise KeyFileError(f"{path}: the agent's key cannot be used: {error.strerror}") from error
        return keys

    @classmethod
    def at(cls, path: Path) -> Keys:
        """Those whose private half is in a file, made there if there is none. Raises KeyFileError."""
        try:
            return cls(_read(path) or _make(path))
        except KeyFileError:
            raise
        except OSError as error:
            raise KeyFileError(f"{path}: the key cannot be used: {error.strerror}") from error

    def sign_text(self, text: bytes) -> str:
        """The signature (Base64) over a text that says itself what it is (`to_be_signed`)."""
        return base64.b64encode(self._private.sign(text)).decode("ascii")

    def sign_head(self, head: Head, at: str, clock: ClockState) -> SignedHead:
        """The head, signed. `at`: when (RFC 3339); `clock`: what the kernel says of its clock."""
        made = SignedHead.unsigned(
            head, at=at, synchronised=clock.synchronised, max_error_us=clock.max_error_us, key=self.id
        )
        return made.signed(self._private.sign(made.text()))

    def sign_manifest(self, manifest: Manifest) -> Manifest:
        """The manifest with its signature; its `key` is this one."""
        return manifest.signed(self._private.sign(manifest.text()))

    def _publish(self, path: Path) -> None:
        """The private key is the truth; a public one beside it that is another's is replaced, and said aloud."""
        pem = self.public.pem()
        try:
            found = path.read_bytes()
        except FileNotFoundError:
            found = None
        if found == pem:
            return
        if found is not None:
            log.error("keys.public_key_replaced", extra={"fields": {"file": str(path), "key": self.id}})
        write_whole(path, pem, 0o644)


class Signer:
    """Signs heads with the time and the state of the clock at that moment: what the API hands out."""

    def __init__(self, keys: Keys, clock: Clock, state: Callable[[], ClockState] = clock_state) -> None:
        self._keys = keys
        self._clock = clock
        self._state = state

    def head(self, head: Head) -> SignedHead:
        """The signed head."""
        return self._keys.sign_head(head, rfc3339(self._clock.time_ns()), self._state())

    def sign(self, head: Head) -> dict[str, Any]:
        """The signed head as it is handed out."""
        return self.head(head).to_json()


def _make(path: Path) -> Ed25519PrivateKey:
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        write_whole(path, pem, 0o600, fresh=True)
    except FileExistsError:  # somebody else was first
        there = _read(path)
        if there is None:
            raise KeyFileError(f"{path}: the key was there and is gone; start again") from None
        return there
    log.info("keys.made", extra={"fields": {"file": str(path)}})
    return key


def _read(path: Path) -> Ed25519PrivateKey | None:
    """The key in the file; None if there is no file. Checked on the open file, so that it cannot be swapped."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KeyFileError(
            f"{path}: the agent's key cannot be opened: {error.strerror}; it must be a plain file of its own"
        ) from None
    try:
        _refuse_exposed(path, os.fstat(handle))
        pem = os.read(handle, MAX_BYTES)
    finally:
        os.close(handle)
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyFileError(
            f"{path}: this is no private key in PEM; put the right one back from a copy. Without it a new one can be"
            " made by moving this file away; what the old one signed is then verified with the old public key"
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(
            f"{path}: the agent's key is an Ed25519 key, and this is none; put the right one back"
        )
    return key


def _refuse_exposed(path: Path, state: os.stat_result) -> None:
    if not stat.S_ISREG(state.st_mode):
        raise KeyFileError(f"{path}: the agent's key must be a plain file")
    if state.st_uid != os.geteuid():
        raise KeyFileError(
            f"{path}: the key belongs to user {state.st_uid} and this runs as {os.geteuid()};"
            " run as its owner, or chown it if it is yours"
        )
    mode = stat.S_IMODE(state.st_mode)
    if mode & 0o077:
        raise KeyFileError(
            f"{path}: others can reach the key (mode {mode:04o}): whoever may have read it can sign for this agent."
            " If nobody has: chmod 600. If somebody may have: move it away, and a new one is made"
        )
