"""One DAG through the real scheduler: parsed by the DAG processor, run by the executor, its state asked for by the command."""

from __future__ import annotations

import json
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from conftest import query, until

PARTS = (("api-server",), ("scheduler", "--skip-serve-logs"), ("dag-processor",))
RUN = "select state from dag_run where dag_id = 'users_hourly' and run_id = 'by_hand'"


@pytest.fixture
def running(airflow):
    processes = {part[0]: airflow.start(*part) for part in PARTS}

    def healthy():
        for part, process in processes.items():
            assert process.poll() is None, airflow.log(part)
        try:
            with urlopen(f"http://127.0.0.1:{airflow.port}/api/v2/monitor/health", timeout=3) as answer:
                health = json.load(answer)
        except (URLError, OSError):
            return None
        return all(health[part]["status"] == "healthy" for part in ("metadatabase", "scheduler", "dag_processor"))

    try:
        until("airflow is healthy", healthy)
        yield airflow
    finally:
        for process in processes.values():
            process.terminate()
        for part, process in processes.items():
            assert process.wait(30) is not None, part


def test_users_come_through_the_scheduler(running):
    before = len(running.users())
    metadata = running.environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("+psycopg2", "")
    words = ("users_hourly", "--run-id", "by_hand", "--logical-date", "2026-11-19T05:00:00+00:00")
    triggered = running.run("dags", "trigger", *words)
    assert triggered.returncode == 0, triggered.stderr

    def ended():
        [(state,)] = query(metadata, RUN)
        return state if state in ("success", "failed") else None

    assert until("the run has ended", ended) == "success", running.log("scheduler")
    # The hour before this one was due as well, and may have been run meanwhile.
    assert len(running.users()) in (before + 100, before + 200)
