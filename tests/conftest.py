"""Tests run on the loop that the agent runs on. The long files first: in several processes the suite ends when the last
file does.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from probe.lab.lab import Lab
from probe.net.event_loop import DatedLoop
from probe.tls import client as tls
from tests.codes.provoking import provokes_what_it_says
from tests.support.resolving import EVERY_FACE, Asking, Authority, make_authority
from tests.support.sizes import scaled

__all__ = ["provokes_what_it_says"]  # a fixture of every test
ROOT = Path(__file__).parent
os.environ["COLUMNS"] = (
    "160"  # so that words are looked for where they stand; how wide it is has tests of its own
)
FIRST = (
    "system",
    "truth",
    "lab",
    "agent",
    "measure",
    "api",
    "pull",
    "seal",
)  # in this order; then what lies in tests/ itself
QUICK = (
    "test_truth",
    "test_ipv6",
    "test_line_netns",
    "test_large_bodies",
    "test_prometheus",
    "test_unbound",
    "test_healthy_fetches",
)

# Properties that name no number of their own: the default of Hypothesis in the long run. None fails for being slow:
# the machine of a test may be busy.
settings.register_profile(
    "sized", max_examples=scaled(100), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("sized")


@pytest.fixture(scope="session", autouse=True)
def reachable(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Programs that give their rights away reach what lies below; with several processes there is one folder more."""
    place = tmp_path_factory.getbasetemp()
    while place.name.startswith(("popen-", "pytest-")):
        place.chmod(0o755)
        place = place.parent


@pytest.fixture(autouse=True)
def interrupts_as_before() -> Iterator[None]:
    """A test that calls `main`, which gives SIGINT to the kernel for the rest of its process, leaves it to the next."""
    handler, hook = signal.getsignal(signal.SIGINT), sys.unraisablehook
    yield
    if signal.getsignal(signal.SIGINT) is not handler:
        signal.signal(signal.SIGINT, handler)
    if sys.unraisablehook.__module__ == "probe.cli.loading":  # pytest's own hook is pytest's to put back
        sys.unraisablehook = hook


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    """What a test starts it ends: else the warning of a process that nobody waited for falls on a later test.

    They are counted: a test may start a server of its module anew.
    """
    before = _children()
    yield
    after = _children()
    assert len(after) <= len(before), f"started and neither ended nor waited for: {after - before}"


def _children() -> set[str]:
    """Processes that the main thread started (proc(5)), ended ones that nobody waited for among them."""
    return set(Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split())


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    """The small CDN, its caches filled."""
    async with Lab() as running:
        await running.warm()
        yield running


def pytest_collection_finish() -> None:
    """Eleven thousand tests are no garbage: the collector need not walk them each time."""
    gc.collect()
    gc.freeze()


def pytest_asyncio_loop_factories() -> dict[str, type[DatedLoop]]:
    """On a loop that does not date what comes, times would be less certain than they are in the agent."""
    return {"dated": DatedLoop}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs real servers is long, but for what shows each once; files in order, within each the order stays."""
    for item in items:
        if item.path.parent == ROOT / "system" and item.path.stem not in QUICK:
            item.add_marker(pytest.mark.long)
    items.sort(key=lambda item: _place(item.path))


def _place(path: Path) -> int:
    folder = path.relative_to(ROOT).parts[0]
    if folder in FIRST:
        return FIRST.index(folder)
    return len(FIRST) + (folder in ("core", "checks", "replay"))


@pytest.fixture(scope="session")
def resolver_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("resolver"))


@pytest.fixture(params=EVERY_FACE)
def ask(request: pytest.FixtureRequest, resolver_authority: Authority) -> Asking:
    """Looks a name up over each transport in turn."""
    return Asking(request.param, resolver_authority)


@pytest.fixture(params=["bundled", "system"])
def each_tls(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each OpenSSL in turn: the one that `cryptography` brings, and Python's own."""
    tls._client.cache_clear()
    if request.param == "system":
        monkeypatch.setattr(tls, "BundledClient", None)
    else:
        assert tls.BundledClient is not None
    yield
    tls._client.cache_clear()
