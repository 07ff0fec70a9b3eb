"""Each DAG on the real services by `airflow dags test`: without the scheduler, and the tasks in one
process."""

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


def test_retention_is_off_until_somebody_sets_it(airflow):
    before = airflow.ask("select count(*) from raw.events")
    ended = airflow.test("retention_daily", DAY)
    assert_green(ended)
    assert "set the variable retention_days" in ended.stdout + ended.stderr
    assert airflow.ask("select 1 from ops.setting where name = 'retention_floor'") == []
    # So old that nothing is: the floor moves no further than what is removed.
    assert_green(airflow.test("retention_daily", DAY, "--conf", '{"keep_days": 400}'))
    assert airflow.ask("select count(*) from raw.events") == before
    assert airflow.ask("select 1 from ops.setting where name = 'retention_floor'") == []


def test_a_user_is_forgotten(airflow):
    [(user_id, _), *others] = airflow.users()
    assert_green(airflow.test("erase_user", "--conf", f'{{"user_id": "{user_id}"}}'))
    assert airflow.users() == others
