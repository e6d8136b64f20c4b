"""Rule: a sealed segment is what its manifest says, and nothing that the manifest does not name belongs to it.

A manifest names the files of one segment with their digests, the span of the stream in them, and the manifest before;
it is signed as a whole (`probe.core.proof.signed_head`), and holds the signed head of the segment's last line.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, cast

import msgspec

from probe.core.model.value import replace
from probe.core.proof.signed_head import MANIFEST_PREFIX, SignedHead, parse_head, to_be_signed

VERSION = 1
ENDING = ".manifest.json"
_STEM = re.compile(r"([a-z0-9][a-z0-9-]*)-(\d{12,})-(\d{12,})")


def stem(agent: str, first: int, last: int) -> str:
    """Name of a segment's files without their endings; names of one stream sort as their spans do."""
    return f"{agent}-{first:012}-{last:012}"


def parse_stem(name: str) -> tuple[str, int, int] | None:
    """(agent, first seq, last seq) of a segment's name; None for other names."""
    match = _STEM.fullmatch(name)
    return None if match is None else (match[1], int(match[2]), int(match[3]))


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedFile:
    """One file of a segment. `sha256` of its bytes; `rows`: records and dropped spans in it."""

    name: str
    bytes: int
    sha256: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A span of the stream that the store no longer held when the segment was sealed."""

    first_seq: int
    last_seq: int
    digest: str  # of the line at last_seq
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One segment. `count`: records in it; last_seq - first_seq + 1 is that and the gaps together.

    `first_previous`: digest of the line before the first. `scheduled_first`, `scheduled_last`: the earliest and the
    latest time of its records (RFC 3339; None: only gaps). `previous_manifest`: SHA-256 of the file of the manifest
    before, in the same stream. `config_digest`: the configuration of its last record.
    """

    version: int
    agent: str
    customer: str
    first_seq: int
    last_seq: int
    count: int
    first_previous: str | None
    head: SignedHead
    complete_up_to: str | None
    scheduled_first: str | None
    scheduled_last: str | None
    files: tuple[SealedFile, ...]
    gaps: tuple[Gap, ...]
    previous_manifest: str | None
    config_digest: str | None
    sealed_at: str
    clock_synchronised: bool | None
    clock_max_error_us: int | None
    key: str
    signature: str = ""

    def text(self) -> bytes:
        """What its signature stands for."""
        return to_be_signed(MANIFEST_PREFIX, self.to_json())

    def signed(self, signature: bytes) -> Manifest:
        """The same with its signature."""
        return replace(self, signature=base64.b64encode(signature).decode("ascii"))

    def to_json(self) -> dict[str, Any]:
        """As it is written."""
        return cast(dict[str, Any], msgspec.to_builtins(self))

    @property
    def stem(self) -> str:
        """Name of its files without their endings."""
        return stem(self.agent, self.first_seq, self.last_seq)


_FIELDS = {field.name for field in fields(Manifest)}


def parse_manifest(data: bytes) -> Manifest:
    """A manifest as it was written; signatures are not looked at. Raises ValueError."""
    try:
        value = msgspec.json.decode(data)
        if not isinstance(value, Mapping):
            raise ValueError("a manifest is a JSON object")
        if value.get("version") != VERSION:
            raise ValueError(
                f"this version reads manifests of version {VERSION}, not {value.get('version')!r}"
            )
        if missing_or_unknown := _FIELDS ^ value.keys():
            raise ValueError(f"a manifest has other fields: {', '.join(sorted(missing_or_unknown))}")
        parse_head(value["head"])
        return msgspec.convert(value, Manifest, strict=True)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeError, RecursionError) as error:
        raise ValueError(f"not a manifest: {error}") from error
