"""What the commands of `results` do: list records, show one with its evidence, follow them, report propagation."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click

from probe.checks import CHECKS
from probe.cli.options import PLACE
from probe.cli.render.bundle import bundle_view
from probe.cli.render.json_lines import print_json
from probe.cli.render.nodes import propagation_tables
from probe.cli.render.slots import evidence, list_table
from probe.cli.render.terminal import console
from probe.core.nodes.propagation import propagation_report
from probe.core.proof.evidence import evidence_named
from probe.core.records.codec import encode, encode_any
from probe.core.records.rows import Record, SlotRecord
from probe.core.records.verdict import Outcome
from probe.core.results.bundle import Bundle, BundleError, read_bundle
from probe.core.results.har import har_of
from probe.services.export import Span
from probe.services.kept import Kept, KeptCopy, KeptError
from probe.services.kept import opened as opened_kept
from probe.services.line_sources import LineSource, open_lines
from probe.services.listing import Follower, RecordFilter, newest, slots_in
from probe.settings.agent_file import usual_file
from probe.settings.config_files import load_config

FOLLOW_POLL_S = 0.5
SHARE = 5  # of the time that looking took, which is long where there are thousands of segments


def directory_of(context: click.Context) -> Path:
    """The results directory that was typed, or that the configuration typed or the usual one names.

    What stands behind the command goes before what stands behind `results`. Raises ConfigError.
    """
    typed: dict[str, Path] = context.meta.get(PLACE, {})
    given = context.parent.params if context.parent is not None else {}
    directory = typed.get("directory") or (None if "config_file" in typed else given.get("directory"))
    config_file = typed.get("config_file", given.get("config_file") or usual_file())
    return directory or Path(load_config(config_file, CHECKS).agent.results)


def opened_lines(context: click.Context) -> LineSource:
    """The lines of that directory, which may be a copy or a tree of segments. Raises ConfigError or OSError."""
    return context.with_resource(closing(open_lines(directory_of(context))))


def list_(
    directory: Path, since: str | None, until: str | None, limit: int, as_json: bool, **wanted: str | None
) -> None:
    """The newest results first. `wanted`: members of a RecordFilter."""
    span = span_of(since, until)
    _print(newest(directory, RecordFilter(span=span, **wanted), limit), as_json)


def span_of(since: str | None, until: str | None) -> Span:
    """What was typed behind --since and --until."""
    try:
        return Span.of(since, until, time.time_ns() // 1000)
    except ValueError as error:
        raise click.ClickException(f"--since, --until: {error}") from None


def show(context: click.Context, which: str, as_json: bool, with_evidence: bool) -> None:
    """One slot with everything its verdict rests on."""
    with _kept(context, which) as (kept, name):
        row = _record(kept, name)
        if as_json or not isinstance(row, SlotRecord):
            print_json(encode(row))
            return
        console().print(evidence(row))
        if with_evidence:
            console().print(bundle_view(_bundle(kept, row)))


@contextmanager
def _kept(context: click.Context, which: str) -> Iterator[tuple[Kept, str]]:
    """What is kept there, and the record's name without its agent."""
    agent, slash, rest = which.partition("/") if which.count("/") == 2 else ("", "", which)
    with opened_kept(directory_of(context), agent if slash else None) as kept:
        yield kept, rest


def evidence_(context: click.Context, which: str, har_file: Path | None, as_json: bool) -> None:
    """The evidence bundle of a slot that is not well: heads, bodies, certificates, DNS messages."""
    with _kept(context, which) as (kept, name):
        bundle = _bundle(kept, _row(kept, name))
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


def follow(directory: Path, as_json: bool, seconds: float | None) -> None:
    """New results as they are stored, pulled or sealed, until Ctrl-C."""
    until = None if seconds is None else time.monotonic() + seconds
    follower = Follower(directory)
    while until is None or time.monotonic() < until:
        began = time.monotonic()
        if rows := follower.take():
            _print(rows, as_json)
        time.sleep(max(FOLLOW_POLL_S, SHARE * (time.monotonic() - began)))


def _print(rows: list[Record], as_json: bool) -> None:
    if as_json:
        for row in rows:
            print_json(encode(row))
    elif rows:
        console().print(list_table(rows))
    else:
        click.echo("no results")


def propagation(
    directory: Path, customer: str | None, domain: str | None, since: str | None, as_json: bool
) -> None:
    """How long each node went on serving the old version after each change at the origin."""
    wanted = RecordFilter(customer=customer, domain=domain, span=span_of(since, None))
    found = propagation_report(slots_in(directory, wanted))
    if as_json:
        for node in found:
            print_json(encode_any(node))
    elif found:
        console().print(propagation_tables(found))
    else:
        click.echo("no object changed at its origin in these results")
