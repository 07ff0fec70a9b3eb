"""Marked orders: in the ticker as soon as they are committed, and in the figures after that."""

import time
from datetime import datetime, timezone
from itertools import count

from collector import Collector
from pages import counted, live, note_orders, noted
from processes import Seen, quickest, until


def test_a_marked_order_is_in_the_ticker_within_a_second_and_in_the_figures_after_it(visitor, line, tmp_path, capsys):
    page = live(visitor("/"))
    until("orders are counted", lambda: counted(page) > 0, within_s=300)
    note_orders(page)
    collector = Collector(tmp_path, "marked")
    numbers, took = count(1), []

    def order():
        mark = f"Marked {next(numbers)}"
        event = {
            "event_name": "purchase", "occurred_at": datetime.now(timezone.utc).isoformat(), "anonymous_id": "marker",
            "order_id": mark, "order_line": 1, "order_lines": 1,
            "item_id": mark, "item_name": mark, "category": "Marks", "price": "500.00", "currency": "CHF", "quantity": 1,
        }
        assert collector.post("/v1/events", {"events": [event]})["accepted"] == 1
        # The answer comes after the commit.
        committed = time.time()
        [(_, came_ms)] = until(f"{mark} is in the ticker", lambda: noted(page, mark))

        def is_counted():
            asked = "/api/v1/shop/breakdown?by=product&measure=net&period=today&limit=200"
            answer = page.request.get(asked)
            rows = {row["key"]: row["value"] for row in answer.json()["data"]["rows"]} if answer.ok else {}
            return float(rows.get(mark, 0)) > 0 or Seen(answer.status, len(rows))

        until(f"{mark} is in the figures", is_counted, every_s=0.2)
        took.append((came_ms / 1_000 - committed, time.time() - committed))
        return took[-1][0]

    try:
        quickest("a marked order is in the ticker", order, within_s=1, tries=10)
    finally:
        collector.stop()
        with capsys.disabled():
            print("marked orders, s from commit to ticker, and to figures:", *(f"{ticker:.2f}, {row:.2f};" for ticker, row in took))
    assert all(ticker <= row for ticker, row in took), took
