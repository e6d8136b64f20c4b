"""What `once` does: every selected object now, as a table with phases or as JSON lines."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from probe.agent.parts import Parts, build
from probe.checks import CHECKS
from probe.cli.actions.origins import kept_standings, warn_of_unanswering
from probe.cli.render.bundle import made_in_words
from probe.cli.render.json_lines import print_json
from probe.cli.render.slots import once_table
from probe.cli.render.terminal import console
from probe.core.config.load import Config
from probe.core.config.plan import with_selected
from probe.core.model.task import Task
from probe.core.records.codec import encode
from probe.core.records.rows import SlotRecord
from probe.core.records.verdict import Outcome
from probe.core.verdict.summary import UNVERIFIED
from probe.net.event_loop import run
from probe.services.acceptance import Acceptance
from probe.settings.config_files import load_config
from probe.settings.preflight import require_means

SOMETHING_UNVERIFIED = 3
AT_ONCE = 4  # more would wait for each other in one loop and show that as the network


def once(
    config_file: Path,
    customer: str | None,
    domain: str | None,
    vantage: str | None,
    as_json: bool,
    into: Path | None,
) -> None:
    """Measure each selected object once, now. Nothing is stored, but in the file `into`, if one is named."""
    config = load_config(config_file, CHECKS)
    require_means(config)
    with ExitStack() as stack:
        kept = None if into is None else stack.enter_context(Acceptance.begun(config, into))
        parts = build(
            config if kept is None else kept.config,
            CHECKS,
            keep_bundle=None if kept is None else kept.keep_bundle,
        )
        rows = _measured(config, parts, kept, customer, domain, vantage, as_json)
    code = exit_code(rows)
    if code:
        raise click.exceptions.Exit(code)


def _measured(
    config: Config,
    parts: Parts,
    kept: Acceptance | None,
    customer: str | None,
    domain: str | None,
    vantage: str | None,
    as_json: bool,
) -> list[SlotRecord]:
    parts.pipeline.references.restore_standings(kept_standings(Path(config.agent.results)))
    plan = with_selected(parts.in_force.plan, customer=customer, domain=domain, vantage=vantage)
    if not plan.tasks:
        raise click.ClickException("nothing selected: no task has this customer, domain and vantage point")
    if kept is not None:
        kept.take(plan.tasks)
    rows = run(_measure(parts, plan.tasks, kept))
    if as_json:
        for row in rows:
            print_json(encode(row))
    else:
        console().print(once_table(rows))
    standings = parts.pipeline.references.standings
    warn_of_unanswering(plan.tasks, [(*key, standing) for key, standing in standings.items()])
    if kept is not None:
        click.echo(made_in_words(kept.write()), err=True)
    return rows


def exit_code(rows: Sequence[SlotRecord]) -> int:
    """1: something is not well; 3: nothing is, and not all content could be compared; 0: all is as agreed."""
    if any(row.outcome is not Outcome.OK for row in rows):
        return 1
    unverified = any(finding.reason in UNVERIFIED for row in rows for finding in row.findings)
    return SOMETHING_UNVERIFIED if unverified else 0


async def _measure(parts: Parts, tasks: tuple[Task, ...], kept: Acceptance | None) -> list[SlotRecord]:
    """At most AT_ONCE slots at a time; results in the order of the plan."""
    admitted = asyncio.Semaphore(AT_ONCE)
    columns = TextColumn("measuring"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("slots", total=len(tasks))

        async def one(task: Task) -> SlotRecord:
            async with admitted:
                row = await parts.measure_now(task)
            progress.advance(bar)
            return row

        async with parts.opened():
            rows = list(await asyncio.gather(*(one(task) for task in tasks)))
        return rows if kept is None else await kept.store_rows(rows)
