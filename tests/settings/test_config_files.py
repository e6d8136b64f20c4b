"""Reading the files: what cannot be read is told in words, and one bad file leaves the others alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from probe.checks import CHECKS
from probe.core.config.load import Config, ConfigError
from probe.core.config.plan import make_plan
from probe.settings import agent_file as usual
from probe.settings.config_files import MAX_BYTES, load_config, reload_config

AGENT = "agent: a\nresults: results\ncustomers: customers/\nvantage_points: [{name: one}, {name: two}]\n"


def customer(name: str, *, path: str = "/", extra: str = "") -> str:
    return f"customer: {name}\n{extra}domains:\n  - domain: www.{name}.example\n    objects: [{{path: {path}}}]\n"


@pytest.fixture
def agent_file(tmp_path: Path) -> Path:
    """An agent with the customers acme and beta."""
    (tmp_path / "customers").mkdir()
    (tmp_path / "agent.yaml").write_text(AGENT)
    for name in ("acme", "beta"):
        (tmp_path / "customers" / f"{name}.yaml").write_text(customer(name))
    return tmp_path / "agent.yaml"


def problems(agent_file: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(agent_file, CHECKS)
    return [str(problem).replace(f"{agent_file.parent}/", "") for problem in caught.value.problems]


def paths(config: Config) -> dict[str, str]:
    """Customer -> the path that it measures."""
    return {c.customer: c.objects[0].request.path for c in config.customers}


def test_good_files_are_read(agent_file: Path) -> None:
    config = load_config(agent_file, CHECKS)
    assert paths(config) == {"acme": "/", "beta": "/"}
    assert Path(config.agent.results) == agent_file.parent / "results"
    assert set(config.texts) == {"agent.yaml", "customers/acme.yaml", "customers/beta.yaml"}


def test_the_digest_changes_with_any_file_and_with_nothing_else(agent_file: Path) -> None:
    first = load_config(agent_file, CHECKS).digest
    assert load_config(agent_file, CHECKS).digest == first
    (agent_file.parent / "customers" / "beta.yaml").write_text(customer("beta", path="/b"))
    assert load_config(agent_file, CHECKS).digest != first


@pytest.mark.parametrize("made", ["crlf", "bom", "both"])
def test_files_of_other_editors_are_accepted(agent_file: Path, made: str) -> None:
    for file in (agent_file, agent_file.parent / "customers" / "acme.yaml"):
        data = file.read_bytes()
        data = data if made == "bom" else data.replace(b"\n", b"\r\n")
        file.write_bytes(data if made == "crlf" else b"\xef\xbb\xbf" + data)
    assert paths(load_config(agent_file, CHECKS)) == {"acme": "/", "beta": "/"}


def test_places_count_the_same_in_files_of_other_editors(agent_file: Path) -> None:
    text = customer("acme").replace("domain:", "domian:").replace("\n", "\r\n")
    (agent_file.parent / "customers" / "acme.yaml").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert any(
        problem.startswith("customers/acme.yaml:3:5: unknown key 'domian'")
        for problem in problems(agent_file)
    )


def test_problems_of_several_files_are_told_at_once(agent_file: Path) -> None:
    for name in ("acme", "beta"):
        (agent_file.parent / "customers" / f"{name}.yaml").write_text(customer(name, path="x"))
    told = problems(agent_file)
    assert [problem.split(": ")[0] for problem in told] == [
        "customers/acme.yaml:4:22",
        "customers/beta.yaml:4:22",
    ]


def test_two_files_with_one_customer(agent_file: Path) -> None:
    (agent_file.parent / "customers" / "copy.yaml").write_text(customer("acme"))
    [problem] = problems(agent_file)
    assert problem.startswith(
        "customers/copy.yaml: the customer 'acme' is already defined in customers/acme.yaml"
    )


def _bytes_read() -> int:
    return int(Path("/proc/self/io").read_text().split()[1])


def test_50_megabytes_are_refused_unread(agent_file: Path) -> None:
    """By what the process read (proc_pid_io(5)): the agent's file and the other customer's, and little else."""
    file = agent_file.parent / "customers" / "acme.yaml"
    with file.open("wb") as stream:
        stream.truncate(50_000_000)  # a hole: were it read, its zero bytes would be the complaint
    before = _bytes_read()
    [problem] = problems(agent_file)
    assert _bytes_read() - before < 1_000_000
    assert problem.startswith("customers/acme.yaml: 50000000 bytes is more than")
    assert str(MAX_BYTES) in problem


def test_an_empty_file(agent_file: Path) -> None:
    (agent_file.parent / "customers" / "acme.yaml").write_bytes(b"")
    [problem] = problems(agent_file)
    assert problem.startswith("customers/acme.yaml:1:1: the file is empty")


def test_bytes_that_are_no_text(agent_file: Path) -> None:
    (agent_file.parent / "customers" / "acme.yaml").write_bytes(b"customer: acme\n# caf\xe9\n")
    [problem] = problems(agent_file)
    assert problem.startswith("customers/acme.yaml:2:6: ")
    assert "UTF-8" in problem


def test_a_directory_where_a_file_should_be(agent_file: Path) -> None:
    (agent_file.parent / "customers" / "x.yaml").mkdir()
    [problem] = problems(agent_file)
    assert problem.startswith("customers/x.yaml: ")
    assert "directory" in problem


@pytest.mark.timeout(60)
def test_a_pipe_where_a_file_should_be_does_not_hold_us_up(agent_file: Path) -> None:
    os.mkfifo(agent_file.parent / "customers" / "x.yaml")
    [problem] = problems(agent_file)
    assert problem.startswith("customers/x.yaml: no regular file")


def test_a_link_to_nowhere(agent_file: Path) -> None:
    (agent_file.parent / "customers" / "x.yaml").symlink_to("nowhere")
    [problem] = problems(agent_file)
    assert problem.startswith("customers/x.yaml: cannot be read: No such file")


def test_no_agent_file(tmp_path: Path) -> None:
    [problem] = problems(tmp_path / "agent.yaml")
    assert problem.startswith(
        "agent.yaml: there is no such file; `cdn-probe init` writes a first one; without -c"
    )


def test_no_customers_directory(agent_file: Path) -> None:
    agent_file.write_text(AGENT.replace("customers/", "elsewhere/"))
    [problem] = problems(agent_file)
    assert "elsewhere" in problem


def test_a_directory_without_customers(agent_file: Path) -> None:
    for file in (agent_file.parent / "customers").iterdir():
        file.unlink()
    [problem] = problems(agent_file)
    assert "no customer file (*.yaml)" in problem


def test_a_file_that_everybody_may_change(agent_file: Path) -> None:
    file = agent_file.parent / "customers" / "acme.yaml"
    file.chmod(0o666)
    [problem] = problems(agent_file)
    assert (
        problem == "customers/acme.yaml: everybody on this host may change it: chmod o-w customers/acme.yaml"
    )


def test_certificates_are_looked_for_beside_the_customers_file(agent_file: Path) -> None:
    text = customer("acme", extra="defaults: {tls: {ca: 'file:../ca.pem'}}\n")
    (agent_file.parent / "customers" / "acme.yaml").write_text(text)
    [acme] = [c for c in load_config(agent_file, CHECKS).customers if c.customer == "acme"]
    ca = acme.objects[0].tls.ca
    assert ca is not None
    assert Path(os.path.normpath(ca)) == agent_file.parent / "ca.pem"


def test_secrets_in_texts_that_are_kept_are_hidden(agent_file: Path) -> None:
    tokens = "api: {tokens: [{name: evaluator, hash: 'abcdef0123456789'}]}\n"
    agent_file.write_text(
        AGENT.replace("{name: two}", "{name: two, anchors: ['https://a.example/?token=s3cr3t']}") + tokens
    )
    (agent_file.parent / "customers" / "acme.yaml").write_text(
        customer(
            "acme", path='"/?api_key=s3cr3t"', extra="defaults: {headers: {Authorization: env:ACME_TOKEN}}\n"
        )
    )
    for file in (agent_file, agent_file.parent / "customers" / "acme.yaml"):
        with pytest.raises(ConfigError, match="everybody on this host may read it: chmod o-r"):
            load_config(agent_file, CHECKS)
        file.chmod(0o640)
    kept = "".join(load_config(agent_file, CHECKS).texts.values())
    assert "s3cr3t" not in kept
    assert "abcdef0123456789" not in kept
    assert "env:ACME_TOKEN" in kept


# --- reload ---------------------------------------------------------------------------------------


def test_a_reload_without_problems_is_what_a_load_is(agent_file: Path) -> None:
    before = load_config(agent_file, CHECKS)
    (agent_file.parent / "customers" / "acme.yaml").write_text(customer("acme", path="/new"))
    (agent_file.parent / "customers" / "beta.yaml").unlink()
    after, told = reload_config(before, agent_file, CHECKS)
    assert told == ()
    assert paths(after) == {"acme": "/new"}
    assert after.digest == load_config(agent_file, CHECKS).digest


def test_a_bad_file_keeps_its_customer_and_leaves_the_others_alone(agent_file: Path) -> None:
    before = load_config(agent_file, CHECKS)
    (agent_file.parent / "customers" / "acme.yaml").write_text(customer("acme", path="no-slash"))
    (agent_file.parent / "customers" / "beta.yaml").write_text(customer("beta", path="/new"))
    (agent_file.parent / "customers" / "gamma.yaml").write_text(customer("gamma"))
    after, told = reload_config(before, agent_file, CHECKS)
    assert [(problem.line, problem.column) for problem in told] == [(4, 22)]
    assert paths(after) == {"acme": "/", "beta": "/new", "gamma": "/"}


def test_a_bad_file_keeps_its_customer_however_often_it_is_read(agent_file: Path) -> None:
    config = load_config(agent_file, CHECKS)
    (agent_file.parent / "customers" / "acme.yaml").write_text("{")
    for _ in range(3):
        config, told = reload_config(config, agent_file, CHECKS)
        assert len(told) == 1
        assert paths(config) == {"acme": "/", "beta": "/"}
    (agent_file.parent / "customers" / "acme.yaml").write_text(customer("acme", path="/mended"))
    config, told = reload_config(config, agent_file, CHECKS)
    assert (told, paths(config)) == ((), {"acme": "/mended", "beta": "/"})


def test_a_bad_agent_file_keeps_everything_as_it_was(agent_file: Path) -> None:
    before = load_config(agent_file, CHECKS)
    agent_file.write_text("agent: a\nresults: results\ncustomers: customers/\nvantage_points: []\n")
    (agent_file.parent / "customers" / "beta.yaml").write_text(customer("beta", path="/new"))
    after, told = reload_config(before, agent_file, CHECKS)
    assert len(told) == 1
    assert after == before


def test_a_newcomer_with_the_id_of_another_does_not_take_it_over(agent_file: Path) -> None:
    before = load_config(agent_file, CHECKS)
    (agent_file.parent / "customers" / "aaa.yaml").write_text(customer("acme", path="/taken-over"))
    after, told = reload_config(before, agent_file, CHECKS)
    assert len(told) == 1
    assert paths(after) == {"acme": "/", "beta": "/"}


def test_a_vantage_point_that_a_kept_customer_needs_does_not_go(agent_file: Path) -> None:
    acme = agent_file.parent / "customers" / "acme.yaml"
    acme.write_text(customer("acme", extra="defaults: {vantage_points: [two]}\n"))
    before = load_config(agent_file, CHECKS)
    agent_file.write_text(AGENT.replace(", {name: two}", ""))
    after, told = reload_config(before, agent_file, CHECKS)
    assert told
    assert {task.customer for task in make_plan(after).tasks} == {"acme", "beta"}


def test_files_that_are_all_gone_keep_everything(agent_file: Path) -> None:
    before = load_config(agent_file, CHECKS)
    for file in (agent_file.parent / "customers").iterdir():
        file.unlink()
    after, told = reload_config(before, agent_file, CHECKS)
    assert told
    assert paths(after) == {"acme": "/", "beta": "/"}


def test_without_a_name_it_is_where_the_environment_the_package_or_a_working_copy_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = tmp_path / "agent.yaml"
    monkeypatch.setattr(usual, "SYSTEM_FILE", system)
    monkeypatch.delenv(usual.VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    assert usual.usual_file() == system  # nobody has one yet, and a package made its directory
    monkeypatch.setattr(usual, "SYSTEM_FILE", tmp_path / "no package" / "agent.yaml")
    assert usual.usual_file() == Path("config/agent.yaml")
    monkeypatch.setattr(usual, "SYSTEM_FILE", system)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "agent.yaml").touch()
    assert usual.usual_file() == Path("config/agent.yaml")
    system.write_text("agent: one\n")
    assert usual.usual_file() == system
    monkeypatch.setenv(usual.VARIABLE, "/elsewhere/agent.yaml")
    assert usual.usual_file() == Path("/elsewhere/agent.yaml")
