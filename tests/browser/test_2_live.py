"""The Live page: figures that move, say how old they are, and are those of the tables."""

import os
import re
import time

from conftest import faultless, picture
from pages import HIDE, counted, hide, live, show
from processes import Seen, quickest, until
from test_1_access import ask


def test_figures_are_there_within_five_seconds(visitor):
    page = visitor("/")
    figures = ("visitors_5m", "orders", "net", "visits")
    until("the figures are there", lambda: all(counted(page, name) > 0 for name in figures), within_s=600)

    def comes():
        fresh = visitor("/")
        until("a second visitor finds them too", lambda: counted(fresh) > 0)

    quickest("a second visitor finds them", comes, within_s=5)
    faultless(live(visitor("/", bypass_csp=True)))
    picture(page, "live")


def test_page_and_api_say_the_same(visitor):
    page = live(visitor("/"))
    until("orders are counted", lambda: counted(page) > 0)

    def agree():
        answer = page.request.get("/api/v1/shop/now")
        told, shown = answer.json()["data"]["today"]["orders"]["value"] if answer.ok else "-1000", counted(page)
        return abs(int(told) - shown) <= 20 or Seen(told, shown)

    until("page and API agree", agree)


# What each figure says of its age, and every age that it is given from now on, with the moment in ms.
AGES = (
    "() => Object.fromEntries([...document.querySelectorAll('[data-figure]')].map(figure =>"
    " [figure.dataset.figure, figure.querySelector('time[data-age]')?.textContent ?? null]))"
)
COUNT = (
    "() => { window.counted = {}; for (const figure of document.querySelectorAll('[data-figure]')) {"
    " const time = figure.querySelector('time[data-age]'), ages = window.counted[figure.dataset.figure] = [];"
    " new MutationObserver(() => ages.push([performance.now(), time.textContent])).observe(time, {childList: true}) } }"
)


def age_s(text):
    """The seconds of an age, `1.4 s ago` or `1 min 38 s ago`."""
    units = {"ms": 0.001, "s": 1, "min": 60, "h": 3_600, "d": 86_400}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)\s*(ms|s|min|h|d)\b", text))


def test_every_age_counts_on_and_falls_when_something_comes(visitor):
    page = live(visitor("/"))
    until("orders are counted", lambda: counted(page) > 0)

    def ages():
        told = page.evaluate(AGES)
        return {name: age_s(text) for name, text in told.items()} if all(told.values()) else {}

    def held_back():
        """Holds frames back at a moment when every figure has an age, and does not where one has none just then."""
        page.keyboard.press("p")
        page.locator("html[data-paused]").wait_for(state="attached")
        if len(ages()) == 6:
            return True
        page.keyboard.press("p")
        return Seen(page.evaluate(AGES))

    until("every figure has an age, and frames are held back", held_back, within_s=600, every_s=1)
    page.evaluate(COUNT)
    told_since = lambda: page.evaluate("window.counted")
    until("each age counts on meanwhile", lambda: all(len(told) > 3 for told in told_since().values()))
    for name, told in told_since().items():
        (began, first), (ended, last) = told[0], told[-1]
        # A second a second; from ten on an age is told in whole ones.
        assert abs(age_s(last) - age_s(first) - (ended - began) / 1_000) <= 1.1, (name, told)
    held = ages()
    page.keyboard.press("p")
    for name in ("events", "orders", "net", "conversion", "visits"):
        fallen = lambda name=name: ages().get(name, held[name]) < held[name]
        until(f"the age of {name} falls when something comes", fallen)


def test_a_hidden_tab_asks_for_nothing_and_catches_up(visitor, line):
    page = live(visitor("/"))
    until("orders are counted", lambda: counted(page) > 0)
    before = counted(page)
    asked = []
    # What the page is made of may still be arriving on a slow machine; it is asked for once.
    page.on("request", lambda request: "/static/" in request.url or asked.append(request.url))
    hide(page)
    until("its stream has ended", lambda: viewers(line) == 0)
    # What was asked before that is told by now.
    page.wait_for_timeout(500)
    asked.clear()
    page.wait_for_timeout(30_000 if os.environ.get("STOREPULSE_LONG_TESTS") else 5_000)
    assert not asked, asked
    show(page)
    until("it is current again", lambda: counted(page) > before)


def viewers(line):
    """How many event streams the console has open."""
    return int(float(re.search(r"^storepulse_console_viewers (\S+)$", ask(line, "/metrics")[2], re.M).group(1)))


def test_of_twelve_tabs_in_a_browser_the_one_that_is_seen_moves_and_each_is_current_when_shown(visitor, line):
    seen = live(visitor("/"))
    # A hidden tab stays as the server drew it.
    until("orders are counted", lambda: counted(seen) > 0, within_s=300)
    # Those that are opened beside it are hidden from the beginning.
    seen.context.add_init_script(f"({HIDE})(true)")
    tabs = [seen.context.new_page() for _ in range(11)]
    for tab in tabs:
        tab.goto("/", wait_until="commit")
    for tab in tabs:
        tab.wait_for_load_state()
    until("each tab has figures", lambda: all(counted(tab) > 0 for tab in [seen, *tabs]))
    loaded = max(counted(tab) for tab in tabs)
    until("the one that is seen goes on", lambda: counted(seen) > loaded)
    until("it alone has a stream", lambda: viewers(line) == 1)

    # A browser has six connections to a host, which streams of twelve tabs would hold.
    get = (
        "async () => { const began = performance.now();"
        " const answer = await fetch('/healthz', {cache: 'no-store'}); return [answer.status, performance.now() - began] }"
    )
    answers = [seen.evaluate(get) for _ in range(9)]
    assert {status for status, _ in answers} == {200}
    # One that waited for a stream to end would wait for ever; how long the others take is the machine's matter as well.
    assert min(took_ms for _, took_ms in answers) < 200, answers

    took = []
    for tab in tabs:
        newest = counted(seen)
        assert counted(tab) < newest, "a hidden tab is as it was"
        hide(seen)
        began = time.monotonic()
        tab.bring_to_front()
        show(tab)
        until("a tab that is shown is current", lambda: counted(tab) >= newest, every_s=0.05)
        took.append(time.monotonic() - began)
        seen = tab
    # Of eleven the third: a busy machine holds some of them up, and what is slow by itself is slow in each.
    assert sorted(took)[2] < 2, took
    until("there is still one stream", lambda: viewers(line) == 1)


def test_no_figure_adds_up_distinct_counts(visitor):
    page = visitor("/")

    def told_of():
        answer = page.request.get("/api/v1/shop/visitors?period=today")
        told = answer.ok and answer.json()
        return told and told["data"]["at_least"] is not None and told

    # The hours' own query comes after the minutes'.
    told = until("the hours tell their visitors", told_of, within_s=600)
    assert told["data"]["estimate"] is None
    assert int(told["data"]["at_least"]) <= int(told["data"]["at_most"])
    totals = page.request.get("/api/v1/shop/totals?period=today").json()["data"]
    assert "users" not in str(totals) and "'sessions'" not in str(totals)


def test_a_period_with_nothing_before_it_is_not_compared(visitor):
    page = visitor("/")
    told = page.request.get("/api/v1/shop/totals?period=today").json()
    assert told["period"]["compared_from"] and told["freshness"]["state"] in ("live", "late", "idle")
