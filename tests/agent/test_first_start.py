"""What a first start leaves behind, whatever is configured."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from probe.agent.daemon import make_key, run_until
from probe.checks import CHECKS
from probe.seal.keys import PRIVATE, PUBLIC, Keys
from tests.agent.test_parts import config_of


async def test_an_agent_without_api_and_segments_has_its_key_from_the_first_start_on(tmp_path: Path) -> None:
    stop = asyncio.Event()
    stop.set()
    config = config_of(tmp_path)
    assert (config.agent.api, config.agent.segments) == (None, None)
    await run_until(config, CHECKS, stop)
    results = Path(config.agent.results)
    assert (results / PRIVATE).stat().st_mode & 0o777 == 0o600
    key = (results / PUBLIC).read_bytes()
    assert Keys.open(results).public.pem() == key
    await run_until(config, CHECKS, stop)
    assert (results / PUBLIC).read_bytes() == key, "made once"


def test_a_key_that_cannot_be_used_is_said_and_keeps_nobody_from_measuring(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / PRIVATE).write_text("no key")
    make_key(tmp_path)
    (said,) = [record for record in caplog.records if record.message == "keys.not_usable"]
    assert PRIVATE in said.fields["error"]  # type: ignore[attr-defined]
