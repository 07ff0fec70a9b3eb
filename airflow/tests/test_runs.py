"""Each DAG on the real services by `airflow dags test`: without the scheduler, and the tasks in one process."""

from __future__ import annotations

HOUR = "2026-11-20T06:00:00+00:00"
DAY = "2026-11-20T00:20:00+00:00"


def assert_green(ended):
    assert ended.returncode == 0 and "state=success" in ended.stdout + ended.stderr, ended.stdout + ended.stderr


def test_an_hour_brings_its_users(airflow):
    before = set(airflow.users())
    assert_green(airflow.test("users_hourly", HOUR))
    after = set(airflow.users())
    assert before < after and len(after - before) == 100


def test_yesterday_is_put_right_and_proved(airflow):
    assert_green(airflow.test("reconcile_daily"))


def test_what_is_old_goes(airflow):
    before = airflow.ask("select count(*) from raw.events")
    assert_green(airflow.test("retention_daily", DAY))
    # By the policy of 400 days nothing is old yet.
    assert airflow.ask("select count(*) from raw.events") == before


def test_a_user_is_forgotten(airflow):
    [(user_id, _), *others] = airflow.users()
    assert_green(airflow.test("erase_user", "--conf", f'{{"user_id": "{user_id}"}}'))
    assert airflow.users() == others
