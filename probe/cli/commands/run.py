"""`run`: the daemon."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from probe.agent import daemon
from probe.checks import CHECKS
from probe.cli.commands import config_option
from probe.settings.config_files import load_config
from probe.settings.preflight import missing
from probe.telemetry.logs import fields, set_up

log = logging.getLogger("probe.run")


@click.command()
@config_option
@click.option(
    "--seconds", type=click.FloatRange(min=0), default=None, help="Stop by itself after so many seconds."
)
@click.option(
    "--json-logs/--word-logs", default=None, help="JSON lines (default unless a terminal) or words."
)
def run(config_file: Path, seconds: float | None, json_logs: bool | None) -> None:
    """Measure on schedule and keep the results until SIGTERM or Ctrl-C."""
    config = load_config(config_file, CHECKS)
    set_up(config.agent.log_level, json_lines=json_logs)
    for problem in missing(config):
        log.error("config.missing", extra=fields(problem=str(problem)))
    daemon.serve(config, CHECKS, seconds=seconds, config_file=config_file)
