"""Rule: JSON is printed as it is stored, but to a terminal, where no character of it may be obeyed."""

from __future__ import annotations

import sys

import click

from probe.core.text.control_characters import escaped_in_json


def print_json(line: str | bytes) -> None:
    """One JSON value and a line feed on standard output; at a terminal the same value without control characters."""
    text = line.decode() if isinstance(line, bytes) else line
    click.echo(escaped_in_json(text) if sys.stdout.isatty() else text)
