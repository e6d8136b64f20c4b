"""`results`: what was stored: list it, show one slot with its whole evidence, follow it as it comes."""

from __future__ import annotations

from typing import Any

import click

from probe.cli.loading import loading
from probe.cli.options import (
    FAULTS,
    OUTCOMES,
    PATH,
    config_option_for,
    customer_option,
    domain_option,
    json_lines_option,
    json_option,
    place_options,
    results_directory_option,
    seconds_option,
    since_option,
    until_option,
)
from probe.cli.results.bundle import bundle
from probe.cli.results.export import export
from probe.cli.results.propagation import propagation
from probe.cli.results.verify import verify_


@click.group()
@results_directory_option
@config_option_for("Find the results directory in this configuration.")
def results(**_: Any) -> None:
    """Read stored results; works beside a running agent and without one."""


@results.command("list")
@customer_option()
@domain_option()
@click.option("--path", default=None, help="Only slots of this path.")
@click.option("--vantage", "vantage_point", default=None, help="Only slots from this vantage point.")
@click.option("--outcome", type=click.Choice(OUTCOMES), default=None, help="Only slots that came out so.")
@click.option("--fault", type=click.Choice(FAULTS), default=None, help="Only slots whose cause is there.")
@since_option
@until_option
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@json_lines_option
@place_options
@click.pass_context
def list_(context: click.Context, /, **typed: Any) -> None:
    """The newest results first; of a results directory, a copy made by pulling, or sealed segments."""
    with loading():
        from probe.cli.actions import listing
    listing.list_(listing.directory_of(context), **typed)


@results.command("show")
@click.argument("which", metavar="[AGENT/]CUSTOMER/SEQ")
@json_option("The stored record as JSON.")
@click.option("--evidence", "with_evidence", is_flag=True, help="Also the bytes that crossed the wire.")
@place_options
@click.pass_context
def show(context: click.Context, /, **typed: Any) -> None:
    """One slot with everything its verdict rests on; also of a copy."""
    with loading():
        from probe.cli.actions import listing
    listing.show(context, **typed)


@results.command("evidence")
@click.argument("which", metavar="ID|[AGENT/]CUSTOMER/SEQ")
@click.option("--har", "har_file", type=PATH, help="Write it as HAR 1.2 to this file.")
@json_option("The whole bundle as JSON, bytes as base64.")
@place_options
@click.pass_context
def evidence_(context: click.Context, /, **typed: Any) -> None:
    """The evidence bundle of a slot that is not well: heads, bodies, certificates, DNS messages."""
    with loading():
        from probe.cli.actions import listing
    listing.evidence_(context, **typed)


@results.command("follow")
@json_lines_option
@seconds_option
@place_options
@click.pass_context
def follow(context: click.Context, /, **typed: Any) -> None:
    """New results as they are stored, until Ctrl-C; also those that come to a copy, or are sealed."""
    with loading():
        from probe.cli.actions import listing
    listing.follow(listing.directory_of(context), **typed)


results.add_command(propagation)
results.add_command(export)
results.add_command(verify_)
results.add_command(bundle)
