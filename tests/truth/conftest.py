"""One lab for all scenarios of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.truth.lab import Lab, lab


@pytest.fixture(scope="module")
def running_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("truth")) as it:
        yield it
