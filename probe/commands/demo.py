"""`demo`: the lab and the agent together, with faults injected and found."""

from __future__ import annotations

import click


@click.command()
def demo() -> None:
    """placeholder"""
