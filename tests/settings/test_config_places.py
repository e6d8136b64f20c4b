"""Where customers' files lie, how they are named, and what it means that one is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from probe.core.config.load import Config, ConfigError
from probe.core.config.plan import make_plan
from probe.settings.config_files import load_config, reload_config
from tests.support.kinds import AGENT, CUSTOMER, KINDS

ROOT = Path(__file__).parent.parent.parent
OTHER = CUSTOMER.replace("acme\n", "other\n", 1)


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    """A directory with agent.yaml and two customers."""
    (tmp_path / "customers").mkdir()
    files = {"agent.yaml": AGENT, "customers/acme.yaml": CUSTOMER, "customers/other.yml": OTHER}
    for name, text in files.items():
        put(tmp_path / name, text)
    return tmp_path / "agent.yaml"


def put(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    file.chmod(0o640)


def names(config: Config) -> list[str]:
    return [c.customer for c in config.customers]


def test_the_examples_load_where_there_is_nothing_else() -> None:
    from probe.checks import CHECKS

    config = load_config(ROOT / "config/agent.yaml", CHECKS)
    assert names(config) == ["acme"]
    assert len(make_plan(config).tasks) == 3


def test_what_is_no_customer_file_is_passed_over(agent: Path) -> None:
    for name in (".hidden.yaml", "acme.yaml~", "README.md"):
        put(agent.parent / "customers" / name, "]")
    config = load_config(agent, KINDS)
    assert config.sources == {"customers/acme.yaml": "acme", "customers/other.yml": "other"}
    assert list(config.texts) == ["agent.yaml", "customers/acme.yaml", "customers/other.yml"]


def test_customers_may_be_a_list_of_directories_and_files(agent: Path) -> None:
    put(agent.parent / "third.yaml", CUSTOMER.replace("acme\n", "third\n", 1))
    put(agent, AGENT.replace("customers/", "[customers/, third.yaml, customers/acme.yaml]"))
    assert names(load_config(agent, KINDS)) == ["acme", "other", "third"]


def test_digest_and_plan_do_not_depend_on_how_the_file_is_named(
    agent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme = agent.parent / "customers/acme.yaml"
    put(acme, CUSTOMER.replace("    objects:", "    tls: {ca: ca.pem}\n    objects:"))
    absolute = load_config(agent, KINDS)
    monkeypatch.chdir(agent.parent)
    relative = load_config(Path("agent.yaml"), KINDS)
    assert relative == absolute
    assert make_plan(relative) == make_plan(absolute)


def test_a_bad_agent_file_does_not_hide_what_is_wrong_with_customers(agent: Path) -> None:
    put(agent, AGENT + "colour: red\n")
    put(agent.parent / "customers/acme.yaml", CUSTOMER.replace("/a.js", "a.js"))
    put(agent.parent / "customers/other.yml", "customer: [\n")
    with pytest.raises(ConfigError) as caught:
        load_config(agent, KINDS)
    places = [(Path(p.file).name, p.line, p.column) for p in caught.value.problems]
    assert places == [("agent.yaml", 7, 1), ("acme.yaml", 5, 15), ("other.yml", 2, 1)]


def test_a_removed_file_removes_its_customer(agent: Path) -> None:
    before = load_config(agent, KINDS)
    (agent.parent / "customers/acme.yaml").unlink()
    after, problems = reload_config(before, agent, KINDS)
    assert (names(after), problems) == (["other"], ())


@pytest.mark.parametrize("emptied", [True, False])
def test_a_directory_that_is_gone_or_emptied_removes_nobody(agent: Path, emptied: bool) -> None:
    before = load_config(agent, KINDS)
    for file in (agent.parent / "customers").iterdir():
        file.unlink()
    if not emptied:
        (agent.parent / "customers").rmdir()
    after, problems = reload_config(before, agent, KINDS)
    assert after == before
    assert len(problems) == 1
