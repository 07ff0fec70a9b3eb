"""
### New users every hour

Fetches a page of users from randomuser.me, stores them in `raw.users` and checks what came.

- **Which page** follows from the data interval alone: the API is asked with the seed `hour-YYYYMMDDHH`, and the same
  seed gives the same users. A rerun of an old interval therefore adds nobody and changes nothing but ages, which the
  API computes on request. This holds per source: keep the variable as it is for old intervals.
- **Source**: the Airflow variable `users_source` is `api` (default) or `simulated` (a local server with the same JSON).
  There is no `auto` here: an hour that fell back would have other users when it is run again.
- **When the API fails** nothing of a page is stored that did not come whole; the task is tried again after 1, 2, 4 and
  8 min, and then alerts. Users have no time of their own, so a missed hour loses nothing and the DAG does not catch
  up; `airflow backfill create --dag-id users_hourly --from-date … --to-date …` runs hours that are wanted all the same.
- **Check**: all users stored, no empty fields, ages and countries plausible, at most 5 % set aside. It fails at once, since a
  second look would see the same. Look at `storepulse quarantine list --summary`, then clear the task.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import CronDataIntervalTimetable, Param, Variable, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from storepulse import quality
from storepulse.alerts import deadline
from storepulse.command import storepulse_json
from storepulse.settings import FIRST_DAY, interval, task_defaults

SOURCES = ("api", "simulated")


@dag(
    schedule=CronDataIntervalTimetable("0 * * * *", timezone="UTC"),
    start_date=FIRST_DAY,
    catchup=False,
    max_active_runs=1,
    default_args=task_defaults(timedelta(minutes=10)),
    deadline=deadline("users_hourly", timedelta(minutes=45)),
    params={"users": Param(100, type="integer", minimum=1, maximum=5000, description="users an hour, in one page")},
    tags=["storepulse", "ingest"],
    doc_md=__doc__,
)
def users_hourly():
    @task(doc_md="`storepulse ingest users`: extracts the interval's page, loads it, and tells what became of each record.")
    def ingest() -> dict[str, Any]:
        context = get_current_context()
        start, _ = interval(context, timedelta(hours=1))
        source = Variable.get("users_source", default="api")
        if source not in SOURCES:
            raise AirflowFailException(f"the variable users_source is {source!r}: set it to one of {', '.join(SOURCES)}")
        words = ["ingest", "users", "--source", source, "--seed", f"hour-{start:%Y%m%d%H}"]
        return storepulse_json(*words, "--count", str(context["params"]["users"]))

    @task(doc_md="Judges counts and rows of the interval; fails with what is wrong.")
    def check_quality(account: dict[str, Any]) -> None:
        quality.check(account)

    check_quality(ingest())


users_hourly()
