"""What `sla report` does: foreseen errors become words, progress is shown past two seconds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from probe.cli.actions.progress import progress_after
from probe.cli.render.bundle import made_in_words
from probe.core.records.codec import CodecError
from probe.core.sla.contract.rules import NotComputableError
from probe.core.sla.report.values import Report
from probe.pull.layout import CopyError
from probe.seal.keys import KeyFileError, Keys
from probe.seal.segment_files import LinesError
from probe.services.dispute import DisputeError, make
from probe.services.line_sources import SegmentUnreadable
from probe.services.verification import NothingToVerify
from probe.sla.agreement_files import load_agreement
from probe.sla.engines.duckdb_engine import DuckDbMissing
from probe.sla.engines.spark_engine import SparkFailed
from probe.sla.html.page import as_html
from probe.sla.ingest import Taken, ingest
from probe.sla.inputs import Tick, UnverifiedError, verified
from probe.sla.ledger import TablesError, is_tables, key_file
from probe.sla.lines import ForkedError
from probe.sla.proved import inputs_of
from probe.sla.report import Asked, NotComputed, engine_named, make_report
from probe.sla.sealed_grains import WANTED as SUMS_WANTED
from probe.sla.traffic import TrafficError
from probe.sla.write import as_csv, as_json
from probe.store.base.schema import StoreError

FORESEEN = (
    NotComputed, NotComputableError, DuckDbMissing, ForkedError, CodecError, CopyError, KeyFileError, LinesError,
    SparkFailed, StoreError, TablesError, TrafficError,
)  # fmt: skip
QUIET_S = 2.0


def made_report(
    agreement: Path, profile: Path | None, asked: Asked, engine: str, connect: str | None = None
) -> Report:
    """The report. Raises ClickException in words for whatever is foreseen."""
    try:
        return make_report(load_agreement(agreement, profile), asked, engine_named(engine, connect), _shows)
    except UnverifiedError as error:
        told = "\n".join(error.lines)
        raise click.ClickException(
            f"the input is not proved, and nothing is computed from it:\n{told}\n"
            'Take what can be read all the same with --unverified "why"; the report prints these words'
        ) from None
    except SegmentUnreadable as error:
        raise click.ClickException(
            f"{error}; what cannot be read cannot be counted, whoever answers for it: take the files of this segment"
            " out of the input, and its records are listed as lost"
        ) from None
    except NothingToVerify as error:
        raise click.ClickException(f"{error}; {SUMS_WANTED}") from None
    except FORESEEN as error:
        raise click.ClickException(str(error)) from None


def ingested(
    inputs: Sequence[Path], into: Path, keys: Sequence[Path], heads: Sequence[Path], signing_key: Path | None
) -> list[Taken]:
    """What was taken of each stream. `signing_key`: None: that beside the directory.

    Raises ClickException in words for whatever is foreseen.
    """
    try:
        with _shows("verifying") as tick:
            proofs = verified(inputs, keys, heads, None, unverified=False, tick=tick)
        into.mkdir(parents=True, exist_ok=True)
        pair = Keys.at(key_file(into) if signing_key is None else signing_key)
        with _shows("ingesting") as tick:
            return ingest(into, inputs, inputs_of(proofs), pair, tick)
    except UnverifiedError as error:
        told = "\n".join(error.lines)
        raise click.ClickException(
            f"the input is not proved, and nothing is taken from it:\n{told}"
        ) from None
    except FORESEEN as error:
        raise click.ClickException(str(error)) from None


def write_dispute(report: Report, inputs: Iterable[Path], name: str, into: Path) -> str:
    """The dispute file of an incident, one for each agent that saw it; what was written, in words.

    A dispute file proves one stream. Of several, each file's name has its agent's. Raises ClickException.
    """
    incidents = [one for subject in report.subjects for one in subject.incidents]
    found = next((one for one in incidents if one.name == name), None)
    if found is None:
        known = ", ".join(one.name for one in incidents) or "none"
        raise click.ClickException(f"no incident is named {name}; there are: {known}")
    several = len(found.records) > 1
    directories = [path for path in inputs if path.is_dir()]
    told = []
    for agent, first, last in found.records:
        file = into.with_name(f"{into.stem}-{agent}{into.suffix}") if several else into
        told.append(_disputed(directories, file, report.contract.customer, agent, (first, last)))
    return "\n".join(told)


def _disputed(
    directories: Iterable[Path], into: Path, customer: str, agent: str, seqs: tuple[int, int]
) -> str:
    """Of one agent, from the first of the inputs that has all of it."""
    problem = "none of the inputs is a directory"
    for directory in directories:
        if is_tables(directory):
            problem = (
                f"{directory}: tables have no records and no evidence: report on the results, or the copy, that they"
                " were made of, with the same --dispute"
            )
            continue
        try:
            made = make(directory, into, customer, agent=agent, seqs=seqs)
        except (DisputeError, StoreError) as error:
            problem = str(error)
            continue
        return made_in_words(made)
    raise click.ClickException(problem)


@contextmanager
def _shows(what: str) -> Iterator[Tick]:
    with progress_after(QUIET_S, what) as tick:
        yield tick


def written(report: Report, kind: str, language: str) -> str:
    """JSON, CSV or HTML."""
    if kind == "html":
        return as_html(report, language)
    return as_json(report) if kind == "json" else as_csv(report)
