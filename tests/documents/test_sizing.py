"""docs/sizing.md is reckoned from the figures of docs/performance.md: here it is reckoned again."""

from __future__ import annotations

import re

import pytest

from tests.documents.markdown import ROOT, read

PERFORMANCE = {row[0]: row for row in read(ROOT / "docs" / "performance.md").rows}
SIZING = {row[0]: row for row in read(ROOT / "docs" / "sizing.md").rows}
TEXT = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
ROWS_A_DAY = 24 * 60
BUSY_MS = 0.6 * 60_000  # of a core, in a minute


def _number(text: str) -> float:
    return float(re.sub(r"[^\d.]", "", text))


def _ours_ms(case: str) -> float:
    """What `case` costs us, in ms of processor time."""
    cell = PERFORMANCE[case][2]
    return _number(cell) / (1000 if "µs" in cell else 1)


def _slots_ms() -> dict[str, float]:
    """Processor time of a slot within a whole agent, by the first cell of the table."""
    whole = _number(PERFORMANCE["20,000, once for 65 s"][4])
    http, https = _ours_ms("whole slot, 10 kB over HTTP"), _ours_ms("whole slot, 10 kB over HTTPS")
    h2 = float(re.search(r"Over HTTP/2 a slot costs ([\d.]+) times", TEXT)[1])  # type: ignore[index]
    h3 = float(re.search(r"1\.8 to ([\d.]+) in other\s+runs", TEXT)[1])  # type: ignore[index]
    edge = _ours_ms("fetch 10 kB over HTTPS")
    plain = whole + https - http
    return {
        "10 kB over HTTP, one edge": whole,
        "10 kB over HTTPS, one edge": plain,
        "10 kB over HTTP/2, one edge": plain + https * (h2 - 1),
        "10 kB over HTTP/3, one edge": plain + https * (h3 - 1),
        "1 MB over HTTPS, one edge": whole + _ours_ms("whole slot, 1 MB over HTTPS") - http,
        "10 kB over HTTPS, three edges": plain + 2 * edge,
        "10 kB over HTTPS, eight edges": plain + 7 * edge,
    }


@pytest.mark.parametrize("case", _slots_ms())
def test_processor(case: str) -> None:
    slot_ms = _slots_ms()[case]
    assert _number(SIZING[case][1]) == pytest.approx(slot_ms, abs=0.051)
    assert _number(SIZING[case][2]) == pytest.approx(BUSY_MS / slot_ms, rel=0.03)


@pytest.mark.parametrize("tasks", ["100", "1,000", "5,000", "20,000"])
def test_memory(tasks: str) -> None:
    measured = PERFORMANCE.get(tasks) or PERFORMANCE["20,000, once for 65 s"]
    resident = [row for row in read(ROOT / "docs" / "sizing.md").rows if row[0] == tasks and len(row) == 2]
    assert [row[1] for row in resident] == [measured[9]]


def _gigabytes(cell: str) -> float:
    return _number(cell) / (1000 if "MB" in cell else 1)


def test_disk() -> None:
    stored = {edges: _number(PERFORMANCE[edges][3]) for edges in ("1", "3", "8")}
    copied = {edges: _number(PERFORMANCE[edges][4]) for edges in ("1", "3", "8")}
    rows = [row for row in read(ROOT / "docs" / "sizing.md").rows if len(row) == 4]
    disk = {row[0]: row[1:] for row in rows[[row[1] for row in rows].index("1 edge") :]}
    for place, edges in enumerate(("1", "3", "8")):
        day = ROWS_A_DAY * stored[edges] / 1e9
        for tasks in (100, 1_000, 10_000):
            assert _gigabytes(disk[f"{tasks:,}"][place]) == pytest.approx(tasks * day, rel=0.01)
        kept = disk["1,000, days in the default `keep.size` of 20 GiB"][place]
        assert int(kept) == int(20 * 2**30 / 1e9 / (1_000 * day))
        copy = disk["1,000, in a copy by `pull`"][place]
        assert _gigabytes(copy) == pytest.approx(1_000 * ROWS_A_DAY * copied[edges] / 1e9, rel=0.01)
