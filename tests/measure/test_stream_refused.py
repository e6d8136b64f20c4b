"""A stream that was refused once is no outage: clients ask again unasked (RFC 9113 section 8.7)."""

from __future__ import annotations

from pathlib import Path

import pytest

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
