"""Every command that a page shows can be typed: its options exist, and what needs files only is run as it is shown.

What needs a network, a running agent or another host says so in docs/commands.md and is run by the tests named here.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

from probe.cli.main import cli
from tests.documents.markdown import PAGES, ROOT, read
from tests.fixtures.frozen import unpacked

OF_THE_PAST = {ROOT / "CHANGELOG.md"}  # what was said of earlier versions stays
# Not run here though it needs files only: what runs it.
ELSEWHERE = {
    "--stamp-ca": "tests/seal/stamps",  # a token of an authority
    "--follow": "tests/services/page",  # goes on until it is ended
}
NEEDS_MORE = {
    "init": "tests/cli/setup",
    "once": "tests/cli",
    "run": "tests/agent",
    "trace": "tests/cli",
    "vantage check": "tests/cli",
    "pull": "tests/pull",
    "serve": "tests/api",
    "status": "tests/services",
    "demo": "tests/lab",
}


def _lines(text: str) -> Iterator[str]:
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        yield re.sub(r"\s+#\s.*", "", line).strip()


def _shown(path: Path) -> Iterator[tuple[str, bool]]:
    """Each command line of ours on a page, from `cdn-probe` on; whether it stands in a block of its own."""
    page = read(path)
    for language, text in page.blocks:
        if language in ("", "console", "bash", "sh"):
            for line in _lines(text):
                if found := re.match(r"(?:\S+[#$] )?(?:sudo -u \S+ )?(?:\S*/)?cdn-probe (.+)", line):
                    yield found[1], True
    for code in page.codes:
        if found := re.fullmatch(r"(?:sudo -u cdn-probe )?(?:\.venv/bin/)?cdn-probe ([a-z].*)", code):
            if re.fullmatch(r"\w+ v\d", found[1]):
                continue  # how a signed text begins
            yield found[1], False


SHOWN = [(path, words, whole) for path in PAGES if path not in OF_THE_PAST for words, whole in _shown(path)]


def _words(line: str) -> list[str]:
    """What a shell would hand over, up to a pipe or a redirection."""
    line = re.split(r"\s(?:[|>]|&&|2>)", line)[0]
    return shlex.split(line.replace("...", ""))


def _parsed(line: str) -> tuple[str, click.Command, list[str]]:
    """The command that a line names, and what stands behind it. AssertionError: there is no such command or option."""
    command: click.Command = cli
    name: list[str] = []
    rest = _words(line)
    while isinstance(command, click.Group):
        options = {option for parameter in command.params for option in parameter.opts}
        while rest and rest[0].startswith("-"):  # of the group: results -c FILE show
            assert rest[0] in options, f"{line}: {rest[0]} is no option of {' '.join(name)}"
            rest = rest[2:]
        if not rest or rest[0] not in command.commands:
            break
        name.append(rest[0])
        command, rest = command.commands[rest[0]], rest[1:]
    assert name or line == "--version", f"{line}: no such command"
    options = {option for p in command.params for option in (*p.opts, *p.secondary_opts)} | {"--help"}
    for word in rest:
        if re.match(r"--?[a-z]", word):
            assert word.partition("=")[0] in options, f"{line}: {word} is no option of {' '.join(name)}"
    return " ".join(name), command, rest


def _leaves(group: click.Group, prefix: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _leaves(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}"


def _needs() -> dict[str, str]:
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    section = text.partition("## What each command needs\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \| (.*) \|$", section, re.M)
    return {name: needs for names, needs in rows for name in re.findall(r"`([^`]+)`", names)}


def test_every_command_that_is_shown_exists_with_its_options() -> None:
    assert len(SHOWN) > 90
    wrong = []
    for path, line, _ in SHOWN:
        try:
            _parsed(line)
        except (AssertionError, ValueError) as error:
            wrong.append(f"{path.relative_to(ROOT)}: {error}")
    assert not wrong


def test_every_command_of_a_group_that_is_named_exists() -> None:
    groups = {name: group.commands for name, group in cli.commands.items() if isinstance(group, click.Group)}
    named = [
        (path, code, found)
        for path in PAGES
        if path not in OF_THE_PAST
        for code in read(path).codes
        if (found := re.fullmatch(r"(results|sla|vantage) ([a-z]+)(?: [-A-Z./a-z]+)*", code))
    ]
    assert len(named) > 40
    words = {"results cannot be written", "vantage point"}  # of `status`
    wrong = [(path.name, code) for path, code, found in named if found[2] not in groups[found[1]]]
    assert [each for each in wrong if each[1] not in words] == []


@pytest.mark.parametrize("line", ["result list", "once --jsn", "results --verbose list"])
def test_a_line_that_is_wrong_is_found(line: str) -> None:
    with pytest.raises(AssertionError):
        _parsed(line)


def test_what_each_command_needs_is_told_of_all_of_them() -> None:
    needs = _needs()
    assert set(needs) == set(_leaves(cli))
    more = {name for name, words in needs.items() if not words.startswith("files only")}
    assert more == set(NEEDS_MORE)
    places = {*NEEDS_MORE.values(), *ELSEWHERE.values()}
    assert [place for place in places if not any((ROOT / place).rglob("test_*.py"))] == []


def test_every_exit_code_is_told_of() -> None:
    """Those of the snapshot of the interface, in the section of the command or at the head of the page."""
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    head = text.partition("\n## ")[0]
    wrong = []
    for line in (ROOT / "tests" / "interface" / "exit_codes.txt").read_text(encoding="utf-8").splitlines():
        code, what = line.split(maxsplit=1)
        name = what.partition(",")[0]
        section = re.search(rf"^#+ `cdn-probe {re.escape(name)}\b.*?(?=^## |\Z)", text, re.M | re.S)
        if not re.search(rf"\b{code}\b", head + (section[0] if section else "")):
            wrong.append(line)
    assert not wrong


def test_every_target_and_module_that_is_shown_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.M))
    variables = set(re.findall(r"^([A-Z_]+)\s*\?=", makefile, re.M)) | {"MAINTAINER"}
    wrong = []
    for path in PAGES:
        page = read(path)
        if path in OF_THE_PAST or "decisions" in path.parts:
            continue
        texts = [
            *page.codes,
            *(line for language, text in page.blocks if not language for line in _lines(text)),
        ]
        for text in texts:
            if found := re.match(r"make (.*)", text):
                for word in found[1].split():
                    known = word.partition("=")[0] in variables if "=" in word else word in targets
                    if not known and not word.startswith(".venv/"):
                        wrong.append(f"{path.relative_to(ROOT)}: {text}")
            if found := re.match(r"(?:\S*/)?python3? -m ((?:tests|benchmarks|probe)\b[\w.]*)", text):
                place = ROOT.joinpath(*found[1].split("."))
                if not place.with_suffix(".py").is_file() and not (place / "__main__.py").is_file():
                    wrong.append(f"{path.relative_to(ROOT)}: {text}")
    assert not wrong


# --- run as shown ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory as a user has one: config/, results/, a copy; of the lab's recorded customer `shop`."""
    root = tmp_path_factory.mktemp("typed")
    results = unpacked("results", root / "unpacked")
    copy = unpacked("copy", root / "copied")
    (root / "config" / "customers").mkdir(parents=True)
    agent = {
        "agent": "lab-agent",
        "results": str(results),
        "customers": "customers/",
        "vantage_points": [{"name": "local"}],
    }
    (root / "config" / "agent.yaml").write_text(yaml.safe_dump(agent), encoding="utf-8")
    objects = [{"path": "/", "checks": {"availability": {"status": [200]}}}]
    customer = {"customer": "shop", "domains": [{"domain": "www.shop.example", "objects": objects}]}
    (root / "config" / "customers" / "shop.yaml").write_text(yaml.safe_dump(customer), encoding="utf-8")
    for name in ("copy", "DIRECTORY", "results/copy", "copy-a", "copy-b"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).symlink_to(copy)
    (root / "agent.pub").write_bytes((copy / "lab-agent" / "agent.pub").read_bytes())
    return root


def _as_here(word: str) -> str:
    """A customer and numbers that the recorded results have, in place of those of the example."""
    word = re.sub(r"\bacme\b", "shop", word)
    word = re.sub(r"\bshop/\d+\b|CUSTOMER/SEQ|\bROW\b", "shop/600", word)
    word = "598..600" if re.fullmatch(r"\d+\.\.\d+", word) else word
    return "config/agent.yaml" if word.endswith("agent.yaml") else word


FILES_ONLY = [
    (path, line)
    for path, line, whole in SHOWN
    if whole
    and path.name != "first-hour.md"  # tests/system runs that page from end to end
    and _needs().get(_parsed(line)[0], "").startswith("files only")
    and not any(option in line for option in ELSEWHERE)
]


@pytest.mark.long
def test_what_needs_files_only_runs_as_it_is_shown(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    monkeypatch.delenv("CDN_PROBE_CONFIG", raising=False)
    ran, wrong = set(), []
    for path, line in FILES_ONLY:
        words = [_as_here(word) for word in _words(line)]
        key = " ".join(words)
        if key in ran:
            continue
        ran.add(key)
        if "-c" not in words and "agent.yaml" not in line and words[0] != "token":
            monkeypatch.setenv("CDN_PROBE_CONFIG", str(place / "config" / "agent.yaml"))
        done = CliRunner().invoke(cli, words)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            wrong.append(f"{path.name}: {line}: {done.exception!r}")
        elif done.exit_code == 2:
            wrong.append(f"{path.name}: {line}: {done.output.strip()[-200:]}")
    assert len(ran) >= 9
    assert not wrong
