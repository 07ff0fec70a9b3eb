"""Records as they lie in Kafka: searches that end and go on, a tail that nobody drowns in, and bytes that mean harm."""

import re
import threading
from datetime import datetime, timezone
from urllib.parse import quote

from conftest import faultless, picture
from kafka import EVENTS, Topic, beginning, event, long, schema_id
from pages import press
from processes import Seen, sql, until

# Of an event, after the id of its schema and the length of its first field.
EVENT_ID = slice(6, 42)
# A search reads no more than 200,000 at once.
MANY = 210_000
# A person follows no more than this.
ROWS_A_SECOND = 20


def test_time_offset_and_key_land_on_the_record_that_another_client_reads(visitor):
    """And its decimals are PostgreSQL's, digit by digit."""
    records = beginning(EVENTS, 0, 3_000)

    def next_of_key(at):
        return next((record for record in records[at + 1 :] if record.key() == records[at].key()), None)

    # Amid others, and not the last of its key.
    wanted = (at for at in range(500, len(records)) if b"purchase" in records[at].value()[:64] and next_of_key(at))
    at = next(wanted)
    record, later = records[at], next_of_key(at)
    since_ms = record.timestamp()[1]
    first_since = next(record for record in records if record.timestamp()[1] >= since_ms)
    instant = datetime.fromtimestamp(since_ms / 1_000, timezone.utc).isoformat(timespec="milliseconds")
    page = visitor("/topics")

    def landed(query):
        page.goto(f"/topics/{EVENTS}?{query}")
        return page.locator("#found ol.records > li").first

    def place(record):
        return f"0/{record.offset()}"

    assert landed(f"partition=0&at=time:{quote(instant)}").get_attribute("data-key") == place(first_since)
    assert landed(f"at=offset:0/{record.offset() + 1}&key={record.key().decode()}").get_attribute("data-key") == place(later)
    row = landed(f"at=offset:{place(record)}")
    assert row.get_attribute("data-key") == place(record)
    row.locator("summary").first.click()
    row.get_by_text("first bytes").click()
    assert record.value()[:16].hex(" ") in row.inner_text()
    cells = row.locator("table.data tbody tr").evaluate_all("rows => rows.map(row => [...row.cells].map(cell => cell.textContent))")
    event_id = record.value()[EVENT_ID].decode()
    names = ("price", "amount_base", "rate")
    stored = sql(f"select price, amount_base, rate from raw.events where event_id = '{event_id}'").split("|")
    assert [dict(cells)[name] for name in names] == stored, (cells, stored)
    # As the link on the page finds it, which does not tell the key.
    press(page, row.get_by_role("link", name="next of this key"))
    page.wait_for_url(re.compile("like="))
    assert page.locator("#found ol.records > li").first.get_attribute("data-key") == place(later)


def read(page):
    """How many records the search on the page has read, and how many it has found."""
    text = page.locator("#found p.note").first.inner_text()
    return tuple(int(number.replace(",", "")) for number in re.findall(r"Read ([\d,]+) records .*: ([\d,]+) found", text)[0])


def test_a_search_ends_by_its_budget_says_so_and_goes_on(visitor, line):
    view, purchase = event("view_item"), event("purchase")
    with Topic("browser-search") as topic:
        topic.write([view] * MANY + [purchase])
        page = visitor(f"/topics/{topic.name}?at=oldest&where=event_name+%3D+purchase")
        assert re.search("It ended because: so (many|long)", page.locator("#found").inner_text())
        assert "The search can go on from there" in page.locator("#found").inner_text()
        scanned, found = read(page)
        assert 0 < scanned < MANY and found == 0
        # Each page goes on where the one before ended: nothing is read twice and nothing is passed over.
        while page.get_by_role("link", name="Go on from here").count():
            press(page, page.get_by_role("link", name="Go on from here"))
            more, found = read(page)
            scanned += more
        assert "there are no more" in page.locator("#found").inner_text()
        assert (scanned, found) == (MANY + 1, 1)
        assert "purchase" in page.locator("#found ol.records").inner_text()


def test_a_tail_of_5000_a_second_shows_what_a_person_can_follow(visitor, line):
    value = event("view_item")
    ended = threading.Event()
    with Topic("browser-tail") as topic:
        page = visitor(f"/topics/{topic.name}")
        page.locator("[data-tail-rows]").wait_for(state="attached")
        page.evaluate(
            "() => { window.came = []; new MutationObserver(changes => { for (const change of changes)"
            " for (const row of change.addedNodes) if (row.nodeName === 'LI') window.came.push(performance.now()); })"
            ".observe(document.querySelector('[data-tail-rows]'), {childList: true}) }"
        )
        page.get_by_role("button", name="Tail").click()
        state = page.locator("[data-tail-state]")
        until("the tail is open", lambda: "Following" in state.inner_text())
        began_ms = page.evaluate("performance.now()")
        writing = threading.Thread(target=topic.stream, args=(value, 5_000, ended))
        writing.start()
        try:
            until("rows come", lambda: page.evaluate("window.came.length") >= 5 * ROWS_A_SECOND)
            until("what is not shown is counted", lambda: "came too fast to be shown" in state.inner_text())
            came = page.evaluate("window.came")
            # Rows come in rounds of a quarter of a second. A busy browser may be late with some of them, never early: by no
            # moment are there more than were due by then, and a round.
            early = [(row, at) for row, at in enumerate(came) if row > ROWS_A_SECOND * (at - began_ms) / 1_000 + 10]
            assert not early, early[:3]

            page.get_by_role("button", name="Pause").click()
            until("it says that it is paused", lambda: "Paused: the rows stay" in state.inner_text())
            rows = page.locator("[data-tail-rows] > li")
            kept, top = rows.count(), rows.first.get_attribute("data-key")
            assert kept >= 5 * ROWS_A_SECOND
            written = newest(page, topic)
            until("more is written meanwhile", lambda: newest(page, topic) > written + 5_000)
            assert (rows.count(), rows.first.get_attribute("data-key")) == (kept, top)
            page.get_by_role("button", name="Tail").click()
            # There may be as many already as a page keeps.
            until("it goes on above them", lambda: rows.first.get_attribute("data-key") != top)
        finally:
            ended.set()
            writing.join()
        faultless(visitor(f"/topics/{topic.name}", bypass_csp=True))


def newest(page, topic):
    """The offset of the newest record."""
    told = page.request.get(f"/api/v1/topics/{topic.name}/messages?limit=1").json()
    return int(told["data"]["records"][0]["offset"])


def hostile(topic):
    """Values that mean harm or nothing at all, by what is wrong with them."""
    named = b"\0" + schema_id(f"{EVENTS.rsplit('.', 1)[0]}-value").to_bytes(4)
    good = event("view_item")
    return {
        "a text of 2 GB": named + long(2 << 30) + b"x",
        "a text of less than nothing": named + long(-(1 << 40)),
        "a number without end": named + b"\xff" * 40,
        "a schema that nobody registered": b"\0" + (0x7FFF_FFF0).to_bytes(4) + good[5:],
        "no schema's magic byte": b"\1" + good[1:],
        "cut off": good[: len(good) // 2],
        "more than the schema tells": good + b"\0",
        "a schema and nothing else": named,
        "bytes": bytes(range(256)),
        "empty": b"",
        "null": None,
    }


def test_a_record_that_means_harm_is_shown_as_undecodable(visitor, line):
    with Topic("browser-hostile") as topic:
        values = hostile(topic)
        topic.write([*values.values(), event("view_item")])
        page = visitor(f"/topics/{topic.name}?at=oldest")
        rows = page.locator("#found ol.records > li")
        until("all of them are there", lambda: rows.count() == len(values) + 1 or Seen(rows.all_inner_texts()))
        for offset, (what, value) in enumerate(values.items()):
            row = page.locator(f'#found li[data-key="0/{offset}"]')
            row.locator("summary").first.click()
            text = row.inner_text()
            if value is None:
                assert "null: removes its key" in text, (what, text)
                continue
            assert "not decoded" in text, (what, text)
            if value:
                row.get_by_text("first bytes").click()
                assert value[:16].hex(" ") in row.inner_text(), (what, row.inner_text())
        assert "view_item" in rows.last.inner_text(), "the record after them is read as ever"
        picture(page, "hostile")

        found = page.request.get(f"/api/v1/topics/{topic.name}/messages?at=oldest").json()["data"]["records"]
        for record, (what, value) in zip(found, values.items()):
            assert record["decoded"] is None, what
            assert record["hex"] == (value or b"")[:16].hex(), what
            assert bool(record["why_not"]) == (value is not None), what

        # A condition passes over them, and a tail goes on over them.
        judged = page.request.get(f"/api/v1/topics/{topic.name}/messages?at=oldest&where=event_name+exists").json()["data"]
        assert len(judged["records"]) == 1 and judged["not_judged"] == len(values), judged
        page.get_by_role("button", name="Tail").click()
        state = page.locator("[data-tail-state]")
        until("the tail is open", lambda: "Following" in state.inner_text())
        tailed = page.locator("[data-tail-rows] > li")

        def all_of_them():
            # What is written before the consumer has found the end is not followed.
            topic.write(values.values())
            return tailed.count() >= len(values)

        until("hostile records come in", all_of_them, every_s=1)
        assert line.healthy()
        assert not page.watched.errors, page.watched.errors
