"""Without the extra `http3` everything but HTTP/3 works, and HTTP/3 is refused with the command that installs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from probe.core.model.task import AnchorSpec
from probe.core.model.value import replace
from probe.core.records.failure import FailureType, Phase
from probe.fetch.quic import installed
from tests.support import build
from tests.support.http_server import Pki, make_fetcher, make_target, response, serve

HOW = "pip install 'cdn-probe[http3]'"
# No test may see it installed: a module that cannot be imported, as where it is not there.
HIDDEN = "import sys; sys.modules['qh3'] = None; "


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> None:
    installed.problem.cache_clear()
    monkeypatch.setattr(installed, "find_spec", lambda name: None)
    yield
    installed.problem.cache_clear()


@pytest.mark.usefixtures("without")
async def test_a_fetch_says_how_it_is_installed(tmp_path: Path) -> None:
    pki = Pki(tmp_path)
    async with serve(response(b"ok"), tls=pki.issued()) as server:
        over_quic = await make_fetcher().fetch(
            make_target(server.port, scheme="https", protocol="h3", tls=pki.policy())
        )
        over_tcp = await make_fetcher().fetch(make_target(server.port, scheme="https", tls=pki.policy()))
    assert over_quic.failure is not None
    assert (over_quic.failure.type, over_quic.failure.phase) == (
        FailureType.AGENT_PROTOCOL_UNSUPPORTED,
        Phase.HOST,
    )
    assert HOW in (over_quic.failure.detail or "")
    assert over_tcp.failure is None


def test_nothing_but_http3_imports_it() -> None:
    code = (
        "import importlib, pkgutil, probe\n"
        "for m in pkgutil.walk_packages(probe.__path__, 'probe.'):\n"
        "    needs = m.name.startswith(('probe.fetch.quic.', 'probe.fetch.versions.http3', 'probe.lab.http3'))\n"
        "    if not needs and not m.name.endswith('__main__'):\n"
        "        importlib.import_module(m.name)\n"
        "import probe.fetch.quic.installed\n"
        "print('fine')"
    )
    made = subprocess.run(
        [sys.executable, "-c", HIDDEN + f"exec({code!r})"], capture_output=True, text=True, check=False
    )
    assert made.stdout == "fine\n", made.stderr


def test_what_http_3_needs_is_imported_before_anything_is_measured_and_for_whoever_asks_alone() -> None:
    code = (
        "import sys\n"
        "from probe.fetch.exchange import load\n"
        "load({'h1', 'h2', 'auto'})\n"
        "before = 'qh3' in sys.modules\n"
        "load({'h1', 'h3'})\n"
        "print(before, 'qh3' in sys.modules, 'probe.fetch.versions.http3' in sys.modules)"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert made.stdout == "False True True\n", made.stderr


def test_by_which_versions_a_task_asks() -> None:
    task = build.task(checks=build.checks(availability={}))
    assert task.protocols == {"h1"}
    assert replace(task, request=replace(task.request, protocol="h3")).protocols == {"h3"}
    assert build.task(checks=build.checks(advertised={"protocols": ["h3"]})).protocols == {"h1", "h3"}
    anchor = AnchorSpec(scheme="quic", host="192.0.2.1", port=443, path="/")
    line = replace(task.vantage_point, anchors=(anchor,))
    assert replace(task, vantage_point=line).protocols == {"h1", "h3"}
