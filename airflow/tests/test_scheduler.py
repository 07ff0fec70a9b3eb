"""Every DAG through the real scheduler: when due, in trouble, and again. What that leaves is asked of
PostgreSQL."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest

from conftest import at_work, until
from doubles import login_uuid

MAPPING = """
source = "tests"
[fields]
event_id = "id"
event_name = { value = "session_start" }
occurred_at = "at"
session_started_at = "at"
user_id = "id"
session_id = "id"
gender = { value = "other" }
age = { value = 40 }
country = { value = "CH" }
city = { value = "Bern" }
latitude = { value = 46.95 }
longitude = { value = 7.45 }
returning = { value = false }
device = { value = "desktop" }
channel = { value = "direct" }
"""
EVENTS_A_DAY = 120
KEPT_DAYS = 3
# The day that is older than what is kept in the end.
OLD_DAYS = 10


def today() -> date:
    return datetime.now(timezone.utc).date()


def replay(airflow, folder, days_ago: int) -> None:
    """Events of a day that is long closed: the stream leaves them to `reconcile`."""
    day = today() - timedelta(days=days_ago)
    seconds = ((second, f"{day}T10:{second // 60:02}:{second % 60:02}Z") for second in range(EVENTS_A_DAY))
    export = folder / f"{day}.csv"
    export.write_text("id,at\n" + "".join(f"{day}/{second},{at}\n" for second, at in seconds))
    (folder / "shop.toml").write_text(MAPPING)
    airflow.command("ingest", "replay", str(export), "--mapping", str(folder / "shop.toml"))


def events(airflow) -> dict[date, int]:
    return dict(airflow.ask("select (occurred_at at time zone 'utc')::date, count(*) from raw.events group by 1"))


def floor(airflow) -> date | None:
    values = airflow.ask("select value from ops.setting where name = 'retention_floor'")
    return datetime.fromisoformat(values[0][0]).date() if values else None


def repaired(airflow) -> list[tuple]:
    return airflow.ask("select repair_id, table_name, row_key, measure, found, expected from ops.repaired_figure order by 1, 2, 3, 4")


def of_hour(airflow, end: str) -> list[tuple]:
    """The users whom the API has for the hour that ends then, as they are stored."""
    start = datetime.fromisoformat(end) - timedelta(hours=1)
    uuids = [login_uuid(f"hour-{start:%Y%m%d%H}", 1, index) for index in range(100)]
    sql = "select user_id, ingested_at from raw.users where profile -> 'login' ->> 'uuid' = any(%s) order by 1"
    return airflow.ask(sql, uuids)


@pytest.fixture(scope="module")
def running(airflow, tmp_path_factory):
    """The scheduler; late events of yesterday and of a day that is old came before its first run."""
    folder = tmp_path_factory.mktemp("late")
    for days_ago in (1, OLD_DAYS):
        replay(airflow, folder, days_ago)
    with at_work(airflow) as running:
        yield running


@pytest.fixture(scope="module")
def due(running):
    """The runs that the scheduler made by itself, ended and green, by DAG."""
    made = "select dag_id, run_id from dag_run where run_type = 'scheduled' order by run_after desc"
    dags = {"users_hourly", "reconcile_daily", "retention_daily"}
    until("what is due was queued", lambda: dags <= {dag for dag, _ in running.metadata(made)})
    runs = dict(running.metadata(made))
    for dag, run in runs.items():
        running.until_green(dag, run)
    return runs


def test_what_is_due_runs_by_itself(running, due):
    assert events(running)[today() - timedelta(days=1)] == EVENTS_A_DAY
    assert repaired(running)
    # Nobody has said how long anything is kept.
    assert floor(running) is None


def test_a_user_is_forgotten_and_stays_so(running, due):
    [(user_id, _), *_] = running.users()
    for _ in range(2):
        running.trigger("erase_user", user_id=str(user_id))

        def left() -> list[tuple]:
            runs = running.metadata("select run_id, state from dag_run where dag_id = 'erase_user'")
            assert all(state != "failed" for _, state in runs), running.task_logs("erase_user")
            return runs

        until("the run was removed with its id", lambda: not left())
        assert running.ask("select 1 from raw.users where user_id = %s", user_id) == []
    assert running.traces_of(str(user_id)) == []


@pytest.mark.parametrize(("trouble", "hour"), [("refuses", "05"), ("answers 500", "06")])
def test_an_api_that_fails_is_asked_again(running, due, trouble, hour):
    end = f"2026-11-19T{hour}:00:00+00:00"
    running.users_gate.close() if trouble == "refuses" else setattr(running.users_api, "failing", True)
    try:
        run = running.trigger("users_hourly", end)
        running.until_a_try_has_failed("users_hourly", run)
        assert of_hour(running, end) == []
    finally:
        running.users_gate.open() if trouble == "refuses" else setattr(running.users_api, "failing", False)
    running.until_green("users_hourly", run)
    assert running.tries("users_hourly", run)["ingest"] > 1
    assert len(of_hour(running, end)) == 100


def test_a_postgresql_that_comes_late_is_waited_for(running, due):
    end = "2026-11-19T07:00:00+00:00"
    running.postgres.close()
    try:
        run = running.trigger("users_hourly", end)
        running.until_a_try_has_failed("users_hourly", run)
        assert of_hour(running, end) == []
    finally:
        running.postgres.open()
    running.until_green("users_hourly", run)
    assert running.tries("users_hourly", run)["ingest"] > 1
    assert len(of_hour(running, end)) == 100


def test_what_fails_for_good_is_told_once_by_a_signed_webhook(running, due):
    """The receiver fails at first: the console, and not Airflow, tells it again."""
    end = "2026-11-19T09:00:00+00:00"
    running.users_gate.close()
    console = running.start_console()
    try:
        run = running.trigger("users_hourly", end)
        running.until_failed("users_hourly", run)
        until("somebody was told", lambda: running.hook.took)
    finally:
        running.users_gate.open()
        console.terminate()
        console.wait(30)
    [(key, notice)] = running.hook.took
    told = {name: notice[name] for name in ("source", "kind", "dag", "task", "run")}
    assert told == {"source": "Airflow", "kind": "task failed", "dag": "users_hourly", "task": "ingest", "run": run}
    assert key == f"{notice['incident']}-event"
    noted = running.ask("select status, attempts from ops.alert_delivery where incident = %s", notice["incident"])
    assert noted == [("delivered", 2)]
    # What comes after it is green, and nobody is told again. The run itself cannot be cleared before its
    # deadline: Airflow 3.3.2 answers 500 (docs/schedule.md).
    end = "2026-11-19T10:00:00+00:00"
    running.until_green("users_hourly", running.trigger("users_hourly", end))
    assert len(of_hour(running, end)) == 100 and len(running.hook.took) == 1


def test_an_old_hour_that_is_run_again_changes_nobody(running, due):
    end = "2026-11-19T08:00:00+00:00"
    run = running.trigger("users_hourly", end)
    running.until_green("users_hourly", run)
    once = of_hour(running, end)
    assert len(once) == 100
    running.run_again("users_hourly", run)
    assert of_hour(running, end) == once


def test_an_old_retention_that_is_run_again_brings_nothing_back(running, due):
    before = events(running)
    old = today() - timedelta(days=OLD_DAYS)
    assert before[old] == EVENTS_A_DAY
    running.until_green("retention_daily", running.trigger("retention_daily", keep_days=KEPT_DAYS))
    kept = {day: count for day, count in before.items() if day != old}
    assert (floor(running), events(running)) == (today() - timedelta(days=KEPT_DAYS), kept)
    # The night's run, for which retention is off.
    run = due["retention_daily"]
    running.run_again("retention_daily", run)
    assert (floor(running), events(running)) == (today() - timedelta(days=KEPT_DAYS), kept)


def test_a_reconciliation_that_is_run_again_repairs_nothing(running, due):
    """After all the above: what it proves at its end, `ledger` and `verify`, holds of that too."""
    before, run = repaired(running), due["reconcile_daily"]
    running.run_again("reconcile_daily", run)
    assert repaired(running) == before
