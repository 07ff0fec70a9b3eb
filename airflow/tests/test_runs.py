"""Each DAG on the real services, without the scheduler: right, in trouble, and again."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from contextlib import closing, suppress
from urllib.parse import urlsplit

import pytest

from conftest import free_port, query, until

HOUR = "2026-11-20T06:00:00+00:00"
DAY = "2026-11-20T00:20:00+00:00"


def knows(command: str) -> bool:
    return subprocess.run([os.environ["STOREPULSE_BIN"], command, "--help"], capture_output=True, check=False).returncode == 0


def assert_green(ended):
    assert ended.returncode == 0 and "state=success" in ended.stdout + ended.stderr, ended.stdout + ended.stderr


def assert_red(ended):
    assert "state=failed" in ended.stdout + ended.stderr, ended.stdout + ended.stderr


def test_an_hour_that_is_run_again_adds_nobody(airflow):
    before = set(airflow.users())
    assert_green(airflow.test("users_hourly", HOUR))
    once = set(airflow.users())
    assert len(once - before) == 100
    assert_green(airflow.test("users_hourly", HOUR))
    assert set(airflow.users()) == once
    assert_green(airflow.test("users_hourly", HOUR.replace("T06", "T07")))
    assert len(set(airflow.users()) - once) == 100


def test_an_api_that_fails_is_asked_again_and_leaves_nothing(airflow):
    before = airflow.users()
    nobody = f"http://127.0.0.1:{free_port()}"
    ended = airflow.test(
        "users_hourly", HOUR.replace("T06", "T08"), AIRFLOW_VAR_USERS_SOURCE="api", STOREPULSE_USERS_API=nobody
    )
    assert_red(ended)
    assert "storepulse alert" in ended.stdout + ended.stderr
    assert airflow.users() == before
    # The API is back: the same hour, whole.
    assert_green(airflow.test("users_hourly", HOUR.replace("T06", "T08")))
    assert len(airflow.users()) == len(before) + 100


def forward(port: int, to: tuple[str, int], ended: threading.Event) -> None:
    """A way to PostgreSQL that others take for PostgreSQL."""

    def copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    with closing(socket.create_server(("127.0.0.1", port))) as server:
        server.settimeout(0.2)
        while not ended.is_set():
            with suppress(TimeoutError):
                client, _ = server.accept()
                upstream = socket.create_connection(to)
                for pair in ((client, upstream), (upstream, client)):
                    threading.Thread(target=copy, args=pair, daemon=True).start()


def test_a_postgresql_that_comes_late_is_waited_for(airflow):
    before = len(airflow.users())
    url = urlsplit(airflow.pg_url)
    port, ended = free_port(), threading.Event()
    late = airflow.pg_url.replace(f":{url.port}/", f":{port}/")
    words = ("users_hourly", HOUR.replace("T06", "T09"))
    outcome = []
    run = threading.Thread(target=lambda: outcome.append(airflow.test(*words, PG_URL=late, STOREPULSE_RETRY_S="5")))
    run.start()
    failed = "select 1 from task_instance where dag_id = 'users_hourly' and state = 'up_for_retry'"
    metadata = airflow.environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("+psycopg2", "")
    until("the first try has failed", lambda: query(metadata, failed))
    way = threading.Thread(target=forward, args=(port, (url.hostname, url.port), ended))
    way.start()
    run.join()
    ended.set()
    way.join()
    assert_green(outcome[0])
    assert len(airflow.users()) == before + 100


def test_yesterday_is_put_right_and_proved(airflow):
    assert_green(airflow.test("reconcile_daily"))


def test_what_is_old_goes(airflow):
    if not knows("retention"):
        pytest.skip("this `storepulse` has no `retention` yet")
    ended = airflow.test("retention_daily", DAY)
    assert_green(ended)
    assert_green(airflow.test("retention_daily", DAY))


def test_a_user_is_forgotten(airflow):
    if not knows("erase"):
        pytest.skip("this `storepulse` has no `erase` yet")
    [(user_id, _), *_] = airflow.users()
    conf = f'{{"user_id": "{user_id}"}}'
    assert_green(airflow.test("erase_user", "--conf", conf))
    assert user_id not in {user for user, _ in airflow.users()}
    assert_green(airflow.test("erase_user", "--conf", conf))
