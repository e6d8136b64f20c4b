"""schemathesis asks the API whatever its own OpenAPI document allows, and much that it forbids: no 500, no surprise."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from probe.api.server import Options
from tests.api.served import TOKENS, fill, rows, served
from tests.support.rows import event
from tests.system.programs import find, need

WITHIN_S = 240
PROGRAM = Path(sys.executable).parent / "schemathesis"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,ignored_auth"


@pytest.mark.system
@pytest.mark.long
@pytest.mark.timeout(300)
async def test_fuzzed_requests_give_no_500_and_only_what_the_document_says(tmp_path: Path) -> None:
    if find("schemathesis") is None and not PROGRAM.exists():
        need("schemathesis")
    await fill(tmp_path / "r", [*rows(50), event("agent.started"), *rows(20, "zeta")])
    async with served(tmp_path, options=Options()) as api:
        process = await asyncio.create_subprocess_exec(
            *(str(PROGRAM) if PROGRAM.exists() else "schemathesis", "run", f"{api.url}/v1/openapi.json"),
            *(
                "--header",
                f"Authorization: Bearer {TOKENS['everything']}",
                "--checks",
                CHECKS,
                "--max-examples",
                "40",
            ),
            *("--seed", "20261123", "--phases", "examples,coverage,fuzzing", "--workers", "1"),
            *("--request-timeout", "90", "--no-color", "--generation-database", "none"),
            cwd=tmp_path,
            env={**os.environ, "NO_COLOR": "1"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            out, _ = await asyncio.wait_for(process.communicate(), WITHIN_S)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        words = out.decode(errors="replace")
        assert process.returncode == 0, words[-6000:]
        metrics = (await api.ask("/metrics", "prometheus")).body.decode()
        assert 'status="500"' not in metrics
        assert (await api.ask("/v1/results?customer=acme")).page["rows"] == 51
