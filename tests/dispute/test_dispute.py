"""A dispute file: made from a store or a copy, verified by the file and a key alone, altered in every way and found."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from probe.cli.main import cli
from probe.cli.render.bundle import made_in_words
from probe.cli.render.verify import verification_text
from probe.core.config.results import DAY_US
from probe.core.model.value import replace as with_values
from probe.core.proof.chain import line_digest
from probe.core.proof.evidence import DROPPED, evidence_named
from probe.core.proof.signed_head import canonical, parse_head
from probe.core.records.rows import SlotRecord
from probe.dispute.container import Container
from probe.dispute.contents import PAGE, SUMMARY, Contents
from probe.dispute.derived import LAYOUT, members_of
from probe.dispute.members import Members
from probe.dispute.page import Overview, Shown, page
from probe.dispute.selection import select
from probe.host.clock import SystemClock
from probe.seal.keys import Keys, PublicKey, Signer
from probe.services import dispute
from probe.services.dispute import DisputeError, make
from probe.services.verification import verify
from probe.store.base.parts import EVIDENCE_PARTS, parts_of
from probe.store.store import Store
from probe.store.write.files import Limits
from tests.api.served import served
from tests.dispute.made import FIRST, LAST, NASTY, File, fill, held, joined, keep_nasty, key_of, problems
from tests.fixtures.frozen import unpacked
from tests.pull.test_real_server import pulled, signed
from tests.seal.kept_evidence import alter, bundle_of, failed
from tests.seal.made import SetClock, sealed
from tests.seal.stamps.test_verified import ROUNDS
from tests.seal.stamps.test_verified import fill as stamp_fill
from tests.seal.test_kept import World as Kept
from tests.support.authority import make_pki
from tests.support.build import seen
from tests.support.parts import by_sql
from tests.support.rows import HOST, event, slot


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> File:
    """A store, and a file of the records 5 to 12 of it."""
    place = tmp_path_factory.mktemp("dispute")
    asyncio.run(fill(place / "r"))
    key = key_of(place / "r", place / "kept.pub")
    make(place / "r", place / "made.zip", "acme", seqs=(FIRST, LAST))
    return File(place / "made.zip", key)


def run(directory: Path, *typed: str) -> Result:
    return CliRunner().invoke(cli, ["results", "-d", str(directory), "bundle", *typed])


# --- made and verified ----------------------------------------------------------------------------------


def test_it_is_verified_by_the_file_and_the_key_alone(base: File) -> None:
    found = base.verified()
    (report,) = found.streams
    assert (found.good, found.independent) == (True, True)
    assert (report.first_seq, report.signed_up_to) == (FIRST, 25)
    words = "".join(text for text, _ in verification_text(found).pieces)
    assert words.startswith("nothing altered was found")
    assert "4 evidence bundles are as their rows say" in words
    assert "records 5 to 12 are in dispute; those around" in words
    assert base.verified(key=False).good
    assert not base.verified(key=False).independent


def test_any_zip_tool_reads_it(base: File) -> None:
    with zipfile.ZipFile(base.path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == list(base.members)
        assert archive.namelist()[:3] == [PAGE, SUMMARY, "a1/agent.pub"]
    told = json.loads(base.members[SUMMARY])
    assert (told["layout"], told["slots"], told["evidence"], told["config_digests"]) == (1, 8, 4, ["c1"])


async def test_from_a_copy_it_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    await fill(tmp_path / "r")
    async with served(tmp_path, options=signed(tmp_path)) as api:
        assert (await pulled(api, tmp_path / "bare", "acme")).complete
        assert (await pulled(api, tmp_path / "c", "acme", evidence_bytes=1 << 20)).complete
    shown = run(tmp_path / "bare", "--customer", "acme", "--seq", "5..12", "--into", str(tmp_path / "no.zip"))
    assert (shown.exit_code, "pull --evidence" in shown.output) == (1, True), shown.output
    assert not (tmp_path / "no.zip").exists()
    for name in ("one", "two"):
        shown = run(
            tmp_path / "c", "--customer", "acme", "--seq", "5..12", "--into", str(tmp_path / f"{name}.zip")
        )
        assert shown.exit_code == 0, shown.output
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    found = File(tmp_path / "one.zip", key_of(tmp_path / "r", tmp_path / "k.pub")).verified()
    assert found.good, problems(found)
    assert found.streams[0].signed_up_to == 25


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["--seq", "5..12", "--since", "2023-11-14"], "--seq A..B, or --since and --until"),
        ([], "--seq A..B, or --since and --until"),
        (["--seq", "12..5"], "the first and the last"),
        (["--seq", "0..5"], "the first and the last"),
        (["--seq", "20..90"], "are not all here"),
        (["--since", "2033-11-14"], "no record in that span"),
        (["--since", "14:00"], "14:00"),
    ],
)
def test_what_cannot_be_made_is_said_in_words(
    base: File, tmp_path: Path, typed: list[str], words: str
) -> None:
    shown = run(base.path.parent / "r", "--customer", "acme", *typed, "--into", str(tmp_path / "x.zip"))
    assert shown.exit_code != 0
    assert words in shown.output
    assert list(tmp_path.iterdir()) == []


def test_other_refusals(base: File, tmp_path: Path) -> None:
    results = base.path.parent / "r"
    assert (
        "customer zeta"
        in run(results, "--customer", "zeta", "--seq", "1", "--into", str(tmp_path / "x")).output
    )
    again = run(results, "--customer", "acme", "--seq", "1", "--into", str(base.path))
    assert (again.exit_code, "exists already" in again.output) == (1, True)


def test_by_time_it_is_the_same_span(base: File, tmp_path: Path) -> None:
    """Records 5 to 12 are due in the seconds 4 to 11."""
    span = ["--since", "2023-11-14T22:13:24Z", "--until", "2023-11-15T06:13:32+08:00"]
    shown = run(base.path.parent / "r", "--customer", "acme", *span, "--into", str(tmp_path / "x.zip"))
    assert shown.exit_code == 0, shown.output
    told = json.loads(File(tmp_path / "x.zip", base.key).members[SUMMARY])
    assert (told["first_seq"], told["last_seq"]) == (5, 12)


def test_without_a_key_it_says_so(base: File, tmp_path: Path) -> None:
    asyncio.run(fill(tmp_path / "r"))
    for name in ("_agent.key", "agent.pub"):
        (tmp_path / "r" / name).unlink()
    shown = run(tmp_path / "r", "--customer", "acme", "--seq", "5..12", "--into", str(tmp_path / "x.zip"))
    assert "NOT SIGNED" in shown.output
    assert not File(tmp_path / "x.zip", base.key).verified().good
    assert not File(tmp_path / "x.zip", base.key).verified(key=False).good


# --- what is gone ---------------------------------------------------------------------------------------


async def gone(tmp_path: Path, *, told: bool) -> tuple[list[SlotRecord], File]:
    """A store whose evidence of record 7 went; `told`: the agent put that on record, thirty records later."""
    rows = await fill(tmp_path / "r")
    signer = Signer(Keys.open(tmp_path / "r"), SystemClock())
    file = File(tmp_path / "x.zip", key_of(tmp_path / "r", tmp_path / "k.pub"))
    (tmp_path / "r" / "acme").mkdir()
    with dispute.opened(tmp_path / "r", "acme") as stream:
        last = list(stream.lines(0))[-1]
    (tmp_path / "r" / "acme" / "HEAD.json").write_text(json.dumps(signer.sign(_head(last.seq, last.text))))
    store = Store.open(tmp_path / "r", "a1", SystemClock())
    await store.append([event(f"agent.{n}") for n in ("a", "b", "c")])
    if told:
        made = event(DROPPED)
        await store.append(
            [changed_detail(made, {"reason": "age", "bundles": "1", "ids": rows[3].evidence_id or ""})]
        )
    await store.append([event("agent.d")])
    await store.close()
    alter(tmp_path / "r", rows[3].evidence_id or "", lambda text: None)
    return rows, file


def _head(seq: int, text: str) -> object:
    from probe.core.proof.chain import Head

    return Head(agent="a1", customer="acme", seq=seq, digest=line_digest(text.encode()))


def changed_detail(made: object, detail: dict[str, str]) -> object:
    from probe.core.model.value import replace

    return replace(made, detail=detail)


async def test_evidence_that_the_agent_says_is_gone_is_named_as_that(tmp_path: Path) -> None:
    rows, file = await gone(tmp_path, told=True)
    make(tmp_path / "r", file.path, "acme", seqs=(FIRST, LAST))
    found = file.verified()
    assert found.good, problems(found)
    (report,) = found.streams
    assert report.last_seq == 25, "the records go on to the nearest head, and no further"
    assert (
        f"1 evidence bundle is gone, as the agent has put on record (records {rows[3].seq})" in report.notes
    )
    members = file.members
    (declared,) = [
        name for name in members if name.startswith("declared/") and not name.endswith("heads.ndjson")
    ]
    assert json.loads(members[SUMMARY])["evidence_gone"] == [rows[3].seq]
    for change in (lambda data: data.replace(DROPPED.encode(), b"evidence.nothing"), lambda data: b""):
        bad = file.rewritten({**members, declared: change(members[declared])}, fitted=True)
        assert not bad.verified().good
    without = {name: data for name, data in members.items() if not name.startswith("declared/")}
    told = [words for words, _ in problems(file.rewritten(without, fitted=True).verified())]
    assert any("nothing that the agent put on record says so" in words for words in told), told


async def test_records_that_retention_took_are_named_as_that(tmp_path: Path) -> None:
    """The events that say so are days behind the records in dispute; they come along with a head of their own."""
    clock = SetClock()
    directory = tmp_path / "r"
    world = Kept(directory, Store.open(directory, "a1", clock, limits=Limits(span_us=DAY_US)), clock)
    for day in range(6):
        await world.day(day)
        await sealed(directory)
        await world.housekeeping(healthy="2d", failures="30d").round()
    await sealed(directory)
    await world.store.close()
    key = key_of(directory, tmp_path / "k.pub")
    make(directory, tmp_path / "x.zip", "acme", seqs=(3, 19))
    file = File(tmp_path / "x.zip", key)
    found = file.verified()
    assert found.good, problems(found)
    (report,) = found.streams
    gap = report.gaps[0]
    assert (gap.first_seq, gap.last_seq, gap.reason) == (3, 3, "retention")
    members = file.members
    told = json.loads(members[SUMMARY])
    assert told["records_gone"][0] == [3, 3]
    assert "the agent has put on record that they went" in members[PAGE].decode()
    declared = [name for name in members if name.startswith("declared/")]
    assert declared
    for left_out in ("declared/", "declared/a1/acme/heads.ndjson"):
        bad = {name: data for name, data in members.items() if not name.startswith(left_out)}
        assert not file.rewritten(bad, fitted=True).verified().good


def test_of_what_version_0_1_wrote_the_evidence_is_left_out_and_that_is_said(tmp_path: Path) -> None:
    results = unpacked("results", tmp_path)
    (results / "agent.pub").unlink()  # the frozen store came without its private key
    Keys.open(results)
    with dispute.opened(results, "shop") as stream:
        named = [
            each.seq for line in stream.lines(0) if (each := evidence_named(line.text.encode())) is not None
        ]
    make(results, tmp_path / "x.zip", "shop", seqs=(named[0] - 1, named[0] + 5))
    file = File(tmp_path / "x.zip", results / "agent.pub")
    found = file.verified()
    assert found.good, problems(found)
    told = json.loads(file.members[SUMMARY])
    assert (told["evidence"], named[0] in told["evidence_under_no_digest"]) == (0, True)
    assert "no digest" in file.members[PAGE].decode()


async def test_evidence_that_somebody_took_makes_no_file(tmp_path: Path) -> None:
    rows, file = await gone(tmp_path, told=False)
    with pytest.raises(DisputeError, match=rf"records {rows[3].seq} is not here: it is missing, and nothing"):
        make(tmp_path / "r", file.path, "acme", seqs=(FIRST, LAST))
    assert not file.path.exists()
    make(tmp_path / "r", file.path, "acme", seqs=(9, 12))
    assert file.verified().good


async def test_evidence_that_was_altered_makes_no_file(tmp_path: Path) -> None:
    rows = await fill(tmp_path / "r")
    alter(tmp_path / "r", rows[3].evidence_id or "", lambda text: text.replace(b"503", b"200"))
    with pytest.raises(DisputeError, match="altered"):
        make(tmp_path / "r", tmp_path / "x.zip", "acme", seqs=(FIRST, LAST))
    assert len(parts_of(tmp_path / "r", EVIDENCE_PARTS)) == 1


def change_a_row(directory: Path, seq: int) -> None:
    """As whoever holds the disk can."""
    with by_sql(parts_of(directory)[-1].path) as conn:
        sql = "UPDATE record SET body = packed(replace(line(body), '\"failed\"', '\"stale\"')) WHERE seq = ?"
        conn.execute(sql, (seq,))


@pytest.mark.parametrize("seq", [1, 7, 15])
async def test_records_that_were_altered_are_not_signed(tmp_path: Path, seq: int) -> None:
    """Before the span, in it, and behind it: what was never signed is looked at as a whole before it is."""
    await fill(tmp_path / "r")
    change_a_row(tmp_path / "r", seq)
    with pytest.raises(DisputeError, match=rf"record {seq} was changed.*nothing is signed"):
        make(tmp_path / "r", tmp_path / "x.zip", "acme", seqs=(FIRST, LAST))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r"]


async def test_of_altered_records_that_were_signed_no_file_is_made(tmp_path: Path) -> None:
    await fill(tmp_path / "r")
    async with served(tmp_path, options=signed(tmp_path)) as api:
        assert (await pulled(api, tmp_path / "c", "acme", evidence_bytes=1 << 20)).complete
    (file,) = (tmp_path / "c" / "a1" / "acme").glob("0*.ndjson")
    file.write_text(file.read_text().replace('"well"', '"WELL"'))
    with pytest.raises(DisputeError, match=r"was changed.*no file was made"):
        make(tmp_path / "c", tmp_path / "x.zip", "acme", seqs=(FIRST, LAST))
    assert not (tmp_path / "x.zip").exists()


async def test_stamps_come_along_and_say_from_when_to_when(tmp_path: Path) -> None:
    """By a third party's certificate each record is vouched for from both sides, as in the store that it came from."""
    pki = make_pki(tmp_path / "pki")
    await stamp_fill(tmp_path / "r", pki)
    with dispute.opened(tmp_path / "r", "acme") as stream:
        stamps = sorted(stamp.head.seq for stamp in stream.stamps)
    assert len(stamps) == ROUNDS
    make(tmp_path / "r", tmp_path / "x.zip", "acme", seqs=(stamps[0] + 3, stamps[1] + 1))
    key = key_of(tmp_path / "r", tmp_path / "k.pub")
    found = verify(tmp_path / "x.zip", [key], stamp_ca=pki.ca)
    assert found.good, problems(found)
    (report,) = found.streams
    whole = next(
        each for each in verify(tmp_path / "r", [key], stamp_ca=pki.ca).streams if each.customer == "acme"
    )
    assert report.stamps
    for seq in (stamps[0] + 3, stamps[1] + 1):
        (span,) = [span for span in report.vouched if span.first_seq <= seq <= span.last_seq]
        assert span.not_earlier is not None
        assert span.not_later is not None
    assert {span.not_later for span in report.vouched} - {None} <= {span.not_later for span in whole.vouched}
    file = File(tmp_path / "x.zip", key)
    members = file.members
    without = {name: data for name, data in members.items() if not name.endswith("stamps.ndjson")}
    bad = file.rewritten(without, fitted=True)
    assert not verify(bad.path, [key], stamp_ca=pki.ca).good
    other = make_pki(tmp_path / "other")
    assert not verify(file.path, [key], stamp_ca=other.ca).good


async def test_records_from_before_another_key_make_a_file_with_their_stamps(tmp_path: Path) -> None:
    """The old key is lost or known to others: what it signed and the authority stamped proves as much as before."""
    pki = make_pki(tmp_path / "pki")
    await stamp_fill(tmp_path / "r", pki)
    old = key_of(tmp_path / "r", tmp_path / "old.pub")
    with dispute.opened(tmp_path / "r", "acme") as stream:
        stamps = sorted(stamp.head.seq for stamp in stream.stamps)
    (tmp_path / "r" / "_agent.key").unlink()
    keys = Keys.open(tmp_path / "r")
    made = make(tmp_path / "r", tmp_path / "x.zip", "acme", seqs=(stamps[0] + 3, stamps[1] + 1))
    (other,) = made.other_keys
    assert other == PublicKey.read(old).id != keys.id
    assert f"--key KEY-{other}.pub" in made_in_words(made)
    new = key_of(tmp_path / "r", tmp_path / "new.pub")
    found = verify(tmp_path / "x.zip", [old, new], stamp_ca=pki.ca)
    assert found.good, problems(found)
    (report,) = found.streams
    for seq in (stamps[0] + 3, stamps[1] + 1):
        (span,) = [span for span in report.vouched if span.first_seq <= seq <= span.last_seq]
        assert None not in (span.not_earlier, span.not_later)
    alone = verify(tmp_path / "x.zip", [new], stamp_ca=pki.ca)
    assert not alone.good
    assert all("another key" in words for words, _ in problems(alone)), "and not that they were altered"
    assert "another key" in problems(verify(tmp_path / "x.zip", [old]))[0][0], (
        "the file's own key is the new one"
    )


async def test_without_a_stamp_whoever_names_an_authority_is_told(base: File) -> None:
    pki = make_pki(base.path.parent / "no-stamps")
    (report,) = verify(base.path, [base.key], stamp_ca=pki.ca).streams
    assert any("no time stamp is here" in note for note in report.notes)
    (report,) = verify(base.path, [base.key]).streams
    assert not any("time stamp" in note for note in report.notes), "nobody asked"


# --- every member, altered ------------------------------------------------------------------------------


def flip(data: bytes) -> bytes:
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def first_digit(data: bytes) -> bytes:
    return re.sub(rb"\d", lambda found: b"7" if found[0] != b"7" else b"3", data, count=1)


WAYS: dict[str, Callable[[bytes], bytes | None]] = {
    "a bit in the middle": flip,
    "a digit": first_digit,
    "the last byte cut off": lambda data: data[:-1],
    "the second half cut off": lambda data: data[: len(data) // 2],
    "emptied": lambda data: b"",
    "a byte more": lambda data: data + b"\n",
    "doubled": lambda data: data + data,
    "taken away": lambda data: None,
}


@pytest.mark.parametrize("way", list(WAYS))
@pytest.mark.parametrize("fitted", [False, True], ids=["plain", "fitted"])
def test_every_member_altered_in_every_way_is_found_and_named(base: File, way: str, fitted: bool) -> None:
    """`fitted`: whoever altered it has made the digests in dispute.json fit."""
    members = base.members
    for name, data in members.items():
        other = WAYS[way](data)
        assert other != data
        made = (
            {**members, name: other} if other is not None else {n: d for n, d in members.items() if n != name}
        )
        fit = fitted and name != SUMMARY
        bad = base.rewritten({n: d for n, d in made.items() if d is not None}, fitted=fit)
        found = bad.verified()
        told = problems(found)
        assert not found.good, (name, way)
        assert any(name == file or name in words for words, file in told) or fit, (name, way, told)
        assert not bad.verified(key=False).good, (name, way, "by the file's own key")


@pytest.mark.parametrize("suffix", [".ndjson", ".json", ".har", ".pub"])
def test_members_that_change_places_are_found(base: File, suffix: str) -> None:
    members = base.members
    alike = [name for name in members if name.endswith(suffix)]
    other = alike[1] if len(alike) > 1 else PAGE
    swapped = {**members, alike[0]: members[other], other: members[alike[0]]}
    for fitted in (False, True):
        found = base.rewritten(swapped, fitted=fitted and SUMMARY not in (alike[0], other)).verified()
        assert not found.good


@pytest.mark.parametrize("name", ["a1/acme/more.txt", "notes.html", "a1/acme/har/000000000099.har"])
def test_a_member_that_nothing_names_is_found(base: File, name: str) -> None:
    for fitted in (False, True):
        told = problems(base.rewritten({**base.members, name: b"{}"}, fitted=fitted).verified())
        assert any(file == name for _, file in told), told


# --- an attacker who makes everything anew --------------------------------------------------------------


def contents_of(base: File) -> Contents:
    with dispute.opened(base.path.parent / "r", "acme") as stream:
        heads = [parse_head(line) for line in base.members["a1/acme/heads.ndjson"].splitlines()]
        return held(select(changed(stream, heads=heads), FIRST, LAST))


def forged(base: File, contents: Contents) -> list[tuple[str, str | None]]:
    """The problems of a file that was made anew of other contents."""
    found = base.rewritten(joined(members_of(contents))).verified()
    assert not found.good
    return problems(found)


def test_made_anew_of_the_same_it_is_the_same(base: File) -> None:
    assert joined(members_of(contents_of(base))) == base.members


def test_evidence_altered_and_all_made_to_fit_is_named(base: File) -> None:
    contents = contents_of(base)
    (identifier, (seq, text)), *_ = contents.evidence.items()
    evidence = {
        **contents.evidence,
        identifier: (seq, text.replace(b'"status_code":503', b'"status_code":200')),
    }
    told = forged(base, changed(contents, evidence=evidence))
    assert [words for words, _ in told] == [
        f"the evidence {identifier} of record {seq} was altered: it is not the one that the row names by its digest"
    ]


def test_evidence_left_out_and_all_made_to_fit_is_named(base: File) -> None:
    contents = contents_of(base)
    (identifier, (seq, _)), *rest = contents.evidence.items()
    told = forged(base, changed(contents, evidence=dict(rest)))
    assert [words for words, _ in told] == [
        f"the evidence {identifier} of record {seq} is missing, and nothing that the agent put on record says so"
    ]


@pytest.mark.parametrize("seq", [FIRST, FIRST + 1, LAST + 1, LAST + 100])
def test_evidence_that_no_record_names_does_not_belong_there(base: File, seq: int) -> None:
    """It is under no digest: whoever makes the file could write what he likes. Of a record, or of none."""
    contents = contents_of(base)
    _, text = next(iter(contents.evidence.values()))
    identifier = "f" * 32
    evidence = {**contents.evidence, identifier: (seq, text.replace(b"503", b"200"))}
    told = forged(base, changed(contents, evidence=evidence))
    name = f"a1/acme/evidence/{seq:012d}-{identifier}.json"
    assert (f"{name} does not belong into this file: nothing in it gives or names it", name) in told


@pytest.mark.parametrize("which", [0, 3, 7, -1])
def test_a_record_altered_and_all_made_to_fit_is_named(base: File, which: int) -> None:
    contents = contents_of(base)
    lines = list(contents.records.lines)
    lines[which] = lines[which].replace(b'"schema_version":1', b'"schema_version":2')
    at = FIRST + (which if which >= 0 else len(lines) - 1)
    told = forged(base, changed(contents, records=changed(contents.records, lines=tuple(lines))))
    assert any(f"record {at} " in words for words, _ in told), told


def test_records_rewritten_from_one_on_are_found(base: File) -> None:
    contents = contents_of(base)
    lines = [contents.records.lines[0].replace(b'"failed"', b'"ok"', 1)]
    for line in contents.records.lines[1:]:
        told = json.loads(line)
        told["previous"] = line_digest(lines[-1])
        lines.append(json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode())
    told_problems = forged(base, changed(contents, records=changed(contents.records, lines=tuple(lines))))
    assert any("was signed" in words for words, _ in told_problems), told_problems


def test_signed_anew_with_another_key_is_found_by_the_key_that_was_kept(base: File, tmp_path: Path) -> None:
    contents = contents_of(base)
    tmp_path.joinpath("k").mkdir()
    keys = Keys.open(tmp_path / "k")
    last = contents.records.lines[-1]
    head = Signer(keys, SystemClock()).sign(_head(25, last.decode()))  # type: ignore[arg-type]
    other = changed(contents, key=keys.public.pem(), heads=(canonical(head),))
    told = forged(base, other)
    assert any(file == "a1/agent.pub" and "another key" in words for words, file in told)
    own = base.rewritten(joined(members_of(other))).verified(key=False)
    assert (own.good, own.independent) == (True, False), "its own key proves only that it belongs together"


def test_cut_before_its_head_it_is_found(base: File) -> None:
    contents = contents_of(base)
    short = changed(contents, records=changed(contents.records, lines=contents.records.lines[:-3]))
    assert any("cut off" in words for words, _ in forged(base, short))


def test_a_newer_layout_is_refused_in_words(base: File) -> None:
    summary = base.members[SUMMARY].replace(b'"layout": 1', b'"layout": 2')
    told = problems(base.rewritten({**base.members, SUMMARY: summary}).verified())
    assert told == [
        ("dispute.json is of layout 2, and this version reads 1: use the version that made it", SUMMARY)
    ]


# --- the page -------------------------------------------------------------------------------------------


async def test_the_page_runs_nothing_loads_nothing_and_escapes_all(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    Keys.open(tmp_path / "r")
    store = Store.open(tmp_path / "r", "a1", SystemClock())
    await keep_nasty(store)
    await store.close()
    make(tmp_path / "r", tmp_path / "x.zip", "acme", seqs=(1, 1))
    file = File(tmp_path / "x.zip", key_of(tmp_path / "r", tmp_path / "k.pub"))
    assert file.verified().good
    text = file.members[PAGE].decode()
    assert "<script" not in text
    assert "<img" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "\u202e" not in text
    assert "\\u202egnp.\\u2066" in text
    assert not re.search(r"""(?:src|href)=["'](?:[a-z]+:|//)""", text)
    assert not re.search(r"\son[a-z]+=[\"']", text)
    assert "default-src &#39;none&#39;" in text
    pem = file.members["a1/acme/certificates/000000000001-0.pem"].decode()
    assert pem.count("BEGIN CERTIFICATE") == 2
    assert NASTY not in text


MEASURED = """
import resource, sys
from pathlib import Path
from probe.services.verification import verify
first, large = map(Path, sys.argv[1:])
assert verify(first).good
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert verify(large).good
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


async def test_memory_does_not_grow_with_what_is_in_the_file(base: File, tmp_path: Path) -> None:
    """The members are read one at a time: 32 of a megabyte and more need no more than one does."""
    (tmp_path / "r").mkdir()
    Keys.open(tmp_path / "r")
    store = Store.open(tmp_path / "r", "a1", SystemClock())
    for second in range(16):
        row = failed(second)
        digest = store.put_bundle(bundle_of(row, random.Random(second).randbytes(1_000_000)))
        await store.append([with_values(row, evidence_sha256=digest)])
    await store.close()
    make(tmp_path / "r", tmp_path / "large.zip", "acme", seqs=(1, 16))
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, base.path, tmp_path / "large.zip"],
        capture_output=True, text=True, timeout=100, check=True,
    )  # fmt: skip
    assert int(done.stdout) < 25, "MiB more; all of it together is 40"


MEASURED_MAKING = """
import resource, sys
from pathlib import Path
from probe.services.dispute import make
small, large = map(Path, sys.argv[1:3])
make(small, small / "made.zip", "acme", seqs=(1, 1))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
make(large, large / "made.zip", "acme", seqs=(1, int(sys.argv[3])))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.long
async def test_memory_does_not_grow_with_what_is_put_into_it(tmp_path: Path) -> None:
    """Records and bundles go from where they are kept to the file one at a time: 36 MB of lines, 16 of bundles.

    Nor does it when the file is verified, as it is before it has its name.
    """
    # The page does not show it of slots that are well.
    long = with_values(seen(), url="https://www.acme.example/" + "".join(map(chr, range(97, 123))) * 350)
    for name, bundles, lines in (("small", 1, 0), ("large", 16, 4_000)):
        (tmp_path / name).mkdir()
        Keys.open(tmp_path / name)
        store = Store.open(tmp_path / name, "a1", SystemClock())
        for turn in range(bundles):
            row = failed(turn)
            digest = store.put_bundle(bundle_of(row, random.Random(turn).randbytes(1_000_000)))
            await store.append([with_values(row, evidence_sha256=digest)])
        for turn in range(100, 100 + lines, 400):
            await store.append([slot(turn + each, observations=(long,)) for each in range(400)])
        await store.close()
    done = subprocess.run(
        [sys.executable, "-c", MEASURED_MAKING, tmp_path / "small", tmp_path / "large", "4016"],
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    assert int(done.stdout) < 30, "MiB more"


def test_whether_a_member_is_there_is_known_without_reading_it(
    base: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Container(base.path) as container:
        members = Members(container)
        monkeypatch.setattr(Container, "pieces", None)
        assert PAGE in members
        assert "another" not in members


def test_what_changes_while_the_file_is_made_makes_none(base: File, tmp_path: Path) -> None:
    """It is gone through twice: what retention, or somebody else, changes between is not put into a file."""
    text = [""]

    class Changing(dict[str, tuple[int, bytes]]):
        def values(self) -> Any:
            text[0] += " "
            return [(seq, body + text[0].encode()) for seq, body in super().values()]

        def __getitem__(self, key: str) -> tuple[int, bytes]:
            seq, body = super().__getitem__(key)
            return seq, body + text[0].encode()

    contents = contents_of(base)
    with pytest.raises(ValueError, match="changed while the file was made"):
        dispute.write(changed(contents, evidence=Changing(contents.evidence)), tmp_path / "x.zip")
    assert list(tmp_path.iterdir()) == []


def test_nothing_secret_is_in_it(base: File) -> None:
    private = (base.path.parent / "r" / "_agent.key").read_bytes().splitlines()[1]
    assert len(private) > 20
    for name, data in base.members.items():
        assert private not in data, name
        assert b"PRIVATE" not in data, name


def test_the_layout_is_counted_up_when_what_is_derived_changes() -> None:
    """Files that were given away must go on verifying: whoever changes what is derived counts LAYOUT up."""
    row = failed(3)
    from probe.core.model.value import replace

    row = replace(row, seq=7, host=replace(HOST, config_digest="c1"))
    text = json.dumps({}).encode()
    overview = Overview()
    for record in (row, replace(event("agent.started"), seq=8)):
        overview.add(record)
    shown = Shown(
        overview=overview,
        bundle=bundle_of,
        heads=(),
        place="a1/acme",
        summary={
            "agent": "a1", "customer": "acme", "first_seq": 7, "last_seq": 8, "keys": [], "config_digests": ["c1"],
            "agent_versions": ["0"], "records_gone": [[4, 5]], "evidence": 1, "evidence_gone": [3],
            "evidence_under_no_digest": [4], "time_stamps": 0,
        },
    )  # fmt: skip
    assert (LAYOUT, hashlib.sha256(page(shown) + text).hexdigest()[:16]) == (1, "f38c72cd08797cf8")
