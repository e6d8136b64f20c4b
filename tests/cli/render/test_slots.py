"""Tables of slots on a terminal of 80 columns: the verdict and the addresses are shown whole."""

from __future__ import annotations

from io import StringIO

from rich.console import Console, RenderableType

from probe.checks import CHECKS
from probe.cli.render.slots import list_table, object_of, observation_table, once_table, transport_lines
from probe.core.model.value import replace
from probe.core.records.failure import FailureType, Phase
from probe.core.records.observation import Alternative
from probe.core.records.transport import QuicInfo
from probe.core.results.rows import measured_row
from tests.support.build import AT, broken, evidence, seen, task

MADE = measured_row(
    task(), evidence(broken(FailureType.TLS_CERT_NAME_INVALID, Phase.TLS), seen()), CHECKS, finished_at=AT
)
ROW = replace(MADE, domain="www.long-name.shop.example", path="/static/some/deep/directory/app.js")


def letters(shown: RenderableType) -> str:
    """What stands on 80 columns, without the spaces between."""
    out = StringIO()
    Console(file=out, width=80, color_system=None).print(shown)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    return "".join(lines)


def test_list_and_once_show_the_verdict_beside_a_long_object() -> None:
    assert ROW.reason is not None
    for shown in (list_table([ROW]), once_table([ROW])):
        assert "…" not in letters(shown)
        assert "verdict" in letters(shown)
        assert str(ROW.outcome) in letters(shown)


def test_show_has_whole_addresses() -> None:
    (first, *_) = ROW.observations
    assert f"{first.address}:{first.port}" in letters(observation_table(ROW))


def test_rows_of_one_object_by_several_http_versions_are_told_apart() -> None:
    rows = [replace(ROW, domain="a.example", path="/a", protocol=protocol) for protocol in ("h1", "h3")]
    for shown in (list_table(rows), once_table(rows)):
        assert "h3" in letters(shown)
        assert "h1" not in letters(shown)
    assert [object_of(row) for row in rows] == ["a.example/a", "a.example/a h3"]


def test_a_trace_says_which_version_came_over_what_connection_and_what_is_advertised() -> None:
    well = ROW.observations[1]
    assert transport_lines(well) == ["http/1.1"]
    assert well.response is not None
    over_quic = replace(
        well,
        response=replace(well.response, next_hop_protocol="h3"),
        quic_info=QuicInfo(version=1, rtt_us=1_500, datagrams_sent=7, datagrams_received=9),
        advertised=(Alternative(protocol="h3", host="", port=443),),
    )
    assert transport_lines(over_quic) == [
        "h3",
        "QUIC version 1, round trip 1.5 ms, 7 datagrams sent, 9 received, 0 packets lost",
        'advertises h3=":443" (alt-svc)',
    ]
    silent = replace(well, response=None, quic_info=QuicInfo(datagrams_sent=3))
    assert transport_lines(silent) == ["QUIC no version heard, 3 datagrams sent, 0 received, 0 packets lost"]
