"""Compares the figures that the notebooks showed with SQL over raw.events, as `storepulse verify` does with
the tables."""

import json
import os
import pathlib
import sys
from decimal import Decimal

import psycopg

from storepulse_notebook.services import BELONGS

LINES = "count(*) filter (where event_name = '{}')"
AMOUNT = "coalesce(sum(amount_base) filter (where event_name = '{}'), 0.00)"
GROSS, REFUNDS = AMOUNT.format("purchase"), AMOUNT.format("refund")
NET, STARTS = f"{GROSS} - {REFUNDS}", LINES.format("session_start")
ORDERS = "count(*) filter (where event_name = 'purchase' and order_line = 1)"
OF_DAY = f"from raw.events where {BELONGS} and (occurred_at at time zone 'UTC')::date = %(day)s"


def main(folder):
    shown = {path.stem: json.loads(path.read_text()) for path in sorted(pathlib.Path(folder).glob("*.json"))}
    connection = psycopg.connect(os.environ["PG_URL"], options="-c timezone=UTC")
    compared, wrong = 0, []

    def one(query, **parameters):
        return connection.execute(query, parameters or None).fetchone()[0]

    def groups(key, measure, day, only=""):
        return dict(connection.execute(f"select {key}, {measure} {OF_DAY} {only} group by 1", {"day": day}).fetchall())

    def same(notebook, name, expected):
        nonlocal compared
        compared += 1
        value = shown[notebook][name]
        if isinstance(expected, Decimal):
            value = Decimal(value)
        elif isinstance(expected, dict):
            value = {key: type(expected.get(key, 0))(of_key) for key, of_key in value.items()}
        if value != expected:
            wrong.append(f"{notebook}: {name} shows {value}, the raw events say {expected}")

    tour, people, sales, job, explained = (
        "01_tour", "02_demographics_and_engagement", "03_sales_and_funnel", "04_streaming_job", "05_explain_this_number"
    )
    same(tour, "stored_events", one("select count(*) from raw.events"))

    day = shown[people]["day"]
    same(people, "events", one(f"select count(*) {OF_DAY}", day=day))
    same(people, "session_starts", one(f"select {STARTS} {OF_DAY}", day=day))
    for name in ("country", "age_band", "gender", "channel"):
        same(people, f"session_starts_by_{name}", groups(name, STARTS, day))

    day = shown[sales]["day"]
    for name, measure in {"gross": GROSS, "refunds": REFUNDS, "net": NET}.items():
        same(sales, name, one(f"select {measure} {OF_DAY}", day=day))
    same(sales, "orders", one(f"select {ORDERS} {OF_DAY}", day=day))
    same(sales, "units", one(f"select coalesce(sum(quantity) filter (where event_name = 'purchase'), 0) {OF_DAY}", day=day))
    steps = {
        "session_starts": STARTS,
        "cart_adds": LINES.format("add_to_cart"),
        "checkouts": LINES.format("begin_checkout"),
        "orders": ORDERS,
    }
    same(sales, "funnel", {name: one(f"select {measure} {OF_DAY}", day=day) for name, measure in steps.items()})
    same(sales, "net_by_category", groups("coalesce(category, '(none)')", NET, day, "and item_id is not null"))
    same(sales, "order_lines", one(f"select count(*) {OF_DAY} and event_name in ('purchase', 'refund')", day=day))
    top = shown[sales]["top_product"]
    best = max(groups("(item_id, coalesce(item_name, '(none)'))::text", NET, day, "and item_id is not null").values())
    compared += 1
    if Decimal(top["net"]) != best:
        wrong.append(f"{sales}: the top product shows {top['net']}, the raw events say {best}")

    same(job, "rows_dropped_by_watermark", 0)
    same(job, "records_in_topic", one("select count(*) from raw.events"))
    same(job, "events_in_cassandra", one(f"select count(*) from raw.events where {BELONGS}"))
    same(job, "net_in_cassandra", one(f"select {NET} from raw.events where {BELONGS}"))

    of_minute = one(
        f"select {NET} from raw.events where {BELONGS} and country = %(country)s and date_trunc('minute', occurred_at) = %(minute)s",
        country=shown[explained]["country"], minute=shown[explained]["minute"],
    )
    for name in ("net", "net_from_kafka", "net_from_raw"):
        same(explained, name, of_minute)

    print("\n".join(wrong), file=sys.stderr, end="\n" if wrong else "")
    if wrong:
        sys.exit(f"{len(wrong)} of {compared} figures are wrong")
    print(f"notebooks: {compared} figures shown are those of the raw events")


if __name__ == "__main__":
    main(sys.argv[1])
