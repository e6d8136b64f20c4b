"""Tables of slots on a terminal of 80 columns: the verdict and the addresses are shown whole."""

from __future__ import annotations

from io import StringIO

from rich.console import Console, RenderableType

from probe.checks import CHECKS
from probe.cli.render.slots import list_table, observation_table, once_table
from probe.core.model.value import replace
from probe.core.records.failure import FailureType, Phase
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
