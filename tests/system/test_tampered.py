"""A file tampered with in one node's own cache convicts that node, acquits the other, and the bytes are shown."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from probe.core.records.observation import Relation
from probe.core.records.rows import SlotRecord
from tests.system.caches import NGINX_EDGE, VARNISH_EDGE, Sites, sites
from tests.system.programs import nsd
from tests.system.test_varnish import CANONICAL, edges_of, relations, running

pytestmark = pytest.mark.system

PATH = "/hour.txt"
RIGHT, WRONG = b"hour.txt first\n", b"hour.txt WORST\n"


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Sites]:
    with sites(tmp_path / "sites") as found:
        yield found


@pytest.fixture
def dns_port(tmp_path: Path) -> Iterator[int]:
    zones = {
        "acme.example": f"www 120 CNAME {CANONICAL}.\n",
        "cdn.test": "".join(f"{CANONICAL}. 30 A {address}\n" for address in (NGINX_EDGE, VARNISH_EDGE)),
    }
    with nsd(tmp_path / "nsd", zones) as port:
        yield port


def tamper(cache: Path) -> None:
    """Other bytes of the same length in the cache's own file, as a broken disk or an intruder would leave them."""
    (file,) = [f for f in cache.rglob("*") if f.is_file() and f.read_bytes().endswith(RIGHT)]
    with file.open("r+b") as kept:
        kept.seek(-len(RIGHT), 2)
        kept.write(WRONG)


def test_only_the_tampered_node_is_convicted(made: Sites, dns_port: int, tmp_path: Path) -> None:
    with running(tmp_path / "agent", made, dns_port, [PATH]) as agent:
        agent.until(lambda: _well(agent.rows(PATH)), "both edges give the origin's content")
        tamper(tmp_path / "sites" / "nginx" / "cache")
        since_s = time.time()
        agent.until(lambda: bool(_failed(agent.rows(PATH, since_s))), "the tampered node is found")
        agent.until(lambda: len(agent.rows(PATH, since_s)) >= 3, "and goes on being found")
        rows = agent.rows(PATH, since_s)
        row = _failed(rows)[0]
        told = _results(agent.directory, "evidence", f"{row.customer}/{row.seq}", "--json")
    assert {(r.outcome, r.fault, r.reason) for r in rows} == {("failed", "cdn", "content.mismatch")}
    for found in rows:
        assert found.confirmed is True
        assert relations(found) == {
            NGINX_EDGE: Relation.UNKNOWN_VERSION,
            VARNISH_EDGE: Relation.EQUAL,
        }
        accused = {f.address for f in found.findings if f.reason == "content.mismatch"}
        assert accused == {NGINX_EDGE}
    differences = [e["difference"] for e in json.loads(told)["exchanges"] if e["difference"] is not None]
    assert differences, "the bundle shows where the bytes part"
    assert {d["offset"] for d in differences} == {RIGHT.index(b"first")}
    assert edges_of(row)[NGINX_EDGE].response is not None


def _well(rows: list[SlotRecord]) -> bool:
    return bool(rows) and rows[-1].outcome == "ok" and set(relations(rows[-1]).values()) == {Relation.EQUAL}


def _failed(rows: list[SlotRecord]) -> list[SlotRecord]:
    return [row for row in rows if row.outcome == "failed"]


def _results(directory: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "probe", "results", "-d", str(directory / "results"), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
