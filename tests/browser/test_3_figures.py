"""Today against yesterday, and visitors: what the pages say is what the raw events say, counted by the tests themselves."""

import re
from datetime import datetime, timedelta
from decimal import Decimal
from urllib.parse import quote

import pytest

from conftest import picture
from history import Truth, rfc3339
from pages import counted, figure, live, number
from processes import Seen, until

MEASURES = {"orders": "orders", "visits": "visits", "net": "net"}


def told(page, path):
    answer = page.request.get(f"/api/v1{path}")
    assert answer.ok, answer.text()
    return answer.json()


def of_today(page, history, what):
    return told(page, f"/shop/{what}?period=today&tz={history.zone}")


def compared(answer):
    """The two stretches of an answer that are compared: both end at the same clock time."""
    period = {name: at and datetime.fromisoformat(at) for name, at in answer["period"].items() if name != "time_zone"}
    length = period["compared_to"] - period["compared_from"]
    return (period["from"], period["from"] + length), (period["compared_from"], period["compared_to"])


def change(now, before):
    return float(now) / float(before) - 1


def shown(ratio):
    """A percentage as a figure shows it."""
    return f"{'▲' if ratio > 0 else '▼' if ratio < 0 else '='} {abs(ratio) * 100:.1f} %"


@pytest.mark.parametrize("measure", MEASURES)
def test_today_against_yesterday_is_what_the_raw_events_say(visitor, history, measure):
    page = visitor("/")

    def agree():
        answer = of_today(page, history, "totals")
        of = answer["data"][measure]
        if of["change"] is None:
            return Seen(of)
        now, before = compared(answer)
        assert now[0] == history.midnight and before == (now[0] - timedelta(days=1), now[1] - timedelta(days=1))
        truth, was = Truth(*now).of(measure), Truth(*before).of(measure)
        # Yesterday went on after that clock time, and none of it is in the comparison.
        assert Truth(before[0], before[1] + timedelta(minutes=30)).of(measure) != was
        same = (of["closed"], of["compared"]) == (truth, was) and of["change"] == pytest.approx(change(truth, was))
        return (same and of["value"] != of["closed"]) or Seen(of, now, truth, before, was)

    # The newest whole minute may be a micro-batch away, and the one that is open may have nothing in it yet.
    until(f"{measure} of both days, and their percentage, are those of the raw events", agree, within_s=180)


def test_the_page_shows_that_percentage(visitor, history):
    page = live(visitor(f"/?tz={history.zone}"))

    def agree():
        now, before = compared(of_today(page, history, "totals"))
        ratio = change(Truth(*now).orders, Truth(*before).orders)
        text = figure(page, "orders").locator(".change").inner_text().replace("\u00a0", " ")
        return text.strip() == shown(ratio) or Seen(text, shown(ratio))

    until("the page shows the percentage of the raw events", agree, within_s=180)


def test_days_that_were_over_are_what_the_line_wrote_of_them_since(visitor, history):
    page = visitor("/")
    start, end = history.days_ago, history.days_ago + timedelta(hours=1)
    truth = Truth(start, end)
    assert truth.orders > 0

    def agree():
        stretch = f"from={quote(rfc3339(start))}&to={quote(rfc3339(end))}"
        data = told(page, f"/shop/totals?{stretch}")["data"]
        seen = {measure: data[measure]["value"] for measure in MEASURES}
        return seen == {measure: truth.of(measure) for measure in MEASURES} or Seen(seen, vars(truth))

    until("the hour of three days ago is what the raw events say", agree, within_s=240)


def test_what_lies_before_the_first_row_is_hatched_and_a_quiet_minute_is_0(visitor, history):
    page = visitor("/")
    first, end = history.days_ago, history.days_ago + timedelta(minutes=30)
    start, stop = first - timedelta(minutes=10), end + timedelta(minutes=10)
    truth = Truth(first, end)
    assert truth.events > 0 and Truth(start, first).events == 0 and Truth(end, stop).events == 0
    # Of each minute the text of its value, or nothing where it is hatched.
    shown = (
        "() => Object.fromEntries([...document.querySelectorAll('figure.chart table.data tbody tr[data-key]')].map(row =>"
        " [row.dataset.key, row.cells[1].querySelector('.hatched') ? null : row.cells[1].textContent]))"
    )

    def there():
        page.goto(f"/?from={quote(rfc3339(start))}&to={quote(rfc3339(stop))}")
        told = page.evaluate(shown)
        minutes = [told.get(str(int((start + timedelta(minutes=minute)).timestamp())), "no row") for minute in range(50)]
        return minutes if minutes[10] else Seen(minutes)

    minutes = until("the minutes with events are there", there, within_s=180, every_s=1)
    assert minutes[:10] == [None] * 10, "before the first row nothing is known"
    assert minutes[40:] == ["0.00"] * 10, "that nothing came is known"
    assert sum(Decimal(text.replace(",", "").replace("−", "-")) for text in minutes[10:40]) == Decimal(truth.net)
    picture(page, "period-with-gap")


def test_visitors_of_a_day_are_bounds_around_the_truth(visitor, history):
    page = visitor("/")

    def within():
        answer = of_today(page, history, "visitors")
        data, period = answer["data"], answer["period"]
        assert data["estimate"] is None and "do not add up" in data["why"]
        users = Truth(period["from"], period["to"]).users
        return data["at_least"] is not None and int(data["at_least"]) <= users <= int(data["at_most"])

    until("the bounds hold everybody who was there", within, within_s=240)


def test_no_sum_of_the_hours_is_anywhere(visitor, history):
    page = visitor(f"/?tz={history.zone}")

    def with_visitors():
        hours = [hour for hour in of_today(page, history, "hours")["data"]["hours"] if hour["users"]]
        return len(hours) >= 3 and hours

    hours = until("three hours tell their visitors", with_visitors, within_s=240)
    together = sum(int(hour["users"]["estimate"]) for hour in hours[:-1])
    # Hours that are over have more together than any single one has: what is as large is a sum.
    assert together > max(int(hour["users"]["estimate"]) for hour in hours)

    def distinct(answer, path=""):
        """Every count of persons or visits that are told apart, with where it stands."""
        if isinstance(answer, dict):
            for name, inner in answer.items():
                yield from distinct(inner, f"{path}/{name}")
        elif isinstance(answer, list):
            for inner in answer:
                yield from distinct(inner, path)
        elif re.search(r"(users|sessions|visitors)[^/]*(/estimate)?$", path):
            yield path, answer

    everything = {}
    for what in ("totals", "funnel", "hours", "visitors", "series", "breakdown&by=country", "breakdown&by=channel"):
        what, _, by = what.partition("&")
        answer = told(page, f"/shop/{what}?period=today&tz={history.zone}&{by}")["data"]
        everything[what + by] = [(path, count) for path, count in distinct(answer) if count is not None]
    everything["now"] = list(distinct(told(page, f"/shop/now?tz={history.zone}")["data"]))
    assert everything["hours"], "hours tell their visitors"
    for what, counts in everything.items():
        for path, count in counts:
            assert number(str(count)) < together, (what, path, count)

    for path in (f"/?tz={history.zone}", f"/?period=today&tz={history.zone}"):
        page.goto(path)
        until("figures are there", lambda: counted(page) > 0)
        for text in page.locator("main").get_by_text(re.compile("≈")).all_inner_texts():
            assert number(text) < together, (path, text)
