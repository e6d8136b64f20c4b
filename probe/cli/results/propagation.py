"""`results propagation`: how long each node went on serving the old version after the origin changed."""

from __future__ import annotations

from typing import Any

import click

from probe.cli.loading import loading
from probe.cli.options import customer_option, domain_option, json_option, place_options, since_option


@click.command("propagation")
@customer_option()
@domain_option()
@since_option
@json_option("One JSON object a line: node and change.")
@place_options
@click.pass_context
def propagation(context: click.Context, /, **typed: Any) -> None:
    """How long after each change of the origin each node served the old version, as our looks leave it open.

    Of a results directory, a copy made by pulling, or sealed segments.
    """
    with loading():
        from probe.cli.actions import listing
    listing.propagation(listing.directory_of(context), **typed)
