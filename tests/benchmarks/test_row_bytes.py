"""Rows for the benchmark of bytes are the same observations at another time: what belongs together goes together."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.row_bytes import AGENT, Anew, lines_of
from benchmarks.samples import make_task, row, well
from probe.core.model.value import replace
from probe.core.records.codec import decode, encode
from probe.core.records.rows import SlotRecord
from probe.host.clock import SystemClock
from probe.store.store import Store


def _row() -> SlotRecord:
    made = row(make_task(), well(make_task()))
    first = made.observations[0]
    timing = replace(
        first.timing,
        domain_lookup_start_us=94,
        domain_lookup_end_us=13_789,
        response_start_us=2_994_587,
        response_end_us=2_994_587,
    )
    assert first.comparison is not None
    first = replace(first, timing=timing, comparison=replace(first.comparison, age_s=12.345))
    second = replace(made.observations[1], timing=replace(timing, response_end_us=3_000_000))
    return replace(made, observations=(first, second))


def test_a_row_made_anew_is_of_another_time_and_keeps_what_is_equal() -> None:
    original = _row()
    first, again = Anew([encode(original)]).rows(2)
    assert first == original
    assert again.scheduled_at > original.scheduled_at
    one, other = again.observations
    assert one.timing.response_start_us == one.timing.response_end_us != 2_994_587
    assert one.timing.domain_lookup_end_us == other.timing.domain_lookup_end_us != 13_789
    assert one.response is not None
    assert one.comparison is not None
    assert one.response.age_s is not None
    assert one.comparison.age_s is not None
    assert dict(one.response.fields)["age"] == str(one.response.age_s)
    assert 0 <= one.comparison.age_s - one.response.age_s < 1


async def test_rows_are_taken_from_a_results_directory(tmp_path: Path) -> None:
    store = Store.open(tmp_path, "theirs", SystemClock())
    await store.append([_row()])
    await store.close()
    (line,) = lines_of(tmp_path)
    taken = decode(line)
    assert isinstance(taken, SlotRecord)
    assert taken.host.agent == AGENT
    assert taken.observations == _row().observations
    kept = tmp_path / "8.ndjson"
    kept.write_bytes(line + b"\n")
    assert lines_of(kept) == [line]


def test_it_says_how_it_is_called() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.row_bytes", "--help"], capture_output=True, text=True, check=True
    )
    for option in ("--real", "--rows", "--edges", "--pace", "--minutes", "--results", "--keep-lines"):
        assert option in done.stdout
