"""Rule: a configuration is timed as a start reads it: files on the disk, checked whole, made into tasks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import yaml

from benchmarks.measure import Effort, Result, WrongResultError, compare, repeated
from probe.checks import CHECKS
from probe.core.config.load import Config
from probe.core.config.plan import define, make_plan
from probe.core.model.task import Task
from probe.settings.config_files import load_config

OBJECTS, FILES = 10_000, 10
Step = Callable[[], object]


async def run(directory: Path, effort: Effort) -> list[Result]:
    """CPU of loading 10,000 objects (fewer if the effort is less), and of planning them."""
    objects = effort.operations(OBJECTS) // FILES * FILES or FILES
    agent_file = write(directory, objects)
    files = sorted((directory / "customers").iterdir())
    config = load_config(agent_file, CHECKS)
    tasks = _planned(config, objects)

    def parse() -> None:
        for file in files:
            yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)

    def digest() -> None:
        for task in tasks:
            define(task)

    cases: tuple[tuple[str, Step, Step, str], ...] = (
        ("load", lambda: load_config(agent_file, CHECKS), parse, "PyYAML CSafeLoader, same files"),
        ("plan", lambda: _planned(config, objects), digest, "the digest of every task alone"),
    )
    return [
        await compare(
            f"{name} {objects:,} objects",
            ours=repeated(ours),
            peer=repeated(peer),
            peer_name=peer_name,
            operations=1,
            rounds=effort.rounds,
        )
        for name, ours, peer, peer_name in cases
    ]


def _planned(config: Config, objects: int) -> tuple[Task, ...]:
    tasks = make_plan(config).tasks
    if len(tasks) != objects:
        raise WrongResultError(f"{objects} objects were planned as {len(tasks)} tasks")
    return tasks


def write(directory: Path, objects: int) -> Path:
    """Write agent.yaml and ten customers with their share of `objects`; the path of agent.yaml."""
    customers = directory / "customers"
    customers.mkdir(parents=True)
    for number in range(FILES):
        text = "\n".join([*_head(number), *(_object(i) for i in range(objects // FILES)), ""])
        (customers / f"c{number}.yaml").write_text(text, encoding="utf-8")
    agent = directory / "agent.yaml"
    agent.write_text(
        "agent: bench\nresults: results\ncustomers: customers/\n"
        'vantage_points: [{name: bench, resolvers: ["udp://127.0.0.1:53"]}]\nallow_addresses: [127.0.0.0/8]\n',
        encoding="utf-8",
    )
    return agent


def _head(number: int) -> list[str]:
    return [
        f"customer: c{number}",
        "defaults: {interval: 60s, timeout: 10s, vantage_points: [bench]}",
        "domains:",
        f"  - domain: www.c{number}.example",
        "    cdn: {suffixes: [cdn.example.net]}",
        f"    origin: {{address: 127.0.0.1, scheme: https, port: 443, host: www.c{number}.example}}",
        "    objects:",
    ]


def _object(number: int) -> str:
    return (
        f"      - path: /static/{number}.js\n"
        "        checks: {availability: {status: [200]}, response_time: {ttfb: 500ms, total: 2s}, "
        "integrity: {mode: exact}}"
    )
