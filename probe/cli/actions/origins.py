"""What `check-config` and `once` say of origins that never answered: no protection, and no comparison."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from probe.core.content.origin_keys import origin_key
from probe.core.content.origin_standing import in_words
from probe.core.model.task import Task
from probe.core.records.origin import OriginStanding
from probe.store.base.schema import StoreError, catalogue_file
from probe.store.read.reader import Reader

Standings = list[tuple[str, str, OriginStanding]]


def kept_standings(directory: Path) -> Standings:
    """What the store in this results directory knows of origins; nothing where there is none that can be read."""
    if not catalogue_file(directory).exists():
        return []
    try:
        with Reader.open(directory) as reader:
            return reader.origin_standings()
    except StoreError as error:
        click.echo(f"how origins answered before is not known: {error}", err=True)
        return []


def warn_of_unanswering(tasks: Iterable[Task], standings: Standings) -> None:
    """A line on standard error for each origin of these tasks that was asked and never answered."""
    known = {(customer, origin): standing for customer, origin, standing in standings}
    named = {(task.customer, origin_key(task.origin)): task for task in tasks if task.origin is not None}
    for key, task in named.items():
        standing = known.get(key)
        if standing is not None and standing.never_answered and task.origin is not None:
            click.echo(
                f"{task.customer}: the origin {task.origin.address} of {task.domain} {in_words(standing)}. It gives no "
                "protection and no comparison until it answers this host: let it in, or name no origin",
                err=True,
            )
