"""`replay`: stored observations judged again, and what changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from probe.cli.loading import loading
from probe.cli.options import config_option_for, directory_option


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path, exists=True))
@directory_option("A results directory.")
@config_option_for(None, show_default=False)
def replay(**typed: Any) -> None:
    """Judge again: cases under PATHS, or else everything in the store. Exit 1 if a verdict changes."""
    with loading():
        from probe.cli.actions import replay as action
    action.replay(**typed)
