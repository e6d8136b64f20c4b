"""`run`: the daemon."""

from __future__ import annotations

from pathlib import Path

import click

from probe.cli.loading import loading
from probe.cli.options import config_option, log_format_option, seconds_option


@click.command()
@config_option
@seconds_option
@log_format_option
def run(config_file: Path, seconds: float | None, json_logs: bool | None) -> None:
    """Measure on schedule and keep the results until SIGTERM or Ctrl-C."""
    with loading():
        import logging

        from probe.agent import daemon
        from probe.checks import CHECKS
        from probe.settings.config_files import load_config
        from probe.settings.preflight import missing, require_means
        from probe.telemetry.logs import fields, set_up
    config = load_config(config_file, CHECKS)
    require_means(config)
    set_up(config.agent.log_level, json_lines=json_logs)
    log = logging.getLogger("probe.run")
    for problem in missing(config):
        log.error("config.missing", extra=fields(problem=str(problem)))
    daemon.serve(config, CHECKS, seconds=seconds, config_file=config_file)
