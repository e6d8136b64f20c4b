"""One authority for the resolvers of the look-up tests, and each test of a row over every transport."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from probe.io import tls
from tests.io.resolving import EVERY_FACE, Asking, Authority, make_authority


@pytest.fixture(scope="session")
def resolver_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("resolver"))


@pytest.fixture(params=EVERY_FACE)
def ask(request: pytest.FixtureRequest, resolver_authority: Authority) -> Asking:
    """Looks a name up over each transport in turn."""
    return Asking(request.param, resolver_authority)


@pytest.fixture(params=["bundled", "system"])
def each_tls(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each OpenSSL in turn: the one that `cryptography` brings, and Python's own."""
    tls._client.cache_clear()
    if request.param == "system":
        monkeypatch.setattr(tls, "BundledClient", None)
    else:
        assert tls.BundledClient is not None
    yield
    tls._client.cache_clear()
