"""The evaluators' client against the real server: the copy is the store, signed, and confirmed."""

from __future__ import annotations

from pathlib import Path

from probe.api.server import Options
from probe.host.clock import SystemClock
from probe.pull import Copy, PullOptions, Source, pull_all
from probe.seal.keys import Keys, Signer
from probe.store.confirmations import Confirmations
from tests.api.served import TOKENS, fill, rows, served


async def test_pulled_with_signed_heads_and_confirmed(tmp_path: Path) -> None:
    await fill(tmp_path / "r", [*rows(2500), *rows(40, "zeta")])
    keys = Keys.open(tmp_path / "r")
    options = Options(signer=Signer(keys, SystemClock()), public_key=keys.public.pem().decode())
    async with served(tmp_path, options=options) as api:
        page = (await api.ask("/v1/results?customer=acme&limit=1")).page
        assert page["head"]["key"] == keys.id
        source = Source(url=api.url, token=lambda: TOKENS["both"], key_pem=keys.public.pem())
        board = await pull_all([source], tmp_path / "copy", options=PullOptions(ack=True))
        assert board.complete, [(item.state, item.note) for item in board.streams]
        await fill_more(tmp_path / "r")
        board = await pull_all([source], tmp_path / "copy", options=PullOptions(ack=True))
        assert board.complete
    copy = Copy(tmp_path / "copy")
    assert [record.seq for record in copy.records("a1", "acme")] == list(range(1, 2601))
    assert [record.seq for record in copy.records("a1", "zeta")] == list(range(1, 41))
    known = Confirmations(tmp_path / "r", "a1")
    assert (known.confirmed("acme", ["both"]), known.confirmed("zeta", ["both"])) == (2600, 40)


async def fill_more(directory: Path) -> None:
    await fill(directory, rows(100, first=5000))
