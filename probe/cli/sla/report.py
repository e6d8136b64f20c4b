"""`sla report`: what a contract says of results, as text, JSON, CSV or one HTML file."""

from __future__ import annotations

from pathlib import Path

import click

from probe.cli.loading import loading
from probe.cli.options import FILE

FORMATS = ("text", "json", "csv", "html")
EXISTING = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.command("report")
@click.argument("agreement", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--period", "periods", multiple=True, help="2026-11, or 2026 of yearly contracts; several allowed."
)
@click.option(
    "--key", "keys", multiple=True, type=EXISTING, help="An agent's public key, kept since you had it."
)
@click.option("--heads", multiple=True, type=EXISTING, help="Signed heads that another witness kept.")
@click.option(
    "--stamp-ca", type=EXISTING, default=None, help="The time-stamping authority's certificates (PEM)."
)
@click.option(
    "--dispute", metavar="NAME", default=None, help="An incident, by name: its records as a dispute file."
)
@click.option("--into", type=FILE, default=None, help="Where the dispute file is written; it must not exist.")
@click.option(
    "--unverified", metavar="WORDS", default=None, help="Take inputs that nothing proves; says why."
)
@click.option(
    "--format", "kind", type=click.Choice(FORMATS), default="text", show_default=True, help="What to make."
)
@click.option(
    "--language", type=click.Choice(("en", "zh")), default="en", show_default=True, help="Of text and HTML."
)
@click.option("--output", type=FILE, default=None, help="Into this file; else to standard output.")
@click.option(
    "--profile", type=FILE, default=None, help="A profile of your own, in place of the shipped one."
)
@click.option(
    "--engine",
    type=click.Choice(("auto", "duckdb", "python", "spark")),
    default="auto",
    show_default=True,
    help="What adds up; auto: DuckDB where it is installed.",
)
@click.option(
    "--connect",
    metavar="URL",
    default=None,
    envvar="SPARK_REMOTE",
    help="With --engine spark: a Spark Connect server, sc://HOST:PORT; else $SPARK_REMOTE.",
)
def report(
    agreement: Path,
    inputs: tuple[Path, ...],
    periods: tuple[str, ...],
    keys: tuple[Path, ...],
    heads: tuple[Path, ...],
    stamp_ca: Path | None,
    dispute: str | None,
    into: Path | None,
    unverified: str | None,
    kind: str,
    language: str,
    output: Path | None,
    profile: Path | None,
    engine: str,
    connect: str | None,
) -> int:
    """Say whether a contract was kept, from copies, segments or results directories.

    Exit codes: 0 kept, 1 a breach is shown, 3 not decided, 2 it could not be computed; of several the gravest.
    """
    with loading():
        from probe.cli.render.layout import for_standard_output
        from probe.cli.sla.make import made_report, write_dispute, written
        from probe.cli.sla.report_text import report_text
        from probe.sla.report import Asked
    if (dispute is None) != (into is None):
        raise click.UsageError("a dispute file needs both: --dispute NAME of an incident, and --into FILE")
    if unverified is not None and not unverified.strip():
        raise click.UsageError("--unverified wants words: the report prints them for whoever reads it")
    asked = Asked(
        inputs=inputs, keys=keys, heads=heads, periods=periods, unverified=unverified, stamp_ca=stamp_ca
    )
    if engine == "spark" and connect is None:
        raise click.UsageError("--engine spark needs a session: --connect sc://HOST:PORT, or $SPARK_REMOTE")
    found = made_report(agreement, profile, asked, engine, connect)
    if dispute is not None and into is not None:
        click.echo(write_dispute(found, inputs, dispute, into), err=True)
    if kind == "text":
        if output is not None:
            text = report_text(found, language)
        else:
            columns, styles = for_standard_output()
            text = report_text(found, language, styles, columns)
    else:
        text = written(found, kind, language)
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
    return found.code
