"""Rule: commands are thin: they parse what was typed, call one function, print, and choose the exit code.

Exit codes: 0 all is well; 1 something is not; 2 the command could not run (and why is on stderr); 3 of `once`: nothing
is wrong and something could not be verified; 130 interrupted; 141 the reader of
a pipe closed it.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable

import click

from probe import __version__
from probe.cli.commands.config import check_config, schema
from probe.cli.commands.demo import demo
from probe.cli.commands.once import once
from probe.cli.commands.plan import plan
from probe.cli.commands.pull import pull
from probe.cli.commands.run import run
from probe.cli.commands.serve import serve
from probe.cli.commands.status import status
from probe.cli.commands.token import token
from probe.cli.commands.trace import trace
from probe.cli.commands.vantage import vantage
from probe.cli.incidents.command import incidents
from probe.cli.loading import end_at_once, was_interrupted
from probe.cli.results.nodes import nodes
from probe.cli.results.page import page
from probe.cli.results.replay import replay
from probe.cli.results.results import results
from probe.cli.setup.init import init
from probe.cli.sla.sla import sla

CANNOT_RUN = 2
INTERRUPTED = 130  # 128 and SIGINT's number, as a shell says it
PIPE_CLOSED = 141  # 128 and SIGPIPE's: 1 would say that something was found


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="cdn-probe")
def cli() -> None:
    """Observes what a CDN serves, compares it with the origin, judges, and keeps the evidence."""


for command in (
    init,
    run,
    once,
    trace,
    results,
    nodes,
    vantage,
    serve,
    status,
    incidents,
    token,
    pull,
    page,
    replay,
    demo,
    sla,
    plan,
    check_config,
    schema,
):
    cli.add_command(command)


def main() -> None:
    """Run the command line and end with its exit code; foreseen errors are put into words, without a traceback."""
    end_at_once()
    try:
        code = _exit_code()
    except KeyboardInterrupt:
        _forget_what_never_began()
        code = INTERRUPTED
    finally:
        end_at_once()  # nothing is left that could be ended well: not in the interpreter's own end
    sys.exit(code)


def _forget_what_never_began() -> None:
    """A coroutine that was interrupted before its first step would warn when it goes; nobody can act on that."""
    warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)


def _exit_code() -> int:
    written_to = sys.stdout
    try:
        # Outside standalone mode click returns the exit code that a command chose.
        return int(cli(standalone_mode=False) or 0)
    except SystemExit:
        if sys.stdout is not written_to:  # click takes its place, and ends with 1, where the pipe was closed
            return PIPE_CLOSED
        raise
    except click.Abort:
        _forget_what_never_began()
        return INTERRUPTED
    except Exception as error:
        if was_interrupted():  # whatever a library made of it
            _forget_what_never_began()
            return INTERRUPTED
        return _failed(error)


def _failed(error: Exception) -> int:
    """Say what went wrong. Raises what was not foreseen: a defect of ours."""
    if isinstance(error, click.ClickException):
        error.show()
        return CANNOT_RUN
    if isinstance(error, BrokenPipeError):  # `results list | head`: the reader closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    lines = _in_words(error)
    if lines is None:
        raise error
    for line in lines:
        click.echo(line, err=True)
    return CANNOT_RUN


def _in_words(error: Exception) -> Iterable[str] | None:
    """A foreseen error for standard error; None: a defect of ours."""
    from probe.core.syntax.problem import ConfigError
    from probe.settings.secrets import SecretError

    if isinstance(error, ConfigError):
        count = len(error.problems)
        last = f"{count} problem{'s' * (count != 1)} in the configuration; nothing was started"
        return (*map(str, error.problems), f"cdn-probe: {last}")
    if isinstance(error, OSError) and error.filename is not None and error.strerror is not None:
        return (f"cdn-probe: {error.filename}: {error.strerror}",)
    return (f"cdn-probe: {error}",) if isinstance(error, (SecretError, OSError)) else None
