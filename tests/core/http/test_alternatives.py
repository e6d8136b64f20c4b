"""Alt-Svc (RFC 7838 section 3) as servers write it."""

from __future__ import annotations

import pytest

from probe.core.http.alternatives import alternatives


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('h3=":443"; ma=2592000,h3-29=":443"; ma=2592000', ['h3=":443"', 'h3-29=":443"']),
        ('h2="alt.Example:8443"; persist=1', ['h2="alt.example:8443"']),
        ('h3=":443", h3=":443"', ['h3=":443"']),
        ("clear", []),
        ("", []),
        ('h3=":0", h3=":99999", h3=443, =":1"', []),
    ],
)
def test_what_is_advertised(value: str, expected: list[str]) -> None:
    fields = (("content-type", "text/plain"), ("alt-svc", value))
    assert [str(each) for each in alternatives(fields)] == expected


def test_no_value_takes_long() -> None:
    many = ", ".join(f'h3=":{port}"' for port in range(1, 5000))
    assert len(alternatives([("alt-svc", many), ("alt-svc", "=" * 4096)])) == 32
