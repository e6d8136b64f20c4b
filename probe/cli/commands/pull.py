"""`pull`: results from agents into a directory, verified while they come; for evaluators."""

from __future__ import annotations

from typing import Any

import click

from probe.cli.loading import loading
from probe.cli.options import DIRECTORY, FILE, TOKEN_VARIABLE, seconds_option


@click.command()
@click.option(
    "--from", "urls", multiple=True, required=True, metavar="URL", help="An agent's API; several allowed."
)
@click.option("--into", required=True, type=DIRECTORY, help="Directory of the copy; goes on where it ended.")
@click.option("--customer", "customers", multiple=True, help="Only this customer; several allowed.")
@click.option(
    "--token-file",
    "token_files",
    multiple=True,
    type=FILE,
    help="File with the token, mode 0600; one for all, or one for each --from in the same order."
    f" Default: the environment variable {TOKEN_VARIABLE}.",
)
@click.option(
    "--token-env",
    "token_variables",
    multiple=True,
    metavar="NAME",
    help="Environment variable with the token, in the place of --token-file.",
)
@click.option(
    "--key",
    "keys",
    multiple=True,
    type=FILE,
    help="The agent's agent.pub; one for all, or one for each --from. Default: the key seen first is kept.",
)
@click.option("--follow", is_flag=True, help="Go on with what comes until Ctrl-C or SIGTERM.")
@seconds_option
@click.option("--ack", is_flag=True, help="Confirm to the agent what is on the disk.")
@click.option("--evidence", is_flag=True, help="Also the evidence bundles, checked by their rows' digests.")
@click.option(
    "--evidence-size",
    default="1GiB",
    show_default=True,
    metavar="SIZE",
    help="With --evidence: room for the bundles of each stream; beyond it the oldest go.",
)
@click.option("--ca", type=FILE, help="PEM file of the authorities to trust, in the place of the system's.")
@click.option("--cert", type=FILE, help="PEM file of a client certificate.")
@click.option("--client-key", type=FILE, help="PEM file of its private key; default: in the same file.")
def pull(**typed: Any) -> None:
    """Bring an exact, verified copy of agents' results into a directory; safe to kill at any moment."""
    with loading():
        from probe.cli.actions import pull as action
    action.pull(**typed)
