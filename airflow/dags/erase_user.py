"""
### Forget one user

`storepulse erase` removes a user and all that stands under the user's id from PostgreSQL, Kafka and Cassandra.
Started by hand, with the user's id (a UUID, as in `raw.users.user_id`). Anything else is refused before a run
is made.

- **Running it again** is safe: what is erased stays erased, and a run that died half way is finished by the
  next try.
- The id stands in the run's parameters, and nothing else about the user does. In its log it shows as `***`.
  After a run that succeeded, `erase_traces` removes the run and its log.
- Start it on the page or over the API: `airflow dags trigger` writes the words of its command into Airflow's
  list of events, where they stay.
- **When it fails** an alert goes out, and the user is not forgotten yet: clear the task.
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
    params={"user_id": Param(type="string", pattern=UUID, description="raw.users.user_id of the user to forget")},
    tags=["storepulse", "privacy"],
    doc_md=__doc__,
)
def erase_user():
    @task(doc_md="`storepulse erase <user id>`: removes the user everywhere.", outlets=[ERASED])
    def erase() -> dict[str, Any]:
        user_id = get_current_context()["params"]["user_id"]
        for written in {user_id, user_id.lower()}:
            mask_secret(written)
        return storepulse_json("erase", user_id.lower())

    erase()


erase_user()
