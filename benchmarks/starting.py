"""What a start costs: processor time of whole processes, against `python -c "import click"`.

`python -m benchmarks.starting [RUNS]` prints a row for each command: median of user and system time over the runs,
taken in turns so that a busy moment meets all alike, and its ratio to importing click. All have their bytecode, as a
program has that was installed: it is written to a directory of this benchmark by a first turn that does not count.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

RUNS = 21
BASE = "import click"
BOUNDS = {"--version": 2.0, "completion": 2.0, "--help": 4.0, "status": 4.0, "status --json": 4.0}
"""At most so many times the base."""


def cpu_s(arguments: list[str], bytecode: Path, env: dict[str, str] | None = None) -> float:
    """User and system time of one process and what it waited for."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(  # noqa: S603
        [sys.executable, *arguments],
        env={**inherited, "PYTHONPYCACHEPREFIX": str(bytecode), **(env or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measured(runs: int, config: Path) -> dict[str, float]:
    """Name -> median in seconds."""
    script = ["-c", "from probe.__main__ import main; main()"]
    completing = {"COMP_WORDS": "cdn-probe ", "COMP_CWORD": "1", "_CDN_PROBE_COMPLETE": "bash_complete"}
    commands: dict[str, tuple[list[str], dict[str, str] | None]] = {
        BASE: (["-c", BASE], None),
        "--version": ([*script, "--version"], None),
        "completion": (["-c", "import sys; sys.argv[0] = 'cdn-probe'; " + script[1]], completing),
        "--help": ([*script, "--help"], None),
        "status": ([*script, "status", "-c", str(config)], None),
        "status --json": ([*script, "status", "-c", str(config), "--json"], None),
    }
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(1 + runs):
        for name, (arguments, env) in commands.items():
            taken[name].append(cpu_s(arguments, config.parent / "bytecode", env))
    return {name: statistics.median(values[1:]) for name, values in taken.items()}


def main() -> None:
    """Print the table; exit code 1 where a bound is passed."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    with tempfile.TemporaryDirectory() as directory:
        config = Path(directory, "agent.yaml")
        config.write_text("agent: one\nresults: results\n")
        found = measured(runs, config)
    passed = False
    for name, value in found.items():
        ratio = value / found[BASE]
        bound = BOUNDS.get(name)
        passed |= bound is not None and ratio > bound
        print(
            f"{name:14} {value * 1e3:7.1f} ms {ratio:5.2f} x"
            + ("" if bound is None else f"  at most {bound:g} x")
        )
    sys.exit(1 if passed else 0)


if __name__ == "__main__":
    main()
