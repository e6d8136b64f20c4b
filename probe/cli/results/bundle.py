"""`results bundle`: a dispute file of some records, with everything that proves them."""

from __future__ import annotations

import re
from pathlib import Path

import click

from probe.cli.loading import loading
from probe.cli.options import since_option

_SEQS = re.compile(r"([0-9]{1,18})(?:\.\.([0-9]{1,18}))?")


@click.command("bundle")
@click.option("--customer", required=True, help="Whose records.")
@click.option("--agent", default=None, help="Of which agent, where a copy has several.")
@click.option("--seq", "seqs", default=None, metavar="A..B", help="The records A to B.")
@since_option
@click.option("--until", default=None, help="RFC 3339: only slots scheduled before.")
@click.option(
    "--into",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to be written; it must not exist.",
)
@click.pass_context
def bundle(
    context: click.Context,
    customer: str,
    agent: str | None,
    seqs: str | None,
    since: str | None,
    until: str | None,
    into: Path,
) -> None:
    """Write a dispute file: records, their chain to signed heads, evidence, HAR, certificates, key, a page to read.

    From a results directory, or from a copy that was pulled with --evidence. `results verify FILE` verifies it.
    """
    with loading():
        from probe.cli.actions.listing import directory_of
        from probe.cli.render.bundle import made_in_words
        from probe.services.dispute import DisputeError, make
    if (seqs is None) == (since is None and until is None):
        raise click.UsageError("which records: --seq A..B, or --since and --until")
    span, directory = _seqs(seqs), directory_of(context)
    try:
        made = make(directory, into, customer, agent=agent, seqs=span, since=since, until=until)
    except DisputeError as error:
        raise click.ClickException(str(error)) from None
    click.echo(made_in_words(made))


def _seqs(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = _SEQS.fullmatch(text.strip())
    first, last = (int(match[1]), int(match[2] or match[1])) if match is not None else (0, 0)
    if not 1 <= first <= last:
        raise click.UsageError(
            f"--seq {text}: the first and the last record, as in 40..60; numbers begin with 1"
        )
    return first, last
