"""Why nobody measured is told from what the last run wrote down."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from probe.core.model.value import replace
from probe.host.last_run import (
    FILE,
    SHUTTING_DOWN_US,
    LastRun,
    absence_reason,
    boot_id,
    booted_us,
    read_last_run,
    write_last_run,
)
from tests.support.virtual import VirtualTime

RUN = LastRun(boot_id="boot-1", slept_us=7, config="d", tasks=("t1", "t2"), customers=("acme",))
BOOTED_US = 10**15


def reason(last: LastRun | None, *, clean: bool, boot: str = "boot-1", slept_us: int = 7) -> str:
    return absence_reason(last, clean=clean, boot=boot, slept_us=slept_us, booted_us=BOOTED_US)


@pytest.mark.parametrize(
    ("changes", "clean", "boot", "slept_us", "expected"),
    [
        ({}, False, "boot-1", 7, "agent.crashed"),
        ({}, False, "boot-2", 0, "host.rebooted"),
        ({}, False, "boot-1", 3_600_000_007, "host.suspended"),
        ({}, False, "boot-1", 1_000_007, "agent.crashed"),
        ({"ended_us": BOOTED_US - 60_000_000}, True, "boot-1", 7, "agent.stopped"),
        ({"ended_us": BOOTED_US - 60_000_000}, True, "boot-1", 3_600_000_007, "agent.stopped"),
        ({"ended_us": BOOTED_US - 60_000_000}, True, "boot-2", 0, "host.rebooted"),
        ({"ended_us": BOOTED_US - SHUTTING_DOWN_US - 1}, True, "boot-2", 0, "agent.stopped"),
        ({"boot_id": ""}, False, "boot-2", 0, "agent.crashed"),
        ({}, False, "", 7, "agent.crashed"),
    ],
)
def test_reasons(changes: dict[str, object], clean: bool, boot: str, slept_us: int, expected: str) -> None:
    last = replace(RUN, **changes)
    assert reason(last, clean=clean, boot=boot, slept_us=slept_us) == expected


def test_without_what_the_last_run_wrote_only_the_store_tells() -> None:
    assert reason(None, clean=True) == "agent.stopped"
    assert reason(None, clean=False, boot="boot-9") == "agent.crashed"


def test_it_is_read_as_it_was_written_and_by_nobody_else(tmp_path: Path) -> None:
    assert read_last_run(tmp_path) is None
    for run in (RUN, replace(RUN, ended_us=5)):
        write_last_run(tmp_path, run)
        assert read_last_run(tmp_path) == run
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        "{}",
        "[" * 100_000,
        '{"boot_id": 7}',
        json.dumps({"boot_id": "b", "slept_us": "x"}),
    ],
)
def test_what_cannot_be_read_is_as_if_it_were_not_there(text: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(text)
    assert read_last_run(tmp_path) is None


def test_each_wrong_value_is_refused(tmp_path: Path) -> None:
    write_last_run(tmp_path, RUN)
    good = json.loads((tmp_path / FILE).read_text())
    for key in good:
        for bad in ([1], {"a": None}) if key in ("tasks", "customers") else ([], {}):
            if (key, bad) == ("customers", {"a": None}) or (key, bad) == ("tasks", {"a": None}):
                continue
            (tmp_path / FILE).write_text(json.dumps({**good, key: bad}))
            assert read_last_run(tmp_path) is None, key


def test_this_boot_has_a_name(tmp_path: Path) -> None:
    assert len(boot_id()) == 36
    assert boot_id(tmp_path / "none") == ""


def test_when_the_host_was_booted() -> None:
    time = VirtualTime()
    before = booted_us(time)
    time.advance(100)
    assert booted_us(time) == before
