"""
### Forget who was forgotten

A run of `erase_user` holds the user's id in its parameters. Once it has succeeded, this removes the run with
all that Airflow keeps of it, and its logs. What is left is how many there were, here.

- **Runs by itself** after every `erase_user`. Started by hand it does the same for whatever was left behind.
- **A run that failed stays**, with its id: the user is not forgotten yet. It is removed after the try that
  succeeds.
- **Running it again** finds nothing more to remove.
- Its password is the one that Airflow's page has for `admin`. It asks Airflow's own API, as somebody at the
  page would.
"""

from __future__ import annotations

import time
from datetime import timedelta

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowException

from storepulse.alerts import deadline
from storepulse.settings import ERASED, FIRST_DAY, task_defaults
from storepulse.traces import Api, remove_run

DAG = "erase_user"
# A run ends moments after its last task.
ENDS_WITHIN_S = 120


@dag(
    schedule=[ERASED],
    start_date=FIRST_DAY,
    catchup=False,
    max_active_runs=1,
    default_args=task_defaults(timedelta(minutes=10)),
    deadline=deadline("erase_traces", timedelta(hours=1)),
    tags=["storepulse", "privacy"],
    doc_md=__doc__,
)
def erase_traces():
    @task(doc_md="Removes the runs of `erase_user` that have succeeded, and their logs.")
    def remove() -> int:
        api, removed, until = Api(), 0, time.monotonic() + ENDS_WITHIN_S
        while True:
            open_runs = api.runs(DAG, "running")
            for run in api.runs(DAG, "success"):
                remove_run(api, DAG, run)
                removed += 1
            if not open_runs:
                return removed
            if time.monotonic() > until:
                raise AirflowException(f"{len(open_runs)} runs of {DAG} have not ended: tried again later")
            # The API tells no end: the next look is a request away.
            time.sleep(1)

    remove()


erase_traces()
