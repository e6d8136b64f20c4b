"""Rule: what is in the tables and how far is in one file, and who wrote it signs it: figures come from no other list.

`ingested.json` names each file of the tables with its digest and each stream with what was proved of it. It is signed
with the key of whoever ingests, which is kept beside the directory, not in it; its public half lies in it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from probe.core.model.value import Value, replace
from probe.core.proof.signed_head import to_be_signed
from probe.core.sla.facts.row import FactRow
from probe.core.sla.facts.stream import FirstPull, Lost
from probe.core.sla.report.values import Input
from probe.host.files import write_whole
from probe.seal.key_ring import KeyRing
from probe.seal.keys import Keys, PublicKey

LEDGER = "ingested.json"
PUBLIC = "ingested.pub"
VERSION = 1
TABLES = ("facts", "looks")
LEDGER_MODE = 0o640
PREFIX = b"cdn-probe tables v1\n"


class TablesError(Exception):
    """The tables cannot be used as they are; the message names the file."""


class Ingested(Value, frozen=True, kw_only=True):
    """What is known of one stream. `edges`, `tasks`: what unmeasured slots to come will weigh, and of what they are."""

    seq: int
    digest: str
    complete_up_to: str | None
    last_us: int | None
    edges: dict[str, int]
    tasks: dict[str, FactRow]
    lost: tuple[Lost, ...]
    pulls: tuple[FirstPull, ...]
    proof: Input
    schemes: dict[str, str | None] = msgspec.field(default_factory=dict)


class Ledger(Value, frozen=True, kw_only=True):
    """`streams`: by `agent/customer`. `files`: name below the directory -> SHA-256. `key`: who signed all of it."""

    version: int
    streams: dict[str, Ingested]
    files: dict[str, str]
    key: str = ""
    signature: str = ""

    def text(self) -> bytes:
        """What its signature stands for."""
        told: dict[str, Any] = msgspec.to_builtins(self)
        return to_be_signed(PREFIX, told)


def read_ledger(directory: Path) -> Ledger:
    """What is in the tables; nothing where there are none yet. Raises TablesError, OSError."""
    try:
        made = msgspec.json.decode((directory / LEDGER).read_bytes(), type=Ledger)
    except FileNotFoundError:
        return Ledger(version=VERSION, streams={}, files={})
    except (msgspec.DecodeError, UnicodeError) as error:
        raise TablesError(f"{directory / LEDGER}: {error}") from None
    if made.version != VERSION:
        raise TablesError(
            f"{directory / LEDGER}: version {made.version}, and this one reads version {VERSION}"
        )
    return made


def write_ledger(directory: Path, ledger: Ledger, keys: Keys) -> None:
    """Sign it and put it into its place, whole. Raises OSError."""
    made = replace(ledger, key=keys.id)
    made = replace(made, signature=keys.sign_text(made.text()))
    write_whole(directory / LEDGER, msgspec.json.format(msgspec.json.encode(made), indent=1), LEDGER_MODE)


def key_file(directory: Path) -> Path:
    """Where the key of a directory of tables is, unless another is named: beside it, so that copies lack it."""
    place = directory.absolute()
    return place.with_name(f"{place.name}.key")


def doubts_of(directory: Path, ledger: Ledger, ring: KeyRing) -> str | None:
    """Why this list proves nothing; None: it is as it was signed, by a key that was given or else lies beside it.

    Raises KeyFileError.
    """
    place = directory / LEDGER
    if not ledger.signature:
        return f"{place}: is signed by nobody: it may name any file"
    known = dict(ring.given)
    if not known and (directory / PUBLIC).is_file():
        beside = PublicKey.read(directory / PUBLIC)
        known[beside.id] = beside
    key = known.get(ledger.key)
    if key is None:
        told = ", ".join(sorted(known)) or f"there is no {PUBLIC} beside it"
        return (
            f"{place}: is signed with the key {ledger.key}, and not with one that is known here ({told}): give"
            f" --key the {PUBLIC} that you kept when these tables were made"
        )
    if not key.verifies(ledger.signature, ledger.text()):
        return f"{place}: was changed after it was signed"
    return None


def is_tables(path: Path) -> bool:
    """Whether a path holds tables that were ingested."""
    return path.is_dir() and (path / LEDGER).is_file()


AGAIN = "nobody's words put that right: ingest the results again, into another directory"


def checked_files(directory: Path, ledger: Ledger, customer: str) -> dict[str, list[str]]:
    """The files of one customer, by table, each as it was written. Raises TablesError: one is missing, or altered."""
    found: dict[str, list[str]] = {table: [] for table in TABLES}
    for name, digest in sorted(ledger.files.items()):
        table, part, *_ = name.split("/")
        if part != f"customer={customer}" or table not in found:
            continue
        file = directory / name
        if not file.is_file():
            raise TablesError(f"{file}: is missing, and {LEDGER} names it; {AGAIN}")
        if digest_of(file) != digest:
            raise TablesError(f"{file}: is not the file that was written; {AGAIN}")
        found[table].append(str(file))
    return found


def digest_of(file: Path) -> str:
    """SHA-256."""
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
