"""
### What is old goes

`storepulse retention` drops whole days of `raw.events`, of Kafka's topics and of Cassandra's tables by policy.
It moves the retention floor, below which `verify` and `reconcile` expect nothing any more.

- **Off until somebody sets it**: the Airflow variable `retention_days`. 400 keeps a year, and a month to
  compare with the year before. Without it runs are skipped, and nothing is removed. A run can be given a number
  as parameter `keep_days`.
- Runs at 02:20 UTC, behind `reconcile_daily`: a day is dropped after its last repair.
- **Running it again** finds nothing more to drop. The policy counts from today, so an old interval that is run
  again drops nothing that today's run keeps. It does not catch up: one run does the work of all that were
  missed.
- **What was dropped is gone**, and events from before it are not taken any more. A shorter number takes effect
  with the next run. Try it with `storepulse retention --keep-days N --dry-run` first.
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
            None, type=["null", "integer"], minimum=FEWEST_DAYS, description="instead of the variable retention_days"
        )
    },
    tags=["storepulse", "privacy"],
    doc_md=__doc__,
)
def retention_daily():
    @task(doc_md="`storepulse retention --keep-days N`: drops what is older.")
    def drop_old_days() -> dict[str, Any]:
        keep_days = get_current_context()["params"]["keep_days"] or Variable.get("retention_days", default=None)
        if keep_days is None:
            raise AirflowSkipException("retention is off: set the variable retention_days to the days that are to be kept")
        if not str(keep_days).isdecimal() or int(keep_days) < FEWEST_DAYS:
            raise AirflowFailException(f"the variable retention_days is {keep_days!r}: set it to {FEWEST_DAYS} or more")
        return storepulse_json("retention", "--keep-days", str(keep_days))

    drop_old_days()


retention_daily()
