"""`results`: what was stored: list it, show one slot with its whole evidence, follow it as it comes."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from probe.checks import CHECKS
from probe.cli.commands import DEFAULT_CONFIG, console
from probe.cli.render.bundle import bundle_view
from probe.cli.render.slots import evidence, list_table
from probe.cli.results.export import export
from probe.cli.results.propagation import propagation
from probe.cli.results.verify import verify_
from probe.core.records.codec import encode, encode_any
from probe.core.records.rows import Record, SlotRecord
from probe.core.records.verdict import Outcome
from probe.core.results.bundle import Bundle
from probe.core.results.har import har_of
from probe.settings.config_files import load_config
from probe.store.read.reader import Reader

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
    if context.invoked_subcommand == verify_.name:  # needs files alone, on whichever machine
        return
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
@click.option("--evidence", "with_evidence", is_flag=True, help="Also the bytes that crossed the wire.")
@click.pass_obj
def show(reader: Reader, which: str, as_json: bool, with_evidence: bool) -> None:
    """One slot with everything its verdict rests on."""
    row = _record(reader, which)
    if as_json or not isinstance(row, SlotRecord):
        click.echo(encode(row))
        return
    console().print(evidence(row))
    if with_evidence:
        console().print(bundle_view(_bundle(reader, row)))


@results.command("evidence")
@click.argument("which", metavar="ID|CUSTOMER/SEQ")
@click.option("--har", "har_file", type=click.Path(path_type=Path), help="Write it as HAR 1.2 to this file.")
@click.option("--json", "as_json", is_flag=True, help="The whole bundle as JSON, bytes as base64.")
@click.pass_obj
def evidence_(reader: Reader, which: str, har_file: Path | None, as_json: bool) -> None:
    """The evidence bundle of a slot that is not well: heads, bodies, certificates, DNS messages."""
    if "/" in which:
        row = _record(reader, which)
        if not isinstance(row, SlotRecord):
            raise click.ClickException(f"{which} is an event: only slots have evidence")
        bundle = _bundle(reader, row)
    else:
        found = reader.bundle(which)
        if found is None:
            raise click.ClickException(f"no evidence {which}; `results show CUSTOMER/SEQ --json` names it")
        bundle = found
    if har_file is not None:
        har_file.write_text(json.dumps(har_of(bundle), indent=1), encoding="utf-8")
        click.echo(f"{har_file}: {len(bundle.record.observations)} requests", err=True)
    elif as_json:
        click.echo(encode_any(bundle))
    else:
        console().print(evidence(bundle.record), bundle_view(bundle))


def _record(reader: Reader, which: str) -> Record:
    customer, _, number = which.rpartition("/")
    if not customer or not number.isdigit():
        raise click.ClickException(
            f"{which!r} is not CUSTOMER/SEQ, such as acme/42; `results list` shows them"
        )
    row = reader.get(customer, int(number))
    if row is None:
        raise click.ClickException(f"no record {which}; `results list` shows what there is")
    return row


def _bundle(reader: Reader, row: SlotRecord) -> Bundle:
    bundle = None if row.evidence_id is None else reader.bundle(row.evidence_id)
    if bundle is None:
        why = "it is well" if row.outcome is Outcome.OK else "none was kept"
        raise click.ClickException(f"{row.customer}/{row.seq} has no evidence bundle: {why}")
    return bundle


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


results.add_command(propagation)
results.add_command(export)
results.add_command(verify_)
