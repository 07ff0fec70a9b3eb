"""Airflow of its own for the tests: a home, a metadata database and ports that nobody else has.

The services come from the environment, as `storepulse stack env` names them; `tests/airflow.rs` hands over a namespace
of its own, with relay and job running. Without it only what needs no service is tested.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import pytest

ROOT = Path(__file__).resolve().parents[2]
DAGS = ROOT / "airflow/dags"
AIRFLOW = Path(sys.executable).parent / "airflow"
sys.path.insert(0, str(DAGS))


def until(what: str, condition: Callable[[], Any], limit_s: float = 120) -> Any:
    """Waits until a condition gives something, asking a few times a second; fails with what it last gave."""
    deadline = time.monotonic() + limit_s
    while not (given := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {limit_s} s, {given!r}"
        time.sleep(0.2)
    return given


def free_port() -> int:
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


def beside(pg_url: str, database: str) -> str:
    return urlunsplit(urlsplit(pg_url)._replace(path=f"/{database}"))


def query(pg_url: str, sql: str, *values: Any) -> list[tuple]:
    with closing(psycopg2.connect(pg_url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            return cursor.fetchall() if cursor.description else []


@dataclass
class Airflow:
    """Airflow's command in an environment of its own."""

    environment: dict[str, str]
    home: Path
    pg_url: str
    port: int

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [AIRFLOW, *words],
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def test(self, dag: str, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs a DAG once, in this process and without the scheduler."""
        return self.run("dags", "test", dag, *words, STOREPULSE_NO_DEADLINES="1", **variables)

    def start(self, part: str, *words: str) -> subprocess.Popen[bytes]:
        with (self.home / f"{part}.log").open("wb") as log:
            return subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", AIRFLOW, part, *words],
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def log(self, part: str) -> str:
        return (self.home / f"{part}.log").read_text(errors="replace")[-4_000:]

    def users(self) -> list[tuple]:
        return query(self.pg_url, "select user_id, ingested_at from raw.users order by user_id")


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    pg_url = os.environ.get("PG_URL")
    if not pg_url or not os.environ.get("STOREPULSE_BIN"):
        pytest.skip("needs the services in the environment: `cargo test --test end_to_end airflow`")
    home, port = tmp_path_factory.mktemp("airflow"), free_port()
    values = {
        "HOST": "127.0.0.1",
        "PORT": port,
        "DAGS_DIR": DAGS,
        "LOG_DIR": home / "logs",
        "PASSWORDS_FILE": home / "login.json",
    }
    template = (ROOT / "services/airflow/airflow.cfg").read_text()
    config = re.sub("@([A-Z_]+)@", lambda name: str(values[name[1]]), template)
    (home / "airflow.cfg").write_text(config)
    database = f"airflow_{secrets.token_hex(6)}"
    maintenance = beside(pg_url, "postgres")
    query(maintenance, f"create database {database}")
    environment = {
        **os.environ,
        "PATH": f"{AIRFLOW.parent}:{os.environ['PATH']}",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW_CONFIG": str(home / "airflow.cfg"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": beside(pg_url, database).replace("postgresql:", "postgresql+psycopg2:"),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
        "AIRFLOW_VAR_USERS_SOURCE": "simulated",
        "PYTHONDONTWRITEBYTECODE": "1",
        "STOREPULSE_RETRY_S": "1",
    }
    started = Airflow(environment, home, pg_url, port)
    try:
        migrated = started.run("db", "migrate")
        assert migrated.returncode == 0, migrated.stderr
        # What `dags test` takes a DAG from.
        serialized = started.run("dags", "reserialize")
        assert serialized.returncode == 0, serialized.stderr
        yield started
    finally:
        query(maintenance, f"drop database {database} with (force)")
