"""Attacks on whole files: taken away, swapped, signed anew with another key; what a witness of one's own is worth."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import random
import shutil
from pathlib import Path

import pytest

from probe.core.proof.chain import Head, line_digest
from probe.core.proof.manifest import parse_manifest
from probe.core.proof.signed_head import parse_head
from probe.seal.keys import KeyFileError, Keys, Signer
from probe.services.verification import NothingToVerify, Verification, verify
from tests.seal.attacks import InCopy, InSegments, chained_anew
from tests.seal.made import AGENT, COUNT, CUSTOMERS, STATE, Made, SetClock, filled, made, pulled

TIMES = 50


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made(tmp_path_factory.mktemp("proof"))


def kinds(found: Verification, customer: str | None = None) -> set[str]:
    told = {p.kind.value for r in found.streams if customer in (None, r.customer) for p in r.problems}
    return told | {p.kind.value for p in found.problems}


def sealed_files(root: Path, customer: str, ending: str) -> list[Path]:
    return sorted((root / customer).glob(f"*/*{ending}"))


def test_a_segment_that_was_taken_away_is_found(world: Made, tmp_path: Path) -> None:
    here = InSegments(world.cloned(tmp_path), "acme").path
    for seed in range(TIMES):
        rng = random.Random(seed)
        names = [path.name.removesuffix(".ndjson.zst") for path in sealed_files(here, "acme", ".ndjson.zst")]
        which = rng.randrange(1, len(names))
        endings = rng.choice([[".ndjson.zst"], [".manifest.json"], [".ndjson.zst", ".manifest.json"]])
        moved = [path for e in endings for path in sealed_files(here, "acme", names[which] + e)]
        for path in moved:
            path.rename(tmp_path / path.name)
        found = verify(here, [world.key])
        wanted = (
            {"file", "missing"} if endings[0].endswith("zst") and len(endings) == 1 else {"missing_segment"}
        )
        if which == len(names) - 1 and ".manifest.json" in endings:
            wanted = {"truncated"}
        assert kinds(found, "acme") == wanted, (seed, found)
        assert not kinds(found, "other")
        first = next(p.seq for r in found.streams for p in r.problems)
        assert first == which * 12 + 1
        for path in moved:
            (tmp_path / path.name).rename(path)
    assert verify(here, [world.key]).good


def test_files_swapped_between_customers_are_found(world: Made, tmp_path: Path) -> None:
    here = InSegments(world.cloned(tmp_path), "acme").path
    for ending, wanted in ((".ndjson.zst", {"file", "foreign"}), (".manifest.json", {"foreign"})):
        for seed in range(TIMES // 2):
            which = random.Random(seed).randrange(5)
            a, b = (sealed_files(here, name, ending)[which] for name in CUSTOMERS)
            for _ in range(2):
                found = verify(here, [world.key]) if a.stat().st_size and _ else None
                if found is not None:
                    assert kinds(found, "acme") >= wanted, (seed, found)
                    assert kinds(found, "other") >= wanted
                a.rename(tmp_path / "x")
                b.rename(a)
                (tmp_path / "x").rename(b)
            assert verify(here, [world.key]).good


@pytest.mark.parametrize("where", ["copy", "results"])
def test_directories_swapped_between_customers_are_found(world: Made, tmp_path: Path, where: str) -> None:
    mine = world.cloned(tmp_path)
    here = mine.copy / AGENT if where == "copy" else InSegments(mine, "acme").path
    (here / "acme").rename(here / "x")
    (here / "other").rename(here / "acme")
    (here / "x").rename(here / "other")
    found = verify(mine.copy if where == "copy" else here, [world.key])
    assert "foreign" in kinds(found, "acme")
    assert "foreign" in kinds(found, "other")


def test_a_copy_under_another_agents_name_is_found(world: Made, tmp_path: Path) -> None:
    mine = world.cloned(tmp_path)
    (mine.copy / AGENT).rename(mine.copy / "a2")
    found = verify(mine.copy, [world.key])
    assert {r.agent for r in found.streams if r.problems} >= {"a2"}
    assert "foreign" in kinds(found)


def signed_anew(root: Path, keys: Keys) -> None:
    """Sign every head and manifest below a directory with a key of one's own, as well as can be."""
    before: dict[str, str] = {}
    for path in sorted(root.rglob("*.manifest.json")):
        told = json.loads(path.read_bytes())
        told["key"] = told["head"]["key"] = keys.id
        if told["previous_manifest"] is not None:
            told["previous_manifest"] = before[told["customer"]]
        head = parse_head(told["head"])
        told["head"]["signature"] = keys_sign(keys, head.text())
        manifest = parse_manifest(json.dumps(told).encode())
        path.chmod(0o640)
        path.write_text(json.dumps(keys.sign_manifest(manifest).to_json()))
        before[told["customer"]] = hashlib.sha256(path.read_bytes()).hexdigest()
    for path in root.rglob("HEAD.json"):
        path.write_text(json.dumps(anew(json.loads(path.read_text()), keys)))
    for path in root.rglob("heads.ndjson"):
        lines = [anew(json.loads(line), keys) for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for path in root.rglob("agent.pub"):
        path.write_bytes(keys.public.pem())


def anew(told: dict[str, object], keys: Keys) -> dict[str, object]:
    told["key"] = keys.id
    return {**told, "signature": keys_sign(keys, parse_head(told).text())}


def keys_sign(keys: Keys, text: bytes) -> str:
    return base64.b64encode(keys._private.sign(text)).decode()


@pytest.mark.parametrize("where", ["copy", "results"])
def test_signed_anew_with_another_key_is_found_by_whoever_kept_the_right_one(
    world: Made, tmp_path: Path, where: str
) -> None:
    mine = world.cloned(tmp_path)
    (tmp_path / "forger").mkdir()
    root = mine.copy if where == "copy" else mine.results
    signed_anew(root, Keys.open(tmp_path / "forger"))
    found = verify(root, [world.key])
    assert "other_key" in kinds(found, "acme")
    assert not found.good
    beside = verify(root)
    assert beside.good, "nothing else can tell"
    assert not beside.independent


def test_one_head_with_another_signature_is_found(world: Made, tmp_path: Path) -> None:
    mine = world.cloned(tmp_path)
    heads = mine.copy / AGENT / "acme" / "heads.ndjson"
    whole = heads.read_text()
    lines = whole.splitlines()
    for seed in range(TIMES):
        rng = random.Random(seed)
        told = json.loads(lines[rng.randrange(len(lines))])
        key = rng.choice(
            ["seq", "digest", "at", "complete_up_to", "signature", "customer", "clock_synchronised"]
        )
        value = {"seq": told["seq"] + 1, "clock_synchronised": None, "customer": "other"}
        told[key] = value.get(key, "A" + str(told[key])[1:] + ("A" if key == "signature" else "x"))
        heads.write_text(whole + json.dumps(told) + "\n")
        found = verify(mine.copy, [world.key])
        assert "bad_signature" in kinds(found), (seed, key, found)
        assert not found.good
        heads.write_text(whole)


def test_without_heads_a_key_from_elsewhere_proves_nothing_and_that_is_said(
    world: Made, tmp_path: Path
) -> None:
    mine = world.cloned(tmp_path)
    for path in mine.copy.rglob("heads.ndjson"):
        path.unlink()
    assert kinds(verify(mine.copy, [world.key])) == {"unsigned"}
    assert verify(mine.copy).good, "the lines themselves fit together"
    assert all(r.signed_up_to is None for r in verify(mine.copy).streams)


def test_what_the_holder_of_the_key_makes_anew_is_found_by_any_witness(world: Made, tmp_path: Path) -> None:
    """The agent's own operator rewrites everything, signatures and all; one puller kept its heads."""
    mine = world.cloned(tmp_path)
    held = InCopy(mine, "acme")
    lines = list(held.whole)
    chained_anew(lines, 20, random.Random(1))
    held.write(lines)
    before = tmp_path / "kept.ndjson"
    (mine.copy / AGENT / "acme" / "heads.ndjson").rename(before)
    keys = Keys.open(mine.results)
    signed = Signer(keys, SetClock(), lambda: STATE).sign(
        Head(agent=AGENT, customer="acme", seq=COUNT, digest=line_digest(lines[-1].encode()))
    )
    (mine.copy / AGENT / "acme" / "heads.ndjson").write_text(json.dumps(signed) + "\n")
    assert verify(mine.copy, [world.key]).good, "by the key alone it cannot be told"
    found = verify(mine.copy, [world.key], [before])
    assert {"rewritten", "forked"} & kinds(found, "acme")
    assert not found.good


def test_a_copy_cut_since_the_last_pull_is_found_though_its_head_lies_further(
    world: Made, tmp_path: Path
) -> None:
    pulled(world.results, tmp_path / "copy", noted=True)
    place = tmp_path / "copy" / AGENT / "acme"
    heads = place / "heads.ndjson"
    entries = [json.loads(line) for line in heads.read_text().splitlines()]
    for entry in entries:  # each page came with the head as it was by then: further than the page
        entry["head"] = entries[-1]["head"]
    heads.write_text("".join(json.dumps(entry) + "\n" for entry in entries[:2]))
    for path in sorted(place.glob("0*.ndjson"))[2:]:
        path.unlink()
    found = verify(tmp_path / "copy")
    assert found.good
    assert any("pull on" in note for r in found.streams for note in r.notes)
    sorted(place.glob("0*.ndjson"))[-1].unlink()
    assert kinds(verify(tmp_path / "copy")) == {"truncated"}


def test_a_witness_is_never_excused_by_the_copys_own_notes(world: Made, tmp_path: Path) -> None:
    """The copy is cut, and its notes are made to fit; what another puller kept is the same head, and lies beyond."""
    pulled(world.results, tmp_path / "copy", noted=True)
    place = tmp_path / "copy" / AGENT / "acme"
    heads = place / "heads.ndjson"
    witness = tmp_path / "witness.ndjson"
    shutil.copy(heads, witness)
    for path in sorted(place.glob("0*.ndjson"))[2:]:
        path.unlink()
    last = sorted(place.glob("0*.ndjson"))[-1].read_text().splitlines()[-1]
    end = {"seq": json.loads(last)["seq"], "digest": line_digest(last.encode())}
    entries = [json.loads(line) for line in heads.read_text().splitlines()]
    heads.write_text("".join(json.dumps({**entry, **end}) + "\n" for entry in entries[-1:]))
    assert verify(tmp_path / "copy").good, "it ends where it says that its last pull ended"
    found = verify(tmp_path / "copy", [world.key], [witness])
    assert kinds(found, "acme") == {"truncated"}
    assert any(f"record {COUNT} was signed" in p.words for r in found.streams for p in r.problems)


def test_a_store_made_anew_is_held_against_what_the_sealer_noted(world: Made, tmp_path: Path) -> None:
    """Segments may be moved away; who rewrites the store as well has to be found by what is left."""
    results = world.cloned(tmp_path).results
    for customer in CUSTOMERS:
        shutil.rmtree(results / customer)
    assert verify(results, [world.key]).good
    for name in ("results.db", "_parts"):
        shutil.move(results / name, tmp_path / name)
    asyncio.run(filled(results, count=20))
    found = verify(results, [world.key])
    assert [(r.customer, {str(p.kind) for p in r.problems}) for r in found.streams] == [
        (customer, {"truncated"}) for customer in CUSTOMERS
    ]
    assert "_seal.json" in found.streams[0].problems[0].words


def test_a_pull_that_was_cut_off_within_a_line_is_not_accused(world: Made, tmp_path: Path) -> None:
    pulled(world.results, tmp_path / "copy", noted=True)
    last = sorted((tmp_path / "copy" / AGENT / "acme").glob("0*.ndjson"))[-1]
    with open(last, "ab") as file:
        file.write(b'{"schema_version":1,"kind":"sl')
    found = verify(tmp_path / "copy")
    assert found.good
    assert any("ends within a line" in note for r in found.streams for note in r.notes)


def test_older_files_of_a_copy_that_are_gone_are_a_fault_where_it_had_them(
    world: Made, tmp_path: Path
) -> None:
    pulled(world.results, tmp_path / "copy", noted=True)
    (tmp_path / "copy" / AGENT / "acme" / "000000000001.ndjson").unlink()
    assert kinds(verify(tmp_path / "copy")) == {"missing"}


def test_one_file_alone(world: Made) -> None:
    path = world.copy / AGENT / "acme" / "000000000018.ndjson"
    found = verify(path, [])
    (report,) = found.streams
    assert (found.good, report.first_seq, report.last_seq, report.customer) == (True, 18, 34, "acme")
    assert (
        verify(path, [world.key], [path.parent / "heads.ndjson"]).streams[0].problems[0].kind == "truncated"
    )


def test_nothing_to_verify_and_no_key_are_said(world: Made, tmp_path: Path) -> None:
    with pytest.raises(NothingToVerify, match="no results here"):
        verify(tmp_path)
    mine = tmp_path / "copy"
    shutil.copytree(world.copy, mine)
    (mine / AGENT / "agent.pub").unlink()
    with pytest.raises(KeyFileError, match="name it with --key"):
        verify(mine)
    (tmp_path / "rubbish.pem").write_text("x")
    with pytest.raises(KeyFileError, match="no public key in PEM"):
        verify(mine, [tmp_path / "rubbish.pem"])
