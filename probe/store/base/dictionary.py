"""Rule: a line can be unpacked as long as one copy of its part's dictionary is left.

A line is kept as one frame of Zstandard (RFC 8878), level 3, with the dictionary of its part: what lines of this agent
have in common is in there once. A dictionary never changes. It is kept in the part and beside it, as
`_parts/NNNNNN.zdict`; its SHA-256 stands in the part. Not the digest of the frame but the chain of digests over the
lines says whether a line is what was written.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import zstandard

from probe.host.files import sync_directory

LEVEL = 3
# Shorter matches save less than it costs to say where they are: tried, docs/performance.md.
MIN_MATCH = 7
LINE_BYTES = 16_000  # about which lines the level's tables are laid out
# From here on a line is searched for longer matches (level 3 with lazy2): 150 us more for one of 26 kB, which eight
# fetches were made for, and a sixth less to keep. Tried: docs/performance.md.
LONG_BYTES = 16_000
LONG: dict[str, int] = {
    "strategy": zstandard.STRATEGY_LAZY2,
    "min_match": 6,
    "search_log": 2,
    "hash_log": 15,
    "chain_log": 15,
}
LINE_MOST_BYTES = 64 * 1024 * 1024
ROWS = 1_000  # that a dictionary is trained on
SAMPLE_MOST_BYTES = 24 * 1024 * 1024
LEAST_BYTES, MOST_BYTES = 32 * 1024, 255 * 1024
# How much of one line goes into a dictionary in one piece: long pieces keep what stands together together.
PIECE_BYTES = 4_000
ENDING = ".zdict"
BASE = Path(__file__).with_name(f"lines{ENDING}")


class UnpackError(ValueError):
    """What was kept is no line that this dictionary packed."""


class Packer:
    """Lines to what is kept of them, and back, by one dictionary. Safe for one thread at a time."""

    def __init__(self, dictionary: bytes) -> None:
        self.dictionary = dictionary
        self._made = zstandard.ZstdCompressionDict(dictionary)
        self._short: zstandard.ZstdCompressor | None = None
        self._long: zstandard.ZstdCompressor | None = None
        self._unpack = zstandard.ZstdDecompressor(dict_data=self._made).decompress

    def pack(self, line: bytes) -> bytes:
        """As it is kept."""
        if len(line) < LONG_BYTES:
            if self._short is None:
                self._short = _prepared(self._made, {"min_match": MIN_MATCH})
            return self._short.compress(line)
        if self._long is None:
            self._long = _prepared(zstandard.ZstdCompressionDict(self.dictionary), LONG)
        return self._long.compress(line)

    def unpack(self, packed: bytes) -> bytes:
        """The line; never more than LINE_MOST_BYTES of memory. Raises UnpackError."""
        try:
            if zstandard.frame_content_size(packed) > LINE_MOST_BYTES:
                raise UnpackError("it says that it is longer than any line")
            return self._unpack(packed, max_output_size=LINE_MOST_BYTES)
        except (zstandard.ZstdError, MemoryError, TypeError) as error:
            raise UnpackError(str(error)) from error


def _prepared(made: zstandard.ZstdCompressionDict, differing: dict[str, int]) -> zstandard.ZstdCompressor:
    """With the tables of the dictionary, made once, for who packs: a part's reader needs none."""
    parameters = zstandard.ZstdCompressionParameters.from_level(
        LEVEL, source_size=LINE_BYTES, dict_size=len(made), write_dict_id=False, **differing
    )
    made.precompute_compress(compression_params=parameters)
    return zstandard.ZstdCompressor(dict_data=made, compression_params=parameters)


@cache
def base() -> bytes:
    """The dictionary that comes with the program, for an agent that has no lines yet."""
    return BASE.read_bytes()


def digest_of(dictionary: bytes) -> str:
    """SHA-256, lower-case hexadecimal."""
    return hashlib.sha256(dictionary).hexdigest()


def trained(lines: Sequence[bytes], most_bytes: int) -> bytes | None:
    """A dictionary of at most so many bytes for lines like these; None: they are too few or too different."""
    size = max(LEAST_BYTES, min(MOST_BYTES, most_bytes))
    try:
        return zstandard.train_dictionary(size, list(lines), k=PIECE_BYTES, d=8).as_bytes()
    except zstandard.ZstdError:
        return None


def beside(part: Path) -> Path:
    """Where the other copy of a part's dictionary is."""
    return part.with_suffix(ENDING)


def put_beside(part: Path, dictionary: bytes) -> None:
    """Keep the other copy; on the disk when this returns. Raises OSError."""
    place = beside(part)
    aside = place.with_name(f".{place.name}.new")
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(dictionary)
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, place)
    sync_directory(place.parent)


def read_beside(part: Path) -> bytes | None:
    """The other copy as it is there; None: it cannot be read."""
    try:
        return beside(part).read_bytes()
    except OSError:
        return None
