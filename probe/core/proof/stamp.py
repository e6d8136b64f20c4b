"""Rule: a stamp stands for one signed head as a whole, its signature included, and says itself what it is.

A time-stamping authority (RFC 3161) signs the SHA-256 of a text, and when it saw it. The text of a stamp is a line that
names the kind of statement, then the signed head as canonical JSON. So the head, and with it every line that it vouches
for, existed no later than the authority says. Tokens are verified in `probe.seal.stamps.tokens`; here they are bytes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from probe.core.proof.signed_head import SignedHead, canonical, parse_head

STAMP_PREFIX = b"cdn-probe stamp v1\n"
STAMPED = "head.stamped"  # the event that names a stamp in the stream
VERSION = 1
RESPONSE_MOST_BYTES = 64 * 1024
_NONCE = re.compile(r"[1-9a-f][0-9a-f]{0,39}|0")
_FIELDS = {"kind", "version", "head", "nonce", "response"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """A signed head with what an authority answered for it.

    `response`: the authority's reply (TimeStampResp, DER); `nonce`: of our request, hexadecimal. Nothing else: when it
    was received is in the chain, as the time of the event that names it.
    """

    head: SignedHead
    nonce: str
    response: bytes

    @property
    def sha256(self) -> str:
        """Of the authority's reply, lower-case hexadecimal: how the stream names the stamp."""
        return hashlib.sha256(self.response).hexdigest()

    def line(self) -> bytes:
        """As it is kept and handed out, without its line feed."""
        return canonical(
            {
                "kind": "stamp",
                "version": VERSION,
                "head": self.head.to_json(),
                "nonce": self.nonce,
                "response": base64.b64encode(self.response).decode("ascii"),
            }
        )


def stamped_text(head: SignedHead) -> bytes:
    """The text whose SHA-256 the authority signs."""
    return STAMP_PREFIX + canonical(head.to_json())


def parse_stamp(data: bytes) -> Stamp:
    """A line exactly as it was kept; neither signature is looked at. Raises ValueError."""
    try:
        value: Any = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ValueError(f"not a time stamp: {error}") from None
    if not isinstance(value, Mapping) or value.get("kind") != "stamp":
        raise ValueError("not a time stamp")
    if value.get("version") != VERSION:
        raise ValueError(f"this version reads time stamps of version {VERSION}, not {value.get('version')!r}")
    if other := _FIELDS ^ value.keys():
        raise ValueError(f"a time stamp has other fields: {', '.join(sorted(other))}")
    nonce, response = value["nonce"], value["response"]
    if not isinstance(nonce, str) or not _NONCE.fullmatch(nonce):
        raise ValueError("a time stamp has a nonce in hexadecimal")
    made = Stamp(head=parse_head(value["head"]), nonce=nonce, response=_bytes(response))
    if made.line() != data:
        raise ValueError("a time stamp is written in canonical JSON, and this is not: it was changed")
    return made


def _bytes(text: object) -> bytes:
    if not isinstance(text, str) or len(text) > 2 * RESPONSE_MOST_BYTES:
        raise ValueError("a time stamp holds the authority's reply in Base64")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a time stamp holds the authority's reply in Base64") from None
