"""Tells somebody: a line in the log that can be searched for, and the command in STOREPULSE_ALERT_COMMAND where there is one."""

from __future__ import annotations

import json
import logging
import os
import subprocess
from datetime import timedelta
from typing import Any

from airflow.sdk import DeadlineAlert, DeadlineReference, SyncCallback

log = logging.getLogger(__name__)

COMMAND_LIMIT_S = 30


def alert(kind: str, **facts: Any) -> None:
    """Says what happened; never raises, lest an alert that cannot be sent hide what it is about."""
    message = json.dumps({"kind": kind, **facts}, default=str, sort_keys=True)
    log.error("storepulse alert: %s", message)
    command = os.environ.get("STOREPULSE_ALERT_COMMAND")
    if not command:
        return
    try:
        done = subprocess.run(
            command, shell=True, input=message, text=True, capture_output=True, timeout=COMMAND_LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        log.error("the alert could not be sent: %s", error)
        return
    if done.returncode:
        log.error("the alert could not be sent: STOREPULSE_ALERT_COMMAND exits %s: %s", done.returncode, done.stderr)


def task_failed(context: dict[str, Any]) -> None:
    """A task has failed for good: its retries are used up, or would not help."""
    task = context["ti"]
    alert(
        "task failed",
        dag=task.dag_id,
        task=task.task_id,
        run=task.run_id,
        tries=task.try_number,
        error=str(context.get("exception")),
    )


def deadline_missed(dag: str, **_: Any) -> None:
    """A run is not through although it should be."""
    alert("deadline missed", dag=dag)


def deadline(dag: str, after: timedelta) -> DeadlineAlert | None:
    """Alerts when a run has not ended so long after it was queued. Runs in the executor: there is no triggerer.

    None where `STOREPULSE_NO_DEADLINES` is set: at the end of a run, `airflow dags test` of 3.3.2 looks a deadline up by what it
    is and not by its id, and fails.
    """
    if os.environ.get("STOREPULSE_NO_DEADLINES"):
        return None
    return DeadlineAlert(
        name=f"{dag} ends within {after}",
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=after,
        callback=SyncCallback("storepulse.alerts.deadline_missed", kwargs={"dag": dag}),
    )
