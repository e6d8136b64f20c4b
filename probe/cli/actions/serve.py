"""What `serve` does: the API for pulling results, beside the agent or alone, over results at rest."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import click

from probe.api.process import serve_until, stop_with_stdin
from probe.api.request.calls import MakeDispute
from probe.api.request.settings import read_agent
from probe.checks import CHECKS
from probe.core.config.load import Config, ConfigError
from probe.net.event_loop import on_signals, run
from probe.settings.config_files import load_config
from probe.telemetry.logs import set_up


def serve(config_file: Path, while_stdin_open: bool, json_logs: bool | None) -> None:
    """Offer results for pulling; `run` starts this by itself where agent.yaml has `api`."""
    set_up(read_agent(config_file).log_level, json_lines=json_logs)
    run(_serve(config_file, while_stdin_open))


async def _serve(config_file: Path, while_stdin_open: bool) -> None:
    stop = asyncio.Event()
    with on_signals((signal.SIGTERM, signal.SIGINT), stop.set):
        if while_stdin_open:
            stop_with_stdin(stop)
        await serve_until(stop, config_file, lambda: _whole(config_file), _print_address, _disputes)


def _disputes(directory: Path) -> MakeDispute:
    def write(agent: str, customer: str, seq: int, into: Path) -> None:
        from probe.services.dispute import make  # loaded by the few who ask for one

        make(directory, into, customer, agent=agent, seqs=(seq, seq))

    return write


def _print_address(address: str) -> None:
    click.echo(address)
    sys.stdout.flush()


def _whole(config_file: Path) -> Config | None:
    try:
        return load_config(config_file, CHECKS)
    except (ConfigError, OSError):
        return None  # the agent reports what is wrong with it
