"""Where two bodies part, and the name of a bundle."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from probe.core.results.bundle import DIFFERENCE_BYTES, bundle_id, difference


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


def test_the_id_names_one_slot() -> None:
    given_id = bundle_id("a", "t", "2026-11-22T10:00:00Z")
    assert len(given_id) == 32
    others = [
        bundle_id("b", "t", "2026-11-22T10:00:00Z"),
        bundle_id("a", "u", "2026-11-22T10:00:00Z"),
        bundle_id("a", "t", "2026-11-22T10:01:00Z"),
    ]
    assert given_id == bundle_id("a", "t", "2026-11-22T10:00:00Z")
    assert given_id not in others
