"""
### Remove the runs of `erase_user`

The parameters of an `erase_user` run contain the id of the erased user. After the run has succeeded, this DAG
deletes the run from Airflow, together with its log. Its task returns the number of deleted runs.

- **Schedule**: Airflow triggers this DAG after every `erase_user` run that succeeds. You can also trigger it
  manually. It then deletes every successful run that is still there.
- **Failed runs stay.** The user of a failed run is not erased yet. Clear the task of that run. This DAG
  deletes the run after it has succeeded.
- **A second run is safe.** It finds nothing to delete.
- **Access**: the task logs in to Airflow's REST API as `admin`, with the password of the web page.
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
    @task(
        doc_md="Deletes the successful runs of `erase_user` and their logs. Returns how many were deleted."
    )
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
                told = f"{len(open_runs)} runs of {DAG} have not ended"
                raise AirflowException(f"{told}: Airflow retries this task")
            # The API tells no end: the next look is a request away.
            time.sleep(1)

    remove()


erase_traces()
