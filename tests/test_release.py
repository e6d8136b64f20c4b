"""What a release hands out: built twice with the same bytes, listed, signed; the wheel works where nothing else is.

`PYTHONS="python3.12 python3.13"` in the environment: the wheel is tried with these interpreters too (CONTRIBUTING.md).
"""

from __future__ import annotations

import asyncio
import filecmp
import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

from probe import __version__
from probe.lab.lab import Lab
from probe.lab.servers.world import LIVE
from tests.support.packaged import CHECKOUT, build_environment, debian_package
from tests.system.programs import need

# The limit ends what hangs; what is built here takes as long as the machine and the package index are busy.
pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

ENVIRONMENT = {**build_environment(), "ALLOW_CHANGES": "1", "PYTHON": sys.executable}
INTERPRETERS = [sys.executable, *os.environ.get("PYTHONS", "").split()]


def run(*command: str | Path, code: int = 0, **changes: str) -> str:
    """Everything that it printed."""
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={**ENVIRONMENT, **changes},
    )
    assert done.returncode == code, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of it, made and signed with a key of this test."""
    need("ssh-keygen", "git")
    directory = tmp_path_factory.mktemp("release")
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / "key")
    run(CHECKOUT / "packaging" / "release", directory / "out", directory / "key")
    return directory / "out"


def test_everything_is_there_and_each_sum_is_right(release: Path) -> None:
    names = {path.name for path in release.iterdir()}
    own = {f"cdn_probe-{__version__}{end}" for end in ("-py3-none-any.whl", ".tar.gz")}
    own.add(debian_package().name)
    assert names == own | {f"cdn-probe-{__version__}.cdx.json", "SHA256SUMS", "SHA256SUMS.sig"}
    sums = (release / "SHA256SUMS").read_text()
    assert {line.split()[1] for line in sums.splitlines()} == names - {"SHA256SUMS", "SHA256SUMS.sig"}
    run("sh", "-c", f"cd '{release}' && sha256sum -c --strict SHA256SUMS")


def test_the_debian_package_is_built_twice_with_the_same_bytes(release: Path) -> None:
    """The other one is built by itself, in another directory and at another time."""
    package = debian_package()
    assert filecmp.cmp(release / package.name, package, shallow=False)


def test_the_signature_is_verified_as_the_documents_say(release: Path, tmp_path: Path) -> None:
    public = (release.parent / "key.pub").read_text()
    (tmp_path / "signers").write_text(f"release@cdn-probe {public}")
    command = f"""ssh-keygen -Y verify -f '{tmp_path}/signers' -I release@cdn-probe -n cdn-probe-release \
        -s '{release}/SHA256SUMS.sig'"""
    run("sh", "-c", f"{command} < '{release}/SHA256SUMS'")
    run("sh", "-c", f"sed s/0/1/ '{release}/SHA256SUMS' | {command}", code=255)


def test_the_bill_of_materials_names_all_that_is_pinned(release: Path) -> None:
    bill = json.loads((release / f"cdn-probe-{__version__}.cdx.json").read_text())
    assert (bill["bomFormat"], bill["metadata"]["component"]["name"]) == ("CycloneDX", "cdn-probe")
    named = {(part["name"].lower(), part["version"]) for part in bill["components"]}
    pins = re.findall(
        r"^([A-Za-z0-9_.-]+)==([^ ;\\]+)", (CHECKOUT / "requirements.lock").read_text(), re.MULTILINE
    )
    assert named == {(name.lower(), version) for name, version in pins}
    assert all(part["externalReferences"][0]["hashes"] for part in bill["components"])


def test_the_source_holds_what_git_holds_of_the_agent(release: Path) -> None:
    with tarfile.open(release / f"cdn_probe-{__version__}.tar.gz") as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    kept = set(run("git", "-C", CHECKOUT, "ls-files").splitlines())
    assert kept - held == set()
    assert {name.split("/")[0] for name in held - kept} <= {"PKG-INFO", "probe", "tests", "docs", "packaging"}


def test_what_it_cannot_do_it_says(release: Path, tmp_path: Path) -> None:
    script = CHECKOUT / "packaging" / "release"
    assert f"{release} exists: name a new directory" in run(script, release, code=2)
    assert "no key in /nowhere" in run(script, tmp_path / "out", "/nowhere", code=2)
    assert "release OUT [KEY]" in run(script, code=2)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("python", INTERPRETERS, ids=lambda python: Path(python).name)
async def test_the_wheel_measures_in_an_environment_of_its_own(
    release: Path, tmp_path: Path, python: str, lab: Lab
) -> None:
    await asyncio.to_thread(_install, release, tmp_path / "env", python)
    config = lab.write_config(tmp_path)
    media = tmp_path / "customers" / "media.yaml"
    customer = yaml.safe_load(media.read_text())
    # The environment has no extra for HTTP/3.
    customer["domains"] = [domain for domain in customer["domains"] if domain["domain"] != LIVE.name]
    media.write_text(yaml.safe_dump(customer, sort_keys=False))
    command = await asyncio.create_subprocess_exec(
        tmp_path / "env/bin/cdn-probe", "once", "-c", config, "--json",
        stdout=asyncio.subprocess.PIPE, cwd=tmp_path,
    )  # fmt: skip
    out, _ = await command.communicate()
    rows = [json.loads(line) for line in out.splitlines()]
    # How fast that was hangs on the machine; that it fetched, compared and judged does not.
    replies = [o["response"] for row in rows for o in row["observations"] if o["role"] == "edge"]
    assert {reply["status_code"] for reply in replies if reply is not None} == {200}, rows
    outcomes = {row["outcome"] for row in rows}
    assert "ok" in outcomes, rows
    assert outcomes <= {"ok", "slow", "inconclusive"}, rows
    assert command.returncode == (0 if outcomes == {"ok"} else 1)
    assert {row["host"]["agent_version"] for row in rows} == {__version__}


def _install(release: Path, environment: Path, python: str) -> None:
    run(python, "-m", "venv", environment)
    pip = (environment / "bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check")
    run(*pip, "--require-hashes", "-r", CHECKOUT / "requirements.lock")
    run(*pip, "--no-deps", "--no-index", *release.glob("*.whl"))
