"""The dictionary that comes with the program is the one that the documented command makes, and it packs."""

from __future__ import annotations

import pytest

from benchmarks import base_dictionary
from probe.core.records.codec import decode
from probe.core.records.rows import SlotRecord
from probe.store.base.dictionary import LEAST_BYTES, Packer, base, digest_of


@pytest.mark.skipif(not base_dictionary.trains_alike(), reason="another libzstd than the one that made it")
def test_the_shipped_dictionary_is_made_again_byte_for_byte() -> None:
    assert digest_of(base_dictionary.made()) == digest_of(base())


def test_what_it_was_made_from_is_packed_ten_times_smaller_and_comes_back() -> None:
    packer = Packer(base())
    lines = base_dictionary.lines()
    packed = [packer.pack(line) for line in lines]
    assert [packer.unpack(frame) for frame in packed] == lines
    assert sum(map(len, packed)) * 10 < sum(map(len, lines))
    assert len(base()) <= LEAST_BYTES


def test_rows_of_many_kinds_are_in_it() -> None:
    """New agents meet faults too."""
    rows = [row for line in base_dictionary.lines() if isinstance(row := decode(line), SlotRecord)]
    assert len({row.reason for row in rows}) > 15
    assert {"h1", "h2"} <= {row.protocol for row in rows}
    assert {1, 3, 8} <= {len(row.resolution.addresses) for row in rows if row.resolution is not None}
