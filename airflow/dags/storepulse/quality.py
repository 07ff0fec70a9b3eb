"""Judges what `storepulse ingest users --json` says of one interval: counts, and figures over its rows in
`raw.users`.

The figures come from the command and name nobody: a list of users would stay in Airflow's database, where an
erasure does not reach.
"""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk.exceptions import AirflowFailException

log = logging.getLogger(__name__)

# A source of which more is refused than this has changed its contract; see `storepulse quarantine list`.
MOST_SET_ASIDE = 0.05
# randomuser.me serves some twenty nationalities evenly; a page of one is a page gone wrong.
LARGEST_COUNTRY = 0.5
# Below this a share says nothing.
ENOUGH_USERS = 50
# Each counts rows that should not be.
FLAWS = ("empty", "impossible_ages", "malformed_countries", "off_the_globe", "registered_later")


def problems(account: dict[str, Any]) -> list[str]:
    """What is wrong, in words."""
    fetched, set_aside, stored, rows = (account[key] for key in ("fetched", "set_aside", "stored", "stored_as"))
    found = []
    if fetched == 0:
        found.append("nothing was fetched")
    if sum(stored.values()) + set_aside != fetched:
        found.append(f"{fetched} fetched, but the store accounts for {sum(stored.values())} and {set_aside} set aside")
    if set_aside > MOST_SET_ASIDE * fetched:
        found.append(f"{set_aside} of {fetched} set aside; `storepulse quarantine list --summary` says why")
    # Who was erased is refused, and rightly not there.
    if rows["users"] + stored.get("refused", 0) != account["users"]:
        found.append(f"{rows['users']} of the {account['users']} users are in raw.users")
    found += [f"{rows[flaw]} users count as {flaw}" for flaw in FLAWS if rows[flaw]]
    if rows["users"] >= ENOUGH_USERS and rows["of_largest_country"] > LARGEST_COUNTRY * rows["users"]:
        found.append(f"{rows['of_largest_country']} of {rows['users']} users are from {rows['largest_country']}")
    return found


def check(account: dict[str, Any]) -> None:
    """Fails, for good, where something is wrong: looking again would not make it right."""
    if found := problems(account):
        raise AirflowFailException(f"users of {account['seed']} are not as they should be: {'; '.join(found)}")
    log.info("%s users of %s are as they should be", account["users"], account["seed"])
