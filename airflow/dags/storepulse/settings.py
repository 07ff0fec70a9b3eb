"""What all tasks have in common."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from typing import Any

import pendulum
from airflow.sdk import Asset

from storepulse import alerts

# A fixed date, so that a run's interval does not depend on when the file was read. No DAG catches up from it.
FIRST_DAY = pendulum.datetime(2026, 11, 1, tz="UTC")

# Changes whenever somebody was erased.
ERASED = Asset("storepulse://erased")


def task_defaults(execution_timeout: timedelta, retries: int = 4) -> dict[str, Any]:
    """Retries after 1, 2, 4, … min: long enough for a database that is being restarted, or an API that asks
    for a pause.

    STOREPULSE_RETRY_S is for tests, which have no minutes to wait.
    """
    return {
        "owner": "storepulse",
        "retries": retries,
        "retry_delay": timedelta(seconds=float(os.environ.get("STOREPULSE_RETRY_S", "60"))),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=15),
        "execution_timeout": execution_timeout,
        "on_failure_callback": alerts.task_failed,
    }


def interval(context: dict[str, Any], length: timedelta) -> tuple[datetime, datetime]:
    """The data interval of a run; of one started by hand without a date, the last whole one before it."""
    start, end = context.get("data_interval_start"), context.get("data_interval_end")
    if start and end and start < end:
        return start, end
    run_after = context["dag_run"].run_after.astimezone(timezone.utc)
    midnight = run_after.replace(hour=0, minute=0, second=0, microsecond=0)
    end = midnight + (run_after - midnight) // length * length
    return end - length, end
