"""Rule: an acceptance run is kept as results are: chained, with evidence, and signed with the agent's key.

`once --into FILE` measures into a store of its own that lasts as long as the run, and makes a dispute file of it. The
records bear a name of their own, `<agent>-once-<time>`: under the agent's name they would be a second history from
record 1 on, signed with one key, which is what a forger makes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from probe.core.config.load import Config
from probe.core.model.task import Task
from probe.core.model.value import replace
from probe.core.records.rows import SlotRecord
from probe.core.results.bundle import Bundle
from probe.host.clock import Clock, SystemClock
from probe.net.event_loop import run
from probe.seal.keys import Keys
from probe.services.dispute import DisputeError, Made, make
from probe.store.store import Store

CLOSED_WITHIN_S = 10.0
NAME_CHARACTERS = 36  # of the agent's name; a name has at most 63


@dataclass(slots=True)
class Acceptance:
    """One run. `config`: under its own name; `keys`: the results directory whose key signs."""

    config: Config
    into: Path
    keys: Path
    store: Store
    directory: Path
    customer: str = ""
    rows: int = 0

    @classmethod
    @contextmanager
    def begun(cls, config: Config, into: Path, clock: Clock | None = None) -> Iterator[Acceptance]:
        """The key is had, and made if the agent has none yet, before anything is measured.

        Raises DisputeError, KeyFileError, StoreError, OSError.
        """
        if into.exists():
            raise DisputeError(f"{into}: exists already, and is not written over: name another file")
        clock, results = clock or SystemClock(), Path(config.agent.results)
        results.mkdir(mode=0o700, parents=True, exist_ok=True)
        Keys.open(results)
        at = datetime.fromtimestamp(clock.time_ns() / 1e9, UTC).strftime("%Y%m%dt%H%M%S%f")
        name = f"{config.agent.agent[:NAME_CHARACTERS].rstrip('-')}-once-{at}"
        renamed = replace_agent(config, name)
        with tempfile.TemporaryDirectory(prefix="cdn-probe-") as temporary:
            directory = Path(temporary) / "results"
            store = Store.open(directory, name, clock)
            try:
                yield cls(renamed, into, results, store, directory)
            finally:
                run(store.close(within_s=CLOSED_WITHIN_S))

    def take(self, tasks: Sequence[Task]) -> None:
        """What will be measured. Raises DisputeError where that is of several customers: a file is for one."""
        customers = sorted({task.customer for task in tasks})
        if len(customers) != 1:
            raise DisputeError(
                f"a file is for one customer: name one with --customer, of {', '.join(customers)}"
            )
        (self.customer,) = customers

    def keep_bundle(self, bundle: Bundle) -> str | None:
        """As a store does."""
        return self.store.put_bundle(bundle)

    async def store_rows(self, rows: Sequence[SlotRecord]) -> list[SlotRecord]:
        """Chain them in their order, and end the store."""
        try:
            kept = await self.store.append(rows)
        finally:
            await self.store.close()
        self.rows = len(kept)
        return [row for row in kept if isinstance(row, SlotRecord)]

    def write(self) -> Made:
        """The dispute file of all of them. Raises DisputeError, KeyFileError, StoreError, OSError."""
        return make(self.directory, self.into, self.customer, seqs=(1, self.rows), keys=self.keys)


def replace_agent(config: Config, name: str) -> Config:
    """The configuration under another name of the agent; its digest stays that of the files."""
    return replace(config, agent=config.agent.model_copy(update={"agent": name}))
