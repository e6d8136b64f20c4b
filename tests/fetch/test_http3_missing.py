"""Without the extra `http3` everything but HTTP/3 works, and HTTP/3 is refused with the command that installs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from probe.core.records.failure import FailureType, Phase
from probe.fetch.quic import installed
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
