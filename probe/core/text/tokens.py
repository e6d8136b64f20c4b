"""Rule: a token is known to its reader alone; what is kept is its hash, and comparing takes the same time always.

A token is 256 random bits as base64url behind `cdnp_` (so that scanners for leaked secrets find it). Of so many
random bits a plain SHA-256 needs neither salt nor stretching.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence

PREFIX = "cdnp_"
RANDOM_BYTES = 32
_HASH = re.compile(r"sha256:[0-9a-f]{64}")


def make_token(random: bytes) -> str:
    """The token made of 32 random bytes. Raises ValueError for another number of them."""
    if len(random) != RANDOM_BYTES:
        raise ValueError(f"a token is made of {RANDOM_BYTES} random bytes, not of {len(random)}")
    return PREFIX + base64.urlsafe_b64encode(random).rstrip(b"=").decode()


def hash_token(token: str) -> str:
    """`sha256:<64 hex>`, as it stands in agent.yaml."""
    return "sha256:" + hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def is_hash(text: str) -> bool:
    """Whether it can be the hash of a token at all."""
    return _HASH.fullmatch(text) is not None


def find(token: str, hashes: Sequence[str]) -> int | None:
    """Which of the hashes is the token's. All are compared, whatever the first of them gives."""
    presented = hash_token(token).encode()
    found = None
    for index, known in enumerate(hashes):
        if hmac.compare_digest(presented, known.encode("utf-8", "replace")) and is_hash(known):
            found = index
    return found
