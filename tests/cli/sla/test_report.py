"""`sla report` as a user types it, on what version 0.1 stored and a pull brought."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from probe.seal.keys import Keys
from probe.sla.write import report_schema
from tests.fixtures.frozen import unpacked
from tests.interface.command import cdn_probe

ROOT = Path(__file__).parents[3]
A = ROOT / "config" / "agreements" / "a-cloud-cdn-sla.yaml"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked("copy", tmp_path_factory.mktemp("fixture"))


@pytest.fixture
def kernel_alone(tmp_path: Path) -> Path:
    """An agreement without any demand on clocks that rows of 0.1 can meet, and with the grains of the lab."""
    text = A.read_text(encoding="utf-8")
    file = tmp_path / "a.yaml"
    file.write_text(text + "\noverrides: {grain: {length: 5s}, run: {at_least: 10s}}\n", encoding="utf-8")
    return file


def test_a_report_fits_a_terminal_and_says_what_it_rests_on(copy: Path) -> None:
    done = cdn_probe("sla", "report", A, copy)
    assert done.code == 3, done.err
    assert "www.shop.example, 2026-11: not decided" in done.out
    assert "signed up to 194" in done.out
    assert "agreement " in done.out
    assert all(len(line) <= 80 for line in done.out.splitlines())


def test_two_runs_and_both_engines_give_the_same_bytes(copy: Path, kernel_alone: Path) -> None:
    one, other = (cdn_probe("sla", "report", kernel_alone, copy, "--format", "json").out for _ in range(2))
    assert one == other
    plain = cdn_probe("sla", "report", kernel_alone, copy, "--format", "json", "--engine", "python").out
    assert json.loads(plain)["subjects"] == json.loads(one)["subjects"]


def test_the_json_is_of_its_schema_and_says_the_exit_code(copy: Path) -> None:
    done = cdn_probe("sla", "report", A, copy, "--format", "json")
    value = json.loads(done.out)
    jsonschema.Draft202012Validator(report_schema()).validate(value)
    assert value["code"] == done.code == 3
    assert value["inputs"][0]["last_digest"]


def test_the_same_rows_twice_count_once(copy: Path, kernel_alone: Path) -> None:
    one = json.loads(cdn_probe("sla", "report", kernel_alone, copy, "--format", "json").out)
    two = json.loads(cdn_probe("sla", "report", kernel_alone, copy, copy, "--format", "json").out)
    assert one["subjects"] == two["subjects"]


def test_csv_has_a_line_for_each_figure_and_part(copy: Path) -> None:
    done = cdn_probe("sla", "report", A, copy, "--format", "csv")
    lines = done.out.splitlines()
    assert lines[0].startswith("customer,domain,period,begin,end,word,why")
    assert sum(",whole,," in line for line in lines) == 4 * 2
    assert any(",address,127.0.1.1," in line for line in lines)


def test_an_altered_copy_is_refused_with_the_place(copy: Path, tmp_path: Path) -> None:
    altered = tmp_path / "altered"
    shutil.copytree(copy, altered)
    file = next(altered.glob("*/shop/0*.ndjson"))
    file.write_text(file.read_text().replace('"fault":"cdn"', '"fault":"origin"', 1))
    done = cdn_probe("sla", "report", A, altered)
    assert done.code == 2
    assert f"{altered}/lab-agent/shop/{file.name}:" in done.err
    assert done.out == ""
    taken = cdn_probe("sla", "report", A, altered, "--unverified", "to see what it would say")
    assert taken.code == 3
    assert "UNVERIFIED INPUT, taken all the same: to see what it would say" in taken.out


def test_a_foreign_key_is_refused(copy: Path, tmp_path: Path) -> None:
    key = tmp_path / "_agent"
    key.mkdir()
    Keys.open(key)
    done = cdn_probe("sla", "report", A, copy, "--key", key / "agent.pub")
    assert done.code == 2
    assert "another key" in done.err
    assert done.out == ""


def test_rows_of_another_customer_alone_cannot_be_reported_on(copy: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(
        A.read_text(encoding="utf-8").replace("customer: shop", "customer: nobody"), encoding="utf-8"
    )
    done = cdn_probe("sla", "report", file, copy)
    assert done.code == 2
    assert "no rows of customer nobody in these inputs; there are those of media, shop" in done.err


def test_a_domain_that_nobody_measured_is_told_and_is_not_kept(copy: Path, tmp_path: Path) -> None:
    """Left out, the others' word would stand for it."""
    file = tmp_path / "a.yaml"
    text = A.read_text(encoding="utf-8").replace("img.shop.example]", "img.shop.example, new.shop.example]")
    file.write_text(text, encoding="utf-8")
    done = cdn_probe("sla", "report", file, copy)
    assert "new.shop.example, 2026-11: not decided: because there is no row of the period" in done.out
    twice = cdn_probe("sla", "report", file, copy, "--period", "2026-11", "--period", "2026-11")
    assert twice.out.count("new.shop.example, 2026-11:") == 1


def test_a_period_is_named_as_the_contract_has_it(copy: Path) -> None:
    done = cdn_probe("sla", "report", A, copy, "--period", "2026-12")
    assert done.code == 3
    assert "2026-12: not decided: because there is no row of the period" in done.out
    assert cdn_probe("sla", "report", A, copy, "--period", "2026").code == 2


def test_a_blank_is_named_and_nothing_is_computed(copy: Path, tmp_path: Path) -> None:
    file = tmp_path / "e.yaml"
    text = (ROOT / "config/agreements/f-storage-year.yaml").read_text(encoding="utf-8")
    file.write_text(text.replace("  deadlines: {response: {within: 1h}}\n", ""), encoding="utf-8")
    done = cdn_probe("sla", "report", file, copy)
    assert done.code == 2
    assert "still to be agreed: deadlines.response.within" in done.err


def test_a_dispute_file_is_of_an_incident_that_there_is(copy: Path, tmp_path: Path) -> None:
    half = cdn_probe("sla", "report", A, copy, "--dispute", "www.shop.example/2026-11/1")
    assert half.code == 2
    assert "--into FILE" in half.err
    unknown = cdn_probe("sla", "report", A, copy, "--dispute", "x/2026-11/1", "--into", tmp_path / "d")
    assert unknown.code == 2
    assert "there are: www.shop.example/2026-11/1" in unknown.err


def test_a_missing_segment_is_refused_with_its_numbers(tmp_path: Path) -> None:
    results = unpacked("segments", tmp_path)
    ends = sorted(results.rglob("*shop*.manifest.json")) or sorted(results.rglob("*.manifest.json"))
    of_shop = [file for file in ends if "/shop/" in str(file)]
    assert len(of_shop) > 2
    of_shop[1].unlink()
    done = cdn_probe("sla", "report", A, results)
    assert done.code == 2
    assert "no segment has records" in done.err


def test_a_traffic_file_stands_beside_the_figures(copy: Path, tmp_path: Path) -> None:
    columns = "{domain: d, node: edge, time: t, requests: r, errors_5xx: e}"
    file = tmp_path / "a.yaml"
    more = f"traffic: {{file: t.csv, columns: {columns}, from: provider}}\n"
    file.write_text(A.read_text(encoding="utf-8") + more, encoding="utf-8")
    told = tmp_path / "t.csv"
    told.write_text(
        "d,edge,t,r,e\nwww.shop.example,127.0.1.1,2026-11-29T06:15:00Z,2000,2\n", encoding="utf-8"
    )
    done = cdn_probe("sla", "report", file, copy)
    assert done.code == 3, done.err
    assert "traffic file of the provider: 2000 requests, 2 errors" in " ".join(done.out.split())
    html = cdn_probe("sla", "report", file, copy, "--format", "html", "--language", "zh")
    assert "流量文件" in html.out
    told.write_text(
        "d,edge,t,r,e\nwww.shop.example,127.0.1.1,2026-11-29T06:15:00Z,2000,x\n", encoding="utf-8"
    )
    broken = cdn_probe("sla", "report", file, copy)
    assert broken.code == 2
    assert f"{told}:2: " in broken.err


def test_what_is_not_computed_is_said(copy: Path, tmp_path: Path) -> None:
    leased = cdn_probe("sla", "report", A.with_name("e-leased-line.yaml"), copy)
    assert "not computed: use of bandwidth, and loss" in " ".join(leased.out.split())
    assert "cumulated_fault_time" in leased.out
    annex = cdn_probe("sla", "report", A.with_name("b-cdn-annex.yaml"), copy, "--language", "zh")
    assert "未计算: 运营商线路中断的切换时间" in annex.out
    assert "带宽突增时的响应时间" not in annex.out, "a surge is declared"
    cloud = " ".join(cdn_probe("sla", "report", A, copy).out.split())
    assert cloud.count("not computed:") == 2, "once for each of two domains"
    assert "not computed: requests of others lost to a dead node: no traffic file is given" in cloud
    assert "no incident is declared" not in annex.out
    bare = A.with_name("b-cdn-annex.yaml").read_text(encoding="utf-8").partition("incidents:")[0]
    file = tmp_path / "b.yaml"
    file.write_text(bare, encoding="utf-8")
    nothing = " ".join(cdn_probe("sla", "report", file, copy).out.split())
    for words in ("no incident is declared", "no complaint is declared", "under a surge: none is declared"):
        assert words in nothing


def test_a_spark_session_that_is_not_there_is_told_in_words(copy: Path) -> None:
    def told(*options: str) -> str:
        done = cdn_probe("sla", "report", A, copy, "--engine", "spark", *options)
        assert done.code == 2
        return done.err

    assert "needs a session: --connect sc://HOST:PORT" in told()
    assert "not the address of a Spark Connect server" in told("--connect", "http://127.0.0.1:15002")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{nobody.getsockname()[1]}"
        said = told("--connect", f"sc://{place}/;token=secret")
    assert f"Spark at {place} cannot be reached" in said
    assert "secret" not in said


def test_a_key_that_is_none_is_told_under_overrides_as_elsewhere(copy: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(
        A.read_text(encoding="utf-8") + "\noverrides: {grain: {lenght: 5s}, rnu: {}}\n", encoding="utf-8"
    )
    done = cdn_probe("sla", "report", file, copy)
    assert done.code == 2
    assert (
        "overrides grain.lenght: unknown key 'lenght': did you mean 'length'? Valid here: aligned_to, "
        in done.err
    )
    assert "overrides rnu: unknown key 'rnu': did you mean 'run'? Valid here: " in done.err
    assert "Extra inputs" not in done.err


def test_a_period_of_an_agreement_over_a_span_is_not_passed_over(copy: Path) -> None:
    """It was: whoever asked for November got the span, whatever it was."""
    acceptance = A.with_name("d-acceptance.yaml")
    done = cdn_probe("sla", "report", acceptance, copy, "--period", "2026-11")
    assert done.code == 2
    assert "'2026-11' is no period of this agreement: it has one, from 2026-01-01T00:00:00+08:00" in done.err
    assert cdn_probe("sla", "report", acceptance, copy, "--period", "span").code != 2


def test_words_that_are_none_excuse_nothing(copy: Path) -> None:
    done = cdn_probe("sla", "report", A, copy, "--unverified", " ")
    assert done.code == 2
    assert "--unverified wants words" in done.err


def test_a_file_of_heads_that_is_none_is_told_by_the_name_it_was_given(copy: Path) -> None:
    done = cdn_probe("sla", "report", A, copy, "--heads", A)
    assert done.code == 2
    assert f"\n{A}: not a signed head" in done.err or f"\n{A}:1: " in done.err, done.err


def test_a_file_that_is_not_there_is_told_without_numbers(copy: Path, tmp_path: Path) -> None:
    away = tmp_path / "away" / "report.txt"
    done = cdn_probe("sla", "report", A, copy, "--output", away)
    assert (done.code, done.err) == (2, f"cdn-probe: {away}: No such file or directory\n")
    done = cdn_probe("sla", "report", away, copy)
    assert (done.code, done.err) == (2, f"cdn-probe: {away}: No such file or directory\n")


def test_a_segment_that_cannot_be_read_is_told_with_what_to_do(tmp_path: Path) -> None:
    segments = unpacked("segments", tmp_path)
    first = min(segments.glob("**/shop/**/*-0*.ndjson.zst"))
    whole = first.read_bytes()
    for content in (whole[: len(whole) // 2], None):
        first.unlink() if content is None else first.write_bytes(content)
        done = cdn_probe("sla", "report", A, segments, "--unverified", "a disk that fails")
        assert done.code == 2
        assert str(first) in done.err
        assert "take the files of this segment out of the input" in done.err
    for file in first.parent.glob(first.name.removesuffix(".ndjson.zst") + ".*"):
        file.unlink()
    assert cdn_probe("sla", "report", A, segments, "--unverified", "a disk that fails").code == 3


def test_a_reader_that_closed_the_pipe_is_no_breach(copy: Path) -> None:
    """1 would say that one is shown."""
    command = [sys.executable, "-m", "probe", "sla", "report", str(A), str(copy), "--format", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 141
