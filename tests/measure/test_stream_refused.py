"""A stream that was refused once is no outage: clients ask again unasked (RFC 9113 section 8.7)."""

from __future__ import annotations

from pathlib import Path

import pytest

from probe.core.records.observation import Role
from tests.support.http2 import PREFACE, goaway, healthy, plain, reset, saying, tls_of
from tests.support.http_server import Script, response
from tests.support.slots import Setting, measure

WHOLE = healthy(plain(b"content"))


def in_turn(*scripts: Script) -> Script:
    """One after the other, the last one for ever."""
    left = list(scripts)

    async def script(reader, writer):  # type: ignore[no-untyped-def]
        await (left.pop(0) if len(left) > 1 else left[0])(reader, writer)

    return script


@pytest.mark.parametrize("refusal", [reset(7), goaway(0)], ids=["REFUSED_STREAM", "GOAWAY"])
@pytest.mark.parametrize(
    ("again", "expected"), [(False, ("inconclusive", "unknown")), (True, ("failed", "cdn"))]
)
async def test_refused_once_and_twice(
    tmp_path: Path, refusal: bytes, again: bool, expected: tuple[str, str]
) -> None:
    edge = in_turn(saying(PREFACE + refusal), *([] if again else [WHOLE]))
    setting = Setting(edge=edge, tls=tls_of, request={"protocol": "h2"}, origin=response(b"content"))
    _, row = await measure(setting, tmp_path)
    assert (row.outcome, row.fault) == expected, row.summary
    assert row.reason == "http.stream_refused"
    assert row.protocol == "h2"


@pytest.mark.parametrize("refusal", [reset(13), goaway(0, 13)], ids=["RST_STREAM", "GOAWAY"])
@pytest.mark.parametrize(
    ("protocol", "expected"), [("auto", ("inconclusive", "agent")), ("h2", ("failed", "cdn"))]
)
async def test_http_1_1_required(
    tmp_path: Path, refusal: bytes, protocol: str, expected: tuple[str, str]
) -> None:
    """RFC 9113 section 7: it is on record, asked again only as a second look, and the sentence says what to do."""
    setting = Setting(
        edge=saying(PREFACE + refusal),
        tls=tls_of,
        request={"protocol": protocol},
        origin=response(b"content"),
    )
    _, row = await measure(setting, tmp_path)
    assert (row.outcome, row.fault, row.reason) == (*expected, "http.requires_1_1"), row.summary
    assert "`protocol: h1` measures that" in row.summary
    asked = [o for o in row.observations if o.role in (Role.EDGE, Role.CONFIRM)]
    assert [(o.role, o.tls.alpn if o.tls else None) for o in asked] == [
        (Role.EDGE, "h2"),
        (Role.CONFIRM, "h2"),
    ]
    assert {o.failure.type for o in asked if o.failure} == {"http.requires_1_1"}
