"""What the commands of `results` do: list records, show one with its evidence, follow them, report propagation."""

from __future__ import annotations

import json
import time
from contextlib import closing
from pathlib import Path

import click

from probe.checks import CHECKS
from probe.cli.render.bundle import bundle_view
from probe.cli.render.json_lines import print_json
from probe.cli.render.propagation import propagation_table
from probe.cli.render.slots import evidence, list_table
from probe.cli.render.terminal import console
from probe.core.nodes.propagation import propagation_report
from probe.core.proof.evidence import evidence_named
from probe.core.records.codec import encode, encode_any
from probe.core.records.rows import Record, SlotRecord
from probe.core.records.verdict import Outcome
from probe.core.results.bundle import Bundle, BundleError, read_bundle
from probe.core.results.har import har_of
from probe.services.kept import Kept, KeptCopy, KeptError, KeptStore
from probe.services.kept import opened as opened_kept
from probe.services.line_sources import LineSource, open_lines
from probe.settings.config_files import load_config
from probe.store.read.reader import Reader

FOLLOW_POLL_S = 0.5


def directory_of(context: click.Context) -> Path:
    """The results directory that the group `results` was given, or its configuration names. Raises ConfigError."""
    given = context.parent.params if context.parent is not None else {}
    directory = given.get("directory")
    return directory or Path(load_config(given["config_file"], CHECKS).agent.results)


def opened(context: click.Context) -> Reader:
    """The store of that directory, closed when the command ends. Raises ConfigError or StoreError."""
    return context.with_resource(Reader.open(directory_of(context)))


def opened_lines(context: click.Context) -> LineSource:
    """The lines of that directory, which may be a copy or a tree of segments. Raises ConfigError or OSError."""
    return context.with_resource(closing(open_lines(directory_of(context))))


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


def show(reader: Reader, which: str, as_json: bool, with_evidence: bool) -> None:
    """One slot with everything its verdict rests on."""
    kept = KeptStore(reader)
    row = _record(kept, which)
    if as_json or not isinstance(row, SlotRecord):
        print_json(encode(row))
        return
    console().print(evidence(row))
    if with_evidence:
        console().print(bundle_view(_bundle(kept, row)))


def evidence_(context: click.Context, which: str, har_file: Path | None, as_json: bool) -> None:
    """The evidence bundle of a slot that is not well: heads, bodies, certificates, DNS messages."""
    agent = which.split("/")[:1] if which.count("/") == 2 else []
    with opened_kept(directory_of(context), agent[0] if agent else None) as kept:
        row = _row(kept, which.removeprefix(f"{agent[0]}/") if agent else which)
        bundle = _bundle(kept, row)
    if har_file is not None:
        har_file.write_text(json.dumps(har_of(bundle), indent=1), encoding="utf-8")
        click.echo(f"{har_file}: {len(bundle.record.observations)} requests", err=True)
    elif as_json:
        print_json(encode_any(bundle))
    else:
        console().print(evidence(bundle.record), bundle_view(bundle))


def _row(kept: Kept, which: str) -> SlotRecord:
    """The row named by its place or by the id of its bundle."""
    if "/" not in which:
        row = kept.row_of(which)
        if row is None:
            raise click.ClickException(
                f"no evidence {which}: no row here names it; `results show CUSTOMER/SEQ --json` shows what a row names"
            )
        return row
    record = _record(kept, which)
    if not isinstance(record, SlotRecord):
        raise click.ClickException(f"{which} is an event: only slots have evidence")
    return record


def _record(kept: Kept, which: str) -> Record:
    customer, _, number = which.rpartition("/")
    if not customer or not number.isdigit():
        raise click.ClickException(
            f"{which!r} is not CUSTOMER/SEQ, such as acme/42; `results list` shows them"
        )
    try:
        row = kept.record(customer, int(number))
    except KeptError as error:
        raise click.ClickException(str(error)) from None
    if row is None:
        raise click.ClickException(f"no record {which}; `results list` shows what there is")
    return row


def _bundle(kept: Kept, row: SlotRecord) -> Bundle:
    which = f"{row.customer}/{row.seq}"
    if row.evidence_id is None:
        why = "it is well" if row.outcome is Outcome.OK else "none was kept"
        raise click.ClickException(f"{which} has no evidence bundle: {why}")
    try:
        if (text := kept.evidence(row)) is not None:
            return read_bundle(text)
    except KeptError as error:
        raise click.ClickException(str(error)) from None
    except BundleError as error:
        raise click.ClickException(f"{which}: {error}") from None
    if (named := evidence_named(encode(row))) is not None and kept.declared(row).has(named):
        why = "retention took it, as the agent has put on record"
    elif isinstance(kept, KeptCopy):
        why = (
            "this copy does not have it; `pull --evidence` brings evidence over, as long as the agent has it"
        )
    elif row.evidence_sha256 is None:
        why = "an earlier version of the agent wrote the row, and put nothing on record of evidence that went"
    else:
        why = "it is missing, and nothing that the agent put on record says so; `results verify` looks at all"
    raise click.ClickException(f"the evidence of {which} is not here: {why}")


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
            print_json(encode(row))
    elif rows:
        console().print(list_table(rows))
    else:
        click.echo("no results")


def propagation(
    reader: Reader, customer: str | None, domain: str | None, since: str | None, as_json: bool
) -> None:
    """How long each node went on serving the old version after each change at the origin."""
    try:
        rows = reader.iterate(customer, domain, None, since, newest_first=False)
        found = propagation_report(row for row in rows if isinstance(row, SlotRecord))
    except ValueError as error:
        raise click.ClickException(f"--since: {error}") from None
    if as_json:
        for node in found:
            print_json(encode_any(node))
    elif found:
        console().print(propagation_table(found))
    else:
        click.echo("no object changed at its origin in these results")
