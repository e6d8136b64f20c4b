"""`cdn-probe init`: what a new user types first; its files pass `check-config` and measure."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from probe.checks import CHECKS
from probe.cli.main import cli
from probe.cli.setup.first_files import (
    FirstAgent,
    FirstCustomer,
    agent_text,
    customer_text,
    proposed_suffixes,
)
from probe.core.config.load import parse_agent, parse_customer
from probe.lab.lab import Lab
from probe.settings.config_files import load_config
from tests.interface.command import cdn_probe as typed
from tests.support.agent_process import cdn_probe

WWW = "www.shop.example"
TYPED = ("--domain", f"https://{WWW}/a?b=1", "--origin", "198.51.100.10")


@pytest.mark.parametrize(
    ("targets", "suffixes"),
    [
        ((), ()),
        (("www.shop.example.cdn.example.net.",), ("cdn.example.net",)),
        (("e42.cdn.example.net.",), ("cdn.example.net",)),
        (("WWW.Shop.Example.CDN.example.net",), ("cdn.example.net",)),
        (("edge.shop.example.", "a.b.example.org.", "c.example.net."), ("b.example.org",)),
        (("edge.shop.example.",), ()),
        (("example.net.",), ("example.net",)),
    ],
)
def test_the_zone_that_the_chain_enters_first_is_proposed(
    targets: tuple[str, ...], suffixes: tuple[str, ...]
) -> None:
    assert proposed_suffixes(WWW, targets) == suffixes


@pytest.mark.parametrize(
    "text", ["plain", "China Telecom", "a: b", "# no", "007", "yes", "联通", 'q"uote', "e5", "1e5"]
)
def test_whatever_is_typed_is_read_back_as_typed(text: str) -> None:
    agent = FirstAgent(
        agent="a", results=text, vantage_point="local", region=None, carrier=text,
        resolvers=("udp://192.0.2.53",), allow_addresses=("10.0.0.0/8",), schema=None,
    )  # fmt: skip
    read = parse_agent(agent_text(agent), "agent.yaml")
    assert (read.vantage_points[0].carrier, Path(read.results).name) == (text, text)
    customer = FirstCustomer(
        customer="a", domain=WWW, scheme="https", port=443, path=f"/{text.replace(' ', '')}", ip_version=6,
        origin_address="2001:db8::1", origin_scheme="http", origin_port=80, vantage_point="local",
        targets=("x.cdn.example.net.",), suffixes=("cdn.example.net",), ca=None, schema=None,
    )  # fmt: skip
    made = customer_text(customer)
    assert yaml.safe_load(made)["domains"][0]["objects"][0]["path"] == f"/{text.replace(' ', '')}"


def test_two_files_are_written_that_are_good(tmp_path: Path) -> None:
    made = CliRunner().invoke(
        cli, ["init", "--into", str(tmp_path / "c d"), "--no-look", "--region", "CN-BJ", *TYPED]
    )
    assert made.exit_code == 0, made.output
    assert f"cdn-probe check-config -c '{tmp_path}/c d/agent.yaml'" in made.stdout
    assert "198.51.100.10 is reserved: it is refused until allow_addresses" in made.stderr
    config = load_config(tmp_path / "c d" / "agent.yaml", CHECKS)
    (customer,) = config.customers
    (item,) = customer.objects
    assert (customer.customer, item.domain, item.request.path) == ("shop", WWW, "/a?b=1")
    assert config.agent.vantage_points[0].region == "CN-BJ"


def test_a_second_customer_joins_the_first_and_nothing_is_overwritten(tmp_path: Path) -> None:
    arguments = ["init", "--into", str(tmp_path), "--no-look", *TYPED]
    assert CliRunner().invoke(cli, arguments).exit_code == 0
    before = {file: file.read_bytes() for file in tmp_path.rglob("*.yaml")}
    again = CliRunner().invoke(cli, arguments)
    assert again.exit_code == 1
    assert "shop.yaml is there already: edit it, or give another --customer" in again.output
    joined = CliRunner().invoke(cli, [*arguments, "--customer", "other"])
    assert joined.exit_code == 0, joined.output
    assert {file: file.read_bytes() for file in before} == before
    assert {c.customer for c in load_config(tmp_path / "agent.yaml", CHECKS).customers} == {"shop", "other"}
    elsewhere = CliRunner().invoke(cli, [*arguments, "--customer", "third", "--vantage", "moon"])
    assert "has no vantage point 'moon': local" in elsewhere.output
    assert not (tmp_path / "customers" / "third.yaml").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "there is no terminal to ask on: give --domain and --origin"),
        (("--domain", WWW), "there is no terminal to ask on: give --origin"),
        (("--domain", "192.0.2.1", "--origin", "192.0.2.1"), "192.0.2.1 is an address"),
        (("--domain", "ftp://x", "--origin", "192.0.2.1"), "is no http or https URL"),
        (("--domain", WWW, "--origin", "gopher://x"), "is no address, such as"),
        (("--customer", "Ä", *TYPED), "is no name"),
        (("--resolver", "what", "--no-look", *TYPED), "what"),
        (("--allow", "what", "--no-look", *TYPED), "what"),
        (("--ca", "/nowhere/ca.pem", *TYPED), "/nowhere/ca.pem"),
    ],
)
def test_what_cannot_be_used_is_said_and_nothing_is_written(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    made = typed("init", "--into", tmp_path / "c", *arguments)
    assert (made.code, made.out.count("wrote")) == (2, 0), made.out
    assert words in made.err
    assert "Traceback" not in made.err
    assert not (tmp_path / "c").exists()


def test_what_was_not_typed_is_asked_for_until_it_can_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("probe.cli.setup.making._can_ask", lambda: True)
    answers = "192.0.2.1\nwww.acme.example\nftp://x\n198.51.100.10:8080\n\n"
    made = CliRunner().invoke(cli, ["init", "--into", str(tmp_path), "--no-look"], input=answers)
    assert made.exit_code == 0, made.output
    assert "Name of the customer [acme]:" in made.output
    text = (tmp_path / "customers" / "acme.yaml").read_text()
    customer = parse_customer(text, "acme.yaml", kinds=CHECKS, vantage_points=("local",))
    origin = customer.objects[0].origin
    assert origin is not None
    assert (origin.address, origin.request.port) == ("198.51.100.10", 8080)


async def test_a_look_proposes_the_zone_of_the_cdn_and_the_files_measure(lab: Lab, tmp_path: Path) -> None:
    known = yaml.safe_load(lab.write_config(tmp_path / "lab").read_text())["vantage_points"][0]
    origin = yaml.safe_load((tmp_path / "lab/customers/shop.yaml").read_text())["domains"][0]["origin"]
    made = await cdn_probe(
        "init", "--into", tmp_path / "own", "--domain", f"https://{WWW}:{lab.https_port}/",
        "--origin", f"{origin['address']}:{origin['port']}", "--resolver", known["resolvers"][0],
        "--ca", tmp_path / "lab/lab-ca.pem", "--allow", "127.0.0.0/8",
    )  # fmt: skip
    assert (made.code, made.err) == (0, ""), made.err + made.out
    agent = tmp_path / "own" / "agent.yaml"
    text = (tmp_path / "own/customers/shop.yaml").read_text()
    assert 'cdn: {suffixes: ["lab-cdn.example"]}' in text
    once = await cdn_probe("once", "-c", agent)
    assert once.code == 0, once.out + once.err
    assert max(map(len, (agent.read_text() + text).splitlines())) <= 110
