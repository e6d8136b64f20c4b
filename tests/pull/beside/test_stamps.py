"""Time stamps travel with the results: over the agent's own API, by the scope of the stream, checked by its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from probe.core.proof.chain import line_digest
from probe.pull import Source, State, pull_all
from probe.pull.beside.stamps import read_page
from probe.pull.page import TruncatedError
from probe.pull.progress import Board
from probe.seal.keys import PUBLIC, Keys
from probe.seal.stamps.files import stamps_file
from probe.services.verification import verify
from tests.api.served import TOKENS, Served, fill, rows, served
from tests.pull.test_pull import pull_options
from tests.pull.test_real_server import signed
from tests.seal.stamps.test_verified import fill as fill_stamped
from tests.support.authority import Pki, make_pki

STAMPS = "/v1/stamps?customer=acme"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("tsa") / "good")


async def pulled(api: Served, into: Path, token: str = "acme") -> Board:
    key = (api.directory / PUBLIC).read_bytes()
    source = Source(url=api.url, token=lambda: TOKENS[token], key_pem=key)
    return await pull_all([source], into, options=pull_options())


def kept(directory: Path) -> list[bytes]:
    return (directory / "a1" / "acme" / "stamps.ndjson").read_bytes().splitlines()


def of_agent(directory: Path) -> list[bytes]:
    return stamps_file(directory, "a1", "acme").read_bytes().splitlines()


async def test_stamps_come_with_the_results_and_are_verified_from_the_copy(tmp_path: Path, pki: Pki) -> None:
    await fill_stamped(tmp_path / "r", pki)
    async with served(tmp_path, options=signed(tmp_path)) as api:
        board = await pulled(api, tmp_path / "c")
        again = await pulled(api, tmp_path / "c")
    assert board.complete
    assert [(item.stamps, item.state) for item in board.streams] == [(4, State.COMPLETE)]
    assert [item.stamps for item in again.streams] == [0]
    assert kept(tmp_path / "c") == of_agent(tmp_path / "r")
    found = verify(tmp_path / "c", [tmp_path / "r" / PUBLIC], stamp_ca=pki.ca)
    assert found.good, found
    assert [report.stamps for report in found.streams] == [4]


async def test_what_is_new_is_asked_for_and_a_line_cut_off_by_a_kill_is_pulled_again(
    tmp_path: Path, pki: Pki
) -> None:
    await fill_stamped(tmp_path / "r", pki)
    async with served(tmp_path, options=signed(tmp_path)) as api:
        await pulled(api, tmp_path / "c")
        file = tmp_path / "c" / "a1" / "acme" / "stamps.ndjson"
        file.write_bytes(file.read_bytes()[:-100])
        board = await pulled(api, tmp_path / "c")
    assert [item.stamps for item in board.streams] == [1]
    assert kept(tmp_path / "c") == of_agent(tmp_path / "r")


async def test_stamps_of_an_agent_that_lost_its_own_are_kept_beside_the_new_ones(
    tmp_path: Path, pki: Pki
) -> None:
    await fill_stamped(tmp_path / "r", pki)
    async with served(tmp_path, options=signed(tmp_path)) as api:
        await pulled(api, tmp_path / "c")
        whole = kept(tmp_path / "c")
        stamps_file(tmp_path / "r", "a1", "acme").write_bytes(whole[3] + b"\n" + whole[1] + b"\n")
        board = await pulled(api, tmp_path / "c")
    assert board.complete
    assert kept(tmp_path / "c") == whole


async def test_a_stamp_that_another_key_signed_is_named_and_not_kept(tmp_path: Path, pki: Pki) -> None:
    await fill_stamped(tmp_path / "r", pki)
    await fill_stamped(tmp_path / "other", pki)
    whole = of_agent(tmp_path / "r")
    forged = of_agent(tmp_path / "other")[1]
    stamps_file(tmp_path / "r", "a1", "acme").write_bytes(b"\n".join([whole[0], forged, *whole[2:]]) + b"\n")
    async with served(tmp_path, options=signed(tmp_path)) as api:
        board = await pulled(api, tmp_path / "c")
    (item,) = board.streams
    assert item.state is State.REFUSED
    assert "a time stamp that came is not kept: a1 signs with the key" in str(item.note)
    assert item.seq == 28, "the rows came all the same"
    assert kept(tmp_path / "c") == whole[:1]


async def test_a_page_of_stamps_begins_where_the_reader_says(tmp_path: Path, pki: Pki) -> None:
    await fill_stamped(tmp_path / "r", pki)
    whole = [line.decode() for line in of_agent(tmp_path / "r")]
    async with served(tmp_path, options=signed(tmp_path)) as api:
        first = await api.ask(f"{STAMPS}&limit=3", "acme")
        assert first.lines[:-1] == whole[:3]
        assert first.page == {
            "kind": "stamps", "agent": "a1", "customer": "acme", "after": 0, "next": 3, "count": 4,
        }  # fmt: skip
        digest = line_digest(whole[2].encode())
        rest = await api.ask(f"{STAMPS}&after=3&digest={digest}", "acme")
        assert (rest.lines[:-1], rest.page["next"]) == (whole[3:], 4)
        assert (await api.ask(f"{STAMPS}&after=2&digest={digest}", "acme")).status == 409
        assert (await api.ask(f"{STAMPS}&after=5", "acme")).status == 409
        assert (await api.ask(f"{STAMPS}&limit=501", "acme")).status == 400


async def test_only_who_may_read_the_stream_may_read_its_stamps(tmp_path: Path, pki: Pki) -> None:
    await fill_stamped(tmp_path / "r", pki)
    async with served(tmp_path, options=signed(tmp_path)) as api:
        for token, status in (
            ("acme", 200), ("both", 200), ("all", 200), ("results-only", 200), ("other", 404), ("prometheus", 403),
        ):  # fmt: skip
            assert (await api.ask(STAMPS, token)).status == status, token
        for name in ("../acme", "acme%2F..", "ACME", ""):
            assert (await api.ask(f"/v1/stamps?customer={name}", "all")).status in (400, 404)
            assert (await api.ask(f"{STAMPS}&agent={name}", "all")).status == 400
        other = await api.ask(f"{STAMPS}&agent=a0", "acme")
        assert other.page["count"] == 0


async def test_without_stamps_there_are_none_and_nothing_is_made(tmp_path: Path) -> None:
    await fill(tmp_path / "r", rows(5))
    Keys.open(tmp_path / "r")
    async with served(tmp_path, options=signed(tmp_path)) as api:
        board = await pulled(api, tmp_path / "c")
    assert board.complete
    assert not (tmp_path / "c" / "a1" / "acme" / "stamps.ndjson").exists()
    assert not list((tmp_path / "r").glob("*/*stamps*"))


@pytest.mark.parametrize(
    "data", [b"", b"{}\n", b'{"kind":"stamps","next":1,"count":1}', b'{"kind":"stamp","next":1,"count":1}\n', b"\xff\n"]
)  # fmt: skip
def test_a_page_without_its_last_line_was_cut(data: bytes) -> None:
    with pytest.raises(TruncatedError):
        read_page(data)
    assert read_page(b'x\n{"kind":"stamps","next":1,"count":1}\n')[0] == [b"x"]
