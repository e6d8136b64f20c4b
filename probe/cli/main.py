"""Rule: commands are thin: they parse what was typed, call one function, print, and choose the exit code.

Exit codes: 0 all is well; 1 something is not; 2 the command could not run (and why is on stderr).
"""

from __future__ import annotations

import os
import sys

import click

from probe import __version__
from probe.cli.commands.config import check_config, schema
from probe.cli.commands.demo import demo
from probe.cli.commands.once import once
from probe.cli.commands.pull import pull
from probe.cli.commands.run import run
from probe.cli.commands.serve import serve
from probe.cli.commands.status import status
from probe.cli.commands.token import token
from probe.cli.commands.trace import trace
from probe.cli.commands.vantage import vantage
from probe.cli.results.nodes import nodes
from probe.cli.results.replay import replay
from probe.cli.results.results import results
from probe.core.config.load import ConfigError
from probe.settings.secrets import SecretError
from probe.store.store import StoreError

CANNOT_RUN = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="cdn-probe")
def cli() -> None:
    """Observes what a CDN serves, compares it with the origin, judges, and keeps the evidence."""


for command in (
    run,
    once,
    trace,
    results,
    nodes,
    vantage,
    serve,
    status,
    token,
    pull,
    replay,
    demo,
    check_config,
    schema,
):
    cli.add_command(command)


def main() -> None:
    """Run the command line; foreseen errors are told in words, without a traceback."""
    try:
        # Outside standalone mode click returns the exit code that a command chose.
        sys.exit(cli(standalone_mode=False) or 0)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(CANNOT_RUN)
    except ConfigError as error:
        for problem in error.problems:
            click.echo(str(problem), err=True)
        count = len(error.problems)
        click.echo(
            f"cdn-probe: {count} problem{'s' * (count != 1)} in the configuration; nothing was started",
            err=True,
        )
        sys.exit(CANNOT_RUN)
    except BrokenPipeError:  # `results list | head`: whoever read has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (SecretError, StoreError, OSError) as error:
        click.echo(f"cdn-probe: {error}", err=True)
        sys.exit(CANNOT_RUN)
