"""The table of breaches holds against all three: curl, Chromium, and our own verdict on a whole slot."""

from __future__ import annotations

from pathlib import Path

import pytest

from probe.core.http.tolerance import BREACHES
from probe.core.records.rows import SlotRecord
from tests.conformance.document import PAGE, document
from tests.conformance.oracles import RawServer, asked_of_chromium, asked_of_curl
from tests.conformance.replies import BODY, REPLIES, SECTIONS, Reply
from tests.fetch import test_http3
from tests.support.http2_cases import CASES
from tests.support.http_server import reply as raw
from tests.support.http_server import response
from tests.support.slots import Setting, measure
from tests.system.programs import need

NONCONFORMING = "http.nonconforming"
NAMES = [f"{title}: {reply.sent}" for title, section in SECTIONS.items() for reply in section]


def test_the_page_is_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == document(), "run python -m tests.conformance.write"


def test_what_a_client_delivers_and_we_call_an_outage_has_its_reason() -> None:
    assert len(REPLIES) >= 110
    assert all(len({reply.sent for reply in section}) == len(section) for section in SECTIONS.values())
    assert len({reply.raw for reply in REPLIES}) == len(REPLIES)
    assert [reply.sent for reply in REPLIES if reply.failure is not None and not reply.why] == []
    # And what no client delivers is no success of ours.
    assert [reply.sent for reply in REPLIES if reply.failure is None and not reply.delivered] == []


def test_each_word_of_a_breach_has_its_line() -> None:
    """Those that only HTTP/2 or HTTP/3 can have are seen there."""
    of_streams = {word for case in CASES.values() for word in case.breaches}
    of_streams |= {word for case in test_http3.SEEN.values() for word in case.notes} - {"interim_response"}
    assert {word for reply in REPLIES for word in reply.breaches} | of_streams == set(BREACHES)


@pytest.mark.long
@pytest.mark.timeout(240)
def test_curl_and_chromium_do_what_the_table_says(tmp_path: Path) -> None:
    need("curl", "chromium")
    with RawServer([reply.raw for reply in REPLIES]) as server:
        by_chromium = asked_of_chromium(server, BODY, tmp_path)
        by_curl = [asked_of_curl(server, number, BODY) for number in range(len(REPLIES))]
    assert list(zip(NAMES, by_curl, by_chromium, strict=True)) == [
        (name, reply.curl, reply.chromium) for name, reply in zip(NAMES, REPLIES, strict=True)
    ]


@pytest.mark.long
@pytest.mark.parametrize("reply", REPLIES, ids=NAMES)
async def test_we_say_what_the_table_says(reply: Reply, tmp_path: Path) -> None:
    setting = Setting(
        edge=raw(reply.raw), origin=response(BODY), request={"accept_encoding": "gzip, deflate, br"}
    )
    _, row = await measure(setting, tmp_path)
    if reply.failure is not None:
        assert (row.outcome, row.fault, row.reason) == ("failed", "cdn", reply.failure), row.summary
        return
    assert (row.outcome, row.reason) == ("ok", None), row.summary
    assert named(row) == set(reply.breaches)


def named(row: SlotRecord) -> set[str]:
    """The words of all that `http.nonconforming` says."""
    details = [f.detail or "" for f in row.findings if f.reason == NONCONFORMING]
    return {word for detail in details for word in detail.split(", ")}
