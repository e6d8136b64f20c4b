"""`python -m tests.takeover [--rows 100000]`: today's agent takes over a store of version 0.1 that is being pulled.

Version 0.1, its own code as it was committed, writes so many rows and serves them. `cdn-probe pull --follow` begins
with it; at a third of the rows it is ended, and today's agent starts on the same directory and address, and measures.
The copy must then hold every old row once, in order, as it was stored, and the new ones behind them; copy and store
verify.
Prints what was seen as JSON; exits with 1 where something of it does not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml

from probe.core.text.tokens import hash_token, make_token
from probe.lab.lab import Lab
from probe.pull import Copy
from probe.store.read.reader import Reader
from tests.agent.test_agent import config_of
from tests.support.agent_process import cdn_probe, ended, start, until
from tests.support.history import taken
from tests.system.programs import free_port

ROOT = Path(__file__).parents[2]
COMMIT = "4ddf4b8"  # version 0.1.0, of which tests/fixtures/v0.1 is
AGENT, CUSTOMER = "bench", "shop"
NEW_ROWS = 20  # of today's agent, that must have come
WITHIN_S = 3_600.0
_FILL = """
import asyncio, sys, time
from pathlib import Path
from benchmarks import pulling
pulling.AGENT, pulling.CUSTOMER = sys.argv[1:3]
rows = int(sys.argv[4])
pulling.START_S = int(time.time()) - rows - 3600
asyncio.run(pulling.fill(Path(sys.argv[3]), rows))
"""


def in_history() -> bool:
    """Whether this checkout has version 0.1."""
    asked = ["git", "-C", str(ROOT), "cat-file", "-e", COMMIT]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


def old_lines(results: Path) -> list[str]:
    """What version 0.1 stored, read by nobody's code but SQLite's."""
    found: list[str] = []
    for part in sorted((results / "_parts").glob("*.db")):
        with closing(sqlite3.connect(f"file:{part}?mode=ro", uri=True)) as conn:
            found += [body for (body,) in conn.execute("SELECT body FROM record ORDER BY seq")]
    return found


def copied_lines(copy: Path) -> list[str]:
    """The stream as it was pulled."""
    return [line.text for line in Copy(copy).lines(AGENT, CUSTOMER)]


def stored_lines(results: Path) -> list[str]:
    """The stream as today's store has it."""
    found: list[str] = []
    with Reader.open(results) as reader:
        while page := reader.lines(CUSTOMER, len(found), 1_000):
            found += [line.text for line in page]
    return found


def _copied(copy: Path) -> int:
    streams = Copy(copy).streams() if copy.is_dir() else []
    return next((stream.seq for stream in streams if stream.customer == CUSTOMER), 0)


def _write_configs(today: Path, old: Path, results: Path, token: str) -> str:
    """Both agents' configurations: one address, one token, one results directory. Gives the address."""
    address = f"127.0.0.1:{free_port()}"
    api = {"listen": address, "tokens": [{"name": "t", "hash": hash_token(token), "customers": ["*"]}]}
    told = yaml.safe_load(today.read_text())
    today.write_text(yaml.safe_dump(told | {"agent": AGENT, "results": str(results), "api": api}))
    (old.parent / "customers").mkdir(parents=True)
    points = [{"name": "here"}]
    old.write_text(
        json.dumps(
            {
                "agent": AGENT,
                "results": str(results),
                "customers": "customers/",
                "vantage_points": points,
                "api": api,
            }
        )
    )
    return f"http://{address}"


async def taken_over(rows: int, place: Path) -> dict[str, Any]:
    """All of it; names say the units."""
    old, results, copy = (
        taken(COMMIT, place / "version", "probe", "benchmarks", "tests"),
        place / "results",
        place / "copy",
    )
    fill = [sys.executable, "-c", _FILL, AGENT, CUSTOMER, str(results), str(rows)]
    await asyncio.to_thread(subprocess.run, fill, cwd=old, check=True)
    before = old_lines(results)
    token = make_token(os.urandom(32))
    found: dict[str, Any] = {"rows": len(before), "old_mb": round(_bytes(results) / 1e6, 1)}
    async with Lab() as lab:
        await lab.warm()
        file, old_file = config_of(lab, place / "today"), place / "old" / "agent.yaml"
        url = _write_configs(file, old_file, results, token)
        serving = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "probe", "serve", "-c", str(old_file)),
            cwd=old,
            stdout=subprocess.PIPE,
        )
        assert serving.stdout is not None
        await asyncio.wait_for(serving.stdout.readline(), 60)
        puller = await start(
            "pull", "--from", url, "--into", copy, "--follow", "--ack", env={"CDN_PROBE_TOKEN": token}
        )
        await until(lambda: _has(copy, rows // 3), WITHIN_S)
        serving.send_signal(signal.SIGTERM)
        await serving.wait()
        found["pulled_from_the_old"] = _copied(copy)
        began = time.monotonic()
        agent = await start("run", "-c", file)
        await until(lambda: _has(copy, found["pulled_from_the_old"] + 1), WITHIN_S)
        found["first_row_from_the_new_after_s"] = round(time.monotonic() - began, 1)
        await until(lambda: _has(copy, len(before) + NEW_ROWS), WITHIN_S)
        for child in (puller, agent):
            child.send_signal(signal.SIGTERM)
        found["exits"] = [(await ended(child)).code for child in (puller, agent)]
    pulled, stored = copied_lines(copy), stored_lines(results)
    found |= {
        "copied": len(pulled),
        "old_rows_as_they_were": pulled[: len(before)] == before == stored[: len(before)],
        "numbers_once_in_order": [json.loads(line)["seq"] for line in pulled]
        == list(range(1, len(pulled) + 1)),
        "new_rows_as_they_are_stored": pulled[len(before) :] == stored[len(before) : len(pulled)],
        "sha256_of_old_rows": hashlib.sha256("\n".join(pulled[: len(before)]).encode()).hexdigest(),
    }
    for name, directory in (("copy", copy), ("store", results)):
        done = await cdn_probe("results", "verify", directory)
        found[f"verify_{name}"] = done.code
    return found


async def _has(copy: Path, rows: int) -> bool:
    return await asyncio.to_thread(_copied, copy) >= rows


def _bytes(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def holds(found: dict[str, Any]) -> bool:
    """Whether it is as it must be. On a fast machine a small store may be pulled before its server has ended."""
    return bool(
        found["old_rows_as_they_were"]
        and found["numbers_once_in_order"]
        and found["new_rows_as_they_are_stored"]
        and 0 < found["pulled_from_the_old"] <= found["rows"] < found["copied"]
        and found["verify_copy"] == found["verify_store"] == 0
    )


def main() -> int:
    """See above."""
    parser = argparse.ArgumentParser(prog="python -m tests.takeover", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    options = parser.parse_args()
    if not in_history():
        parser.error(f"commit {COMMIT} is not in this checkout: fetch its whole history")
    with tempfile.TemporaryDirectory(prefix="takeover-") as place:
        found = asyncio.run(taken_over(options.rows, Path(place)))
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    return 0 if holds(found) else 1


if __name__ == "__main__":
    sys.exit(main())
