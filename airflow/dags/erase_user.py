"""
### Erase one user

The task runs `storepulse erase`. The command deletes a user, and everything stored under the user's id, from
PostgreSQL, Kafka and Cassandra.

- **Schedule**: none. Trigger this DAG manually with the user's id. The id is a UUID from `raw.users.user_id`.
  Airflow rejects any other value before it creates a run.
- **A second run is safe.** Erased data stays erased. If a run stops halfway, the next try completes it.
- **The id is stored in the run's parameters.** Airflow stores no other data about the user. The log shows the
  id as `***`. After the run has succeeded, `erase_traces` deletes the run and its log.
- **Trigger the DAG on this page or through the API.** Do not use `airflow dags trigger`: Airflow writes the
  arguments of that command to its audit log, and nothing deletes them there.
- **If the task fails**, Airflow sends an alert. The user is not erased yet. Clear the task.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, get_current_context, task
from airflow.sdk.log import mask_secret

from storepulse.alerts import deadline
from storepulse.command import storepulse_json
from storepulse.settings import ERASED, FIRST_DAY, task_defaults

UUID = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"


@dag(
    schedule=None,
    start_date=FIRST_DAY,
    catchup=False,
    max_active_runs=1,
    default_args=task_defaults(timedelta(minutes=30)),
    deadline=deadline("erase_user", timedelta(hours=1)),
    params={
        "user_id": Param(
            type="string", pattern=UUID, description="id of the user to erase, from raw.users.user_id"
        )
    },
    tags=["storepulse", "privacy"],
    doc_md=__doc__,
)
def erase_user():
    @task(
        doc_md="Runs `storepulse erase <user id>`. The command deletes the user from every service.",
        outlets=[ERASED],
    )
    def erase() -> dict[str, Any]:
        user_id = get_current_context()["params"]["user_id"]
        for written in {user_id, user_id.lower()}:
            mask_secret(written)
        return storepulse_json("erase", user_id.lower())

    erase()


erase_user()
