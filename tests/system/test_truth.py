"""Errors against a server that knows what it did: figures of the right kind, and times that are not below the truth."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import truth


async def test_what_is_measured_is_what_was_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No bound on the machine's load: only that nothing ends before the server did it, and all samples count."""
    monkeypatch.setattr(truth, "SHARES", (0.0, 0.3))
    errors = await truth.run(tmp_path, seconds=1.0)
    assert {error.what for error in errors} == {
        "http ttfb", "http total", "https ttfb", "https total", "https tls", "h2 ttfb", "h2 total", "h2 tls",
        "dns ttfb",
    }  # fmt: skip
    for error in errors:
        assert error.samples >= 10, error
        assert error.median_us > -100, error
