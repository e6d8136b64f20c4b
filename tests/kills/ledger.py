"""A reader that distrusts the agent: what it pulled and was told is held against every later answer."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from probe.core.proof.chain import GENESIS, line_digest
from probe.host.clock import SystemClock
from probe.seal.keys import PRIVATE, PUBLIC, Keys, Signer
from probe.seal.stamps.files import ENDING as STAMPS
from probe.seal.stamps.files import stamps_file
from probe.services.verification import verify
from probe.store.base.parts import parts_of
from probe.store.base.schema import catalogue_file
from probe.store.read.reader import Reader
from tests.support.sums import expected, kept


@dataclass
class Ledger:
    """Of one results directory. Raises AssertionError with what is wrong."""

    directory: Path
    agent: str
    witness: Path
    authority: Path  # its certificate
    acknowledged: dict[str, dict[int, str]] = field(default_factory=dict)
    pulled: dict[str, tuple[int, str]] = field(default_factory=dict)
    firsts: set[tuple[str, str, str]] = field(default_factory=set)
    complete: dict[str, str] = field(default_factory=dict)
    stamps: dict[str, list[bytes]] = field(default_factory=dict)
    key: str | None = None
    counts: Counter[str] = field(default_factory=Counter)
    lines: dict[str, list[tuple[int, str]]] = field(default_factory=dict)

    def hear(self, told: list[dict[str, Any]]) -> None:
        """What the agent acknowledged: each number once, with one line."""
        for each in told:
            for customer, seq, digest in each.get("acknowledged", ()):
                known = self.acknowledged.setdefault(customer, {})
                assert known.get(seq, digest) == digest, f"{customer}/{seq} was given out twice"
                known[seq] = digest
                self.counts["acknowledged"] += 1

    def pull(self) -> None:
        """What is new in each stream fits to what was pulled, holds all that was acknowledged, and is signed."""
        if not catalogue_file(self.directory).exists() or not parts_of(self.directory):
            assert not any(self.acknowledged.values()), "acknowledged, and nothing is there"
            return
        with Reader.open(self.directory, self.agent) as reader:
            for customer in reader.heads():
                self._pull(reader, customer)
            heads = [reader.head(customer) for customer in reader.heads()]
        if (self.directory / PRIVATE).exists():
            keys = Keys.open(self.directory)
            assert self.key in (None, keys.id), "the key is another"
            self.key = keys.id
            signer = Signer(keys, SystemClock())
            with self.witness.open("a") as out:
                for head in heads:
                    out.write(json.dumps(signer.sign(head)) + "\n")
        for customer in (path.parent.name for path in self.directory.glob(f"*/{self.agent}.{STAMPS}")):
            self._stamps(customer)
        for customer, known in self.acknowledged.items():
            missing = max(known, default=0) - self.pulled.get(customer, (0, ""))[0]
            assert missing <= 0, f"{customer}: the last {missing} acknowledged rows are not there"

    def _pull(self, reader: Reader, customer: str) -> None:
        after, digest = self.pulled.get(customer, (0, GENESIS))
        known = self.acknowledged.get(customer, {})
        while lines := reader.lines(customer, after, 1_000):
            self.lines.setdefault(customer, []).extend((line.seq, line.text) for line in lines)
            for line in lines:
                data = json.loads(line.text)
                if data["kind"] == "dropped":
                    assert data["first_seq"] == after + 1
                    after, digest = line.seq, data["digest"]
                    self.counts["dropped before it was pulled"] += 1
                    continue
                assert (line.seq, data["previous"]) in ((after + 1, digest), (after + 1, None)), (
                    f"{customer}: {line.seq} does not follow {after}"
                )
                after, digest = line.seq, line_digest(line.text.encode())
                assert known.get(after, digest) == digest, f"{customer}/{after} is not what was acknowledged"
                self._row(customer, data)
        self.pulled[customer] = after, digest

    def _stamps(self, customer: str) -> None:
        """What was there once stays; what a kill left of a line is none."""
        text = stamps_file(self.directory, self.agent, customer).read_bytes()
        *lines, _ = text.split(b"\n")
        known = self.stamps.get(customer, [])
        assert lines[: len(known)] == known, f"{customer}: a time stamp went or was changed"
        self.counts["stamps"] += len(lines) - len(known)
        self.stamps[customer] = lines

    def _row(self, customer: str, data: dict[str, Any]) -> None:
        self.counts["rows"] += 1
        if (until := data["complete_up_to"]) is not None:
            assert until >= self.complete.get(customer, ""), "the watermark fell"
            self.complete[customer] = until
        if data["kind"] != "slot":
            return
        due = customer, data["task"], data["scheduled_at"]
        if data.get("due_again", False):
            self.counts["due again"] += 1
        else:
            assert due not in self.firsts, f"{due} has two first rows"
            self.firsts.add(due)

    def verify(self) -> None:
        """All that is there, against every head that was ever given away."""
        if not self.witness.exists() or not self.witness.stat().st_size:
            return  # it was never alive for long enough to have a stream
        found = verify(self.directory, [self.directory / PUBLIC], [self.witness], stamp_ca=self.authority)
        words = [problem.words for stream in found.streams for problem in stream.problems]
        assert found.good, words or found.problems
        self.counts["verified"] += 1
        self.counts["verified with stamps"] += any(stream.stamps for stream in found.streams)
        with Reader.open(self.directory, self.agent) as reader:
            for customer in self.pulled:
                self._sums(reader, customer)

    def _sums(self, reader: Reader, customer: str) -> None:
        """The sums that are kept are those of the rows that they name, whatever was killed."""
        grains = reader.grains(customer)
        spans = grains.summed().spans
        gone = [seq for seq, text in self.lines[customer] if text.startswith('{"kind":"dropped"')]
        if gone and spans and spans[0][0] <= gone[-1]:
            return  # nobody saw them: what they add up to is the agent's word
        assert kept(grains) == expected(self.agent, customer, self.lines[customer], spans), (
            f"{customer}: the sums of {spans} are not what the rows add up to"
        )
        self.counts["rows in sums"] += sum(last - first + 1 for first, last in spans)
