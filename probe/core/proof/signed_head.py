"""Rule: what is signed is one exact sequence of bytes, and says itself what it is.

The text that a signature stands for: a line that names the kind of statement, so that a signature under one kind is
none under another, then canonical JSON (RFC 8785 for the values that occur here: texts, whole numbers, booleans,
null, lists and objects): keys sorted, no spaces, UTF-8.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import msgspec

from probe.core.model.value import replace
from probe.core.proof.chain import Head

HEAD_PREFIX = b"cdn-probe head v1\n"
MANIFEST_PREFIX = b"cdn-probe manifest v1\n"
KEY_ID_DIGITS = 16
SIGNATURE_BYTES = 64  # Ed25519, RFC 8032


def canonical(value: Mapping[str, Any]) -> bytes:
    """Canonical JSON. Raises ValueError for fractions, which have no one spelling, and for text that is no Unicode."""
    _refuse_fractions(value)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def _refuse_fractions(value: Any) -> None:
    if isinstance(value, float):
        raise ValueError(f"{value!r}: only whole numbers are signed")
    if isinstance(value, Mapping):
        for item in value.values():
            _refuse_fractions(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_fractions(item)


def to_be_signed(prefix: bytes, value: Mapping[str, Any]) -> bytes:
    """The bytes that the signature of a statement stands for: all of its fields but `signature`."""
    return prefix + canonical({key: item for key, item in value.items() if key != "signature"})


def key_id(raw_public_key: bytes) -> str:
    """Which key: the first 16 hexadecimal digits of the SHA-256 of its 32 bytes."""
    return hashlib.sha256(raw_public_key).hexdigest()[:KEY_ID_DIGITS]


def signature_bytes(text: str) -> bytes | None:
    """The signature from its Base64; None where it is none."""
    try:
        made = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return made if len(made) == SIGNATURE_BYTES else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedHead:
    """A head, given away: at the time `at` the stream ended so. Times RFC 3339; `key`: id of the key that signed.

    `clock_synchronised`, `clock_max_error_us`: what the host's kernel said of its clock then; None: unknown.
    """

    agent: str
    customer: str
    seq: int
    digest: str
    complete_up_to: str | None
    at: str
    clock_synchronised: bool | None
    clock_max_error_us: int | None
    key: str
    signature: str = ""

    @classmethod
    def unsigned(
        cls, head: Head, *, at: str, synchronised: bool | None, max_error_us: int | None, key: str
    ) -> SignedHead:
        """A head with all that is signed with it, and no signature yet."""
        return cls(
            agent=head.agent,
            customer=head.customer,
            seq=head.seq,
            digest=head.digest,
            complete_up_to=head.complete_up_to,
            at=at,
            clock_synchronised=synchronised,
            clock_max_error_us=max_error_us,
            key=key,
        )

    def text(self) -> bytes:
        """What its signature stands for."""
        return to_be_signed(HEAD_PREFIX, self.to_json())

    def signed(self, signature: bytes) -> SignedHead:
        """The same with its signature."""
        return replace(self, signature=base64.b64encode(signature).decode("ascii"))

    def to_json(self) -> dict[str, Any]:
        """As it is handed out: one object, every field in it."""
        return {name: getattr(self, name) for name in _HEAD_FIELDS}


_HEAD_FIELDS = tuple(field.name for field in fields(SignedHead))


def parse_head(data: bytes | str | Mapping[str, Any]) -> SignedHead:
    """A signed head as it was handed out; the signature is not looked at. Raises ValueError.

    A field that this version does not know would be signed too, so that it cannot be passed over: an error.
    """
    try:
        value = data if isinstance(data, Mapping) else msgspec.json.decode(data)
        if not isinstance(value, Mapping):
            raise ValueError("a signed head is a JSON object")
        if other := set(_HEAD_FIELDS) ^ value.keys():
            raise ValueError(f"a signed head has other fields: {', '.join(sorted(other))}")
        return msgspec.convert(value, SignedHead, strict=True)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeError, RecursionError) as error:
        raise ValueError(f"not a signed head: {error}") from error
