"""`replay`: stored observations judged again, and what changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from probe.cli.loading import loading
from probe.cli.options import DEFAULT_CONFIG, PATH


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("-d", "--dir", "directory", type=PATH, help="A results directory.")
@click.option("-c", "--config", "config_file", type=PATH, default=DEFAULT_CONFIG)
def replay(**typed: Any) -> None:
    """Judge again: cases under PATHS, or else everything in the store. Exit 1 if a verdict changes."""
    with loading():
        from probe.cli.actions import replay as action
    action.replay(**typed)
