"""`plan`: what measuring by a configuration will cost and what it can show, before it costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from probe.cli.loading import loading
from probe.cli.options import config_option, json_option, selection_options


@click.command()
@config_option
@selection_options
@click.option(
    "--edges",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Edges that a name leads to, where it was never measured here.",
)
@click.option(
    "--body", default="100kB", show_default=True, help="Size of an object, where it was never measured here."
)
@json_option("One JSON object.")
def plan(config_file: Path, edges: int, body: str, as_json: bool, **selection: Any) -> None:
    """Requests to each host, bytes measured and stored, and what the samples can show. Nothing is asked."""
    with loading():
        from probe.checks import CHECKS
        from probe.cli.render.layout import drawn, for_standard_output
        from probe.cli.render.plan import plan_view
        from probe.core.config.plan import make_plan, with_selected
        from probe.core.model.units import parse_size_bytes
        from probe.services.forecast import forecast
        from probe.services.learned import learned_from
        from probe.settings.config_files import load_config
    try:
        body_bytes = parse_size_bytes(body)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--body") from None
    config = load_config(config_file, CHECKS)
    tasks = with_selected(make_plan(config), **selection).tasks
    found = forecast(
        config.agent,
        tasks,
        CHECKS,
        learned_from(Path(config.agent.results)),
        edges=edges,
        body_bytes=body_bytes,
    )
    if as_json:
        from probe.cli.render.json_lines import print_json
        from probe.core.records.codec import encode_any

        print_json(encode_any(found))
        return
    width, styles = for_standard_output()
    click.echo(drawn(plan_view(found), width, styles=styles), nl=False)
