"""The examples for containers are what their programs read, and the image measures as it is meant to run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from probe import __version__
from probe.checks import CHECKS
from probe.core.config.load import parse_agent, parse_customer
from tests.support.packaged import CHECKOUT, build_environment
from tests.system.programs import need

HERE = CHECKOUT / "packaging" / "container"
USER = "10001"
RUN = """
set -e
mount --make-rprivate /
exec systemd-nspawn --quiet --register=no --keep-unit --as-pid2 --console=pipe --read-only --private-network \
  --directory="$ROOT" --bind="$DATA:/var/lib/cdn-probe" \
  setpriv --reuid 10001 --regid 10001 --clear-groups --no-new-privs "$@"
"""


def documents(file: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((HERE / file).read_text()))


def test_the_configuration_in_the_manifest_is_good() -> None:
    config, stateful = documents("kubernetes/cdn-probe.yaml")
    agent = parse_agent(config["data"]["agent.yaml"], "/etc/cdn-probe/agent.yaml")
    parse_customer(
        config["data"]["acme.yaml"],
        "acme.yaml",
        kinds=CHECKS,
        vantage_points=[p.name for p in agent.vantage_points],
    )
    mounts = {m["mountPath"] for m in stateful["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]}
    assert agent.results.startswith("/var/lib/cdn-probe/")  # below the volume, which belongs to root
    assert mounts == {"/etc/cdn-probe", "/var/lib/cdn-probe", "/tmp"}


def test_closing_the_store_fits_into_the_time_to_stop() -> None:
    """As in the unit: limits.drain by default 10 s, two for what is cut off, the store up to 30."""
    (composition,) = documents("compose/compose.yaml")
    pod = documents("kubernetes/cdn-probe.yaml")[1]["spec"]["template"]["spec"]
    assert composition["services"]["cdn-probe"]["stop_grace_period"] == "60s"
    assert pod["terminationGracePeriodSeconds"] == 60 >= 10 + 2 + 30


@pytest.mark.long
@pytest.mark.parametrize("version", ["1.28", "1.33"])
def test_the_manifests_are_what_kubernetes_reads(version: str) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    for document in documents("kubernetes/cdn-probe.yaml"):
        kubernetes_validate.validate(document, version, strict=True)
    broken = documents("kubernetes/cdn-probe.yaml")[1]
    broken["spec"]["replica"] = 1
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, version, strict=True)


def _against(schema: str, file: Path) -> subprocess.CompletedProcess[str]:
    """A published schema that comes with the program, so that none is fetched."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, file]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.long
@pytest.mark.parametrize(
    ("schema", "file", "good", "bad"),
    [
        ("vendor.compose-spec", HERE / "compose" / "compose.yaml", "stop_grace_period", "stop_grace"),
        ("vendor.github-workflows", CHECKOUT / ".github" / "workflows" / "ci.yml", "runs-on", "run-on"),
    ],
    ids=["compose", "workflow"],
)
def test_a_file_for_another_program_is_what_its_schema_says(
    schema: str, file: Path, good: str, bad: str, tmp_path: Path
) -> None:
    done = _against(schema, file)
    assert done.returncode == 0, done.stdout
    assert good in file.read_text()
    (tmp_path / file.name).write_text(file.read_text().replace(good, bad))
    assert _against(schema, tmp_path / file.name).returncode == 1


def test_alertmanager_reads_what_the_composition_gives_it() -> None:
    need("amtool")
    subprocess.run(["amtool", "check-config", HERE / "compose" / "alertmanager.yml"], check=True)


def test_every_file_that_the_composition_mounts_is_there() -> None:
    (composition,) = documents("compose/compose.yaml")
    named = composition["volumes"].keys()
    mounts = [mount for service in composition["services"].values() for mount in service.get("volumes", ())]
    sources = (
        {mount.split(":")[0] for mount in mounts} - named - {"./config"}
    )  # which `cdn-probe init` writes
    assert sources
    assert [source for source in sources if not (HERE / "compose" / source).is_file()] == []


def test_prometheus_reads_what_the_composition_gives_it(tmp_path: Path) -> None:
    need("promtool")
    for file in (HERE / "compose" / "prometheus.yml", CHECKOUT / "docs" / "monitoring" / "alerts.yml"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    subprocess.run(["promtool", "check", "config", tmp_path / "prometheus.yml"], check=True, timeout=60)


# --- the image ----------------------------------------------------------------------------------------


class Image:
    """Built; `run` runs a command in it as Kubernetes would: another user, nothing writable but the volume."""

    def __init__(self, root: Path, data: Path, config: dict[str, Any]) -> None:
        self.root, self.config, self._data = root, config, data

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", RUN, "sh", *command],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "ROOT": str(self.root), "DATA": str(self._data)},
        )


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    need("buildah", "debootstrap", "systemd-nspawn", "unshare", "setpriv")
    directory = tmp_path_factory.mktemp("image")
    buildah = (
        "buildah",
        "--root",
        directory / "store",
        "--runroot",
        directory / "run",
        "--storage-driver",
        "vfs",
    )

    def do(*command: str | Path) -> str:
        environment = {**build_environment(), "BUILDAH_ISOLATION": "chroot"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    do(
        "debootstrap",
        "--variant=minbase",
        "--include=python3,python3-venv,ca-certificates",
        "bookworm",
        directory / "base",
    )
    do(HERE / "context", directory / "context", "3.11")
    made = do(*buildah, "from", "scratch")
    do(*buildah, "add", "--quiet", made, directory / "base", "/")
    do(*buildah, "commit", "--quiet", "--rm", made, "base")
    options = (
        "--format",
        "docker",
        "--pull=never",
        "--build-arg",
        "BASE=localhost/base",
    )  # docker: the health check
    do(*buildah, "build", "--quiet", *options, "-t", "agent", directory / "context")
    try:
        container = do(*buildah, "from", "--pull-never", "localhost/agent")
        data = directory / "data"
        data.mkdir()
        os.chown(data, int(USER), int(USER))
        config = json.loads(do(*buildah, "inspect", "--type", "image", "localhost/agent"))["Docker"]["config"]
        yield Image(Path(do(*buildah, "mount", container)), data, config)
    finally:
        do(*buildah, "rm", "--all")
        do(*buildah, "rmi", "--all", "--force")


@pytest.mark.long
@pytest.mark.system
@pytest.mark.timeout(1800)
def test_the_image_measures_without_root_on_a_read_only_system(image: Image) -> None:
    assert image.config["User"] == f"{USER}:{USER}"
    assert (image.config["Entrypoint"], image.config["Cmd"]) == (["cdn-probe"], ["run"])
    assert image.config["Healthcheck"]["Test"] == ["CMD", "cdn-probe", "status", "--json"]
    without = image.run("cdn-probe", "run")
    assert (without.returncode, "there is no such file" in without.stderr) == (2, True), without.stderr
    demo = image.run("cdn-probe", "demo", "--seconds", "20", "--dir", "/var/lib/cdn-probe/demo")
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "nobody wrongly accused" in demo.stdout
    verified = image.run("cdn-probe", "results", "verify", "/var/lib/cdn-probe/demo/results")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert image.run("sh", "-c", "touch /etc/x").returncode == 1
    # What runs is the image's own, and nothing in it tells where it was built.
    own = image.run("/opt/cdn-probe/bin/python", "-c", "import probe, sys; print(probe.__file__, sys.prefix)")
    assert [path.split("/")[:3] for path in own.stdout.split()] == [["", "opt", "cdn-probe"]] * 2, own.stderr
    assert image.run("cdn-probe", "--version").stdout == f"cdn-probe, version {__version__}\n"
    told = image.run("grep", "-rlF", str(CHECKOUT), "/opt/cdn-probe", "/usr/local/bin")
    assert (told.returncode, told.stdout) == (1, "")  # 1: found nowhere
