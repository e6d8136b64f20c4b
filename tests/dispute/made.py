"""A store of records with evidence, and dispute files of it; each attack gets a file of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from dataclasses import replace as changed
from pathlib import Path

from probe.core.model.value import replace
from probe.core.records.rows import SlotRecord
from probe.core.results.bundle import bundle_id
from probe.dispute.container import Container, write_container
from probe.dispute.contents import SUMMARY, Contents
from probe.host.clock import SystemClock
from probe.seal.keys import PUBLIC, Keys
from probe.services.verification import Verification, verify
from probe.store.store import Store
from tests.seal.kept_evidence import bundle_of, failed, keep
from tests.support.rows import event, slot

FIRST, LAST = 5, 12
NASTY = "<script>alert(1)</script><img src=x onerror=alert(2)> \u202egnp.\u2066 & \" '"


async def fill(directory: Path, count: int = 12) -> list[SlotRecord]:
    """Failed slots with their bundles, a slot that is well behind each, an event at the end; a key."""
    directory.mkdir(parents=True)
    Keys.open(directory)
    store = Store.open(directory, "a1", SystemClock())
    rows = []
    for second in range(0, 2 * count, 2):
        rows.append(await keep(store, failed(second)))
        await store.append([slot(second + 1)])
    await store.append([event("agent.started")])
    await store.close()
    return rows


async def keep_nasty(store: Store) -> SlotRecord:
    """A row and a bundle that hold what a page must not obey."""
    row = replace(failed(90), summary=NASTY, reason=NASTY, path=f"/{NASTY}")
    row = replace(row, evidence_id=bundle_id(row))
    bundle = bundle_of(row, NASTY.encode())
    head = f"GET / HTTP/1.1\r\nX: {NASTY}\r\n\r\n"
    made = {"request_head": head, "response_head": head.encode(), "certificates": (b"DER1", b"DER2")}
    asked = replace(bundle.exchanges[0], **made)
    digest = store.put_bundle(replace(bundle, exchanges=(asked,)))
    (kept,) = await store.append([replace(row, evidence_sha256=digest)])
    assert isinstance(kept, SlotRecord)
    return kept


@dataclass(frozen=True)
class File:
    """A dispute file, and the agent's public key elsewhere."""

    path: Path
    key: Path

    @property
    def members(self) -> dict[str, bytes]:
        """What is in it."""
        with Container(self.path) as container:
            return {name: b"".join(container.pieces(name)) for name in container.names}

    def rewritten(
        self, members: Mapping[str, bytes], name: str = "other.zip", *, fitted: bool = False
    ) -> File:
        """The same with other members. `fitted`: the digests in dispute.json are made to fit."""
        made = dict(members)
        if fitted:
            told = json.loads(made[SUMMARY])
            told["members"] = [
                {"name": each, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
                for each, data in made.items()
                if each != SUMMARY
            ]
            made[SUMMARY] = (json.dumps(told, indent=1, ensure_ascii=False) + "\n").encode()
        path = self.path.with_name(name)
        path.unlink(missing_ok=True)
        pack(path, made)
        return File(path, self.key)

    def verified(self, *, key: bool = True) -> Verification:
        """By the key that was kept elsewhere, or by the file's own."""
        return verify(self.path, [self.key] if key else [])


def pack(path: Path, members: Mapping[str, bytes]) -> None:
    """Members that are held, as a file."""
    write_container(path, ((name, (data,)) for name, data in members.items()))


def joined(members: Iterable[tuple[str, Iterable[bytes]]]) -> dict[str, bytes]:
    """Members that come piece by piece, held."""
    return {name: b"".join(pieces) for name, pieces in members}


def held(contents: Contents) -> Contents:
    """The same, when what it is read from is closed."""
    return changed(
        contents,
        records=changed(contents.records, lines=tuple(contents.records.lines)),
        declared=tuple(changed(span, lines=tuple(span.lines)) for span in contents.declared),
        evidence=dict(contents.evidence.items()),
    )


def key_of(directory: Path, into: Path) -> Path:
    """The agent's public key, put elsewhere."""
    into.write_bytes((directory / PUBLIC).read_bytes())
    return into


def problems(found: Verification) -> list[tuple[str, str | None]]:
    """(words, file) of everything that is wrong."""
    every = [*found.problems, *(problem for report in found.streams for problem in report.problems)]
    return [(problem.words, problem.file) for problem in every]
