"""Every DAG imports, and says and bounds what it does. Needs no service."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.dag_processing.dagbag import DagBag

from conftest import DAGS
from storepulse import alerts, quality
from storepulse.command import storepulse

NAMES = {"users_hourly", "reconcile_daily", "retention_daily", "erase_user", "erase_traces"}


@pytest.fixture(scope="module")
def dags():
    bag = DagBag(DAGS)
    assert bag.import_errors == {}
    return bag.dags


def test_these_and_no_others(dags):
    assert set(dags) == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_says_what_it_does_and_ends(dags, name):
    dag = dags[name]
    assert len(dag.doc_md.strip()) > 300
    assert dag.max_active_runs == 1
    assert not dag.catchup
    assert dag.deadline
    for task in dag.tasks:
        assert task.doc_md, task.task_id
        assert task.retries >= 1, task.task_id
        assert task.retry_exponential_backoff, task.task_id
        assert timedelta() < task.execution_timeout <= timedelta(hours=2), task.task_id
        assert task.on_failure_callback, task.task_id


@pytest.mark.parametrize("user_id", ["", "bob", "6d0ac2ce-2d3b-4d5c-a1a0-5e5d2c9d7e1", "6d0ac2ce2d3b4d5ca1a05e5d2c9d7e11; x"])
def test_only_an_id_names_a_user(dags, user_id):
    param = dags["erase_user"].params.get_param("user_id")
    param.resolve("6d0ac2ce-2d3b-4d5c-a1a0-5e5d2c9d7e11")
    with pytest.raises(ValueError, match="user_id|does not match|Invalid"):
        param.resolve(user_id)


def account(**other):
    rows = {
        "users": 98,
        "largest_country": "CH",
        "of_largest_country": 9,
        **dict.fromkeys(quality.FLAWS, 0),
        **other.pop("stored_as", {}),
    }
    stored = {"inserted": 90, "updated": 5, "unchanged": 3, "repeated": 0}
    return {"seed": "s", "fetched": 100, "set_aside": 2, "users": 98, "stored": stored, "stored_as": rows, **other}


def test_what_is_right_passes():
    assert quality.problems(account()) == []


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"set_aside": 8}, "8 of 100 set aside"),
        ({"fetched": 99}, "99 fetched, but"),
        ({"stored_as": {"users": 97}}, "97 of the 98 users"),
        ({"stored_as": {"impossible_ages": 1}}, "1 users count as impossible_ages"),
        ({"stored_as": {"of_largest_country": 60}}, "60 of 98 users are from CH"),
    ],
)
def test_what_is_wrong_is_named(wrong, told):
    assert any(problem.startswith(told) for problem in quality.problems(account(**wrong)))


def script(folder: Path, text: str) -> str:
    path = folder / "command"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_a_command_that_fails_shows_the_end_of_what_it_printed(tmp_path, monkeypatch):
    monkeypatch.setenv("STOREPULSE_BIN", script(tmp_path, "echo no such slot >&2; exit 1"))
    with pytest.raises(Exception, match="(?s)exit status 1.*no such slot"):
        storepulse("verify")


def test_a_command_ends_with_its_task(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    monkeypatch.setenv("STOREPULSE_BIN", script(tmp_path, f"trap 'touch {gone}; exit' TERM; echo up; sleep 60 & wait"))

    def stop(*_):
        raise TimeoutError

    # As Airflow's own time-out does: an exception in the middle of reading.
    import signal

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 1)
    with pytest.raises(TimeoutError):
        storepulse("verify")
    assert gone.exists()


def test_an_alert_takes_the_way_of_the_console_and_never_raises(monkeypatch, tmp_path):
    told, words = tmp_path / "told", tmp_path / "words"
    monkeypatch.setenv("STOREPULSE_ALERT_COMMAND", "false")
    monkeypatch.setenv("STOREPULSE_BIN", script(tmp_path, f'echo "$@" > {words}; cat > {told}'))
    alerts.alert("task failed", incident="a b", dag="users_hourly")
    assert words.read_text().splitlines() == ["alerts send --source Airflow --incident a b"]
    assert json.loads(told.read_text()) == {"kind": "task failed", "dag": "users_hourly"}


def test_what_is_said_of_a_failure_names_its_incident_and_no_person(monkeypatch, tmp_path):
    said, words = tmp_path / "said", tmp_path / "words"
    monkeypatch.setenv("STOREPULSE_ALERT_COMMAND", "false")
    monkeypatch.setenv("STOREPULSE_BIN", script(tmp_path, f'echo "$@" >> {words}; cat > {said}'))
    user = "6d0ac2ce-2d3b-4d5c-a1a0-5e5d2c9d7e11"
    task = SimpleNamespace(dag_id="erase_user", task_id="erase", run_id="manual__1", try_number=2)
    for _ in range(2):
        alerts.task_failed({"ti": task, "exception": RuntimeError(f"`storepulse erase {user}` ended with exit status 1")})
    first, second = words.read_text().splitlines()
    assert first == second and first.endswith("--incident erase_user erase manual__1 2")
    assert user not in said.read_text() and "6d0ac2ce…" in json.loads(said.read_text())["error"]


def test_without_the_command_its_own_alert_command_is_run(monkeypatch, tmp_path):
    told = tmp_path / "told"
    monkeypatch.delenv("STOREPULSE_BIN", raising=False)
    monkeypatch.setenv("STOREPULSE_ALERT_COMMAND", f"cat > {told}; exit 3")
    alerts.alert("deadline missed", dag="users_hourly")
    assert json.loads(told.read_text())["kind"] == "deadline missed"
