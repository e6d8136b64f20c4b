"""A lab for each test: it is up in some tens of milliseconds."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from probe.lab.lab import Lab


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    async with Lab() as running:
        yield running
