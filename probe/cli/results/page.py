"""`page`: the page of copies or results directories as files that open from a disk."""

from __future__ import annotations

from pathlib import Path

import click

from probe.cli.loading import loading
from probe.cli.options import DIRECTORY, PATH, seconds_option

ROUND_S = 2.0
REFRESH_S = 10


@click.command()
@click.argument("copies", nargs=-1, required=True, type=PATH, metavar="COPY...")
@click.option(
    "--into", required=True, type=DIRECTORY, help="Directory of the page; begin with its index.html."
)
@click.option("--follow", is_flag=True, help="Write anew what changes, until Ctrl-C or SIGTERM.")
@seconds_option
@click.option("--disputes", is_flag=True, help="Also a dispute file beside each row in trouble; takes long.")
def page(copies: tuple[Path, ...], into: Path, follow: bool, seconds: float | None, disputes: bool) -> None:
    """The state of things as HTML files, of copies, results directories or sealed segments, together.

    They need nothing from elsewhere: open index.html (English) or index.zh.html (Chinese). Nothing is verified:
    `results verify` does that.
    """
    with loading():
        import asyncio
        import signal
        from contextlib import suppress

        from probe.core.records.codec import CodecError
        from probe.net.event_loop import on_signals, run
        from probe.services.page.files import PageWriter

    writer = PageWriter(copies, into, refresh_s=REFRESH_S if follow else None, disputes=disputes)

    async def rounds() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        until = None if seconds is None else loop.time() + seconds
        with on_signals((signal.SIGINT, signal.SIGTERM), stop.set):
            while not stop.is_set() and (until is None or loop.time() < until):
                begun = loop.time()
                await asyncio.to_thread(writer.more)
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(ROUND_S, loop.time() - begun)):
                        await stop.wait()
        await asyncio.to_thread(lambda: writer.more(over=True))

    try:
        if follow:
            click.echo(f"{into / 'index.html'} is written anew while lines come; end it with Ctrl-C")
            run(rounds())
        else:
            made = writer.more()
            click.echo(f"{into / 'index.html'}: of {made.lines} lines, {made.files} files")
    except CodecError as error:
        raise click.ClickException(str(error)) from None
