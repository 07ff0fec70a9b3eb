"""Sends alerts: a line in the log that can be searched for, and the targets that the console's own alerts
have.

`storepulse alerts send` sends them: to the targets of the file in STOREPULSE_ALERTS_FILE, and to the command
in STOREPULSE_ALERT_COMMAND. What it cannot send at once, the console goes on trying to send. Each failure is
sent once. Without the `storepulse` command, the alert command is run here.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DeadlineAlert, DeadlineReference, SyncCallback

from storepulse.redaction import without_ids

log = logging.getLogger(__name__)

# `storepulse alerts send` gives a command 30 s, and PostgreSQL a few.
COMMAND_LIMIT_S = 45


def alert(kind: str, incident: str | None = None, **facts: Any) -> None:
    """Says what happened; never raises, lest an alert that cannot be sent hide what it is about.

    Of one incident somebody is told once, however often it is said.
    """
    message = json.dumps({"kind": kind, **facts}, default=str, sort_keys=True)
    log.error("storepulse alert: %s", message)
    command = os.environ.get("STOREPULSE_ALERT_COMMAND")
    if not command and not os.environ.get("STOREPULSE_ALERTS_FILE"):
        return
    program = os.environ.get("STOREPULSE_BIN")
    if program and Path(program).is_file():
        words: list[str] = [program, "alerts", "send", "--source", "Airflow"]
        words += ["--incident", incident] if incident else []
    elif command:
        words = ["sh", "-c", command]
    else:
        log.error("the alert could not be sent: STOREPULSE_BIN names no command (%s)", program)
        return
    try:
        done = subprocess.run(
            words, input=message, text=True, capture_output=True, timeout=COMMAND_LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        log.error("the alert could not be sent: %s", error)
        return
    if done.returncode:
        log.error("the alert could not be sent: exit %s: %s%s", done.returncode, done.stdout, done.stderr)


def task_failed(context: dict[str, Any]) -> None:
    """A task has failed for good: its retries are used up, or would not help."""
    task = context["ti"]
    alert(
        "task failed",
        incident=f"{task.dag_id} {task.task_id} {task.run_id} {task.try_number}",
        dag=task.dag_id,
        task=task.task_id,
        run=task.run_id,
        tries=task.try_number,
        error=without_ids(str(context.get("exception"))),
    )


def deadline_missed(dag: str, context: dict[str, Any] | None = None, **_: Any) -> None:
    """A run is not through although it should be."""
    run = ((context or {}).get("dag_run") or {}).get("dag_run_id")
    alert("deadline missed", incident=f"{dag} {run} deadline" if run else None, dag=dag, run=run)


def deadline(dag: str, after: timedelta) -> DeadlineAlert | None:
    """Alerts when a run has not ended so long after it was queued. Runs in the executor: there is no
    triggerer.

    None where `STOREPULSE_NO_DEADLINES` is set: at the end of a run, `airflow dags test` of 3.3.2 looks a
    deadline up by what it is and not by its id, and fails.
    """
    if os.environ.get("STOREPULSE_NO_DEADLINES"):
        return None
    return DeadlineAlert(
        name=f"{dag} ends within {after}",
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=after,
        callback=SyncCallback("storepulse.alerts.deadline_missed", kwargs={"dag": dag}),
    )
