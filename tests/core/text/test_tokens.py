"""A token is made once and known again by its hash alone."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.core.text import tokens
from probe.core.text.spans import uncovered, union
from probe.core.text.tokens import find, hash_token, is_hash, make_token

TOKEN = make_token(bytes(range(32)))


def test_a_token_looks_as_scanners_expect_and_its_hash_is_sha256() -> None:
    assert TOKEN == "cdnp_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
    assert hash_token("abc") == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize("size", [0, 31, 33])
def test_not_of_so_many_random_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="32 random bytes"):
        make_token(bytes(size))


def test_found_wherever_it_stands() -> None:
    others = [hash_token(f"other {number}") for number in range(5)]
    for place in range(6):
        assert find(TOKEN, [*others[:place], hash_token(TOKEN), *others[place:]]) == place
    assert find(TOKEN, others) is None
    assert find(TOKEN, []) is None


@pytest.mark.parametrize(
    "stored",
    [TOKEN, hash_token(TOKEN).upper(), hash_token(TOKEN)[:-1], hash_token(TOKEN) + " ", "sha256:", "", "ü"],
)
def test_what_is_no_hash_lets_nobody_in(stored: str) -> None:
    assert not is_hash(stored)
    assert find(TOKEN, [stored]) is None
    assert find(stored, [stored]) is None


def test_all_hashes_are_compared_whatever_the_first_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    real = tokens.hmac.compare_digest

    def counting(one: bytes, other: bytes) -> bool:
        seen.append(other)
        return real(one, other)

    monkeypatch.setattr(tokens.hmac, "compare_digest", counting)
    hashes = [hash_token(TOKEN), hash_token("b"), "nonsense", hash_token("c")]
    assert find(TOKEN, hashes) == 0
    assert find("wrong", hashes) is None
    assert seen == [h.encode() for h in hashes] * 2


@given(st.text(max_size=60), st.lists(st.text(max_size=80), max_size=4))
def test_no_text_breaks_it(token: str, hashes: list[str]) -> None:
    assert find(token, hashes) in (None, *range(len(hashes)))


SPANS = st.lists(
    st.tuples(st.integers(1, 60), st.integers(0, 10)).map(lambda pair: (pair[0], pair[0] + pair[1])),
    max_size=8,
)


@given(SPANS, st.integers(1, 60), st.integers(0, 30))
def test_what_is_new_of_a_span(covered: list[tuple[int, int]], first: int, length: int) -> None:
    last = first + length
    known = {n for low, high in covered for n in range(low, high + 1)}
    new = uncovered(first, last, union(covered))
    told = [n for low, high in new for n in range(low, high + 1)]
    assert told == [n for n in range(first, last + 1) if n not in known]


@given(SPANS)
def test_a_union_holds_the_same_numbers_and_no_two_of_its_spans_touch(spans: list[tuple[int, int]]) -> None:
    made = union(spans)
    assert {n for low, high in made for n in range(low, high + 1)} == {
        n for low, high in spans for n in range(low, high + 1)
    }
    assert all(after[0] > before[1] + 1 for before, after in itertools.pairwise(made))
