"""
### Delete old data

The task runs `storepulse retention`. The command drops whole days from `raw.events`, from Kafka's topics and
from Cassandra's tables. It also moves the retention floor. `verify` and `reconcile` expect no data from
before the floor.

- **Retention is off by default.** To turn it on, set the Airflow variable `retention_days`. The value 400
  keeps one year, and one month to compare with the year before. Without the variable, Airflow skips the task
  and nothing is deleted. The parameter `keep_days` overrides the variable for one run.
- **Schedule**: daily at 02:20 UTC. `reconcile_daily` has then repaired the day for the last time.
- **A second run is safe.** It finds nothing more to drop. The number of days counts back from today and not
  from the data interval, so an old run drops nothing that today's run keeps. Airflow does not catch up on
  missed runs: one run does the work of all of them.
- **Dropped data cannot be restored.** Storepulse also rejects new events from before the floor. A smaller
  number of days takes effect with the next run. Try it first with
  `storepulse retention --keep-days N --dry-run`.
- **If the task fails**, Airflow sends an alert. Clear the task: it continues where it stopped.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import CronDataIntervalTimetable, Param, Variable, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from storepulse.alerts import deadline
from storepulse.command import storepulse_json
from storepulse.settings import FIRST_DAY, task_defaults

# Fewer would drop windows that may still be repaired, and is a slip of the finger.
FEWEST_DAYS = 2


@dag(
    schedule=CronDataIntervalTimetable("20 2 * * *", timezone="UTC"),
    start_date=FIRST_DAY,
    catchup=False,
    max_active_runs=1,
    default_args=task_defaults(timedelta(hours=1)),
    deadline=deadline("retention_daily", timedelta(hours=2)),
    params={
        "keep_days": Param(
            None,
            type=["null", "integer"],
            minimum=FEWEST_DAYS,
            description="number of days to keep; overrides the variable retention_days for this run",
        )
    },
    tags=["storepulse", "privacy"],
    doc_md=__doc__,
)
def retention_daily():
    @task(
        doc_md="Runs `storepulse retention --keep-days N`. The command drops the days before the last N days."
    )
    def drop_old_days() -> dict[str, Any]:
        keep_days = get_current_context()["params"]["keep_days"] or Variable.get("retention_days", default=None)
        if keep_days is None:
            raise AirflowSkipException(
                "retention is off: set the variable retention_days to the number of days to keep"
            )
        if not str(keep_days).isdecimal() or int(keep_days) < FEWEST_DAYS:
            raise AirflowFailException(f"the variable retention_days is {keep_days!r}: set it to {FEWEST_DAYS} or more")
        return storepulse_json("retention", "--keep-days", str(keep_days))

    drop_old_days()


retention_daily()
