"""`results verify`: whether results are as the agent wrote them, and how far that is proved."""

from __future__ import annotations

from pathlib import Path

import click

from probe.cli.loading import loading
from probe.cli.options import json_option, place_options

ALTERED = 1
FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.command("verify")
@click.argument("path", required=False, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--key",
    "keys",
    multiple=True,
    type=FILE,
    help="The agent's public key (agent.pub), kept since you had it from the agent; several allowed.",
)
@click.option(
    "--heads",
    multiple=True,
    type=FILE,
    help="Signed heads that another witness kept: HEAD.json, heads.ndjson or stamps.ndjson; several allowed.",
)
@click.option(
    "--stamp-ca",
    type=FILE,
    help="Certificates of the time-stamping authority (PEM): verify time stamps, and say from when to when"
    " each record is vouched for.",
)
@click.option(
    "--stamp-policy", help="The only policy of that authority that is accepted (OID); default: any."
)
@json_option("The whole report as one JSON object.")
@place_options
@click.pass_context
def verify_(
    context: click.Context,
    path: Path | None,
    keys: tuple[Path, ...],
    heads: tuple[Path, ...],
    stamp_ca: Path | None,
    stamp_policy: str | None,
    as_json: bool,
) -> int:
    """Find what was altered: in a results directory, sealed segments, a pulled copy or a file of lines.

    Without PATH, in the results directory of the configuration.
    """
    with loading():
        from dataclasses import asdict

        from probe.cli.actions.listing import directory_of
        from probe.cli.actions.progress import progress
        from probe.cli.render.json_lines import print_json
        from probe.cli.render.layout import printed
        from probe.cli.render.verify import verification_text
        from probe.core.records.codec import encode_any
        from probe.services.verification import verify
    with progress("verifying", None) as tick:
        place = path or directory_of(context)
        found = verify(place, keys, heads, stamp_ca=stamp_ca, stamp_policy=stamp_policy, tick=tick)
    if as_json:
        print_json(encode_any({"good": found.good, **asdict(found)}))
    else:
        click.echo(printed(verification_text(found)), nl=False)
    return 0 if found.good else ALTERED
