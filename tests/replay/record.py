"""Records the cases beside it: `python -m tests.replay.record [NAME ...]`. Run it only when records change.

From the lab, a fault each, and from the servers of `tests.support.hostile` and `tests.support.suspects`, a slot each.
A case is one slot as it was stored, the definition of its task and the verdict that is right: the one that the lab
expects of its fault or that the lists of slots name, not whatever the judge said. What was judged wrongly is not
recorded. Cases that lose packets are measured in a network namespace of their own, which takes root and `nft`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterable
from functools import partial
from pathlib import Path

from probe.agent.parts import Parts, build
from probe.checks import CHECKS
from probe.core.config.plan import task_to_json
from probe.core.model.task import Task
from probe.core.model.value import replace
from probe.core.records.codec import encode
from probe.core.records.rows import SlotRecord
from probe.core.records.verdict import Outcome
from probe.lab.config_files import CA_FILE
from probe.lab.faults import FAULTS
from probe.lab.lab import Lab
from probe.net.event_loop import run
from probe.settings.config_files import load_config
from tests.support.hostile import CASES
from tests.support.reply_cases import REPLY_CASES
from tests.support.slots import measure
from tests.support.suspects import SUSPECTS, Suspect

LOOKS = 40
ALONE = ("unshare", "--net", "--")
TABLE, CHAIN = (
    "add table netdev lossy",
    "add chain netdev lossy in { type filter hook ingress device lo priority 0; }",
)
HERE = Path(__file__).parent
NAMES = (
    "edge_down",
    "server_error",
    "tampered_body",
    "origin_down",
    "customer_name_gone",
    "truncated_body",
    "name_gone",
    "alias_changed",
    "slow_first_byte",
    "origin_error",
    "tls_expired",
    "vantage_offline",
)


def write(name: str, task: Task, row: SlotRecord) -> None:
    """One case.json, readable and without the place of the files that it was made with."""
    if task.tls.ca is not None:
        task = replace(task, tls=replace(task.tls, ca=CA_FILE))
    if task.origin is not None and task.origin.tls.ca is not None:
        task = replace(task, origin=replace(task.origin, tls=replace(task.origin.tls, ca=CA_FILE)))
    case = {
        "definition": task_to_json(task),
        "record": json.loads(encode(row)),
        "expected": {"outcome": row.outcome, "fault": row.fault, "reason": row.reason},
    }
    file = HERE / name / "case.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(case, indent=1) + "\n", encoding="utf-8")


async def record(wanted: Collection[str]) -> None:
    """The cases of these names; without names all of them."""
    if not wanted or set(wanted) & {"healthy", *NAMES}:
        await _lab(wanted)
    for name, case in {**CASES, **REPLY_CASES}.items():
        if not wanted or name in wanted:
            with tempfile.TemporaryDirectory() as directory:
                task, row = await measure(case.setting, Path(directory))
            if (row.outcome, row.fault, row.reason) != case.expected:
                raise SystemExit(f"{name}: {row.outcome} {row.fault} {row.reason}: {row.summary}")
            write(name, task, row)
    for name, suspect in SUSPECTS.items():
        if not wanted or name in wanted:
            if suspect.nft and not in_namespace():
                subprocess.run([*ALONE, sys.executable, "-m", "tests.replay.record", name], check=True)
            else:
                write(name, *await row_of(name, suspect))


def in_namespace() -> bool:
    """Whether this process runs in a network namespace of its own, made by `ALONE`."""
    return os.readlink("/proc/self/ns/net") != os.readlink(f"/proc/{os.getppid()}/ns/net")


def lose(rules: Iterable[str]) -> None:
    """Let every packet pass these rules; without any, nothing is lost."""
    subprocess.run(["nft", "flush", "ruleset"], check=True)
    for words in (TABLE, CHAIN, *(f"add rule netdev lossy in {rule}" for rule in rules)):
        subprocess.run(["nft", *words.split()], check=True)


async def row_of(name: str, suspect: Suspect) -> tuple[Task, SlotRecord]:
    """Measured once; if packets are lost, which they are by chance, until what is expected came of it.

    Meanwhile it may have been well, or inconclusive in another way; anything else is a wrong verdict.
    """
    for _ in range(LOOKS if suspect.nft else 1):
        if suspect.nft:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            lose(())
        with tempfile.TemporaryDirectory() as directory:
            lossy = partial(lose, suspect.nft) if suspect.nft else nothing
            task, row = await measure(suspect.setting, Path(directory), lossy)
        if (row.outcome, row.fault, row.reason) == suspect.expected:
            return task, row
        if not suspect.nft or row.outcome not in (Outcome.OK, Outcome.INCONCLUSIVE):
            break
    raise SystemExit(f"{name}: {row.outcome} {row.fault} {row.reason}: {row.summary}")


def nothing() -> None:
    """No packet is lost."""


async def _lab(wanted: Collection[str]) -> None:
    """Healthy first, so that the origin's versions are known; then one slot of each fault."""
    async with Lab() as lab:
        await lab.warm()
        with tempfile.TemporaryDirectory() as directory:
            config = load_config(lab.write_config(Path(directory)), CHECKS)
            parts = build(config, CHECKS)
            async with parts.opened():
                for task in parts.in_force.plan.tasks:
                    row = await parts.measure_now(task)
                    if row.outcome is not Outcome.OK:
                        raise SystemExit(f"healthy: {row.summary}")
                write("healthy", task, row)
                for name in NAMES:
                    if not wanted or name in wanted:
                        await _fault(lab, parts, name)


async def _fault(lab: Lab, parts: Parts, name: str) -> None:
    fault = FAULTS[name]
    task = next(
        task
        for task in parts.in_force.plan.tasks
        if fault.reach.covers(task.domain, task.request.path, task.vantage_point.name)
    )
    async with lab.fault(name):
        row = await parts.measure_now(task)
    if not fault.expected.met_by(row):
        raise SystemExit(f"{name}: {row.outcome} {row.fault} {row.reason}: {row.summary}")
    write(name, task, row)


if __name__ == "__main__":
    run(record(sys.argv[1:]))  # the loop that dates what comes
