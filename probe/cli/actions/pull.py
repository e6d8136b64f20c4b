"""`pull`: results from agents into a directory, verified while they come; for evaluators."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import click

from probe.cli.options import TOKEN_VARIABLE
from probe.cli.render.pull import Shown
from probe.core.model.task import SecretRef
from probe.core.model.units import parse_size_bytes
from probe.net.event_loop import on_signals, run
from probe.pull.client import RefusedError, Source
from probe.pull.heads import WrongKeyError
from probe.pull.layout import CopyError
from probe.pull.progress import Board
from probe.pull.puller import pull_all
from probe.pull.stream import PullOptions
from probe.settings.secrets import reveal

T = TypeVar("T")


def pull(
    urls: tuple[str, ...],
    into: Path,
    customers: tuple[str, ...],
    token_files: tuple[Path, ...],
    token_variables: tuple[str, ...],
    keys: tuple[Path, ...],
    follow: bool,
    seconds: float | None,
    ack: bool,
    evidence: bool,
    evidence_size: str,
    ca: Path | None,
    cert: Path | None,
    client_key: Path | None,
) -> None:
    """Bring an exact, verified copy of agents' results into a directory; safe to kill at any moment."""
    if len(set(urls)) < len(urls):
        raise click.UsageError("one --from stands there twice")
    tokens = _each("--token-file or --token-env", _tokens(token_files, token_variables), len(urls))
    pems = _each("--key", [key.read_bytes() for key in keys], len(urls))
    tls = _tls(ca, cert, client_key)
    sources = [
        Source(url=url, token=token, tls=tls, key_pem=pem)
        for url, token, pem in zip(urls, tokens, pems, strict=True)
    ]
    options = PullOptions(follow=follow, ack=ack, evidence_bytes=_size(evidence_size) if evidence else None)
    try:
        board = run(_run(sources, into, customers, options, seconds))
    except (RefusedError, WrongKeyError, CopyError) as error:
        raise click.ClickException(str(error)) from None
    if not board.complete:
        raise click.exceptions.Exit(1)


async def _run(
    sources: list[Source],
    into: Path,
    customers: tuple[str, ...],
    options: PullOptions,
    seconds: float | None,
) -> Board:
    board = Board()
    loop = asyncio.get_running_loop()
    timer = None if seconds is None else loop.call_later(seconds, options.stop.set)
    with on_signals((signal.SIGTERM, signal.SIGINT), options.stop.set):
        try:
            with Shown(board, sys.stderr, time.monotonic, time.time) as shown:
                looking = asyncio.create_task(shown.keep_up())
                try:
                    await pull_all(sources, into, customers=customers, options=options, board=board)
                finally:
                    looking.cancel()
            shown.final()
        finally:
            if timer is not None:
                timer.cancel()
    return board


def _size(text: str) -> int:
    try:
        return parse_size_bytes(text)
    except ValueError as error:
        raise click.UsageError(f"--evidence-size: {error}") from None


def _tokens(files: tuple[Path, ...], variables: tuple[str, ...]) -> list[Callable[[], str]]:
    """Each gives its token at the moment of use, so that one that was exchanged is read anew."""
    if files and variables:
        raise click.UsageError("--token-file or --token-env, not both")
    refs = [SecretRef(scheme="file", name=str(file.absolute())) for file in files]
    refs += [SecretRef(scheme="env", name=name) for name in variables]
    if not refs and TOKEN_VARIABLE in os.environ:
        refs = [SecretRef(scheme="env", name=TOKEN_VARIABLE)]
    for ref in refs:
        reveal(ref)  # a token that cannot be read is reported before anything begins
    return [partial(reveal, ref) for ref in refs]


def _each(option: str, values: list[T], count: int) -> list[T | None]:
    if len(values) not in (0, 1, count):
        raise click.UsageError(f"{option}: one for all, or one for each of the {count} --from")
    return [None] * count if not values else [*values] * (count if len(values) == 1 else 1)


def _tls(ca: Path | None, cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if ca is None and cert is None:
        if key is not None:
            raise click.UsageError("--client-key belongs to --cert")
        return None
    context = ssl.create_default_context()
    try:
        if ca is not None:
            context = ssl.create_default_context(cafile=str(ca))
        if cert is not None:
            context.load_cert_chain(cert, key, password="")
    except OSError as error:
        named = ", ".join(str(file) for file in (ca, cert, key) if file is not None)
        raise click.ClickException(f"{named} cannot be used: {error}") from None
    return context
