"""
### Repair and verify the last days

The DAG runs three commands, one after another:

1. `reconcile` computes closed windows again and includes late records. It writes only the figures that
   differ.
2. `ledger` checks that every record of these days is accounted for at each stage.
3. `verify` compares every table with the result of SQL on the raw rows.

- **Schedule**: daily at 00:20 UTC, for the days before. A window is closed 11 minutes after its end. The
  relay and the job must be running.
- **Days**: a run covers the last two days by default. It therefore repairs records that arrived a day late,
  and it makes up for one missed night. After a longer gap, trigger the DAG with a larger `days`. Airflow does
  not catch up on missed runs.
- **A second run changes nothing.** Each repair has its own revision and writes only the figures that differ.
- **If a task fails**, Airflow sends an alert.
    - `reconcile` fails if Spark or Cassandra does not answer. Clear the task.
    - `ledger` names the stage and `verify` names the rows that are wrong. See docs/figures.md. Airflow
      retries these tasks once, because the line may have caught up by then.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import CronDataIntervalTimetable, Param, dag, get_current_context, task

from storepulse.alerts import deadline
from storepulse.command import storepulse
from storepulse.settings import FIRST_DAY, interval, task_defaults

DAY = timedelta(days=1)


def instant(at) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


@dag(
    schedule=CronDataIntervalTimetable("20 0 * * *", timezone="UTC"),
    start_date=FIRST_DAY,
    catchup=False,
    max_active_runs=1,
    default_args=task_defaults(timedelta(hours=2), retries=3),
    deadline=deadline("reconcile_daily", timedelta(hours=4)),
    params={
        "days": Param(
            2,
            type="integer",
            minimum=1,
            maximum=400,
            description="number of days to repair and verify, up to the end of the data interval",
        )
    },
    tags=["storepulse", "audit"],
    doc_md=__doc__,
)
def reconcile_daily():
    def days() -> tuple[str, str]:
        context = get_current_context()
        _, end = interval(context, DAY)
        # The interval ends 20 min past midnight, when the day's windows are closed; the day ends at midnight.
        end = end.replace(hour=0, minute=0, second=0, microsecond=0)
        return instant(end - context["params"]["days"] * DAY), instant(end)

    @task(doc_md="Runs `storepulse reconcile`. The command repairs closed windows.")
    def reconcile() -> None:
        start, end = days()
        storepulse("reconcile", "--from", start, "--to", end)

    @task(
        doc_md="Runs `storepulse ledger`. The task fails if records do not balance, and names the stage.",
        retries=1,
    )
    def ledger() -> None:
        start, end = days()
        storepulse("ledger", "--from", start, "--to", end)

    @task(doc_md="Runs `storepulse verify`. The task fails if rows differ, and names them.", retries=1)
    def verify() -> None:
        storepulse("verify")

    reconcile() >> ledger() >> verify()


reconcile_daily()
