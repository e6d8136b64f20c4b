"""What is packaged: the unit's limits by systemd's own judgement, the Debian package, `make install`."""

from __future__ import annotations

import gzip
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from probe import __version__
from probe.cli.main import cli
from tests.support.packaged import CHECKOUT, PYTHON, build_environment, debian_package
from tests.system.programs import need

UNIT = CHECKOUT / "systemd" / "cdn-probe.service"
EXAMPLES = sorted((CHECKOUT / "packaging" / "examples").glob("*.conf"))
EXPOSURE_AT_MOST = 1.5  # 0 is none, 10 is a service without any limit

# Ends what hangs: what is built, unpacked and looked through here takes the longer the busier the machine is.
pytestmark = pytest.mark.timeout(1800)


def run(*command: str | Path) -> str:
    """What it printed; its exit code is 0."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_spark_of_the_tests_is_of_the_version_of_its_client() -> None:
    pinned = {
        name: re.search(rf"^{name}==([0-9.]+) ", (CHECKOUT / lock).read_text(), re.M)
        for name, lock in (
            ("pyspark-client", "requirements-long.lock"),
            ("pyspark", "requirements-spark-server.lock"),
        )
    }
    versions = {found and found[1] for found in pinned.values()}
    assert len(versions) == 1
    assert None not in versions


def test_one_version_stands_everywhere() -> None:
    def first(file: str, pattern: str) -> str | None:
        found = re.search(pattern, (CHECKOUT / file).read_text(encoding="utf-8"), re.MULTILINE)
        return found and found[1]

    assert {
        "pyproject.toml": first("pyproject.toml", r'^version = "(.*)"$'),
        "changelog": first("CHANGELOG.md", r"^## \[(\d.*)\] - \d{4}-\d\d-\d\d$"),
        "image": first("packaging/container/kubernetes/cdn-probe.yaml", r"image: cdn-probe:(\S+)$"),
        "role": first(
            "packaging/ansible/roles/cdn_probe/defaults/main.yml", r"cdn-probe_([\d.]+)_amd64\.deb"
        ),
        "first hour": first("docs/first-hour.md", r"cdn-probe_([\d.]+)_amd64\.deb"),
        "upgrade": first("docs/operations.md", r"\./cdn-probe_([\d.]+)_amd64\.deb"),
    } == dict.fromkeys(("pyproject.toml", "changelog", "image", "role", "first hour", "upgrade"), __version__)


# --- the unit -----------------------------------------------------------------------------------------


def exposure(unit: Path) -> float:
    """The figure of `systemd-analyze security`."""
    need("systemd-analyze")
    said = run("systemd-analyze", "security", "--offline=true", "--no-pager", unit)
    found = re.search(r"Overall exposure level for cdn-probe.service: ([0-9.]+)", said)
    assert found, said
    return float(found.group(1))


def test_the_unit_exposes_little() -> None:
    assert exposure(UNIT) <= EXPOSURE_AT_MOST


def test_the_figure_tells_a_limit_that_is_missing(tmp_path: Path) -> None:
    text = UNIT.read_text()
    assert "PrivateDevices=yes\n" in text
    looser = tmp_path / UNIT.name
    looser.write_text(text.replace("PrivateDevices=yes\n", "").replace("NoNewPrivileges=yes\n", ""))
    assert exposure(looser) > exposure(UNIT)


def settings(text: str) -> dict[str, list[str]]:
    """name -> values of a unit file's lines."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def test_the_unit_is_watched_limited_and_tried_for_ever() -> None:
    unit = settings(UNIT.read_text())
    for name in ("WatchdogSec", "LimitNOFILE", "MemoryMax", "TasksMax", "TimeoutStopSec", "TimeoutAbortSec"):
        assert unit[name], name
    assert unit["Type"] == ["notify"]
    assert unit["Restart"] == ["always"]
    assert unit["StartLimitIntervalSec"] == ["0"]
    assert unit["User"] == unit["StateDirectory"] == unit["ConfigurationDirectory"] == ["cdn-probe"]
    assert unit["ExecReload"] == ["/bin/kill -HUP $MAINPID"]


def test_closing_the_store_fits_into_the_time_to_stop() -> None:
    """limits.drain by default 10 s, two for what is cut off, the store up to 30."""
    assert int(settings(UNIT.read_text())["TimeoutStopSec"][0]) >= 10 + 2 + 30


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_of_a_drop_in_only_loosens_what_it_names(example: Path) -> None:
    loosened = set(settings(example.read_text()))
    assert loosened <= {
        "LoadCredential",
        "AmbientCapabilities",
        "CapabilityBoundingSet",
        "PrivateUsers",
        "RestrictNamespaces",
        "SystemCallFilter",
    }
    assert example.name in (CHECKOUT / "docs" / "operations.md").read_text()


# --- the Debian package -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, unpacked: control files in DEBIAN."""
    directory = tmp_path_factory.mktemp("deb")
    run("dpkg-deb", "--raw-extract", debian_package(), directory)
    return directory


def control(tree: Path) -> dict[str, str]:
    """Fields of the control file, without continued lines."""
    lines = (tree / "DEBIAN" / "control").read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines if ": " in line and not line.startswith(" "))


@pytest.mark.long
def test_the_package_says_what_it_needs(tree: Path) -> None:
    fields = control(tree)
    version = re.search(
        r'^__version__ = "(.*)"$', (CHECKOUT / "probe" / "__init__.py").read_text(), re.MULTILINE
    )
    assert version is not None
    assert fields["Version"] == version.group(1)
    assert fields["Architecture"] == run("dpkg", "--print-architecture").strip()
    minor = int(run(PYTHON, "-c", "import sys; print(sys.version_info[1])"))
    assert f"python3 (>= 3.{minor}), python3 (<< 3.{minor + 1})" in fields["Depends"]
    assert "@" not in (tree / "DEBIAN" / "control").read_text().replace("@localhost", "")


@pytest.mark.long
def test_what_an_administrator_changes_survives_an_upgrade(tree: Path) -> None:
    conffiles = (tree / "DEBIAN" / "conffiles").read_text().split()
    assert conffiles == [
        "/etc/cdn-probe/agent.yaml.example",
        "/etc/cdn-probe/customers/acme.yaml.example",
    ]


@pytest.mark.long
def test_the_package_holds_no_results_no_account_and_nothing_enabled(tree: Path) -> None:
    assert sorted(path.name for path in tree.iterdir()) == ["DEBIAN", "etc", "usr"]
    assert sorted(path.name for path in (tree / "etc").iterdir()) == ["cdn-probe"]


@pytest.mark.long
def test_the_command_runs_by_what_the_package_holds(tree: Path) -> None:
    home = tree / "usr/lib/cdn-probe"
    first = (home / "bin/cdn-probe").read_text().splitlines()[0]
    assert first == "#!/usr/lib/cdn-probe/bin/python -IXfaulthandler"
    assert (tree / "usr/bin/cdn-probe").resolve() == home / "bin/cdn-probe"
    assert re.fullmatch(r"python3\.\d+", (home / "bin/python").readlink().name)
    where = run(
        home / "bin/python", "-I", "-c", "import sys; print(*(p for p in sys.path if 'packages' in p))"
    )
    assert where.split() == [str(next(home.glob("lib/python3.*/site-packages")))]  # none of the system's
    assert run(home / "bin/python", "-I", home / "bin/cdn-probe", "--version").startswith(
        "cdn-probe, version"
    )


@pytest.mark.long
def test_other_programs_and_installers_are_left_out(tree: Path) -> None:
    home = tree / "usr/lib/cdn-probe"
    assert all(
        path.name.startswith("python") or path.name == "cdn-probe" for path in (home / "bin").iterdir()
    )
    (packages,) = home.glob("lib/python3.*/site-packages")
    assert not [
        path.name for path in packages.iterdir() if re.match(r"(pip|setuptools|wheel|pytest)\b", path.name)
    ]


@pytest.mark.long
def test_everything_pinned_is_in_it_and_nothing_else(tree: Path) -> None:
    (packages,) = (tree / "usr/lib/cdn-probe").glob("lib/python3.*/site-packages")
    metadata = [re.match(r"(.+)-([^-]+)\.dist-info$", path.name) for path in packages.iterdir()]
    found = {(_name(m.group(1)), m.group(2)) for m in metadata if m} - {
        ("cdn-probe", control(tree)["Version"])
    }
    pins = re.findall(
        r"^([A-Za-z0-9_.-]+)==([^ ;\\]+)(.*)$", (CHECKOUT / "requirements.lock").read_text(), re.MULTILINE
    )
    wanted = {
        (_name(name), version) for name, version, marker in pins if "win32" not in marker and name != "pip"
    }
    assert found == wanted


def _name(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


@pytest.mark.long
def test_byte_code_is_made_at_installation_and_no_place_of_the_build_is_named(tree: Path) -> None:
    assert "__pycache__" not in run("dpkg-deb", "--contents", debian_package())
    assert not list((tree / "usr/lib/cdn-probe").rglob("direct_url.json"))
    assert "compileall" in (tree / "DEBIAN" / "postinst").read_text()


@pytest.mark.long
def test_lintian_finds_nothing_that_no_override_explains(tree: Path) -> None:
    need("lintian")
    found = run("lintian", "--allow-root", "--fail-on", "none", "--show-overrides", debian_package())
    assert [line for line in found.splitlines() if line.startswith(("E:", "W:"))] == []
    explained = (tree / "usr/share/lintian/overrides/cdn-probe").read_text()
    named = {line.split()[2] for line in found.splitlines() if line.startswith("O:")}
    overridden = {line.split()[1] for line in explained.splitlines() if not line.startswith("#")}
    assert named == overridden  # none is left of a finding that is no more


@pytest.mark.long
def test_the_package_is_small(tree: Path) -> None:
    whole = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    assert (
        whole <= 70_000_000
    )  # unpacked: 57 MB when this was written; compressed by xz 12 MB of the 20 allowed


@pytest.mark.long
def test_links_in_the_package_s_documents_lead_somewhere(tree: Path) -> None:
    documents = sorted((tree / "usr/share/doc/cdn-probe").rglob("*.md"))
    assert len(documents) > 40
    dead = [
        f"{document.name}: {target}"
        for document in documents
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
        if "://" not in target and target != "LICENSE" and not (document.parent / target).exists()
    ]
    assert dead == []


@pytest.mark.long
def test_every_command_has_a_man_page_and_shells_complete_them(tree: Path) -> None:
    pages = {page.name.removesuffix(".1.gz") for page in (tree / "usr/share/man/man1").iterdir()}
    assert pages == set(_commands(cli, "cdn-probe"))
    text = gzip.decompress((tree / "usr/share/man/man1/cdn-probe-pull.1.gz").read_bytes()).decode()
    assert "\\-\\-from" in text.replace("--", "\\-\\-")
    for place in ("bash-completion/completions/cdn-probe", "zsh/vendor-completions/_cdn-probe",
                  "fish/vendor_completions.d/cdn-probe.fish"):  # fmt: skip
        assert "_CDN_PROBE_COMPLETE" in (tree / "usr/share" / place).read_text()


def _commands(command: click.Command, name: str) -> Iterator[str]:
    yield name
    for part, below in getattr(command, "commands", {}).items():
        yield from _commands(below, f"{name}-{part}")


@pytest.mark.long
def test_nothing_in_it_can_be_written_by_others(tree: Path) -> None:
    loose = [p for p in tree.rglob("*") if not p.is_symlink() and p.stat().st_mode & 0o6022]
    assert loose == []


@pytest.mark.parametrize("script", ["postinst", "prerm", "postrm"])
@pytest.mark.long
def test_the_package_s_scripts_are_sound_and_touch_no_results(tree: Path, script: str) -> None:
    file = tree / "DEBIAN" / script
    run("sh", "-n", file)
    text = file.read_text()
    assert "set -e" in text
    assert not re.search(r"rm .*(/var/lib|\$)", text)
    assert not re.search(r"systemctl[^\n]* (enable|start|unmask|preset)\b", text)


# --- make audit -----------------------------------------------------------------------------------------

FOUND = "Found 2 known vulnerabilities in 1 package"
NOT_ASKED = "ConnectionError: Max retries exceeded"


@pytest.mark.parametrize(
    ("stub", "code", "words"),
    [
        ("exit 0", 0, "requirements-http3.lock"),
        (
            f"echo '{FOUND}' >&2; exit 1",
            1,
            "requirements-http3.lock",
        ),  # the others are asked about all the same
        (f"echo '{NOT_ASKED}' >&2; exit 1", 2, "Nothing is known of vulnerabilities in it"),
        (None, 2, "install pip-audit"),
    ],
    ids=["none", "found", "not asked", "not installed"],
)
def test_an_audit_that_could_not_be_made_is_none_that_found_nothing(
    stub: str | None, code: int, words: str, tmp_path: Path
) -> None:
    program = tmp_path / "pip-audit"
    if stub is not None:
        program.write_text(f"#!/bin/sh\n{stub}\n")
        program.chmod(0o755)
    done = subprocess.run(
        [CHECKOUT / "packaging" / "audit"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={**build_environment(), "AUDIT": str(program)},
    )
    assert done.returncode == code, done.stdout
    assert words in done.stdout


# --- make install -------------------------------------------------------------------------------------


def install(destination: Path, prefix: str) -> str:
    done = subprocess.run(
        [CHECKOUT / "packaging" / "install", destination, prefix, PYTHON],
        capture_output=True,
        text=True,
        check=False,
        env=build_environment(),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.long
def test_make_install_under_a_prefix_of_ones_own(tmp_path: Path) -> None:
    need(PYTHON)
    stale = tmp_path / "opt/x/lib/cdn-probe/lib/stale.py"
    stale.parent.mkdir(parents=True)
    stale.touch()
    (tmp_path / "opt/x/lib/cdn-probe/pyvenv.cfg").touch()  # an installation from before
    (tmp_path / "etc/cdn-probe").mkdir(parents=True)
    (tmp_path / "etc/cdn-probe/agent.yaml").write_text("# ours\n")
    said = install(tmp_path, "/opt/x")
    assert "Nothing was enabled or started" in said
    assert not stale.exists()
    assert (tmp_path / "etc/cdn-probe/agent.yaml").read_text() == "# ours\n"
    assert (tmp_path / "etc/cdn-probe/customers/acme.yaml.example").exists()
    unit = settings((tmp_path / "opt/x/lib/systemd/system/cdn-probe.service").read_text())
    assert unit["ExecStart"] == ["/opt/x/bin/cdn-probe run -c /etc/cdn-probe/agent.yaml"]
    first = (tmp_path / "opt/x/bin/cdn-probe").read_text().splitlines()[0]
    assert first == "#!/opt/x/lib/cdn-probe/bin/python -IXfaulthandler"
    for kind in ("sysusers", "tmpfiles"):
        assert (tmp_path / f"opt/x/lib/{kind}.d/cdn-probe.conf").exists()
    (cached,) = (tmp_path / "opt/x/lib/cdn-probe").glob(
        "lib/python3.*/site-packages/probe/__pycache__/__init__.*.pyc"
    )
    assert b"/opt/x/lib/cdn-probe/lib/" in cached.read_bytes()
    assert b"/tmp/" not in cached.read_bytes()


@pytest.mark.parametrize(
    ("prefix", "python", "words"),
    [
        ("relative", PYTHON, "is not absolute"),
        ("/with blank", PYTHON, "blanks in paths"),
        ("/opt/x", "/bin/false", ""),
    ],
)
def test_what_cannot_be_installed_is_refused_before_anything_is_written(
    tmp_path: Path, prefix: str, python: str, words: str
) -> None:
    command = [CHECKOUT / "packaging" / "install", tmp_path / "dest", prefix, python]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=build_environment())
    assert done.returncode != 0
    assert words in done.stderr
    assert not (tmp_path / "dest").exists()


@pytest.mark.long
def test_a_directory_that_is_not_ours_is_not_removed(tmp_path: Path) -> None:
    """Told before anything is replaced."""
    need(PYTHON)
    foreign = tmp_path / "opt/x/lib/cdn-probe/precious"
    foreign.parent.mkdir(parents=True)
    foreign.touch()
    command = [CHECKOUT / "packaging" / "install", tmp_path, "/opt/x", PYTHON]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=build_environment())
    assert done.returncode == 2
    assert "is not ours" in done.stderr
    assert foreign.exists()


@pytest.mark.parametrize(
    ("lock", "library"),
    [("requirements-stamps.lock", "rfc3161-client"), ("requirements-http3.lock", "qh3")],
)
def test_the_lock_of_an_extra_pins_one_library_more_and_nothing_otherwise(lock: str, library: str) -> None:
    def pins(name: str) -> set[tuple[str, str]]:
        text = (CHECKOUT / name).read_text()
        return {(_name(n), v) for n, v in re.findall(r"^([A-Za-z0-9_.-]+)==([^ ;\\]+)", text, re.M)}

    more = pins(lock) - pins("requirements.lock")
    assert pins("requirements.lock") <= pins(lock)
    assert {name for name, _ in more} == {library}
