"""
### Yesterday, put right and proved

`reconcile` computes closed windows again, late records included, and writes where a figure differs; `ledger` asks whether
every record of the day is accounted for at each stage; `verify` compares every table with SQL over the raw rows.

- Runs at 00:20 UTC for the day before: windows are closed 11 min after their end. Needs relay and job running.
- **From the day before yesterday on** (parameter `days`), so that a night that was missed, and late records that came a
  day later, are made up for by the next one. Longer gaps: trigger it with more `days`; it does not catch up day by day.
- **Running it again changes nothing**: a repair has a revision of its own and writes only what differs.
- **When it fails** an alert goes out. `reconcile`: Spark or Cassandra away, try again by clearing the task. `ledger` and
  `verify` name the stage or the rows; see docs/operations.md. They are tried again once, since a line that is behind
  may be through by then.
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
    params={"days": Param(2, type="integer", minimum=1, maximum=400, description="days up to the interval's end")},
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

    @task(doc_md="`storepulse reconcile`: puts closed windows right.")
    def reconcile() -> None:
        start, end = days()
        storepulse("reconcile", "--from", start, "--to", end)

    @task(doc_md="`storepulse ledger`: fails with the stage where records do not balance.", retries=1)
    def ledger() -> None:
        start, end = days()
        storepulse("ledger", "--from", start, "--to", end)

    @task(doc_md="`storepulse verify`: fails with the rows that differ.", retries=1)
    def verify() -> None:
        storepulse("verify")

    reconcile() >> ledger() >> verify()


reconcile_daily()
