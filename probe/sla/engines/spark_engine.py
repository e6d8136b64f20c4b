"""Rule: the Spark session is given to us; it is asked the same text as DuckDB, and nothing is started or kept there.

Needs the extra `spark` (the thin client of Spark Connect). The cluster reads tables that were ingested, and must see
them under the same path; no row goes through this process but those that the report shows.
"""

from __future__ import annotations

import socket
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from probe.core.sla.facts.row import FactRow, SlotLook
from probe.sla.engines.by_sql import SqlEngine

PORT = 15_002
REACHED_S = 10.0
SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",  # a sum that does not fit is an error, and no other number
    "spark.sql.ansi.enforceReservedKeywords": "false",
}

_TYPES = {"int": "BIGINT", "bool": "BOOLEAN", "str": "STRING"}


class SparkFailed(RuntimeError):  # noqa: N818 - it is not there, or it refused
    """The session cannot be used; says why."""


class SparkEngine(SqlEngine):
    """A session of our own at a Spark Connect server. Raises SparkFailed.

    `url`: as Spark has it, `sc://host:15002/;token=...`; it is shown nowhere.
    """

    dialect = "spark"

    def __init__(self, url: str) -> None:
        super().__init__()
        host = _reached(url)
        try:
            with warnings.catch_warnings():
                # It says which pandas it likes; nothing here goes through pandas.
                warnings.simplefilter("ignore", FutureWarning)
                sessions = import_module("pyspark.sql.connect.session").SparkSession
        except ImportError as error:
            raise SparkFailed(f"no client of Spark Connect: install cdn-probe[spark] ({error})") from None
        self._host = host
        self._kept: dict[str, Any] = {}
        with self._in_words():
            self._db: Any = sessions.builder.remote(url).create()
            for name, value in SETTINGS.items():
                self._db.conf.set(name, value)
            for name, columns in self.tables.items():
                none = ", ".join(
                    f"CAST(NULL AS {_TYPES[kind]}) AS {column}" for column, kind in columns.items()
                )
                self._db.sql(f"SELECT {none} WHERE FALSE").createOrReplaceTempView(name)
            self.version = f"spark {self._db.version}"

    def take(self, facts: Sequence[FactRow], looks: Sequence[SlotLook]) -> None:
        """Rows that are in no table: a cluster is not handed them one by one. Raises SparkFailed."""
        if facts or looks:
            raise SparkFailed(
                "Spark reads tables: `cdn-probe sla ingest INPUT... --into DIR`, then report on DIR"
            )

    def settle(self) -> None:
        """Of two rows for one due time the tables hold the first."""

    def take_tables(self, facts: Sequence[str], looks: Sequence[str]) -> None:
        """Parquet files beside what was taken, read by the cluster where they lie. After `settle`, and once."""
        for name, files in (("facts", facts), ("looks", looks)):
            if not files:
                continue
            places = [f"file://{Path(file).absolute()}" for file in files]  # Hadoop takes it as it is written
            with self._in_words():
                read = self._db.read.parquet(*places).select(*self.tables[name])
                read.createOrReplaceTempView(name)

    def keep(self, name: str, text: str, given: Sequence[str] = ()) -> None:
        """The answer as a view of the session, computed once."""
        with self._in_words():
            self._kept[name] = self._db.sql(text, args=list(given)).persist()
            self._kept[name].createOrReplaceTempView(name)

    def forget_table(self, name: str) -> None:
        """Its memory is free again."""
        with self._in_words():
            self._kept.pop(name).unpersist()

    def rows(self, text: str, given: Sequence[str] = ()) -> Iterator[Any]:
        """The answer, as it comes."""
        with self._in_words():
            for row in self._db.sql(text, args=list(given)).toLocalIterator():
                yield tuple(row)

    def close(self) -> None:
        """The session is ended, with all that it holds; the server is not ours."""
        with suppress(SparkFailed), self._in_words():
            self._db.stop()

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if not type(error).__module__.startswith(("pyspark.", "grpc")):
                raise
            told = str(error).strip().splitlines()
            words = told[0] if told else type(error).__name__
            raise SparkFailed(f"Spark at {self._host}: {words}") from error


def _reached(url: str) -> str:
    """Host and port. The client itself would try for minutes. Raises SparkFailed."""
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port or PORT
    except ValueError:
        host, port = None, PORT
    if parts.scheme != "sc" or host is None:
        raise SparkFailed("not the address of a Spark Connect server: sc://HOST:PORT")
    try:
        socket.create_connection((host, port), timeout=REACHED_S).close()
    except OSError as error:
        raise SparkFailed(f"Spark at {host}:{port} cannot be reached: {error}") from None
    return f"{host}:{port}"
