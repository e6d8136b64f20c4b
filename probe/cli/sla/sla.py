"""`cdn-probe sla`: contracts, computed from results."""

from __future__ import annotations

import click

from probe.cli.sla.check import check
from probe.cli.sla.ingest import ingest
from probe.cli.sla.plan import plan
from probe.cli.sla.report import report


@click.group()
def sla() -> None:
    """What contracts say, computed from results: kept, broken, or not decided."""


sla.add_command(check)
sla.add_command(report)
sla.add_command(plan)
sla.add_command(ingest)
