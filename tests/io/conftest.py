"""One authority for the resolvers of the look-up tests, and each test of a row over every transport."""

from __future__ import annotations

import pytest

from tests.io.resolving import EVERY_FACE, Asking, Authority, make_authority


@pytest.fixture(scope="session")
def resolver_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("resolver"))


@pytest.fixture(params=EVERY_FACE)
def ask(request: pytest.FixtureRequest, resolver_authority: Authority) -> Asking:
    """Looks a name up over each transport in turn."""
    return Asking(request.param, resolver_authority)
