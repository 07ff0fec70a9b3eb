"""Airflow of its own for the tests: a home, a metadata database and ports that nobody else has.

The services come from the environment, as `storepulse stack env` names them; `tests/airflow.rs` hands over a
namespace of its own, with relay and job running. Without it only what needs no service is tested.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import quote, urlsplit, urlunsplit
from urllib.request import Request, urlopen

import psycopg2
import pytest

from doubles import Gate, Hook, UsersApi

ROOT = Path(__file__).resolve().parents[2]
DAGS = ROOT / "airflow/dags"
AIRFLOW = Path(sys.executable).parent / "airflow"
sys.path.insert(0, str(DAGS))

PARTS = (("api-server",), ("scheduler", "--skip-serve-logs"), ("dag-processor",))
# The parts of Airflow import for seconds, and the machine may be busy.
LIMIT_S = 180


def until(what: str, condition: Callable[[], Any], limit_s: float = LIMIT_S) -> Any:
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

    def start_console(self) -> subprocess.Popen[bytes]:
        """The console of the same services, which tells what could not be told at once."""
        with (self.home / "console.log").open("wb") as log:
            return subprocess.Popen(
                [os.environ["STOREPULSE_BIN"], "console", "--listen", "127.0.0.1:0", "--no-link"],
                env={**self.environment, "PG_URL": self.pg_url},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def log(self, part: str) -> str:
        return (self.home / f"{part}.log").read_text(errors="replace")[-4_000:]

    def command(self, *words: str) -> str:
        """Runs `storepulse` on the services."""
        done = subprocess.run([os.environ["STOREPULSE_BIN"], *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ask(self, sql: str, *values: Any) -> list[tuple]:
        """Asks PostgreSQL, which the tasks may have to wait for."""
        return query(self.pg_url, sql, *values)

    def users(self) -> list[tuple]:
        return self.ask("select user_id, ingested_at from raw.users order by user_id")

    def metadata(self, sql: str, *values: Any) -> list[tuple]:
        return query(self.environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("+psycopg2", ""), sql, *values)


    def traces_of(self, word: str) -> list[str]:
        """Tables of Airflow's database and files beneath its home that hold a word."""
        tables = self.metadata("select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace")
        found = []
        for (table,) in tables:
            if self.metadata(f'select 1 from "{table}" t where position(%s in lower(t::text)) > 0 limit 1', word):
                found.append(table)
        files = (path for path in self.home.rglob("*") if path.is_file())
        return found + [str(path) for path in files if word.encode() in path.read_bytes().lower()]


@dataclass
class Running(Airflow):
    """Airflow with its scheduler; its tasks reach PostgreSQL and the API through what a test can close."""

    postgres: Gate
    users_gate: Gate
    users_api: UsersApi
    # Who is told what fails: once it fails itself.
    hook: Hook
    token: str = ""

    def call(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Asks Airflow's API, as the page does."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        with urlopen(Request(f"http://127.0.0.1:{self.port}{path}", data, headers), timeout=60) as answer:
            return json.load(answer)

    def log_in(self) -> None:
        password = json.loads((self.home / "login.json").read_text())["admin"]
        self.token = self.call("/auth/token", {"username": "admin", "password": password})["access_token"]

    def trigger(self, dag: str, interval_end: str | None = None, **conf: Any) -> str:
        body = {"logical_date": interval_end, "conf": conf}
        return self.call(f"/api/v2/dags/{dag}/dagRuns", body)["dag_run_id"]

    def run_again(self, dag: str, run: str) -> None:
        """Clears all tasks of a run, and waits until it has gone through its interval once more."""
        before = self.tries(dag, run)
        self.call(f"/api/v2/dags/{dag}/dagRuns/{quote(run)}/clear", {"dry_run": False})
        self.until_green(dag, run)
        after = self.tries(dag, run)
        assert all(after[task] > tries for task, tries in before.items()), (before, after)

    def tries(self, dag: str, run: str) -> dict[str, int]:
        sql = "select task_id, try_number from task_instance where dag_id = %s and run_id = %s"
        return dict(self.metadata(sql, dag, run))

    def until_a_try_has_failed(self, dag: str, run: str) -> None:
        sql = """select 1 from task_instance where dag_id = %s and run_id = %s
                 and (state in ('up_for_retry', 'failed') or try_number > 1)"""
        until(f"a try of {dag} has failed", lambda: self.metadata(sql, dag, run))

    def until_failed(self, dag: str, run: str) -> None:
        """Until its tries are used up."""
        sql = "select 1 from dag_run where dag_id = %s and run_id = %s and state = 'failed'"
        until(f"{dag} {run} has failed for good", lambda: self.metadata(sql, dag, run))

    def until_green(self, dag: str, run: str) -> None:
        def ended():
            sql = "select state from dag_run where dag_id = %s and run_id = %s"
            [(state,)] = self.metadata(sql, dag, run)
            return state if state in ("success", "failed") else None

        assert until(f"{dag} {run} has ended", ended) == "success", self.task_logs(dag)

    def task_logs(self, dag: str) -> str:
        logs = sorted((self.home / "logs" / f"dag_id={dag}").rglob("*.log"), key=lambda log: log.stat().st_mtime)
        return "\n".join(log.read_text(errors="replace")[-4_000:] for log in logs[-2:]) or self.log("scheduler")


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    pg_url = os.environ.get("PG_URL")
    if not pg_url or not os.environ.get("STOREPULSE_BIN"):
        pytest.skip("needs the services in the environment: `make test-all`")
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


@contextmanager
def at_work(airflow: Airflow) -> Iterator[Running]:
    """The scheduler, the DAG processor and the API at work. Once they are, what is due runs by itself."""
    url = urlsplit(airflow.pg_url)
    profiles = [profile for (profile,) in airflow.ask("select profile from raw.users order by user_id limit 400")]
    users_api = UsersApi(profiles)
    postgres, users_gate = Gate(url.hostname, url.port), Gate("127.0.0.1", users_api.port)
    hook = Hook(failures=1)
    environment = {
        **airflow.environment,
        "PG_URL": airflow.pg_url.replace(f":{url.port}/", f":{postgres.port}/"),
        "AIRFLOW_VAR_USERS_SOURCE": "api",
        "STOREPULSE_USERS_API": f"http://127.0.0.1:{users_gate.port}",
        "STOREPULSE_ALERTS_FILE": hook.file(airflow.home / "alerts.toml"),
    }
    started = Running(environment, airflow.home, airflow.pg_url, airflow.port, postgres, users_gate, users_api, hook)
    postgres.open()
    users_gate.open()
    processes = {part[0]: started.start(*part) for part in PARTS}

    def healthy() -> bool:
        for part, process in processes.items():
            assert process.poll() is None, started.log(part)
        try:
            health = started.call("/api/v2/monitor/health")
        except (URLError, OSError):
            return False
        return all(health[part]["status"] == "healthy" for part in ("metadatabase", "scheduler", "dag_processor"))

    try:
        until("airflow is healthy", healthy)
        started.log_in()
        yield started
    finally:
        for process in processes.values():
            process.terminate()
        for part, process in processes.items():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                raise AssertionError(f"{part} does not stop") from None
