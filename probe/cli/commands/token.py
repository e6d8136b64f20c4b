"""`token`: make a token for a reader of the results; it is shown once and kept nowhere."""

from __future__ import annotations

import click

from probe.cli.loading import loading
from probe.cli.options import json_option

VERBS = ("results", "coverage", "events", "evidence", "nodes", "config", "ack", "metrics")


@click.command()
@click.argument("name")
@click.option(
    "--customer",
    "customers",
    multiple=True,
    help="A customer whose results it may read; several times for several; '*' for all.",
)
@click.option("--may", multiple=True, type=click.Choice(VERBS), help="Only this; several times for several.")
@json_option("Token and entry as one JSON object.")
def token(name: str, customers: tuple[str, ...], may: tuple[str, ...], as_json: bool) -> None:
    """Make a token for the reader NAME, and the entry for agent.yaml that lets it in."""
    with loading():
        import json
        import secrets

        from pydantic import ValidationError

        from probe.core.config.results import READING, TokenConfig
        from probe.core.text.tokens import RANDOM_BYTES, hash_token, make_token
    made = make_token(secrets.token_bytes(RANDOM_BYTES))
    try:
        entry = TokenConfig(
            name=name,
            hash=hash_token(made),
            customers=customers,
            may=tuple(may) or READING,
        )
    except ValidationError as error:
        words = "; ".join(problem["msg"].removeprefix("Value error, ") for problem in error.errors())
        raise click.ClickException(words) from None
    if not customers and set(entry.may) != {"metrics"}:
        click.echo("note: without --customer this token may see no results", err=True)
    shown = {"name": entry.name, "hash": entry.hash, "customers": list(entry.customers)}
    if may:
        shown["may"] = list(entry.may)
    if as_json:
        click.echo(json.dumps({"token": made, "entry": shown}))
        return
    click.echo("# The token, shown this once: give it to its reader by a way nobody else reads.")
    click.echo(made)
    click.echo("# Into agent.yaml, below api: tokens: (in force at once, without a restart)")
    click.echo(f"    - name: {entry.name}")
    click.echo(f"      hash: {entry.hash}")
    click.echo(f"      customers: {json.dumps(list(entry.customers))}")
    if may:
        click.echo(f"      may: [{', '.join(entry.may)}]")
