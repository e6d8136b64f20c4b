"""`init`: the first two files of a configuration, from a few answers and one look at the domain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from probe.cli.loading import loading
from probe.cli.options import PATH


@click.command()
@click.option("--customer", help="Its name: a-z, 0-9 and -. [default: from the domain]")
@click.option(
    "--domain",
    "url",
    metavar="DOMAIN|URL",
    help="The domain; a URL says scheme and path too.",
)
@click.option("--origin", metavar="ADDRESS", help="The customer's origin: ADDRESS, ADDRESS:PORT or a URL.")
@click.option("--vantage", help="Name of this host's line.  [default: local]")
@click.option("--agent", help="Name of this agent.  [default: this host's name]")
@click.option("--region", help="Where this host stands, as ISO 3166-2 says it: CN-BJ.")
@click.option("--carrier", help="Whose line it is.")
@click.option("--resolver", "resolvers", multiple=True, help="udp://192.0.2.53; default: the system's.")
@click.option(
    "--allow", "allow", multiple=True, metavar="NETWORK", help="Private addresses that may be asked."
)
@click.option(
    "--ca",
    type=click.Path(exists=True, dir_okay=False),
    help="PEM file of authorities to trust in place of the system's.",
)
@click.option("--ip", "ip_version", type=click.Choice(["4", "6"]), default="4", show_default=True)
@click.option("--results", help="Where rows are kept.  [default: /var/lib/cdn-probe, or beside the files]")
@click.option(
    "--into", "directory", type=PATH, help="Where the files go.  [default: where agent.yaml is looked for]"
)
@click.option(
    "--look/--no-look", default=True, show_default=True, help="Look the domain up, and fetch it once."
)
def init(directory: Path | None, **typed: Any) -> None:
    """Write the first agent.yaml and a customer's file: commented, and checked.

    What is not given is asked for, where there is a terminal. An agent.yaml that is there already is kept, and the
    customer is added to it; no file is ever overwritten.
    """
    with loading():
        from probe.cli.setup.making import make
    make(directory, **typed)
