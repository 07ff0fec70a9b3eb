"""
### Ingest new users every hour

The DAG fetches one page of users from randomuser.me, stores them in `raw.users` and checks the result.

- **Page**: the data interval alone determines the page. The task calls the API with the seed
  `hour-YYYYMMDDHH`, and the API returns the same users for the same seed. If you run an old interval again,
  no user is added. Only ages can change, because the API computes them at each request.
- **Source**: the Airflow variable `users_source` is `api` (the default) or `simulated` (a local server with
  the same JSON). Each source has its own users, so keep the value when you run old intervals again. There is
  no `auto` here: a run that fell back to the other source would store other users the next time.
- **If the API fails**, an incomplete page is not stored. Airflow retries the task after 1, 2, 4 and 8
  minutes. Then it sends an alert. A missed hour loses no data, because users have no time of their own.
  Airflow therefore does not catch up on missed runs. To run them anyway:
  `airflow backfill create --dag-id users_hourly --from-date … --to-date …`.
- **Check**: all users of the page are stored. No field is empty. Ages and countries are plausible. At most
  5 % of the records are in quarantine. Airflow does not retry a failed check, because the result would be the
  same. Run `storepulse quarantine list --summary`, then clear the task.
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
    params={
        "users": Param(
            100, type="integer", minimum=1, maximum=5000, description="number of users to fetch, in one page"
        )
    },
    tags=["storepulse", "ingest"],
    doc_md=__doc__,
)
def users_hourly():
    @task(
        doc_md="Runs `storepulse ingest users`. The command fetches the page of the interval and stores it. "
        "The task returns how many records were fetched, stored and set aside."
    )
    def ingest() -> dict[str, Any]:
        context = get_current_context()
        start, _ = interval(context, timedelta(hours=1))
        source = Variable.get("users_source", default="api")
        if source not in SOURCES:
            raise AirflowFailException(f"the variable users_source is {source!r}: set it to one of {', '.join(SOURCES)}")
        words = ["ingest", "users", "--source", source, "--seed", f"hour-{start:%Y%m%d%H}"]
        return storepulse_json(*words, "--count", str(context["params"]["users"]))

    @task(
        doc_md="Checks the counts and the stored rows of the interval. The task fails if something is wrong, "
        "and names it."
    )
    def check_quality(account: dict[str, Any]) -> None:
        quality.check(account)

    check_quality(ingest())


users_hourly()
