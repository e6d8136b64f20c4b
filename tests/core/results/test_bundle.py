"""Where two bodies part, and the name of a bundle."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from probe.core.model.value import replace
from probe.core.results.bundle import DIFFERENCE_BYTES, bundle_id, difference
from tests.support.rows import slot


def test_equal_bodies_have_no_difference() -> None:
    assert difference(b"", b"") is None
    assert difference(b"same", b"same") is None


@given(st.binary(max_size=3000), st.binary(max_size=3000), st.binary(max_size=3000))
def test_the_offset_is_the_first_byte_that_differs(shared: bytes, one: bytes, other: bytes) -> None:
    edge, origin = shared + one, shared + other
    found = difference(edge, origin)
    if found is None:
        assert edge == origin
        return
    slow = next((i for i, (a, b) in enumerate(zip(edge, origin, strict=False)) if a != b), None)
    assert found.offset == (min(len(edge), len(origin)) if slow is None else slow)
    assert found.edge == edge[found.from_byte : found.offset + DIFFERENCE_BYTES]
    assert found.origin == origin[found.from_byte : found.offset + DIFFERENCE_BYTES]
    assert found.offset - found.from_byte <= DIFFERENCE_BYTES
    assert (found.edge_bytes, found.origin_bytes) == (len(edge), len(origin))


def test_a_large_body_with_one_byte_changed() -> None:
    origin = bytes(range(256)) * 40_000
    edge = origin[:7_000_001] + b"\x00" + origin[7_000_002:]
    found = difference(edge, origin)
    assert found is not None
    assert found.offset == 7_000_001
    assert len(found.edge) == 2 * DIFFERENCE_BYTES


def test_the_id_names_one_measurement() -> None:
    row = slot(5)
    others = [
        replace(row, host=replace(row.host, agent="b")),
        replace(row, task="another"),
        replace(row, scheduled_at="2026-11-22T10:01:00Z"),
        replace(row, started_at="2026-11-22T10:01:00Z"),  # due again after the clock went back
    ]
    assert len(bundle_id(row)) == 32
    assert bundle_id(row) == bundle_id(replace(row, seq=4, evidence_id="x"))
    assert bundle_id(row) not in {bundle_id(other) for other in others}
