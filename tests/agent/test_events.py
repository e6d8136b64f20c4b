"""An event stands in the stream whole; its line in the log is short enough to be read."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from probe.agent.events import LOGGED_CHARACTERS, EventWriter
from probe.core.proof.evidence import DROPPED
from probe.core.records.rows import EventRecord
from probe.host.clock import SystemClock
from probe.store.read.reader import Reader
from probe.store.store import Store
from tests.support.rows import HOST


async def test_a_thousand_ids_are_in_the_stream_and_the_first_of_them_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    ids = [f"{number:032x}" for number in range(1000)]
    detail = {"reason": "age", "bundles": "1000", "ids": " ".join(ids)}
    store = Store.open(tmp_path, HOST.agent, SystemClock())
    events = EventWriter(store, SystemClock(), lambda: HOST, lambda: ["acme"], lambda name: None)
    await events.append(DROPPED, detail)
    await store.close()
    with Reader.open(tmp_path) as reader:
        (kept,) = reader.list(customer="acme", limit=10)
    assert isinstance(kept, EventRecord)
    assert dict(kept.detail) == detail
    (line,) = [record for record in caplog.records if record.message == DROPPED]
    told = line.__dict__["fields"]
    assert (told["reason"], told["bundles"]) == ("age", "1000")
    shown, cut, rest = told["ids"].partition(" ... ")
    assert (cut, rest) == (" ... ", "(32999 characters in the event)")
    some = shown.split(" ")
    assert some == ids[: len(some)], "whole ids"
    assert len(some) >= 10
    assert len(json.dumps(told)) < 2 * LOGGED_CHARACTERS
