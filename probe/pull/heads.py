"""Rule: a head is a witness only if the key that was known before signed it.

The public key of an agent (Ed25519, RFC 8032) as the reader keeps it: whole, as PEM, or only its id where nobody has
given the key itself; then a change of key is seen, and signatures cannot be checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from probe.core.model.times import epoch_s
from probe.core.proof.chain import GENESIS
from probe.core.proof.signed_head import SignedHead, key_id, parse_head, signature_bytes
from probe.pull.chain import StreamName


class WrongKeyError(Exception):
    """The key cannot be used, or is not the key that was known before."""


class BadHeadError(ValueError):
    """A head that proves nothing; the message says why."""


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of an agent's key. `pem` None: only which key it is."""

    id: str
    pem: bytes | None = None

    def signed(self, head: SignedHead) -> bool | None:
        """Whether this key signed it; None where only the id is known."""
        if self.pem is None:
            return None
        raw = signature_bytes(head.signature)
        if raw is None:
            return False
        try:
            _load(self.pem).verify(raw, head.text())
        except InvalidSignature:
            return False
        return True


def read_key(pem: bytes) -> Key:
    """From PEM. Raises WrongKeyError."""
    key = _load(pem)
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return Key(key_id(raw), pem)


def _load(pem: bytes) -> Ed25519PublicKey:
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise WrongKeyError("no public key in PEM; what is wanted is the agent's agent.pub") from None
    if not isinstance(key, Ed25519PublicKey):
        raise WrongKeyError("no Ed25519 key; what is wanted is the agent's agent.pub")
    return key


@dataclass(frozen=True, slots=True)
class SeenHead:
    """A head of the stream. `key`: id of the key that signed; None: unsigned. `proved`: its signature was checked."""

    seq: int
    digest: str
    complete_up_to: str | None
    key: str | None
    proved: bool


def check_head(value: Any, stream: StreamName, key: Key | None) -> SeenHead:
    """A head as it was handed out. Raises BadHeadError; WrongKeyError where another key than `key` signed it."""
    if not isinstance(value, Mapping):
        raise BadHeadError("the page has no head")
    if value.get("signature") is None:
        return _unsigned(value, stream, key)
    try:
        head = parse_head(value)
    except ValueError as error:
        raise BadHeadError(str(error)) from None
    _shape(head.agent, head.customer, head.seq, head.digest, head.complete_up_to, stream)
    if key is not None and head.key != key.id:
        raise WrongKeyError(
            f"{stream.agent} signs with the key {head.key}, and the key known here is {key.id}: nothing is taken."
            " If the agent was set up anew and its operator confirms the new key, keep the agent.pub in the copy's"
            " directory elsewhere, for it verifies what was signed before, and put the new one in its place; or pull"
            " into a new directory"
        )
    proved = None if key is None else key.signed(head)
    if proved is False:
        raise BadHeadError("the head's signature is not that of the agent's key")
    return SeenHead(head.seq, head.digest, head.complete_up_to, head.key, bool(proved))


def _unsigned(value: Mapping[str, Any], stream: StreamName, key: Key | None) -> SeenHead:
    if key is not None:
        raise BadHeadError("the head is not signed, and those before were")
    agent, customer, seq, digest, complete = (
        value.get(name) for name in ("agent", "customer", "seq", "digest", "complete_up_to")
    )
    _shape(agent, customer, seq, digest, complete, stream)
    assert isinstance(seq, int)
    assert isinstance(digest, str)
    return SeenHead(seq, digest, complete, None, False)


def _shape(agent: Any, customer: Any, seq: Any, digest: Any, complete: Any, stream: StreamName) -> None:
    if (agent, customer) != (stream.agent, stream.customer):
        raise BadHeadError(f"the head is that of {agent}/{customer}")
    whole = isinstance(digest, str) and len(digest) == 64 and not digest.strip("0123456789abcdef")
    if not isinstance(seq, int) or isinstance(seq, bool) or seq < 0 or not (whole or digest == ""):
        raise BadHeadError("the head names no line")
    if seq == 0 and digest != GENESIS:
        raise BadHeadError("the head of a stream without lines names one")
    if not is_moment(complete):
        raise BadHeadError("the head's watermark is no time")


def is_moment(value: Any) -> bool:
    """RFC 3339, or None."""
    if value is None:
        return True
    try:
        epoch_s(value)
    except (ValueError, TypeError, OverflowError, OSError):
        return False
    return True
