"""The names under which what is known of an origin is kept, in memory and in the store: they outlive versions."""

from __future__ import annotations

import hashlib

from probe.core.content.reading import Reading
from probe.core.model.task import OriginSpec
from probe.core.text.redaction import without_secret_query


def origin_in(key: str) -> str:
    """The origin's address in a key that `history_key` made."""
    return key.partition(" ")[0]


def origin_key(origin: OriginSpec) -> str:
    """Under what an origin's standing is kept: address, scheme and port, whatever object it is asked for."""
    return f"{origin.address} {origin.request.scheme} {origin.request.port}"


def history_key(origin: OriginSpec, reading: Reading | None = None) -> str:
    """Under what a version history is kept: address and URL, since two origins may serve one name.

    Two URLs that differ in a secret only stay apart by a digest, and so do two ways of reading the content.
    """
    shown = without_secret_query(origin.request.url)
    key = f"{origin.address} {shown}"
    if shown != origin.request.url:
        key += f" {hashlib.blake2b(origin.request.url.encode(), digest_size=8).hexdigest()}"
    return key if reading is None else f"{key} {reading.rules}"
