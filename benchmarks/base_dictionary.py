"""Rule: the dictionary that comes with the program can be made again by anybody, byte for byte.

`lines.ndjson.zst` are rows that agents made: of each kind that the demo's faults cause one or two, and of
`benchmarks.row_bytes` healthy and failing ones of 1, 3 and 8 edges. From them, with new times and ids, come the lines
that the dictionary is trained on, as an agent trains its own.
`python -m benchmarks.base_dictionary` says whether the shipped one is that, `--write` writes it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import zstandard

from benchmarks.row_bytes import Anew
from probe.store.base import dictionary as dictionaries

LINES = Path(__file__).with_name("lines.ndjson.zst")
TRAINED_BY = (1, 5, 7)  # of libzstd: another version may choose other pieces


def lines() -> list[bytes]:
    """Those that it is made from, of the version that wrote them."""
    return zstandard.ZstdDecompressor().stream_reader(LINES.read_bytes()).read().splitlines()


def made() -> bytes:
    """The dictionary. The same at each call, where `trains_alike`."""
    found = dictionaries.trained(list(Anew(lines()).lines(dictionaries.ROWS)), dictionaries.LEAST_BYTES)
    assert found is not None, "as many lines as an agent takes"
    return found


def trains_alike() -> bool:
    """Whether this libzstd is the one that made the shipped dictionary."""
    return zstandard.ZSTD_VERSION == TRAINED_BY


def main() -> int:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="Put it where the program has it.")
    options = parser.parse_args()
    found = made()
    if options.write:
        dictionaries.BASE.write_bytes(found)
    same = found == dictionaries.BASE.read_bytes()
    sys.stdout.write(
        f"{dictionaries.BASE.name} {dictionaries.digest_of(found)} {'same' if same else 'differs'}\n"
    )
    if not same and not trains_alike():
        version = ".".join(map(str, zstandard.ZSTD_VERSION))
        sys.stdout.write(f"made by libzstd {version}; the shipped one by {'.'.join(map(str, TRAINED_BY))}\n")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
