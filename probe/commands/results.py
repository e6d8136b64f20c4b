"""`results`: what was stored: list it, show one slot with its whole evidence, follow it as it comes."""

from __future__ import annotations

import time
from pathlib import Path

import click

from probe.checks import CHECKS
from probe.commands import DEFAULT_CONFIG, console
from probe.core.codec import encode
from probe.core.records import Outcome, Record, SlotRecord
from probe.io.files import load_config
from probe.io.store_reader import Reader
from probe.render import evidence, list_table

FOLLOW_POLL_S = 0.5


@click.group()
@click.option(
    "-d", "--dir", "directory", type=click.Path(path_type=Path), help="The results directory itself."
)
@click.option(
    "-c",
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    default=DEFAULT_CONFIG,
    show_default=True,
    help="Find the results directory in this configuration.",
)
@click.pass_context
def results(context: click.Context, directory: Path | None, config_file: Path) -> None:
    """Read stored results; works beside a running agent and without one."""
    if directory is None:
        directory = Path(load_config(config_file, CHECKS).agent.results)
    context.obj = context.with_resource(Reader.open(directory))


@results.command("list")
@click.option("--customer", default=None)
@click.option("--domain", default=None)
@click.option(
    "--outcome",
    type=click.Choice([outcome.value for outcome in Outcome]),
    default=None,
    help="Only slots that came out so.",
)
@click.option("--since", default=None, help="RFC 3339: only slots scheduled at or after.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_obj
def list_(
    reader: Reader,
    customer: str | None,
    domain: str | None,
    outcome: str | None,
    since: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """The newest results first."""
    try:
        rows = reader.list(customer=customer, domain=domain, outcome=outcome, since=since, limit=limit)
    except ValueError as error:
        raise click.ClickException(f"--since: {error}") from None
    _print(rows, as_json)


@results.command("show")
@click.argument("which", metavar="CUSTOMER/SEQ")
@click.option("--json", "as_json", is_flag=True, help="The stored record as JSON.")
@click.pass_obj
def show(reader: Reader, which: str, as_json: bool) -> None:
    """One slot with everything its verdict rests on."""
    customer, _, number = which.rpartition("/")
    if not customer or not number.isdigit():
        raise click.ClickException(
            f"{which!r} is not CUSTOMER/SEQ, such as acme/42; `results list` shows them"
        )
    row = reader.get(customer, int(number))
    if row is None:
        raise click.ClickException(f"no record {which}; `results list` shows what there is")
    if as_json or not isinstance(row, SlotRecord):
        click.echo(encode(row))
    else:
        console().print(evidence(row))


@results.command("follow")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option(
    "--seconds", type=click.FloatRange(min=0), default=None, help="Stop by itself after so many seconds."
)
@click.pass_obj
def follow(reader: Reader, as_json: bool, seconds: float | None) -> None:
    """New results as they are stored, until Ctrl-C."""
    until = None if seconds is None else time.monotonic() + seconds
    after = dict(reader.heads())
    while until is None or time.monotonic() < until:
        rows = list(reader.follow(after))
        for row in rows:
            after[row.customer] = row.seq or 0
        if rows:
            _print(rows, as_json)
        time.sleep(FOLLOW_POLL_S)


def _print(rows: list[Record], as_json: bool) -> None:
    if as_json:
        for row in rows:
            click.echo(encode(row))
    elif rows:
        console().print(list_table(rows))
    else:
        click.echo("no results")
