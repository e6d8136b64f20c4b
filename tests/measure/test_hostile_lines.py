"""The DNS and TCP rows of the list of hostile inputs hold for every kind of vantage point, with the same verdict."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark import ParameterSet

from probe.core.model.value import replace
from probe.net.netns import close_namespaces
from tests.support.hostile import CASES
from tests.support.proxy_server import proxy, spec_of
from tests.support.slots import measure

ROWS = {name: case for name, case in CASES.items() if 10 <= case.row <= 25}
# A namespace that is entered by its file: the test's own, so that its servers are there. That a foreign one is entered
# and left is shown in tests/system.
LINES: dict[str, Callable[[], dict[str, Any]]] = {
    "source": lambda: {"source_v4": "127.0.0.77"},
    "namespace, interface, mark and source": lambda: {
        "source_v4": "127.0.0.77",
        "interface": "lo",
        "mark": 7,
        "netns": f"/proc/{os.getpid()}/ns/net",
    },
    "all resolvers compared": lambda: {"resolver_policy": "all"},
    "client subnet": lambda: {"client_subnet": "203.0.113.0/24"},
}
PRIVILEGED = ("namespace, interface, mark and source",)


@pytest.fixture(autouse=True)
def _leave_namespaces() -> Any:
    yield
    close_namespaces()


def crossed(kinds: Iterable[str]) -> list[ParameterSet]:
    """Each row with each kind of line in the long run; in the quick one each row once, the kinds in turn."""
    every = list(kinds)
    return [
        pytest.param(
            name,
            kind,
            id=f"{case.row}-{name}-{kind}",
            marks=[] if at % len(every) == turn else pytest.mark.long,
        )
        for at, (name, case) in enumerate(ROWS.items())
        for turn, kind in enumerate(every)
    ]


@pytest.mark.parametrize(("name", "line"), crossed(LINES))
async def test_the_verdict_is_the_same_by_every_line(name: str, line: str, tmp_path: Path) -> None:
    if line in PRIVILEGED and os.geteuid() != 0:
        if os.environ.get("REQUIRE_SYSTEM") == "1":
            pytest.fail("this kind of line needs rights that only root has here")
        pytest.skip("needs CAP_NET_RAW, CAP_NET_ADMIN and CAP_SYS_ADMIN")
    case = CASES[name]
    task, row = await measure(replace(case.setting, line=LINES[line]()), tmp_path)
    assert (row.outcome, row.fault, row.reason) == case.expected, row.summary
    source = task.vantage_point.source_v4
    if source is not None:
        ours = {o.source.rpartition(":")[0] for o in row.observations if o.source is not None}
        assert ours <= {source}, "nothing leaves by another address"


@pytest.mark.parametrize(("name", "scheme"), crossed(["socks5", "http"]))
async def test_the_verdict_through_a_proxy(name: str, scheme: str, tmp_path: Path) -> None:
    """The proxy's word for a connection is a report only: the codes are the same, somebody else must have answered."""
    case = ROWS[name]
    async with proxy(scheme) as made:
        line = {"proxy": spec_of(scheme, made.port)}
        _, row = await measure(replace(case.setting, line=line), tmp_path)
    expected = BY_PROXY.get((name, scheme), BY_PROXY.get((name, "any"), case.expected))
    assert (row.outcome, row.fault, row.reason) == expected, row.summary
    assert {o.proxy for o in row.observations} <= {str(line["proxy"])}


# CONNECT has one status for every connection that fails (RFC 9110 section 15.6.3), and a proxy that loses the far end
# ends the near one as it likes.
BY_PROXY: dict[tuple[str, str], tuple[str, str | None, str | None]] = {
    ("edge_refuses", "http"): ("failed", "cdn", "tcp.failed"),
    ("edge_refuses_and_no_anchor", "http"): ("failed", "cdn", "tcp.failed"),
    ("edge_and_origin_refuse", "http"): ("failed", "cdn", "tcp.failed"),
    ("reset_in_the_body", "any"): ("failed", "cdn", "body.truncated"),
}
