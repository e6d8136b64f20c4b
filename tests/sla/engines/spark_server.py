"""A Spark Connect server of the test's own: local, on loopback, ended by its process id.

`make long` unpacks Spark beside the virtual environment's libraries; it needs a Java.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.with_parent import WITH_PARENT
from tests.system.programs import need

HOME = Path(sys.prefix) / "spark"
STARTED = re.compile(r"Spark Connect server started at: 127\.0\.0\.1:(\d+)")
STARTED_WITHIN_S = 600.0  # beside a whole suite on two cores; the limit of a test is longer
CLASS = "org.apache.spark.sql.connect.service.SparkConnectServer"
SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.connect.grpc.binding.address": "127.0.0.1",
    "spark.connect.grpc.binding.port": "0",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.shuffle.partitions": "2",  # as many as there are cores; by default 200, made for clusters
}


@contextmanager
def spark_connect(directory: Path) -> Iterator[str]:
    """Its address, `sc://127.0.0.1:PORT`."""
    need("java")
    if not (HOME / "jars").is_dir():
        message = f"Spark is not unpacked in {HOME}: `make long` does it"
        if os.environ.get("REQUIRE_SYSTEM") == "1":
            pytest.fail(message)
        pytest.skip(message)
    told = [word for name, value in SETTINGS.items() for word in ("--conf", f"{name}={value}")]
    log = directory / "spark.log"
    with log.open("wb") as out:
        child = subprocess.Popen(
            [*WITH_PARENT, str(HOME / "bin" / "spark-submit"), "--class", CLASS, "--master", "local[2]",
             "--driver-memory", "2g", *told, "spark-internal"],
            cwd=directory, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            env={**os.environ, "SPARK_HOME": str(HOME), "SPARK_LOCAL_IP": "127.0.0.1",
                 "SPARK_LOCAL_DIRS": str(directory)},
        )  # fmt: skip
    before = os.environ.get("SPARK_HOME")
    os.environ["SPARK_HOME"] = str(
        HOME
    )  # the client looks for it too where its own tests' modules are loaded
    try:
        yield f"sc://127.0.0.1:{_port(child, log)}"
    finally:
        os.environ.pop("SPARK_HOME")
        if before is not None:
            os.environ["SPARK_HOME"] = before
        child.terminate()
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait(20)


def _port(child: subprocess.Popen[bytes], log: Path) -> str:
    until = time.monotonic() + STARTED_WITHIN_S
    while time.monotonic() < until and child.poll() is None:
        if found := STARTED.search(log.read_text(errors="replace")):
            return found[1]
        time.sleep(0.1)
    pytest.fail(f"Spark did not start: {log.read_text(errors='replace')[-3000:]}")
